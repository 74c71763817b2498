/*
 * Outgoing streams start anew at number 0 (RFC 6525): the only request of RE-CONFIG that data
 * channels use (RFC 8831 section 6.7). All others of the peer's are denied.
 *
 *  | 13 | length | our request 32 | the peer's last request 32 | our last TSN 32 | stream 16 ... |
 *  | 16 | length | the request answered 32 | result 32 |
 */
#include "transport/sctp/assoc.h"

enum result {
    RESULT_NOTHING = 0,
    RESULT_DONE = 1,
    RESULT_DENIED = 2,
    RESULT_BAD_NUMBER = 5,
    RESULT_IN_PROGRESS = 6,
};

vn_status vn_sctp_reset(struct vn_sctp *s, uint16_t stream, uint64_t now_us)
{
    if (s->phase != VN_SCTP_ESTABLISHED || !s->peer.reconfig)
        return VN_ERR_STATE;
    if (stream >= s->cfg.streams)
        return VN_ERR_ARG;
    struct vn_sctp_out_stream *st = &s->tx.streams[stream];
    if (st->reset != VN_SCTP_NO_RESET)
        return VN_OK;
    st->reset = VN_SCTP_RESET_WANTED;
    st->held_after = st->tail;
    st->held = !st->tail;
    s->reset.wanted++;
    vn_sctp_go_on_resetting(s, now_us);
    return VN_OK;
}

bool vn_sctp_is_resetting(const struct vn_sctp *s, uint16_t stream)
{
    return stream < s->cfg.streams && s->tx.streams[stream].reset != VN_SCTP_NO_RESET;
}

void vn_sctp_repeat_reset(struct vn_sctp *s, uint64_t now_us)
{
    uint8_t buf[128];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_RECONFIG, 0);
    const size_t param = vn_sctp_begin_param(&w, VN_SCTP_P_RESET_OUT);
    vn_write_u32(&w, s->reset.out_seq);
    vn_write_u32(&w, s->reset.in_seq - 1);
    vn_write_u32(&w, s->reset.last_tsn);
    for (uint16_t i = 0; i < s->cfg.streams; i++)
        if (s->tx.streams[i].reset == VN_SCTP_RESET_ASKED)
            vn_write_u16(&w, i);
    vn_sctp_end_chunk(&w, param);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, true);
    s->reset.due_us = now_us + (s->tx.rto_us << VN_MIN(s->reset.attempts, 5u));
}

void vn_sctp_go_on_resetting(struct vn_sctp *s, uint64_t now_us)
{
    if (!s->reset.wanted || s->reset.asked || s->phase != VN_SCTP_ESTABLISHED)
        return;
    for (size_t i = 0; i < s->cfg.streams && s->reset.asked < VN_SCTP_STREAMS_NAMED; i++) {
        struct vn_sctp_out_stream *st = &s->tx.streams[i];
        if (st->reset != VN_SCTP_RESET_WANTED || !st->held)
            continue;
        st->reset = VN_SCTP_RESET_ASKED;
        s->reset.wanted--;
        s->reset.asked++;
    }
    if (!s->reset.asked)
        return;
    s->reset.last_tsn = (uint32_t)(s->tx.next - 1);
    s->reset.attempts = 0;
    vn_sctp_repeat_reset(s, now_us);
}

static void take_response(struct vn_sctp *s, struct vn_reader r, uint64_t now_us)
{
    uint32_t seq, result;
    if (!vn_read_u32(&r, &seq) || !vn_read_u32(&r, &result) || !s->reset.asked ||
        seq != s->reset.out_seq) {
        s->counters.drop_chunk++;
        return;
    }
    if (result == RESULT_IN_PROGRESS)
        return; /* the peer lacks data yet; ask again when the timer fires */
    for (size_t i = 0; i < s->cfg.streams; i++) {
        struct vn_sctp_out_stream *st = &s->tx.streams[i];
        if (st->reset != VN_SCTP_RESET_ASKED)
            continue;
        st->reset = VN_SCTP_NO_RESET;
        st->held = false;
        if (result == RESULT_NOTHING || result == RESULT_DONE)
            st->ssn = 0;
    }
    s->reset.asked = 0;
    s->reset.out_seq++;
    s->reset.due_us = VN_SCTP_NEVER;
    vn_sctp_go_on_resetting(s, now_us);
}

/* All streams when none is named. A list that cannot be told the owner in full waits: the peer asks
 * again. */
static uint32_t reset_incoming(struct vn_sctp *s, struct vn_reader r)
{
    uint32_t ignored, last;
    uint16_t stream;
    if (!vn_read_u32(&r, &ignored) || !vn_read_u32(&r, &last))
        return RESULT_DENIED;
    if (vn_sctp_unwrap(s->rx.cum, last) > s->rx.cum)
        return RESULT_IN_PROGRESS; /* section 5.2.2 E2 */
    const bool all = vn_reader_done(&r);
    for (uint16_t i = 0; all && i < s->cfg.streams; i++) {
        if (!vn_sctp_have_ready_room(&s->rx))
            return RESULT_IN_PROGRESS;
        vn_sctp_start_anew(s, i);
    }
    while (vn_read_u16(&r, &stream)) {
        if (stream >= s->cfg.streams)
            continue;
        if (!vn_sctp_have_ready_room(&s->rx))
            return RESULT_IN_PROGRESS;
        vn_sctp_start_anew(s, stream);
    }
    return RESULT_DONE;
}

static uint32_t take_request(struct vn_sctp *s, uint16_t type, uint32_t seq, struct vn_reader r)
{
    if (seq == s->reset.in_seq - 1)
        return s->reset.in_result; /* our response was lost */
    if (seq != s->reset.in_seq)
        return RESULT_BAD_NUMBER;
    const uint32_t result = type == VN_SCTP_P_RESET_OUT ? reset_incoming(s, r) : RESULT_DENIED;
    if (result != RESULT_IN_PROGRESS) { /* else the same request comes again */
        s->reset.in_seq++;
        s->reset.in_result = result;
    }
    return result;
}

static void respond(struct vn_sctp *s, uint32_t seq, uint32_t result)
{
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_RECONFIG, 0);
    const size_t param = vn_sctp_begin_param(&w, VN_SCTP_P_RESET_RESPONSE);
    vn_write_u32(&w, seq);
    vn_write_u32(&w, result);
    vn_sctp_end_chunk(&w, param);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_reply(s, &w);
}

void vn_sctp_take_reconfig(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_reader r = c->value;
    struct vn_sctp_tlv p;
    /* Section 3.1: two parameters at most. */
    for (unsigned i = 0; i < 2 && vn_sctp_read_param(&r, &p); i++) {
        struct vn_reader body = p.value;
        uint32_t seq;
        if (p.type == VN_SCTP_P_RESET_RESPONSE)
            take_response(s, p.value, now_us);
        else if (p.type >= VN_SCTP_P_RESET_OUT && p.type <= VN_SCTP_P_ADD_IN &&
                 vn_read_u32(&body, &seq))
            respond(s, seq, take_request(s, p.type, seq, body));
        else
            s->counters.drop_chunk++;
    }
}
