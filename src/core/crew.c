#include "core/crew.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/egress.h"
#include "core/end.h"
#include "core/rx.h"
#include "core/tx.h"

/* With more of them out the answer of a hand was lost. */
#define QUESTIONS_MAX 8

/* A question for counters that hands have not all answered. */
struct question {
    struct vn_list all; /* worker.stats */
    size_t left;
    struct vn_ev_stats *ev;
};

/* Takes m. */
static bool post(struct vn_worker *w, size_t number, struct vn_post_msg *m)
{
    const struct vn_post *to = &w->cfg.hands[number - 1];
    const unsigned type = m->type;
    const vn_status st = to->send(to->self, m);
    if (st != VN_OK)
        vn_log(VN_LOG_WARN, "command_lost", VN_KV_U64("type", type), VN_KV_STATUS(st));
    return st == VN_OK;
}

/* ---- what the node says ---- */

static size_t size_for_hands(unsigned type)
{
    switch (type) {
    case VN_CMD_LOCAL:
        return sizeof(struct vn_cmd_local);
    case VN_CMD_RX_OPEN:
        return sizeof(struct vn_cmd_rx_open);
    case VN_CMD_RX_KEM:
        return sizeof(struct vn_cmd_kem);
    case VN_CMD_DEST:
        return sizeof(struct vn_cmd_dest);
    case VN_CMD_TX_CLOSE:
    case VN_CMD_RX_CLOSE:
        return sizeof(struct vn_cmd_handle);
    default:
        return 0;
    }
}

/* Tethers are not the hands' concern. */
static void strip(struct vn_post_msg *m)
{
    if (m->type == VN_CMD_LOCAL) {
        struct vn_cmd_local *c = (struct vn_cmd_local *)m;
        vn_wipe(c->ice, sizeof(c->ice));
        c->ice_count = 0;
    } else if (m->type == VN_CMD_RX_OPEN) {
        ((struct vn_cmd_rx_open *)m)->tether = 0;
    }
}

void vn_crew_pass_on(struct vn_worker *w, const struct vn_post_msg *m)
{
    const size_t size = w->cfg.hand_count ? size_for_hands(m->type) : 0;
    for (size_t i = 1; size && i <= w->cfg.hand_count; i++) {
        struct vn_post_msg *copy;
        const vn_status st = vn_post_msg_copy(m, size, &copy);
        if (st != VN_OK) {
            vn_log(VN_LOG_ERROR, "command_lost", VN_KV_STATUS(st));
            continue;
        }
        strip(copy);
        post(w, i, copy);
    }
}

/* ---- sending ---- */

vn_status vn_crew_tx_init(struct vn_tx *tx)
{
    const size_t count = tx->worker->cfg.hand_count;
    vn_list_init(&tx->of_taken);
    if (count && !(tx->hands = calloc(count, sizeof(*tx->hands))))
        return VN_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        vn_retain_init(&tx->hands[i].retain, &tx->worker->retained);
    return VN_OK;
}

void vn_crew_tx_done(struct vn_tx *tx)
{
    vn_list_remove(&tx->of_taken);
    for (size_t i = 0; tx->hands && i < tx->worker->cfg.hand_count; i++) {
        vn_retain_done(&tx->hands[i].retain);
        for (size_t outlet = 0; outlet < VN_OUTLETS; outlet++) {
            vn_worker_drop_n(tx->worker, VN_DROP_EGRESS_GONE, tx->hands[i].sealed[outlet].count);
            vn_pktqueue_clear(&tx->hands[i].sealed[outlet]);
        }
    }
    free(tx->hands);
    tx->hands = NULL;
}

static void give_lane(struct vn_tx *tx, size_t number)
{
    struct vn_crew_lane *m;
    vn_status st = vn_post_msg_new(VN_CREW_LANE, sizeof(*m), &m);
    if (st == VN_OK) {
        m->tx = tx->handle;
        m->epoch = tx->keys.epoch;
        st = vn_tx_keys_lane(&tx->keys, (uint8_t)number, &m->keys);
        if (st == VN_OK)
            post(tx->worker, number, &m->msg);
        else
            vn_post_msg_free(&m->msg);
    }
    /* It seals with the key before: that opens until the next step brings another. */
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "command_lost", VN_KV_STATUS(st));
}

void vn_crew_lanes(struct vn_tx *tx)
{
    for (size_t i = 1; i <= tx->worker->cfg.hand_count; i++)
        give_lane(tx, i);
}

