/*
 * timer    armed by                         disarmed by   fires
 * grace    a new minimum (1 s)              the end       closes the streams of peers below it
 * prune    an entry (its end)               the end       forgets entries whose end has come
 */
#include "core/revocation.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"
#include "wire/revocation.h"

#define GAP_RENEWAL_MS                                                                             \
    VN_PACED_MS(30000u, 1000u) /* who missed a list renews within this: not all nodes at once */
#define LISTS_PER_MESSAGE_MAX 16

struct vn_revoked {
    struct vn_id node;
    struct vn_list order;
    uint64_t revoked_until_ms;          /* protocol time; 0: not revoked */
    uint64_t minimum, minimum_until_ms; /* statement number */
    uint64_t enforce_ms;                /* own time from which live streams must be above it */
};

struct vn_revocation_held {
    struct vn_list order;
    uint64_t after, to, until_ms;
    size_t n;
    uint8_t bytes[];
};

static void on_grace(void *arg);
static void on_prune(void *arg);

/* ---- what is known ---- */

vn_status vn_revocations_init(struct vn_node *n)
{
    struct vn_revocations *r = &n->revocations;
    vn_list_init(&r->order);
    vn_list_init(&r->lists);
    vn_timer_init(&r->grace, on_grace, n);
    vn_timer_init(&r->prune, on_prune, n);
    return vn_map_new(sizeof(struct vn_id), VN_REVOCATIONS_MAX, &r->by_node);
}

static void revoked_free(struct vn_revocations *r, struct vn_revoked *e)
{
    (void)vn_map_take(r->by_node, &e->node);
    vn_list_remove(&e->order);
    free(e);
}

static void held_free(struct vn_revocations *r, struct vn_revocation_held *h)
{
    vn_list_remove(&h->order);
    r->list_count--;
    free(h);
}

void vn_revocations_done(struct vn_node *n)
{
    struct vn_revocations *r = &n->revocations;
    if (!r->by_node)
        return;
    vn_timer_disarm(&n->timers, &r->grace);
    vn_timer_disarm(&n->timers, &r->prune);
    VN_LIST_EACH(it, &r->order)
    revoked_free(r, VN_LIST_ENTRY(it, struct vn_revoked, order));
    VN_LIST_EACH(it, &r->lists)
    held_free(r, VN_LIST_ENTRY(it, struct vn_revocation_held, order));
    r->by_node = vn_map_free(r->by_node);
}

bool vn_revocation_refuses_node(const struct vn_node *n, const struct vn_id *node)
{
    const struct vn_revoked *e = vn_map_get(n->revocations.by_node, node);
    return e && e->revoked_until_ms > vn_protocol_now(n);
}

bool vn_revocation_refuses_statement(const struct vn_node *n, const struct vn_id *node,
                                     uint64_t number)
{
    const struct vn_revoked *e = vn_map_get(n->revocations.by_node, node);
    return e && number < e->minimum && e->minimum_until_ms > vn_protocol_now(n);
}

bool vn_revocation_overdue(const struct vn_node *n, const struct vn_peer *p)
{
    const struct vn_revoked *e = vn_map_get(n->revocations.by_node, &p->id);
    return e && p->has_statement && e->enforce_ms <= n->now_ms &&
           vn_revocation_refuses_statement(n, &p->id, p->statement.number);
}

/* ---- time ---- */

static void on_grace(void *arg)
{
    struct vn_node *n = arg;
    uint64_t next = UINT64_MAX;
    VN_LIST_EACH(it, &n->revocations.order)
    {
        const struct vn_revoked *e = VN_LIST_ENTRY(it, struct vn_revoked, order);
        struct vn_peer *p = vn_peer_get(n, &e->node);
        if (e->enforce_ms > n->now_ms)
            next = VN_MIN(next, e->enforce_ms);
        else if (p)
            vn_affinity_recheck_peer(n, p);
        else if (vn_id_equal(&e->node, &n->session.self) &&
                 vn_revocation_refuses_statement(n, &e->node, n->session.statement.number))
            vn_session_renew_soon(n); /* what Guardian sent us was lost */
    }
    if (next != UINT64_MAX)
        vn_timer_arm(&n->timers, &n->revocations.grace, next);
}

