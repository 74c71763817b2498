#include "transport/ice.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "transport/limits.h"
#include "transport/stun.h"
#include "transport/udp.h"

/* RFC 8445 section 5.1.2.2 */
enum { TYPE_PREF_HOST = 126, TYPE_PREF_PRFLX = 110 };
#define REMOTES_MAX (VN_ICE_CANDIDATES_MAX + VN_ICE_PRFLX_MAX)

enum pair_state { PAIR_WAITING, PAIR_IN_PROGRESS, PAIR_SUCCEEDED, PAIR_FAILED };

struct pair {
    uint8_t local, remote; /* indices */
    enum pair_state state;
    uint64_t priority;
    bool valid;             /* a check of ours succeeded once */
    bool triggered;         /* waits in the triggered-check queue */
    uint64_t triggered_seq; /* its place there */
    bool nominating;        /* our checks carry USE-CANDIDATE, or the peer's did */
    bool mapped_differs;    /* the peer saw another address than ours: the local candidate is
                               peer-reflexive */
    unsigned sent;          /* transmissions of the present check */
    uint64_t sent_us;       /* the last */
    uint64_t next_us;       /* the next retransmission, or when the check has failed */
    struct vn_stun_txid txid,
        txid_before; /* the check a triggered one replaced may still be answered */
    bool with_use_candidate, as_controlling; /* what the check said */
    bool resent;                             /* so its answer tells no round-trip time (Karn) */
    struct vn_addr mapped;
};

struct early {
    uint8_t local;
    bool use_candidate;
    uint32_t priority;
    struct vn_addr from;
    char ufrag[VN_ICE_UFRAG_LEN]; /* the peer's, as it said */
};

struct sent_check {
    struct vn_stun_txid txid;
    uint64_t at_us;
    bool full_size;
};

struct vn_ice {
    struct vn_ice_config cfg;
    struct vn_ice_params remote_params;
    bool started;
    bool controlling;
    uint64_t tie_breaker;
    enum vn_ice_state state;
    uint64_t started_us;
    uint64_t first_valid_us; /* 0: none */
    uint64_t next_pace_us;   /* earliest time of the next new check */
    uint64_t triggered_seq;

    struct vn_candidate locals[VN_ICE_CANDIDATES_MAX];
    size_t local_count;
    struct vn_candidate remotes[REMOTES_MAX];
    size_t remote_count, prflx_count;
    struct pair pairs[VN_ICE_PAIRS_MAX];
    size_t pair_count;
    struct early early[VN_ICE_EARLY_MAX];
    size_t early_count;

    struct pair *selected;
    struct sent_check checks[VN_CONSENT_TXIDS]; /* consent checks and probes, a ring */
    size_t check_at;
    unsigned probes_left;
    uint64_t next_probe_us;
    bool full_size_passes;
    uint64_t last_answer_us, last_heard_us;
    uint32_t srtt_us, min_rtt_us;
};

static uint32_t candidate_priority(unsigned type_pref, uint16_t local_pref)
{
    return (uint32_t)type_pref << 24 | (uint32_t)local_pref << 8 | 255; /* component 1 */
}

/* RFC 8445 section 6.1.2.3 */
static uint64_t pair_priority(bool controlling, uint32_t local, uint32_t remote)
{
    uint64_t g = controlling ? local : remote, d = controlling ? remote : local;
    return (VN_MIN(g, d) << 32) + 2 * VN_MAX(g, d) + (g > d);
}

vn_status vn_ice_new(const struct vn_ice_config *cfg, struct vn_ice **ret)
{
    struct vn_ice *ice = calloc(1, sizeof(*ice));
    if (!ice)
        return VN_ERR_NOMEM;
    ice->cfg = *cfg;
    ice->controlling = cfg->controlling;
    ice->tie_breaker = cfg->tie_breaker;
    *ret = ice;
    return VN_OK;
}

