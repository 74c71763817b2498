/*
 * Association set-up (RFC 9260 section 5), from both ends at once too. The end that gets an INIT
 * keeps nothing of it: all it needs stands in the cookie, under a mac of its own.
 *
 * Tag and first TSN are drawn once per association, so every INIT and INIT ACK of ours has the
 * same (section 5.2.1), and of section 5.2.4's table only B and D can happen: A and C take a tag of
 * ours from an earlier association. Restarts are refused: who lost this association's state lost
 * the DTLS association around it as well.
 */
#include <stdlib.h>

#include "base/log.h"
#include "crypto/kdf.h"
#include "transport/sctp/assoc.h"

#define PACKET_MAX 512
#define COOKIE_BODY 25 /* time 8, tag 4, rwnd 4, TSN 4, streams 2 and 2, flags 1 */
#define COOKIE_LEN (VN_MAC_LEN + COOKIE_BODY)
#define REPORT_MAX 128 /* bytes of unrecognized parameters we tell the peer about */

enum { COOKIE_FORWARD_TSN = 1, COOKIE_RECONFIG = 2, COOKIE_ZERO_CHECKSUM = 4 };

/* What of the peer's parameters is to be told back, and what ends it. */
struct unknown {
    uint8_t buf[REPORT_MAX];
    struct vn_writer w;
    struct vn_span cookie;
    bool refused;
};

static void write_init(struct vn_sctp *s, struct vn_writer *w)
{
    vn_write_u32(w, s->tag);
    vn_write_u32(w, VN_SCTP_RCVBUF_BYTES);
    vn_write_u16(w, s->cfg.streams);
    vn_write_u16(w, s->cfg.streams);
    vn_write_u32(w, s->first_tsn);
    vn_sctp_end_chunk(w, vn_sctp_begin_param(w, VN_SCTP_P_FORWARD_TSN));
    size_t at = vn_sctp_begin_param(w, VN_SCTP_P_EXTENSIONS);
    vn_write_u8(w, VN_SCTP_RECONFIG);
    vn_write_u8(w, VN_SCTP_FORWARD_TSN);
    vn_sctp_end_chunk(w, at);
    at = vn_sctp_begin_param(w, VN_SCTP_P_ZERO_CHECKSUM);
    vn_write_u32(w, VN_SCTP_EDM_DTLS);
    vn_sctp_end_chunk(w, at);
}

void vn_sctp_send_init(struct vn_sctp *s)
{
    uint8_t buf[PACKET_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, 0);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_INIT, 0);
    write_init(s, &w);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, false);
}

/* ---- the cookie: mac 16 | time 64 | tag 32 | window 32 | TSN 32 | streams 16, 16 | flags 8 ----
 */

static bool make_cookie(const struct vn_sctp *s, const struct vn_sctp_peer *p, uint64_t now_us,
                        uint8_t ret[COOKIE_LEN])
{
    struct vn_writer w = vn_writer_of(ret + VN_MAC_LEN, COOKIE_BODY);
    vn_write_u64(&w, now_us);
    vn_write_u32(&w, p->tag);
    vn_write_u32(&w, p->rwnd);
    vn_write_u32(&w, p->tsn);
    vn_write_u16(&w, p->out_streams);
    vn_write_u16(&w, p->in_streams);
    vn_write_u8(&w, (uint8_t)((p->forward_tsn ? COOKIE_FORWARD_TSN : 0) |
                              (p->reconfig ? COOKIE_RECONFIG : 0) |
                              (p->zero_checksum ? COOKIE_ZERO_CHECKSUM : 0)));
    return vn_mac16(VN_SHA256, VN_SPAN_ARRAY(s->key), VN_PARTS(vn_writer_span(&w)), ret) == VN_OK;
}

static bool open_cookie(const struct vn_sctp *s, struct vn_span in, uint64_t *ret_made_us,
                        struct vn_sctp_peer *ret)
{
    uint8_t mac[VN_MAC_LEN];
    struct vn_reader r = vn_reader_of(in);
    struct vn_span said;
    uint8_t flags;
    if (in.n != COOKIE_LEN || !vn_read_span(&r, VN_MAC_LEN, &said) ||
        vn_mac16(VN_SHA256, VN_SPAN_ARRAY(s->key), VN_PARTS(vn_reader_rest(&r)), mac) != VN_OK ||
        !vn_ct_equal(mac, said.p, VN_MAC_LEN))
        return false;
    if (!vn_read_u64(&r, ret_made_us) || !vn_read_u32(&r, &ret->tag) ||
        !vn_read_u32(&r, &ret->rwnd) || !vn_read_u32(&r, &ret->tsn) ||
        !vn_read_u16(&r, &ret->out_streams) || !vn_read_u16(&r, &ret->in_streams) ||
        !vn_read_u8(&r, &flags) || !vn_reader_done(&r))
        return false;
    ret->forward_tsn = flags & COOKIE_FORWARD_TSN;
    ret->reconfig = flags & COOKIE_RECONFIG;
    ret->zero_checksum = flags & COOKIE_ZERO_CHECKSUM;
    return true;
}

