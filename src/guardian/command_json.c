/* What nodes answer, as JSON. They are authentic, but a node may say anything: sizes are checked,
 * and text that is no UTF-8 is left out. */
#include "anchor.pb-c.h"
#include "base/limits.h"
#include "guardian/command.h"
#include "guardian/json.h"

static json_t *text(const char *s)
{
    json_t *t = json_string(s);
    return t ? t : json_string("");
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)VN_MIN(n, (uint64_t)INT64_MAX));
}

/* NULL when it is none. */
static json_t *id_of(const ProtobufCBinaryData *d)
{
    struct vn_id id;
    if (d->len != sizeof(id.b))
        return NULL;
    memcpy(id.b, d->data, sizeof(id.b));
    return vn_json_id(&id);
}

static json_t *ip_of(const ProtobufCBinaryData *d)
{
    struct vn_ip ip;
    if (d->len != sizeof(ip.b))
        return NULL;
    memcpy(ip.b, d->data, sizeof(ip.b));
    return vn_json_ip(&ip);
}

static json_t *ips_of(const ProtobufCBinaryData *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, ip_of(&list[i]));
    return a;
}

static json_t *info(const Vn__NodeInfo *m)
{
    json_t *taints = json_array();
    for (size_t i = 0; i < m->n_taints; i++)
        json_array_append_new(taints, text(m->taints[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:b, s:I}", "version",
                     text(m->version), "conflux_id", id_of(&m->conflux), "tag", text(m->tag),
                     "addresses", ips_of(m->addrs, m->n_addrs), "taints", taints, "mtu",
                     (json_int_t)m->mtu, "uptime_ms", number(m->uptime_ms), "expires_at",
                     number(m->expires_ms), "quarantined", m->quarantined, "quarantined_from",
                     (json_int_t)m->quarantined_from);
}

static bool prefix_of(const ProtobufCBinaryData *addr, uint32_t bits, char ret[VN_PREFIX_TEXT])
{
    struct vn_prefix p;
    if (addr->len != sizeof(p.ip.b) || bits > 128)
        return false;
    memcpy(p.ip.b, addr->data, sizeof(p.ip.b));
    p.bits = (uint8_t)bits;
    if (vn_ip_is_v4(&p.ip) && p.bits < 96)
        return false;
    vn_prefix_format(&p, ret);
    return true;
}

static json_t *networks(const Vn__NodeNetworks *m)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < m->n_networks; i++) {
        const Vn__NodeNetwork *n = m->networks[i];
        char prefix[VN_PREFIX_TEXT];
        if (prefix_of(&n->addr, n->bits, prefix))
            json_array_append_new(
                a, json_pack("{s:o, s:s}", "interface", text(n->interface), "network", prefix));
    }
    return json_pack("{s:o}", "items", a);
}

static json_t *remotes(const Vn__NodeRemotes *m)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < m->n_networks; i++) {
        const Vn__NodeRemote *n = m->networks[i];
        char prefix[VN_PREFIX_TEXT];
        json_t *node = prefix_of(&n->addr, n->bits, prefix) ? id_of(&n->node) : NULL;
        if (node)
            json_array_append_new(a, json_pack("{s:s, s:o, s:o}", "network", prefix, "node_id",
                                               node, "tag", text(n->tag)));
    }
    return json_pack("{s:o}", "items", a);
}

/* ---- routes ---- */

static json_t *way(const Vn__NodeWay *w)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "relay", w->relay.len ? id_of(&w->relay) : json_null(),
                     "tag", text(w->tag), "why", text(w->why), "cost_us", (json_int_t)w->cost_us);
}

static json_t *route(const Vn__NodeRoute *r)
{
    json_t *via = json_array(), *ways = json_array();
    for (size_t i = 0; i < r->n_via; i++)
        json_array_append_new(via, id_of(&r->via[i]));
    for (size_t i = 0; i < r->n_ways; i++)
        json_array_append_new(ways, way(r->ways[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "node_id", id_of(&r->node), "tag", text(r->tag),
                     "state", text(r->state), "via", via, "ways", ways);
}

static json_t *routes(const Vn__NodeRoutes *m)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < m->n_routes; i++)
        json_array_append_new(a, route(m->routes[i]));
    return json_pack("{s:I, s:o}", "total", (json_int_t)m->total, "items", a);
}

static json_t *session(const Vn__NodeSession *s)
{
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b}", "node_id", id_of(&s->node), "tag",
                          text(s->tag), "addresses", ips_of(s->addrs, s->n_addrs), "tx_state",
                          s->tx_state[0] ? text(s->tx_state) : json_null(), "rx", s->rx, "tether",
                          s->tether, "tether_up", s->tether_up);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"since_ms", s->since_ms},     {"idle_ms", s->idle_ms},   {"rtt_us", s->rtt_us},
        {"tx_packets", s->tx_packets}, {"tx_bytes", s->tx_bytes}, {"rx_packets", s->rx_packets},
        {"rx_bytes", s->rx_bytes},
    };
    for (size_t i = 0; o && i < VN_ARRAY_LEN(numbers); i++)
        json_object_set_new(o, numbers[i].name, number(numbers[i].value));
    return o;
}

static json_t *sessions(const Vn__NodeSessions *m)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < m->n_sessions; i++) {
        json_t *o = session(m->sessions[i]);
        if (o)
            json_array_append_new(a, o);
    }
    return json_pack("{s:I, s:o}", "total", (json_int_t)m->total, "items", a);
}

static json_t *counters(Vn__NodeCounter *const *list, size_t n)
{
    json_t *o = json_object();
    for (size_t i = 0; o && i < n; i++)
        json_object_set_new(o, list[i]->name, number(list[i]->value)); /* refuses bad UTF-8 */
    return o;
}

static json_t *health(const Vn__NodeHealth *m)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o}", "uptime_ms",
                     number(m->uptime_ms), "renew_in_ms", number(m->renew_in_ms), "peers",
                     (json_int_t)m->peers, "streams_tx", (json_int_t)m->streams_tx, "streams_rx",
                     (json_int_t)m->streams_rx, "tethers", (json_int_t)m->tethers, "under_load",
                     m->under_load, "guardian_error", text(m->guardian_error), "counters",
                     counters(m->counters, m->n_counters), "drops", counters(m->drops, m->n_drops));
}

json_t *vn_command_answer_json(const Vn__CommandAnswer *m)
{
    switch (m->detail_case) {
    case VN__COMMAND_ANSWER__DETAIL_INFO:
        return info(m->info);
    case VN__COMMAND_ANSWER__DETAIL_NETWORKS:
        return networks(m->networks);
    case VN__COMMAND_ANSWER__DETAIL_SESSIONS:
        return sessions(m->sessions);
    case VN__COMMAND_ANSWER__DETAIL_HEALTH:
        return health(m->health);
    case VN__COMMAND_ANSWER__DETAIL_ROUTES:
        return routes(m->routes);
    case VN__COMMAND_ANSWER__DETAIL_REMOTES:
        return remotes(m->remotes);
    default:
        return json_object();
    }
}
