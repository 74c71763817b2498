/* Questions and answers about relays, and what neighbours tell of themselves (core/places.h). */
#include "core/node_i.h"

/* ---- sending ---- */

static void about_us(const struct vn_node *n, struct vn_path_msg *m)
{
    vn_places_own(n, &m->place);
    m->headroom = vn_places_own_headroom(n);
}

static vn_status encode(const struct vn_path_msg *m, struct vn_buf *ret)
{
    size_t most = VN_PATH_REPLY_LEN(VN_PATH_TOLD_MAX) + m->descriptor.n + m->statement.n;
    vn_status st = vn_buf_reserve(ret, most);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p, most);
    vn_path_encode(&w, m);
    ret->len = vn_writer_span(&w).n;
    return vn_writer_ok(&w) ? VN_OK : VN_ERR_LIMIT;
}

/* h: over its tether; else to dst over Master, NULL: to whom that draws. */
static void send(struct vn_node *n, struct vn_hop *h, const struct vn_id *dst,
                 const struct vn_path_msg *m)
{
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    vn_status st = encode(m, &b);
    if (st == VN_OK && h)
        vn_tell_tether_send(n, h->handle, VN_HOP_PATH, 0, vn_buf_span(&b));
    else if (st == VN_OK)
        st = vn_outbox_member(n, VN_T_PATH, dst, vn_buf_span(&b));
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "path_failed", VN_KV_U64("type", m->type), VN_KV_STATUS(st));
}

/* ---- questions ---- */

static void ask(struct vn_node *n, struct vn_hop *h, const struct vn_id *dst,
                const struct vn_id *of)
{
    struct vn_places *s = &n->places;
    struct vn_path_msg m = {.type = VN_PATH_QUERY};
    if (vn_random_fill(n, &m.request, sizeof(m.request)) != VN_OK)
        return;
    m.request |= 1;
    if (of)
        m.of = *of;
    struct vn_path_asked *a = &s->asked[s->asked_next++ % VN_PATH_ASKED_MAX];
    *a = (struct vn_path_asked){
        .request = m.request, .of = m.of, .statement = vn_relay_policy_by_taint(n)};
    if (a->statement)
        m.flags |= VN_PATH_STATEMENT;
    if (h)
        a->to = h->peer->id;
    else if (dst)
        a->to = *dst;
    about_us(n, &m);
    send(n, h, dst, &m);
}

/* A neighbour by lot, of those that relay. */
static struct vn_hop *some_neighbour(struct vn_node *n)
{
    struct vn_hop *chosen = NULL;
    uint64_t count = 0;
    VN_LIST_EACH(it, &n->hops.list)
    {
        struct vn_hop *h = VN_LIST_ENTRY(it, struct vn_hop, all);
        if (h->state == VN_HOP_UP && vn_book_find(&n->places.book, vn_place_key(&h->peer->id)) &&
            vn_dice_below(&n->places.dice, ++count) == 0)
            chosen = h;
    }
    return chosen;
}

void vn_path_ask_around(struct vn_node *n)
{
    struct vn_hop *h = some_neighbour(n);
    if (n->session.control == VN_CONTROL_UP)
        ask(n, NULL, NULL, NULL);
    if (h)
        ask(n, h, NULL, NULL);
}

void vn_path_ask_descriptor(struct vn_node *n, const struct vn_place_known *k)
{
    const struct vn_peer *self = vn_peer_get(n, &k->node), *told = vn_peer_get(n, &k->from);
    struct vn_hop *to_self = self && self->hop && self->hop->state == VN_HOP_UP ? self->hop : NULL;
    struct vn_hop *to_told = told && told->hop && told->hop->state == VN_HOP_UP ? told->hop : NULL;
    if (to_self)
        ask(n, to_self, NULL, &k->node);
    else if (n->session.control == VN_CONTROL_UP)
        ask(n, NULL, &k->node, &k->node);
    else if (to_told)
        ask(n, to_told, NULL, &k->node);
}

void vn_path_send_digest(struct vn_node *n, struct vn_hop *h)
{
    struct vn_path_msg m = {.type = VN_PATH_DIGEST};
    h->digest_ms = n->now_ms;
    about_us(n, &m);
    h->told_headroom = m.headroom;
    m.told_count = VN_MIN(vn_places_near(n, &h->peer->id, m.told), (size_t)VN_DIGEST_TOLD_MAX);
    send(n, h, NULL, &m);
}

/* ---- answers ---- */

/* Of ours, or of a relay that the asker has heard of through us. */
static struct vn_span descriptor_of(struct vn_node *n, const struct vn_id *of, bool neighbour)
{
    if (vn_id_equal(of, &n->session.self))
        return vn_relaying_allowed(n) ? vn_buf_span(&n->session.descriptor) : VN_SPAN_NONE;
    const struct vn_peer *p = neighbour ? vn_peer_get(n, of) : NULL;
    if (!p || !vn_peer_fresh(n, p) || !vn_places_known(n, vn_place_key(of)) ||
        vn_revocation_refuses_node(n, of))
        return VN_SPAN_NONE;
    return VN_SPAN(p->descriptor.p, p->descriptor.n);
}