/* ---- INIT and INIT ACK ---- */

static void take_extensions(struct vn_sctp_peer *p, struct vn_reader r)
{
    uint8_t type;
    while (vn_read_u8(&r, &type)) {
        p->reconfig |= type == VN_SCTP_RECONFIG;
        p->forward_tsn |= type == VN_SCTP_FORWARD_TSN;
    }
}

static void take_param(struct vn_sctp_peer *p, const struct vn_sctp_tlv *t, struct unknown *u)
{
    struct vn_reader r = t->value;
    uint32_t method;
    switch (t->type) {
    case VN_SCTP_P_COOKIE:
        u->cookie = vn_reader_rest(&t->value);
        break;
    case VN_SCTP_P_FORWARD_TSN:
        p->forward_tsn = true;
        break;
    case VN_SCTP_P_EXTENSIONS:
        take_extensions(p, t->value);
        break;
    case VN_SCTP_P_ZERO_CHECKSUM:
        p->zero_checksum = vn_read_u32(&r, &method) && method == VN_SCTP_EDM_DTLS;
        break;
    case VN_SCTP_P_HOST_NAME: /* section 3.3.2.1: the sender must not, the receiver aborts */
        u->refused = true;
        break;
    default:
        break;
    }
}

static bool is_known(uint16_t type)
{
    /* 5 IPv4, 6 IPv6, 9 cookie preservative, 12 address types, 0x8000 ECN, 0x8002 to 0x8004 AUTH:
     * known, and of no use here. */
    return type == 5 || type == 6 || type == 9 || type == 12 ||
           (type >= 0x8000 && type <= 0x8004) || type == VN_SCTP_P_COOKIE ||
           type == VN_SCTP_P_UNRECOGNIZED || type == VN_SCTP_P_HOST_NAME ||
           type == VN_SCTP_P_EXTENSIONS || type == VN_SCTP_P_FORWARD_TSN;
}

static bool read_peer(const struct vn_sctp_tlv *c, struct vn_sctp_peer *ret, struct unknown *u)
{
    struct vn_reader r = c->value;
    *ret = (struct vn_sctp_peer){0};
    *u = (struct unknown){0};
    u->w = vn_writer_of(u->buf, sizeof(u->buf));
    if (!vn_read_u32(&r, &ret->tag) || !vn_read_u32(&r, &ret->rwnd) ||
        !vn_read_u16(&r, &ret->out_streams) || !vn_read_u16(&r, &ret->in_streams) ||
        !vn_read_u32(&r, &ret->tsn) || ret->tag == 0)
        return false;
    for (struct vn_sctp_tlv t; vn_sctp_read_param(&r, &t);) {
        take_param(ret, &t, u);
        if (is_known(t.type))
            continue;
        if (vn_sctp_unknown_reports(t.type, 16) && t.whole.n <= REPORT_MAX - 8 - u->w.len) {
            const size_t at = vn_sctp_begin_param(&u->w, VN_SCTP_P_UNRECOGNIZED);
            vn_write_span(&u->w, t.whole);
            vn_sctp_end_chunk(&u->w, at);
        }
        if (!vn_sctp_unknown_goes_on(t.type, 16))
            break;
    }
    u->refused |= ret->out_streams == 0 || ret->in_streams == 0; /* section 5.1.1 */
    return true;
}

void vn_sctp_take_init(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_sctp_peer p;
    struct unknown u;
    uint8_t buf[PACKET_MAX], cookie[COOKIE_LEN];
    if (s->phase >= VN_SCTP_ESTABLISHED || !read_peer(c, &p, &u)) {
        s->counters.drop_chunk++;
        return;
    }
    if (u.refused) {
        vn_sctp_send_abort(s, p.tag, VN_SCTP_C_PROTOCOL, "an INIT we cannot serve");
        return;
    }
    if (!make_cookie(s, &p, now_us, cookie)) {
        s->counters.drop_memory++;
        return;
    }
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, p.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_INIT_ACK, 0);
    write_init(s, &w);
    const size_t param = vn_sctp_begin_param(&w, VN_SCTP_P_COOKIE);
    vn_write_bytes(&w, cookie, sizeof(cookie));
    vn_sctp_end_chunk(&w, param);
    vn_write_span(&w, vn_writer_span(&u.w));
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, false);
}

static void adopt(struct vn_sctp *s, const struct vn_sctp_peer *p)
{
    const uint64_t base = 1ull << 32;
    s->peer = *p;
    s->zero_checksum = p->zero_checksum;
    s->rx.cum = s->rx.highest = base + p->tsn - 1;
    s->tx.rwnd = p->rwnd;
    s->reset.in_seq = p->tsn;
}

