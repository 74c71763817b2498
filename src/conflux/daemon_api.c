#include "conflux/daemon_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "conflux/arena.h"
#include "conflux/daemon_netcheck.h"
#include "conflux/daemon_relays.h"
#include "conflux/exit.h"
#include "lib/node_host.h"

#define LINKS_MAX 1024 /* shown by one status */
#define CALLS_MAX 64   /* answers awaited from node and Guardian */

enum wait_kind { WAIT_STATS, WAIT_PEERS, WAIT_TAINTS, WAIT_RESOLVE };

/* A call that waits for the node's answer; detached (call NULL) when the API goes first. */
struct waiting {
    struct vn_list link;
    struct vn_daemon_api *d;
    enum wait_kind kind;
    struct vn_local_call *call;
};

struct vn_daemon_api {
    struct vn_daemon_api_config cfg;
    uint64_t started_ms;
    struct vn_list waiting;
    size_t waiting_count;
    struct vn_peer_entry *peers; /* Guardian's last list */
    size_t peer_count;
    bool peers_asked;
};

/* ---- waiting calls ---- */

static struct waiting *wait_begin(struct vn_daemon_api *d, enum wait_kind kind,
                                  struct vn_local_call *call)
{
    struct waiting *w = d->waiting_count < CALLS_MAX ? calloc(1, sizeof(*w)) : NULL;
    if (!w) {
        vn_local_answer_error(call, VN_EXIT_FAILURE,
                              "the node is busy with other commands: try again");
        return NULL;
    }
    w->d = d;
    w->kind = kind;
    w->call = call;
    vn_list_init(&w->link);
    vn_list_append(&d->waiting, &w->link);
    d->waiting_count++;
    return w;
}

static struct vn_local_call *wait_end(struct waiting *w)
{
    struct vn_local_call *call = w->call;
    vn_list_remove(&w->link);
    w->d->waiting_count--;
    free(w);
    return call;
}

/* ---- texts for protobuf ---- */

static char *ip_text(struct vn_arena *a, const struct vn_ip *ip)
{
    char t[VN_IP_TEXT];
    vn_ip_format(ip, t);
    return vn_arena_text(a, t);
}

static char *prefix_text(struct vn_arena *a, const struct vn_prefix *p)
{
    char t[VN_PREFIX_TEXT];
    vn_prefix_format(p, t);
    return vn_arena_text(a, t);
}

static char *addr_text(struct vn_arena *a, const struct vn_addr *addr)
{
    char ip[VN_IP_TEXT], t[VN_IP_TEXT + 16];
    vn_ip_format(&addr->ip, ip);
    snprintf(t, sizeof(t), vn_ip_is_v4(&addr->ip) ? "%s:%u" : "[%s]:%u", ip, addr->port);
    return vn_arena_text(a, addr->port ? t : "");
}

