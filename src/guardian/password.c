#include "guardian/password.h"

#include <inttypes.h>

#include "base/secret.h"
#include "base/text.h"
#include "crypto/kdf.h"
#include "crypto/rng.h"

/* OWASP's second choice of equal strength: small enough for several at once on a small machine. */
#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define MEMORY_KIB_MAX (1u << 20) /* of a stored hash */

vn_status vn_password_generate(char ret[21])
{
    static const char ALPHABET[] =
        "abcdefghijkmnpqrstuvwxyz23456789"; /* 32 characters, without l o 0 1 */
    _Static_assert(sizeof(ALPHABET) == 33, "five bits a character");
    uint8_t random[20];
    vn_status st = vn_rng_bytes(random, sizeof(random));
    if (st != VN_OK)
        return st;
    for (size_t i = 0; i < sizeof(random); i++)
        ret[i] = ALPHABET[random[i] & 31];
    ret[20] = 0;
    vn_wipe(random, sizeof(random));
    return VN_OK;
}

vn_status vn_password_hash(const char *password, char *ret, size_t cap)
{
    uint8_t salt[16], hash[32];
    vn_status st = vn_rng_bytes(salt, sizeof(salt));
    if (st == VN_OK)
        st = vn_argon2id(VN_SPAN_STR(password), VN_SPAN_ARRAY(salt), MEMORY_KIB, PASSES, LANES,
                         hash, sizeof(hash));
    if (st != VN_OK)
        return st;
    char salt_text[VN_B64URL_LEN(16) + 1], hash_text[VN_B64URL_LEN(32) + 1];
    vn_b64url_encode(VN_SPAN_ARRAY(salt), salt_text);
    vn_b64url_encode(VN_SPAN_ARRAY(hash), hash_text);
    int n = snprintf(ret, cap, "$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", MEMORY_KIB, PASSES, LANES,
                     salt_text, hash_text);
    return n > 0 && (size_t)n < cap ? VN_OK : VN_ERR_LIMIT;
}

vn_status vn_password_check(const char *password, const char *stored)
{
    uint32_t m, t, p;
    char salt_text[64], hash_text[96];
    if (sscanf(stored, "$argon2id$v=19$m=%" SCNu32 ",t=%" SCNu32 ",p=%" SCNu32 "$%63[^$]$%95[^$]",
               &m, &t, &p, salt_text, hash_text) != 5 ||
        m > MEMORY_KIB_MAX || t > 64 || p > 16)
        return VN_ERR_MALFORMED;
    uint8_t salt[48], want[64], got[64];
    size_t salt_n, want_n;
    if (vn_b64url_decode(VN_SPAN_STR(salt_text), salt, sizeof(salt), &salt_n) != VN_OK ||
        vn_b64url_decode(VN_SPAN_STR(hash_text), want, sizeof(want), &want_n) != VN_OK ||
        want_n < 16)
        return VN_ERR_MALFORMED;
    vn_status st = vn_argon2id(VN_SPAN_STR(password), VN_SPAN(salt, salt_n), m, t, p, got, want_n);
    if (st != VN_OK)
        return st;
    return vn_ct_equal(got, want, want_n) ? VN_OK : VN_ERR_AUTH;
}