struct vn_ice *vn_ice_free(struct vn_ice *ice)
{
    if (!ice)
        return NULL;
    vn_wipe(&ice->cfg.local, sizeof(ice->cfg.local));
    vn_wipe(&ice->remote_params, sizeof(ice->remote_params));
    free(ice);
    return NULL;
}

void vn_ice_freep(struct vn_ice **ice)
{
    *ice = vn_ice_free(*ice);
}

static void set_state(struct vn_ice *ice, enum vn_ice_state state)
{
    static const char *const names[] = {"new", "checking", "selected", "failed"};
    assert(state > ice->state);
    ice->state = state;
    vn_log(VN_LOG_DEBUG, "ice_state", VN_KV_STR("state", names[state]));
}

/* ---- pairs ---- */

static struct pair *find_pair(struct vn_ice *ice, size_t local, size_t remote)
{
    for (size_t i = 0; i < ice->pair_count; i++)
        if (ice->pairs[i].local == local && ice->pairs[i].remote == remote)
            return &ice->pairs[i];
    return NULL;
}

static bool can_pair(const struct vn_addr *a, const struct vn_addr *b)
{
    /* RFC 8445 section 6.1.2.2: same family, and link-local IPv6 only with link-local. */
    return vn_ip_is_v4(&a->ip) == vn_ip_is_v4(&b->ip) && (a->scope_id != 0) == (b->scope_id != 0);
}

/* Makes room by giving up the lowest pair that was not tried yet (section 6.1.2.5). */
static struct pair *pair_slot(struct vn_ice *ice, uint64_t priority)
{
    if (ice->pair_count < VN_ICE_PAIRS_MAX)
        return &ice->pairs[ice->pair_count++];
    struct pair *lowest = NULL;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct pair *p = &ice->pairs[i];
        if (p->state == PAIR_WAITING && !p->triggered && p != ice->selected &&
            p->priority < priority && (!lowest || p->priority < lowest->priority))
            lowest = p;
    }
    return lowest;
}

static struct pair *add_pair(struct vn_ice *ice, size_t local, size_t remote)
{
    struct pair *p = find_pair(ice, local, remote);
    if (p)
        return p;
    uint64_t priority =
        pair_priority(ice->controlling, ice->locals[local].priority, ice->remotes[remote].priority);
    p = pair_slot(ice, priority);
    if (p)
        *p =
            (struct pair){.local = (uint8_t)local, .remote = (uint8_t)remote, .priority = priority};
    return p;
}

static void trigger(struct vn_ice *ice, struct pair *p)
{
    if (!p->triggered) {
        p->triggered = true;
        p->triggered_seq = ++ice->triggered_seq;
    }
}

static void set_controlling(struct vn_ice *ice, bool controlling)
{
    ice->controlling = controlling;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct pair *p = &ice->pairs[i];
        p->priority = pair_priority(controlling, ice->locals[p->local].priority,
                                    ice->remotes[p->remote].priority);
        if (!controlling && p != ice->selected)
            p->nominating = false;
    }
}

/* ---- candidates ---- */

vn_status vn_ice_add_local(struct vn_ice *ice, const struct vn_addr *addr, uint16_t preference,
                           struct vn_candidate *ret)
{
    if (ice->local_count == VN_ICE_CANDIDATES_MAX)
        return VN_ERR_LIMIT;
    size_t local = ice->local_count++;
    struct vn_candidate *c = &ice->locals[local];
    *c = (struct vn_candidate){.type = VN_CAND_HOST,
                               .priority = candidate_priority(TYPE_PREF_HOST, preference),
                               /* section 5.1.1.3: same type and base address, same foundation */
                               .foundation = (uint32_t)local + 1,
                               .addr = *addr};
    for (size_t r = 0; ice->started && r < ice->remote_count; r++)
        if (can_pair(&c->addr, &ice->remotes[r].addr))
            (void)add_pair(ice, local, r);
    *ret = *c;
    return VN_OK;
}

static int find_remote(const struct vn_ice *ice, const struct vn_addr *addr)
{
    for (size_t i = 0; i < ice->remote_count; i++)
        if (vn_addr_equal(&ice->remotes[i].addr, addr))
            return (int)i;
    return -1;
}