static void arm_prune(struct vn_node *n, uint64_t until_ms)
{
    struct vn_timer *t = &n->revocations.prune;
    uint64_t at = vn_local_time(n, until_ms);
    if (!t->armed || t->at_ms > at)
        vn_timer_arm(&n->timers, t, at);
}

static void on_prune(void *arg)
{
    struct vn_node *n = arg;
    struct vn_revocations *r = &n->revocations;
    uint64_t now = vn_protocol_now(n);
    VN_LIST_EACH(it, &r->order)
    {
        struct vn_revoked *e = VN_LIST_ENTRY(it, struct vn_revoked, order);
        uint64_t until = VN_MAX(e->revoked_until_ms, e->minimum_until_ms);
        if (until <= now)
            revoked_free(r, e);
        else
            arm_prune(n, until);
    }
    VN_LIST_EACH(it, &r->lists)
    {
        struct vn_revocation_held *h = VN_LIST_ENTRY(it, struct vn_revocation_held, order);
        /* The newest one tells peers how far they may know. */
        if (h->until_ms <= now && it != r->lists.prev)
            held_free(r, h);
        else if (h->until_ms > now)
            arm_prune(n, h->until_ms);
    }
}

/* ---- acting ---- */

static void cut(struct vn_node *n, const struct vn_id *node)
{
    if (vn_id_equal(node, &n->session.self)) {
        if (n->state == VN_NODE_ONLINE)
            vn_session_refused(n, VN_ERR_DENIED, VN_SESSION_OVER);
        return;
    }
    struct vn_peer *p = vn_peer_get(n, node);
    if (!p)
        return;
    if (!vn_peer_unused(p)) /* who logged out in order left nothing here */
        vn_log(VN_LOG_INFO, "peer_revoked", VN_KV_ID("peer", node));
    vn_peer_drop_descriptor(p);
    vn_streams_close_peer(n, p, VN_CLOSE_NOT_ALLOWED);
    vn_hops_close_peer(n, p);
}

static void raise_minimum(struct vn_node *n, struct vn_revoked *e, const struct vn_revocation *by)
{
    if (by->minimum <= e->minimum)
        return;
    e->minimum = by->minimum;
    e->minimum_until_ms = by->until_ms;
    /* A node may change its own taints: doing so again and again must not put off its cut. */
    if (e->enforce_ms <= n->now_ms)
        e->enforce_ms = n->now_ms + VN_REVOCATION_GRACE_MS;
    if (!n->revocations.grace.armed)
        vn_timer_arm(&n->timers, &n->revocations.grace, e->enforce_ms);
}

static vn_status apply(struct vn_node *n, const struct vn_revocation *by)
{
    struct vn_revocations *r = &n->revocations;
    if (by->until_ms <= vn_protocol_now(n))
        return VN_OK;
    struct vn_revoked *e = vn_map_get(r->by_node, &by->node);
    if (!e) {
        if (vn_map_count(r->by_node) >= VN_REVOCATIONS_MAX)
            revoked_free(r, VN_LIST_ENTRY(r->order.next, struct vn_revoked, order));
        e = calloc(1, sizeof(*e));
        if (!e)
            return VN_ERR_NOMEM;
        e->node = by->node;
        vn_list_init(&e->order);
        vn_status st = vn_map_put(r->by_node, &e->node, e);
        if (st != VN_OK) {
            free(e);
            return st;
        }
        vn_list_append(&r->order, &e->order);
    }
    arm_prune(n, by->until_ms);
    if (by->kind == VN_REVOKE_STATEMENTS) {
        raise_minimum(n, e, by);
    } else if (e->revoked_until_ms < by->until_ms) {
        bool news = !e->revoked_until_ms;
        e->revoked_until_ms = by->until_ms;
        if (news)
            cut(n, &by->node);
    }
    return VN_OK;
}

