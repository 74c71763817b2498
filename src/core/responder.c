/*
 * Handshake as responder: the checks of DESIGN section 6, cheapest first. Nothing is kept of what
 * fails one.
 *
 * timer             armed by                              disarmed by        fires
 * stream.timer      EXPECT_BIND: M2 sent (30 s); the      BIND, end          closes the half-open
 *                   tether was lost (twice idle_ms)                          stream
 * stream.m2_timer   M2 sent (180 s)                       end                forgets the stored M2
 */
#include "anchor.pb-c.h"
#include "core/node_i.h"

#define HS_BIND_WAIT_MS 30000u /* the initiator may need VN_TETHER_CONNECT_MS, twice */

struct m2_job {
    struct vn_job job;
    struct vn_id sid;
    struct vn_hs_state *hs;
    uint8_t ek[VN_EK_MAX];
    size_t ek_len;
    uint64_t revocations;
    struct vn_buf statement, params, ret;
};

static vn_status m2_run(struct vn_job *job)
{
    struct m2_job *j = VN_CONTAINER_OF(job, struct m2_job, job);
    return vn_hs_m2_make(j->hs, VN_SPAN(j->ek, j->ek_len), vn_buf_span(&j->statement),
                         j->revocations, vn_buf_span(&j->params), job->ref->key, &j->ret);
}

static void m2_free(struct vn_job *job)
{
    struct m2_job *j = VN_CONTAINER_OF(job, struct m2_job, job);
    vn_buf_done(&j->statement);
    vn_buf_done(&j->params);
    vn_buf_done(&j->ret);
    vn_hs_state_free(j->hs);
    free(j);
}

static void m2_done(struct vn_node *n, struct vn_job *job)
{
    struct m2_job *j = VN_CONTAINER_OF(job, struct m2_job, job);
    struct vn_stream *s = vn_stream_by_sid(n, &j->sid);
    if (!s || s->is_tx || s->state != VN_RX_EXPECT_M2_MADE)
        return;
    if (job->status != VN_OK ||
        vn_hs_finish(j->hs, &s->matched, VN_HS_MODE_PLAIN, &s->keys) != VN_OK) {
        vn_stream_close(n, s, VN_CLOSE_LOST, false);
        return;
    }
    s->keyed = true;
    s->m2 = j->ret;
    vn_buf_init(&j->ret, VN_CONTROL_PAYLOAD_MAX);
    n->handshakes_answered++;
    vn_stream_set_state(s, VN_RX_EXPECT_BIND);
    vn_timer_arm(&n->timers, &s->timer, n->now_ms + HS_BIND_WAIT_MS);
    vn_timer_arm(&n->timers, &s->m2_timer, n->now_ms + VN_HS_M2_KEEP_MS);
    vn_streams_rearm_life(n, s->peer);
    vn_outbox_publish(n, &s->peer->id, NULL, vn_buf_span(&s->m2));
    vn_revocations_compare(n, s);
}

/* Step 11. hs moves into the job. */
static vn_status answer(struct vn_node *n, struct vn_stream *s, struct vn_hs_state *hs,
                        struct vn_span ek, uint32_t generation)
{
    struct m2_job *j = calloc(1, sizeof(*j));
    if (!j)
        return VN_ERR_NOMEM;
    j->job.run = m2_run;
    j->job.done = m2_done;
    j->job.free = m2_free;
    j->job.peer = s->peer->id;
    j->sid = s->sid;
    j->revocations = n->revocations.number;
    vn_buf_init(&j->statement, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&j->params, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&j->ret, VN_CONTROL_PAYLOAD_MAX);
    Vn__StreamParams m = VN__STREAM_PARAMS__INIT;
    m.mode = VN_HS_MODE_PLAIN;
    m.idle_ms = n->cfg.idle_ms;
    m.mtu = n->cfg.mtu_bytes;
    struct vn_span own = vn_generation_statement(n, generation);
    vn_status st = vn_buf_append(&j->statement, own.p, own.n);
    if (st == VN_OK)
        st = vn_pb_pack(&m.base, &j->params);
    if (st == VN_OK && ek.n > sizeof(j->ek))
        st = VN_ERR_MALFORMED;
    if (st == VN_OK) {
        memcpy(j->ek, ek.p, ek.n);
        j->ek_len = ek.n;
        j->hs = malloc(sizeof(*j->hs));
        st = j->hs ? VN_OK : VN_ERR_NOMEM;
    }
    if (st != VN_OK) {
        m2_free(&j->job);
        return st;
    }
    *j->hs = *hs;
    hs->eke = NULL;
    vn_hs_state_wipe(hs);
    return vn_job_submit(n, &j->job);
}

/* ---- RETRY ---- */

