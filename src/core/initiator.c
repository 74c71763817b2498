/*
 * Handshake as initiator.
 *
 * timer           armed by                               disarmed by        fires
 * stream.timer    EXPECT_M2: M1 sent (250 ms, doubling)  M2, RETRY, end     M1 again, the same
 *                                                                           bits; after 5: failed;
 *                                                                           after 500 ms also asks
 *                                                                           for the descriptor
 */
#include "anchor.pb-c.h"
#include "core/node_i.h"

#define HS_RESTARTS_MAX 4 /* fresh M1s of one attempt: stale kid, certificate needed */

/* ---- M1, made by the pool ---- */

struct m1_job {
    struct vn_job job;
    struct vn_hs_m1_args args;
    struct vn_hour_keys hour_keys;
    uint8_t eks[VN_EK_MAX];
    struct vn_buf cert, statement, params, ret;
    struct vn_hs_state *hs;
};

static vn_status m1_run(struct vn_job *job)
{
    struct m1_job *j = VN_CONTAINER_OF(job, struct m1_job, job);
    j->args.key = job->ref->key;
    return vn_hs_m1_make(&j->args, j->hs, &j->ret);
}

static void m1_free(struct vn_job *job)
{
    struct m1_job *j = VN_CONTAINER_OF(job, struct m1_job, job);
    vn_hour_keys_wipe(&j->hour_keys);
    vn_buf_done(&j->cert);
    vn_buf_done(&j->statement);
    vn_buf_done(&j->params);
    vn_buf_done(&j->ret);
    vn_hs_state_free(j->hs);
    free(j);
}

static void send_m1(struct vn_node *n, struct vn_stream *s)
{
    vn_outbox_publish(n, &s->peer->id, NULL, vn_buf_span(&s->m1));
    vn_timer_arm(&n->timers, &s->timer, n->now_ms + ((uint64_t)VN_HS_RESEND_MS << s->sends++));
}

/* ---- cookies: mac2 is outside the transcript, so it may change between sends ---- */

static bool cookie_held(const struct vn_node *n, const struct vn_peer *p)
{
    return p->cookie_at_ms && n->now_ms - p->cookie_at_ms < VN_COOKIE_LIFE_MS;
}

static void use_cookie(struct vn_node *n, struct vn_stream *s)
{
    vn_status st = vn_hs_m1_set_mac2(n->suite, s->peer->cookie, &s->m1);
    if (st != VN_OK) /* goes out without, and gets a RETRY again */
        vn_log(VN_LOG_DEBUG, "cookie_failed", VN_KV_STATUS(st));
}

static void m1_done(struct vn_node *n, struct vn_job *job)
{
    struct m1_job *j = VN_CONTAINER_OF(job, struct m1_job, job);
    struct vn_stream *s = vn_stream_by_sid(n, &j->args.sid);
    if (!s || !s->is_tx || s->state != VN_TX_EXPECT_M1)
        return; /* given up, or begun anew under another sid */
    if (job->status != VN_OK) {
        vn_log(VN_LOG_DEBUG, "handshake_failed", VN_KV_ID("peer", &s->peer->id),
               VN_KV_STATUS(job->status));
        vn_peer_drop_descriptor(s->peer); /* its key does not encapsulate */
        vn_tx_failed(n, s, VN_CLOSE_LOST);
        return;
    }
    s->hs = VN_TAKE(j->hs);
    s->m1 = j->ret;
    vn_buf_init(&j->ret, VN_CONTROL_PAYLOAD_MAX);
    s->sends = 0;
    if (cookie_held(n, s->peer))
        use_cookie(n, s);
    vn_stream_set_state(s, VN_TX_EXPECT_M2);
    send_m1(n, s);
}

static vn_status copy(struct vn_buf *b, struct vn_span from)
{
    vn_buf_init(b, VN_CONTROL_PAYLOAD_MAX);
    return vn_buf_append(b, from.p, from.n);
}

static vn_status params(struct vn_node *n, struct vn_buf *ret)
{
    Vn__StreamParams m = VN__STREAM_PARAMS__INIT;
    m.mode = VN_HS_MODE_PLAIN;
    m.idle_ms = n->cfg.idle_ms;
    m.mtu = n->cfg.mtu_bytes;
    vn_buf_init(ret, VN_CONTROL_PAYLOAD_MAX);
    return vn_pb_pack(&m.base, ret);
}

