/*
 * timer           armed by                               disarmed by     fires
 * query.timer     sending (see wait_ms); having to wait  the end         the next try; after the
 *                 for the control channel (3.6 s);                       last, the wait, or 50 ms
 *                 first answer (50 ms)                                   after the first answer,
 *                                                                        the verdict
 * resolve.timer   vn_node_resolve (3.6 s)                the verdict     "nobody answered"
 */
#include "core/query.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

#define QUERY_ANSWERS_MAX 16
#define RESOLVE_WAIT_MS (VN_QUERY_WAIT_1_MS + VN_QUERY_WAIT_2_MS + VN_QUERY_WAIT_3_MS + 100)
#define RESOLVES_MAX 64
#define QUERY_DELAY_MS 500 /* over the rate: not sent yet, and not counted as a try */

struct vn_query {
    struct vn_list all;
    struct vn_node *node;
    enum vn_name_kind kind;
    struct vn_id h;
    uint8_t name[VN_TAG_MAX + 1];
    size_t name_len;
    uint64_t request;
    unsigned tries; /* sent so far */
    bool lost;      /* whose it was is known: asked for more often */
    bool waiting;   /* for the control channel or our own descriptor */
    bool collecting;
    struct vn_id answers[QUERY_ANSWERS_MAX];
    size_t answer_count;
    struct vn_timer timer;
};

struct vn_resolve {
    struct vn_list all;
    struct vn_node *node;
    struct vn_id h;
    void (*fn)(void *arg, const struct vn_resolved *list, size_t count);
    void *arg;
    struct vn_timer timer;
};

/* Until the next try, or the verdict. */
static uint32_t wait_ms(const struct vn_query *q)
{
    static const uint32_t first[] = {VN_QUERY_WAIT_1_MS, VN_QUERY_WAIT_2_MS, VN_QUERY_WAIT_3_MS};
    if (!q->lost)
        return first[q->tries];
    if (q->tries == VN_QUERY_LOST_TRIES - 1)
        return VN_QUERY_LOST_LAST_MS;
    return q->tries == 0 ? VN_QUERY_WAIT_1_MS : VN_QUERY_LOST_MS;
}

static unsigned tries_max(const struct vn_query *q)
{
    return q->lost ? VN_QUERY_LOST_TRIES : 3;
}

vn_status vn_queries_init(struct vn_node *n)
{
    vn_list_init(&n->queries.list);
    vn_list_init(&n->queries.resolves);
    vn_bucket_init(&n->queries.sends, VN_QUERY_BURST, n->now_ms);
    return vn_map_new(sizeof(struct vn_id), VN_EGRESSERS_MAX + RESOLVES_MAX, &n->queries.by_hash);
}

static void query_free(struct vn_node *n, struct vn_query *q)
{
    vn_timer_disarm(&n->timers, &q->timer);
    (void)vn_map_take(n->queries.by_hash, &q->h);
    vn_list_remove(&q->all);
    free(q);
}

static void resolve_free(struct vn_node *n, struct vn_resolve *r)
{
    vn_timer_disarm(&n->timers, &r->timer);
    vn_list_remove(&r->all);
    free(r);
}

void vn_queries_done(struct vn_node *n)
{
    if (!n->queries.by_hash)
        return;
    VN_LIST_EACH(it, &n->queries.list)
    query_free(n, VN_LIST_ENTRY(it, struct vn_query, all));
    VN_LIST_EACH(it, &n->queries.resolves)
    resolve_free(n, VN_LIST_ENTRY(it, struct vn_resolve, all));
    n->queries.by_hash = vn_map_free(n->queries.by_hash);
}

/* ---- asking ---- */

static void describe(const struct vn_peer *p, struct vn_resolved *ret)
{
    *ret = (struct vn_resolved){.node = p->id, .addr_count = p->cert->addr_count};
    memcpy(ret->tag, p->cert->tag, sizeof(ret->tag));
    memcpy(ret->addrs, p->cert->addrs, sizeof(ret->addrs));
}

static void resolve_finish(struct vn_node *n, struct vn_resolve *r, const struct vn_query *q)
{
    struct vn_resolved list[QUERY_ANSWERS_MAX];
    size_t count = 0;
    for (size_t i = 0; q && i < q->answer_count; i++) {
        const struct vn_peer *p = vn_peer_get(n, &q->answers[i]);
        if (p)
            describe(p, &list[count++]);
    }
    void (*fn)(void *arg, const struct vn_resolved *, size_t) = r->fn;
    void *arg = r->arg;
    resolve_free(n, r);
    fn(arg, list, count);
}