/* ---- lists ---- */

static bool known(const struct vn_revocations *r, uint64_t after, uint64_t to)
{
    if (to <= r->number)
        return true;
    VN_LIST_EACH(it, &r->lists)
    {
        const struct vn_revocation_held *h = VN_LIST_ENTRY(it, struct vn_revocation_held, order);
        if (h->after <= after && to <= h->to)
            return true;
    }
    return false;
}

/* Guardian repeats the newest entries in every list, so most are covered by their neighbours: of a
 * list whose numbers the one before and the one after it have between them nothing is lost. */
static void drop_covered(struct vn_revocations *r)
{
    const struct vn_revocation_held *before = NULL;
    VN_LIST_EACH(it, &r->lists)
    {
        struct vn_revocation_held *h = VN_LIST_ENTRY(it, struct vn_revocation_held, order);
        const struct vn_revocation_held *next =
            it->next == &r->lists ? NULL
                                  : VN_LIST_ENTRY(it->next, struct vn_revocation_held, order);
        if (before && next && next->after <= before->to)
            held_free(r, h);
        else
            before = h;
    }
}

static vn_status hold(struct vn_node *n, const struct vn_revocation_list *l, struct vn_span bytes)
{
    struct vn_revocations *r = &n->revocations;
    struct vn_revocation_held *h = malloc(sizeof(*h) + bytes.n);
    if (!h)
        return VN_ERR_NOMEM;
    *h = (struct vn_revocation_held){.after = l->after, .to = l->to, .n = bytes.n};
    memcpy(h->bytes, bytes.p, bytes.n);
    for (size_t i = 0; i < l->count; i++)
        h->until_ms = VN_MAX(h->until_ms, l->entries[i].until_ms);
    struct vn_list *before = &r->lists;
    VN_LIST_EACH(it, &r->lists)
    {
        struct vn_revocation_held *o = VN_LIST_ENTRY(it, struct vn_revocation_held, order);
        if (h->after <= o->after && o->to <= h->to)
            held_free(r, o);
        else if (o->to <= h->to)
            before = it;
    }
    vn_list_init(&h->order);
    vn_list_append(before->next, &h->order); /* before its successor */
    r->list_count++;
    drop_covered(r);
    if (r->list_count > VN_REVOCATION_LISTS_MAX)
        held_free(r, VN_LIST_ENTRY(r->lists.next, struct vn_revocation_held, order));
    VN_LIST_EACH(it, &r->lists)
    {
        const struct vn_revocation_held *o = VN_LIST_ENTRY(it, struct vn_revocation_held, order);
        if (o->after <= r->number)
            r->number = VN_MAX(r->number, o->to);
    }
    return VN_OK;
}

/* VN_ERR_EXISTS: nothing new in it. ret_to: its end, unless malformed. */
static vn_status take(struct vn_node *n, struct vn_span bytes, uint64_t *ret_to)
{
    struct vn_revocation_list *l = malloc(sizeof(*l));
    struct vn_span signed_part, sig;
    if (!l)
        return VN_ERR_NOMEM;
    vn_status st = vn_revocation_list_decode(bytes, n->suite, l, &signed_part, &sig);
    if (st == VN_OK)
        *ret_to = l->to;
    if (st == VN_OK && known(&n->revocations, l->after, l->to))
        st = VN_ERR_EXISTS; /* not worth a signature's check */
    if (st == VN_OK) {
        vn_turns_spend(n, VN_TURN_SIGNATURE);
        st = vn_revocation_list_check(bytes, n->session.command, n->suite, &n->cfg.realm, l);
    }
    for (size_t i = 0; st == VN_OK && i < l->count; i++)
        st = apply(n, &l->entries[i]);
    if (st == VN_OK)
        st = hold(n, l, bytes);
    free(l);
    return st;
}

