/*
 * Messages waiting to be sent, by stream, and chunks with a TSN, in a ring until the peer's
 * cumulative TSN passes them. Streams take turns message by message: the fragments of one message
 * have neighbouring TSNs (RFC 9260 section 6.9), so a message once begun is cut to its end.
 */
#include <stdlib.h>

#include "transport/sctp/assoc.h"

#define SPARE_MAX 64

void vn_sctp_tx_init(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    const uint64_t base = (1ull << 32) + s->first_tsn;
    uint32_t seed;
    memcpy(&seed, s->key, sizeof(seed));
    tx->cum = tx->forward = base - 1;
    tx->next = base;
    tx->window = VN_SCTP_SNDBUF_BYTES;
    tx->rto_us = VN_SCTP_RTO_INITIAL_MS * 1000ull;
    tx->min_rtt_us = VN_SCTP_NEVER;
    tx->delivered_us = tx->first_sent_us = now_us;
    tx->rack_due_us = tx->probe_due_us = tx->timeout_due_us = tx->forward_due_us = tx->pace_due_us =
        VN_SCTP_NEVER;
    tx->reorder = 1;
    const uint64_t mss = s->cfg.mtu - VN_SCTP_HEADER_LEN - VN_SCTP_DATA_LEN;
    vn_bbr_init(&tx->bbr, mss, VN_SCTP_INITIAL_CWND * mss, seed * 2654435761u, now_us);
}

/* ---- messages ---- */

static void msg_free(struct vn_sctp *s, struct vn_sctp_out_msg *m)
{
    struct vn_sctp_tx *tx = &s->tx;
    tx->held -= m->buf->len;
    tx->messages--;
    (void)vn_pktbuf_free(m->buf);
    if (tx->spare_count == SPARE_MAX) {
        free(m);
        return;
    }
    m->next = tx->spare;
    tx->spare = m;
    tx->spare_count++;
}

void vn_sctp_msg_forget(struct vn_sctp *s, struct vn_sctp_out_msg *m)
{
    s->tx.waiting -= m->buf->len - m->cut;
    msg_free(s, m);
}

void vn_sctp_msg_drop_chunk(struct vn_sctp *s, struct vn_sctp_out_msg *m)
{
    if (--m->chunks == 0 && m->cut == m->buf->len)
        msg_free(s, m); /* else its stream has it */
}

struct vn_sctp_out_msg *vn_sctp_stream_pop(struct vn_sctp_out_stream *st)
{
    struct vn_sctp_out_msg *m = st->head;
    st->head = m->next;
    if (!st->head)
        st->tail = NULL;
    if (m == st->held_after) {
        st->held_after = NULL;
        st->held = true;
    }
    return m;
}

static struct vn_sctp_out_msg *msg_new(struct vn_sctp_tx *tx)
{
    struct vn_sctp_out_msg *m = tx->spare;
    if (!m)
        return malloc(sizeof(*m));
    tx->spare = m->next;
    tx->spare_count--;
    return m;
}

uint64_t vn_sctp_rate(const struct vn_sctp *s)
{
    return s->tx.bbr.full_bw_reached ? vn_bbr_bandwidth(&s->tx.bbr) : 0;
}

/* What waits here nothing can overtake any more: a few milliseconds of it keep the path full. Until
 * the rate is known, what may be sent within a round trip. */
static uint64_t wait_max(const struct vn_sctp *s)
{
    const uint64_t most = VN_MAX(s->tx.bbr.cwnd, (uint64_t)VN_SCTP_SNDBUF_WAIT_BYTES);
    const uint64_t rate = vn_sctp_rate(s);
    const uint64_t soon = rate / 1000 * VN_SCTP_WAIT_MS;
    return rate == 0 ? most : VN_MIN(most, VN_MAX(soon, (uint64_t)VN_SCTP_WAIT_LEAST_BYTES));
}