static void pair_remote(struct vn_ice *ice, size_t remote)
{
    for (size_t l = 0; l < ice->local_count; l++)
        if (can_pair(&ice->locals[l].addr, &ice->remotes[remote].addr))
            (void)add_pair(ice, l, remote);
}

void vn_ice_add_remote(struct vn_ice *ice, const struct vn_candidate *c, uint64_t now_us)
{
    int known = find_remote(ice, &c->addr);
    if (known >= 0) {
        /* A check told of it first (section 7.3.1.3): now its real type is known. */
        ice->remotes[known].type = c->type;
        return;
    }
    if (ice->remote_count - ice->prflx_count >= VN_ICE_CANDIDATES_MAX)
        return;
    size_t remote = ice->remote_count++;
    ice->remotes[remote] = *c;
    /* The peer's scope number means nothing here: any link-local candidate pairs with ours. */
    ice->remotes[remote].addr.scope_id =
        c->addr.ip.b[0] == 0xfe && (c->addr.ip.b[1] & 0xc0) == 0x80 ? 1 : 0;
    if (ice->started) {
        pair_remote(ice, remote);
        vn_ice_tick(ice, now_us);
    }
}

/* ---- sending checks ---- */

static struct vn_addr remote_addr(const struct vn_ice *ice, const struct pair *p)
{
    struct vn_addr to = ice->remotes[p->remote].addr;
    to.scope_id = to.scope_id ? ice->locals[p->local].addr.scope_id : 0;
    return to;
}

static vn_status new_txid(struct vn_ice *ice, struct vn_stun_txid *ret)
{
    return ice->cfg.random->fill(ice->cfg.random->self, ret->b, sizeof(ret->b));
}

/* RFC 8445 section 7.2.4: username "theirs:ours", their password. */
static void send_request(struct vn_ice *ice, const struct pair *p, const struct vn_stun_txid *txid,
                         bool use_candidate, size_t filler)
{
    uint8_t buf[VN_STUN_BYTES_MAX];
    char username[2 * VN_ICE_UFRAG_LEN + 2];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    int n = snprintf(username, sizeof(username), "%s:%s", ice->remote_params.ufrag,
                     ice->cfg.local.ufrag);
    uint16_t local_pref = (uint16_t)(ice->locals[p->local].priority >> 8);
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, txid);
    vn_stun_put_username(&w, VN_SPAN(username, (size_t)n));
    vn_stun_put_priority(&w, candidate_priority(TYPE_PREF_PRFLX, local_pref));
    vn_stun_put_role(&w, ice->controlling ? VN_STUN_CONTROLLING : VN_STUN_CONTROLLED,
                     ice->tie_breaker);
    if (use_candidate)
        vn_stun_put_use_candidate(&w);
    if (filler)
        vn_stun_put_filler(&w, filler - w.len - 4 - 24 - 8); /* what end() still adds */
    if (vn_stun_end(&w, VN_SPAN_STR(ice->remote_params.pwd), &out) != VN_OK)
        return;
    struct vn_addr to = remote_addr(ice, p);
    ice->cfg.send(ice->cfg.arg, p->local, &to, out);
}

static uint64_t retransmit_gap(unsigned sent)
{
    uint64_t gap = (uint64_t)VN_ICE_RTO_US << VN_MIN(sent - 1, 10u);
    return VN_MIN(gap, (uint64_t)VN_ICE_RTO_MAX_US);
}

static void transmit(struct vn_ice *ice, struct pair *p, uint64_t now_us)
{
    p->resent |= p->sent > 0;
    p->sent++;
    p->sent_us = now_us;
    p->next_us = now_us + retransmit_gap(p->sent);
    send_request(ice, p, &p->txid, p->with_use_candidate, 0);
}