/* A new M1 is a new sid, a new time and a new encapsulation. */
static vn_status start(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *p = s->peer;
    const struct vn_session *own = &n->session;
    uint32_t generation = vn_generation_for(n, p);
    if (!vn_peer_fresh(n, p))
        return VN_ERR_NOTFOUND;
    struct m1_job *j = calloc(1, sizeof(*j));
    if (!j)
        return VN_ERR_NOMEM;
    j->job.run = m1_run;
    j->job.done = m1_done;
    j->job.free = m1_free;
    j->job.peer = p->id;
    vn_buf_init(&j->ret, VN_CONTROL_PAYLOAD_MAX);
    j->hs = calloc(1, sizeof(*j->hs));
    vn_status st = j->hs ? VN_OK : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = copy(&j->cert, VN_SPAN(own->cred->certificate.p, own->cred->certificate.n));
    if (st == VN_OK)
        st = copy(&j->statement, vn_generation_statement(n, generation));
    if (st == VN_OK)
        st = params(n, &j->params);
    struct vn_id sid;
    if (st == VN_OK)
        st = vn_random_fill(n, &sid, sizeof(sid));
    if (st == VN_OK)
        st = vn_stream_rename(n, s, &sid);
    if (st != VN_OK) {
        m1_free(&j->job);
        return st;
    }
    uint64_t now = vn_protocol_now(n);
    p->tai_out_ms = VN_MAX(p->tai_out_ms + 1, now);
    memcpy(j->eks, p->eks, p->eks_len);
    memcpy(s->kid, p->kid, sizeof(s->kid));
    s->own_cert = own->cert_hash;
    s->generation = generation;
    vn_generation_hours(n, generation, &j->hour_keys);
    j->args = (struct vn_hs_m1_args){
        .suite = n->suite,
        .sid = sid,
        .realm = n->cfg.realm,
        .responder = {.node = p->id,
                      .cert_hash = p->eks_cert_hash,
                      .eks = VN_SPAN(j->eks, p->eks_len)},
        .hour_keys = &j->hour_keys,
        .now_ms = now,
        .cert = vn_buf_span(&j->cert),
        .include_cert = s->need_cert || !vn_hash_equal(&p->knows_cert, &own->cert_hash),
        .statement = vn_buf_span(&j->statement),
        .revocation_list = n->revocations.number,
        .params = vn_buf_span(&j->params),
    };
    vn_tai64n(p->tai_out_ms, j->args.tai64n);
    s->hs = vn_hs_state_free(s->hs);
    vn_buf_done(&s->m1);
    vn_timer_disarm(&n->timers, &s->timer);
    if (s->state != VN_TX_EXPECT_M1)
        vn_stream_set_state(s, VN_TX_EXPECT_M1);
    n->handshakes_started++;
    return vn_job_submit(n, &j->job);
}

static void restart(struct vn_node *n, struct vn_stream *s)
{
    if (s->restarts++ >= HS_RESTARTS_MAX || start(n, s) != VN_OK)
        vn_tx_failed(n, s, VN_CLOSE_LOST);
}

struct vn_stream *vn_tx_want(struct vn_node *n, struct vn_peer *p)
{
    if (p->tx)
        return p->tx;
    struct vn_id sid;
    struct vn_stream *s;
    if (!vn_peer_fresh(n, p) || vn_random_fill(n, &sid, sizeof(sid)) != VN_OK ||
        vn_stream_new(n, p, true, &sid, &s) != VN_OK)
        return NULL;
    if (start(n, s) != VN_OK) {
        vn_stream_close(n, s, VN_CLOSE_LOST, false);
        return NULL;
    }
    vn_tx_advance(n, s); /* the tether in parallel */
    vn_places_sought(n);
    return p->tx;
}

void vn_tx_descriptor_changed(struct vn_node *n, struct vn_peer *p)
{
    struct vn_stream *s = p->tx;
    if (s && s->state == VN_TX_EXPECT_M2 && p->eks_len &&
        memcmp(s->kid, p->kid, sizeof(s->kid)) != 0)
        restart(n, s);
}

/* The handshake's part of vn_tx_on_timer. */
static void on_m2_missing(struct vn_node *n, struct vn_stream *s)
{
    if (s->sends > VN_HS_RESEND_MAX) {
        vn_peer_drop_descriptor(s->peer);
        vn_tx_failed(n, s, VN_CLOSE_LOST);
        return;
    }
    bool long_silent =
        s->sends >= 2; /* over 500 ms: perhaps its key, or its node, is another by now */
    send_m1(n, s);
    if (long_silent)
        vn_dests_refresh(n, s->peer);
}

void vn_tx_on_timer(void *arg)
{
    struct vn_stream *s = arg;
    if (s->state == VN_TX_EXPECT_M2)
        on_m2_missing(s->node, s);
    else
        vn_tx_bind_timer(s->node, s);
}

/* ---- M2 and RETRY ---- */