vn_status vn_sctp_send(struct vn_sctp *s, uint16_t stream, uint32_t ppid,
                       const struct vn_sctp_how *how, struct vn_pktbuf *msg, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    if (s->phase > VN_SCTP_ESTABLISHED || s->shutdown_wanted)
        return VN_ERR_STATE;
    if (stream >= s->cfg.streams || msg->len == 0 ||
        (s->phase == VN_SCTP_ESTABLISHED && stream >= s->peer.in_streams))
        return VN_ERR_ARG;
    struct vn_sctp_out_stream *st = &tx->streams[stream];
    /* A stream with nothing waiting may go beyond what the others have filled. */
    const size_t reserve = st->head ? 0 : VN_SCTP_SNDBUF_RESERVE_BYTES;
    if (tx->waiting >= wait_max(s) + reserve || vn_sctp_outstanding(s) >= tx->window + reserve ||
        tx->held >= 2 * tx->window + reserve ||
        tx->messages >= VN_SCTP_MESSAGES_MAX + (reserve > 0 ? s->cfg.streams : 0u))
        return VN_ERR_AGAIN;
    struct vn_sctp_out_msg *m = msg_new(tx);
    if (!m)
        return VN_ERR_NOMEM;
    const bool partial = s->phase < VN_SCTP_ESTABLISHED || s->peer.forward_tsn;
    *m = (struct vn_sctp_out_msg){.buf = msg,
                                  .ppid = ppid,
                                  .stream = stream,
                                  .unordered = how->unordered,
                                  .expires_us = VN_SCTP_NEVER,
                                  .retransmits = UINT32_MAX};
    if (how->limit == VN_SCTP_RETRANSMITS && partial)
        m->retransmits = how->value;
    if (how->limit == VN_SCTP_MILLISECONDS && partial)
        m->expires_us = now_us + how->value * 1000ull;
    tx->used = VN_MAX(tx->used, stream + 1u);
    tx->messages++;
    tx->held += msg->len;
    tx->waiting += msg->len;
    if (st->tail)
        st->tail->next = m;
    else
        st->head = m;
    st->tail = m;
    return VN_OK;
}

size_t vn_sctp_outstanding(const struct vn_sctp *s)
{
    return s->tx.waiting + s->tx.unacked;
}

void vn_sctp_set_window(struct vn_sctp *s, size_t bytes)
{
    s->tx.window = bytes;
}

/* ---- the ring ---- */

struct vn_sctp_out_chunk *vn_sctp_chunk(struct vn_sctp_tx *tx, uint64_t tsn)
{
    return &tx->ring[tsn & (tx->ring_count - 1)];
}

/* Room for n chunks more. */
static bool have_room(struct vn_sctp_tx *tx, size_t more)
{
    const size_t need = (size_t)(tx->next - tx->cum - 1) + more;
    size_t n = VN_MAX(tx->ring_count, (size_t)64);
    if (need > VN_SCTP_CHUNKS_MAX - 2)
        return false;
    while (n < need)
        n *= 2;
    if (n == tx->ring_count)
        return true;
    struct vn_sctp_out_chunk *ring = calloc(n, sizeof(*ring));
    uint64_t *open = calloc(n / 64, sizeof(*open));
    if (!ring || !open) {
        free(ring);
        free(open);
        return false;
    }
    for (uint64_t tsn = tx->cum + 1; tsn < tx->next; tsn++) {
        ring[tsn & (n - 1)] = *vn_sctp_chunk(tx, tsn);
        if (tx->open[(tsn & (tx->ring_count - 1)) / 64] >> (tsn & 63) & 1)
            open[(tsn & (n - 1)) / 64] |= 1ull << (tsn & 63);
    }
    free(tx->ring);
    free(tx->open);
    tx->ring = ring;
    tx->open = open;
    tx->ring_count = n;
    return true;
}

void vn_sctp_chunks_append(struct vn_sctp_tx *tx, struct vn_sctp_chunks *l, uint64_t tsn)
{
    struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
    c->prev = l->tail;
    c->next = 0;
    if (l->tail)
        vn_sctp_chunk(tx, l->tail)->next = tsn;
    else
        l->head = tsn;
    l->tail = tsn;
}

