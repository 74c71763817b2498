#include "guardian/jwt.h"

#include "base/text.h"
#include "control/json_alloc.h"
#include "control/json_read.h"
#include "crypto/kdf.h"

/* The header we write, and the only one we read: {"alg":"HS256","typ":"JWT"} */
static const char HEADER[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
#define HEADER_LEN (sizeof(HEADER) - 1)
#define MAC_TEXT_LEN VN_B64URL_LEN(32)

static vn_status mac_of(const struct vn_secret32 *key, struct vn_span signed_part,
                        struct vn_hash *ret)
{
    return vn_hmac(VN_SHA256, VN_SPAN_ARRAY(key->b), &signed_part, 1, ret);
}

vn_status vn_jwt_sign(const struct vn_secret32 *key, const json_t *claims, char **ret)
{
    VN_CLEANUP(vn_secret_strp) char *payload = vn_json_dump(claims, JSON_COMPACT | JSON_SORT_KEYS);
    if (!payload)
        return VN_ERR_NOMEM;
    size_t payload_n = strlen(payload);
    size_t cap = HEADER_LEN + 1 + VN_B64URL_LEN(payload_n) + 1 + MAC_TEXT_LEN + 1;
    if (cap > VN_JWT_MAX)
        return VN_ERR_LIMIT;
    VN_CLEANUP(vn_secret_strp) char *text = calloc(1, cap);
    if (!text)
        return VN_ERR_NOMEM;
    memcpy(text, HEADER, HEADER_LEN);
    text[HEADER_LEN] = '.';
    vn_b64url_encode(VN_SPAN(payload, payload_n), text + HEADER_LEN + 1);
    size_t signed_n = strlen(text);
    struct vn_hash mac;
    vn_status st = mac_of(key, VN_SPAN(text, signed_n), &mac);
    if (st != VN_OK)
        return st;
    text[signed_n] = '.';
    vn_b64url_encode(vn_hash_span(&mac), text + signed_n + 1);
    *ret = VN_TAKE(text);
    return VN_OK;
}

vn_status vn_jwt_verify(const struct vn_secret32 *key, const char *text, json_t **ret)
{
    size_t n = strnlen(text, VN_JWT_MAX + 1);
    if (n > VN_JWT_MAX || n < HEADER_LEN + 1 + 1 + MAC_TEXT_LEN ||
        memcmp(text, HEADER, HEADER_LEN) != 0 || text[HEADER_LEN] != '.' ||
        text[n - MAC_TEXT_LEN - 1] != '.')
        return VN_ERR_AUTH;
    struct vn_span signed_part = VN_SPAN(text, n - MAC_TEXT_LEN - 1);
    struct vn_hash mac;
    vn_status st = mac_of(key, signed_part, &mac);
    if (st != VN_OK)
        return st;
    uint8_t got[32];
    size_t got_n;
    if (vn_b64url_decode(VN_SPAN(text + n - MAC_TEXT_LEN, MAC_TEXT_LEN), got, sizeof(got),
                         &got_n) != VN_OK ||
        got_n != mac.n || !vn_ct_equal(got, mac.b, got_n))
        return VN_ERR_AUTH;

    uint8_t payload[VN_JWT_MAX];
    size_t payload_n;
    struct vn_span body = VN_SPAN(text + HEADER_LEN + 1, signed_part.n - HEADER_LEN - 1);
    if (vn_b64url_decode(body, payload, sizeof(payload), &payload_n) != VN_OK)
        return VN_ERR_AUTH;
    /* Short of memory is Guardian's trouble: who hears that his token is bad gives it up. */
    json_t *claims = vn_jread_parse(VN_SPAN(payload, payload_n));
    if (!claims)
        return vn_jread_why() == VN_ERR_NOMEM ? VN_ERR_NOMEM : VN_ERR_AUTH;
    *ret = claims;
    return VN_OK;
}