void vn_sctp_take_init_ack(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_sctp_peer p;
    struct unknown u;
    if (s->phase != VN_SCTP_COOKIE_WAIT) {
        s->counters.drop_chunk++;
        return;
    }
    if (!read_peer(c, &p, &u)) {
        vn_sctp_end(s, VN_SCTP_FAILED, "an INIT ACK without a tag");
        return;
    }
    s->peer.tag = p.tag; /* an ABORT goes there */
    if (u.refused || u.cookie.n == 0) {
        vn_sctp_abort(s, u.refused ? VN_SCTP_C_PROTOCOL : VN_SCTP_C_MISSING_PARAM,
                      "an INIT ACK we cannot serve");
        return;
    }
    free(s->cookie); /* one that was stale */
    s->cookie = NULL;
    if (u.cookie.n > s->cfg.mtu - VN_SCTP_HEADER_LEN - VN_SCTP_CHUNK_LEN ||
        !(s->cookie = malloc(u.cookie.n))) {
        vn_sctp_end(s, VN_SCTP_FAILED, "a cookie we cannot keep");
        return;
    }
    memcpy(s->cookie, u.cookie.p, u.cookie.n);
    s->cookie_len = u.cookie.n;
    adopt(s, &p);
    s->phase = VN_SCTP_COOKIE_ECHOED;
    s->attempts = 0;
    s->attempt_due_us = now_us + s->tx.rto_us;
    vn_sctp_send_cookie(s);
    const struct vn_span report = vn_writer_span(&u.w);
    if (report.n > 0) { /* section 3.3.3: told back in an ERROR */
        uint8_t buf[PACKET_MAX];
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        vn_sctp_write_header(&w, s->peer.tag);
        const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_ERROR, 0);
        vn_write_span(&w, report); /* the cause has the number and form of the parameter */
        vn_sctp_end_chunk(&w, at);
        vn_sctp_send_packet(s, &w, true);
    }
}

void vn_sctp_send_cookie(struct vn_sctp *s)
{
    uint8_t buf[VN_SCTP_MTU_MAX];
    struct vn_writer w = vn_writer_of(buf, s->cfg.mtu);
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_COOKIE_ECHO, 0);
    vn_write_bytes(&w, s->cookie, s->cookie_len);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, false);
}

/* ---- established ---- */

static void establish(struct vn_sctp *s, uint64_t now_us)
{
    free(s->cookie);
    s->cookie = NULL;
    s->attempts = s->errors = 0;
    s->attempt_due_us = VN_SCTP_NEVER;
    s->heartbeat_due_us = now_us + VN_SCTP_HEARTBEAT_MS * 1000ull;
    for (size_t i = s->peer.in_streams; i < s->tx.used; i++)
        while (s->tx.streams[i].head) /* the peer has no such stream */
            vn_sctp_msg_forget(s, vn_sctp_stream_pop(&s->tx.streams[i]));
    s->phase = s->shutdown_wanted ? VN_SCTP_SHUTDOWN_PENDING : VN_SCTP_ESTABLISHED;
    s->state = VN_SCTP_OPEN;
    vn_log(VN_LOG_DEBUG, "sctp_state", VN_KV_STR("state", "open"));
    vn_sctp_pmtu_start(s, now_us);
}

static void send_cookie_ack(struct vn_sctp *s)
{
    uint8_t buf[32];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, s->peer.tag);
    vn_sctp_end_chunk(&w, vn_sctp_begin_chunk(&w, VN_SCTP_COOKIE_ACK, 0));
    vn_sctp_reply(s, &w);
}

static void refuse_stale(struct vn_sctp *s, uint32_t tag, uint64_t late_us)
{
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_sctp_write_header(&w, tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_ERROR, 0);
    const size_t cause = vn_sctp_begin_param(&w, VN_SCTP_C_STALE_COOKIE);
    vn_write_u32(&w, (uint32_t)VN_MIN(late_us, (uint64_t)UINT32_MAX));
    vn_sctp_end_chunk(&w, cause);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_reply(s, &w);
}

void vn_sctp_take_cookie_echo(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_sctp_peer p;
    uint64_t made_us;
    if (!open_cookie(s, vn_reader_rest(&c->value), &made_us, &p) || made_us > now_us) {
        s->counters.drop_chunk++;
        return;
    }
    if (s->phase >= VN_SCTP_ESTABLISHED) {
        /* Our COOKIE ACK was lost; or, with another tag, a restart. */
        if (p.tag == s->peer.tag && s->phase < VN_SCTP_ENDED)
            send_cookie_ack(s);
        else
            s->counters.drop_chunk++;
        return;
    }
    if (now_us - made_us > VN_SCTP_COOKIE_US) {
        refuse_stale(s, p.tag, now_us - made_us - VN_SCTP_COOKIE_US);
        return;
    }
    adopt(s, &p);
    establish(s, now_us);
    send_cookie_ack(s);
}

void vn_sctp_take_cookie_ack(struct vn_sctp *s, uint64_t now_us)
{
    if (s->phase != VN_SCTP_COOKIE_ECHOED)
        return; /* section 5.2.5 */
    establish(s, now_us);
}
