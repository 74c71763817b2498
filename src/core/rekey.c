/*
 * timer           armed by                               disarmed by        fires
 * rekey.timer     tx: the offer is sent (250 ms,         answer, end        offers again; after 5
 *                 doubling)                                                 the worker goes on with
 *                                                                           symmetric steps
 * rekey.old_timer new control keys (60 s)                the next, end      wipes those before
 */
#include "core/rekey.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

/* ---- control keys ---- */

static void old_wipe(struct vn_rekey *r)
{
    vn_ctl_keys_wipe(&r->old);
    r->has_old = false;
}

static void next_wipe(struct vn_rekey *r)
{
    vn_ctl_keys_wipe(&r->next);
    r->has_next = false;
}

static void on_old_timer(void *arg)
{
    struct vn_stream *s = arg;
    old_wipe(&s->rekey);
}

static void change_keys(struct vn_node *n, struct vn_stream *s, const struct vn_ctl_keys *k)
{
    struct vn_rekey *r = &s->rekey;
    r->old = (struct vn_ctl_keys){s->keys.k_ctl_ir, s->keys.k_ctl_ri};
    r->has_old = true;
    s->keys.k_ctl_ir = k->ir;
    s->keys.k_ctl_ri = k->ri;
    vn_timer_arm(&n->timers, &r->old_timer, n->now_ms + VN_EPOCH_KEEP_MS);
    vn_log(VN_LOG_DEBUG, "stream_rekeyed", VN_KV_ID("peer", &s->peer->id),
           VN_KV_U64("handle", s->handle), VN_KV_U64("epoch", r->epoch));
}

/* rx: the source took the step. */
static void adopt(struct vn_node *n, struct vn_stream *s)
{
    change_keys(n, s, &s->rekey.next);
    s->rekey.taken = s->rekey.epoch;
    next_wipe(&s->rekey);
}

vn_status vn_rekey_ctl_open(struct vn_node *n, struct vn_stream *s, struct vn_span bytes,
                            uint8_t *plain, size_t *ret_n)
{
    struct vn_rekey *r = &s->rekey;
    vn_status st =
        vn_control_open(bytes, s->is_tx ? &s->keys.k_ctl_ri : &s->keys.k_ctl_ir, plain, ret_n);
    if (st != VN_OK && r->has_next) {
        st = vn_control_open(bytes, &r->next.ir, plain, ret_n);
        if (st == VN_OK)
            adopt(n, s);
    }
    if (st != VN_OK && r->has_old)
        st = vn_control_open(bytes, s->is_tx ? &r->old.ri : &r->old.ir, plain, ret_n);
    return st;
}

/* ---- source ---- */

static void end_offer(struct vn_node *n, struct vn_rekey *r)
{
    r->dk = vn_kem_free(r->dk);
    vn_timer_disarm(&n->timers, &r->timer);
}

static void send_offer(struct vn_node *n, struct vn_stream *s)
{
    struct vn_rekey *r = &s->rekey;
    Vn__RekeyOffer o = VN__REKEY_OFFER__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    struct vn_span ek = vn_kem_ek(r->dk);
    o.epoch = r->epoch;
    o.ek = (ProtobufCBinaryData){ek.n, (uint8_t *)ek.p};
    m.kind_case = VN__STREAM_CONTROL__KIND_REKEY_OFFER;
    m.rekey_offer = &o;
    vn_ctl_send(n, s, &m);
    uint64_t wait_ms = (uint64_t)VN_STREAM_CTL_RESEND_MS << r->sends++;
    vn_timer_arm(&n->timers, &r->timer, n->now_ms + wait_ms);
}

static void on_timer(void *arg)
{
    struct vn_stream *s = arg;
    if (s->rekey.sends < VN_STREAM_CTL_RESEND_MAX) {
        send_offer(s->node, s);
        return;
    }
    end_offer(s->node, &s->rekey);
    vn_tell_kem(s->node, s, 0, NULL);
}

void vn_rekey_event_due(struct vn_node *n, const struct vn_ev_epoch *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, true);
    if (!s)
        return;
    struct vn_rekey *r = &s->rekey;
    end_offer(n, r); /* the worker no longer waits for it */
    r->epoch = ev->epoch;
    r->sends = 0;
    vn_status st = vn_kem_generate(n->suite->kem, &r->dk);
    if (st == VN_OK) {
        send_offer(n, s);
        return;
    }
    vn_log(VN_LOG_ERROR, "rekey_failed", VN_KV_STATUS(st));
    vn_tell_kem(n, s, 0, NULL);
}

