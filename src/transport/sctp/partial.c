/*
 * Messages given up (RFC 3758): their chunks are not sent any more, and FORWARD-TSN tells the peer
 * not to wait for them.
 */
#include "transport/sctp/assoc.h"

static bool is_partial(const struct vn_sctp_out_msg *m)
{
    return m->expires_us != VN_SCTP_NEVER || m->retransmits != UINT32_MAX;
}

/*
 * A message cut in part gets one TSN more, which stands for its end and is never sent: else the
 * peer, having all TSNs there are, would not hear of it, and the next message would begin where
 * this one has not ended. vn_sctp_cut keeps room for it.
 */
static void close_message(struct vn_sctp *s, struct vn_sctp_out_msg *m)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_sctp_out_stream *st = &tx->streams[m->stream];
    (void)vn_sctp_stream_pop(st); /* the one being cut is the first of its stream */
    tx->turn = (m->stream + 1u) % tx->used;
    tx->waiting -= m->buf->len - m->cut;
    m->cut = m->buf->len;
    m->chunks++;
    *vn_sctp_chunk(tx, tx->next++) =
        (struct vn_sctp_out_chunk){.msg = m, .state = VN_SCTP_ABANDONED};
}

void vn_sctp_gave_up(struct vn_sctp *s, const struct vn_sctp_out_msg *m)
{
    s->counters.abandoned++;
    if (s->cfg.given_up)
        s->cfg.given_up(s->cfg.arg, m->stream, m->buf);
}

bool vn_sctp_abandon(struct vn_sctp *s, struct vn_sctp_out_msg *m)
{
    struct vn_sctp_tx *tx = &s->tx;
    if (!s->peer.forward_tsn)
        return false; /* it could not be told */
    vn_sctp_gave_up(s, m);
    if (m->cut < m->buf->len)
        close_message(s, m);
    for (uint64_t tsn = VN_MAX(m->first, tx->cum + 1); tsn < tx->next; tsn++) {
        struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
        if (c->msg != m)
            break;
        if (c->state == VN_SCTP_IN_FLIGHT) {
            vn_sctp_chunks_remove(tx, &tx->sent, tsn);
            tx->in_flight -= c->len;
        } else if (c->state == VN_SCTP_LOST) {
            vn_sctp_chunks_remove(tx, &tx->lost, tsn);
        }
        if (c->state <= VN_SCTP_LOST)
            tx->unacked -= c->len;
        tx->open[(tsn & (tx->ring_count - 1)) / 64] &= ~(1ull << (tsn & 63));
        c->state = VN_SCTP_ABANDONED;
    }
    return true;
}

void vn_sctp_advance_forward(struct vn_sctp *s)
{
    struct vn_sctp_tx *tx = &s->tx;
    const uint64_t before = tx->forward;
    for (uint64_t tsn = tx->forward + 1; tsn < tx->next; tsn++) {
        const struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
        if (c->state == VN_SCTP_ABANDONED)
            tx->forward = tsn;
        else if (c->state != VN_SCTP_GAPPED || !is_partial(c->msg))
            break; /* what is here may be passed over only if it could have been given up, too */
    }
    tx->forward_now |= tx->forward > before;
    if (tx->forward == tx->cum) {
        tx->forward_now = false;
        tx->forward_due_us = VN_SCTP_NEVER;
    }
}

struct skipped {
    uint16_t stream, ssn;
};

/* False: no room for another stream. */
static bool note(struct skipped *list, size_t *count, const struct vn_sctp_out_msg *m)
{
    size_t i = 0;
    while (i < *count && list[i].stream != m->stream)
        i++;
    if (i == VN_SCTP_STREAMS_NAMED)
        return false;
    list[i] = (struct skipped){m->stream, m->ssn};
    *count = VN_MAX(*count, i + 1);
    return true;
}

/*
 *  | 192 | 0 | length              |   RFC 3758 section 3.2
 *  | new cumulative TSN            |
 *  | stream 16 | number in it 16 | ... the last one skipped, of streams in order
 */
void vn_sctp_write_forward_tsn(struct vn_sctp *s, struct vn_writer *w, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct skipped skipped[VN_SCTP_STREAMS_NAMED];
    size_t count = 0;
    uint64_t tsn = tx->cum + 1;
    for (; tsn <= tx->forward; tsn++) {
        const struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
        if (c->state == VN_SCTP_ABANDONED && !c->msg->unordered && !note(skipped, &count, c->msg))
            break; /* the rest follows by the timer */
    }
    const size_t at = vn_sctp_begin_chunk(w, VN_SCTP_FORWARD_TSN, 0);
    vn_write_u32(w, (uint32_t)(tsn - 1));
    for (size_t i = 0; i < count; i++) {
        vn_write_u16(w, skipped[i].stream);
        vn_write_u16(w, skipped[i].ssn);
    }
    vn_sctp_end_chunk(w, at);
    tx->forward_now = false;
    tx->forward_due_us = now_us + tx->rto_us;
}

void vn_sctp_take_forward_tsn(struct vn_sctp *s, const struct vn_sctp_tlv *c)
{
    struct vn_reader r = c->value;
    uint32_t cum32;
    uint16_t stream, ssn;
    if (!vn_read_u32(&r, &cum32) || s->rx.packet_had_forward) {
        s->counters.drop_chunk++;
        return;
    }
    s->rx.packet_had_forward = true; /* once per packet: each may walk the whole window */
    const uint64_t cum = vn_sctp_unwrap(s->rx.cum, cum32);
    s->rx.sack_now = true; /* also if the SACK of an earlier one was lost */
    if (cum <= s->rx.cum)
        return;
    if (!vn_sctp_rx_skip(s, cum)) {
        s->counters.drop_chunk++;
        return;
    }
    for (unsigned i = 0; i < s->cfg.streams && vn_read_u16(&r, &stream) && vn_read_u16(&r, &ssn);
         i++)
        if (stream < s->cfg.streams)
            vn_sctp_skip_ssn(s, stream, ssn);
}