static char **addr_list(struct vn_arena *a, const struct vn_ip *addrs, size_t n)
{
    char **list = vn_arena_take(a, n * sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        list[i] = ip_text(a, &addrs[i]);
    return list;
}

static char **id_list(struct vn_arena *a, const struct vn_id *ids, size_t n)
{
    char **list = vn_arena_take(a, n * sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        list[i] = vn_arena_id(a, &ids[i]);
    return list;
}

static char **taint_list(struct vn_arena *a, struct vn_node *node, size_t *ret_n)
{
    const char *taints[VN_TAINTS_MAX];
    const size_t n = vn_node_taints(node, taints);
    char **list = vn_arena_take(a, VN_TAINTS_MAX * sizeof(*list));
    *ret_n = list ? n : 0;
    for (size_t i = 0; i < *ret_n; i++)
        list[i] = vn_arena_text(a, taints[i]);
    return list;
}

/* ---- status ---- */

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
        l->local = addr_text(a, &t->local);
        l->remote = addr_text(a, &t->remote);
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
    l->addrs = addr_list(a, in->addrs, in->addr_count);
    l->n_addrs = l->addrs ? in->addr_count : 0;
    l->tx_state = vn_arena_text(a, in->tx_state ? in->tx_state : "");
    l->rx = in->rx != 0;
    l->tether = in->tether != 0;
    l->tether_up = in->tether_up;
    l->since_ms = in->since_ms;
    l->via = id_list(a, in->via, in->via_count);
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
    struct vn_node_link *links = calloc(LINKS_MAX, sizeof(*links));
    if (!links)
        return;
    const size_t n = VN_MIN(vn_node_links(node, links, LINKS_MAX), (size_t)LINKS_MAX);
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
    s->ip4 = ip_text(a, &c->ip4);
    s->ip6 = ip_text(a, &c->ip6);
    s->realm = vn_arena_id(a, &c->realm.id);
    s->realm_name = vn_arena_text(a, c->realm.name);
    s->suite = vn_arena_text(a, suite ? suite->name : "");
    s->access = vn_arena_text(a, access_name(c->realm.access));
    s->expires_ms = c->expires_ms;
    s->ipv4_range = prefix_text(a, &c->realm.range4);
    s->ipv6_range = prefix_text(a, &c->realm.range6);
    s->masters = vn_arena_take(a, VN_ARRAY_LEN(c->realm.master_urls) * sizeof(*s->masters));
    for (size_t i = 0; s->masters && i < c->realm.master_url_count; i++)
        s->masters[s->n_masters++] = vn_arena_text(a, c->realm.master_urls[i]);
}

static void answer_status(struct vn_daemon_api *d, struct vn_local_call *call,
                          const struct vn_ev_stats *stats)
{
    struct vn_arena *a = calloc(1, sizeof(*a));
    if (!a) {
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    struct vn_node *node = vn_instance_node(d->cfg.instance);
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
    s.taints = taint_list(a, node, &s.n_taints);
    s.interface = vn_arena_text(a, vn_instance_ifname(d->cfg.instance));
    s.mtu = d->cfg.mtu_bytes;
    s.idle_ms = d->cfg.idle_ms;
    s.control = vn_arena_text(a, ns.control == VN_CONTROL_UP        ? "up"
                                 : ns.control == VN_CONTROL_REFUSED ? "refused"
                                                                    : "down");
    const bool up = ns.control == VN_CONTROL_UP;
    s.control_reason = vn_arena_text(a, up ? "" : ns.control_reason);
    /* Else the reason tells of that. */
    const bool valid = !ns.cred || ns.cred->expires_ms > ns.protocol_time_ms;
    s.master = vn_arena_text(a, up && valid ? ns.control_reason : "");
    s.guardian = vn_arena_text(a, vn_instance_guardian_url(d->cfg.instance));
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

static void on_stats(void *arg, const struct vn_ev_stats *stats)
{
    struct waiting *w = arg;
    struct vn_daemon_api *d = w->d;
    answer_status(d, wait_end(w), stats);
}

static void ask_status(struct vn_daemon_api *d, struct vn_local_call *call)
{
    struct waiting *w = wait_begin(d, WAIT_STATS, call);
    if (w && vn_node_stats(vn_instance_node(d->cfg.instance), on_stats, w) != VN_OK)
        answer_status(d, wait_end(w), NULL); /* without the worker's figures */
}

/* ---- peers ---- */

static bool has_addr(const struct vn_node_link *l, const struct vn_ip *ip)
{
    for (size_t i = 0; i < l->addr_count; i++) {
        if (vn_ip_equal(&l->addrs[i], ip))
            return true;
    }
    return false;
}

static Vn__Local__Peer *make_peer(struct vn_arena *a, const struct vn_id *id, const char *tag,
                                  const struct vn_ip *addrs, size_t n, bool live)
{
    Vn__Local__Peer *p = vn_arena_take(a, sizeof(*p));
    if (!p)
        return NULL;
    vn__local__peer__init(p);
    p->id = vn_arena_id(a, id);
    p->tag = vn_arena_text(a, tag);
    p->addrs = addr_list(a, addrs, n);
    p->n_addrs = p->addrs ? n : 0;
    p->live = live;
    return p;
}

/* Guardian's list (fresh or remembered), and whoever is linked but not in it. */
static void answer_peers(struct vn_daemon_api *d, struct vn_local_call *call, const char *reason)
{
    struct vn_arena *a = calloc(1, sizeof(*a));
    struct vn_node_link *links = calloc(LINKS_MAX, sizeof(*links));
    if (!a || !links) {
        free(links);
        free(a);
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    const size_t link_count = VN_MIN(
        vn_node_links(vn_instance_node(d->cfg.instance), links, LINKS_MAX), (size_t)LINKS_MAX);
    Vn__Local__Peers out = VN__LOCAL__PEERS__INIT;
    out.peers = vn_arena_take(a, (d->peer_count + link_count) * sizeof(*out.peers));
    for (size_t i = 0; out.peers && i < d->peer_count; i++) {
        const struct vn_peer_entry *e = &d->peers[i];
        bool live = false;
        for (size_t k = 0; k < link_count; k++) {
            if (has_addr(&links[k], &e->ip6)) {
                live = true;
                links[k].addr_count = 0; /* shown */
            }
        }
        const struct vn_ip addrs[] = {e->ip4, e->ip6};
        Vn__Local__Peer *p = make_peer(a, &e->conflux_id, e->tag, addrs, 2, live);
        if (p)
            out.peers[out.n_peers++] = p;
    }
    for (size_t k = 0; reason && out.peers && k < link_count; k++) {
        if (!links[k].addr_count)
            continue;
        Vn__Local__Peer *p =
            make_peer(a, &links[k].node, links[k].tag, links[k].addrs, links[k].addr_count, true);
        if (p)
            out.peers[out.n_peers++] = p;
    }
    out.source = vn_arena_text(a, reason ? "cache" : "guardian");
    out.reason = vn_arena_text(a, reason ? reason : "");
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_PEERS;
    r.peers = &out;
    vn_local_answer(call, &r);
    vn_arena_free(a);
    free(links);
}

static void on_peers(void *arg, const struct vn_peer_entry *list, size_t count,
                     const struct vn_authority_error *err)
{
    struct vn_daemon_api *d = arg;
    d->peers_asked = false;
    if (!err) {
        struct vn_peer_entry *copy = calloc(count + 1, sizeof(*copy));
        if (copy) {
            memcpy(copy, list, count * sizeof(*copy));
            free(d->peers);
            d->peers = copy;
            d->peer_count = count;
        }
    }
    VN_LIST_EACH(it, &d->waiting)
    {
        struct waiting *w = VN_LIST_ENTRY(it, struct waiting, link);
        if (w->kind == WAIT_PEERS)
            answer_peers(d, wait_end(w), err ? err->detail : NULL);
    }
}

static void ask_peers(struct vn_daemon_api *d, struct vn_local_call *call)
{
    struct waiting *w = wait_begin(d, WAIT_PEERS, call);
    if (!w || d->peers_asked)
        return;
    const struct vn_authority *auth = vn_instance_authority(d->cfg.instance);
    if (auth->peers(auth->self, on_peers, d) == VN_OK)
        d->peers_asked = true;
    else
        answer_peers(d, wait_end(w), "Guardian could not be asked");
}

/* ---- taints ---- */

static void answer_taints(struct vn_daemon_api *d, struct vn_local_call *call)
{
    struct vn_arena *a = calloc(1, sizeof(*a));
    if (!a) {
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    Vn__Local__Taints t = VN__LOCAL__TAINTS__INIT;
    t.taints = taint_list(a, vn_instance_node(d->cfg.instance), &t.n_taints);
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_TAINTS;
    r.taints = &t;
    vn_local_answer(call, &r);
    vn_arena_free(a);
}

static void on_taints(void *arg, const struct vn_authority_error *err)
{
    struct waiting *w = arg;
    struct vn_daemon_api *d = w->d;
    struct vn_local_call *call = wait_end(w);
    if (!err) {
        d->peer_count = 0; /* remembered for other taints */
        answer_taints(d, call);
    } else {
        vn_local_answer_error(
            call, err->status == VN_ERR_AGAIN ? VN_EXIT_UNREACHABLE : VN_EXIT_REFUSED, err->detail);
    }
}

static void ask_taints(struct vn_daemon_api *d, struct vn_local_call *call,
                       const Vn__Local__TaintChange *t)
{
    if (t->n_add + t->n_remove == 0) {
        answer_taints(d, call);
        return;
    }
    struct waiting *w = wait_begin(d, WAIT_TAINTS, call);
    if (!w)
        return;
    const vn_status st =
        vn_node_change_taints(vn_instance_node(d->cfg.instance), (const char *const *)t->add,
                              t->n_add, (const char *const *)t->remove, t->n_remove, on_taints, w);
    if (st == VN_OK)
        return;
    vn_local_answer_error(
        wait_end(w), VN_EXIT_FAILURE,
        st == VN_ERR_STATE ? "the node is not online yet, or another change is under way: try again"
                           : "a taint is not valid");
}

/* ---- resolve ---- */

static void answer_resolved(struct vn_daemon_api *d, struct vn_local_call *call,
                            const struct vn_resolved *list, size_t count)
{
    struct vn_arena *a = calloc(1, sizeof(*a));
    if (!a) {
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    Vn__Local__Resolved out = VN__LOCAL__RESOLVED__INIT;
    out.taints = taint_list(a, vn_instance_node(d->cfg.instance), &out.n_taints);
    out.owners = vn_arena_take(a, count * sizeof(*out.owners));
    for (size_t i = 0; out.owners && i < count; i++) {
        Vn__Local__Peer *p =
            make_peer(a, &list[i].node, list[i].tag, list[i].addrs, list[i].addr_count, false);
        if (p)
            out.owners[out.n_owners++] = p;
    }
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_RESOLVED;
    r.resolved = &out;
    vn_local_answer(call, &r);
    vn_arena_free(a);
}

static void on_resolved(void *arg, const struct vn_resolved *list, size_t count)
{
    struct waiting *w = arg;
    struct vn_daemon_api *d = w->d;
    answer_resolved(d, wait_end(w), list, count);
}

static void ask_resolve(struct vn_daemon_api *d, struct vn_local_call *call, const char *name)
{
    struct waiting *w = wait_begin(d, WAIT_RESOLVE, call);
    if (!w)
        return;
    const vn_status st = vn_node_resolve(vn_instance_node(d->cfg.instance), name, on_resolved, w);
    if (st == VN_OK)
        return;
    vn_local_answer_error(
        wait_end(w), st == VN_ERR_ARG || st == VN_ERR_MALFORMED ? VN_EXIT_USAGE : VN_EXIT_FAILURE,
        st == VN_ERR_ARG || st == VN_ERR_MALFORMED
            ? "that is neither a tag nor an address nor a node id"
            : "the node is not online yet: 'veilnet-conflux status' says what it waits for");
}

/* ---- life ---- */

void vn_daemon_api_request(void *arg, struct vn_local_call *call, const Vn__Local__Request *r)
{
    struct vn_daemon_api *d = arg;
    switch (r->kind_case) {
    case VN__LOCAL__REQUEST__KIND_STATUS:
        ask_status(d, call);
        break;
    case VN__LOCAL__REQUEST__KIND_PEERS:
        ask_peers(d, call);
        break;
    case VN__LOCAL__REQUEST__KIND_TAINTS:
        ask_taints(d, call, r->taints);
        break;
    case VN__LOCAL__REQUEST__KIND_RESOLVE:
        ask_resolve(d, call, r->resolve->name);
        break;
    case VN__LOCAL__REQUEST__KIND_NETCHECK:
        vn_daemon_netcheck(vn_instance_node(d->cfg.instance), call);
        break;
    case VN__LOCAL__REQUEST__KIND_RELAYS:
        vn_daemon_relays(d->cfg.instance, d->cfg.state_dir, call, r->relays);
        break;
    case VN__LOCAL__REQUEST__KIND_STOP: {
        Vn__Local__Nothing n = VN__LOCAL__NOTHING__INIT;
        Vn__Local__Response out = VN__LOCAL__RESPONSE__INIT;
        out.kind_case = VN__LOCAL__RESPONSE__KIND_STOPPING;
        out.stopping = &n;
        vn_local_answer(call, &out);
        d->cfg.stop(d->cfg.arg);
        break;
    }
    default:
        vn_local_answer_error(
            call, VN_EXIT_FAILURE,
            "the running node does not know this request: it is of another version");
    }
}

vn_status vn_daemon_api_new(const struct vn_daemon_api_config *cfg, struct vn_daemon_api **ret)
{
    struct vn_daemon_api *d = calloc(1, sizeof(*d));
    if (!d)
        return VN_ERR_NOMEM;
    d->cfg = *cfg;
    d->started_ms = vn_clock_boot_ms();
    vn_list_init(&d->waiting);
    *ret = d;
    return VN_OK;
}

static void fail_waiting(struct vn_daemon_api *d, uint32_t exit, const char *why)
{
    VN_LIST_EACH(it, &d->waiting)
    {
        vn_local_answer_error(wait_end(VN_LIST_ENTRY(it, struct waiting, link)), exit, why);
    }
}

void vn_daemon_api_reset(struct vn_daemon_api *d)
{
    fail_waiting(d, VN_EXIT_FAILURE, "the node is taking new keys: try again");
    d->peers_asked = false;
}

struct vn_daemon_api *vn_daemon_api_free(struct vn_daemon_api *d)
{
    if (!d)
        return NULL;
    fail_waiting(d, VN_EXIT_NOT_RUNNING, "the node is stopping");
    free(d->peers);
    free(d);
    return NULL;
}