static void send_retry(struct vn_node *n, const struct vn_subject *subj,
                       const struct vn_hs_m1_view *v, enum vn_retry_kind kind, struct vn_span data)
{
    uint8_t nonce[12];
    if (vn_random_fill(n, nonce, sizeof(nonce)) != VN_OK)
        return;
    struct vn_buf out;
    VN_CLEANUP(vn_hour_keys_wipe) struct vn_hour_keys hours;
    vn_generation_hours(n, v->generation, &hours);
    vn_buf_init(&out, VN_CONTROL_PAYLOAD_MAX);
    if (vn_hs_retry_make(v, n->suite, &hours, &n->session.self, vn_protocol_now(n), nonce,
                         &(struct vn_hs_retry){.kind = kind, .data = data}, &out) == VN_OK)
        vn_outbox_publish(n, &subj->src, &subj->via, vn_buf_span(&out));
    vn_buf_done(&out);
}

static void retry(struct vn_node *n, const struct vn_subject *subj, const struct vn_hs_m1_view *v,
                  enum vn_retry_kind kind, struct vn_span data)
{
    struct vn_source *source = vn_source_get(n, vn_subject_payer(subj));
    if (source && vn_bucket_take(&source->retries, VN_HS_RETRY_RATE, VN_HS_RETRY_RATE, n->now_ms))
        send_retry(n, subj, v, kind, data);
}

/* From a bucket of its own: other RETRYs must not keep a source from its cookie. */
static void give_cookie(struct vn_node *n, const struct vn_subject *subj,
                        const struct vn_hs_m1_view *v)
{
    const struct vn_id *src = vn_subject_payer(subj);
    struct vn_source *source = vn_source_get(n, src);
    uint8_t cookie[VN_COOKIE_LEN];
    if (!source ||
        !vn_bucket_take(&source->cookies, VN_HS_COOKIE_RATE, VN_HS_COOKIE_BURST, n->now_ms) ||
        vn_cookie_make(n, src, cookie) != VN_OK)
        return;
    n->cookies_sent++;
    send_retry(n, subj, v, VN_RETRY_COOKIE, VN_SPAN_ARRAY(cookie));
}

/* ---- the checks ---- */

/* A repeated M1 gets the stored answer, as often as new ones would be looked at; another one under
 * a known sid gets nothing. True: dealt with. */
static bool repeated(struct vn_node *n, const struct vn_subject *subj,
                     const struct vn_hs_m1_view *v)
{
    struct vn_stream *s = vn_stream_by_sid(n, &v->sid);
    struct vn_hash ct_hash;
    if (!s)
        return false;
    if (s->is_tx || !vn_id_equal(&s->peer->id, &subj->src) ||
        vn_hash(n->suite->hash, VN_PARTS(v->ct), &ct_hash) != VN_OK ||
        !vn_hash_equal(&s->ct_hash, &ct_hash)) {
        vn_drop(n, VN_NDROP_HS_STATE);
        return true;
    }
    struct vn_source *source = vn_source_get(n, vn_subject_payer(subj));
    if (!source || !vn_bucket_take(&source->handshakes, VN_HS_SRC_RATE, VN_HS_SRC_BURST, n->now_ms))
        vn_drop(n, VN_NDROP_RATE);
    else if (s->m2.len)
        vn_outbox_publish(n, &subj->src, &subj->via, vn_buf_span(&s->m2));
    return true;
}

/* Step 6. */
static bool newer(struct vn_node *n, const struct vn_id *src, const uint8_t tai[12])
{
    uint64_t ms, now = vn_protocol_now(n);
    if (vn_tai64n_ms(tai, &ms) != VN_OK || ms > now + VN_ENVELOPE_FRESH_MS ||
        now > ms + VN_ENVELOPE_FRESH_MS) {
        vn_drop(n, VN_NDROP_STALE);
        return false;
    }
    const struct vn_peer *p = vn_peer_get(n, src);
    if (p && p->tai_in_at_ms && memcmp(tai, p->tai_in, sizeof(p->tai_in)) <= 0) {
        vn_drop(n, VN_NDROP_HS_STATE);
        return false;
    }
    return true;
}

/* One half-open handshake per initiator: a newer one, signed, takes the older one's place. Nor may
 * one initiator bind stream after stream without ever sending a frame, which would end the one
 * before. */
static void make_room(struct vn_node *n, struct vn_peer *p)
{
    size_t open = 0;
    VN_LIST_EACH(it, &p->rxs)
    {
        struct vn_stream *s = VN_LIST_ENTRY(it, struct vn_stream, of_peer);
        if (!s->was_open)
            vn_stream_close(n, s, VN_CLOSE_SUPERSEDED, false);
        else
            open++;
    }
    VN_LIST_EACH(it, &p->rxs)
    {
        if (open-- < VN_HS_OPEN_PER_PEER)
            break;
        vn_stream_close(n, VN_LIST_ENTRY(it, struct vn_stream, of_peer), VN_CLOSE_SUPERSEDED, true);
    }
}