static void query_verdict(struct vn_node *n, struct vn_query *q)
{
    VN_LIST_EACH(it, &n->queries.resolves)
    {
        struct vn_resolve *r = VN_LIST_ENTRY(it, struct vn_resolve, all);
        if (vn_id_equal(&r->h, &q->h))
            resolve_finish(n, r, q);
    }
    struct vn_ip ip = {0};
    bool is_ip = q->kind == VN_NAME_IP4 || q->kind == VN_NAME_IP6, found = q->answer_count > 0;
    if (q->kind == VN_NAME_IP4)
        ip = vn_ip_from_v4(q->name);
    else if (q->kind == VN_NAME_IP6)
        memcpy(ip.b, q->name, sizeof(ip.b));
    query_free(n, q);
    if (is_ip && found)
        vn_dest_answered(n, &ip);
    else if (is_ip)
        vn_dest_unreachable(n, &ip);
}

static void query_send(struct vn_node *n, struct vn_query *q)
{
    const struct vn_session *s = &n->session;
    bool waited = q->waiting;
    q->waiting = (s->control != VN_CONTROL_UP && !vn_inband_any(n)) || !s->descriptor.len;
    if (q->waiting) { /* for vn_queries_kick */
        if (!waited)
            vn_timer_arm(&n->timers, &q->timer, n->now_ms + RESOLVE_WAIT_MS);
        return;
    }
    if (!vn_bucket_take(&n->queries.sends, VN_QUERY_RATE, VN_QUERY_BURST, n->now_ms)) {
        vn_timer_arm(&n->timers, &q->timer, n->now_ms + vn_jitter(n, QUERY_DELAY_MS));
        return;
    }
    Vn__Query m = VN__QUERY__INIT;
    m.descriptor = (ProtobufCBinaryData){s->descriptor.len, s->descriptor.p};
    /* Whoever owns it may not have heard yet that the realm changed keys. */
    uint32_t generation = q->tries % 2 ? vn_generation_before(n) : vn_generation_now(n);
    struct vn_span own = vn_generation_statement(n, generation);
    m.statement = (ProtobufCBinaryData){own.n, (uint8_t *)own.p};
    m.name_kind = q->kind;
    m.name = (ProtobufCBinaryData){q->name_len, q->name};
    m.request = q->request;
    vn_status st = vn_outbox_send(
        n, &(struct vn_outgoing){
               .type = VN_T_QUERY, .own_name = &q->h, .generation = generation, .body = &m.base});
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "query_failed", VN_KV_STATUS(st));
    vn_timer_arm(&n->timers, &q->timer, n->now_ms + wait_ms(q));
    q->tries++;
}

static void on_query_timer(void *arg)
{
    struct vn_query *q = arg;
    if (q->waiting || q->collecting || q->tries == tries_max(q))
        query_verdict(q->node, q);
    else
        query_send(q->node, q);
}

static vn_status query_want(struct vn_node *n, enum vn_name_kind kind, struct vn_span name,
                            bool lost, struct vn_id *ret_h)
{
    struct vn_id h;
    vn_status st = vn_name_hash(n->suite->hash, &n->session.cred->realm.name_key, kind, name, &h);
    if (st != VN_OK)
        return st;
    if (ret_h)
        *ret_h = h;
    if (vn_map_get(n->queries.by_hash, &h))
        return VN_OK;
    if (name.n > sizeof(((struct vn_query *)0)->name))
        return VN_ERR_ARG;
    struct vn_query *q = calloc(1, sizeof(*q));
    if (!q)
        return VN_ERR_NOMEM;
    q->node = n;
    q->kind = kind;
    q->lost = lost;
    q->h = h;
    memcpy(q->name, name.p, name.n);
    q->name_len = name.n;
    vn_timer_init(&q->timer, on_query_timer, q);
    vn_list_init(&q->all);
    st = vn_random_fill(n, &q->request, sizeof(q->request));
    if (st == VN_OK)
        st = vn_map_put(n->queries.by_hash, &h, q);
    if (st != VN_OK) {
        free(q);
        return st;
    }
    vn_list_append(&n->queries.list, &q->all);
    query_send(n, q);
    return VN_OK;
}

