#include "transport/dtls_epoch1.h"

#include "base/log.h"

/* RFC 5246 section 7.2 */
enum { ALERT_LEN = 2, ALERT_WARNING = 1, ALERT_FATAL = 2, ALERT_CLOSE_NOTIFY = 0 };
/* RFC 5246 section 7.4 */
enum { MSG_FINISHED = 20 };

vn_status vn_dtls_epoch1_init(struct vn_dtls_epoch1 *e, const struct vn_dtls_epoch1_config *cfg)
{
    const struct vn_dtls_keys *k = cfg->keys;
    *e = (struct vn_dtls_epoch1){.out = cfg->out,
                                 .state = VN_DTLS_OPEN,
                                 .bytes_max = cfg->bytes_max ? cfg->bytes_max : VN_DTLS_BYTES_MAX,
                                 .answers_left = cfg->client ? 0 : VN_DTLS_ANSWERS_MAX};
    if (cfg->flight.n > sizeof(e->flight))
        return VN_ERR_ARG;
    if (!cfg->client) {
        memcpy(e->flight, cfg->flight.p, cfg->flight.n);
        e->flight_len = cfg->flight.n;
    }
    vn_status st = vn_dtls_tx_init(&e->tx, cfg->client ? &k->client : &k->server, VN_DTLS_OURS_FROM,
                                   cfg->first_nonce + VN_DTLS_OURS_FROM);
    if (st == VN_OK)
        st = vn_dtls_rx_init(&e->rx, cfg->client ? &k->server : &k->client);
    return st;
}

void vn_dtls_epoch1_done(struct vn_dtls_epoch1 *e)
{
    vn_dtls_tx_done(&e->tx);
    vn_dtls_rx_done(&e->rx);
}

static vn_status put(struct vn_dtls_epoch1 *e, enum vn_dtls_type type, struct vn_span plain)
{
    const size_t n = plain.n + VN_DTLS_OVERHEAD_BYTES;
    uint8_t *room = e->out.room(e->out.arg, n);
    if (!room)
        return VN_OK; /* lost on the way, as far as DTLS is concerned */
    vn_status st = vn_dtls_tx_seal(&e->tx, type, plain, room);
    if (st == VN_OK)
        e->out.keep(e->out.arg, n);
    return st;
}

void vn_dtls_epoch1_close(struct vn_dtls_epoch1 *e)
{
    static const uint8_t close_notify[ALERT_LEN] = {ALERT_WARNING, ALERT_CLOSE_NOTIFY};
    if (e->state != VN_DTLS_OPEN)
        return;
    e->state = VN_DTLS_CLOSED;
    (void)put(e, VN_DTLS_ALERT, VN_SPAN_ARRAY(close_notify));
}

vn_status vn_dtls_epoch1_seal(struct vn_dtls_epoch1 *e, const struct vn_dgram *packets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (e->state != VN_DTLS_OPEN)
            return VN_ERR_STATE;
        if (packets[i].n > e->bytes_max - e->tx.bytes) {
            vn_log(VN_LOG_DEBUG, "dtls_used_up", VN_KV_U64("tx_bytes", e->tx.bytes));
            vn_dtls_epoch1_close(e);
            return VN_ERR_LIMIT;
        }
        vn_status st = put(e, VN_DTLS_DATA, VN_SPAN(packets[i].p, packets[i].n));
        if (st != VN_OK)
            return st;
    }
    return VN_OK;
}

bool vn_dtls_epoch1_worn(const struct vn_dtls_epoch1 *e)
{
    return e->tx.bytes > e->bytes_max - e->bytes_max / VN_DTLS_SPARE_SHARE;
}

static void take_alert(struct vn_dtls_epoch1 *e, const struct vn_dgram *plain)
{
    if (plain->n != ALERT_LEN)
        return;
    if (plain->p[1] == ALERT_CLOSE_NOTIFY) {
        vn_dtls_epoch1_close(e); /* RFC 5246 section 7.2.1: answered by our own */
    } else if (plain->p[0] == ALERT_FATAL) {
        vn_log(VN_LOG_DEBUG, "dtls_alert", VN_KV_U64("code", plain->p[1]));
        e->state = VN_DTLS_FAILED;
    }
}

/*
 * A client that sends its Finished again has missed ours (RFC 6347 section 4.2.4). It gets the same
 * bytes, so no nonce is used for anything new. It may be ahead of its own timer, or somebody may
 * hold its records back: hence the bounds.
 */
static void take_handshake(struct vn_dtls_epoch1 *e, const struct vn_dgram *plain, uint64_t now_us)
{
    if (plain->n == 0 || plain->p[0] != MSG_FINISHED || e->answers_left == 0 ||
        now_us < e->next_answer_us)
        return;
    uint8_t *room = e->out.room(e->out.arg, e->flight_len);
    e->answers_left--;
    e->next_answer_us = now_us + VN_DTLS_ANSWER_US;
    if (room) {
        memcpy(room, e->flight, e->flight_len);
        e->out.keep(e->out.arg, e->flight_len);
    }
}

bool vn_dtls_epoch1_take(struct vn_dtls_epoch1 *e, const struct vn_dtls_record *r, uint64_t now_us,
                         struct vn_dgram *ret_data)
{
    struct vn_dgram plain;
    *ret_data = (struct vn_dgram){.n = 0};
    if (e->state != VN_DTLS_OPEN || !vn_dtls_rx_open(&e->rx, r, &plain))
        return false;
    switch (r->type) {
    case VN_DTLS_DATA:
        *ret_data = plain;
        break;
    case VN_DTLS_ALERT:
        take_alert(e, &plain);
        break;
    case VN_DTLS_HANDSHAKE_MSG:
        take_handshake(e, &plain, now_us);
        break;
    default: /* the peer's own, and meaningless here */
        break;
    }
    return true;
}
