/*
 * anchor-kat: the wrappers of src/crypto for test suites in any language. One JSON object per line
 * in, one per line out, in order, flushed. Bytes are hexadecimal. "op" names the operation; "id",
 * if there is one, comes back. What is wrong gives {"error": "<status>"}: malformed, auth, arg,
 * crypto, ...
 *
 *   op            in (? optional)                                            out
 *   kem_keygen    alg, d? z? | seed? (d then z)                              ek, dk
 *   kem_encaps    alg, ek, m?                                                ct, ss
 *   kem_decaps    alg, dk | seed, ct                                         ss
 *   sig_keygen    alg, seed?                                                 pk, sk, seed
 *   sig_sign      alg, sk | seed, msg, ctx?, deterministic?                  sig
 *   sig_verify    alg, pk, msg, ctx?, sig, internal?                         valid
 *   hash          alg, msg                                                   digest
 *   hmac          alg, key, msg                                              mac
 *   hkdf          alg, salt?, ikm, info?, len                                okm
 *   hkdf_extract  alg, salt?, ikm                                            prk
 *   hkdf_expand   alg, prk, info?, len                                       okm
 *   aead_seal     key, nonce, aad?, plaintext                                ciphertext, tag
 *   aead_open     key, nonce, aad?, ciphertext, tag                          plaintext
 *   x25519        scalar, u                                                  ss
 *   argon2id      password, salt, m (KiB), t, p, len                         key
 *
 * KEM alg: ML-KEM-768, ML-KEM-1024, X25519MLKEM768 (no seeds, no m). Signature alg: ML-DSA-65,
 * ML-DSA-87, Ed25519. Hash alg: SHA-256, SHA-384, SHA3-256. sig_verify answers {"valid": false} for
 * a signature that does not verify and an error for a public key that is none. "internal": true
 * leaves out the context's prefix (FIPS 204 algorithm 8).
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/suite.h"

#define LINE_MAX_BYTES (4u << 20)
#define FIELDS_MAX 16
#define OUT_MAX (255 * VN_HASH_MAX)
#define ARGON2_M_MAX (1u << 20) /* KiB */
#define ARGON2_T_MAX 1000

/* One request: what was decoded for it is freed with it. */
struct request {
    json_t *in, *out;
    uint8_t *fields[FIELDS_MAX];
    size_t lens[FIELDS_MAX];
    size_t count;
};

#define TRY(call)                                                                                  \
    do {                                                                                           \
        const vn_status try_st = (call);                                                           \
        if (try_st != VN_OK)                                                                       \
            return try_st;                                                                         \
    } while (0)

static void request_done(struct request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        vn_wipe(r->fields[i], r->lens[i]);
        free(r->fields[i]);
    }
    json_decref(r->in);
    json_decref(r->out);
}

static bool has(const struct request *r, const char *name)
{
    return json_object_get(r->in, name) != NULL;
}

static vn_status room(struct request *r, size_t n, uint8_t **ret)
{
    if (r->count == FIELDS_MAX)
        return VN_ERR_LIMIT;
    uint8_t *p = calloc(1, n + 1);
    if (!p)
        return VN_ERR_NOMEM;
    r->fields[r->count] = p;
    r->lens[r->count++] = n;
    *ret = p;
    return VN_OK;
}

/* Absent: VN_ERR_ARG; no string, or not hexadecimal: VN_ERR_MALFORMED. */
static vn_status bytes(struct request *r, const char *name, struct vn_span *ret)
{
    const json_t *v = json_object_get(r->in, name);
    uint8_t *p;
    size_t n;
    if (!v)
        return VN_ERR_ARG;
    if (!json_is_string(v))
        return VN_ERR_MALFORMED;
    TRY(room(r, json_string_length(v) / 2, &p));
    TRY(vn_hex_decode(VN_SPAN(json_string_value(v), json_string_length(v)), p,
                      json_string_length(v) / 2, &n));
    *ret = VN_SPAN(p, n);
    return VN_OK;
}

static vn_status bytes_or_none(struct request *r, const char *name, struct vn_span *ret)
{
    *ret = VN_SPAN_NONE;
    return has(r, name) ? bytes(r, name, ret) : VN_OK;
}