vn_status vn_query_ip(struct vn_node *n, const struct vn_ip *ip)
{
    bool lost = vn_peer_by_ip(n, ip) != NULL;
    if (vn_ip_is_v4(ip))
        return query_want(n, VN_NAME_IP4, VN_SPAN(ip->b + 12, 4), lost, NULL);
    return query_want(n, VN_NAME_IP6, VN_SPAN(ip->b, 16), lost, NULL);
}

void vn_query_peer(struct vn_node *n, const struct vn_id *node)
{
    const struct vn_peer *p = vn_peer_get(n, node);
    if (p && p->cert && p->cert->addr_count)
        (void)!vn_query_ip(n, &p->cert->addrs[0]);
}

void vn_queries_kick(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->queries.list)
    {
        struct vn_query *q = VN_LIST_ENTRY(it, struct vn_query, all);
        if (q->waiting)
            query_send(n, q);
    }
}

/* ---- as owner ---- */

/* The asker names in clear what the subject only hashes: both must be ours and the same. */
static bool asks_for_us(struct vn_node *n, const struct vn_inbound *in)
{
    const Vn__Query *m = in->body;
    struct vn_id h;
    if (m->name.len == 0 || m->name.len > VN_TAG_MAX || m->name_kind < VN_NAME_ID ||
        m->name_kind > VN_NAME_TAG)
        return false;
    if (vn_name_hash(n->suite->hash, &n->session.cred->realm.name_key,
                     (enum vn_name_kind)m->name_kind, VN_SPAN(m->name.data, m->name.len),
                     &h) != VN_OK)
        return false;
    return vn_id_equal(&h, &in->subject->name);
}