void vn_rekey_on_answer(struct vn_node *n, struct vn_stream *s, const Vn__RekeyAnswer *m)
{
    struct vn_rekey *r = &s->rekey;
    if (!s->is_tx) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (!r->dk || m->epoch != r->epoch)
        return; /* the answer to a repeated offer, or a late one */
    VN_CLEANUP(vn_kem_step_wipe) struct vn_kem_step step = {0};
    struct vn_span ct = VN_SPAN(m->ct.data, m->ct.len);
    if (vn_kem_decapsulate(r->dk, ct, &step.ss) != VN_OK ||
        vn_kem_step_digest(n->suite->hash, vn_kem_ek(r->dk), ct, &step.digest) != VN_OK) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    end_offer(n, r);
    vn_tell_kem(n, s, 0, &step);
}

void vn_rekey_event_tx(struct vn_node *n, const struct vn_ev_kem *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, true);
    if (s)
        change_keys(n, s, &ev->ctl);
}

/* ---- destination ---- */

static void send_answer(struct vn_node *n, struct vn_stream *s)
{
    struct vn_rekey *r = &s->rekey;
    Vn__RekeyAnswer a = VN__REKEY_ANSWER__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    a.epoch = r->epoch;
    a.ct = (ProtobufCBinaryData){r->ct.len, r->ct.p};
    m.kind_case = VN__STREAM_CONTROL__KIND_REKEY_ANSWER;
    m.rekey_answer = &a;
    vn_ctl_send(n, s, &m);
}

static vn_status encapsulate(struct vn_node *n, struct vn_rekey *r, struct vn_span ek,
                             struct vn_kem_step *ret)
{
    vn_buf_done(&r->ct);
    vn_buf_init(&r->ct, VN_CONTROL_PAYLOAD_MAX);
    size_t ct_len = vn_kem_ct_len(n->suite->kem);
    vn_status st = vn_buf_reserve(&r->ct, ct_len);
    if (st == VN_OK)
        st = vn_kem_encapsulate(n->suite->kem, ek, r->ct.p, &ret->ss);
    if (st != VN_OK)
        return st;
    r->ct.len = ct_len;
    return vn_kem_step_digest(n->suite->hash, ek, vn_buf_span(&r->ct), &ret->digest);
}

void vn_rekey_on_offer(struct vn_node *n, struct vn_stream *s, const Vn__RekeyOffer *m)
{
    struct vn_rekey *r = &s->rekey;
    struct vn_span ek = VN_SPAN(m->ek.data, m->ek.len);
    struct vn_hash hash;
    if (s->is_tx || !s->at_worker || ek.n != vn_kem_ek_len(n->suite->kem) || m->epoch == 0 ||
        vn_hash(n->suite->hash, VN_PARTS(ek), &hash) != VN_OK) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    bool again = m->epoch == r->epoch && vn_hash_equal(&hash, &r->ek_hash);
    if (again && r->answered) {
        send_answer(n, s);
        return;
    }
    /* An epoch is offered once; what is not newer was overtaken by a later offer. */
    if (!again && m->epoch <= r->epoch)
        return;
    if (r->epoch &&
        n->now_ms - r->offered_ms < (again ? VN_STREAM_CTL_RESEND_MS / 2 : VN_REKEY_OFFER_MIN_MS)) {
        vn_drop(n, VN_NDROP_LIMIT);
        return;
    }
    r->epoch = m->epoch;
    r->ek_hash = hash;
    r->offered_ms = n->now_ms;
    r->answered = false;
    next_wipe(r);
    VN_CLEANUP(vn_kem_step_wipe) struct vn_kem_step step = {0};
    if (encapsulate(n, r, ek, &step) != VN_OK) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    vn_tell_kem(n, s, ++r->request, &step);
}

void vn_rekey_event_rx(struct vn_node *n, const struct vn_ev_kem *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, false);
    if (!s || ev->request != s->rekey.request)
        return;
    s->rekey.next = ev->ctl;
    s->rekey.has_next = s->rekey.answered = true;
    send_answer(n, s);
}

void vn_rekey_event_begun(struct vn_node *n, const struct vn_ev_epoch *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, false);
    if (s && s->rekey.has_next && s->rekey.epoch == ev->epoch)
        adopt(n, s);
}

/* ---- life ---- */

void vn_rekey_init(struct vn_rekey *r, struct vn_stream *s)
{
    vn_timer_init(&r->timer, on_timer, s);
    vn_timer_init(&r->old_timer, on_old_timer, s);
    vn_buf_init(&r->ct, VN_CONTROL_PAYLOAD_MAX);
}

void vn_rekey_done(struct vn_node *n, struct vn_rekey *r)
{
    end_offer(n, r);
    vn_timer_disarm(&n->timers, &r->old_timer);
    vn_buf_done(&r->ct);
    next_wipe(r);
    old_wipe(r);
}
