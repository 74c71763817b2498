#include "support/mem_tether.h"

#include <assert.h>
#include <stdlib.h>

#include "base/list.h"

enum event_kind {
    EV_CANDIDATE,
    EV_GATHERED,
    EV_UP,
    EV_DOWN,
    EV_MESSAGE,
    EV_GIVEN_UP,
    EV_STRANDED,
    EV_BETTER,
    EV_WORN,
    EV_RESTARTED
};

struct event {
    uint64_t due_us, order;
    enum event_kind kind;
    struct vn_tether *to;
    enum vn_tether_class cls;
    struct vn_pktbuf *buf;
    struct vn_pktbuf *shared; /* the sender's, if others have it too: kept as a real one keeps it */
    enum vn_tether_down why;
};

struct mem_port {
    struct vn_tether_port port;
    struct vn_mem_net *net;
    unsigned owner;
};

struct vn_tether {
    struct vn_mem_net *net;
    unsigned owner;
    struct vn_list link;
    struct vn_tether_config cfg;
    struct vn_tether_handler h;
    struct vn_tether_start start;
    bool started, heard, up, down_due;
    bool dying;   /* cut: goes down in a while */
    bool stalled; /* as receiver */
    /* ICE restart: its own parameters are in cfg.local, the peer's in start.remote */
    bool restarting, better, answered;
    struct vn_tether *peer;
    struct vn_candidate candidate; /* its own */
    size_t in_flight[3];           /* sent by this end, not yet delivered */
    struct vn_pktqueue lost;       /* of what it shares: never acknowledged */
    bool wants_room[3];
    uint64_t control_due_us; /* of the last control message it sent */
    struct vn_tether_stats stats;
};

struct vn_mem_net {
    struct vn_mem_net_config cfg;
    struct mem_port ports[1 + VN_MEM_OWNERS];
    bool cut[1 + VN_MEM_OWNERS][1 + VN_MEM_OWNERS];
    uint64_t slow_us[1 + VN_MEM_OWNERS];
    struct vn_mem_sent sent[1 + VN_MEM_OWNERS][3];
    unsigned lossy[1 + VN_MEM_OWNERS];
    struct vn_list ends;
    uint64_t now_us, order, random;
    struct event *events; /* binary heap */
    size_t count, room;
    uint16_t next_port;
    struct vn_stun_keys stun_keys;
    size_t member_stun_count;
    size_t moved; /* restarts that were needed */
};

static uint64_t net_random(struct vn_mem_net *n)
{
    /* splitmix64 */
    uint64_t z = n->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* ---- events ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void sift_up(struct vn_mem_net *n, size_t at)
{
    while (at > 0 && before(&n->events[at], &n->events[(at - 1) / 2])) {
        struct event e = n->events[at];
        n->events[at] = n->events[(at - 1) / 2];
        n->events[(at - 1) / 2] = e;
        at = (at - 1) / 2;
    }
}

static void sift_down(struct vn_mem_net *n, size_t at)
{
    for (;;) {
        size_t kid = 2 * at + 1;
        if (kid >= n->count)
            return;
        if (kid + 1 < n->count && before(&n->events[kid + 1], &n->events[kid]))
            kid++;
        if (!before(&n->events[kid], &n->events[at]))
            return;
        struct event e = n->events[at];
        n->events[at] = n->events[kid];
        n->events[kid] = e;
        at = kid;
    }
}

static void remove_first(struct vn_mem_net *n)
{
    n->events[0] = n->events[--n->count];
    sift_down(n, 0);
}

static void keep_lost(struct vn_tether *from, struct vn_pktbuf *shared)
{
    if (shared && from)
        vn_pktqueue_push(&from->lost, shared);
    else
        vn_pktbuf_free(shared);
}

/* What is on its way to t. */
static void forget_events(struct vn_mem_net *n, const struct vn_tether *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->count; i++) {
        if (n->events[i].to == t) {
            vn_pktbuf_free(n->events[i].buf);
            keep_lost(t->peer, n->events[i].shared);
        } else {
            n->events[kept++] = n->events[i];
        }
    }
    n->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(n, i);
}

