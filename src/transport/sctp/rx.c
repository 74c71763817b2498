/* Which TSNs are here, and the SACKs that say so (RFC 9260 sections 6.2 and 6.7). */
#include <stdlib.h>

#include "transport/sctp/assoc.h"

#define SPAN VN_SCTP_CHUNKS_MAX /* TSNs above the cumulative one that are taken */

void vn_sctp_rx_init(struct vn_sctp *s)
{
    s->rx.sack_due_us = s->rx.hold_due_us = VN_SCTP_NEVER;
}

void vn_sctp_rx_done(struct vn_sctp *s)
{
    vn_sctp_reasm_done(s);
}

static size_t bit_of(uint64_t tsn)
{
    return tsn & (SPAN - 1);
}

bool vn_sctp_rx_has(const struct vn_sctp_rx *rx, uint64_t tsn)
{
    if (tsn <= rx->cum)
        return true;
    return tsn - rx->cum < SPAN && (rx->bits[bit_of(tsn) / 64] >> (tsn & 63) & 1);
}

static void clear_bit(struct vn_sctp_rx *rx, uint64_t tsn)
{
    rx->bits[bit_of(tsn) / 64] &= ~(1ull << (tsn & 63));
}

/* The first TSN from `from` to `to` that is here, or is not; to + 1: none. A word at a time. */
static uint64_t find(const struct vn_sctp_rx *rx, uint64_t from, uint64_t to, bool here)
{
    while (from <= to) {
        uint64_t word = rx->bits[bit_of(from) / 64];
        word = (here ? word : ~word) >> (from & 63);
        if (word != 0) {
            const uint64_t at = from + (unsigned)__builtin_ctzll(word);
            return VN_MIN(at, to + 1);
        }
        from = (from | 63) + 1;
    }
    return to + 1;
}

void vn_sctp_rx_mark(struct vn_sctp *s, uint64_t tsn)
{
    struct vn_sctp_rx *rx = &s->rx;
    rx->highest = VN_MAX(rx->highest, tsn);
    if (tsn != rx->cum + 1) {
        rx->bits[bit_of(tsn) / 64] |= 1ull << (tsn & 63);
        return;
    }
    rx->cum = tsn;
    while (rx->cum < rx->highest && vn_sctp_rx_has(rx, rx->cum + 1))
        clear_bit(rx, ++rx->cum);
}

bool vn_sctp_rx_skip(struct vn_sctp *s, uint64_t cum)
{
    struct vn_sctp_rx *rx = &s->rx;
    if (cum - rx->cum >= SPAN)
        return false;
    vn_sctp_skip_runs(s, rx->cum, cum);
    while (rx->cum < cum)
        clear_bit(rx, ++rx->cum);
    rx->highest = VN_MAX(rx->highest, cum);
    while (rx->cum < rx->highest && vn_sctp_rx_has(rx, rx->cum + 1))
        clear_bit(rx, ++rx->cum);
    return true;
}

/* ---- DATA (section 3.3.1): TSN 32 | stream 16 | number in it 16 | payload protocol 32 | data ----
 */

static void invalid_stream(struct vn_sctp *s, uint16_t stream)
{
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_ERROR, 0);
    const size_t cause = vn_sctp_begin_param(&w, VN_SCTP_C_INVALID_STREAM);
    vn_write_u16(&w, stream);
    vn_write_u16(&w, 0);
    vn_sctp_end_chunk(&w, cause);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_reply(s, &w);
}

static void take_again(struct vn_sctp *s, uint64_t tsn)
{
    struct vn_sctp_rx *rx = &s->rx;
    s->counters.duplicates++;
    rx->sack_now = true; /* section 6.2: at once, it may have been the SACK that was lost */
    if (rx->dup_count < VN_SCTP_DUPS_MAX)
        rx->dups[rx->dup_count++] = (uint32_t)tsn;
}

