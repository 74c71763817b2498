/*
 * timer          armed by                            disarmed by       fires
 * inband.timer   the control channel is down         it is up again    KEEP on every tether
 *                (20 s)
 */
#include "core/inband.h"

#include "core/node_i.h"
#include "wire/inband.h"

/* ---- sending ---- */

static void send_on(struct vn_node *n, const struct vn_hop *h, const struct vn_inband *m)
{
    n->inband.sent += m->kind == VN_INBAND_SENT;
    struct vn_buf buf;
    vn_buf_init(&buf, VN_INBAND_HEAD_MAX + VN_CONTROL_PAYLOAD_MAX);
    size_t cap = VN_INBAND_HEAD_MAX + m->message.n;
    if (vn_buf_reserve(&buf, cap) == VN_OK) {
        struct vn_writer w = vn_writer_of(buf.p, cap);
        vn_inband_encode(&w, m);
        if (vn_writer_ok(&w))
            vn_tell_tether_send(n, h->handle, VN_HOP_SIGNAL, 0, vn_writer_span(&w));
    }
    vn_buf_done(&buf);
}

static struct vn_hop *hop_to(struct vn_node *n, const struct vn_id *id)
{
    struct vn_peer *p = vn_peer_get(n, id);
    return p && p->hop && p->hop->state == VN_HOP_UP ? p->hop : NULL;
}

static bool control_up(const struct vn_node *n)
{
    return n->session.control == VN_CONTROL_UP;
}

/* It may be the owner itself, or has a tether to him. */
static bool worth_asking(const struct vn_node *n, const struct vn_hop *h, enum vn_subject_kind kind)
{
    return h->state == VN_HOP_UP && !h->restarting &&
           (kind == VN_SUBJ_OWN || vn_relaying_may(n, h->peer->cert));
}

/* To some neighbours, by lot where there are many. */
static void fan_out(struct vn_node *n, const struct vn_inband *m)
{
    size_t count = 0, at = 0;
    uint32_t lot = 0;
    VN_LIST_EACH(it, &n->hops.list)
    count += worth_asking(n, VN_LIST_ENTRY(it, struct vn_hop, all), m->subject);
    if (count == 0 || vn_random_fill(n, &lot, sizeof(lot)) != VN_OK)
        return;
    VN_LIST_EACH(it, &n->hops.list)
    {
        struct vn_hop *h = VN_LIST_ENTRY(it, struct vn_hop, all);
        if (worth_asking(n, h, m->subject) && (at++ + lot) % count < VN_INBAND_FANOUT)
            send_on(n, h, m);
    }
}

/* Its recipient, or else whoever may find him. True: Master need not have it. */
static bool send_in(struct vn_node *n, const struct vn_subject *to, const struct vn_inband *m)
{
    const struct vn_peer *p = vn_peer_get(n, &to->name);
    const struct vn_id *via = !vn_id_is_zero(&to->via) ? &to->via : NULL;
    uint64_t age_ms = 0;
    if (!via && p && !vn_id_is_zero(&p->via)) {
        via = &p->via;
        age_ms = n->now_ms - p->via_ms;
    }
    if (age_ms > VN_INBAND_MEMORY_MS)
        via = NULL;
    if (!via && control_up(n))
        return false;
    struct vn_hop *direct = hop_to(n, &to->name);
    const struct vn_hop *back = via ? hop_to(n, via) : NULL;
    if (direct && !direct->restarting) {
        send_on(n, direct, m);
        return !control_up(n) || age_ms <= VN_INBAND_FRESH_MS;
    }
    if (direct) /* its path may be what is broken: the others are tried too */
        send_on(n, direct, m);
    if (back && back != direct && age_ms <= VN_INBAND_FRESH_MS) {
        send_on(n, back, m);
        return true;
    }
    if (!control_up(n)) {
        fan_out(n, m);
        return true;
    }
    if (back && back != direct)
        send_on(n, back, m);
    return false;
}

bool vn_inband_send(struct vn_node *n, const struct vn_subject *to, struct vn_span message)
{
    const struct vn_inband m = {
        .kind = VN_INBAND_SENT, .subject = to->kind, .name = to->name, .message = message};
    if (vn_id_equal(&to->name, &n->session.cred->realm.gid))
        return false; /* Guardian has no tethers */
    if (to->kind == VN_SUBJ_IN)
        return send_in(n, to, &m);
    if (control_up(n))
        return false;
    fan_out(n, &m);
    return true;
}

bool vn_inband_any(const struct vn_node *n)
{
    VN_LIST_EACH(it, &n->hops.list)
    {
        if (worth_asking(n, VN_LIST_ENTRY(it, struct vn_hop, all), VN_SUBJ_OWN))
            return true;
    }
    return false;
}

void vn_inband_heard(struct vn_node *n, const struct vn_subject *subj)
{
    struct vn_peer *p = vn_peer_get(n, &subj->src);
    if (!p)
        return;
    p->via = subj->via;
    p->via_ms = n->now_ms;
}

/* ---- passing on, once ---- */

static bool owns_name(const struct vn_node *n, const struct vn_identity *id,
                      const struct vn_id *name)
{
    const struct vn_secret32 *key = &n->session.cred->realm.name_key;
    enum vn_hash_alg alg = n->suite->hash;
    struct vn_id h;
    if (vn_name_hash(alg, key, VN_NAME_ID, VN_SPAN_ARRAY(id->node.b), &h) == VN_OK &&
        vn_id_equal(&h, name))
        return true;
    if (id->tag[0] && vn_name_hash(alg, key, VN_NAME_TAG, VN_SPAN_STR(id->tag), &h) == VN_OK &&
        vn_id_equal(&h, name))
        return true;
    for (size_t i = 0; i < id->addr_count; i++) {
        if (vn_name_hash_ip(alg, key, &id->addrs[i], &h) == VN_OK && vn_id_equal(&h, name))
            return true;
    }
    return false;
}

