/*
 * Timers, all of them in vn_turn_deadline:
 *   - each request that is out: its retransmission, or when it is given up
 *   - refresh: 60 s before the allocation's end, or half of a shorter life
 *   - each permission and channel: every 4 minutes while wanted
 */
#include "transport/turn.h"

#include <stdlib.h>

#include "base/reader.h"
#include "transport/stun.h"
#include "transport/turn_auth.h"
#include "transport/udp.h"

struct request {
    bool active;
    uint16_t method;
    struct vn_stun_txid txid;
    unsigned sent;  /* transmissions */
    unsigned stale; /* nonces in a row that were */
    uint64_t next_us;
};

/* What an allocation asks of its server, each thing with one request at a time. */
struct item {
    struct request rq;
    uint64_t renew_us; /* UINT64_MAX: not again */
    struct vn_addr peer;
    uint16_t channel; /* 0: a permission */
    bool done;        /* the server agreed */
};

struct vn_turn {
    struct vn_turn_auth auth;
    struct vn_turn_config cfg; /* without the credentials */
    enum vn_turn_state state;
    unsigned error;
    struct vn_addr relayed, mapped;
    struct item allocation;
    struct item permissions[VN_TURN_PERMISSIONS_MAX];
    size_t permission_count;
    struct item channels[VN_TURN_CHANNELS_MAX];
    size_t channel_count;
    bool settled; /* a channel was asked for */
};

vn_status vn_turn_new(const struct vn_turn_config *cfg, uint64_t now_us, struct vn_turn **ret)
{
    struct vn_turn *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    const vn_status st = vn_turn_auth_init(&t->auth, cfg->username, cfg->password);
    if (st != VN_OK) {
        free(t);
        return st;
    }
    t->cfg = *cfg;
    t->cfg.username = t->cfg.password = NULL;
    t->allocation.renew_us = now_us;
    *ret = t;
    return VN_OK;
}

static void fail(struct vn_turn *t, unsigned error)
{
    if (t->state == VN_TURN_FAILED)
        return;
    t->state = VN_TURN_FAILED;
    t->error = error;
}

/* ---- requests ---- */

static bool is_allocation(const struct vn_turn *t, const struct item *it)
{
    return it == &t->allocation;
}

