#include "conflux/daemon_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "conflux/answer_text.h"
#include "conflux/daemon_relays.h"
#include "conflux/exit.h"
#include "lib/node_host.h"

static const char *candidate_name(enum vn_candidate_type t)
{
    return t == VN_CAND_HOST    ? "host"
           : t == VN_CAND_SRFLX ? "srflx"
           : t == VN_CAND_PRFLX ? "prflx"
           : t == VN_CAND_RELAY ? "relay"
                                : "";
}

static void add_stats(struct vn_arena *a, Vn__Local__Link *l, const struct vn_node_link *in,
                      const struct vn_ev_stats *stats)
{
    uint64_t idle = UINT64_MAX;
    for (size_t i = 0; in->tx && i < stats->tx_count; i++) {
        if (stats->tx[i].tx != in->tx)
            continue;
        l->tx_packets = stats->tx[i].packets;
        l->tx_bytes = stats->tx[i].bytes;
        l->queued_packets = stats->tx[i].queued_packets;
        idle = VN_MIN(idle, stats->tx[i].idle_ms);
    }
    for (size_t i = 0; in->rx && i < stats->rx_count; i++) {
        if (stats->rx[i].rx != in->rx)
            continue;
        l->rx_packets = stats->rx[i].packets;
        l->rx_bytes = stats->rx[i].bytes;
        idle = VN_MIN(idle, stats->rx[i].idle_ms);
    }
    l->idle_ms = idle == UINT64_MAX ? 0 : idle;
    for (size_t i = 0; in->tether && i < stats->tether_count; i++) {
        const struct vn_tether_stats *t = &stats->tethers[i].stats;
        if (stats->tethers[i].tether != in->tether)
            continue;
        l->rtt_us = t->srtt_us;
        l->tether_tx_bytes = t->tx_bytes;
        l->tether_rx_bytes = t->rx_bytes;
        l->local = vn_arena_addr(a, &t->local);
        l->remote = vn_arena_addr(a, &t->remote);
        l->local_type = vn_arena_text(a, t->local.port ? candidate_name(t->local_type) : "");
        l->remote_type = vn_arena_text(a, t->remote.port ? candidate_name(t->remote_type) : "");
    }
}

static uint64_t rtt_of(const struct vn_ev_stats *stats, uint32_t tether)
{
    for (size_t i = 0; stats && tether && i < stats->tether_count; i++) {
        if (stats->tethers[i].tether == tether)
            return stats->tethers[i].stats.srtt_us;
    }
    return 0;
}

static void add_ways(struct vn_arena *a, struct vn_node *node, Vn__Local__Link *l,
                     const struct vn_id *peer, const struct vn_ev_stats *stats)
{
    struct vn_node_way ways[VN_NODE_WAYS_MAX];
    const size_t n = vn_node_ways(node, peer, ways, VN_ARRAY_LEN(ways));
    l->ways = vn_arena_take(a, n * sizeof(*l->ways));
    for (size_t i = 0; l->ways && i < n; i++) {
        Vn__Local__Way *w = vn_arena_take(a, sizeof(*w));
        if (!w)
            return;
        vn__local__way__init(w);
        w->direct = ways[i].direct;
        w->relay = ways[i].direct ? vn_arena_text(a, "") : vn_arena_id(a, &ways[i].relay);
        w->tag = vn_arena_text(a, ways[i].tag);
        w->why = vn_arena_text(a, ways[i].why);
        w->copies = ways[i].copies;
        w->flows = ways[i].flows;
        w->rtt_us = rtt_of(stats, ways[i].tether);
        w->cost_us = ways[i].cost_us;
        w->weight_permille = ways[i].weight_permille;
        w->age_ms = ways[i].age_ms;
        w->delay_us = ways[i].delay_us;
        w->jitter_us = ways[i].jitter_us;
        w->loss_permille = ways[i].loss_permille;
        w->room_kbps = ways[i].room_kbps;
        w->bottleneck = vn_arena_text(a, ways[i].bottleneck);
        w->wish = vn_arena_text(a, ways[i].wish);
        w->rule = vn_arena_text(a, ways[i].rule);
        l->ways[l->n_ways++] = w;
    }
}