static void begin_check(struct vn_ice *ice, struct pair *p, uint64_t now_us)
{
    struct vn_stun_txid txid;
    p->triggered = false;
    if (new_txid(ice, &txid) != VN_OK)
        return;
    p->txid_before = p->txid;
    p->txid = txid;
    p->sent = 0;
    p->resent = false;
    p->state = PAIR_IN_PROGRESS;
    p->with_use_candidate = ice->controlling && p->nominating;
    p->as_controlling = ice->controlling;
    transmit(ice, p, now_us);
}

static struct sent_check *note_check(struct vn_ice *ice, uint64_t now_us, bool full_size)
{
    struct sent_check *c = &ice->checks[ice->check_at];
    if (new_txid(ice, &c->txid) != VN_OK)
        return NULL;
    ice->check_at = (ice->check_at + 1) % VN_CONSENT_TXIDS;
    c->at_us = now_us;
    c->full_size = full_size;
    return c;
}

void vn_ice_consent_check(struct vn_ice *ice, uint64_t now_us)
{
    const struct sent_check *c = ice->selected ? note_check(ice, now_us, false) : NULL;
    if (c)
        send_request(ice, ice->selected, &c->txid, false, 0);
}

/* Asks whether a full-size datagram passes: a check padded to VN_UDP_PAYLOAD_MAX_BYTES. */
static void send_probe(struct vn_ice *ice, uint64_t now_us)
{
    const struct sent_check *c = note_check(ice, now_us, true);
    ice->probes_left--;
    ice->next_probe_us = now_us + VN_ICE_PROBE_US;
    if (c)
        send_request(ice, ice->selected, &c->txid, false, VN_UDP_PAYLOAD_MAX_BYTES);
}

/* ---- nomination ---- */

static void select_pair(struct vn_ice *ice, struct pair *p, uint64_t now_us)
{
    ice->selected = p;
    p->nominating = true;
    ice->last_answer_us = now_us;
    ice->probes_left = VN_ICE_PROBE_COUNT;
    ice->next_probe_us = now_us;
    if (ice->state == VN_ICE_CHECKING)
        set_state(ice, VN_ICE_SELECTED);
}

static bool is_pending(const struct pair *p)
{
    return p->state == PAIR_WAITING || p->state == PAIR_IN_PROGRESS;
}

/*
 * Regular nomination (RFC 8445 section 8.1.1): of the valid pairs the best, as soon as no better
 * one can still come, or a short while after the first.
 */
static void nominate(struct vn_ice *ice, uint64_t now_us)
{
    struct pair *best = NULL;
    if (!ice->controlling || ice->state != VN_ICE_CHECKING || !ice->first_valid_us)
        return;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct pair *p = &ice->pairs[i];
        if (p->nominating && is_pending(p))
            return; /* under way */
        if (p->valid && p->state == PAIR_SUCCEEDED && (!best || p->priority > best->priority))
            best = p;
    }
    if (!best)
        return;
    if (now_us - ice->first_valid_us < VN_ICE_NOMINATE_WAIT_US)
        for (size_t i = 0; i < ice->pair_count; i++)
            if (is_pending(&ice->pairs[i]) && ice->pairs[i].priority > best->priority)
                return;
    best->nominating = true;
    begin_check(ice, best, now_us);
}

/* ---- time ---- */

static struct pair *next_check(struct vn_ice *ice)
{
    struct pair *triggered = NULL, *ordinary = NULL;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct pair *p = &ice->pairs[i];
        if (p->triggered && (!triggered || p->triggered_seq < triggered->triggered_seq))
            triggered = p;
        if (p->state == PAIR_WAITING && (!ordinary || p->priority > ordinary->priority))
            ordinary = p;
    }
    /* Section 6.1.4.2: triggered checks first. Once a pair is selected the others rest. */
    return triggered ? triggered : ice->selected ? NULL : ordinary;
}

static bool is_retransmitting(const struct vn_ice *ice, const struct pair *p)
{
    return p->state == PAIR_IN_PROGRESS && (!ice->selected || p == ice->selected);
}