static vn_status bytes_of(struct request *r, const char *name, size_t n, struct vn_span *ret)
{
    struct vn_span s;
    TRY(bytes(r, name, &s));
    if (s.n != n)
        return VN_ERR_MALFORMED;
    *ret = s;
    return VN_OK;
}

static vn_status number(const struct request *r, const char *name, uint32_t max, uint32_t *ret)
{
    const json_t *v = json_object_get(r->in, name);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
        return VN_ERR_ARG;
    *ret = (uint32_t)json_integer_value(v);
    return VN_OK;
}

struct choice {
    const char *name;
    int value;
};

static vn_status alg(const struct request *r, const struct choice *choices, int *ret)
{
    const char *name = json_string_value(json_object_get(r->in, "alg"));
    for (; name && choices->name; choices++) {
        if (strcmp(choices->name, name) == 0) {
            *ret = choices->value;
            return VN_OK;
        }
    }
    return VN_ERR_ARG;
}

static const struct choice KEMS[] = {{"X25519MLKEM768", VN_KEM_X25519MLKEM768},
                                     {"ML-KEM-768", VN_KEM_MLKEM768},
                                     {"ML-KEM-1024", VN_KEM_MLKEM1024},
                                     {NULL, 0}};
static const struct choice SIGS[] = {{"ML-DSA-65", VN_SIG_MLDSA65},
                                     {"ML-DSA-87", VN_SIG_MLDSA87},
                                     {"Ed25519", VN_SIG_ED25519},
                                     {NULL, 0}};
static const struct choice HASHES[] = {
    {"SHA-256", VN_SHA256}, {"SHA-384", VN_SHA384}, {"SHA3-256", VN_SHA3_256}, {NULL, 0}};

static vn_status answer(struct request *r, const char *name, struct vn_span s)
{
    char *hex = malloc(s.n * 2 + 1);
    if (!hex)
        return VN_ERR_NOMEM;
    vn_hex_encode(s, hex);
    const int failed = json_object_set_new(r->out, name, json_string(hex));
    vn_secret_strp(&hex);
    return failed ? VN_ERR_NOMEM : VN_OK;
}

/* ---- operations ---- */

static vn_status kem_key(struct request *r, enum vn_kem_alg a, struct vn_kem_dk **ret)
{
    struct vn_span s, z;
    if (has(r, "dk")) {
        TRY(bytes(r, "dk", &s));
        return vn_kem_from_dk(a, s, ret);
    }
    if (has(r, "d")) {
        uint8_t seed[64];
        TRY(bytes_of(r, "d", 32, &s));
        TRY(bytes_of(r, "z", 32, &z));
        memcpy(seed, s.p, 32);
        memcpy(seed + 32, z.p, 32);
        return vn_kem_from_seed(a, VN_SPAN_ARRAY(seed), ret);
    }
    TRY(bytes(r, "seed", &s));
    return vn_kem_from_seed(a, s, ret);
}

static vn_status kem_keygen(struct request *r)
{
    int a;
    uint8_t bytes_dk[3168];
    size_t n;
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    TRY(alg(r, KEMS, &a));
    const bool given = has(r, "d") || has(r, "z") || has(r, "seed");
    TRY(given ? kem_key(r, (enum vn_kem_alg)a, &dk) : vn_kem_generate((enum vn_kem_alg)a, &dk));
    TRY(vn_kem_export_dk(dk, bytes_dk, sizeof(bytes_dk), &n));
    TRY(answer(r, "ek", vn_kem_ek(dk)));
    return answer(r, "dk", VN_SPAN(bytes_dk, n));
}

static vn_status kem_encaps(struct request *r)
{
    int a;
    struct vn_span ek, m;
    uint8_t ct[VN_CT_MAX];
    struct vn_secret ss;
    TRY(alg(r, KEMS, &a));
    TRY(bytes(r, "ek", &ek));
    TRY(bytes_or_none(r, "m", &m));
    TRY(has(r, "m") ? vn_kem_encapsulate_derand((enum vn_kem_alg)a, ek, m, ct, &ss)
                    : vn_kem_encapsulate((enum vn_kem_alg)a, ek, ct, &ss));
    TRY(answer(r, "ct", VN_SPAN(ct, vn_kem_ct_len((enum vn_kem_alg)a))));
    return answer(r, "ss", VN_SPAN(ss.b, ss.n));
}

