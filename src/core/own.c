/*
 * timer           armed by                               disarmed by   fires
 * rotate_timer    a signed descriptor (10 min); a        stop          new semi-static key and
 *                 failed attempt (1 s)                                 descriptor
 */
#include "core/node_i.h"

#define ROTATE_RETRY_MS 1000u

void vn_eks_done(struct vn_eks *e)
{
    vn_kem_free(e->dk);
    *e = (struct vn_eks){0};
}

/* ---- semi-static key and descriptor ---- */

struct descriptor_job {
    struct vn_job job;
    const struct vn_suite_info *suite;
    uint64_t serial;
    struct vn_id realm;
    uint64_t time_ms, until_ms;
    uint8_t eks[VN_EK_MAX];
    size_t eks_len;
    uint8_t place[VN_PLACE_LEN];
    struct vn_id near[VN_PATH_TOLD_MAX];
    size_t near_count;
    struct vn_buf ret;
    size_t cert_len;
    uint8_t cert[];
};

static vn_status descriptor_run(struct vn_job *job)
{
    struct descriptor_job *j = VN_CONTAINER_OF(job, struct descriptor_job, job);
    return vn_descriptor_make(
        j->suite, &j->realm, VN_SPAN(j->cert, j->cert_len), VN_SPAN(j->eks, j->eks_len), j->time_ms,
        j->until_ms, VN_SPAN_ARRAY(j->place), j->near, j->near_count, job->ref->key, &j->ret);
}

static void descriptor_done(struct vn_node *n, struct vn_job *job)
{
    struct descriptor_job *j = VN_CONTAINER_OF(job, struct descriptor_job, job);
    struct vn_session *s = &n->session;
    if (j->serial != s->descriptor_serial)
        return; /* overtaken by a renewal */
    if (job->status != VN_OK) {
        vn_log(VN_LOG_ERROR, "descriptor_failed", VN_KV_STATUS(job->status));
        vn_timer_arm(&n->timers, &s->rotate_timer, n->now_ms + ROTATE_RETRY_MS);
        return;
    }
    vn_buf_done(&s->descriptor);
    s->descriptor = j->ret;
    vn_buf_init(&j->ret, VN_DESCRIPTOR_MAX);
    vn_eks_done(&s->eks[1]);
    s->eks[1] = s->eks[0];
    s->eks[0] = s->eks_next;
    s->eks_next = (struct vn_eks){0};
    vn_timer_arm(&n->timers, &s->rotate_timer, n->now_ms + VN_EKS_ROTATE_MS);
    vn_queries_kick(n); /* a query carries the descriptor: the first ones wait for it */
}

static void descriptor_free(struct vn_job *job)
{
    struct descriptor_job *j = VN_CONTAINER_OF(job, struct descriptor_job, job);
    vn_buf_done(&j->ret);
    free(j);
}

/* Where we are, and relays near us, for those who will send to us. */
static void add_place(struct vn_node *n, struct descriptor_job *j)
{
    struct vn_place own;
    struct vn_told near[VN_PATH_TOLD_MAX];
    struct vn_writer w = vn_writer_of(j->place, sizeof(j->place));
    vn_places_own(n, &own);
    vn_place_encode(&w, &own);
    j->near_count = vn_places_near(n, &n->session.self, near);
    for (size_t i = 0; i < j->near_count; i++)
        j->near[i] = near[i].node;
}

void vn_own_rotate(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    vn_peers_sweep(n);
    vn_sources_sweep(n);
    vn_timer_arm(&n->timers, &s->rotate_timer, n->now_ms + ROTATE_RETRY_MS);
    struct vn_eks e = {.cert_hash = s->cert_hash};
    vn_status st = vn_kem_generate(n->suite->kem, &e.dk);
    if (st == VN_OK)
        st = vn_kid(n->suite->hash, vn_kem_ek(e.dk), e.kid);
    size_t cert_len = s->cred->certificate.n;
    struct descriptor_job *j = st == VN_OK ? calloc(1, sizeof(*j) + cert_len) : NULL;
    if (!j) {
        vn_eks_done(&e);
        return;
    }
    vn_eks_done(&s->eks_next);
    s->eks_next = e;
    j->job.run = descriptor_run;
    j->job.done = descriptor_done;
    j->job.free = descriptor_free;
    j->suite = n->suite;
    j->serial = ++s->descriptor_serial;
    j->realm = n->cfg.realm;
    j->time_ms = vn_protocol_now(n);
    j->until_ms = VN_MIN(j->time_ms + 2 * VN_EKS_ROTATE_MS, s->cred->expires_ms);
    memcpy(j->eks, vn_kem_ek(e.dk).p, vn_kem_ek(e.dk).n);
    j->eks_len = vn_kem_ek(e.dk).n;
    add_place(n, j);
    memcpy(j->cert, s->cred->certificate.p, cert_len);
    j->cert_len = cert_len;
    vn_buf_init(&j->ret, VN_DESCRIPTOR_MAX);
    if (vn_job_submit(n, &j->job) != VN_OK)
        vn_log(VN_LOG_ERROR, "descriptor_failed", VN_KV_STATUS(VN_ERR_LIMIT));
}