size_t vn_crew_outlet(enum vn_tether_class cls, const struct vn_pktbuf *b)
{
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    const bool ok = vn_hop_decode(&r, &hop);
    assert(ok && hop.label <= VN_WAYS_MAX);
    return ok ? vn_outlet(cls, hop.label - 1) : (size_t)cls;
}

struct vn_pktbuf *vn_crew_next(struct vn_tx *tx, size_t number, size_t outlet)
{
    struct vn_tx_hand *h = &tx->hands[number - 1];
    struct vn_pktbuf *b = vn_pktqueue_pop(&h->sealed[outlet]);
    if (!b)
        return NULL;
    tx->sealed_count[outlet]--;
    h->taken[vn_crew_outlet(vn_outlet_class(outlet), b)]++; /* the hand knows of no other */
    if (vn_list_empty(&tx->of_taken))
        vn_list_append(&tx->worker->taken, &tx->of_taken);
    return b;
}

static void on_sealed(struct vn_worker *w, size_t number, struct vn_crew_frame *m)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &m->handle);
    if (!tx || m->cls >= VN_CLASSES) {
        vn_worker_drop(w, VN_DROP_EGRESS_GONE); /* closed meanwhile */
        return;
    }
    struct vn_tx_hand *h = &tx->hands[number - 1];
    const enum vn_tether_class cls = (enum vn_tether_class)m->cls;
    if (cls == VN_TETHER_BULK) {
        h->flows = m->flows;
        h->waits = m->waits;
    }
    size_t outlet = vn_crew_outlet(cls, m->buf);
    const size_t way = vn_outlet_way(outlet);
    struct vn_side *side = way && tx->spread ? &tx->spread->sides[way - 1] : NULL;
    if (!side || !side->tether)
        outlet = vn_outlet(cls, 0); /* it was left, which the hand did not know */
    vn_pktqueue_push(&h->sealed[outlet], VN_TAKE(m->buf));
    tx->sealed_count[outlet]++;
    if (outlet == vn_outlet(cls, 0))
        vn_tx_active(tx, cls);
    else
        vn_side_active(side);
}

void vn_crew_leave(struct vn_tx *tx, size_t outlet)
{
    const size_t own = vn_outlet(VN_TETHER_BULK, 0);
    for (size_t i = 0; i < tx->worker->cfg.hand_count; i++) {
        struct vn_pktbuf *b;
        while ((b = vn_pktqueue_pop(&tx->hands[i].sealed[outlet])))
            vn_pktqueue_push(&tx->hands[i].sealed[own], b);
    }
    tx->sealed_count[own] += tx->sealed_count[outlet];
    tx->sealed_count[outlet] = 0;
}

void vn_crew_shares(struct vn_tx *tx, const struct vn_stripe_shares *shares)
{
    for (size_t i = 1; i <= tx->worker->cfg.hand_count; i++) {
        struct vn_crew_shares *m;
        if (vn_post_msg_new(VN_CREW_SHARES, sizeof(*m), &m) != VN_OK)
            continue; /* its frames go by way 0 where it has another that is gone */
        m->tx = tx->handle;
        m->gap_us = shares->gap_us;
        for (size_t k = 0; k < shares->count; k++)
            m->share[shares->paths[k].key] = shares->paths[k].share;
        post(tx->worker, i, &m->msg);
    }
}

void vn_crew_flows(const struct vn_tx *tx, struct vn_ev_sent *ev)
{
    for (size_t i = 0; i < tx->worker->cfg.hand_count; i++) {
        ev->flows += tx->hands[i].flows;
        ev->waits |= tx->hands[i].waits;
    }
    /* They seal ahead, so little may be left with them. */
    for (size_t outlet = 0; outlet < VN_OUTLETS; outlet++)
        ev->waits |= vn_outlet_class(outlet) == VN_TETHER_BULK && tx->sealed_count[outlet] > 0;
}

void vn_crew_flows_told(struct vn_tx *tx)
{
    for (size_t i = 0; i < tx->worker->cfg.hand_count; i++) {
        tx->hands[i].flows = 0;
        tx->hands[i].waits = false;
    }
}