static vn_status kem_decaps(struct request *r)
{
    int a;
    struct vn_span ct;
    struct vn_secret ss;
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    TRY(alg(r, KEMS, &a));
    TRY(bytes(r, "ct", &ct));
    TRY(kem_key(r, (enum vn_kem_alg)a, &dk));
    TRY(vn_kem_decapsulate(dk, ct, &ss));
    return answer(r, "ss", VN_SPAN(ss.b, ss.n));
}

static vn_status sig_key(struct request *r, enum vn_sig_alg a, struct vn_sig_key **ret)
{
    struct vn_span s;
    if (has(r, "sk")) {
        TRY(bytes(r, "sk", &s));
        return vn_sig_from_sk(a, s, ret);
    }
    TRY(bytes(r, "seed", &s));
    return vn_sig_from_seed(a, s, ret);
}

static vn_status sig_keygen(struct request *r)
{
    int a;
    uint8_t sk[VN_SIG_SK_MAX];
    size_t n;
    struct vn_secret32 seed;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    TRY(alg(r, SIGS, &a));
    TRY(has(r, "seed") ? sig_key(r, (enum vn_sig_alg)a, &key)
                       : vn_sig_generate((enum vn_sig_alg)a, &key));
    TRY(vn_sig_export_sk(key, sk, sizeof(sk), &n));
    TRY(vn_sig_seed(key, &seed));
    TRY(answer(r, "pk", vn_sig_pk(key)));
    TRY(answer(r, "sk", VN_SPAN(sk, n)));
    return answer(r, "seed", VN_SPAN_ARRAY(seed.b));
}

static vn_status sig_sign(struct request *r)
{
    int a;
    struct vn_span msg, ctx;
    uint8_t sig[VN_SIG_MAX];
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    TRY(alg(r, SIGS, &a));
    TRY(bytes(r, "msg", &msg));
    TRY(bytes_or_none(r, "ctx", &ctx));
    TRY(sig_key(r, (enum vn_sig_alg)a, &key));
    if (json_is_true(json_object_get(r->in, "deterministic"))) {
        if (ctx.n > 0 && memchr(ctx.p, 0, ctx.n))
            return VN_ERR_UNSUPPORTED; /* that wrapper takes text; the field ends with a NUL of its
                                          own */
        TRY(vn_sig_sign_deterministic(key, (const char *)ctx.p, msg, sig));
    } else {
        TRY(vn_sig_sign_ctx(key, ctx, msg, sig));
    }
    return answer(r, "sig", VN_SPAN(sig, vn_sig_len((enum vn_sig_alg)a)));
}

static vn_status sig_verify(struct request *r)
{
    int a;
    struct vn_span pk, msg, ctx, sig;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    TRY(alg(r, SIGS, &a));
    TRY(bytes(r, "pk", &pk));
    TRY(bytes(r, "msg", &msg));
    TRY(bytes(r, "sig", &sig));
    TRY(bytes_or_none(r, "ctx", &ctx));
    TRY(vn_sig_pub_new((enum vn_sig_alg)a, pk, &pub));
    const vn_status st = json_is_true(json_object_get(r->in, "internal"))
                             ? vn_sig_verify_internal(pub, msg, sig)
                             : vn_sig_verify_ctx(pub, ctx, msg, sig);
    if (st != VN_OK && st != VN_ERR_AUTH)
        return st;
    return json_object_set_new(r->out, "valid", json_boolean(st == VN_OK)) ? VN_ERR_NOMEM : VN_OK;
}

static vn_status hash(struct request *r)
{
    int a;
    struct vn_span msg;
    struct vn_hash h;
    TRY(alg(r, HASHES, &a));
    TRY(bytes(r, "msg", &msg));
    TRY(vn_hash((enum vn_hash_alg)a, &msg, 1, &h));
    return answer(r, "digest", vn_hash_span(&h));
}