static Vn__Local__Link *make_link(struct vn_arena *a, struct vn_node *node,
                                  const struct vn_node_link *in, const struct vn_ev_stats *stats)
{
    Vn__Local__Link *l = vn_arena_take(a, sizeof(*l));
    if (!l)
        return NULL;
    vn__local__link__init(l);
    l->node = vn_arena_id(a, &in->node);
    l->tag = vn_arena_text(a, in->tag);
    l->country = vn_arena_text(a, in->country);
    l->addrs = vn_arena_ips(a, in->addrs, in->addr_count);
    l->n_addrs = l->addrs ? in->addr_count : 0;
    l->tx_state = vn_arena_text(a, in->tx_state ? in->tx_state : "");
    l->rx = in->rx != 0;
    l->tether = in->tether != 0;
    l->tether_up = in->tether_up;
    l->since_ms = in->since_ms;
    l->via = vn_arena_ids(a, in->via, in->via_count);
    l->n_via = l->via ? in->via_count : 0;
    l->handshake_us = in->handshake_us;
    if (stats)
        add_stats(a, l, in, stats);
    if (in->tx)
        add_ways(a, node, l, &in->node, stats);
    return l;
}

static void set_links(struct vn_arena *a, struct vn_node *node, Vn__Local__Status *s,
                      const struct vn_ev_stats *stats)
{
    struct vn_node_link *links = calloc(VN_DAEMON_LINKS_MAX, sizeof(*links));
    if (!links)
        return;
    const size_t n =
        VN_MIN(vn_node_links(node, links, VN_DAEMON_LINKS_MAX), (size_t)VN_DAEMON_LINKS_MAX);
    s->links = vn_arena_take(a, n * sizeof(*s->links));
    for (size_t i = 0; s->links && i < n; i++) {
        Vn__Local__Link *l = make_link(a, node, &links[i], stats);
        if (l)
            s->links[s->n_links++] = l;
    }
    free(links);
}

static void set_place(struct vn_arena *a, Vn__Local__Status *s, const struct vn_node_status *ns)
{
    Vn__Local__Place *p = vn_arena_take(a, sizeof(*p));
    int32_t *at = vn_arena_take(a, sizeof(ns->place.x_us));
    if (!p || !at)
        return;
    vn__local__place__init(p);
    memcpy(at, ns->place.x_us, sizeof(ns->place.x_us));
    p->at_us = at;
    p->n_at_us = VN_COORD_DIMS;
    p->height_us = ns->place.height_us;
    p->error_permille = (uint32_t)((uint64_t)ns->place.error_q16 * 1000 / VN_Q16);
    s->place = p;
    s->headroom_permille = ns->headroom_permille;
}

static void add_counter(struct vn_arena *a, Vn__Local__Counter **list, size_t *n,
                        const char *prefix, const char *name, uint64_t value)
{
    Vn__Local__Counter *c = vn_arena_take(a, sizeof(*c));
    if (!c)
        return;
    vn__local__counter__init(c);
    char full[96];
    snprintf(full, sizeof(full), "%s%s", prefix, name);
    c->name = vn_arena_text(a, full);
    c->value = value;
    list[(*n)++] = c;
}

static void set_drops(struct vn_arena *a, Vn__Local__Status *s, const struct vn_node_status *ns,
                      const struct vn_ev_stats *stats)
{
    s->drops = vn_arena_take(a, ((size_t)VN_NDROP_COUNT + VN_DROP_COUNT + VN_TDROP_COUNT) *
                                    sizeof(*s->drops));
    if (!s->drops)
        return;
    for (unsigned i = 0; i < VN_NDROP_COUNT; i++)
        add_counter(a, s->drops, &s->n_drops, "control_", vn_node_drop_name((enum vn_node_drop)i),
                    ns->drops[i]);
    for (unsigned i = 0; stats && i < VN_DROP_COUNT; i++)
        add_counter(a, s->drops, &s->n_drops, "data_", vn_worker_drop_name((enum vn_worker_drop)i),
                    stats->counters.drops[i]);
    for (unsigned i = 0; stats && i < VN_TDROP_COUNT; i++)
        add_counter(a, s->drops, &s->n_drops, "tether_",
                    vn_tether_drop_name((enum vn_tether_drop)i), stats->tether_drops[i]);
}