/* False: the hand will be told again. */
static bool tell_taken(struct vn_tx *tx, size_t number)
{
    struct vn_tx_hand *h = &tx->hands[number - 1];
    struct vn_crew_taken *m;
    unsigned all = 0;
    for (size_t outlet = 0; outlet < VN_OUTLETS; outlet++)
        all += h->taken[outlet];
    if (!all)
        return true;
    if (vn_post_msg_new(VN_CREW_TAKEN, sizeof(*m), &m) != VN_OK)
        return false;
    m->tx = tx->handle;
    memcpy(m->count, h->taken, sizeof(m->count));
    if (tx->turn.end) {
        const struct vn_path_time *path = vn_end_path(tx->turn.end);
        m->srtt_us = path->srtt_us;
        m->rate = path->rate;
    }
    if (!post(tx->worker, number, &m->msg))
        return false;
    memset(h->taken, 0, sizeof(h->taken));
    return true;
}

void vn_crew_flush(struct vn_worker *w)
{
    VN_LIST_EACH(it, &w->taken)
    {
        struct vn_tx *tx = VN_LIST_ENTRY(it, struct vn_tx, of_taken);
        bool told = true;
        for (size_t i = 1; i <= w->cfg.hand_count; i++)
            told &= tell_taken(tx, i);
        if (told)
            vn_list_remove(it);
    }
}

/* ---- receiving ---- */

bool vn_crew_to_open(struct vn_rx *rx, const struct vn_rx_way *way, struct vn_pktbuf *b)
{
    struct vn_worker *w = rx->worker;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    struct vn_e2e_header h;
    if (!vn_hop_decode(&r, &hop) || !vn_e2e_decode(&r, &h) || h.lane >= VN_LANES_MAX)
        return false; /* the first worker drops it */
    const size_t number = h.lane % (1 + w->cfg.hand_count), n = vn_crew_memory(b);
    if (number == 0)
        return false;
    struct vn_crew_frame *m;
    if (w->to_open_bytes[number] + n > VN_HAND_BYTES_MAX ||
        vn_post_msg_new(VN_CREW_TO_OPEN, sizeof(*m), &m) != VN_OK) {
        vn_worker_drop(w, VN_DROP_CREW_FULL);
        vn_pktbuf_free(b);
        return true;
    }
    m->handle = rx->handle;
    m->way = *way;
    m->buf = b;
    if (post(w, number, &m->msg))
        w->to_open_bytes[number] += n;
    else
        vn_worker_drop(w, VN_DROP_CREW_FULL);
    return true;
}

void vn_crew_epoch(struct vn_rx *rx)
{
    struct vn_worker *w = rx->worker;
    for (size_t i = 1; i <= w->cfg.hand_count; i++) {
        struct vn_crew_epoch *m;
        if (vn_post_msg_new(VN_CREW_EPOCH, sizeof(*m), &m) != VN_OK)
            continue; /* its own look ahead will do */
        m->rx = rx->handle;
        m->epoch = vn_rx_keys_epoch(&rx->keys);
        m->kem = rx->keys.kem_way;
        post(w, i, &m->msg);
    }
    rx->keys.kem_way = false;
}

/* A hand has opened a frame. */
static void on_epoch(struct vn_worker *w, const struct vn_crew_epoch *m)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &m->rx);
    if (rx)
        vn_rx_opened(rx, vn_rx_keys_follow(&rx->keys, m->epoch, m->kem, w->now_us));
}

/* ---- counters ---- */

static int by_tx(const void *a, const void *b)
{
    const struct vn_tx_stats *x = a, *y = b;
    return x->tx < y->tx ? -1 : x->tx > y->tx;
}

static int by_rx(const void *a, const void *b)
{
    const struct vn_rx_stats *x = a, *y = b;
    return x->rx < y->rx ? -1 : x->rx > y->rx;
}

static void add_counters(struct vn_worker_counters *sum, const struct vn_worker_counters *more)
{
    uint64_t *s = (uint64_t *)sum;
    const uint64_t *m = (const uint64_t *)more;
    _Static_assert(sizeof(*sum) % sizeof(*s) == 0, "nothing but counters");
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*s); i++)
        s[i] += m[i];
}

static void add_stats(struct vn_ev_stats *sum, const struct vn_ev_stats *more, size_t number)
{
    add_counters(&sum->counters, &more->counters);
    sum->workers[number] = more->counters;
    for (size_t i = 0; i < more->tx_count; i++) {
        const struct vn_tx_stats *m = &more->tx[i];
        struct vn_tx_stats *s = bsearch(m, sum->tx, sum->tx_count, sizeof(*m), by_tx);
        if (!s)
            continue;
        s->packets += m->packets; /* its frames were counted as they passed */
        s->bytes += m->bytes;
        s->queued_packets += m->queued_packets;
    }
    for (size_t i = 0; i < more->rx_count; i++) {
        const struct vn_rx_stats *m = &more->rx[i];
        struct vn_rx_stats *s = bsearch(m, sum->rx, sum->rx_count, sizeof(*m), by_rx);
        if (!s)
            continue;
        s->packets += m->packets;
        s->bytes += m->bytes;
        s->frames += m->frames;
        s->idle_ms = VN_MIN(s->idle_ms, m->idle_ms);
    }
}

