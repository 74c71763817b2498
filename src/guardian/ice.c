#include "guardian/ice.h"

#include "guardian/json.h"

static json_t *ice_server_json(const struct vn_ice_server *s)
{
    char url[VN_ICE_URL_MAX];
    vn_ice_url_format(s, url);
    json_t *o = json_pack("{s:s, s:o}", "url", url, "ip", vn_json_ip(&s->addr.ip));
    if (!o || !vn_ice_server_is_turn(s))
        return o;
    if (json_object_set_new(o, "username", json_string(s->username)) != 0 ||
        json_object_set_new(o, "credential", json_string(s->credential)) != 0 ||
        (s->pinned && json_object_set_new(o, "pin", vn_json_b64(VN_SPAN_ARRAY(s->pin))) != 0)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static vn_status add_stun_servers(const struct vn_guardian_config *cfg, json_t *list)
{
    for (size_t i = 0; i < cfg->stun_count; i++) {
        struct vn_ice_server s = {.kind = VN_ICE_SERVER_STUN, .addr = cfg->stun[i]};
        vn_ip_format(&s.addr.ip, s.host);
        if (json_array_append_new(list, ice_server_json(&s)) != 0)
            return VN_ERR_NOMEM;
    }
    return VN_OK;
}

static void server_wipe(struct vn_ice_server *s)
{
    vn_wipe(s, sizeof(*s));
}

static vn_status add_turn_servers(const struct vn_guardian_config *cfg,
                                  const struct vn_conflux_record *c, json_t *list)
{
    const struct vn_turn_config *turn = &cfg->turn;
    for (size_t i = 0; i < turn->server_count; i++) {
        VN_CLEANUP(server_wipe) struct vn_ice_server s = turn->servers[i];
        const vn_status st = vn_turn_credentials(turn, &c->session.node, c->session.not_after_ms,
                                                 s.username, s.credential);
        if (st != VN_OK)
            return st;
        if (json_array_append_new(list, ice_server_json(&s)) != 0)
            return VN_ERR_NOMEM;
    }
    return VN_OK;
}

vn_status vn_ice_servers_json(const struct vn_guardian_config *cfg,
                              const struct vn_conflux_record *c, json_t **ret)
{
    json_t *list = json_array();
    vn_status st = list ? add_stun_servers(cfg, list) : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = add_turn_servers(cfg, c, list);
    if (st == VN_OK)
        *ret = list;
    else
        json_decref(list);
    return st;
}