/* The handshake that an answer belongs to; counts and yields NULL when there is none. */
static struct vn_stream *waiting(struct vn_node *n, const struct vn_subject *subj,
                                 struct vn_span bytes)
{
    struct vn_id sid;
    if (vn_hs_peek_sid(bytes, &sid) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return NULL;
    }
    struct vn_stream *s = vn_stream_by_sid(n, &sid);
    if (!s || !s->is_tx || s->state != VN_TX_EXPECT_M2 || !vn_id_equal(&s->peer->id, &subj->src)) {
        vn_drop(n, VN_NDROP_HS_STATE);
        return NULL;
    }
    /* Each costs a decapsulation, or an AEAD: no peer gets more of them than it could answer for.
     */
    struct vn_source *source = vn_source_get(n, vn_subject_payer(subj));
    if (!source || !vn_bucket_take(&source->answers, VN_HS_SRC_RATE, VN_HS_SRC_BURST, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return NULL;
    }
    return s;
}

static void accept_m2(struct vn_node *n, struct vn_stream *s, const struct vn_subject *subj,
                      const struct vn_hs_m2_plain *plain)
{
    struct vn_peer *p = s->peer;
    struct vn_checked_statement st;
    if (vn_peer_check_statement(n, p->cert, plain->statement, &st) != VN_OK) {
        vn_drop(n, VN_NDROP_STATEMENT);
        return;
    }
    if (vn_hs_m2_verify(s->hs, plain, p->pub) != VN_OK) {
        vn_drop(n, VN_NDROP_SIGNATURE);
        vn_tx_failed(n, s, VN_CLOSE_LOST);
        return;
    }
    vn_inband_heard(n, subj);
    vn_peer_learn_statement(p, &st, s->generation);
    struct vn_affinity_match match;
    struct vn_hash digest;
    if (!vn_affinity_allows(n, &st.st, true, &s->generation, &match)) {
        vn_drop(n, VN_NDROP_AFFINITY);
        vn_tx_failed(n, s, VN_CLOSE_NOT_ALLOWED);
        return;
    }
    if (vn_affinity_digest(n->suite->hash, &match, &digest) != VN_OK ||
        vn_hs_finish(s->hs, &digest, VN_HS_MODE_PLAIN, &s->keys) != VN_OK) {
        vn_tx_failed(n, s, VN_CLOSE_LOST);
        return;
    }
    s->hs = vn_hs_state_free(s->hs);
    s->keyed = true;
    vn_buf_done(&s->m1);
    p->knows_cert = s->own_cert;
    s->handshake_ms = n->now_ms - s->since_ms;
    n->handshakes_done++;
    vn_timer_disarm(&n->timers, &s->timer);
    vn_stream_set_state(s, VN_TX_EXPECT_CIRCUIT);
    vn_streams_rearm_life(n, p);
    s->peer_revocations = plain->revocation_list;
    vn_revocations_compare(n, s);
    vn_tx_advance(n, s);
}

void vn_initiator_on_m2(struct vn_node *n, const struct vn_subject *subj, struct vn_span bytes)
{
    struct vn_stream *s = waiting(n, subj, bytes);
    struct vn_hs_m2_view v;
    if (!s)
        return;
    if (vn_hs_m2_parse(bytes, n->suite, &v) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    uint8_t *plain = malloc(v.sealed.n);
    struct vn_hs_m2_plain p;
    if (!plain || vn_hs_m2_open(s->hs, &v, plain, &p) != VN_OK)
        vn_drop(n, VN_NDROP_SEAL);
    else
        accept_m2(n, s, subj, &p);
    free(plain);
}

/* The same M1 at once, with mac2. The timer that repeats it runs on. */
static void on_cookie(struct vn_node *n, struct vn_stream *s, struct vn_span cookie)
{
    struct vn_peer *p = s->peer;
    bool known = cookie_held(n, p) && memcmp(p->cookie, cookie.p, sizeof(p->cookie)) == 0;
    if (known || s->restarts++ >= HS_RESTARTS_MAX) {
        vn_drop(n, VN_NDROP_HS_STATE);
        return;
    }
    memcpy(p->cookie, cookie.p, sizeof(p->cookie));
    p->cookie_at_ms = VN_MAX(n->now_ms, 1u);
    use_cookie(n, s);
    vn_outbox_publish(n, &p->id, NULL, vn_buf_span(&s->m1));
}

static void on_stale_kid(struct vn_node *n, struct vn_stream *s, struct vn_span descriptor)
{
    struct vn_checked_desc d = {0};
    struct vn_peer *p = s->peer;
    if (vn_desc_check(n, &p->id, descriptor, &d) != VN_OK || d.cached) {
        vn_drop(n, VN_NDROP_CERT);
    } else {
        (void)vn_peer_learn_desc(n, &d);
        vn_tx_descriptor_changed(n, p);
        vn_hop_descriptor_changed(n, p);
    }
    vn_checked_cert_done(&d.cert);
}

void vn_initiator_on_retry(struct vn_node *n, const struct vn_subject *subj, struct vn_span bytes)
{
    struct vn_stream *s = waiting(n, subj, bytes);
    if (!s)
        return;
    uint8_t *plain = malloc(bytes.n);
    struct vn_id sid;
    struct vn_hs_retry r;
    if (!plain || vn_hs_retry_open(bytes, n->suite, &n->session.cred->hour_keys, &subj->src,
                                   s->hs->mac1, vn_protocol_now(n), plain, &sid, &r) != VN_OK) {
        vn_drop(n, VN_NDROP_SEAL);
    } else if (r.kind == VN_RETRY_COOKIE) {
        on_cookie(n, s, r.data);
    } else if (r.kind == VN_RETRY_STALE_KID) {
        on_stale_kid(n, s, r.data);
    } else if (r.kind == VN_RETRY_NEED_CERT && !s->need_cert) {
        s->need_cert = true;
        restart(n, s);
    } else {
        vn_drop(n, VN_NDROP_HS_STATE);
    }
    free(plain);
}