void vn_sctp_take_data(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_sctp_rx *rx = &s->rx;
    struct vn_reader r = c->value;
    struct vn_sctp_fragment f = {.begin = c->flags & VN_SCTP_FLAG_BEGIN,
                                 .end = c->flags & VN_SCTP_FLAG_END,
                                 .unordered = c->flags & VN_SCTP_FLAG_UNORDERED};
    uint32_t tsn;
    if (!vn_read_u32(&r, &tsn) || !vn_read_u16(&r, &f.stream) || !vn_read_u16(&r, &f.ssn) ||
        !vn_read_u32(&r, &f.ppid) || vn_reader_done(&r)) {
        vn_sctp_abort(s, VN_SCTP_C_NO_USER_DATA, "a DATA chunk without data"); /* section 6.2 */
        return;
    }
    s->counters.rx_data++;
    f.tsn = vn_sctp_unwrap(rx->cum, tsn);
    f.data = vn_reader_rest(&r);
    rx->packet_had_data = true;
    if (vn_sctp_rx_has(rx, f.tsn)) {
        take_again(s, f.tsn);
        return;
    }
    if (f.tsn - rx->cum >= SPAN || s->phase >= VN_SCTP_SHUTDOWN_RECEIVED) {
        s->counters.drop_chunk++;
        rx->sack_now = true;
        return;
    }
    rx->sack_now |= (c->flags & VN_SCTP_FLAG_IMMEDIATE) != 0;
    if (f.stream >= s->cfg.streams) /* section 6.5: acknowledged, but not taken */
        invalid_stream(s, f.stream);
    switch (vn_sctp_reassemble(s, &f, now_us)) {
    case VN_OK:
        vn_sctp_rx_mark(s, f.tsn);
        break;
    case VN_ERR_MALFORMED:
        s->counters.drop_chunk++;
        vn_sctp_rx_mark(s, f.tsn);
        break;
    case VN_ERR_LIMIT:
        vn_sctp_abort(s, VN_SCTP_C_PROTOCOL, "a message longer than any of ours");
        break;
    default:
        s->counters.drop_memory++;
        /* What fills the hole must be taken in the end; if even that cannot be, the peer holds
         * back what all of it waits for. */
        if (f.tsn == rx->cum + 1 && rx->memory > VN_SCTP_RX_MEMORY_MAX_BYTES)
            vn_sctp_abort(s, VN_SCTP_C_OUT_OF_RESOURCE, "more than may be kept");
    }
}

/* ---- SACK ---- */

void vn_sctp_rx_settle(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_rx *rx = &s->rx;
    const unsigned most = s->cfg.foreign ? 2 : VN_SCTP_SACK_PACKETS;
    vn_sctp_release(s, now_us);
    if (rx->unsacked == 0 && !rx->sack_now)
        return;
    if (rx->unsacked >= most || rx->highest > rx->cum)
        rx->sack_now = true;
    if (rx->sack_due_us == VN_SCTP_NEVER)
        rx->sack_due_us = now_us + VN_SCTP_SACK_DELAY_MS * 1000ull;
}

bool vn_sctp_sack_is_due(const struct vn_sctp *s, uint64_t now_us)
{
    return s->rx.sack_now || now_us >= s->rx.sack_due_us;
}

/*
 *  | 3 | 0 | length          |   section 3.3.4
 *  | cumulative TSN          |
 *  | receiver window         |
 *  | gaps 16 | duplicates 16 |
 *  | start 16 | end 16 | ... | of gaps, counted from the cumulative TSN
 *  | duplicate TSN ...       |
 */
void vn_sctp_write_sack(struct vn_sctp *s, struct vn_writer *w, size_t cap)
{
    struct vn_sctp_rx *rx = &s->rx;
    const size_t most = (cap - VN_SCTP_SACK_LEN) / 4;
    const size_t dups = VN_MIN(rx->dup_count, most);
    const size_t at = vn_sctp_begin_chunk(w, VN_SCTP_SACK, 0);
    const uint32_t window = VN_SCTP_RCVBUF_BYTES;
    size_t gaps = 0;
    vn_write_u32(w, (uint32_t)rx->cum);
    vn_write_u32(w, rx->held < window ? window - (uint32_t)rx->held : 0);
    const size_t counts = w->len;
    vn_write_u16(w, 0);
    vn_write_u16(w, (uint16_t)dups);
    for (uint64_t tsn = rx->cum + 1; gaps < most - dups; gaps++) {
        const uint64_t start = find(rx, tsn, rx->highest, true);
        if (start > rx->highest)
            break;
        tsn = find(rx, start, rx->highest, false);
        vn_write_u16(w, (uint16_t)(start - rx->cum));
        vn_write_u16(w, (uint16_t)(tsn - 1 - rx->cum));
    }
    for (size_t i = 0; i < dups; i++)
        vn_write_u32(w, rx->dups[i]);
    vn_sctp_end_chunk(w, at);
    if (vn_writer_ok(w)) {
        w->buf[counts] = (uint8_t)(gaps >> 8);
        w->buf[counts + 1] = (uint8_t)gaps;
    }
    rx->dup_count = 0;
    rx->unsacked = 0;
    rx->sack_now = false;
    rx->sack_due_us = VN_SCTP_NEVER;
}
