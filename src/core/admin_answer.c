/* What Guardian's queries are answered with: the same as the local commands show (node.h). */
#include "anchor.pb-c.h"
#include "core/admin.h"
#include "core/node_i.h"

#define COUNTERS_MAX (16 + VN_NDROP_COUNT + VN_DROP_COUNT + VN_TDROP_COUNT)

static ProtobufCBinaryData ip_data(const struct vn_ip *ip)
{
    return (ProtobufCBinaryData){sizeof(ip->b), (uint8_t *)ip->b};
}

void vn_admin_failed(const struct vn_admin_send *to)
{
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    m.result = VN_COMMAND_FAILED;
    to->send(to->arg, &m);
}

void vn_admin_info(struct vn_node *n, const struct vn_admin_send *to)
{
    const struct vn_credentials *c = n->session.cred;
    const char *taints[VN_TAINTS_MAX];
    ProtobufCBinaryData addrs[] = {ip_data(&c->ip4), ip_data(&c->ip6)};
    Vn__NodeInfo i = VN__NODE_INFO__INIT;
    i.version = (char *)VN_VERSION;
    i.conflux = (ProtobufCBinaryData){VN_ID_LEN, (uint8_t *)c->conflux_id.b};
    i.tag = (char *)c->tag;
    i.addrs = addrs;
    i.n_addrs = VN_ARRAY_LEN(addrs);
    i.n_taints = vn_node_taints(n, taints);
    i.taints = (char **)taints;
    i.mtu = n->cfg.mtu_bytes;
    i.uptime_ms = n->now_ms - n->admin.started_ms;
    i.expires_ms = c->expires_ms;
    i.quarantined = n->quarantine.list.all;
    i.quarantined_from = (uint32_t)n->quarantine.list.count;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_INFO;
    m.info = &i;
    to->send(to->arg, &m);
}

void vn_admin_networks(struct vn_node *n, const struct vn_admin_send *to)
{
    struct vn_local_network list[VN_COMMAND_NETWORKS_MAX];
    Vn__NodeNetwork items[VN_COMMAND_NETWORKS_MAX], *pointers[VN_COMMAND_NETWORKS_MAX];
    Vn__NodeNetworks out = VN__NODE_NETWORKS__INIT;
    size_t count = n->cfg.shell->networks(n->cfg.shell->arg, list, VN_ARRAY_LEN(list));
    out.n_networks = VN_MIN(count, VN_ARRAY_LEN(list));
    out.networks = pointers;
    for (size_t i = 0; i < out.n_networks; i++) {
        vn__node_network__init(&items[i]);
        items[i].interface = list[i].interface;
        items[i].addr = ip_data(&list[i].net.ip);
        items[i].bits = list[i].net.bits;
        pointers[i] = &items[i];
    }
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_NETWORKS;
    m.networks = &out;
    to->send(to->arg, &m);
}

/* ---- sessions ---- */

static void add_stats(const struct vn_node_link *l, const struct vn_ev_stats *s, Vn__NodeSession *o)
{
    uint64_t idle = UINT64_MAX;
    for (size_t i = 0; l->tx && i < s->tx_count; i++) {
        if (s->tx[i].tx != l->tx)
            continue;
        o->tx_packets = s->tx[i].packets;
        o->tx_bytes = s->tx[i].bytes;
        idle = VN_MIN(idle, s->tx[i].idle_ms);
    }
    for (size_t i = 0; l->rx && i < s->rx_count; i++) {
        if (s->rx[i].rx != l->rx)
            continue;
        o->rx_packets = s->rx[i].packets;
        o->rx_bytes = s->rx[i].bytes;
        idle = VN_MIN(idle, s->rx[i].idle_ms);
    }
    o->idle_ms = idle == UINT64_MAX ? 0 : idle;
    for (size_t i = 0; l->tether && i < s->tether_count; i++) {
        if (s->tethers[i].tether == l->tether)
            o->rtt_us = s->tethers[i].stats.srtt_us;
    }
}

static void session_of(struct vn_node_link *l, const struct vn_ev_stats *stats,
                       ProtobufCBinaryData *addrs, Vn__NodeSession *o)
{
    vn__node_session__init(o);
    for (size_t i = 0; i < l->addr_count; i++)
        addrs[i] = ip_data(&l->addrs[i]);
    o->node = (ProtobufCBinaryData){VN_ID_LEN, l->node.b};
    o->tag = l->tag;
    o->addrs = addrs;
    o->n_addrs = l->addr_count;
    o->tx_state = (char *)(l->tx_state ? l->tx_state : "");
    o->rx = l->rx != 0;
    o->tether = l->tether != 0;
    o->tether_up = l->tether_up;
    o->since_ms = l->since_ms;
    if (stats)
        add_stats(l, stats, o);
}

