/* STUN packets that come in. */
#include <assert.h>

#include "transport/ice_agent.h"
#include "transport/udp.h"

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
    vn_ice_set_controlling(ice, !ice->controlling);
    return true;
}

static int learn_prflx(struct vn_ice *ice, const struct vn_addr *from, uint32_t priority)
{
    int remote = vn_ice_find_remote(ice, from);
    if (remote >= 0)
        return remote;
    if (ice->prflx_count == VN_ICE_PRFLX_MAX)
        return -1;
    ice->prflx_count++;
    ice->remotes[ice->remote_count] = (struct vn_candidate){
        .type = VN_CAND_PRFLX, .priority = priority, .foundation = 0x10000, .addr = *from};
    return (int)ice->remote_count++;
}

enum vn_ice_input vn_ice_take_check(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                    uint32_t priority, bool use_candidate, uint64_t now_us)
{
    int remote = learn_prflx(ice, from, priority);
    struct vn_ice_pair *p = remote >= 0 ? vn_ice_pair_add(ice, local, (size_t)remote) : NULL;
    if (!p)
        return VN_ICE_DROP_LIMIT;
    if (use_candidate && !ice->controlling) {
        p->nominating = true;
        if (p->valid && ice->selected != p)
            vn_ice_select(ice, p, now_us);
    }
    if (ice->selected && ice->selected != p && !use_candidate)
        return VN_ICE_OK;
    switch (p->state) {
    case VN_ICE_PAIR_SUCCEEDED:
        break;
    case VN_ICE_PAIR_IN_PROGRESS:
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
    case VN_ICE_PAIR_WAITING:
    case VN_ICE_PAIR_FAILED:
        p->state = VN_ICE_PAIR_WAITING;
        vn_ice_trigger(ice, p);
        break;
    }
    vn_ice_tick(ice, now_us);
    return VN_ICE_OK;
}

/* Of "ours:theirs", which it is. */
static struct vn_span their_part(const struct vn_ice *ice, struct vn_span username)
{
    const size_t at = strlen(ice->cfg.local.ufrag) + 1;
    return VN_SPAN(username.p + at, username.n - at);
}

static enum vn_ice_input remember(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                  const struct vn_stun_msg *m)
{
    struct vn_ice_early *e = NULL;
    for (size_t i = 0; i < ice->early_count && !e; i++)
        if (ice->early[i].local == local && vn_addr_equal(&ice->early[i].from, from))
            e = &ice->early[i];
    if (!e) {
        if (ice->early_count == VN_ICE_EARLY_MAX)
            return VN_ICE_DROP_LIMIT;
        e = &ice->early[ice->early_count++];
        *e = (struct vn_ice_early){.local = (uint8_t)local, .from = *from};
    }
    e->use_candidate |= m->use_candidate;
    e->priority = m->priority;
    const struct vn_span theirs = their_part(ice, m->username);
    memcpy(e->ufrag, theirs.p, theirs.n);
    e->ufrag[theirs.n] = '\0';
    return VN_ICE_OK;
}

/* "ours:theirs"; theirs is compared once it is known. */
static bool is_for_us(const struct vn_ice *ice, struct vn_span username)
{
    const size_t ours = strlen(ice->cfg.local.ufrag);
    if (username.n < ours + 1 + VN_ICE_UFRAG_MIN || username.n > ours + 1 + VN_ICE_UFRAG_MAX ||
        memcmp(username.p, ice->cfg.local.ufrag, ours) != 0 || username.p[ours] != ':')
        return false;
    const struct vn_span theirs = their_part(ice, username);
    if (ice->started)
        return vn_span_equal(theirs, VN_SPAN_STR(ice->remote_params.ufrag));
    return !memchr(theirs.p, '\0', theirs.n);
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
    return ice->started ? vn_ice_take_check(ice, local, from, m->priority, m->use_candidate, now_us)
                        : remember(ice, local, from, m);
}

/* ---- receiving answers ---- */

