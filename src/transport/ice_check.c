/* Checks that we send, and when; nomination. */
#include "base/limits.h"
#include "transport/ice_agent.h"

static vn_status new_txid(struct vn_ice *ice, struct vn_stun_txid *ret)
{
    return ice->cfg.random->fill(ice->cfg.random->self, ret->b, sizeof(ret->b));
}

/* RFC 8445 section 7.2.4: username "theirs:ours", their password. */
static void send_request(struct vn_ice *ice, const struct vn_ice_pair *p,
                         const struct vn_stun_txid *txid, bool use_candidate, size_t filler)
{
    uint8_t buf[VN_STUN_BYTES_MAX];
    char username[2 * VN_ICE_UFRAG_MAX + 2];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    int n = snprintf(username, sizeof(username), "%s:%s", ice->remote_params.ufrag,
                     ice->cfg.local.ufrag);
    const struct vn_candidate *local = &ice->locals[p->local];
    uint16_t local_pref = (uint16_t)(local->priority >> 8);
    /* Section 7.1.1 has the peer-reflexive preference for all. A relayed address that the peer
     * learns by this check must not pass for a direct one. */
    const unsigned pref = local->type == VN_CAND_RELAY ? VN_ICE_PREF_RELAY : VN_ICE_PREF_PRFLX;
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, txid);
    vn_stun_put_username(&w, VN_SPAN(username, (size_t)n));
    vn_stun_put_priority(&w, vn_ice_priority(pref, local_pref));
    vn_stun_put_role(&w, ice->controlling ? VN_STUN_CONTROLLING : VN_STUN_CONTROLLED,
                     ice->tie_breaker);
    if (use_candidate)
        vn_stun_put_use_candidate(&w);
    if (filler)
        vn_stun_put_filler(&w, filler - w.len - 4 - 24 - 8); /* what end() still adds */
    if (vn_stun_end(&w, VN_SPAN_STR(ice->remote_params.pwd), &out) != VN_OK)
        return;
    struct vn_addr to = vn_ice_remote_addr(ice, p);
    ice->cfg.send(ice->cfg.arg, p->local, &to, out);
}

static uint64_t retransmit_gap(unsigned sent)
{
    uint64_t gap = (uint64_t)VN_ICE_RTO_US << VN_MIN(sent - 1, 10u);
    return VN_MIN(gap, (uint64_t)VN_ICE_RTO_MAX_US);
}

static void transmit(struct vn_ice *ice, struct vn_ice_pair *p, uint64_t now_us)
{
    p->resent |= p->sent > 0;
    p->sent++;
    p->sent_us = now_us;
    p->next_us = now_us + retransmit_gap(p->sent);
    send_request(ice, p, &p->txid, p->with_use_candidate, 0);
}

static void begin_check(struct vn_ice *ice, struct vn_ice_pair *p, uint64_t now_us)
{
    struct vn_stun_txid txid;
    p->triggered = false;
    if (new_txid(ice, &txid) != VN_OK)
        return;
    p->txid_before = p->txid;
    p->txid = txid;
    p->sent = 0;
    p->resent = false;
    p->state = VN_ICE_PAIR_IN_PROGRESS;
    p->with_use_candidate = ice->controlling && p->nominating;
    p->as_controlling = ice->controlling;
    transmit(ice, p, now_us);
}

static struct vn_ice_sent *note_check(struct vn_ice *ice, uint64_t now_us, bool full_size)
{
    struct vn_ice_sent *c = &ice->checks[ice->check_at];
    if (new_txid(ice, &c->txid) != VN_OK)
        return NULL;
    ice->check_at = (ice->check_at + 1) % VN_CONSENT_TXIDS;
    c->at_us = now_us;
    c->full_size = full_size;
    return c;
}

void vn_ice_consent_check(struct vn_ice *ice, uint64_t now_us)
{
    const struct vn_ice_sent *c = ice->selected ? note_check(ice, now_us, false) : NULL;
    if (c)
        send_request(ice, ice->selected, &c->txid, false, 0);
}

/* Asks whether a full-size datagram passes: a check padded to VN_UDP_PAYLOAD_MAX_BYTES. */
static void send_probe(struct vn_ice *ice, uint64_t now_us)
{
    const struct vn_ice_sent *c = note_check(ice, now_us, true);
    ice->probes_left--;
    ice->next_probe_us = now_us + VN_ICE_PROBE_US;
    if (c)
        send_request(ice, ice->selected, &c->txid, false, VN_UDP_PAYLOAD_MAX_BYTES);
}

/* ---- nomination ---- */

void vn_ice_select(struct vn_ice *ice, struct vn_ice_pair *p, uint64_t now_us)
{
    ice->selected = p;
    p->nominating = true;
    ice->last_answer_us = now_us;
    ice->probes_left = VN_ICE_PROBE_COUNT;
    ice->next_probe_us = now_us;
    if (ice->state == VN_ICE_CHECKING)
        vn_ice_set_state(ice, VN_ICE_SELECTED);
}