static vn_status hmac(struct request *r)
{
    int a;
    struct vn_span key, msg;
    struct vn_hash h;
    TRY(alg(r, HASHES, &a));
    TRY(bytes(r, "key", &key));
    TRY(bytes(r, "msg", &msg));
    TRY(vn_hmac((enum vn_hash_alg)a, key, &msg, 1, &h));
    return answer(r, "mac", vn_hash_span(&h));
}

static vn_status hkdf(struct request *r)
{
    int a;
    struct vn_span salt, ikm, info;
    uint32_t len;
    uint8_t *okm;
    TRY(alg(r, HASHES, &a));
    TRY(bytes_or_none(r, "salt", &salt));
    TRY(bytes(r, "ikm", &ikm));
    TRY(bytes_or_none(r, "info", &info));
    TRY(number(r, "len", OUT_MAX, &len));
    TRY(room(r, len, &okm));
    TRY(vn_hkdf((enum vn_hash_alg)a, salt, ikm, &info, 1, okm, len));
    return answer(r, "okm", VN_SPAN(okm, len));
}

static vn_status hkdf_extract(struct request *r)
{
    int a;
    struct vn_span salt, ikm;
    struct vn_hash prk;
    TRY(alg(r, HASHES, &a));
    TRY(bytes_or_none(r, "salt", &salt));
    TRY(bytes(r, "ikm", &ikm));
    TRY(vn_hkdf_extract((enum vn_hash_alg)a, salt, ikm, &prk));
    return answer(r, "prk", vn_hash_span(&prk));
}

static vn_status hkdf_expand(struct request *r)
{
    int a;
    struct vn_span prk, info;
    uint32_t len;
    uint8_t *okm;
    TRY(alg(r, HASHES, &a));
    TRY(bytes(r, "prk", &prk));
    TRY(bytes_or_none(r, "info", &info));
    TRY(number(r, "len", OUT_MAX, &len));
    TRY(room(r, len, &okm));
    TRY(vn_hkdf_expand((enum vn_hash_alg)a, prk, &info, 1, okm, len));
    return answer(r, "okm", VN_SPAN(okm, len));
}

static vn_status aead_fields(struct request *r, struct vn_aead **ret_aead,
                             struct vn_span *ret_nonce, struct vn_span *ret_aad)
{
    struct vn_span key;
    struct vn_secret32 k;
    TRY(bytes_of(r, "key", VN_AEAD_KEY_LEN, &key));
    TRY(bytes_of(r, "nonce", VN_AEAD_NONCE_LEN, ret_nonce));
    TRY(bytes_or_none(r, "aad", ret_aad));
    memcpy(k.b, key.p, sizeof(k.b));
    const vn_status st = vn_aead_new(&k, ret_aead);
    vn_secret32_wipe(&k);
    return st;
}

static vn_status aead_seal(struct request *r)
{
    struct vn_span nonce, aad, plaintext;
    uint8_t *out, tag[VN_AEAD_TAG_LEN];
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    TRY(aead_fields(r, &a, &nonce, &aad));
    TRY(bytes(r, "plaintext", &plaintext));
    TRY(room(r, plaintext.n, &out));
    TRY(vn_aead_seal(a, nonce.p, aad, plaintext, out, tag));
    TRY(answer(r, "ciphertext", VN_SPAN(out, plaintext.n)));
    return answer(r, "tag", VN_SPAN_ARRAY(tag));
}

static vn_status aead_open(struct request *r)
{
    struct vn_span nonce, aad, ciphertext, tag;
    uint8_t *out;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    TRY(aead_fields(r, &a, &nonce, &aad));
    TRY(bytes(r, "ciphertext", &ciphertext));
    TRY(bytes_of(r, "tag", VN_AEAD_TAG_LEN, &tag));
    TRY(room(r, ciphertext.n, &out));
    TRY(vn_aead_open(a, nonce.p, aad, ciphertext, tag.p, out));
    return answer(r, "plaintext", VN_SPAN(out, ciphertext.n));
}