static uint32_t take_rtt(struct vn_ice *ice, uint64_t sent_us, uint64_t now_us)
{
    uint32_t rtt = (uint32_t)VN_MIN(now_us - sent_us, (uint64_t)UINT32_MAX / 8);
    rtt = VN_MAX(rtt, 1u);
    if (!ice->min_rtt_us || rtt < ice->min_rtt_us)
        ice->min_rtt_us = rtt;
    /* RFC 6298 section 2 with its alpha of 1/8 */
    ice->srtt_us = ice->srtt_us ? (ice->srtt_us * 7 + rtt) / 8 : rtt;
    return rtt;
}

static bool txid_equal(const struct vn_stun_txid *a, const struct vn_stun_txid *b)
{
    return memcmp(a->b, b->b, VN_STUN_TXID_LEN) == 0;
}

static struct vn_ice_pair *pair_of_txid(struct vn_ice *ice, const struct vn_stun_txid *txid)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct vn_ice_pair *p = &ice->pairs[i];
        if (p->sent && (txid_equal(&p->txid, txid) || txid_equal(&p->txid_before, txid)))
            return p;
    }
    return NULL;
}

/* RFC 8445 section 7.2.5.1: take the other role and try again. */
static void take_role_conflict(struct vn_ice *ice, struct vn_ice_pair *p, uint64_t now_us)
{
    uint64_t tie_breaker;
    if (ice->controlling != p->as_controlling)
        return;
    if (ice->cfg.random->fill(ice->cfg.random->self, &tie_breaker, sizeof(tie_breaker)) == VN_OK)
        ice->tie_breaker = tie_breaker;
    vn_ice_set_controlling(ice, !ice->controlling);
    p->state = VN_ICE_PAIR_WAITING;
    vn_ice_trigger(ice, p);
    vn_ice_tick(ice, now_us);
}

/* Section 7.2.5.3 */
static void take_success(struct vn_ice *ice, struct vn_ice_pair *p, const struct vn_stun_msg *m,
                         uint64_t now_us)
{
    bool current = txid_equal(&p->txid, &m->txid);
    if (current && !p->resent)
        p->rtt_us = take_rtt(ice, p->sent_us, now_us);
    p->valid = true;
    p->mapped = m->mapped;
    p->mapped_differs = !vn_addr_equal(&m->mapped, &ice->locals[p->local].addr);
    if (!ice->first_valid_us)
        ice->first_valid_us = now_us;
    /*
     * An answer to the check before leaves the present one under way: it may be the nominating one,
     * and to begin that anew at every such answer would never end.
     */
    if (current || p->state == VN_ICE_PAIR_WAITING) {
        p->state = VN_ICE_PAIR_SUCCEEDED;
        p->triggered = false;
    }
    if (ice->selected == p)
        ice->last_answer_us = now_us;
    /* Controlling: our USE-CANDIDATE was answered. Controlled: the peer's came before our check
     * succeeded. */
    bool nominated = p->nominating && (!ice->controlling || (current && p->with_use_candidate));
    if (nominated && ice->selected != p)
        vn_ice_select(ice, p, now_us);
    vn_ice_tick(ice, now_us);
}

static enum vn_ice_input take_answer(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                     const struct vn_stun_msg *m, uint64_t now_us)
{
    struct vn_ice_sent *check = NULL;
    struct vn_ice_pair *p = NULL;
    for (size_t i = 0; i < VN_CONSENT_TXIDS && !check; i++)
        if (ice->checks[i].at_us && txid_equal(&ice->checks[i].txid, &m->txid))
            check = &ice->checks[i];
    p = check ? ice->selected : pair_of_txid(ice, &m->txid);
    if (!p)
        return VN_ICE_DROP_UNKNOWN;
    if (vn_stun_verify(m, VN_SPAN_STR(ice->remote_params.pwd)) != VN_OK)
        return VN_ICE_DROP_AUTH;
    /* Section 7.2.5.2.1: the answer must come from where the check went to. */
    struct vn_addr to = vn_ice_remote_addr(ice, p);
    if (p->local != local || !vn_addr_equal(&to, from))
        return VN_ICE_DROP_UNKNOWN;
    ice->last_heard_us = now_us;
    if (check) {
        if (m->cls == VN_STUN_SUCCESS) {
            (void)take_rtt(ice, check->at_us, now_us);
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
        p->state = VN_ICE_PAIR_FAILED;
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