static bool is_pending(const struct vn_ice_pair *p)
{
    return p->state == VN_ICE_PAIR_WAITING || p->state == VN_ICE_PAIR_IN_PROGRESS;
}

/* Until when a better pair than this valid one is waited for; 0: none can come. A direct one is
 * worth more patience. */
static uint64_t patience(const struct vn_ice *ice, const struct vn_ice_pair *best)
{
    uint64_t wait = 0;
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct vn_ice_pair *p = &ice->pairs[i];
        if (is_pending(p) && p->priority > best->priority)
            wait = VN_MAX(wait, vn_ice_is_relayed(ice, best) && !vn_ice_is_relayed(ice, p)
                                    ? (uint64_t)VN_ICE_NOMINATE_RELAY_US
                                    : (uint64_t)VN_ICE_NOMINATE_WAIT_US);
    }
    return wait ? ice->first_valid_us + wait : 0;
}

/*
 * Regular nomination (RFC 8445 section 8.1.1): of the valid pairs the best, as soon as no better
 * one can still come, or a short while after the first.
 */
static void nominate(struct vn_ice *ice, uint64_t now_us)
{
    struct vn_ice_pair *best = NULL;
    ice->nominate_us = UINT64_MAX;
    if (!ice->controlling || ice->state != VN_ICE_CHECKING || !ice->first_valid_us)
        return;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct vn_ice_pair *p = &ice->pairs[i];
        if (p->nominating && is_pending(p))
            return; /* under way */
        if (vn_ice_wants_rtt(ice, p))
            begin_check(ice, p, now_us);
        if (p->valid && p->state == VN_ICE_PAIR_SUCCEEDED && vn_ice_is_better(ice, p) &&
            (!best || p->priority > best->priority))
            best = p;
    }
    if (!best)
        return;
    const uint64_t until_us = patience(ice, best);
    if (now_us < until_us) {
        ice->nominate_us = until_us;
        return;
    }
    best->nominating = true;
    begin_check(ice, best, now_us);
}

/* ---- time ---- */

static struct vn_ice_pair *next_check(struct vn_ice *ice)
{
    struct vn_ice_pair *triggered = NULL, *ordinary = NULL;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct vn_ice_pair *p = &ice->pairs[i];
        if (p->triggered && (!triggered || p->triggered_seq < triggered->triggered_seq))
            triggered = p;
        if (p->state == VN_ICE_PAIR_WAITING && (!ordinary || p->priority > ordinary->priority))
            ordinary = p;
    }
    /* Section 6.1.4.2: triggered checks first. Once a pair is selected the others rest. */
    return triggered ? triggered : ice->selected ? NULL : ordinary;
}

static bool is_retransmitting(const struct vn_ice *ice, const struct vn_ice_pair *p)
{
    return p->state == VN_ICE_PAIR_IN_PROGRESS && (!ice->selected || p == ice->selected);
}

void vn_ice_tick(struct vn_ice *ice, uint64_t now_us)
{
    if (!ice->started || ice->state == VN_ICE_FAILED)
        return;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct vn_ice_pair *p = &ice->pairs[i];
        if (!is_retransmitting(ice, p) || now_us < p->next_us)
            continue;
        if (p->sent < VN_ICE_TRANSMISSIONS) {
            transmit(ice, p, now_us);
        } else {
            p->state = VN_ICE_PAIR_FAILED;
            p->nominating = false;
        }
    }
    if (now_us >= ice->next_pace_us) {
        struct vn_ice_pair *p = next_check(ice);
        if (p) {
            begin_check(ice, p, now_us);
            ice->next_pace_us = now_us + VN_ICE_PACE_US;
        }
    }
    nominate(ice, now_us);
    if (ice->selected && ice->probes_left && now_us >= ice->next_probe_us)
        send_probe(ice, now_us);
    if (!ice->selected && now_us - ice->started_us >= VN_TETHER_CONNECT_MS * 1000ull)
        vn_ice_set_state(ice, VN_ICE_FAILED);
}

uint64_t vn_ice_deadline(const struct vn_ice *ice)
{
    uint64_t at = UINT64_MAX;
    if (!ice->started || ice->state == VN_ICE_FAILED)
        return at;
    bool want_check = false;
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct vn_ice_pair *p = &ice->pairs[i];
        if (is_retransmitting(ice, p))
            at = VN_MIN(at, p->next_us);
        want_check |= p->triggered || (!ice->selected && p->state == VN_ICE_PAIR_WAITING);
    }
    if (want_check)
        at = VN_MIN(at, ice->next_pace_us);
    if (ice->selected)
        return ice->probes_left ? VN_MIN(at, ice->next_probe_us) : at;
    at = VN_MIN(at, ice->started_us + VN_TETHER_CONNECT_MS * 1000ull);
    if (ice->controlling && ice->first_valid_us)
        at = VN_MIN(at, ice->nominate_us);
    return at;
}