void vn_ice_tick(struct vn_ice *ice, uint64_t now_us)
{
    if (!ice->started || ice->state == VN_ICE_FAILED)
        return;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct pair *p = &ice->pairs[i];
        if (!is_retransmitting(ice, p) || now_us < p->next_us)
            continue;
        if (p->sent < VN_ICE_TRANSMISSIONS) {
            transmit(ice, p, now_us);
        } else {
            p->state = PAIR_FAILED;
            p->nominating = false;
        }
    }
    if (now_us >= ice->next_pace_us) {
        struct pair *p = next_check(ice);
        if (p) {
            begin_check(ice, p, now_us);
            ice->next_pace_us = now_us + VN_ICE_PACE_US;
        }
    }
    nominate(ice, now_us);
    if (ice->selected && ice->probes_left && now_us >= ice->next_probe_us)
        send_probe(ice, now_us);
    if (!ice->selected && now_us - ice->started_us >= VN_TETHER_CONNECT_MS * 1000ull)
        set_state(ice, VN_ICE_FAILED);
}

uint64_t vn_ice_deadline(const struct vn_ice *ice)
{
    uint64_t at = UINT64_MAX;
    if (!ice->started || ice->state == VN_ICE_FAILED)
        return at;
    bool want_check = false;
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct pair *p = &ice->pairs[i];
        if (is_retransmitting(ice, p))
            at = VN_MIN(at, p->next_us);
        want_check |= p->triggered || (!ice->selected && p->state == PAIR_WAITING);
    }
    if (want_check)
        at = VN_MIN(at, ice->next_pace_us);
    if (ice->selected)
        return ice->probes_left ? VN_MIN(at, ice->next_probe_us) : at;
    at = VN_MIN(at, ice->started_us + VN_TETHER_CONNECT_MS * 1000ull);
    if (ice->controlling && ice->first_valid_us) {
        bool under_way = false, possible = false;
        for (size_t i = 0; i < ice->pair_count; i++) {
            under_way |= ice->pairs[i].nominating;
            possible |= ice->pairs[i].valid && ice->pairs[i].state == PAIR_SUCCEEDED;
        }
        if (possible && !under_way)
            at = VN_MIN(at, ice->first_valid_us + VN_ICE_NOMINATE_WAIT_US);
    }
    return at;
}

/* ---- receiving requests ---- */

static void answer(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                   const struct vn_stun_msg *m, unsigned error, const char *reason)
{
    uint8_t buf[256];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    vn_stun_begin(&w, error ? VN_STUN_ERROR : VN_STUN_SUCCESS, VN_STUN_BINDING, &m->txid);
    if (error)
        vn_stun_put_error(&w, error, reason);
    else
        vn_stun_put_mapped(&w, from, &m->txid);
    if (error == 420)
        vn_stun_put_unknown(&w, m->unknown, m->unknown_count);
    if (vn_stun_end(&w, VN_SPAN_STR(ice->cfg.local.pwd), &out) == VN_OK)
        ice->cfg.send(ice->cfg.arg, local, from, out);
}

/* RFC 8445 section 7.3.1.1. False: answered with 487. */
static bool settle_role(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                        const struct vn_stun_msg *m)
{
    bool theirs = m->role == VN_STUN_CONTROLLING;
    if (m->role == VN_STUN_NO_ROLE || theirs != ice->controlling)
        return true;
    bool ours_larger = ice->tie_breaker >= m->tie_breaker;
    if (ice->controlling == ours_larger) {
        answer(ice, local, from, m, 487, "Role Conflict");
        return false;
    }
    set_controlling(ice, !ice->controlling);
    return true;
}

static int learn_prflx(struct vn_ice *ice, const struct vn_addr *from, uint32_t priority)
{
    int remote = find_remote(ice, from);
    if (remote >= 0)
        return remote;
    if (ice->prflx_count == VN_ICE_PRFLX_MAX)
        return -1;
    ice->prflx_count++;
    ice->remotes[ice->remote_count] = (struct vn_candidate){
        .type = VN_CAND_PRFLX, .priority = priority, .foundation = 0x10000, .addr = *from};
    return (int)ice->remote_count++;
}

