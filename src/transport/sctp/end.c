/* The end of an association: shutdown (RFC 9260 section 9.2) and abort (section 9.1). */
#include "base/log.h"
#include "transport/sctp/assoc.h"

#define REASON_MAX 64

void vn_sctp_end(struct vn_sctp *s, enum vn_sctp_state state, const char *reason)
{
    if (s->phase == VN_SCTP_ENDED)
        return;
    s->phase = VN_SCTP_ENDED;
    s->state = state;
    vn_log(VN_LOG_DEBUG, "sctp_state",
           VN_KV_STR("state", state == VN_SCTP_CLOSED ? "closed" : "failed"),
           VN_KV_STR("reason", reason));
}

void vn_sctp_send_abort(struct vn_sctp *s, uint32_t tag, enum vn_sctp_cause cause,
                        const char *reason)
{
    uint8_t buf[VN_SCTP_HEADER_LEN + REASON_MAX + 16];
    const struct vn_span text = VN_SPAN_STR(reason);
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_ABORT, 0);
    const size_t param = vn_sctp_begin_param(&w, (uint16_t)cause);
    /* Only these two causes carry what one likes (sections 3.3.10.12 and 13). */
    if (cause == VN_SCTP_C_USER_ABORT || cause == VN_SCTP_C_PROTOCOL)
        vn_write_span(&w, VN_SPAN(text.p, VN_MIN(text.n, (size_t)REASON_MAX)));
    vn_sctp_end_chunk(&w, param);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, true);
}

void vn_sctp_abort(struct vn_sctp *s, enum vn_sctp_cause cause, const char *reason)
{
    if (s->phase == VN_SCTP_ENDED)
        return;
    if (s->peer.tag != 0)
        vn_sctp_send_abort(s, s->peer.tag, cause, reason);
    vn_sctp_end(s, VN_SCTP_FAILED, reason);
}

/* ---- shutdown ---- */

static void send_alone(struct vn_sctp *s, uint8_t type)
{
    uint8_t buf[32];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, type, 0);
    if (type == VN_SCTP_SHUTDOWN)
        vn_write_u32(&w, (uint32_t)s->rx.cum);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, true);
}

void vn_sctp_shutdown(struct vn_sctp *s, uint64_t now_us)
{
    s->shutdown_wanted = true;
    if (s->phase == VN_SCTP_IDLE)
        vn_sctp_end(s, VN_SCTP_CLOSED, "shut down before it began");
    if (s->phase == VN_SCTP_ESTABLISHED)
        s->phase = VN_SCTP_SHUTDOWN_PENDING;
    vn_sctp_go_on_shutting(s, now_us);
}

void vn_sctp_repeat_shutdown(struct vn_sctp *s, uint64_t now_us)
{
    send_alone(s, s->phase == VN_SCTP_SHUTDOWN_SENT ? VN_SCTP_SHUTDOWN : VN_SCTP_SHUTDOWN_ACK);
    s->attempt_due_us = now_us + (s->tx.rto_us << VN_MIN(s->attempts, 5u));
}

void vn_sctp_go_on_shutting(struct vn_sctp *s, uint64_t now_us)
{
    if ((s->phase != VN_SCTP_SHUTDOWN_PENDING && s->phase != VN_SCTP_SHUTDOWN_RECEIVED) ||
        s->tx.messages > 0)
        return;
    s->phase =
        s->phase == VN_SCTP_SHUTDOWN_PENDING ? VN_SCTP_SHUTDOWN_SENT : VN_SCTP_SHUTDOWN_ACK_SENT;
    s->attempts = 0;
    vn_sctp_repeat_shutdown(s, now_us);
}

void vn_sctp_take_shutdown(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_reader r = c->value;
    uint32_t cum;
    if (!vn_read_u32(&r, &cum) || s->phase < VN_SCTP_ESTABLISHED) {
        s->counters.drop_chunk++;
        return;
    }
    vn_sctp_take_cum(s, vn_sctp_unwrap(s->tx.cum, cum), now_us);
    switch (s->phase) {
    case VN_SCTP_ESTABLISHED:
    case VN_SCTP_SHUTDOWN_PENDING:
        s->phase = VN_SCTP_SHUTDOWN_RECEIVED;
        break;
    case VN_SCTP_SHUTDOWN_SENT: /* both at once */
    case VN_SCTP_SHUTDOWN_ACK_SENT:
        s->phase = VN_SCTP_SHUTDOWN_RECEIVED;
        break;
    default:
        break;
    }
    vn_sctp_go_on_shutting(s, now_us);
}

void vn_sctp_send_shutdown_complete(struct vn_sctp *s)
{
    send_alone(s, VN_SCTP_SHUTDOWN_COMPLETE);
}

void vn_sctp_take_shutdown_ack(struct vn_sctp *s)
{
    if (s->phase != VN_SCTP_SHUTDOWN_SENT && s->phase != VN_SCTP_SHUTDOWN_ACK_SENT) {
        s->counters.drop_chunk++;
        return;
    }
    send_alone(s, VN_SCTP_SHUTDOWN_COMPLETE);
    vn_sctp_end(s, VN_SCTP_CLOSED, "shut down");
}