const struct vn_eks *vn_own_eks(const struct vn_node *n, const uint8_t kid[VN_KID_LEN])
{
    for (size_t i = 0; i < VN_ARRAY_LEN(n->session.eks); i++) {
        const struct vn_eks *e = &n->session.eks[i];
        if (e->dk && memcmp(e->kid, kid, VN_KID_LEN) == 0)
            return e;
    }
    return NULL;
}

/* ---- names ---- */

bool vn_own_has_name(const struct vn_node *n, enum vn_subject_kind kind, const struct vn_id *h)
{
    for (size_t i = 0; i < n->session.name_count; i++) {
        const struct vn_own_name *o = &n->session.names[i];
        if (o->kind == kind && vn_id_equal(&o->h, h))
            return true;
    }
    return false;
}

static void name_add(struct vn_node *n, struct vn_own_name *names, size_t *count,
                     enum vn_subject_kind kind, enum vn_name_kind name, struct vn_span value)
{
    struct vn_own_name o = {.kind = kind, .name = name};
    if (*count >= VN_OWN_NAMES_MAX || value.n == 0)
        return;
    if (vn_name_hash(n->suite->hash, &n->session.cred->realm.name_key, name, value, &o.h) == VN_OK)
        names[(*count)++] = o;
}

static size_t names_now(struct vn_node *n, struct vn_own_name *names)
{
    const struct vn_session *s = &n->session;
    size_t count = 0;
    name_add(n, names, &count, VN_SUBJ_OWN, VN_NAME_ID, VN_SPAN_ARRAY(s->self.b));
    for (size_t i = 0; i < s->own->addr_count; i++) {
        const struct vn_ip *ip = &s->own->addrs[i];
        if (vn_ip_is_v4(ip))
            name_add(n, names, &count, VN_SUBJ_OWN, VN_NAME_IP4, VN_SPAN(ip->b + 12, 4));
        else
            name_add(n, names, &count, VN_SUBJ_OWN, VN_NAME_IP6, VN_SPAN(ip->b, 16));
    }
    name_add(n, names, &count, VN_SUBJ_OWN, VN_NAME_TAG, VN_SPAN_STR(s->own->tag));
    for (size_t i = 0; i < s->cred->identity_count; i++) {
        const struct vn_own_identity *id = &s->cred->identities[i];
        if (id->kind == VN_KIND_TAINT || id->kind == VN_KIND_TEAM)
            name_add(n, names, &count, VN_SUBJ_GRP,
                     id->kind == VN_KIND_TAINT ? VN_NAME_TAINT : VN_NAME_TEAM,
                     VN_SPAN_STR(id->label));
    }
    return count;
}

static bool has(const struct vn_own_name *names, size_t count, const struct vn_own_name *o)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].kind == o->kind && vn_id_equal(&names[i].h, &o->h))
            return true;
    }
    return false;
}

static void subscribe(struct vn_node *n, enum vn_subject_kind kind, const struct vn_id *name,
                      const char *queue)
{
    char pattern[VN_SUBJECT_MAX];
    vn_subject_pattern(kind, name, pattern);
    vn_status st = n->cfg.control->subscribe(n->cfg.control->self, pattern, queue);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "subscribe_failed", VN_KV_STR("subject", pattern), VN_KV_STATUS(st));
}

static void unsubscribe(struct vn_node *n, enum vn_subject_kind kind, const struct vn_id *name)
{
    char pattern[VN_SUBJECT_MAX];
    vn_subject_pattern(kind, name, pattern);
    n->cfg.control->unsubscribe(n->cfg.control->self, pattern);
}

void vn_own_subscribe(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    if (!s->subscribed) {
        subscribe(n, VN_SUBJ_IN, &s->self, NULL);
        subscribe(n, VN_SUBJ_ADM, &s->self, NULL);
        subscribe(n, VN_SUBJ_REV, &s->self, NULL);
        s->subscribed = true;
    }
    bool hub = vn_relaying_allowed(n);
    if (hub && !s->hub)
        subscribe(n, VN_SUBJ_HUB, NULL, VN_HUB_QUEUE);
    else if (!hub && s->hub)
        unsubscribe(n, VN_SUBJ_HUB, NULL);
    s->hub = hub;
    struct vn_own_name now[VN_OWN_NAMES_MAX];
    size_t count = names_now(n, now);
    for (size_t i = 0; i < s->name_count; i++) {
        if (!has(now, count, &s->names[i]))
            unsubscribe(n, s->names[i].kind, &s->names[i].h);
    }
    for (size_t i = 0; i < count; i++) {
        char queue[4];
        if (!has(s->names, s->name_count, &now[i]))
            subscribe(n, now[i].kind, &now[i].h, vn_subject_queue(&s->self, now[i].name, queue));
    }
    memcpy(s->names, now, sizeof(now));
    s->name_count = count;
}

void vn_own_unsubscribe(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    if (s->subscribed) {
        unsubscribe(n, VN_SUBJ_IN, &s->self);
        unsubscribe(n, VN_SUBJ_ADM, &s->self);
        unsubscribe(n, VN_SUBJ_REV, &s->self);
    }
    if (s->hub)
        unsubscribe(n, VN_SUBJ_HUB, NULL);
    s->hub = false;
    for (size_t i = 0; i < s->name_count; i++)
        unsubscribe(n, s->names[i].kind, &s->names[i].h);
    s->subscribed = false;
    s->name_count = 0;
}