static vn_status schedule(struct vn_mem_net *n, struct event e)
{
    if (n->count == n->room) {
        size_t room = n->room ? 2 * n->room : 64;
        struct event *p = realloc(n->events, room * sizeof(*p));
        if (!p)
            return VN_ERR_NOMEM;
        n->events = p;
        n->room = room;
    }
    e.order = n->order++;
    n->events[n->count++] = e;
    sift_up(n, n->count - 1);
    return VN_OK;
}

static void at(struct vn_tether *t, uint64_t after_us, enum event_kind kind)
{
    vn_status st = schedule(
        t->net, (struct event){.due_us = t->net->now_us + after_us, .kind = kind, .to = t});
    assert(st == VN_OK);
    (void)st;
}

static void down_at(struct vn_tether *t, uint64_t after_us, enum vn_tether_down why)
{
    if (t->down_due)
        return;
    t->down_due = true;
    vn_status st = schedule(
        t->net,
        (struct event){.due_us = t->net->now_us + after_us, .kind = EV_DOWN, .to = t, .why = why});
    assert(st == VN_OK);
    (void)st;
}

/* ---- the port ---- */

static vn_status mem_open(void *self, const struct vn_tether_config *cfg,
                          const struct vn_tether_handler *h, struct vn_tether **ret)
{
    const struct mem_port *mp = self;
    struct vn_mem_net *n = mp->net;
    struct vn_tether *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    t->net = n;
    t->owner = mp->owner;
    t->cfg = *cfg;
    t->h = *h;
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *other = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (vn_id_equal(&other->cfg.tether, &cfg->tether) && !other->peer) {
            t->peer = other;
            other->peer = t;
        }
    }
    vn_list_append(&n->ends, &t->link);
    static const uint8_t host[4] = {192, 0, 2, 1};
    t->candidate = (struct vn_candidate){
        .type = VN_CAND_HOST,
        .priority = 0x7e0000ff,
        .foundation = 1,
        .addr = {.ip = vn_ip_from_v4(host), .port = (uint16_t)(20000 + n->next_port++)}};
    at(t, 1 + n->cfg.candidate_us, EV_CANDIDATE);
    at(t, 2 + n->cfg.candidate_us, EV_GATHERED);
    *ret = t;
    return VN_OK;
}

static bool names(const struct vn_tether *a, const struct vn_tether *b)
{
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        if (strcmp(a->start.remote[i].ufrag, b->cfg.local[i].ufrag) != 0 ||
            strcmp(a->start.remote[i].pwd, b->cfg.local[i].pwd) != 0)
            return false;
    return true;
}

static void try_connect(struct vn_tether *t)
{
    struct vn_mem_net *n = t->net;
    struct vn_tether *p = t->peer;
    if (!p || !t->started || !p->started || !(t->heard || p->heard) || t->up || t->down_due ||
        p->down_due || n->cut[t->owner][p->owner])
        return;
    uint64_t connect = n->cfg.connect_us ? n->cfg.connect_us : 4 * n->cfg.delay_us;
    enum vn_tether_down why = 0;
    if (!names(t, p) || !names(p, t) || t->cfg.controlling == p->cfg.controlling)
        why = VN_TETHER_DOWN_ICE_FAILED;
    else if (t->cfg.dtls_client == p->cfg.dtls_client ||
             memcmp(t->start.psk, p->start.psk, sizeof(t->start.psk)) != 0)
        why = VN_TETHER_DOWN_DTLS_FAILED;
    if (why) {
        down_at(t, connect, why);
        down_at(p, connect, why);
        return;
    }
    t->up = p->up = true; /* no second try */
    at(t, connect, EV_UP);
    at(p, connect, EV_UP);
}

