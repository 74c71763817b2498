#include "core/outbox.h"

#include "core/node_i.h"

struct envelope_job {
    struct vn_job job;
    struct vn_envelope_send send;
    struct vn_hour_keys hour_keys;
    uint8_t ek[VN_EK_MAX];
    uint8_t nonce[16];
    struct vn_subject subject;
    void (*sent)(struct vn_node *n);
    uint8_t *cert;
    struct vn_buf body, ret;
};

static vn_status envelope_run(struct vn_job *job)
{
    struct envelope_job *j = VN_CONTAINER_OF(job, struct envelope_job, job);
    j->send.key = job->ref->key;
    return vn_envelope_seal(&j->send, j->nonce, &j->ret);
}

static void to_master(struct vn_node *n, const struct vn_subject *subject, struct vn_span bytes)
{
    char text[VN_SUBJECT_MAX];
    vn_subject_format(subject, text);
    vn_status st = n->cfg.control->publish(n->cfg.control->self, text, bytes);
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "publish_failed", VN_KV_STR("subject", text), VN_KV_STATUS(st));
}

static void publish(struct vn_node *n, const struct vn_subject *subject, struct vn_span bytes)
{
    if (!vn_inband_send(n, subject, bytes))
        to_master(n, subject, bytes);
}

static void envelope_done(struct vn_node *n, struct vn_job *job)
{
    struct envelope_job *j = VN_CONTAINER_OF(job, struct envelope_job, job);
    if (job->status != VN_OK)
        vn_log(job->status == VN_ERR_LIMIT ? VN_LOG_DEBUG : VN_LOG_ERROR, "envelope_failed",
               VN_KV_U64("type", j->send.type), VN_KV_STATUS(job->status));
    else
        publish(n, &j->subject, vn_buf_span(&j->ret));
    if (j->sent)
        j->sent(n);
}

static void envelope_free(struct vn_job *job)
{
    struct envelope_job *j = VN_CONTAINER_OF(job, struct envelope_job, job);
    vn_hour_keys_wipe(&j->hour_keys);
    free(j->cert);
    vn_buf_done(&j->body);
    vn_buf_done(&j->ret);
    free(j);
}

vn_status vn_pb_pack(const ProtobufCMessage *m, struct vn_buf *ret)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    vn_status st = vn_buf_reserve(ret, len);
    if (st != VN_OK)
        return st;
    ret->len += protobuf_c_message_pack(m, ret->p + ret->len);
    return VN_OK;
}

vn_status vn_outbox_send(struct vn_node *n, const struct vn_outgoing *o)
{
    const struct vn_session *s = &n->session;
    if (!s->cred)
        return VN_ERR_AGAIN;
    struct envelope_job *j = calloc(1, sizeof(*j));
    if (!j)
        return VN_ERR_NOMEM;
    j->job.run = envelope_run;
    j->job.done = envelope_done;
    j->job.free = envelope_free;
    j->sent = o->sent;
    if (!o->own_name)
        j->job.peer = o->dst;
    vn_buf_init(&j->body, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&j->ret, VN_CONTROL_PAYLOAD_MAX);
    uint32_t generation = o->generation;
    if (!generation)
        generation = vn_generation_for(n, o->own_name ? NULL : vn_peer_get(n, &o->dst));
    vn_generation_hours(n, generation, &j->hour_keys);
    const struct vn_blob *cert = &s->cred->certificate;
    j->cert = malloc(cert->n);
    vn_status st = j->cert && o->ek.n <= sizeof(j->ek) ? VN_OK : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = vn_pb_pack(o->body, &j->body);
    if (st == VN_OK)
        st = vn_random_fill(n, j->nonce, sizeof(j->nonce));
    if (st != VN_OK) {
        envelope_free(&j->job);
        return st;
    }
    memcpy(j->cert, cert->p, cert->n);
    if (o->ek.n)
        memcpy(j->ek, o->ek.p, o->ek.n);
    j->subject = (struct vn_subject){.kind = o->own_name ? VN_SUBJ_OWN : VN_SUBJ_IN,
                                     .name = o->own_name ? *o->own_name : o->dst,
                                     .src = s->self};
    j->send = (struct vn_envelope_send){
        .suite = n->suite,
        .type = (uint8_t)o->type,
        .realm = n->cfg.realm,
        .src = s->self,
        .dst = o->own_name ? (struct vn_id){0} : o->dst,
        .hour_keys = &j->hour_keys,
        .now_ms = vn_protocol_now(n),
        .recipient_ek = VN_SPAN(o->ek.n ? j->ek : NULL, o->ek.n),
        .cert = VN_SPAN(j->cert, cert->n),
        .include_cert = o->include_cert,
        .context = "anchor-env-v1",
        .body = vn_buf_span(&j->body),
    };
    return vn_job_submit(n, &j->job);
}

vn_status vn_outbox_member(struct vn_node *n, enum vn_wire_type type, const struct vn_id *dst,
                           struct vn_span body)
{
    const struct vn_session *s = &n->session;
    struct vn_hour_keys hours;
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    uint8_t nonce[16];
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    if (!s->cred)
        return VN_ERR_AGAIN;
    vn_status st = vn_random_fill(n, nonce, sizeof(nonce));
    if (st != VN_OK)
        return st;
    vn_generation_hours(n, vn_generation_for(n, dst ? vn_peer_get(n, dst) : NULL), &hours);
    struct vn_envelope_send e = {.suite = n->suite,
                                 .type = (uint8_t)type,
                                 .realm = n->cfg.realm,
                                 .src = s->self,
                                 .hour_keys = &hours,
                                 .now_ms = vn_protocol_now(n),
                                 .body = body};
    if (dst)
        e.dst = *dst;
    st = vn_envelope_seal(&e, nonce, &b);
    vn_hour_keys_wipe(&hours);
    const struct vn_subject to = {
        .kind = dst ? VN_SUBJ_IN : VN_SUBJ_HUB, .name = e.dst, .src = s->self};
    if (st == VN_OK)
        to_master(n, &to, vn_buf_span(&b));
    return st;
}

void vn_outbox_publish(struct vn_node *n, const struct vn_id *dst, const struct vn_id *via,
                       struct vn_span bytes)
{
    struct vn_subject to = {.kind = VN_SUBJ_IN, .name = *dst, .src = n->session.self};
    if (via)
        to.via = *via;
    publish(n, &to, bytes);
}
