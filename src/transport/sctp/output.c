/*
 * Packets out: what the peer's window, the congestion window and the pacing allow, in bursts that
 * stay whole on their way to the socket: SACK and FORWARD-TSN go in the first packet that has room
 * beside its data, or behind them.
 */
#include "transport/sctp/assoc.h"

#define BATCH 16
#define CATCH_UP_NS 2000000 /* how far pacing may make up for a late timer */

struct batch {
    struct vn_sctp *s;
    size_t n;
    uint8_t *flags; /* of the last DATA chunk in it */
    struct vn_dgram d[BATCH];
    uint8_t buf[BATCH][VN_SCTP_MTU_MAX];
};

void vn_sctp_send_packet(struct vn_sctp *s, struct vn_writer *w, bool zero_allowed)
{
    if (!vn_writer_ok(w))
        return;
    vn_sctp_seal(w->buf, w->len, zero_allowed && s->zero_checksum);
    const struct vn_dgram d = {w->buf, w->len};
    s->counters.tx_packets++;
    s->cfg.output(s->cfg.arg, &d, 1);
}

static void emit(struct batch *b)
{
    struct vn_sctp *s = b->s;
    for (size_t i = 0; i < b->n; i++)
        vn_sctp_seal(b->d[i].p, b->d[i].n, s->zero_checksum);
    s->counters.tx_packets += b->n;
    if (b->n > 0)
        s->cfg.output(s->cfg.arg, b->d, b->n);
    b->n = 0;
    b->flags = NULL;
}

/* ---- chunks ---- */

static void stamp(struct vn_sctp *s, uint64_t tsn, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
    if (tx->in_flight == 0) {
        tx->first_sent_us = tx->delivered_us = now_us;
        if (tx->app_limited_until)
            vn_bbr_on_restart(&tx->bbr, now_us);
    }
    tx->in_flight += c->len;
    tx->rwnd -= VN_MIN(tx->rwnd, (uint64_t)c->len);
    c->state = VN_SCTP_IN_FLIGHT;
    c->seq = ++tx->seq;
    c->sent_us = now_us;
    c->first_sent_us = tx->first_sent_us;
    c->delivered = tx->delivered;
    c->delivered_us = tx->delivered_us;
    c->lost = tx->lost_bytes;
    c->in_flight = tx->in_flight;
    c->app_limited = tx->app_limited_until != 0;
    s->counters.retransmitted += c->sends > 0;
    c->sends = (uint16_t)VN_MIN(c->sends + 1u, (unsigned)UINT16_MAX);
    s->counters.tx_data++;
    vn_sctp_chunks_append(tx, &tx->sent, tsn);
}

static uint8_t *write_data(struct vn_sctp *s, struct vn_writer *w, uint64_t tsn)
{
    const struct vn_sctp_out_chunk *c = vn_sctp_chunk(&s->tx, tsn);
    const struct vn_sctp_out_msg *m = c->msg;
    const unsigned flags = (c->at == 0 ? VN_SCTP_FLAG_BEGIN : 0u) |
                           (c->at + c->len == m->buf->len ? VN_SCTP_FLAG_END : 0u) |
                           (m->unordered ? VN_SCTP_FLAG_UNORDERED : 0u);
    const size_t at = vn_sctp_begin_chunk(w, VN_SCTP_DATA, (uint8_t)flags);
    vn_write_u32(w, (uint32_t)tsn);
    vn_write_u16(w, m->stream);
    vn_write_u16(w, m->ssn);
    vn_write_u32(w, m->ppid);
    vn_write_bytes(w, m->buf->data + c->at, c->len);
    vn_sctp_end_chunk(w, at);
    return w->buf + at + 1;
}

/* The lost chunk to send again next; what has had its time is given up instead. */
static uint64_t next_lost(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    while (tx->lost.head) {
        struct vn_sctp_out_msg *m = vn_sctp_chunk(tx, tx->lost.head)->msg;
        if (now_us < m->expires_us || !vn_sctp_abandon(s, m))
            return tx->lost.head;
    }
    return 0;
}

/* What to send next into so much room; 0: nothing that fits. */
static uint64_t pick(struct vn_sctp *s, size_t room, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    const uint64_t again = next_lost(s, now_us);
    if (again) {
        if (vn_sctp_chunk(tx, again)->len > room)
            return 0;
        vn_sctp_chunks_remove(tx, &tx->lost, again);
        return again;
    }
    /* A closed window is probed with one chunk (RFC 9260 section 6.1 A). */
    if (tx->rwnd == 0 && tx->in_flight > 0)
        return 0;
    if (s->phase == VN_SCTP_ESTABLISHED || s->phase == VN_SCTP_SHUTDOWN_PENDING ||
        s->phase == VN_SCTP_SHUTDOWN_RECEIVED)
        return vn_sctp_cut(s, room, now_us);
    return 0;
}

static bool has_data(const struct vn_sctp *s)
{
    return s->tx.lost.head || (vn_sctp_next_len(s) > 0 && (s->tx.rwnd > 0 || s->tx.in_flight == 0));
}

static bool control_is_due(const struct vn_sctp *s, uint64_t now_us)
{
    return vn_sctp_sack_is_due(s, now_us) || s->tx.forward_now || now_us >= s->tx.forward_due_us;
}

/* ---- packets ---- */

static void write_control(struct vn_sctp *s, struct vn_writer *w, uint64_t now_us)
{
    if (vn_sctp_sack_is_due(s, now_us) || s->rx.unsacked > 0)
        vn_sctp_write_sack(s, w, w->cap - w->len - VN_SCTP_FORWARD_MAX);
    if (s->tx.forward_now || now_us >= s->tx.forward_due_us)
        vn_sctp_write_forward_tsn(s, w, now_us);
}