void vn_admin_sessions(struct vn_node *n, const struct vn_ev_stats *stats, size_t offset,
                       const struct vn_admin_send *to)
{
    Vn__NodeSession items[VN_COMMAND_SESSIONS_MAX], *pointers[VN_COMMAND_SESSIONS_MAX];
    ProtobufCBinaryData addrs[VN_COMMAND_SESSIONS_MAX][VN_CERT_ADDRS_MAX];
    Vn__NodeSessions out = VN__NODE_SESSIONS__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    struct vn_node_link *links = calloc(VN_ADMIN_LINKS_MAX, sizeof(*links));
    if (!links) {
        vn_admin_failed(to);
        return;
    }
    size_t count = VN_MIN(vn_node_links(n, links, VN_ADMIN_LINKS_MAX), (size_t)VN_ADMIN_LINKS_MAX);
    out.total = (uint32_t)count;
    out.sessions = pointers;
    for (size_t i = offset; i < count && out.n_sessions < VN_ARRAY_LEN(items); i++) {
        size_t k = out.n_sessions++;
        session_of(&links[i], stats, addrs[k], &items[k]);
        pointers[k] = &items[k];
    }
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_SESSIONS;
    m.sessions = &out;
    to->send(to->arg, &m);
    free(links);
}

/* ---- health ---- */

struct counters {
    Vn__NodeCounter items[COUNTERS_MAX], *pointers[COUNTERS_MAX];
    char names[COUNTERS_MAX][48];
    size_t count;
};

static void count(struct counters *c, const char *prefix, const char *name, uint64_t value)
{
    size_t i = c->count++;
    vn__node_counter__init(&c->items[i]);
    snprintf(c->names[i], sizeof(c->names[i]), "%s%s", prefix, name);
    c->items[i].name = c->names[i];
    c->items[i].value = value;
    c->pointers[i] = &c->items[i];
}

static void count_drop(struct counters *c, const char *prefix, const char *name, uint64_t value)
{
    if (value)
        count(c, prefix, name, value);
}

static void fill_counters(const struct vn_node *n, const struct vn_ev_stats *stats,
                          struct counters *c)
{
    count(c, "", "handshakes_started", n->handshakes_started);
    count(c, "", "handshakes_done", n->handshakes_done);
    count(c, "", "handshakes_answered", n->handshakes_answered);
    count(c, "", "cookies_sent", n->cookies_sent);
    count(c, "", "load_periods", n->load_periods);
    if (!stats)
        return;
    count(c, "", "tun_rx_packets", stats->counters.tun_rx_packets);
    count(c, "", "tun_rx_bytes", stats->counters.tun_rx_bytes);
    count(c, "", "tun_tx_packets", stats->counters.tun_tx_packets);
    count(c, "", "tun_tx_bytes", stats->counters.tun_tx_bytes);
    count(c, "", "frames_sealed", stats->counters.frames_sealed);
    count(c, "", "frames_opened", stats->counters.frames_opened);
    count(c, "", "frames_relayed", stats->counters.frames_relayed);
    count(c, "", "frames_resent", stats->counters.frames_resent);
    count(c, "", "frames_copied", stats->counters.frames_copied);
    count(c, "", "egressers", stats->egresser_count);
}

static void fill_drops(const struct vn_node *n, const struct vn_ev_stats *stats, struct counters *c)
{
    for (unsigned i = 0; i < VN_NDROP_COUNT; i++)
        count_drop(c, "control_", vn_node_drop_name((enum vn_node_drop)i), n->drops[i]);
    for (unsigned i = 0; stats && i < VN_DROP_COUNT; i++)
        count_drop(c, "data_", vn_worker_drop_name((enum vn_worker_drop)i),
                   stats->counters.drops[i]);
    for (unsigned i = 0; stats && i < VN_TDROP_COUNT; i++)
        count_drop(c, "tether_", vn_tether_drop_name((enum vn_tether_drop)i),
                   stats->tether_drops[i]);
}

void vn_admin_health(struct vn_node *n, const struct vn_ev_stats *stats,
                     const struct vn_admin_send *to)
{
    struct vn_node_status s;
    Vn__NodeHealth h = VN__NODE_HEALTH__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    struct counters *lists = calloc(2, sizeof(*lists));
    if (!lists) {
        vn_admin_failed(to);
        return;
    }
    vn_node_get_status(n, &s);
    fill_counters(n, stats, &lists[0]);
    fill_drops(n, stats, &lists[1]);
    h.uptime_ms = n->now_ms - n->admin.started_ms;
    h.renew_in_ms = s.renew_in_ms;
    h.peers = (uint32_t)s.peer_count;
    h.streams_tx = (uint32_t)s.stream_tx_count;
    h.streams_rx = (uint32_t)s.stream_rx_count;
    h.tethers = (uint32_t)s.tether_count;
    h.under_load = s.under_load;
    h.guardian_error = s.guardian_error;
    h.counters = lists[0].pointers;
    h.n_counters = lists[0].count;
    h.drops = lists[1].pointers;
    h.n_drops = lists[1].count;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_HEALTH;
    m.health = &h;
    to->send(to->arg, &m);
    free(lists);
}