static void count_bad(struct vn_node *n, vn_status st)
{
    if (st != VN_OK && st != VN_ERR_EXISTS)
        vn_drop(n, st == VN_ERR_AUTH    ? VN_NDROP_SIGNATURE
                   : st == VN_ERR_NOMEM ? VN_NDROP_LIMIT
                                        : VN_NDROP_MALFORMED);
}

void vn_revocations_on_login(struct vn_node *n)
{
    struct vn_credentials *c = n->session.cred;
    for (size_t i = 0; i < c->revocation_count; i++) {
        struct vn_blob *b = &c->revocations[i];
        uint64_t to;
        vn_status st = take(n, VN_SPAN(b->p, b->n), &to);
        if (st != VN_OK && st != VN_ERR_EXISTS)
            vn_log(VN_LOG_WARN, "revocations_failed", VN_KV_STATUS(st));
        free(b->p);
        *b = (struct vn_blob){0};
    }
    c->revocation_count = 0;
}

void vn_revocations_on_message(struct vn_node *n, struct vn_span bytes)
{
    uint64_t to = 0;
    if (!vn_source_guardian_takes(n))
        return;
    vn_status st = take(n, bytes, &to);
    count_bad(n, st);
    if (st == VN_OK && n->revocations.number < to)
        vn_session_renew_within(n, GAP_RENEWAL_MS); /* one before it was lost */
}

/* ---- between peers ---- */

static void want(struct vn_node *n, struct vn_stream *s, uint64_t after)
{
    Vn__RevocationWant w = VN__REVOCATION_WANT__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    w.after = after;
    m.kind_case = VN__STREAM_CONTROL__KIND_REVOCATION_WANT;
    m.revocation_want = &w;
    s->revocations_wanted = true;
    s->revocations_after = after;
    vn_ctl_send(n, s, &m);
}

void vn_revocations_compare(struct vn_node *n, struct vn_stream *s)
{
    if (s->peer_revocations > n->revocations.number)
        want(n, s, n->revocations.number);
}

void vn_revocations_on_want(struct vn_node *n, struct vn_stream *s, uint64_t after)
{
    if (!vn_bucket_take(&s->peer->wants, VN_REVOCATION_WANT_RATE, VN_REVOCATION_WANT_BURST,
                        n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    ProtobufCBinaryData lists[LISTS_PER_MESSAGE_MAX];
    Vn__Revocations r = VN__REVOCATIONS__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    size_t bytes = 0;
    r.lists = lists;
    VN_LIST_EACH(it, &n->revocations.lists)
    {
        struct vn_revocation_held *h = VN_LIST_ENTRY(it, struct vn_revocation_held, order);
        if (h->to <= after)
            continue;
        bytes += h->n;
        if (r.n_lists == LISTS_PER_MESSAGE_MAX || (r.n_lists && bytes > VN_REVOCATION_MESSAGE_MAX))
            break;
        lists[r.n_lists++] = (ProtobufCBinaryData){h->n, h->bytes};
    }
    if (!r.n_lists)
        return;
    m.kind_case = VN__STREAM_CONTROL__KIND_REVOCATIONS;
    m.revocations = &r;
    vn_ctl_send(n, s, &m);
}

void vn_revocations_on_lists(struct vn_node *n, struct vn_stream *s, const Vn__Revocations *m)
{
    if (!s->revocations_wanted || m->n_lists > LISTS_PER_MESSAGE_MAX) {
        vn_drop(n, VN_NDROP_BODY); /* signatures are checked on request only */
        return;
    }
    s->revocations_wanted = false;
    struct vn_id sid = s->sid;
    uint64_t asked = s->revocations_after, end = asked;
    for (size_t i = 0; i < m->n_lists; i++) {
        uint64_t to = 0;
        vn_status st = take(n, VN_SPAN(m->lists[i].data, m->lists[i].len), &to);
        count_bad(n, st);
        end = st == VN_OK || st == VN_ERR_EXISTS ? VN_MAX(end, to) : end;
    }
    s = vn_stream_by_sid(n, &sid); /* the peer itself may have been cut */
    if (s && end > asked && end < s->peer_revocations)
        want(n, s, end);
}
