#include "guardian/natsjwt.h"

#include "base/text.h"
#include "control/json_alloc.h"
#include "crypto/kdf.h"
#include "guardian/json.h"

static const char HEADER[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";

vn_status vn_nats_key_init(struct vn_nats_key *k, enum vn_nkey_kind kind,
                           const struct vn_secret32 *seed)
{
    *k = (struct vn_nats_key){.kind = kind};
    vn_status st = vn_sig_from_seed(VN_SIG_ED25519, VN_SPAN_ARRAY(seed->b), &k->key);
    if (st != VN_OK)
        return st;
    return vn_nkey_public(kind, vn_sig_pk(k->key).p, k->public);
}

void vn_nats_key_done(struct vn_nats_key *k)
{
    k->key = vn_sig_free(k->key);
}

/*
 * The server treats jti as opaque text. nats-io/jwt puts a hash of the claims there; so do we, with
 * the hash we have (SHA-256 in place of SHA-512/256, both 32 bytes).
 */
static vn_status add_id(json_t *claims)
{
    VN_CLEANUP(vn_json_strp) char *text = vn_json_dump(claims, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return VN_ERR_NOMEM;
    struct vn_hash h;
    vn_status st = vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_STR(text)), &h);
    if (st != VN_OK)
        return st;
    char id[(32 * 8 + 4) / 5 + 1];
    vn_base32_encode(vn_hash_span(&h), id);
    return json_object_set_new(claims, "jti", json_string(id)) ? VN_ERR_NOMEM : VN_OK;
}

static vn_status encode(const struct vn_nats_key *issuer, json_t *claims, uint64_t iat, char **ret)
{
    if (json_object_set_new(claims, "iss", json_string(issuer->public)) ||
        json_object_set_new(claims, "iat", json_integer((json_int_t)iat)))
        return VN_ERR_NOMEM;
    vn_status st = add_id(claims);
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_json_strp) char *payload = vn_json_dump(claims, JSON_COMPACT);
    if (!payload)
        return VN_ERR_NOMEM;
    size_t payload_n = strlen(payload);
    size_t head_n = VN_B64URL_LEN(sizeof(HEADER) - 1);
    VN_CLEANUP(vn_json_strp)
    char *text = calloc(1, head_n + 1 + VN_B64URL_LEN(payload_n) + 1 + VN_B64URL_LEN(64) + 1);
    if (!text)
        return VN_ERR_NOMEM;
    vn_b64url_encode(VN_SPAN(HEADER, sizeof(HEADER) - 1), text);
    text[head_n] = '.';
    vn_b64url_encode(VN_SPAN(payload, payload_n), text + head_n + 1);
    size_t signed_n = strlen(text);
    uint8_t sig[64];
    st = vn_sig_sign(issuer->key, NULL, VN_SPAN(text, signed_n), sig);
    if (st != VN_OK)
        return st;
    text[signed_n] = '.';
    vn_b64url_encode(VN_SPAN_ARRAY(sig), text + signed_n + 1);
    *ret = VN_TAKE(text);
    return VN_OK;
}

vn_status vn_natsjwt_encode(const struct vn_nats_key *issuer, json_t *claims, uint64_t now_ms,
                            char **ret)
{
    return encode(issuer, claims, now_ms / 1000, ret);
}

vn_status vn_natsjwt_operator(const struct vn_nats_key *operator_key, const char *name,
                              const char *system_account, uint64_t now_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep)
    json_t *claims =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:i}}", "sub", operator_key->public, "name", name,
                  "nats", "system_account", system_account, "type", "operator", "version", 2);
    return claims ? vn_natsjwt_encode(operator_key, claims, now_ms, ret) : VN_ERR_NOMEM;
}

/* Unlimited but for imports and exports: accounts share nothing but what vn_natsjwt_sharing says.
 * Users present a signature, never the bare JWT (disallow_bearer). */
static json_t *account_claims(const char *account, const char *name)
{
    return json_pack("{s:s, s:s, s:{s:{s:i, s:i, s:i, s:i, s:i, s:b}, s:[], s:s, s:i}}", "sub",
                     account, "name", name, "nats", "limits", "subs", -1, "data", -1, "payload", -1,
                     "conn", -1, "leaf", -1, "disallow_bearer", 1, "signing_keys", "type",
                     "account", "version", 2);
}

vn_status vn_natsjwt_account(const struct vn_nats_key *operator_key, const char *account,
                             const char *const *signing, size_t signing_n, const char *name,
                             const json_t *revoked, uint64_t now_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *claims = account_claims(account, name);
    if (!claims)
        return VN_ERR_NOMEM;
    json_t *keys = json_object_get(json_object_get(claims, "nats"), "signing_keys");
    for (size_t i = 0; i < signing_n; i++)
        if (json_array_append_new(keys, json_string(signing[i])))
            return VN_ERR_NOMEM;
    if (json_object_size(revoked) && json_object_set_new(json_object_get(claims, "nats"),
                                                         "revocations", json_deep_copy(revoked)))
        return VN_ERR_NOMEM;
    /* Servers that compare theirs keep the one with the later iat, and of those of one second
     * either: a revocation would be lost. It counts milliseconds here; nothing else looks at it. */
    return encode(operator_key, claims, now_ms, ret);
}

vn_status vn_natsjwt_sharing(const struct vn_nats_key *operator_key, const char *account,
                             const char *name, const char *what, json_t *shared, uint64_t now_ms,
                             char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *claims = account_claims(account, name);
    json_t *nats = json_object_get(claims, "nats");
    if (!claims || !shared || json_object_set(nats, what, shared) ||
        json_object_set_new(json_object_get(nats, "limits"), what, json_integer(-1)))
        return VN_ERR_NOMEM;
    return encode(operator_key, claims, now_ms, ret);
}

static bool add_permission(json_t *nats, const char *name, json_t *allow)
{
    return !allow || json_object_set_new(nats, name, json_pack("{s:O}", "allow", allow)) == 0;
}

vn_status vn_natsjwt_user(const struct vn_nats_key *signer, const struct vn_nats_user *u,
                          uint64_t now_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep)
    json_t *claims = json_pack("{s:s, s:s, s:{s:I, s:i, s:I, s:[s], s:s, s:i}}", "sub", u->user,
                               "name", u->name, "nats", "subs", (json_int_t)u->subs, "data", -1,
                               "payload", (json_int_t)u->payload, "allowed_connection_types",
                               u->leaf ? "LEAFNODE" : "STANDARD", "type", "user", "version", 2);
    if (!claims)
        return VN_ERR_NOMEM;
    json_t *nats = json_object_get(claims, "nats");
    /* An empty list would mean "everything" to the server. */
    if ((u->pub && !json_array_size(u->pub)) || (u->sub && !json_array_size(u->sub)))
        return VN_ERR_ARG;
    if (!add_permission(nats, "pub", u->pub) || !add_permission(nats, "sub", u->sub))
        return VN_ERR_NOMEM;
    if (u->account && json_object_set_new(nats, "issuer_account", json_string(u->account)))
        return VN_ERR_NOMEM;
    if (u->expires_ms &&
        json_object_set_new(claims, "exp", json_integer((json_int_t)(u->expires_ms / 1000))))
        return VN_ERR_NOMEM;
    return vn_natsjwt_encode(signer, claims, now_ms, ret);
}