static void set_counters(struct vn_arena *a, Vn__Local__Status *s, const struct vn_node_status *ns,
                         const struct vn_ev_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"handshakes_started", ns->handshakes_started},
        {"handshakes_done", ns->handshakes_done},
        {"handshakes_answered", ns->handshakes_answered},
        {"cookies_sent", ns->cookies_sent},
        {"verified", ns->verified},
        {"messages_waited", ns->messages_waited},
        {"load_periods", ns->load_periods},
        {"key_generation", ns->cred ? ns->cred->hour_keys.generation : 0},
        {"tun_rx_packets", stats ? stats->counters.tun_rx_packets : 0},
        {"tun_rx_bytes", stats ? stats->counters.tun_rx_bytes : 0},
        {"tun_tx_packets", stats ? stats->counters.tun_tx_packets : 0},
        {"tun_tx_bytes", stats ? stats->counters.tun_tx_bytes : 0},
        {"frames_sealed", stats ? stats->counters.frames_sealed : 0},
        {"frames_opened", stats ? stats->counters.frames_opened : 0},
        {"frames_relayed", stats ? stats->counters.frames_relayed : 0},
        {"bytes_relayed", stats ? stats->counters.bytes_relayed : 0},
        {"circuits_relayed", ns->relays_accepted},
        {"relay_circuits", ns->relay_count},
        {"inband_sent", ns->inband_sent},
        {"inband_received", ns->inband_received},
        {"inband_passed", ns->inband_passed},
        {"path_probes", ns->probes},
        {"path_heartbeats", ns->heartbeats},
        {"path_moves", ns->moves},
        {"path_failovers", ns->failovers},
        {"frames_resent", stats ? stats->counters.frames_resent : 0},
        {"frames_copied", stats ? stats->counters.frames_copied : 0},
        {"frames_given_up", stats ? stats->counters.frames_given_up : 0},
        {"frames_let_go", stats ? stats->counters.frames_let_go : 0},
        {"relays_told", ns->relays_told},
        {"relays_heard", ns->relays_heard},
        {"ecn_marked", stats ? stats->counters.ecn_marked : 0},
        {"egressers", stats ? stats->egresser_count : 0},
    };
    s->counters = vn_arena_take(a, VN_ARRAY_LEN(counters) * sizeof(*s->counters));
    for (size_t i = 0; s->counters && i < VN_ARRAY_LEN(counters); i++)
        add_counter(a, s->counters, &s->n_counters, "", counters[i].name, counters[i].value);
}

static void set_workers(struct vn_arena *a, Vn__Local__Status *s, const struct vn_ev_stats *stats)
{
    s->workers = vn_arena_take(a, stats->worker_count * sizeof(*s->workers));
    for (size_t i = 0; s->workers && i < stats->worker_count; i++) {
        const struct vn_worker_counters *w = &stats->workers[i];
        const struct {
            const char *name;
            uint64_t value;
        } counters[] = {
            {"tun_rx_packets", w->tun_rx_packets}, {"tun_rx_bytes", w->tun_rx_bytes},
            {"tun_tx_packets", w->tun_tx_packets}, {"tun_tx_bytes", w->tun_tx_bytes},
            {"frames_sealed", w->frames_sealed},   {"frames_opened", w->frames_opened},
        };
        Vn__Local__Worker *out = vn_arena_take(a, sizeof(*out));
        if (!out)
            return;
        vn__local__worker__init(out);
        s->workers[s->n_workers++] = out;
        out->counters = vn_arena_take(a, VN_ARRAY_LEN(counters) * sizeof(*out->counters));
        for (size_t k = 0; out->counters && k < VN_ARRAY_LEN(counters); k++)
            add_counter(a, out->counters, &out->n_counters, "", counters[k].name,
                        counters[k].value);
    }
}

