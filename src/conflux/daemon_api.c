#include "conflux/daemon_api.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "conflux/answer_text.h"
#include "conflux/daemon_netcheck.h"
#include "conflux/daemon_relays.h"
#include "conflux/daemon_status.h"
#include "conflux/exit.h"
#include "lib/node_host.h"

#define CALLS_MAX 64 /* answers awaited from node and Guardian */

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

/* ---- status ---- */

static void answer_status(const struct vn_daemon_api *d, struct vn_local_call *call,
                          const struct vn_ev_stats *stats)
{
    vn_daemon_status_answer(&(struct vn_daemon_status){.instance = d->cfg.instance,
                                                       .mtu_bytes = d->cfg.mtu_bytes,
                                                       .idle_ms = d->cfg.idle_ms,
                                                       .started_ms = d->started_ms},
                            call, stats);
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
    p->addrs = vn_arena_ips(a, addrs, n);
    p->n_addrs = p->addrs ? n : 0;
    p->live = live;
    return p;
}

/* Guardian's list (fresh or remembered), and whoever is linked but not in it. */
static void answer_peers(struct vn_daemon_api *d, struct vn_local_call *call, const char *reason)
{
    struct vn_arena *a = calloc(1, sizeof(*a));
    struct vn_node_link *links = calloc(VN_DAEMON_LINKS_MAX, sizeof(*links));
    if (!a || !links) {
        free(links);
        free(a);
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    const size_t link_count =
        VN_MIN(vn_node_links(vn_instance_node(d->cfg.instance), links, VN_DAEMON_LINKS_MAX),
               (size_t)VN_DAEMON_LINKS_MAX);
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
    t.taints = vn_arena_taints(a, vn_instance_node(d->cfg.instance), &t.n_taints);
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
    out.taints = vn_arena_taints(a, vn_instance_node(d->cfg.instance), &out.n_taints);
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