static void transmit(struct vn_turn *t, const struct item *it, uint32_t lifetime_s)
{
    uint8_t buf[VN_STUN_BYTES_MAX + 2 * VN_STUN_TEXT_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    const struct request *rq = &it->rq;
    vn_stun_begin(&w, VN_STUN_REQUEST, rq->method, &rq->txid);
    switch (rq->method) {
    case VN_TURN_ALLOCATE:
        vn_stun_put_transport_udp(&w);
        if (t->cfg.v6) /* RFC 8656 section 7.1: IPv4 is what it means without */
            vn_stun_put_family(&w, true);
        break;
    case VN_TURN_REFRESH:
        if (lifetime_s != UINT32_MAX)
            vn_stun_put_lifetime(&w, lifetime_s);
        break;
    case VN_TURN_CHANNEL_BIND:
        vn_stun_put_channel(&w, it->channel);
        /* fall through */
    default:
        vn_stun_put_peer(&w, &it->peer, &rq->txid);
    }
    vn_turn_auth_put(&t->auth, &w);
    if (vn_turn_auth_end(&t->auth, &w, &out) == VN_OK)
        t->cfg.send(t->cfg.arg, out);
}

static void retransmit(struct vn_turn *t, struct item *it, uint64_t now_us)
{
    struct request *rq = &it->rq;
    /* A stream carries it surely, so there only the waiting is the same. */
    const bool once = t->cfg.stream && rq->sent > 0;
    rq->next_us = now_us + ((uint64_t)VN_ICE_RTO_US << rq->sent);
    rq->sent++;
    if (!once)
        transmit(t, it, UINT32_MAX);
}

static void ask(struct vn_turn *t, struct item *it, uint16_t method, uint64_t now_us)
{
    const unsigned stale = it->rq.stale;
    it->rq = (struct request){.active = true, .method = method, .stale = stale};
    it->renew_us = UINT64_MAX;
    if (t->cfg.random->fill(t->cfg.random->self, it->rq.txid.b, VN_STUN_TXID_LEN) == VN_OK)
        retransmit(t, it, now_us);
    else
        it->rq.next_us = now_us + VN_ICE_RTO_US; /* with the next one */
}

static void begin(struct vn_turn *t, struct item *it, uint64_t now_us)
{
    it->rq.stale = 0;
    ask(t, it,
        !is_allocation(t, it) ? (it->channel ? VN_TURN_CHANNEL_BIND : VN_TURN_CREATE_PERMISSION)
        : t->state == VN_TURN_ALLOCATED ? VN_TURN_REFRESH
                                        : VN_TURN_ALLOCATE,
        now_us);
}

/* ---- what is asked for ---- */

static bool has_channel(const struct vn_turn *t, const struct vn_ip *ip)
{
    for (size_t i = 0; i < t->channel_count; i++)
        if (vn_ip_equal(&t->channels[i].peer.ip, ip))
            return true;
    return false;
}

static bool is_family(const struct vn_turn *t, const struct vn_addr *peer)
{
    return vn_ip_is_v4(&peer->ip) != t->cfg.v6;
}

void vn_turn_permit(struct vn_turn *t, const struct vn_addr *peer, uint64_t now_us)
{
    if (!is_family(t, peer) || t->permission_count == VN_TURN_PERMISSIONS_MAX)
        return;
    for (size_t i = 0; i < t->permission_count; i++)
        if (vn_ip_equal(&t->permissions[i].peer.ip, &peer->ip))
            return;
    struct item *it = &t->permissions[t->permission_count++];
    *it = (struct item){.peer = *peer, .renew_us = now_us};
    if (t->state == VN_TURN_ALLOCATED)
        begin(t, it, now_us);
}

void vn_turn_bind(struct vn_turn *t, const struct vn_addr *peer, uint64_t now_us)
{
    for (size_t i = 0; i < t->channel_count; i++)
        if (vn_addr_equal(&t->channels[i].peer, peer))
            return;
    if (!is_family(t, peer) || t->channel_count == VN_TURN_CHANNELS_MAX)
        return;
    t->settled = true;
    struct item *it = &t->channels[t->channel_count];
    *it = (struct item){.peer = *peer,
                        .channel = (uint16_t)(VN_TURN_CHANNEL_FIRST + t->channel_count),
                        .renew_us = now_us};
    t->channel_count++;
    if (t->state == VN_TURN_ALLOCATED)
        begin(t, it, now_us);
}

uint16_t vn_turn_channel(const struct vn_turn *t, const struct vn_addr *peer)
{
    for (size_t i = 0; i < t->channel_count; i++)
        if (t->channels[i].done && vn_addr_equal(&t->channels[i].peer, peer))
            return t->channels[i].channel;
    return 0;
}

/* ---- sending ---- */

void vn_turn_put_channel_header(uint8_t ret[VN_TURN_CHANNEL_HEADER], uint16_t channel, size_t n)
{
    ret[0] = (uint8_t)(channel >> 8);
    ret[1] = (uint8_t)channel;
    ret[2] = (uint8_t)(n >> 8);
    ret[3] = (uint8_t)n;
}

void vn_turn_send(struct vn_turn *t, const struct vn_addr *peer, struct vn_span datagram)
{
    uint8_t buf[VN_STUN_BYTES_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    if (t->state != VN_TURN_ALLOCATED || !is_family(t, peer))
        return;
    const uint16_t channel = vn_turn_channel(t, peer);
    if (channel) {
        static const uint8_t zeros[3];
        vn_write_u16(&w, channel);
        vn_write_u16(&w, (uint16_t)datagram.n);
        vn_write_span(&w, datagram);
        vn_write_bytes(&w, zeros, t->cfg.stream ? (4 - datagram.n % 4) % 4 : 0);
        out = vn_writer_span(&w);
        if (out.n > 0)
            t->cfg.send(t->cfg.arg, out);
        return;
    }
    struct vn_stun_txid txid;
    if (t->cfg.random->fill(t->cfg.random->self, txid.b, sizeof(txid.b)) != VN_OK)
        return;
    vn_stun_begin(&w, VN_STUN_INDICATION, VN_TURN_SEND, &txid);
    vn_stun_put_peer(&w, peer, &txid);
    vn_stun_put_data(&w, datagram);
    if (vn_stun_end_bare(&w, &out) == VN_OK)
        t->cfg.send(t->cfg.arg, out);
}

struct vn_turn *vn_turn_free(struct vn_turn *t)
{
    if (!t)
        return NULL;
    struct request *rq = &t->allocation.rq;
    if (t->state == VN_TURN_ALLOCATED &&
        t->cfg.random->fill(t->cfg.random->self, rq->txid.b, VN_STUN_TXID_LEN) == VN_OK) {
        rq->method = VN_TURN_REFRESH;
        transmit(t, &t->allocation, 0);
    }
    vn_turn_auth_done(&t->auth);
    free(t);
    return NULL;
}

/* ---- answers ---- */

static struct item *next_item(struct vn_turn *t, size_t *at)
{
    const size_t i = (*at)++;
    if (i == 0)
        return &t->allocation;
    if (i - 1 < t->permission_count)
        return &t->permissions[i - 1];
    const size_t c = i - 1 - t->permission_count;
    return c < t->channel_count ? &t->channels[c] : NULL;
}

static struct item *item_of(struct vn_turn *t, const struct vn_stun_msg *m)
{
    struct item *it;
    for (size_t at = 0; (it = next_item(t, &at));)
        if (it->rq.active && it->rq.method == m->method &&
            memcmp(it->rq.txid.b, m->txid.b, VN_STUN_TXID_LEN) == 0)
            return it;
    return NULL;
}

/* The request came to nothing. */
static void give_up(struct vn_turn *t, struct item *it, unsigned error)
{
    it->rq.active = false;
    /* 437: the server knows no allocation here, whatever it was asked. */
    if (is_allocation(t, it) || error == 437)
        fail(t, error);
    else
        it->done = false; /* a channel's datagrams go by indications, as far as those may */
}

static void take_lifetime(struct vn_turn *t, const struct vn_stun_msg *m, uint64_t now_us)
{
    uint32_t life_s = m->lifetime_s;
    if (!m->has_lifetime || life_s == 0) {
        fail(t, 0);
        return;
    }
    life_s = VN_MAX(life_s, (uint32_t)VN_TURN_LIFETIME_MIN_S);
    life_s = VN_MIN(life_s, (uint32_t)VN_TURN_LIFETIME_MAX_S);
    const uint64_t life_us = life_s * 1000000ull;
    uint64_t after_us = life_us - VN_MIN(life_us / 2, (uint64_t)VN_TURN_REFRESH_BEFORE_US);
    after_us = VN_MAX(after_us / VN_TIME_SCALE, (uint64_t)VN_TURN_REFRESH_MIN_US);
    t->allocation.renew_us = now_us + after_us;
}

static void take_allocation(struct vn_turn *t, const struct vn_stun_msg *m, uint64_t now_us)
{
    struct item *it;
    if (!m->has_relayed || m->relayed.port == 0 || !is_family(t, &m->relayed)) {
        fail(t, 0);
        return;
    }
    t->relayed = m->relayed;
    t->mapped = m->has_mapped ? m->mapped : (struct vn_addr){.port = 0};
    t->state = VN_TURN_ALLOCATED;
    take_lifetime(t, m, now_us);
    for (size_t at = 1; t->state == VN_TURN_ALLOCATED && (it = next_item(t, &at));)
        begin(t, it, now_us);
}

static void take_success(struct vn_turn *t, struct item *it, const struct vn_stun_msg *m,
                         uint64_t now_us)
{
    it->rq.active = false;
    it->done = true;
    if (it->rq.method == VN_TURN_ALLOCATE)
        take_allocation(t, m, now_us);
    else if (is_allocation(t, it))
        take_lifetime(t, m, now_us);
    else if (it->channel || !t->settled || has_channel(t, &it->peer.ip))
        it->renew_us = now_us + VN_TURN_RENEW_US;
}

static void take_error(struct vn_turn *t, struct item *it, const struct vn_stun_msg *m,
                       uint64_t now_us)
{
    /* RFC 8489 section 9.2.5: once with credentials; a second 401 says that they are wrong. */
    const bool first = m->error == 401 && !t->auth.challenged;
    const bool again = m->error == 438 && t->auth.challenged && it->rq.stale < VN_TURN_STALE_MAX;
    if ((first || again) && vn_turn_auth_challenge(&t->auth, m) == VN_OK) {
        it->rq.stale += again;
        ask(t, it, it->rq.method, now_us);
        return;
    }
    give_up(t, it, m->error);
}

/*
 * Section 9.2.5 wants integrity of every answer but the challenges. Servers leave it out of
 * refusals made before they looked at the credentials (quota, load); those are taken, since the
 * transaction id is known to none but who reads along, and who does can take the answer away as
 * well.
 */
static bool is_authentic(const struct vn_turn *t, const struct vn_stun_msg *m)
{
    if (m->cls == VN_STUN_ERROR &&
        ((!m->has_integrity && !m->has_integrity256) || m->error == 401 || m->error == 438))
        return true;
    return vn_turn_auth_verify(&t->auth, m) == VN_OK;
}

static enum vn_turn_input take_stun(struct vn_turn *t, struct vn_dgram in, uint64_t now_us,
                                    struct vn_addr *ret_from, struct vn_dgram *ret_data)
{
    struct vn_stun_msg m;
    if (vn_stun_decode(VN_SPAN(in.p, in.n), &m) != VN_OK)
        return VN_TURN_IN_MALFORMED;
    if (m.cls == VN_STUN_INDICATION && m.method == VN_TURN_DATA) {
        if (!m.has_peer || !m.has_data || m.data.n == 0 || !is_family(t, &m.peer))
            return VN_TURN_IN_MALFORMED;
        *ret_from = m.peer;
        *ret_data = (struct vn_dgram){in.p + (m.data.p - in.p), m.data.n};
        return VN_TURN_IN_DATA;
    }
    if (m.cls != VN_STUN_SUCCESS && m.cls != VN_STUN_ERROR)
        return VN_TURN_IN_UNKNOWN;
    struct item *it = item_of(t, &m);
    if (!it)
        return VN_TURN_IN_UNKNOWN;
    if (m.cls == VN_STUN_ERROR && m.error == 0)
        return VN_TURN_IN_MALFORMED;
    if (!is_authentic(t, &m))
        return VN_TURN_IN_AUTH;
    if (m.cls == VN_STUN_SUCCESS)
        take_success(t, it, &m, now_us);
    else
        take_error(t, it, &m, now_us);
    return VN_TURN_IN_CONTROL;
}

static enum vn_turn_input take_channel_data(const struct vn_turn *t, struct vn_dgram in,
                                            struct vn_addr *ret_from, struct vn_dgram *ret_data)
{
    struct vn_reader r = vn_reader_of(VN_SPAN(in.p, in.n));
    uint16_t channel, n;
    if (!vn_read_u16(&r, &channel) || !vn_read_u16(&r, &n) || n == 0 || n > r.left)
        return VN_TURN_IN_MALFORMED;
    for (size_t i = 0; i < t->channel_count; i++)
        if (t->channels[i].channel == channel) {
            *ret_from = t->channels[i].peer;
            *ret_data = (struct vn_dgram){in.p + VN_TURN_CHANNEL_HEADER, n};
            return VN_TURN_IN_DATA;
        }
    return VN_TURN_IN_UNKNOWN;
}

static bool is_channel(uint8_t first)
{
    return first >= VN_TURN_CHANNEL_FIRST >> 8 && first <= VN_TURN_CHANNEL_LAST >> 8;
}

enum vn_turn_input vn_turn_input(struct vn_turn *t, struct vn_dgram in, uint64_t now_us,
                                 struct vn_addr *ret_from, struct vn_dgram *ret_data)
{
    if (t->state == VN_TURN_FAILED)
        return VN_TURN_IN_UNKNOWN;
    return in.n > 0 && is_channel(in.p[0]) ? take_channel_data(t, in, ret_from, ret_data)
                                           : take_stun(t, in, now_us, ret_from, ret_data);
}

/* ---- time ---- */

static bool wants(const struct vn_turn *t, const struct item *it)
{
    return t->state == VN_TURN_ALLOCATED || is_allocation(t, it);
}

void vn_turn_tick(struct vn_turn *t, uint64_t now_us)
{
    struct item *it;
    for (size_t at = 0; t->state != VN_TURN_FAILED && (it = next_item(t, &at));) {
        if (it->rq.active && now_us >= it->rq.next_us) {
            if (it->rq.sent < VN_TURN_TRANSMISSIONS)
                retransmit(t, it, now_us);
            else
                give_up(t, it, 0);
        } else if (!it->rq.active && now_us >= it->renew_us && wants(t, it)) {
            begin(t, it, now_us);
        }
    }
}

uint64_t vn_turn_deadline(const struct vn_turn *t)
{
    uint64_t due = UINT64_MAX;
    const struct item *it;
    for (size_t at = 0; t->state != VN_TURN_FAILED && (it = next_item((struct vn_turn *)t, &at));)
        if (it->rq.active || wants(t, it))
            due = VN_MIN(due, it->rq.active ? it->rq.next_us : it->renew_us);
    return due;
}

/* ---- streams ---- */

vn_status vn_turn_frame_len(struct vn_span in, size_t *ret)
{
    struct vn_reader r = vn_reader_of(in);
    uint16_t first, n;
    if (!vn_read_u16(&r, &first) || !vn_read_u16(&r, &n))
        return VN_ERR_AGAIN;
    if (is_channel((uint8_t)(first >> 8)))
        *ret = VN_TURN_CHANNEL_HEADER + ((size_t)n + 3) / 4 * 4;
    else if (first < 0x4000 && n % 4 == 0)
        *ret = 20 + (size_t)n;
    else
        return VN_ERR_MALFORMED;
    return VN_OK;
}

/* ---- what the caller asks ---- */

enum vn_turn_state vn_turn_state(const struct vn_turn *t)
{
    return t->state;
}

unsigned vn_turn_error(const struct vn_turn *t)
{
    return t->error;
}

struct vn_addr vn_turn_relayed(const struct vn_turn *t)
{
    return t->relayed;
}

struct vn_addr vn_turn_mapped(const struct vn_turn *t)
{
    return t->mapped;
}
