#include "core/relay.h"

#include "core/node_i.h"

#define DESC_WAIT_MS 3000u

vn_status vn_relaying_init(struct vn_node *n)
{
    vn_bucket_init(&n->relaying.opens, VN_SETUP_OPEN_BURST, n->now_ms);
    return vn_map_new(sizeof(uint32_t), VN_RELAY_CIRCUITS_MAX, &n->relaying.by_handle);
}

void vn_relaying_done(struct vn_node *n)
{
    n->relaying.by_handle = vn_map_free(n->relaying.by_handle);
}

static struct vn_onward *onward_free(struct vn_onward *o)
{
    if (o) {
        vn_buf_done(&o->blob);
        vn_wipe(o, sizeof(*o));
    }
    free(o);
    return NULL;
}

/* ---- a SETUP ---- */

/* Opens our slot of it; false after counting why not. */
static bool open_slot(struct vn_node *n, const struct vn_circuit_msg *m, uint8_t *ret_next,
                      struct vn_setup_open *ret)
{
    uint8_t kid[VN_KID_LEN];
    const struct vn_eks *e = NULL;
    if (vn_setup_kid(n->suite, m->blob, kid) == VN_OK)
        e = vn_own_eks(n, kid);
    if (!e || vn_setup_open(n->suite, e->dk, m->blob, ret_next, ret) != VN_OK) {
        vn_drop(n, VN_NDROP_SEAL);
        return false;
    }
    uint64_t now = vn_protocol_now(n), t = ret->time_ms;
    if ((t > now ? t - now : now - t) > VN_ENVELOPE_FRESH_MS) {
        vn_drop(n, VN_NDROP_STALE);
        return false;
    }
    if (vn_seen_has(n, &n->session.self, ret->nonce)) {
        vn_drop(n, VN_NDROP_REPLAY);
        return false;
    }
    vn_seen_put(n, &n->session.self, ret->nonce);
    return true;
}

bool vn_relaying_may(const struct vn_node *n, const struct vn_identity *who)
{
    return vn_identity_may(who, VN_RIGHT_RELAY) && n->session.cred->realm.relay != VN_RELAYS_NONE;
}

bool vn_relaying_allowed(const struct vn_node *n)
{
    bool rule = n->session.cred->realm.relay != VN_RELAYS_PUBLIC || n->cfg.public;
    return !n->cfg.no_relay && rule && vn_relaying_may(n, n->session.own);
}

static void end_here(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m,
                     const struct vn_setup_open *o)
{
    struct vn_circuit *c = vn_circuit_make(n, h, false, m->request);
    if (!c) {
        vn_circuit_refuse_setup(n, h, m->request, VN_REFUSE_LIMIT);
        return;
    }
    c->rev = m->reverse_label;
    c->bind = o->bind;
    c->sealed = true;
    vn_circuit_accept(n, c);
}

static void ask_descriptor(struct vn_node *n, struct vn_circuit *in)
{
    vn_timer_arm(&n->timers, &in->timer, n->now_ms + DESC_WAIT_MS);
    vn_circuit_send(n, in->hop,
                    &(struct vn_circuit_msg){.type = VN_CIRCUIT_NEED_DESC,
                                             .request = in->request,
                                             .mark = VN_SPAN_ARRAY(in->onward->keys.mark)});
}

static void refuse_in(struct vn_node *n, struct vn_circuit *in, enum vn_circuit_reason why)
{
    vn_circuit_refuse_setup(n, in->hop, in->request, why);
    vn_relay_half_gone(n, in, VN_RELAY_REFUSED, why);
    vn_circuit_close(n, in, false);
}

/* On to the next node, over the tether to it or one that is made now. */
static void go_on(struct vn_node *n, struct vn_circuit *in)
{
    struct vn_onward *o = in->onward;
    struct vn_peer *p = vn_peer_get(n, &o->next);
    if (!p || (!p->hop && !vn_peer_fresh(n, p))) {
        ask_descriptor(n, in);
        return;
    }
    if (vn_quarantine_refuses(n, p->cert)) {
        refuse_in(n, in, VN_REFUSE_POLICY);
        return;
    }
    if ((!p->hop && vn_hop_offer(n, p) != VN_OK) ||
        p->hop->circuit_count >= VN_LABELS_PER_NEIGHBOUR_MAX) {
        refuse_in(n, in, VN_REFUSE_LIMIT);
        return;
    }
    struct vn_circuit *out = vn_circuit_make(n, p->hop, true, 0);
    if (!out) {
        refuse_in(n, in, VN_REFUSE_LIMIT);
        return;
    }
    vn_timer_disarm(&n->timers, &in->timer);
    out->sealed = true;
    out->hops = (uint8_t)(in->hops - 1);
    out->blob = o->blob;
    vn_buf_init(&o->blob, 0);
    in->onward = onward_free(o);
    in->link = out;
    out->link = in;
    vn_circuit_begin(n, out);
}