/* Sections 7.3.1.3 to 7.3.1.5: peer-reflexive candidate, triggered check, nomination by the
 * controlling side. */
static enum vn_ice_input take_check(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                    uint32_t priority, bool use_candidate, uint64_t now_us)
{
    int remote = learn_prflx(ice, from, priority);
    struct pair *p = remote >= 0 ? add_pair(ice, local, (size_t)remote) : NULL;
    if (!p)
        return VN_ICE_DROP_LIMIT;
    if (use_candidate && !ice->controlling) {
        p->nominating = true;
        if (p->valid && ice->selected != p)
            select_pair(ice, p, now_us);
    }
    if (ice->selected && ice->selected != p && !use_candidate)
        return VN_ICE_OK;
    switch (p->state) {
    case PAIR_SUCCEEDED:
        break;
    case PAIR_IN_PROGRESS:
        /*
         * Section 7.3.1.4 wants a new check, because ours may have been lost where theirs now
         * opened the way. The same one goes again, so that answers still on the way count, unless
         * it went a moment ago.
         */
        if (now_us - p->sent_us >= VN_ICE_PACE_US) {
            p->sent = 1;
            p->next_us = now_us;
        }
        break;
    case PAIR_WAITING:
    case PAIR_FAILED:
        p->state = PAIR_WAITING;
        trigger(ice, p);
        break;
    }
    vn_ice_tick(ice, now_us);
    return VN_ICE_OK;
}

static enum vn_ice_input remember(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                  const struct vn_stun_msg *m)
{
    struct early *e = NULL;
    for (size_t i = 0; i < ice->early_count && !e; i++)
        if (ice->early[i].local == local && vn_addr_equal(&ice->early[i].from, from))
            e = &ice->early[i];
    if (!e) {
        if (ice->early_count == VN_ICE_EARLY_MAX)
            return VN_ICE_DROP_LIMIT;
        e = &ice->early[ice->early_count++];
        *e = (struct early){.local = (uint8_t)local, .from = *from};
    }
    e->use_candidate |= m->use_candidate;
    e->priority = m->priority;
    memcpy(e->ufrag, m->username.p + VN_ICE_UFRAG_LEN + 1, VN_ICE_UFRAG_LEN);
    return VN_ICE_OK;
}

/* "ours:theirs"; theirs is compared once it is known. */
static bool is_for_us(const struct vn_ice *ice, struct vn_span username)
{
    return username.n == 2 * VN_ICE_UFRAG_LEN + 1 &&
           memcmp(username.p, ice->cfg.local.ufrag, VN_ICE_UFRAG_LEN) == 0 &&
           username.p[VN_ICE_UFRAG_LEN] == ':' &&
           (!ice->started || memcmp(username.p + VN_ICE_UFRAG_LEN + 1, ice->remote_params.ufrag,
                                    VN_ICE_UFRAG_LEN) == 0);
}

static enum vn_ice_input take_request(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                      const struct vn_stun_msg *m, uint64_t now_us)
{
    if (!m->has_fingerprint || !m->has_integrity || !is_for_us(ice, m->username) ||
        vn_stun_verify(m, VN_SPAN_STR(ice->cfg.local.pwd)) != VN_OK)
        return VN_ICE_DROP_AUTH;
    ice->last_heard_us = now_us;
    if (m->unknown_count) {
        answer(ice, local, from, m, 420, "Unknown Attribute");
        return VN_ICE_OK;
    }
    if (!m->has_priority || m->role == VN_STUN_NO_ROLE)
        return VN_ICE_DROP_MALFORMED;
    if (!settle_role(ice, local, from, m))
        return VN_ICE_OK;
    answer(ice, local, from, m, 0, NULL);
    return ice->started ? take_check(ice, local, from, m->priority, m->use_candidate, now_us)
                        : remember(ice, local, from, m);
}