static void accept_m1(struct vn_node *n, const struct vn_hs_m1_view *v, struct vn_hs_state *hs,
                      const struct vn_hs_m1_plain *plain, struct vn_checked_cert *cert,
                      const struct vn_checked_statement *st, uint32_t generation,
                      const struct vn_affinity_match *match)
{
    struct vn_peer *p = vn_peer_learn_cert(n, cert);
    if (!p)
        return; /* counted there */
    memcpy(p->tai_in, plain->tai64n, sizeof(p->tai_in));
    p->tai_in_at_ms = VN_MAX(n->now_ms, 1u);
    vn_peer_learn_statement(p, st, generation);
    p->generation = v->generation;
    make_room(n, p);
    struct vn_stream *s;
    if (vn_stream_new(n, p, false, &v->sid, &s) != VN_OK) {
        vn_drop(n, VN_NDROP_LIMIT);
        return;
    }
    s->peer_revocations = plain->revocation_list;
    if (vn_hash(n->suite->hash, VN_PARTS(v->ct), &s->ct_hash) != VN_OK ||
        vn_affinity_digest(n->suite->hash, match, &s->matched) != VN_OK ||
        answer(n, s, hs, plain->ek, generation) != VN_OK)
        vn_stream_close(n, s, VN_CLOSE_LOST, false);
}

/* Steps 6 to 10. */
static void opened(struct vn_node *n, const struct vn_subject *subj, const struct vn_hs_m1_view *v,
                   struct vn_hs_state *hs, const struct vn_hs_m1_plain *plain)
{
    const struct vn_id *src = &subj->src;
    if (!newer(n, src, plain->tai64n))
        return;
    VN_CLEANUP(vn_checked_cert_done) struct vn_checked_cert cert = {0};
    if (plain->cert.n ? vn_cert_check(n, src, plain->cert, &cert) != VN_OK
                      : !vn_cert_cached(n, src, &plain->cert_hash, &cert)) {
        vn_drop(n, VN_NDROP_CERT);
        if (!plain->cert.n)
            retry(n, subj, v, VN_RETRY_NEED_CERT, VN_SPAN_NONE);
        return;
    }
    if (vn_quarantine_refuses(n, cert.id)) {
        vn_drop(n, VN_NDROP_QUARANTINE);
        return;
    }
    struct vn_checked_statement st;
    if (vn_peer_check_statement(n, cert.id, plain->statement, &st) != VN_OK) {
        vn_drop(n, VN_NDROP_STATEMENT);
        return;
    }
    struct vn_affinity_match match;
    uint32_t generation = 0;
    if (!vn_affinity_allows(n, &st.st, false, &generation, &match)) {
        vn_drop(n, VN_NDROP_AFFINITY);
        return;
    }
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    if (vn_hs_m1_verify(hs, plain, cert.pub) != VN_OK) {
        vn_drop(n, VN_NDROP_SIGNATURE);
        return;
    }
    vn_source_prove(n, vn_subject_payer(subj));
    accept_m1(n, v, hs, plain, &cert, &st, generation, &match);
    vn_inband_heard(n, subj);
}

void vn_responder_on_m1(struct vn_node *n, const struct vn_subject *subj, struct vn_span bytes,
                        bool waited)
{
    const struct vn_id *payer = vn_subject_payer(subj);
    struct vn_hs_m1_view v;
    if (vn_hs_m1_parse(bytes, n->suite, &n->cfg.realm, &v) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (repeated(n, subj, &v))
        return;
    bool member = vn_hs_m1_check_mac1(&v, n->suite, &n->session.macs, vn_protocol_now(n)) == VN_OK;
    vn_generations_seen(n, v.generation, member);
    if (!member) {
        vn_drop(n, VN_NDROP_HOUR_MAC);
        return;
    }
    if (!waited) {
        if (vn_cookies_under_load(n) && !vn_cookie_right(n, payer, &v)) {
            vn_drop(n, VN_NDROP_COOKIE);
            give_cookie(n, subj, &v);
            return;
        }
        struct vn_source *source = vn_source_get(n, payer);
        if (!source ||
            !vn_bucket_take(&source->handshakes, VN_HS_SRC_RATE, VN_HS_SRC_BURST, n->now_ms)) {
            vn_drop(n, VN_NDROP_RATE);
            return;
        }
    }
    const struct vn_eks *eks = vn_own_eks(n, v.kid);
    if (!eks) {
        vn_drop(n, VN_NDROP_SEAL);
        if (n->session.descriptor.len)
            retry(n, subj, &v, VN_RETRY_STALE_KID, vn_buf_span(&n->session.descriptor));
        return;
    }
    if (!vn_jobs_room(n, &subj->src) || n->streams.rx_count >= VN_STREAMS_MAX ||
        n->streams.half_open_count >= VN_HS_PENDING_MAX) {
        vn_drop(n, VN_NDROP_LIMIT);
        return;
    }
    if (!waited && !vn_turns_now(n, subj, bytes))
        return;
    vn_cookies_count(n);
    vn_turns_spend(n, VN_TURN_KEM);
    struct vn_hs_responder self = {
        .node = n->session.self, .cert_hash = eks->cert_hash, .eks = vn_kem_ek(eks->dk)};
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state hs = {0};
    struct vn_hs_m1_plain plain;
    uint8_t *buf = malloc(v.sealed.n);
    if (!buf || vn_hs_m1_open(&v, n->suite, &self, eks->dk, buf, &hs, &plain) != VN_OK)
        vn_drop(n, VN_NDROP_SEAL);
    else
        opened(n, subj, &v, &hs, &plain);
    free(buf);
}