static void answered(struct vn_worker *w, struct question *q)
{
    if (--q->left)
        return;
    vn_list_remove(&q->all);
    vn_worker_tell(w, &q->ev->msg);
    free(q);
}

void vn_crew_stats(struct vn_worker *w, struct vn_ev_stats *ev)
{
    struct question *q = calloc(1, sizeof(*q));
    size_t out = 0;
    VN_LIST_EACH(it, &w->stats)
    out++;
    if (out == QUESTIONS_MAX) {
        struct question *oldest = VN_LIST_ENTRY(w->stats.next, struct question, all);
        oldest->left = 1; /* without the figures of who has not answered */
        answered(w, oldest);
    }
    if (!q) {
        vn_post_msg_free(&ev->msg);
        return;
    }
    qsort(ev->tx, ev->tx_count, sizeof(*ev->tx), by_tx);
    qsort(ev->rx, ev->rx_count, sizeof(*ev->rx), by_rx);
    ev->worker_count = 1 + w->cfg.hand_count;
    q->ev = ev;
    q->left = 1 + w->cfg.hand_count;
    vn_list_init(&q->all);
    vn_list_append(&w->stats, &q->all);
    for (size_t i = 1; i <= w->cfg.hand_count; i++) {
        struct vn_cmd_handle *m;
        bool asked = vn_post_msg_new(VN_CMD_STATS, sizeof(*m), &m) == VN_OK;
        if (asked) {
            m->handle = ev->request;
            asked = post(w, i, &m->msg);
        }
        if (!asked)
            q->left--; /* without its figures */
    }
    answered(w, q);
}

static void on_stats(struct vn_worker *w, size_t number, const struct vn_ev_stats *m)
{
    VN_LIST_EACH(it, &w->stats)
    {
        struct question *q = VN_LIST_ENTRY(it, struct question, all);
        if (q->ev->request != m->request)
            continue;
        add_stats(q->ev, m, number);
        answered(w, q);
        return;
    }
}

/* ---- what hands say ---- */

/* The node is asked once for all workers; what is known already is answered here. */
static void on_wanted(struct vn_worker *w, size_t number, const struct vn_ip *ip)
{
    struct vn_cmd_dest *m;
    struct vn_cmd_dest verdict;
    if (!vn_egress_wanted(w, ip, &verdict) || vn_post_msg_new(VN_CMD_DEST, sizeof(*m), &m) != VN_OK)
        return;
    verdict.msg = m->msg;
    *m = verdict;
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &verdict.tx);
    if (tx)
        give_lane(tx, number); /* it may have had no memory for it */
    post(w, number, &m->msg);
}

void vn_worker_hand_event(struct vn_worker *w, size_t number, struct vn_post_msg *m,
                          uint64_t now_us)
{
    w->now_us = now_us;
    switch (m->type) {
    case VN_CREW_SEALED:
        on_sealed(w, number, (struct vn_crew_frame *)m);
        break;
    case VN_CREW_OPENED:
        w->to_open_bytes[number] -= ((const struct vn_crew_opened *)m)->bytes;
        break;
    case VN_CREW_EPOCH:
        on_epoch(w, (const struct vn_crew_epoch *)m);
        break;
    case VN_EV_DEST_WANTED:
        on_wanted(w, number, &((const struct vn_ev_dest *)m)->ip);
        break;
    case VN_EV_RX_LOST:
    case VN_EV_RX_REPORT:
    case VN_EV_RX_TALLY:
        vn_worker_tell(w, m);
        return;
    case VN_EV_STATS:
        on_stats(w, number, (const struct vn_ev_stats *)m);
        break;
    default: /* the first worker says that of the stream, or of its egresser, itself */
        break;
    }
    vn_post_msg_free(m);
}

void vn_crew_done(struct vn_worker *w)
{
    VN_LIST_EACH(it, &w->stats)
    {
        struct question *q = VN_LIST_ENTRY(it, struct question, all);
        vn_post_msg_free(&q->ev->msg);
        free(q);
    }
    vn_list_init(&w->stats);
}
