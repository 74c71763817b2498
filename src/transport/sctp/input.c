/* Packets in: what may pass (RFC 9260 sections 6.8, 8.5), and to whom each chunk goes. */
#include "transport/sctp/assoc.h"

/* Compared at once: a load of both that follows a store of each waits until all stores before it,
 * a decrypted datagram, are done. */
#define PORTS ((uint32_t)VN_SCTP_PORT << 16 | VN_SCTP_PORT)
#define REPLIES_MAX 2 /* per packet, so that no packet of many requests is worth many */

void vn_sctp_reply(struct vn_sctp *s, struct vn_writer *w)
{
    if (s->replies == 0) {
        s->counters.drop_chunk++;
        return;
    }
    s->replies--;
    vn_sctp_send_packet(s, w, true);
}

static void answer_heartbeat(struct vn_sctp *s, const struct vn_sctp_tlv *c)
{
    uint8_t buf[VN_SCTP_MTU_MAX];
    struct vn_writer w = vn_writer_of(buf, s->cfg.mtu);
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_HEARTBEAT_ACK, 0);
    vn_write_span(&w, vn_reader_rest(&c->value));
    vn_sctp_end_chunk(&w, at);
    if (vn_writer_ok(&w))
        vn_sctp_reply(s, &w);
}

/* Ours: parameter 1 with a nonce and the time of sending. */
static void take_heartbeat_ack(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_reader r = c->value;
    struct vn_sctp_tlv info;
    uint64_t nonce;
    const bool whole = vn_sctp_read_param(&r, &info);
    if (whole && vn_sctp_pmtu_ack(s, info.value))
        return;
    if (!s->heartbeat_open || !whole || !vn_read_u64(&info.value, &nonce) ||
        nonce != s->heartbeat_nonce) {
        s->counters.drop_chunk++;
        return;
    }
    s->heartbeat_open = false;
    s->errors = 0;
    vn_sctp_take_rtt(s, now_us - s->heartbeat_sent_us);
}

/* Only one concerns us: a cookie that grew too old on its way starts set-up again (section
 * 5.2.6). All others tell of what the peer did not understand or want, and change nothing. */
static void take_error(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_reader r = c->value;
    struct vn_sctp_tlv cause;
    if (s->phase != VN_SCTP_COOKIE_ECHOED || !vn_sctp_read_param(&r, &cause) ||
        cause.type != VN_SCTP_C_STALE_COOKIE)
        return;
    s->phase = VN_SCTP_COOKIE_WAIT;
    s->attempt_due_us = now_us + s->tx.rto_us;
    vn_sctp_send_init(s);
}

static void report_unknown(struct vn_sctp *s, const struct vn_sctp_tlv *c)
{
    uint8_t buf[128];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    if (!vn_sctp_has_data_phase(s))
        return;
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_ERROR, 0);
    const size_t cause = vn_sctp_begin_param(&w, VN_SCTP_C_UNRECOGNIZED_CHUNK);
    vn_write_span(&w, VN_SPAN(c->whole.p, VN_MIN(c->whole.n, (size_t)64)));
    vn_sctp_end_chunk(&w, cause);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_reply(s, &w);
}

/* Chunks that only an association has. */
static void take_established(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    if (!vn_sctp_has_data_phase(s)) {
        s->counters.drop_chunk++;
        return;
    }
    switch (c->type) {
    case VN_SCTP_DATA:
        vn_sctp_take_data(s, c, now_us);
        break;
    case VN_SCTP_SACK:
        vn_sctp_take_sack(s, c, now_us);
        break;
    case VN_SCTP_FORWARD_TSN:
        vn_sctp_take_forward_tsn(s, c);
        break;
    case VN_SCTP_RECONFIG:
        vn_sctp_take_reconfig(s, c, now_us);
        break;
    case VN_SCTP_HEARTBEAT:
        answer_heartbeat(s, c);
        break;
    case VN_SCTP_HEARTBEAT_ACK:
        take_heartbeat_ack(s, c, now_us);
        break;
    case VN_SCTP_SHUTDOWN:
        vn_sctp_take_shutdown(s, c, now_us);
        break;
    default:
        break;
    }
}