void vn_sctp_chunks_remove(struct vn_sctp_tx *tx, struct vn_sctp_chunks *l, uint64_t tsn)
{
    const struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
    if (c->prev)
        vn_sctp_chunk(tx, c->prev)->next = c->next;
    else
        l->head = c->next;
    if (c->next)
        vn_sctp_chunk(tx, c->next)->prev = c->prev;
    else
        l->tail = c->prev;
}

/* The stream to serve: the one whose message is begun, else the next with something to send. */
static struct vn_sctp_out_stream *stream_to_serve(const struct vn_sctp *s)
{
    const struct vn_sctp_tx *tx = &s->tx;
    for (unsigned i = 0; i < tx->used; i++) {
        const struct vn_sctp_out_stream *st = &tx->streams[(tx->turn + i) % tx->used];
        if (st->head && !st->held)
            return (struct vn_sctp_out_stream *)(uintptr_t)st;
    }
    return NULL;
}

static size_t fragment_len(const struct vn_sctp *s, const struct vn_sctp_out_msg *m)
{
    const size_t full = s->cfg.mtu - VN_SCTP_HEADER_LEN - VN_SCTP_DATA_LEN;
    return VN_MIN(m->buf->len - m->cut, full);
}

size_t vn_sctp_next_len(const struct vn_sctp *s)
{
    const struct vn_sctp_out_stream *st = s->tx.waiting > 0 ? stream_to_serve(s) : NULL;
    return st ? fragment_len(s, st->head) : 0;
}

uint64_t vn_sctp_cut(struct vn_sctp *s, size_t room, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_sctp_out_stream *st = stream_to_serve(s);
    while (st && st->head->cut == 0 && now_us >= st->head->expires_us) {
        struct vn_sctp_out_msg *m = vn_sctp_stream_pop(st);
        vn_sctp_gave_up(s, m); /* the peer has not heard of it */
        vn_sctp_msg_forget(s, m);
        st = stream_to_serve(s);
    }
    if (!st)
        return 0;
    struct vn_sctp_out_msg *m = st->head;
    const size_t n = fragment_len(s, m);
    /* Fragments are as long as can be, so that bursts stay of one size; what is the end of a
     * message, or one by itself, may follow another in its packet. */
    if (n > room || !have_room(tx, 2)) /* one to spare for vn_sctp_abandon */
        return 0;
    const uint64_t tsn = tx->next++;
    struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
    if (m->cut == 0) {
        m->first = tsn;
        m->ssn = m->unordered ? 0 : st->ssn++;
    }
    *c = (struct vn_sctp_out_chunk){.msg = m, .at = (uint32_t)m->cut, .len = (uint16_t)n};
    tx->open[(tsn & (tx->ring_count - 1)) / 64] |= 1ull << (tsn & 63);
    m->cut += n;
    m->chunks++;
    tx->waiting -= n;
    tx->unacked += n;
    tx->turn = (unsigned)(st - tx->streams);
    if (m->cut == m->buf->len) {
        (void)vn_sctp_stream_pop(st);
        tx->turn = (tx->turn + 1) % tx->used;
    }
    return tsn;
}

void vn_sctp_tx_done(struct vn_sctp *s)
{
    struct vn_sctp_tx *tx = &s->tx;
    for (size_t i = 0; i < tx->used; i++)
        while (tx->streams[i].head) {
            struct vn_sctp_out_msg *m = vn_sctp_stream_pop(&tx->streams[i]);
            if (m->chunks == 0)
                vn_sctp_msg_forget(s, m);
            else
                m->cut = m->buf->len; /* the ring has it */
        }
    for (uint64_t tsn = tx->cum + 1; tsn < tx->next; tsn++)
        vn_sctp_msg_drop_chunk(s, vn_sctp_chunk(tx, tsn)->msg);
    for (struct vn_sctp_out_msg *m; (m = tx->spare);) {
        tx->spare = m->next;
        free(m);
    }
    free(tx->ring);
    free(tx->open);
    free(tx->streams);
}