static void pass_on(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m,
                    const struct vn_setup_open *o, const uint8_t *next)
{
    /* Each node of a path is there once, and no path has more nodes than a blob has slots. */
    if (m->hops == 0 || vn_id_equal(&o->next, &n->session.self) ||
        vn_id_equal(&o->next, &h->peer->id)) {
        vn_drop(n, VN_NDROP_LOOP);
        return;
    }
    if (!vn_relaying_allowed(n)) {
        vn_circuit_refuse_setup(n, h, m->request, VN_REFUSE_POLICY);
        return;
    }
    struct vn_onward *w = n->relaying.count < VN_RELAY_CIRCUITS_MAX ? calloc(1, sizeof(*w)) : NULL;
    struct vn_circuit *in = w ? vn_circuit_make(n, h, false, m->request) : NULL;
    if (!in) {
        free(w);
        vn_circuit_refuse_setup(n, h, m->request, VN_REFUSE_LIMIT);
        return;
    }
    n->relaying.count++;
    in->rev = m->reverse_label;
    in->sealed = true;
    in->hops = m->hops;
    in->state = VN_CIRCUIT_EXPECT_NEXT;
    in->onward = w;
    w->next = o->next;
    w->keys = o->keys;
    vn_buf_init(&w->blob, VN_SETUP_BLOB_MAX);
    if (vn_buf_append(&w->blob, next, m->blob.n) != VN_OK)
        refuse_in(n, in, VN_REFUSE_LIMIT);
    else
        go_on(n, in);
}

void vn_relay_on_setup(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    uint8_t next[VN_SETUP_BLOB_MAX];
    struct vn_setup_open o;
    if (!vn_bucket_take(&n->relaying.opens, VN_SETUP_OPEN_RATE, VN_SETUP_OPEN_BURST, n->now_ms)) {
        vn_circuit_refuse_setup(n, h, m->request, VN_REFUSE_LIMIT);
        return;
    }
    if (!open_slot(n, m, next, &o))
        return;
    if (o.kind == VN_SETUP_END)
        end_here(n, h, m, &o);
    else
        pass_on(n, h, m, &o, next);
    vn_wipe(&o.keys, sizeof(o.keys));
}

/* ---- descriptors that are missing on the way ---- */

void vn_relay_on_need_desc(struct vn_node *n, struct vn_circuit *out,
                           const struct vn_circuit_msg *m)
{
    if (out->state != VN_CIRCUIT_EXPECT_ACCEPT || out->asked++ >= VN_CIRCUIT_RELAYS_MAX) {
        vn_drop(n, VN_NDROP_CIRCUIT);
        return;
    }
    vn_circuit_send(n, out->link->hop,
                    &(struct vn_circuit_msg){.type = VN_CIRCUIT_NEED_DESC,
                                             .request = out->link->request,
                                             .mark = m->mark});
}

/* The descriptor that we asked for. */
static void learn(struct vn_node *n, struct vn_circuit *in, struct vn_span sealed)
{
    struct vn_checked_desc d = {0};
    vn_status st = sealed.n <= VN_AEAD_TAG_LEN ? VN_ERR_MALFORMED : VN_OK;
    size_t len = st == VN_OK ? sealed.n - VN_AEAD_TAG_LEN : 0;
    uint8_t *plain = st == VN_OK ? malloc(len) : NULL;
    if (st == VN_OK)
        st = plain ? vn_setup_desc_open(&in->onward->keys, sealed, plain) : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = vn_desc_check(n, &in->onward->next, VN_SPAN(plain, len), &d);
    if (st == VN_OK && !vn_peer_learn_desc(n, &d))
        st = VN_ERR_LIMIT;
    vn_checked_cert_done(&d.cert);
    free(plain);
    const struct vn_peer *p = vn_peer_get(n, &in->onward->next);
    if (st == VN_OK && p && vn_peer_fresh(n, p)) {
        go_on(n, in);
        return;
    }
    vn_drop(n, VN_NDROP_CERT);
    refuse_in(n, in, VN_REFUSE_NO_ROUTE);
}