vn_status vn_ice_start(struct vn_ice *ice, const struct vn_ice_params *remote, uint64_t now_us)
{
    if (ice->started)
        return VN_ERR_STATE;
    if (strlen(remote->ufrag) != VN_ICE_UFRAG_LEN || strlen(remote->pwd) != VN_ICE_PWD_LEN)
        return VN_ERR_ARG;
    ice->remote_params = *remote;
    ice->started = true;
    ice->started_us = now_us;
    set_state(ice, VN_ICE_CHECKING);
    for (size_t r = 0; r < ice->remote_count; r++)
        pair_remote(ice, r);
    for (size_t i = 0; i < ice->early_count; i++) {
        const struct early *e = &ice->early[i];
        if (memcmp(e->ufrag, remote->ufrag, VN_ICE_UFRAG_LEN) == 0)
            (void)take_check(ice, e->local, &e->from, e->priority, e->use_candidate, now_us);
    }
    vn_ice_tick(ice, now_us);
    return VN_OK;
}

/* ---- receiving answers ---- */

static void take_rtt(struct vn_ice *ice, uint64_t sent_us, uint64_t now_us)
{
    uint32_t rtt = (uint32_t)VN_MIN(now_us - sent_us, (uint64_t)UINT32_MAX / 8);
    rtt = VN_MAX(rtt, 1u);
    if (!ice->min_rtt_us || rtt < ice->min_rtt_us)
        ice->min_rtt_us = rtt;
    /* RFC 6298 section 2 with its alpha of 1/8 */
    ice->srtt_us = ice->srtt_us ? (ice->srtt_us * 7 + rtt) / 8 : rtt;
}

static bool txid_equal(const struct vn_stun_txid *a, const struct vn_stun_txid *b)
{
    return memcmp(a->b, b->b, VN_STUN_TXID_LEN) == 0;
}

static struct pair *pair_of_txid(struct vn_ice *ice, const struct vn_stun_txid *txid)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct pair *p = &ice->pairs[i];
        if (p->sent && (txid_equal(&p->txid, txid) || txid_equal(&p->txid_before, txid)))
            return p;
    }
    return NULL;
}

/* RFC 8445 section 7.2.5.1: take the other role and try again. */
static void take_role_conflict(struct vn_ice *ice, struct pair *p, uint64_t now_us)
{
    uint64_t tie_breaker;
    if (ice->controlling != p->as_controlling)
        return;
    if (ice->cfg.random->fill(ice->cfg.random->self, &tie_breaker, sizeof(tie_breaker)) == VN_OK)
        ice->tie_breaker = tie_breaker;
    set_controlling(ice, !ice->controlling);
    p->state = PAIR_WAITING;
    trigger(ice, p);
    vn_ice_tick(ice, now_us);
}

/* Section 7.2.5.3 */
static void take_success(struct vn_ice *ice, struct pair *p, const struct vn_stun_msg *m,
                         uint64_t now_us)
{
    bool current = txid_equal(&p->txid, &m->txid);
    if (current && !p->resent)
        take_rtt(ice, p->sent_us, now_us);
    p->valid = true;
    p->mapped = m->mapped;
    p->mapped_differs = !vn_addr_equal(&m->mapped, &ice->locals[p->local].addr);
    if (!ice->first_valid_us)
        ice->first_valid_us = now_us;
    /*
     * An answer to the check before leaves the present one under way: it may be the nominating one,
     * and to begin that anew at every such answer would never end.
     */
    if (current || p->state == PAIR_WAITING) {
        p->state = PAIR_SUCCEEDED;
        p->triggered = false;
    }
    if (ice->selected == p)
        ice->last_answer_us = now_us;
    /* Controlling: our USE-CANDIDATE was answered. Controlled: the peer's came before our check
     * succeeded. */
    bool nominated = p->nominating && (!ice->controlling || (current && p->with_use_candidate));
    if (nominated && ice->selected != p)
        select_pair(ice, p, now_us);
    vn_ice_tick(ice, now_us);
}

