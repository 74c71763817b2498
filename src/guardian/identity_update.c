#include "guardian/identity_update.h"

#include "anchor.pb-c.h"
#include "base/limits.h"
#include "crypto/rng.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "wire/bundle.h"
#include "wire/statement.h"

#define IDENTITIES_MAX (VN_TAINTS_MAX + VN_SCOPES_MAX)

static vn_status pack(Vn__IdentityUpdate *m, struct vn_buf *ret)
{
    size_t n = vn__identity_update__get_packed_size(m);
    vn_status st = vn_buf_reserve(ret, n);
    if (st != VN_OK)
        return st;
    ret->len = vn__identity_update__pack(m, ret->p);
    return VN_OK;
}

static vn_status encode(const struct vn_own_identity *ids, size_t count, uint32_t generation,
                        const json_t *answer, struct vn_buf *ret)
{
    Vn__IdentityKey keys[IDENTITIES_MAX], *list[IDENTITIES_MAX];
    for (size_t i = 0; i < count; i++) {
        vn__identity_key__init(&keys[i]);
        keys[i].kind = ids[i].kind;
        keys[i].label = (char *)ids[i].label;
        keys[i].key = (ProtobufCBinaryData){sizeof(ids[i].key.b), (uint8_t *)ids[i].key.b};
        list[i] = &keys[i];
    }
    uint8_t statement[VN_STATEMENT_MAX];
    size_t statement_n;
    uint8_t other[VN_KEY_SET_MAX];
    size_t other_n = 0;
    vn_status st =
        vn_json_get_bytes(answer, "statement", statement, sizeof(statement), &statement_n);
    if (st == VN_OK && json_object_get(answer, "other_keys"))
        st = vn_json_get_bytes(answer, "other_keys", other, sizeof(other), &other_n);
    const char *jwt = json_string_value(json_object_get(answer, "nats_jwt"));
    if (st != VN_OK || !jwt)
        return VN_ERR_ARG;
    Vn__IdentityUpdate m;
    vn__identity_update__init(&m);
    m.statement = (ProtobufCBinaryData){statement_n, statement};
    m.n_identities = count;
    m.identities = list;
    m.nats_jwt = (char *)jwt;
    m.generation = generation;
    m.other_keys = (ProtobufCBinaryData){other_n, other};
    st = pack(&m, ret);
    vn_wipe(other, sizeof(other));
    return st;
}

vn_status vn_identity_update_seal(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                  const json_t *answer, uint64_t now_ms, struct vn_buf *ret)
{
    struct vn_own_identity ids[IDENTITIES_MAX];
    size_t count;
    uint8_t nonce[16];
    struct vn_buf body;
    vn_buf_init(&body, VN_CONTROL_PAYLOAD_MAX);
    uint32_t generation = realm->r.hour_generation;
    vn_status st = vn_issue_identities(realm, c, generation, ids, VN_ARRAY_LEN(ids), &count);
    if (st == VN_OK)
        st = encode(ids, count, generation, answer, &body);
    if (st == VN_OK)
        st = vn_rng_bytes(nonce, sizeof(nonce));
    if (st == VN_OK) {
        const struct vn_envelope_send s = {
            .suite = realm->suite,
            .type = VN_T_UPDATE,
            .realm = realm->r.id,
            .src = realm->gid,
            .dst = c->session.node,
            .now_ms = now_ms,
            .recipient_ek = VN_SPAN(c->session.session_ek, c->session.session_ek_n),
            .cert = VN_SPAN(realm->r.command_cert.p, realm->r.command_cert.n),
            .key = realm->command_key,
            .context = "anchor-cmd-v1",
            .body = vn_buf_span(&body),
        };
        st = vn_envelope_seal(&s, nonce, ret);
    }
    vn_buf_wipe(&body);
    vn_wipe(ids, sizeof(ids));
    return st;
}