static void on_query(struct vn_node *n, struct vn_hop *h, const struct vn_id *src,
                     const struct vn_path_msg *q)
{
    struct vn_path_msg m = {.type = VN_PATH_REPLY, .request = q->request};
    if (!vn_bucket_take(&n->places.answers, VN_PATH_ANSWERS_RATE, VN_PATH_ANSWERS_BURST,
                        n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    vn_places_hear_self(n, src, &q->place, q->headroom);
    if (vn_id_is_zero(&q->of)) {
        m.told_count = vn_places_near(n, src, m.told);
    } else {
        m.descriptor = descriptor_of(n, &q->of, h != NULL);
        if (m.descriptor.n == 0) {
            vn_drop(n, VN_NDROP_PATH);
            return;
        }
    }
    /* Of ourselves only: what a neighbour carries is its own to show. */
    if ((q->flags & VN_PATH_STATEMENT) && vn_relaying_allowed(n) &&
        (vn_id_is_zero(&q->of) || vn_id_equal(&q->of, &n->session.self)))
        m.statement = vn_generation_statement(n, vn_generation_now(n));
    about_us(n, &m);
    n->places.told++;
    send(n, h, src, &m);
}

/* ---- what others tell ---- */

static void hear_all(struct vn_node *n, const struct vn_id *src, const struct vn_path_msg *m)
{
    vn_places_hear_self(n, src, &m->place, m->headroom);
    for (size_t i = 0; i < m->told_count; i++)
        if (!vn_id_equal(&m->told[i].node, src))
            vn_places_hear(n, &m->told[i].node, &m->told[i].place, src);
    n->places.heard += m->told_count;
}

static void learn_descriptor(struct vn_node *n, const struct vn_id *of, struct vn_span bytes)
{
    struct vn_checked_desc d = {0};
    vn_status st = vn_desc_check(n, of, bytes, &d);
    if (st == VN_OK && vn_quarantine_refuses(n, d.cert.id))
        vn_drop(n, VN_NDROP_QUARANTINE);
    else if (st == VN_OK && vn_peer_learn_desc(n, &d)) {
        vn_places_answered(n, of);
        vn_route_relay_known(n);
    } else
        vn_drop(n, VN_NDROP_CERT);
    vn_checked_cert_done(&d.cert);
}

static void on_reply(struct vn_node *n, const struct vn_id *src, const struct vn_path_msg *m)
{
    struct vn_places *s = &n->places;
    struct vn_path_asked *a = NULL;
    for (size_t i = 0; i < VN_PATH_ASKED_MAX; i++)
        if (s->asked[i].request == m->request)
            a = &s->asked[i];
    if (m->request == 0 || !a || (!vn_id_is_zero(&a->to) && !vn_id_equal(&a->to, src)) ||
        vn_id_is_zero(&a->of) != (m->descriptor.n == 0) || (m->statement.n && !a->statement)) {
        vn_drop(n, VN_NDROP_PATH);
        return;
    }
    struct vn_id of = a->of;
    a->request = 0;
    hear_all(n, src, m);
    if (m->descriptor.n)
        learn_descriptor(n, &of, m->descriptor);
    else if ((m->place.flags & VN_PLACE_RELAYS) && n->streams.tx_count > 0 &&
             vn_places_ready(n) < VN_PATH_READY_MIN)
        vn_places_want(n, src);
    struct vn_peer *p = m->statement.n ? vn_peer_get(n, src) : NULL;
    if (p && p->cert)
        vn_relay_policy_on_statement(n, m->statement, p);
}

void vn_path_on_tether(struct vn_node *n, struct vn_hop *h, struct vn_span bytes)
{
    struct vn_path_msg m;
    struct vn_id src = h->peer->id;
    if (vn_path_decode(bytes, &m) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (m.type != VN_PATH_REPLY &&
        !vn_bucket_take(&h->paths, VN_PATH_RATE, VN_PATH_BURST, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    if (m.type == VN_PATH_QUERY)
        on_query(n, h, &src, &m);
    else if (m.type == VN_PATH_REPLY)
        on_reply(n, &src, &m);
    else
        hear_all(n, &src, &m);
}

void vn_path_on_control(struct vn_node *n, const struct vn_id *src, bool hub, struct vn_span body)
{
    struct vn_path_msg m;
    if (vn_path_decode(body, &m) != VN_OK) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (m.type == VN_PATH_QUERY && (hub || !vn_id_is_zero(&m.of)))
        on_query(n, NULL, src, &m);
    else if (m.type == VN_PATH_REPLY && !hub)
        on_reply(n, src, &m);
    else
        vn_drop(n, VN_NDROP_PATH);
}
