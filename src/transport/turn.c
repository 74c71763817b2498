/*
 * Timers, all of them in vn_turn_deadline:
 *   - each request that is out: its retransmission, or when it is given up
 *   - refresh: 60 s before the allocation's end, or half of a shorter life
 *   - each permission and channel: every 4 minutes while wanted
 */
#include <stdlib.h>

#include "transport/turn_i.h"
#include "transport/udp.h"

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

static bool is_allocation(const struct vn_turn *t, const struct vn_turn_item *it)
{
    return it == &t->allocation;
}

static void transmit(struct vn_turn *t, const struct vn_turn_item *it, uint32_t lifetime_s)
{
    uint8_t buf[VN_STUN_BYTES_MAX + 2 * VN_STUN_TEXT_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    const struct vn_turn_request *rq = &it->rq;
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

static void retransmit(struct vn_turn *t, struct vn_turn_item *it, uint64_t now_us)
{
    struct vn_turn_request *rq = &it->rq;
    /* A stream carries it surely, so there only the waiting is the same. */
    const bool once = t->cfg.stream && rq->sent > 0;
    rq->next_us = now_us + ((uint64_t)VN_ICE_RTO_US << rq->sent);
    rq->sent++;
    if (!once)
        transmit(t, it, UINT32_MAX);
}

static void ask(struct vn_turn *t, struct vn_turn_item *it, uint16_t method, uint64_t now_us)
{
    const unsigned stale = it->rq.stale;
    it->rq = (struct vn_turn_request){.active = true, .method = method, .stale = stale};
    it->renew_us = UINT64_MAX;
    if (t->cfg.random->fill(t->cfg.random->self, it->rq.txid.b, VN_STUN_TXID_LEN) == VN_OK)
        retransmit(t, it, now_us);
    else
        it->rq.next_us = now_us + VN_ICE_RTO_US; /* with the next one */
}

static void begin(struct vn_turn *t, struct vn_turn_item *it, uint64_t now_us)
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

void vn_turn_permit(struct vn_turn *t, const struct vn_addr *peer, uint64_t now_us)
{
    if (!vn_turn_is_family(t, peer) || t->permission_count == VN_TURN_PERMISSIONS_MAX)
        return;
    for (size_t i = 0; i < t->permission_count; i++)
        if (vn_ip_equal(&t->permissions[i].peer.ip, &peer->ip))
            return;
    struct vn_turn_item *it = &t->permissions[t->permission_count++];
    *it = (struct vn_turn_item){.peer = *peer, .renew_us = now_us};
    if (t->state == VN_TURN_ALLOCATED)
        begin(t, it, now_us);
}

void vn_turn_bind(struct vn_turn *t, const struct vn_addr *peer, uint64_t now_us)
{
    for (size_t i = 0; i < t->channel_count; i++)
        if (vn_addr_equal(&t->channels[i].peer, peer))
            return;
    if (!vn_turn_is_family(t, peer) || t->channel_count == VN_TURN_CHANNELS_MAX)
        return;
    t->settled = true;
    struct vn_turn_item *it = &t->channels[t->channel_count];
    *it = (struct vn_turn_item){.peer = *peer,
                                .channel = (uint16_t)(VN_TURN_CHANNEL_FIRST + t->channel_count),
                                .renew_us = now_us};
    t->channel_count++;
    if (t->state == VN_TURN_ALLOCATED)
        begin(t, it, now_us);
}

/* ---- answers ---- */

static struct vn_turn_item *next_item(struct vn_turn *t, size_t *at)
{
    const size_t i = (*at)++;
    if (i == 0)
        return &t->allocation;
    if (i - 1 < t->permission_count)
        return &t->permissions[i - 1];
    const size_t c = i - 1 - t->permission_count;
    return c < t->channel_count ? &t->channels[c] : NULL;
}

static struct vn_turn_item *item_of(struct vn_turn *t, const struct vn_stun_msg *m)
{
    struct vn_turn_item *it;
    for (size_t at = 0; (it = next_item(t, &at));)
        if (it->rq.active && it->rq.method == m->method &&
            memcmp(it->rq.txid.b, m->txid.b, VN_STUN_TXID_LEN) == 0)
            return it;
    return NULL;
}

/* The request came to nothing. */
static void give_up(struct vn_turn *t, struct vn_turn_item *it, unsigned error)
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
    struct vn_turn_item *it;
    if (!m->has_relayed || m->relayed.port == 0 || !vn_turn_is_family(t, &m->relayed)) {
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

static void take_success(struct vn_turn *t, struct vn_turn_item *it, const struct vn_stun_msg *m,
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

static void take_error(struct vn_turn *t, struct vn_turn_item *it, const struct vn_stun_msg *m,
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

enum vn_turn_input vn_turn_take_stun(struct vn_turn *t, struct vn_dgram in, uint64_t now_us,
                                     struct vn_addr *ret_from, struct vn_dgram *ret_data)
{
    struct vn_stun_msg m;
    if (vn_stun_decode(VN_SPAN(in.p, in.n), &m) != VN_OK)
        return VN_TURN_IN_MALFORMED;
    if (m.cls == VN_STUN_INDICATION && m.method == VN_TURN_DATA) {
        if (!m.has_peer || !m.has_data || m.data.n == 0 || !vn_turn_is_family(t, &m.peer))
            return VN_TURN_IN_MALFORMED;
        *ret_from = m.peer;
        *ret_data = (struct vn_dgram){in.p + (m.data.p - in.p), m.data.n};
        return VN_TURN_IN_DATA;
    }
    if (m.cls != VN_STUN_SUCCESS && m.cls != VN_STUN_ERROR)
        return VN_TURN_IN_UNKNOWN;
    struct vn_turn_item *it = item_of(t, &m);
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

/* ---- time ---- */

static bool wants(const struct vn_turn *t, const struct vn_turn_item *it)
{
    return t->state == VN_TURN_ALLOCATED || is_allocation(t, it);
}

void vn_turn_tick(struct vn_turn *t, uint64_t now_us)
{
    struct vn_turn_item *it;
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
    const struct vn_turn_item *it;
    for (size_t at = 0; t->state != VN_TURN_FAILED && (it = next_item((struct vn_turn *)t, &at));)
        if (it->rq.active || wants(t, it))
            due = VN_MIN(due, it->rq.active ? it->rq.next_us : it->renew_us);
    return due;
}

/* ---- the end ---- */

struct vn_turn *vn_turn_free(struct vn_turn *t)
{
    if (!t)
        return NULL;
    struct vn_turn_request *rq = &t->allocation.rq;
    if (t->state == VN_TURN_ALLOCATED &&
        t->cfg.random->fill(t->cfg.random->self, rq->txid.b, VN_STUN_TXID_LEN) == VN_OK) {
        rq->method = VN_TURN_REFRESH;
        transmit(t, &t->allocation, 0);
    }
    vn_turn_auth_done(&t->auth);
    free(t);
    return NULL;
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