static vn_status mem_start(struct vn_tether *t, const struct vn_tether_start *s)
{
    if (t->started)
        return VN_ERR_STATE;
    t->start = *s;
    t->started = true;
    try_connect(t);
    return VN_OK;
}

/* Both know each other's new parameters: done after a round trip. One that is content with its pair
 * and one that needs another do not meet. */
static void try_restart(struct vn_tether *t)
{
    struct vn_tether *p = t->peer;
    if (!p || !t->answered || !p->answered || t->better != p->better || !names(t, p) ||
        !names(p, t))
        return;
    t->answered = p->answered = t->restarting = p->restarting = false;
    t->net->moved += !t->better;
    at(t, 4 * t->net->cfg.delay_us, EV_RESTARTED);
    at(p, 4 * t->net->cfg.delay_us, EV_RESTARTED);
}

static vn_status mem_restart(struct vn_tether *t, const struct vn_ice_params local[VN_HOP_PCS],
                             bool better)
{
    if (!t->stats.local.port || t->down_due)
        return VN_ERR_STATE;
    memcpy(t->cfg.local, local, sizeof(t->cfg.local));
    t->restarting = true;
    t->better = better;
    t->answered = false;
    at(t, 1 + t->net->cfg.candidate_us, EV_CANDIDATE);
    at(t, 2 + t->net->cfg.candidate_us, EV_GATHERED);
    return VN_OK;
}

static vn_status mem_restart_start(struct vn_tether *t,
                                   const struct vn_ice_params remote[VN_HOP_PCS])
{
    if (!t->restarting)
        return VN_ERR_STATE;
    memcpy(t->start.remote, remote, sizeof(t->start.remote));
    t->answered = true;
    try_restart(t);
    return VN_OK;
}

void vn_mem_net_slow(struct vn_mem_net *n, unsigned owner, uint64_t us)
{
    n->slow_us[owner] = us;
}

void vn_mem_net_lossy(struct vn_mem_net *n, unsigned owner, unsigned permille)
{
    n->lossy[owner] = permille;
}

static void tell_role(struct vn_mem_net *n, bool controlling, enum event_kind kind)
{
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *t = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (t->cfg.controlling == controlling)
            at(t, 1, kind);
    }
}

void vn_mem_net_strand(struct vn_mem_net *n, bool controlling)
{
    tell_role(n, controlling, EV_STRANDED);
}

size_t vn_mem_net_moved(const struct vn_mem_net *n)
{
    return n->moved;
}

void vn_mem_net_better(struct vn_mem_net *n, bool controlling)
{
    tell_role(n, controlling, EV_BETTER);
}

void vn_mem_net_wear(struct vn_mem_net *n, unsigned owner, unsigned peer)
{
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *t = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (t->owner == owner && t->peer && t->peer->owner == peer)
            at(t, 1, EV_WORN);
    }
}

static void mem_add_candidate(struct vn_tether *t, const struct vn_candidate *c)
{
    /* Only the peer's own address leads to it. */
    if (t->peer && memcmp(&c->addr.ip, &t->peer->candidate.addr.ip, sizeof(c->addr.ip)) == 0 &&
        c->addr.port == t->peer->candidate.addr.port)
        t->heard = true;
    try_connect(t);
}

static bool is_cut(const struct vn_tether *t)
{
    return t->peer && t->net->cut[t->owner][t->peer->owner];
}

static void give_up(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf *b,
                    struct vn_pktbuf *shared)
{
    const uint64_t after_us = cls == VN_TETHER_BULK       ? t->net->cfg.give_up_us
                              : cls == VN_TETHER_REALTIME ? 3 * t->net->cfg.delay_us
                                                          : 0;
    const struct event e = {.due_us = t->net->now_us + after_us,
                            .kind = EV_GIVEN_UP,
                            .to = t,
                            .cls = cls,
                            .buf = b,
                            .shared = shared};
    if (after_us && schedule(t->net, e) == VN_OK)
        return;
    vn_pktbuf_free(b);
    keep_lost(t, shared);
}