static size_t room_for_data(const struct vn_writer *w)
{
    return w->cap - w->len > VN_SCTP_DATA_LEN ? w->cap - w->len - VN_SCTP_DATA_LEN : 0;
}

/* Whether a SACK fits beside the chunk that is next, or there is none. */
static bool has_room_for_control(struct vn_sctp *s, const struct vn_writer *w)
{
    const uint64_t lost = s->tx.lost.head;
    const size_t next = lost ? vn_sctp_chunk(&s->tx, lost)->len : vn_sctp_next_len(s);
    return next + VN_SCTP_SACK_LEN <= room_for_data(w);
}

/* One packet more; false: there was nothing for it. */
static bool fill(struct batch *b, bool *control, bool data, uint64_t now_us)
{
    struct vn_sctp *s = b->s;
    if (b->n == BATCH)
        emit(b);
    struct vn_writer w = vn_writer_of(b->buf[b->n], s->cfg.mtu);
    vn_sctp_write_header(&w, s->peer.tag);
    data = data && s->tx.in_flight < s->tx.bbr.cwnd;
    if (*control && (!data || has_room_for_control(s, &w))) {
        write_control(s, &w, now_us);
        *control = false;
    }
    while (data && s->tx.in_flight < s->tx.bbr.cwnd) {
        const uint64_t tsn = pick(s, room_for_data(&w), now_us);
        if (!tsn)
            break;
        stamp(s, tsn, now_us);
        b->flags = write_data(s, &w, tsn);
    }
    if (w.len == VN_SCTP_HEADER_LEN && *control) {
        write_control(s, &w, now_us);
        *control = false;
    }
    if (w.len == VN_SCTP_HEADER_LEN)
        return false;
    b->d[b->n++] = (struct vn_dgram){w.buf, w.len};
    return true;
}

static uint64_t cost_ns(const struct vn_sctp *s, size_t n)
{
    return n * 1000000000ull / s->tx.bbr.pacing_rate;
}

/* Whether SACK and FORWARD-TSN go now: with data that goes, or by themselves. */
static bool takes_control(struct vn_sctp *s, bool data, bool end, uint64_t now_us)
{
    const bool due = control_is_due(s, now_us);
    s->waits_for_end = due && !data && !end && s->cfg.by_turns;
    return data ? due || s->rx.unsacked > 0 : due && !s->waits_for_end;
}

static void output(struct vn_sctp *s, uint64_t now_us, bool end)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct batch b;
    b.s = s;
    b.n = 0;
    b.flags = NULL;
    if (!vn_sctp_has_data_phase(s))
        return;
    const uint64_t now_ns = now_us * 1000, before = tx->seq;
    const bool may_begin = tx->next_send_ns <= now_ns;
    const bool data = may_begin && has_data(s) && tx->in_flight < tx->bbr.cwnd;
    bool control = takes_control(s, data, end, now_us), paced = !may_begin;
    size_t sent = 0;
    if (may_begin && now_ns > CATCH_UP_NS)
        tx->next_send_ns = VN_MAX(tx->next_send_ns, now_ns - CATCH_UP_NS);
    while (data || control) {
        paced = !may_begin || (tx->next_send_ns > now_ns && sent >= tx->bbr.quantum);
        const uint64_t seq = tx->seq;
        if ((paced && !control) || !fill(&b, &control, !paced, now_us))
            break;
        if (tx->seq != seq) {
            sent += b.d[b.n - 1].n;
            tx->next_send_ns += cost_ns(s, b.d[b.n - 1].n);
        }
    }
    const bool more = has_data(s);
    const bool full = tx->in_flight >= tx->bbr.cwnd;
    if (full && more && b.flags)
        *b.flags |= VN_SCTP_FLAG_IMMEDIATE; /* we wait for it */
    emit(&b);
    tx->pace_due_us = more && !full && paced ? (tx->next_send_ns + 999) / 1000 : VN_SCTP_NEVER;
    tx->bbr.cwnd_limited = full;
    if (!more && !full)
        tx->app_limited_until = VN_MAX(tx->delivered + tx->in_flight, (uint64_t)1);
    vn_sctp_advance_forward(s);
    if (tx->seq != before)
        vn_sctp_arm_timeouts(s, now_us, false);
}

void vn_sctp_output(struct vn_sctp *s, uint64_t now_us)
{
    output(s, now_us, false);
}

void vn_sctp_flush(struct vn_sctp *s, uint64_t now_us)
{
    output(s, now_us, false);
}

void vn_sctp_end_turn(struct vn_sctp *s, uint64_t now_us)
{
    if (s->waits_for_end)
        output(s, now_us, true);
}

bool vn_sctp_waits_for_end(const struct vn_sctp *s)
{
    return s->waits_for_end;
}

void vn_sctp_send_probe(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    uint8_t buf[VN_SCTP_MTU_MAX];
    struct vn_writer w = vn_writer_of(buf, s->cfg.mtu);
    vn_sctp_write_header(&w, s->peer.tag);
    uint64_t tsn = tx->lost.head ? 0 : pick(s, room_for_data(&w), now_us);
    if (!tsn && tx->sent.tail) { /* the newest again, unless it may not be */
        const struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tx->sent.tail);
        if (c->sends > c->msg->retransmits || now_us >= c->msg->expires_us)
            return;
        tsn = tx->sent.tail;
        vn_sctp_chunks_remove(tx, &tx->sent, tsn);
        tx->in_flight -= c->len;
    }
    if (!tsn)
        return;
    stamp(s, tsn, now_us);
    *write_data(s, &w, tsn) |= VN_SCTP_FLAG_IMMEDIATE;
    vn_sctp_send_packet(s, &w, true);
    s->counters.probes++;
}