static enum vn_ice_input take_answer(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                     const struct vn_stun_msg *m, uint64_t now_us)
{
    struct sent_check *check = NULL;
    struct pair *p = NULL;
    for (size_t i = 0; i < VN_CONSENT_TXIDS && !check; i++)
        if (ice->checks[i].at_us && txid_equal(&ice->checks[i].txid, &m->txid))
            check = &ice->checks[i];
    p = check ? ice->selected : pair_of_txid(ice, &m->txid);
    if (!p)
        return VN_ICE_DROP_UNKNOWN;
    if (vn_stun_verify(m, VN_SPAN_STR(ice->remote_params.pwd)) != VN_OK)
        return VN_ICE_DROP_AUTH;
    /* Section 7.2.5.2.1: the answer must come from where the check went to. */
    struct vn_addr to = remote_addr(ice, p);
    if (p->local != local || !vn_addr_equal(&to, from))
        return VN_ICE_DROP_UNKNOWN;
    ice->last_heard_us = now_us;
    if (check) {
        if (m->cls == VN_STUN_SUCCESS) {
            take_rtt(ice, check->at_us, now_us);
            ice->last_answer_us = now_us;
            if (check->full_size) {
                ice->full_size_passes = true;
                ice->probes_left = 0;
            }
        }
        check->at_us = 0;
        return VN_ICE_OK;
    }
    if (m->cls == VN_STUN_SUCCESS) {
        if (!m->has_mapped)
            return VN_ICE_DROP_MALFORMED;
        take_success(ice, p, m, now_us);
    } else if (m->error == 487) {
        take_role_conflict(ice, p, now_us);
    } else {
        p->state = PAIR_FAILED;
        p->nominating = false;
    }
    return VN_ICE_OK;
}

enum vn_ice_input vn_ice_input(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                               struct vn_span datagram, uint64_t now_us)
{
    struct vn_stun_msg m;
    assert(local < ice->local_count);
    if (vn_stun_decode(datagram, &m) != VN_OK || m.method != VN_STUN_BINDING)
        return VN_ICE_DROP_MALFORMED;
    if (ice->state == VN_ICE_FAILED)
        return VN_ICE_DROP_UNKNOWN;
    switch (m.cls) {
    case VN_STUN_REQUEST:
        return take_request(ice, local, from, &m, now_us);
    case VN_STUN_SUCCESS:
    case VN_STUN_ERROR:
        return ice->started ? take_answer(ice, local, from, &m, now_us) : VN_ICE_DROP_UNKNOWN;
    case VN_STUN_INDICATION:
        break;
    }
    return VN_ICE_DROP_UNKNOWN;
}

/* ---- what the caller asks ---- */

enum vn_ice_state vn_ice_state(const struct vn_ice *ice)
{
    return ice->state;
}

bool vn_ice_selected(const struct vn_ice *ice, struct vn_ice_selected *ret)
{
    const struct pair *p = ice->selected;
    if (!p)
        return false;
    *ret = (struct vn_ice_selected){
        .local = p->local,
        .local_addr = p->mapped_differs ? p->mapped : ice->locals[p->local].addr,
        .remote_addr = remote_addr(ice, p),
        .local_type = p->mapped_differs ? VN_CAND_PRFLX : ice->locals[p->local].type,
        .remote_type = ice->remotes[p->remote].type};
    return true;
}

bool vn_ice_is_valid(const struct vn_ice *ice, size_t local, const struct vn_addr *from)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct pair *p = &ice->pairs[i];
        if (p->valid && p->local == local && vn_addr_equal(&ice->remotes[p->remote].addr, from))
            return true;
    }
    return false;
}

uint64_t vn_ice_last_answer_us(const struct vn_ice *ice)
{
    return ice->last_answer_us;
}

uint64_t vn_ice_last_heard_us(const struct vn_ice *ice)
{
    return ice->last_heard_us;
}

uint32_t vn_ice_srtt_us(const struct vn_ice *ice)
{
    return ice->srtt_us;
}

uint32_t vn_ice_min_rtt_us(const struct vn_ice *ice)
{
    return ice->min_rtt_us;
}

bool vn_ice_full_size_passes(const struct vn_ice *ice)
{
    return ice->full_size_passes;
}