static vn_status mem_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                          size_t n, size_t *ret_taken)
{
    struct vn_mem_net *net = t->net;
    *ret_taken = 0;
    if (!t->stats.local.port || t->down_due) /* set by `up` */
        return VN_ERR_STATE;
    size_t window = net->cfg.window_bytes ? net->cfg.window_bytes : 1u << 20;
    while (*ret_taken < n) {
        struct vn_pktbuf *b = bufs[*ret_taken];
        assert(b->len <= VN_TETHER_MSG_MAX);
        if (t->in_flight[cls] && t->in_flight[cls] + b->len > window) {
            t->wants_room[cls] = true;
            return VN_OK;
        }
        ++*ret_taken;
        /* The receiver gets bytes, not the sender's buffer; none without memory. */
        struct vn_pktbuf *shared = vn_pktbuf_is_shared(b) ? vn_pktbuf_share(b) : NULL;
        if (vn_pktbuf_unshare(b, &b) != VN_OK) {
            vn_pktbuf_free(b);
            keep_lost(t, shared);
            continue;
        }
        t->stats.tx_bytes += b->len;
        t->stats.tx_msgs++;
        net->sent[t->owner][cls].count++;
        net->sent[t->owner][cls].bytes += b->len;
        bool lost = net_random(net) % 1000 < net->cfg.loss_permille + net->lossy[t->owner];
        if (net->cfg.filter && !net->cfg.filter(net->cfg.arg, &t->cfg.tether, cls, b)) {
            give_up(t, cls, b, shared);
            continue;
        }
        if (lost && cls == VN_TETHER_REALTIME) {
            give_up(t, cls, b, shared);
            continue;
        }
        if (!t->peer || is_cut(t)) {
            vn_pktbuf_free(b);
            keep_lost(t, shared);
            continue;
        }
        uint64_t due =
            net->now_us + net->cfg.delay_us + net->slow_us[t->owner] + net->slow_us[t->peer->owner];
        if (net->cfg.jitter_us)
            due += net_random(net) % (net->cfg.jitter_us + 1);
        if (lost)
            due += net->cfg.retransmit_us ? net->cfg.retransmit_us : 3 * net->cfg.delay_us;
        if (cls == VN_TETHER_CONTROL)
            due = t->control_due_us = VN_MAX(due, t->control_due_us);
        t->in_flight[cls] += b->len;
        vn_status st = schedule(net, (struct event){.due_us = due,
                                                    .kind = EV_MESSAGE,
                                                    .to = t->peer,
                                                    .cls = cls,
                                                    .buf = b,
                                                    .shared = shared});
        assert(st == VN_OK);
        (void)st;
    }
    return VN_OK;
}

static void mem_stats(const struct vn_tether *t, struct vn_tether_stats *ret)
{
    *ret = t->stats;
    ret->queued_bytes = t->in_flight[0] + t->in_flight[1] + t->in_flight[2];
    ret->srtt_us = (uint32_t)(2 * t->net->cfg.delay_us);
    ret->rate = t->net->cfg.rate;
}

static void mem_close(struct vn_tether *t)
{
    if (!t)
        return;
    struct vn_mem_net *n = t->net;
    struct vn_tether *p = t->peer;
    forget_events(n, t);
    vn_pktqueue_clear(&t->lost);
    if (p)
        p->peer = NULL;
    if (p && p->up) { /* else it waits in vain: nobody has told it */
        /* What it had sent before arrives first. */
        uint64_t last = n->now_us + n->cfg.delay_us;
        for (size_t i = 0; i < n->count; i++)
            if (n->events[i].to == p && n->events[i].kind != EV_GIVEN_UP)
                last = VN_MAX(last, n->events[i].due_us);
        down_at(p, last - n->now_us, VN_TETHER_DOWN_CLOSED);
    }
    vn_list_remove(&t->link);
    vn_wipe(&t->start, sizeof(t->start));
    free(t);
}