static const char *state_name(enum vn_node_state s)
{
    return s == VN_NODE_ONLINE                             ? "online"
           : s == VN_NODE_STOPPING || s == VN_NODE_STOPPED ? "stopping"
                                                           : "joining";
}

static const char *access_name(enum vn_access_rule r)
{
    return r == VN_ACCESS_TEAMS ? "teams" : r == VN_ACCESS_BOTH ? "both" : "taints";
}

static void set_credentials(struct vn_arena *a, Vn__Local__Status *s,
                            const struct vn_credentials *c)
{
    const struct vn_suite_info *suite = vn_suite_get(c->realm.suite);
    s->conflux = vn_arena_id(a, &c->conflux_id);
    s->tag = vn_arena_text(a, c->tag);
    s->ip4 = vn_arena_ip(a, &c->ip4);
    s->ip6 = vn_arena_ip(a, &c->ip6);
    s->realm = vn_arena_id(a, &c->realm.id);
    s->realm_name = vn_arena_text(a, c->realm.name);
    s->suite = vn_arena_text(a, suite ? suite->name : "");
    s->access = vn_arena_text(a, access_name(c->realm.access));
    s->expires_ms = c->expires_ms;
    s->ipv4_range = vn_arena_prefix(a, &c->realm.range4);
    s->ipv6_range = vn_arena_prefix(a, &c->realm.range6);
    s->masters = vn_arena_take(a, VN_ARRAY_LEN(c->realm.master_urls) * sizeof(*s->masters));
    for (size_t i = 0; s->masters && i < c->realm.master_url_count; i++)
        s->masters[s->n_masters++] = vn_arena_text(a, c->realm.master_urls[i]);
}

void vn_daemon_status_answer(const struct vn_daemon_status *d, struct vn_local_call *call,
                             const struct vn_ev_stats *stats)
{
    struct vn_arena *a = calloc(1, sizeof(*a));
    if (!a) {
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    struct vn_node *node = vn_instance_node(d->instance);
    struct vn_node_status ns;
    vn_node_get_status(node, &ns);
    Vn__Local__Status s = VN__LOCAL__STATUS__INIT;
    s.version = vn_arena_text(a, VN_VERSION);
    s.state = vn_arena_text(a, state_name(ns.state));
    s.node = vn_arena_id(a, &ns.node);
    if (ns.cred) {
        set_credentials(a, &s, ns.cred);
        s.clock_offset_ms = (int64_t)(vn_clock_wall_ms() - ns.protocol_time_ms);
    }
    s.taints = vn_arena_taints(a, node, &s.n_taints);
    s.interface = vn_arena_text(a, vn_instance_ifname(d->instance));
    s.mtu = d->mtu_bytes;
    s.idle_ms = d->idle_ms;
    s.control = vn_arena_text(a, ns.control == VN_CONTROL_UP        ? "up"
                                 : ns.control == VN_CONTROL_REFUSED ? "refused"
                                                                    : "down");
    const bool up = ns.control == VN_CONTROL_UP;
    s.control_reason = vn_arena_text(a, up ? "" : ns.control_reason);
    /* Else the reason tells of that. */
    const bool valid = !ns.cred || ns.cred->expires_ms > ns.protocol_time_ms;
    s.master = vn_arena_text(a, up && valid ? ns.control_reason : "");
    s.guardian = vn_arena_text(a, vn_instance_guardian_url(d->instance));
    s.guardian_error = vn_arena_text(a, ns.guardian_error);
    s.renew_in_ms = ns.renew_in_ms;
    s.uptime_ms = vn_clock_boot_ms() - d->started_ms;
    s.pid = (uint64_t)getpid();
    s.quarantined = ns.quarantined;
    s.quarantined_from = (uint32_t)ns.quarantined_from;
    set_links(a, node, &s, stats);
    set_place(a, &s, &ns);
    s.n_relays = vn_daemon_relay_list(a, node, &s.relays);
    set_counters(a, &s, &ns, stats);
    set_drops(a, &s, &ns, stats);
    if (stats)
        set_workers(a, &s, stats);
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_STATUS;
    r.status = &s;
    vn_local_answer(call, &r);
    vn_arena_free(a);
}