static vn_status x25519(struct request *r)
{
    struct vn_span scalar, u;
    struct vn_secret32 ss;
    TRY(bytes_of(r, "scalar", 32, &scalar));
    TRY(bytes_of(r, "u", 32, &u));
    TRY(vn_x25519(scalar.p, u.p, &ss));
    return answer(r, "ss", VN_SPAN_ARRAY(ss.b));
}

static vn_status argon2id(struct request *r)
{
    struct vn_span password, salt;
    uint32_t m, t, p, len;
    uint8_t *key;
    TRY(bytes(r, "password", &password));
    TRY(bytes(r, "salt", &salt));
    TRY(number(r, "m", ARGON2_M_MAX, &m));
    TRY(number(r, "t", ARGON2_T_MAX, &t));
    TRY(number(r, "p", UINT32_MAX, &p));
    TRY(number(r, "len", OUT_MAX, &len));
    TRY(room(r, len, &key));
    TRY(vn_argon2id(password, salt, m, t, p, key, len));
    return answer(r, "key", VN_SPAN(key, len));
}

static const struct {
    const char *name;
    vn_status (*run)(struct request *r);
} OPERATIONS[] = {
    {"kem_keygen", kem_keygen},
    {"kem_encaps", kem_encaps},
    {"kem_decaps", kem_decaps},
    {"sig_keygen", sig_keygen},
    {"sig_sign", sig_sign},
    {"sig_verify", sig_verify},
    {"hash", hash},
    {"hmac", hmac},
    {"hkdf", hkdf},
    {"hkdf_extract", hkdf_extract},
    {"hkdf_expand", hkdf_expand},
    {"aead_seal", aead_seal},
    {"aead_open", aead_open},
    {"x25519", x25519},
    {"argon2id", argon2id},
};

static vn_status run(struct request *r)
{
    const char *op = json_string_value(json_object_get(r->in, "op"));
    if (!op)
        return VN_ERR_MALFORMED;
    for (size_t i = 0; i < VN_ARRAY_LEN(OPERATIONS); i++) {
        if (strcmp(OPERATIONS[i].name, op) == 0)
            return OPERATIONS[i].run(r);
    }
    return VN_ERR_UNSUPPORTED;
}

/* NULL if there is no memory even for an error. The caller frees it with vn_secret_strp. */
static char *serve(const char *line, size_t n)
{
    struct request r = {.out = json_object()};
    vn_status st = VN_ERR_MALFORMED;
    r.in = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(r.in))
        st = run(&r);
    if (st != VN_OK) {
        json_object_clear(r.out); /* an error stands alone */
        json_object_set_new(r.out, "error", json_string(vn_status_name(st)));
    }
    json_t *id = json_object_get(r.in, "id");
    if (id)
        json_object_set(r.out, "id", id);
    char *text = json_dumps(r.out, JSON_COMPACT);
    request_done(&r);
    return text;
}

/*
 * The next line without its end into buf. What goes beyond LINE_MAX_BYTES is read but not kept, and
 * the length returned is then LINE_MAX_BYTES + 1. False at the end of input.
 */
static bool next_line(char *buf, size_t *ret_n)
{
    size_t n = 0;
    int c;
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
        if (n < LINE_MAX_BYTES)
            buf[n] = (char)c;
        if (n <= LINE_MAX_BYTES)
            n++;
    }
    *ret_n = n;
    return c != EOF || n > 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr,
                "%s: takes no arguments; JSON objects come on standard input, one per line\n",
                argv[0]);
        return 2;
    }
    char *line = malloc(LINE_MAX_BYTES);
    size_t n;
    int status = line ? 0 : 1;
    while (status == 0 && next_line(line, &n)) {
        char *text = n > LINE_MAX_BYTES ? strdup("{\"error\":\"limit\"}") : serve(line, n);
        if (!text || printf("%s\n", text) < 0 || fflush(stdout) != 0)
            status = 1;
        vn_secret_strp(&text);
    }
    if (status != 0 || ferror(stdin)) {
        perror("anchor-kat");
        status = 1;
    }
    if (line)
        vn_wipe(line, LINE_MAX_BYTES);
    free(line);
    return status;
}