static void mem_drops(const void *self, uint64_t ret[VN_TDROP_COUNT])
{
    (void)self;
    memset(ret, 0, VN_TDROP_COUNT * sizeof(*ret));
}

/* ---- the network ---- */

/* Nothing is between two ends here, so nobody needs to be asked. */
static void mem_ice_servers(void *self, const struct vn_ice_server *servers, size_t count)
{
    (void)self;
    (void)servers;
    (void)count;
}

static void mem_member_stun(void *self, const struct vn_addr *servers, size_t count,
                            const struct vn_stun_keys *keys)
{
    struct vn_mem_net *n = ((struct mem_port *)self)->net;
    (void)servers;
    n->member_stun_count = count;
    n->stun_keys = *keys;
}

const struct vn_stun_keys *vn_mem_net_stun_keys(const struct vn_mem_net *n, size_t *ret_servers)
{
    *ret_servers = n->member_stun_count;
    return &n->stun_keys;
}

vn_status vn_mem_net_new(const struct vn_mem_net_config *cfg, uint64_t now_us,
                         struct vn_mem_net **ret)
{
    struct vn_mem_net *n = calloc(1, sizeof(*n));
    if (!n)
        return VN_ERR_NOMEM;
    n->cfg = *cfg;
    n->now_us = now_us;
    n->random = cfg->seed;
    vn_list_init(&n->ends);
    for (unsigned i = 0; i <= VN_MEM_OWNERS; i++) {
        n->ports[i] = (struct mem_port){.net = n, .owner = i};
        n->ports[i].port = (struct vn_tether_port){.self = &n->ports[i],
                                                   .ice_servers = mem_ice_servers,
                                                   .member_stun = mem_member_stun,
                                                   .open = mem_open,
                                                   .start = mem_start,
                                                   .restart = mem_restart,
                                                   .restart_start = mem_restart_start,
                                                   .add_remote_candidate = mem_add_candidate,
                                                   .send = mem_send,
                                                   .stats = mem_stats,
                                                   .drops = mem_drops,
                                                   .close = mem_close};
    }
    *ret = n;
    return VN_OK;
}

struct vn_mem_net *vn_mem_net_free(struct vn_mem_net *n)
{
    if (!n)
        return NULL;
    assert(vn_list_empty(&n->ends));
    for (size_t i = 0; i < n->count; i++) {
        vn_pktbuf_free(n->events[i].buf);
        vn_pktbuf_free(n->events[i].shared);
    }
    free(n->events);
    free(n);
    return NULL;
}

struct vn_mem_sent vn_mem_net_sent(const struct vn_mem_net *n, unsigned owner,
                                   enum vn_tether_class cls)
{
    return n->sent[owner][cls];
}

const struct vn_tether_port *vn_mem_net_port(struct vn_mem_net *n)
{
    return &n->ports[0].port;
}

const struct vn_tether_port *vn_mem_net_port_of(struct vn_mem_net *n, unsigned owner)
{
    assert(owner >= 1 && owner <= VN_MEM_OWNERS);
    return &n->ports[owner].port;
}