void vn_relay_on_desc(struct vn_node *n, struct vn_circuit *in, const struct vn_circuit_msg *m)
{
    if (in->onward && memcmp(in->onward->keys.mark, m->mark.p, VN_SETUP_MARK_LEN) == 0) {
        learn(n, in, m->blob);
    } else if (in->link && in->link->state == VN_CIRCUIT_EXPECT_ACCEPT && in->link->asked) {
        in->link->asked--;
        vn_circuit_send(n, in->link->hop,
                        &(struct vn_circuit_msg){.type = VN_CIRCUIT_DESC,
                                                 .request = in->link->request,
                                                 .mark = m->mark,
                                                 .blob = m->blob});
    } else {
        vn_drop(n, VN_NDROP_CIRCUIT);
    }
}

/* ---- it may, or not any more ---- */

void vn_relaying_recheck(struct vn_node *n)
{
    if (vn_relaying_allowed(n))
        return;
    VN_LIST_EACH(it, &n->hops.list)
    {
        struct vn_hop *h = VN_LIST_ENTRY(it, struct vn_hop, all);
        VN_LIST_EACH(ct, &h->circuits)
        {
            struct vn_circuit *c = VN_LIST_ENTRY(ct, struct vn_circuit, of_hop);
            if (c->out || (!c->link && !c->onward))
                continue;
            if (c->state == VN_CIRCUIT_UP) {
                vn_relay_half_gone(n, c, VN_RELAY_TORN, VN_REFUSE_POLICY);
                vn_circuit_close(n, c, true);
            } else {
                refuse_in(n, c, VN_REFUSE_POLICY);
            }
        }
    }
}

/* ---- there ---- */

void vn_relay_on_accept(struct vn_node *n, struct vn_circuit *out)
{
    struct vn_circuit *in = out->link;
    in->relay = vn_next_handle(n);
    if (vn_map_put(n->relaying.by_handle, &in->relay, in) != VN_OK) {
        in->relay = 0;
        refuse_in(n, in, VN_REFUSE_LIMIT);
        return;
    }
    n->relaying.accepted++;
    vn_tell_relay_open(n, in);
    vn_circuit_accept(n, in); /* behind it: the worker knows the label before a frame comes */
}

void vn_relay_event_idle(struct vn_node *n, uint32_t handle)
{
    struct vn_circuit *in = vn_map_get(n->relaying.by_handle, &handle);
    if (!in)
        return;
    vn_relay_half_gone(n, in, VN_RELAY_TORN, VN_REFUSE_NO_ROUTE);
    vn_circuit_close(n, in, true);
}

/* ---- the end ---- */

static void in_done(struct vn_node *n, struct vn_circuit *in)
{
    n->relaying.count--;
    in->onward = onward_free(in->onward);
    if (!in->relay)
        return;
    (void)vn_map_take(n->relaying.by_handle, &in->relay);
    vn_tell_handle(n, VN_CMD_RELAY_CLOSE, in->relay);
}

static void tell_other(struct vn_node *n, struct vn_circuit *c, enum vn_relay_end why,
                       enum vn_circuit_reason reason)
{
    bool up = c->state == VN_CIRCUIT_UP;
    if (up && why == VN_RELAY_FAILED)
        vn_hop_report(n, c->hop, c->out ? c->fwd : c->rev);
    else if (!c->out && !up)
        vn_circuit_refuse_setup(n, c->hop, c->request, reason);
    vn_circuit_close(n, c, up && why != VN_RELAY_FAILED);
}

void vn_relay_half_gone(struct vn_node *n, struct vn_circuit *half, enum vn_relay_end why,
                        enum vn_circuit_reason reason)
{
    struct vn_circuit *other = half->link;
    if (!other && !half->onward && !half->relay)
        return;
    half->link = NULL;
    if (other)
        other->link = NULL;
    in_done(n, half->out ? other : half);
    if (other)
        tell_other(n, other, why, reason);
}

void vn_relay_forget(struct vn_circuit *half)
{
    if (half->link)
        half->link->link = NULL;
    half->link = NULL;
    half->onward = onward_free(half->onward);
}