/* False: nothing after it counts. */
static bool take_chunk(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    switch (c->type) {
    case VN_SCTP_DATA:
    case VN_SCTP_SACK:
    case VN_SCTP_FORWARD_TSN:
    case VN_SCTP_RECONFIG:
    case VN_SCTP_HEARTBEAT:
    case VN_SCTP_HEARTBEAT_ACK:
    case VN_SCTP_SHUTDOWN:
        take_established(s, c, now_us);
        break;
    case VN_SCTP_INIT_ACK:
        vn_sctp_take_init_ack(s, c, now_us);
        break;
    case VN_SCTP_COOKIE_ACK:
        vn_sctp_take_cookie_ack(s, now_us);
        break;
    case VN_SCTP_ERROR:
        take_error(s, c, now_us);
        break;
    case VN_SCTP_ABORT:
        vn_sctp_end(s, VN_SCTP_CLOSED, "aborted by the peer");
        break;
    case VN_SCTP_SHUTDOWN_ACK:
        vn_sctp_take_shutdown_ack(s);
        break;
    case VN_SCTP_SHUTDOWN_COMPLETE:
        if (s->phase == VN_SCTP_SHUTDOWN_ACK_SENT)
            vn_sctp_end(s, VN_SCTP_CLOSED, "shut down");
        break;
    case VN_SCTP_INIT: /* alone in its packet, so not here */
    case VN_SCTP_COOKIE_ECHO:
        s->counters.drop_chunk++;
        return false;
    default:
        if (vn_sctp_unknown_reports(c->type, 8))
            report_unknown(s, c);
        return vn_sctp_unknown_goes_on(c->type, 8);
    }
    return s->phase != VN_SCTP_ENDED;
}

/* Section 8.5: ABORT and SHUTDOWN COMPLETE may carry the peer's own tag, and say so. */
static bool tag_fits(const struct vn_sctp *s, uint32_t tag, const struct vn_sctp_tlv *c)
{
    if ((c->type == VN_SCTP_ABORT || c->type == VN_SCTP_SHUTDOWN_COMPLETE) &&
        (c->flags & VN_SCTP_FLAG_REFLECTED))
        return s->peer.tag != 0 && tag == s->peer.tag;
    return tag == s->tag;
}

static bool take_packet(struct vn_sctp *s, const struct vn_dgram *d, uint64_t now_us)
{
    struct vn_reader r = vn_reader_of(VN_SPAN(d->p, d->n));
    struct vn_sctp_header h;
    struct vn_sctp_tlv c;
    if (!vn_sctp_read_header(&r, &h) || h.ports != PORTS || !vn_sctp_read_chunk(&r, &c))
        return false;
    /* RFC 9653 section 5.3: what sets an association up has its checksum always. */
    const bool setup = c.type == VN_SCTP_INIT || c.type == VN_SCTP_COOKIE_ECHO;
    if ((h.checksum != 0 || setup) && !vn_sctp_checksum_holds(d->p, d->n))
        return false;
    s->replies = REPLIES_MAX;
    if (c.type == VN_SCTP_INIT) {
        if (h.tag != 0 || !vn_reader_done(&r)) /* section 8.5.1 A */
            return false;
        vn_sctp_take_init(s, &c, now_us);
        return true;
    }
    if (!tag_fits(s, h.tag, &c))
        return false;
    if (s->phase == VN_SCTP_ENDED) {
        if (c.type == VN_SCTP_SHUTDOWN_ACK && s->state == VN_SCTP_CLOSED)
            vn_sctp_send_shutdown_complete(s); /* section 8.4: ours was lost */
        return true;
    }
    if (c.type == VN_SCTP_COOKIE_ECHO) {
        vn_sctp_take_cookie_echo(s, &c, now_us);
        if (!vn_sctp_read_chunk(&r, &c))
            return true;
    }
    s->rx.packet_had_data = s->rx.packet_had_forward = false;
    while (take_chunk(s, &c, now_us) && vn_sctp_read_chunk(&r, &c)) {
    }
    s->rx.unsacked += s->rx.packet_had_data;
    return true;
}

void vn_sctp_input(struct vn_sctp *s, const struct vn_dgram *packets, size_t n, uint64_t now_us)
{
    for (size_t i = 0; i < n; i++) {
        s->counters.rx_packets++;
        s->counters.drop_packet += !take_packet(s, &packets[i], now_us);
    }
    if (!vn_sctp_has_data_phase(s))
        return;
    if (s->phase == VN_SCTP_SHUTDOWN_SENT && s->rx.unsacked > 0) {
        s->rx.sack_now = true; /* section 9.2: data meanwhile gets both at once */
        vn_sctp_repeat_shutdown(s, now_us);
    }
    vn_sctp_rx_settle(s, now_us);
    vn_sctp_output(s, now_us);
    vn_sctp_go_on_resetting(s, now_us);
    vn_sctp_go_on_shutting(s, now_us);
}