static void deliver(struct vn_mem_net *n, struct event e)
{
    struct vn_tether *t = e.to, *from = t->peer;
    switch (e.kind) {
    case EV_CANDIDATE:
        t->h.candidate(t->h.arg, &t->candidate);
        return;
    case EV_GATHERED:
        t->h.gathered(t->h.arg);
        return;
    case EV_UP:
        if (!from)
            return; /* closed meanwhile; `down` is on its way */
        t->stats.local = t->candidate.addr;
        t->stats.remote = from->candidate.addr;
        t->stats.local_type = t->stats.remote_type = VN_CAND_HOST;
        t->h.up(t->h.arg);
        return;
    case EV_DOWN:
        t->stats.local.port = 0;
        t->h.down(t->h.arg, e.why);
        return;
    case EV_GIVEN_UP:
        t->h.given_up(t->h.arg, e.cls, e.buf);
        vn_pktbuf_free(e.buf);
        vn_pktbuf_free(e.shared);
        return;
    case EV_WORN:
        t->h.worn(t->h.arg);
        return;
    case EV_STRANDED:
        t->h.stranded(t->h.arg);
        return;
    case EV_BETTER:
        t->h.better(t->h.arg);
        return;
    case EV_RESTARTED:
        t->h.restarted(t->h.arg);
        return;
    case EV_MESSAGE:
        break;
    }
    if (is_cut(t)) {
        from->in_flight[e.cls] -= e.buf->len;
        vn_pktbuf_free(e.buf);
        keep_lost(from, e.shared);
        return;
    }
    vn_pktbuf_free(e.shared);
    t->stats.rx_bytes += e.buf->len;
    t->stats.rx_msgs++;
    bool room = false;
    if (from) {
        from->in_flight[e.cls] -= e.buf->len;
        room = from->wants_room[e.cls];
        from->wants_room[e.cls] = false;
    }
    const struct vn_id id = t->cfg.tether;
    t->h.messages(t->h.arg, e.cls, &e.buf, 1);
    /* The callback may have closed either end. */
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *s = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (room && s == from && vn_id_equal(&s->cfg.tether, &id)) {
            s->h.writable(s->h.arg, e.cls);
            return;
        }
    }
}

void vn_mem_net_run(struct vn_mem_net *n, uint64_t now_us)
{
    while (n->count && n->events[0].due_us <= now_us) {
        struct event e = n->events[0];
        if (e.kind == EV_MESSAGE && e.to->stalled) {
            /* Looked at again later, behind what came before it. */
            n->events[0].due_us = now_us + 1000;
            n->events[0].order = n->order++;
            sift_down(n, 0);
            continue;
        }
        remove_first(n);
        n->now_us = VN_MAX(n->now_us, e.due_us);
        deliver(n, e);
    }
    n->now_us = VN_MAX(n->now_us, now_us);
}

uint64_t vn_mem_net_next(const struct vn_mem_net *n)
{
    return n->count ? n->events[0].due_us : UINT64_MAX;
}

size_t vn_mem_net_count(const struct vn_mem_net *n)
{
    size_t count = 0;
    VN_LIST_EACH(it, &n->ends)
    {
        count++;
    }
    return count;
}

void vn_mem_net_break(struct vn_mem_net *n, enum vn_tether_down why)
{
    VN_LIST_EACH(it, &n->ends)
    {
        down_at(VN_LIST_ENTRY(it, struct vn_tether, link), 0, why);
    }
}

void vn_mem_net_break_of(struct vn_mem_net *n, unsigned owner, enum vn_tether_down why)
{
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *t = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (t->owner == owner || (t->peer && t->peer->owner == owner))
            down_at(t, 0, why);
    }
}

void vn_mem_net_cut(struct vn_mem_net *n, unsigned a, unsigned b, bool cut)
{
    n->cut[a][b] = n->cut[b][a] = cut;
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *t = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (!cut || !t->up || t->dying || !is_cut(t))
            continue;
        t->dying = true;
        vn_status st = schedule(n, (struct event){.due_us = n->now_us + VN_MEM_SILENT_US,
                                                  .kind = EV_DOWN,
                                                  .to = t,
                                                  .why = VN_TETHER_DOWN_SILENT});
        assert(st == VN_OK);
        (void)st;
    }
}

void vn_mem_net_stall(struct vn_mem_net *n, const struct vn_id *tether, bool stalled)
{
    VN_LIST_EACH(it, &n->ends)
    {
        struct vn_tether *t = VN_LIST_ENTRY(it, struct vn_tether, link);
        if (vn_id_equal(&t->cfg.tether, tether))
            t->stalled = stalled;
    }
}