static void pass_to(struct vn_node *n, const struct vn_hop *from, const struct vn_hop *to,
                    const struct vn_inband *m)
{
    struct vn_inband on = *m;
    on.kind = VN_INBAND_PASSED;
    on.src = from->peer->id;
    n->inband.passed++;
    send_on(n, to, &on);
}

static void pass_to_owners(struct vn_node *n, const struct vn_hop *from, const struct vn_inband *m)
{
    size_t count = 0;
    VN_LIST_EACH(it, &n->hops.list)
    {
        const struct vn_hop *h = VN_LIST_ENTRY(it, struct vn_hop, all);
        if (h != from && h->state == VN_HOP_UP && count < VN_INBAND_FANOUT &&
            owns_name(n, h->peer->cert, &m->name)) {
            pass_to(n, from, h, m);
            count++;
        }
    }
}

static void pass_on(struct vn_node *n, struct vn_hop *from, const struct vn_inband *m)
{
    if (!vn_relaying_allowed(n)) {
        vn_drop(n, VN_NDROP_INBAND);
        return;
    }
    if (!vn_bucket_take(&from->passes, VN_INBAND_PASS_RATE, VN_INBAND_PASS_BURST, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    if (m->subject == VN_SUBJ_OWN) {
        pass_to_owners(n, from, m);
        return;
    }
    const struct vn_hop *to = hop_to(n, &m->name);
    if (!to)
        vn_drop(n, VN_NDROP_INBAND); /* as Master does with who is not there */
    else if (to == from)
        vn_drop(n, VN_NDROP_LOOP);
    else
        pass_to(n, from, to, m);
}

/* ---- receiving ---- */

static bool is_ours(const struct vn_node *n, const struct vn_inband *m)
{
    if (m->subject == VN_SUBJ_IN)
        return vn_id_equal(&m->name, &n->session.self);
    return vn_own_has_name(n, VN_SUBJ_OWN, &m->name);
}

static void on_keep(struct vn_node *n, struct vn_hop *h, uint32_t ms)
{
    h->kept_until_ms = n->now_ms + VN_MIN(ms, (uint32_t)VN_KEEP_MS);
    vn_timer_disarm(&n->timers, &h->idle);
    vn_hop_check_use(n, h);
}

void vn_inband_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes)
{
    struct vn_inband m;
    if (vn_inband_decode(bytes, &m) != VN_OK || m.message.n > VN_CONTROL_PAYLOAD_MAX) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (!vn_bucket_take(&h->signals, VN_INBAND_RATE, VN_INBAND_BURST, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    if (m.kind == VN_INBAND_KEEP) {
        on_keep(n, h, m.keep_ms);
        return;
    }
    bool ours = is_ours(n, &m), passed = m.kind == VN_INBAND_PASSED;
    /* What was passed on once goes no further, nor comes from who has a tether of his own. */
    if (passed &&
        (!ours || vn_id_equal(&m.src, &h->peer->id) || vn_id_equal(&m.src, &n->session.self))) {
        vn_drop(n, VN_NDROP_LOOP);
        return;
    }
    const struct vn_id id = h->peer->id;
    if (!passed && (!ours || m.subject == VN_SUBJ_OWN))
        pass_on(n, h, &m);
    if (!ours)
        return;
    n->inband.received++;
    vn_inbox_inband(n,
                    &(struct vn_subject){
                        .kind = m.subject, .name = m.name, .src = passed ? m.src : id, .via = id},
                    m.message);
}

/* ---- tethers that nothing uses, but are a way to others ---- */

bool vn_inband_wants(const struct vn_node *n, const struct vn_hop *h)
{
    return n->state == VN_NODE_ONLINE && h->state == VN_HOP_UP && !control_up(n);
}

static void keep(struct vn_node *n, const struct vn_hop *h)
{
    if (h->state == VN_HOP_UP)
        send_on(n, h,
                &(struct vn_inband){.kind = VN_INBAND_KEEP,
                                    .keep_ms = vn_inband_wants(n, h) ? VN_KEEP_MS : 0});
}

static void on_timer(void *arg)
{
    struct vn_node *n = arg;
    VN_LIST_EACH(it, &n->hops.list)
    keep(n, VN_LIST_ENTRY(it, struct vn_hop, all));
    if (control_up(n))
        vn_timer_disarm(&n->timers, &n->inband.timer);
    else
        vn_timer_arm(&n->timers, &n->inband.timer, n->now_ms + VN_KEEP_EVERY_MS);
}

void vn_inband_tether_up(struct vn_node *n, struct vn_hop *h)
{
    if (control_up(n))
        return;
    keep(n, h);
    vn_queries_kick(n);
}

void vn_inband_control(struct vn_node *n)
{
    on_timer(n);
    VN_LIST_EACH(it, &n->hops.list)
    vn_hop_check_use(n, VN_LIST_ENTRY(it, struct vn_hop, all));
}

void vn_inband_init(struct vn_node *n)
{
    vn_timer_init(&n->inband.timer, on_timer, n);
}

void vn_inband_done(struct vn_node *n)
{
    vn_timer_disarm(&n->timers, &n->inband.timer);
}
