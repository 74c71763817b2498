/* STUN and TURN servers: what a node is told of, and what administrators have set (`run --stun`,
 * `--turn`). */
#include "guardian/command.h"
#include "guardian/http.h"
#include "guardian/ice.h"
#include "guardian/routes.h"

/* Credentials of the present session, made anew: good until it ends, and a little longer. */
void vn_route_conflux_ice(struct vn_request *r)
{
    json_t *servers = NULL;
    if (!vn_command_reachable(&r->conflux)) {
        vn_request_error(r, 409, "this node has no session: log in first");
        return;
    }
    vn_status st = vn_ice_servers_json(&r->g->cfg, &r->conflux, &servers);
    if (st != VN_OK)
        vn_request_fail(r, st, "ICE servers");
    else
        vn_request_reply(r, 200,
                         json_pack("{s:I, s:o}", "expires_at",
                                   (json_int_t)r->conflux.session.not_after_ms, "ice_servers",
                                   servers));
}

static json_t *server_json(const struct vn_turn_config *turn, const struct vn_ice_server *s)
{
    char url[VN_ICE_URL_MAX];
    json_t *addresses = json_array();
    vn_ice_url_format(s, url);
    if (!vn_ice_server_is_turn(s))
        json_array_append_new(addresses, vn_json_ip(&s->addr.ip));
    for (size_t i = 0; vn_ice_server_is_turn(s) && i < turn->server_count; i++) {
        char other[VN_ICE_URL_MAX];
        vn_ice_url_format(&turn->servers[i], other);
        if (strcmp(url, other) == 0)
            json_array_append_new(addresses, vn_json_ip(&turn->servers[i].addr.ip));
    }
    return json_pack("{s:s, s:o, s:s, s:b}", "url", url, "addresses", addresses, "credentials",
                     !vn_ice_server_is_turn(s) ? "none"
                     : turn->username[0]       ? "one user"
                                               : "time-limited",
                     "pinned", s->pinned);
}

void vn_route_ice_list(struct vn_request *r)
{
    const struct vn_guardian_config *cfg = &r->g->cfg;
    json_t *items = json_array();
    for (size_t i = 0; i < cfg->stun_count; i++) {
        struct vn_ice_server s = {.kind = VN_ICE_SERVER_STUN, .addr = cfg->stun[i]};
        vn_ip_format(&s.addr.ip, s.host);
        json_array_append_new(items, server_json(&cfg->turn, &s));
    }
    for (size_t i = 0; i < cfg->turn.url_count; i++)
        json_array_append_new(items, server_json(&cfg->turn, &cfg->turn.urls[i]));
    vn_request_reply(r, 200, json_pack("{s:o}", "items", items));
}