void vn_query_on_query(struct vn_node *n, struct vn_inbound *in)
{
    const Vn__Query *q = in->body;
    struct vn_session *s = &n->session;
    if (!asks_for_us(n, in)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (vn_quarantine_refuses(n, in->cert.id)) {
        vn_drop(n, VN_NDROP_QUARANTINE);
        return;
    }
    struct vn_checked_statement st;
    if (vn_peer_check_statement(n, in->cert.id, VN_SPAN(q->statement.data, q->statement.len),
                                &st) != VN_OK) {
        vn_drop(n, VN_NDROP_STATEMENT);
        return;
    }
    bool allowed = vn_affinity_allows(n, &st.st, false, NULL, NULL);
    if (!allowed) {
        /* No state for a stranger; a known node's newer statement counts at once. */
        struct vn_peer *known = vn_peer_get(n, &in->src);
        if (known) {
            vn_peer_learn_statement(known, &st, in->generation);
            vn_affinity_recheck_peer(n, known);
        }
        vn_drop(n, VN_NDROP_AFFINITY);
        return;
    }
    struct vn_peer *p = vn_peer_learn_desc(n, &in->desc);
    if (!p || !p->eks_len || !s->descriptor.len)
        return;
    vn_peer_learn_statement(p, &st, in->generation);
    /* A newer login has just taken over the destinations of an older one: its own question brings
     * what is needed to reach it. */
    if (!p->tx && !vn_list_empty(&p->dests))
        vn_dests_descriptor(n, p);
    Vn__Answer m = VN__ANSWER__INIT;
    m.descriptor = (ProtobufCBinaryData){s->descriptor.len, s->descriptor.p};
    m.request = q->request;
    vn_status sent = vn_outbox_send(n, &(struct vn_outgoing){.type = VN_T_ANSWER,
                                                             .dst = p->id,
                                                             .generation = in->generation,
                                                             .ek = VN_SPAN(p->eks, p->eks_len),
                                                             .body = &m.base});
    if (sent != VN_OK)
        vn_drop(n, VN_NDROP_LIMIT);
}

/* ---- as asker ---- */

/* An answer counts only if the certificate holds what was asked for. */
static bool is_answer_to(const struct vn_query *q, const struct vn_identity *id)
{
    struct vn_ip ip = {0};
    switch (q->kind) {
    case VN_NAME_ID:
        return q->name_len == VN_ID_LEN && memcmp(q->name, id->node.b, VN_ID_LEN) == 0;
    case VN_NAME_TAG:
        return vn_span_equal(VN_SPAN(q->name, q->name_len), VN_SPAN_STR(id->tag));
    case VN_NAME_IP4:
        ip = vn_ip_from_v4(q->name);
        break;
    case VN_NAME_IP6:
        memcpy(ip.b, q->name, sizeof(ip.b));
        break;
    default:
        return false;
    }
    for (size_t i = 0; i < id->addr_count; i++) {
        if (vn_ip_equal(&id->addrs[i], &ip))
            return true;
    }
    return false;
}

void vn_query_on_answer(struct vn_node *n, struct vn_inbound *in)
{
    const Vn__Answer *m = in->body;
    struct vn_query *q = NULL;
    VN_LIST_EACH(it, &n->queries.list)
    {
        struct vn_query *c = VN_LIST_ENTRY(it, struct vn_query, all);
        if (c->request == m->request)
            q = c;
    }
    if (!q)
        return; /* late, or the second to a repeated question */
    if (!is_answer_to(q, in->cert.id)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (vn_quarantine_refuses(n, in->cert.id)) {
        vn_drop(n, VN_NDROP_QUARANTINE);
        return;
    }
    struct vn_peer *p = vn_peer_learn_desc(n, &in->desc);
    if (!p || !p->eks_len)
        return;
    for (size_t i = 0; i < q->answer_count; i++) {
        if (vn_id_equal(&q->answers[i], &p->id))
            return;
    }
    if (q->answer_count < QUERY_ANSWERS_MAX)
        q->answers[q->answer_count++] = p->id;
    if (!q->collecting) {
        q->collecting = true;
        vn_timer_arm(&n->timers, &q->timer, n->now_ms + VN_QUERY_COLLECT_MS);
    }
    /* The first packet does not wait for the 50 ms: a newer owner that answers within them takes
     * over (peer.c). */
    vn_dests_descriptor(n, p);
}

/* ---- for the local commands ---- */

static void on_resolve_timer(void *arg)
{
    struct vn_resolve *r = arg;
    resolve_finish(r->node, r, NULL);
}

/* Node ids have 22 characters of base64url; such a tag would be taken for an id only if it is one.
 */
static vn_status resolve_start(struct vn_node *n, const char *name, struct vn_id *ret_h)
{
    struct vn_ip ip;
    struct vn_id id;
    if (vn_ip_parse(name, &ip) == VN_OK) {
        struct vn_span s = vn_ip_is_v4(&ip) ? VN_SPAN(ip.b + 12, 4) : VN_SPAN(ip.b, 16);
        return query_want(n, vn_ip_is_v4(&ip) ? VN_NAME_IP4 : VN_NAME_IP6, s, false, ret_h);
    }
    if (vn_id_parse(VN_SPAN_STR(name), &id) == VN_OK)
        return query_want(n, VN_NAME_ID, VN_SPAN_ARRAY(id.b), false, ret_h);
    if (!*name || strlen(name) > VN_TAG_MAX)
        return VN_ERR_ARG;
    return query_want(n, VN_NAME_TAG, VN_SPAN_STR(name), false, ret_h);
}

static bool cached(struct vn_node *n, const char *name, struct vn_resolved *ret)
{
    struct vn_ip ip;
    struct vn_id id;
    const struct vn_peer *p = NULL;
    if (vn_ip_parse(name, &ip) == VN_OK)
        p = vn_peer_by_ip(n, &ip);
    else if (vn_id_parse(VN_SPAN_STR(name), &id) == VN_OK)
        p = vn_peer_get(n, &id);
    /* A tag may have several owners, so the network is asked unless streams show that this one
     * lives. */
    if (!p || (!p->tx && vn_list_empty(&p->rxs)) || !vn_peer_fresh(n, p))
        return false;
    describe(p, ret);
    return true;
}

vn_status vn_node_resolve(struct vn_node *n, const char *name,
                          void (*fn)(void *arg, const struct vn_resolved *list, size_t count),
                          void *arg)
{
    struct vn_resolved known;
    if (n->state != VN_NODE_ONLINE)
        return VN_ERR_STATE;
    if (cached(n, name, &known)) {
        fn(arg, &known, 1);
        return VN_OK;
    }
    struct vn_resolve *r = calloc(1, sizeof(*r));
    if (!r)
        return VN_ERR_NOMEM;
    vn_status st = resolve_start(n, name, &r->h);
    if (st != VN_OK) {
        free(r);
        return st;
    }
    r->node = n;
    r->fn = fn;
    r->arg = arg;
    vn_timer_init(&r->timer, on_resolve_timer, r);
    vn_list_init(&r->all);
    vn_list_append(&n->queries.resolves, &r->all);
    vn_timer_arm(&n->timers, &r->timer, n->now_ms + RESOLVE_WAIT_MS);
    return VN_OK;
}
