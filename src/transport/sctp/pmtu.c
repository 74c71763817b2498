/*
 * The longest packet that passes (RFC 8899), by probes of HEARTBEAT and PAD (its section 6.2.1; RFC
 * 4820). A packet that carries nothing else may be lost without harm.
 *
 * Search: from the size known to pass, one probe of every longer size at a time, up to three times;
 * the longest that is answered counts at once. Again after 10 min.
 *
 * Black hole: packets longer than the base are lost again and again, and nothing tells whether they
 * pass. Then both sizes are probed; when the base is answered and the other is not, the association
 * ends as failed, since what has a TSN cannot be cut anew (RFC 9260 section 6.9). Its owner makes
 * another one, which begins with what passes.
 */
#include "transport/sctp/assoc.h"

/* Bytes below the longest: those of Ethernet, PPPoE, several tunnels, IPv6's least. */
static const uint16_t below_longest[] = {0, 8, 60, 120, 220, 420, 620, 780};

static const uint8_t zeros[VN_SCTP_MTU_MAX];

static void send_size(struct vn_sctp *s, size_t size)
{
    uint8_t buf[VN_SCTP_MTU_MAX];
    struct vn_writer w = vn_writer_of(buf, size);
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_HEARTBEAT, 0);
    const size_t param = vn_sctp_begin_param(&w, VN_SCTP_P_HEARTBEAT);
    vn_write_u64(&w, s->pmtu.nonce);
    vn_write_u32(&w, (uint32_t)size);
    vn_sctp_end_chunk(&w, param);
    vn_sctp_end_chunk(&w, at);
    const size_t pad = vn_sctp_begin_chunk(&w, VN_SCTP_PAD, 0);
    vn_write_bytes(&w, zeros, size - w.len);
    vn_sctp_end_chunk(&w, pad);
    vn_sctp_send_packet(s, &w, true);
}

static size_t longest(const struct vn_sctp *s)
{
    return s->cfg.mtu_max & ~(size_t)3;
}

void vn_sctp_pmtu_start(struct vn_sctp *s, uint64_t now_us)
{
    s->pmtu.due_us = s->cfg.mtu < longest(s) ? now_us : VN_SCTP_NEVER;
    s->pmtu.rounds = 0;
}

void vn_sctp_pmtu_tick(struct vn_sctp *s, uint64_t now_us)
{
    const uint64_t gap_us = VN_MAX(2 * s->tx.srtt_us, VN_SCTP_PMTU_GAP_US);
    for (size_t i = 0; i < VN_ARRAY_LEN(below_longest); i++)
        if (longest(s) > s->cfg.mtu + below_longest[i])
            send_size(s, longest(s) - below_longest[i]);
    if (++s->pmtu.rounds < VN_SCTP_PMTU_ROUNDS) {
        s->pmtu.due_us = now_us + gap_us;
        return;
    }
    s->pmtu.rounds = 0;
    s->pmtu.due_us = now_us + VN_SCTP_PMTU_RAISE_US;
}

void vn_sctp_pmtu_lost(struct vn_sctp *s, uint64_t now_us)
{
    if (s->cfg.mtu <= s->cfg.mtu_base || now_us < s->pmtu.suspect_us)
        return;
    if (s->pmtu.base_passes && s->pmtu.suspicions >= VN_SCTP_PMTU_SUSPICIONS) {
        vn_sctp_abort(s, VN_SCTP_C_USER_ABORT, "long packets are lost");
        return;
    }
    s->pmtu.suspicions++;
    s->pmtu.suspect_us = now_us + VN_SCTP_PMTU_GAP_US;
    send_size(s, s->cfg.mtu);
    send_size(s, s->cfg.mtu_base);
}

void vn_sctp_pmtu_passes(struct vn_sctp *s, size_t size)
{
    if (size <= s->cfg.mtu_base) {
        s->pmtu.base_passes = s->pmtu.suspicions > 0;
        return;
    }
    s->pmtu.base_passes = false;
    s->pmtu.suspicions = 0;
}

bool vn_sctp_pmtu_ack(struct vn_sctp *s, struct vn_reader info)
{
    uint64_t nonce;
    uint32_t size;
    if (!vn_read_u64(&info, &nonce) || !vn_read_u32(&info, &size) || nonce != s->pmtu.nonce ||
        size > VN_MAX(longest(s), s->cfg.mtu))
        return false;
    if (size <= s->cfg.mtu_base || size >= s->cfg.mtu)
        vn_sctp_pmtu_passes(s, size);
    if (size <= s->cfg.mtu)
        return true;
    s->cfg.mtu = size;
    s->tx.bbr.mss = size - VN_SCTP_HEADER_LEN - VN_SCTP_DATA_LEN;
    if (s->cfg.mtu == longest(s))
        s->pmtu.due_us = VN_SCTP_NEVER;
    return true;
}
