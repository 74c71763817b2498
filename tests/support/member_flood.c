#include "support/member_flood.h"

#include "anchor.pb-c.h"
#include "base/limits.h"
#include "crypto/rng.h"
#include "wire/descriptor.h"
#include "wire/envelope.h"
#include "wire/types.h"

static vn_status make_descriptor(const struct member *m, uint64_t now_ms, struct vn_buf *ret)
{
    const struct vn_credentials *c = m->cred;
    uint8_t eks[VN_EK_MAX]; /* nobody will seal to it */
    vn_status st = vn_rng_bytes(eks, m->suite->ek_len);
    return st == VN_OK ? vn_descriptor_make(
                             m->suite, &c->realm.id, VN_SPAN(c->certificate.p, c->certificate.n),
                             VN_SPAN(eks, m->suite->ek_len), now_ms, now_ms + VN_DESCRIPTOR_LIFE_MS,
                             VN_SPAN_NONE, NULL, 0, m->key, ret)
                       : st;
}

vn_status member_query(const struct member *m, const struct vn_ip *ip, uint64_t now_ms,
                       char subject[VN_SUBJECT_MAX], struct vn_buf *ret)
{
    const struct vn_credentials *c = m->cred;
    VN_CLEANUP(vn_buf_done) struct vn_buf descriptor;
    static uint8_t body[VN_CONTROL_PAYLOAD_MAX];
    struct vn_subject s = {.kind = VN_SUBJ_OWN, .src = m->node};
    Vn__Query q = VN__QUERY__INIT;
    uint8_t nonce[16];
    vn_buf_init(&descriptor, VN_DESCRIPTOR_MAX);
    vn_buf_init(ret, VN_CONTROL_PAYLOAD_MAX);
    vn_status st = make_descriptor(m, now_ms, &descriptor);
    if (st == VN_OK)
        st = vn_name_hash(m->suite->hash, &c->realm.name_key, VN_NAME_IP4, VN_SPAN(ip->b + 12, 4),
                          &s.name);
    if (st == VN_OK)
        st = vn_rng_bytes(nonce, sizeof(nonce));
    if (st != VN_OK)
        return st;
    vn_subject_format(&s, subject);
    q.descriptor = (ProtobufCBinaryData){descriptor.len, descriptor.p};
    q.statement = (ProtobufCBinaryData){c->statement.n, c->statement.p};
    q.name_kind = VN_NAME_IP4;
    q.name = (ProtobufCBinaryData){4, (uint8_t *)ip->b + 12};
    memcpy(&q.request, nonce, sizeof(q.request));
    const struct vn_envelope_send send = {
        .suite = m->suite,
        .type = VN_T_QUERY,
        .realm = c->realm.id,
        .src = m->node,
        .hour_keys = &c->hour_keys,
        .now_ms = now_ms,
        .cert = VN_SPAN(c->certificate.p, c->certificate.n),
        .key = m->key,
        .context = "anchor-env-v1",
        .body = VN_SPAN(body, vn__query__pack(&q, body)),
    };
    return vn_envelope_seal(&send, nonce, ret);
}
