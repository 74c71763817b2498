#include "transport/turn_auth.h"

#include "base/reader.h"
#include "crypto/kdf.h"
#include "crypto/md5.h"

#define NONCE_COOKIE "obMatJos2" /* RFC 8489 section 9.2: then 4 base64 characters of features */
#define NONCE_COOKIE_LEN 9
enum { FEATURE_ALGORITHMS = 1, FEATURE_USERHASH = 2 };

static bool copy_printable(const char *text, char *ret, size_t max)
{
    const size_t n = strnlen(text, max + 1);
    if (n == 0 || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    memcpy(ret, text, n + 1);
    return true;
}

vn_status vn_turn_auth_init(struct vn_turn_auth *a, const char *username, const char *password)
{
    *a = (struct vn_turn_auth){.challenged = false};
    if (copy_printable(username, a->username, VN_TURN_USERNAME_MAX) &&
        copy_printable(password, a->password, VN_TURN_CREDENTIAL_MAX))
        return VN_OK;
    vn_turn_auth_done(a);
    return VN_ERR_ARG;
}

void vn_turn_auth_done(struct vn_turn_auth *a)
{
    vn_wipe(a, sizeof(*a));
}

/* The last of the four characters holds the low six bits. */
static unsigned features(struct vn_span nonce)
{
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (nonce.n < NONCE_COOKIE_LEN + 4 || memcmp(nonce.p, NONCE_COOKIE, NONCE_COOKIE_LEN) != 0)
        return 0;
    const char *at = memchr(ALPHABET, nonce.p[NONCE_COOKIE_LEN + 3], sizeof(ALPHABET) - 1);
    return at ? (unsigned)(at - ALPHABET) : 0;
}

/* The first of the list that we know (section 9.2.5); 0: none. */
static uint16_t choose(struct vn_span list)
{
    struct vn_reader r = vn_reader_of(list), parameters;
    uint16_t algorithm;
    struct vn_span padding;
    while (vn_read_u16(&r, &algorithm) && vn_read_block16(&r, &parameters) &&
           (vn_reader_done(&r) || vn_read_span(&r, (4 - parameters.left % 4) % 4, &padding)))
        if ((algorithm == VN_STUN_ALG_MD5 || algorithm == VN_STUN_ALG_SHA256) &&
            parameters.left == 0)
            return algorithm;
    return 0;
}

static void keep(struct vn_turn_text *t, struct vn_span v)
{
    t->n = VN_MIN(v.n, sizeof(t->b));
    if (t->n > 0)
        memcpy(t->b, v.p, t->n);
}

static struct vn_span span_of(const struct vn_turn_text *t)
{
    return VN_SPAN(t->b, t->n);
}

/* Sections 9.2.2 and 18.5.1: H(username ":" realm ":" password). */
static vn_status make_key(struct vn_turn_auth *a, bool sha256)
{
    const struct vn_span parts[] = {VN_SPAN_STR(a->username), VN_SPAN_LIT(":"), span_of(&a->realm),
                                    VN_SPAN_LIT(":"), VN_SPAN_STR(a->password)};
    if (!sha256) {
        a->key_len = VN_MD5_LEN;
        return vn_md5(parts, VN_ARRAY_LEN(parts), a->key);
    }
    struct vn_hash h;
    const vn_status st = vn_hash(VN_SHA256, parts, VN_ARRAY_LEN(parts), &h);
    a->key_len = sizeof(a->key);
    if (st == VN_OK)
        memcpy(a->key, h.b, sizeof(a->key));
    vn_wipe(&h, sizeof(h));
    return st;
}

/* Section 14.4 */
static vn_status make_userhash(struct vn_turn_auth *a)
{
    struct vn_hash h;
    const vn_status st = vn_hash(
        VN_SHA256, VN_PARTS(VN_SPAN_STR(a->username), VN_SPAN_LIT(":"), span_of(&a->realm)), &h);
    if (st == VN_OK)
        memcpy(a->userhash, h.b, sizeof(a->userhash));
    return st;
}

vn_status vn_turn_auth_challenge(struct vn_turn_auth *a, const struct vn_stun_msg *m)
{
    const bool has_list = m->algorithms.n > 0;
    if (m->nonce.n == 0 || m->algorithms.n > sizeof(a->algorithms.b) ||
        ((features(m->nonce) & FEATURE_ALGORITHMS) && !has_list))
        return VN_ERR_AUTH;
    if (a->challenged && m->error == 438) {
        /* A new nonce alone: what was negotiated stays. */
        keep(&a->nonce, m->nonce);
        return VN_OK;
    }
    const uint16_t algorithm = has_list ? choose(m->algorithms) : VN_STUN_ALG_MD5;
    if (m->realm.n == 0 || algorithm == 0)
        return VN_ERR_AUTH;
    keep(&a->realm, m->realm);
    keep(&a->nonce, m->nonce);
    keep(&a->algorithms, m->algorithms);
    /* Section 9.2.5: with the list, MESSAGE-INTEGRITY-SHA256 only. */
    a->integrity = has_list ? VN_STUN_SHA256 : VN_STUN_SHA1;
    a->hashed = features(m->nonce) & FEATURE_USERHASH;
    vn_status st = make_key(a, algorithm == VN_STUN_ALG_SHA256);
    if (st == VN_OK && a->hashed)
        st = make_userhash(a);
    a->challenged = st == VN_OK;
    return st;
}

void vn_turn_auth_put(const struct vn_turn_auth *a, struct vn_writer *w)
{
    if (!a->challenged)
        return;
    if (a->hashed)
        vn_stun_put_userhash(w, VN_SPAN_ARRAY(a->userhash));
    else
        vn_stun_put_username(w, VN_SPAN_STR(a->username));
    vn_stun_put_realm(w, span_of(&a->realm));
    vn_stun_put_nonce(w, span_of(&a->nonce));
    if (a->algorithms.n == 0)
        return;
    vn_stun_put_algorithms(w, span_of(&a->algorithms));
    vn_stun_put_algorithm(w, choose(span_of(&a->algorithms)));
}

vn_status vn_turn_auth_end(const struct vn_turn_auth *a, struct vn_writer *w, struct vn_span *ret)
{
    const struct vn_span key = a->challenged ? VN_SPAN(a->key, a->key_len) : VN_SPAN_NONE;
    return vn_stun_end_with(w, a->integrity, key, ret);
}

vn_status vn_turn_auth_verify(const struct vn_turn_auth *a, const struct vn_stun_msg *m)
{
    return a->challenged ? vn_stun_verify_with(m, a->integrity, VN_SPAN(a->key, a->key_len))
                         : VN_ERR_AUTH;
}
