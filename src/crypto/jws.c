#include "crypto/jws.h"

#include <jansson.h>
#include <jose/cfg.h>
#include <jose/jws.h>

#include "base/text.h"
#include "crypto/ossl.h"
#include "crypto/sig.h"

static const struct {
    unsigned alg;
    const char *name;
} ALGS[] = {
    {VN_JWS_RS256, "RS256"}, {VN_JWS_PS256, "PS256"}, {VN_JWS_ES256, "ES256"},
    {VN_JWS_ES384, "ES384"}, {VN_JWS_EDDSA, "EdDSA"},
};

unsigned vn_jws_alg_of(const char *name)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++)
        if (strcmp(ALGS[i].name, name) == 0)
            return ALGS[i].alg;
    return 0;
}

const char *vn_jws_alg_name(unsigned alg)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++)
        if (ALGS[i].alg == alg)
            return ALGS[i].name;
    return NULL;
}

unsigned vn_jws_key_algs(enum vn_jws_key_kind kind)
{
    switch (kind) {
    case VN_JWS_RSA:
        return VN_JWS_RS256 | VN_JWS_PS256;
    case VN_JWS_P256:
        return VN_JWS_ES256;
    case VN_JWS_P384:
        return VN_JWS_ES384;
    case VN_JWS_ED25519:
        return VN_JWS_EDDSA;
    }
    return 0;
}

static vn_status verify_ed25519(const struct vn_jws_key *key, struct vn_span signed_part,
                                struct vn_span sig_text)
{
    uint8_t pk[32], sig[64];
    size_t pk_n, sig_n;
    if (vn_b64url_decode(VN_SPAN_STR(key->a), pk, sizeof(pk), &pk_n) != VN_OK ||
        pk_n != sizeof(pk) || vn_b64url_decode(sig_text, sig, sizeof(sig), &sig_n) != VN_OK ||
        sig_n != sizeof(sig))
        return VN_ERR_AUTH;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    vn_status st = vn_sig_pub_new(VN_SIG_ED25519, VN_SPAN_ARRAY(pk), &pub);
    if (st == VN_OK)
        st = vn_sig_verify(pub, NULL, signed_part, VN_SPAN_ARRAY(sig));
    return st == VN_ERR_NOMEM ? st : st == VN_OK ? VN_OK : VN_ERR_AUTH;
}

static void json_freep(json_t **j)
{
    json_decref(*j);
}

static void cfg_freep(jose_cfg_t **c)
{
    jose_cfg_decref(*c);
}

/* libjose would print what is wrong on standard error. */
static void quiet(void *misc, const char *file, int line, uint64_t err, const char *fmt, va_list ap)
{
    (void)misc, (void)file, (void)line, (void)err, (void)fmt, (void)ap;
}

static json_t *key_json(unsigned alg, const struct vn_jws_key *key)
{
    const char *name = vn_jws_alg_name(alg);
    return key->kind == VN_JWS_RSA ? json_pack("{s:s, s:s, s:s, s:s}", "kty", "RSA", "alg", name,
                                               "n", key->a, "e", key->b)
                                   : json_pack("{s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv",
                                               key->kind == VN_JWS_P256 ? "P-256" : "P-384", "alg",
                                               name, "x", key->a, "y", key->b);
}

vn_status vn_jws_verify(unsigned alg, const struct vn_jws_key *key, struct vn_span signed_part,
                        struct vn_span sig)
{
    const uint8_t *dot = memchr(signed_part.p, '.', signed_part.n);
    if (!dot || !vn_jws_alg_name(alg) || !(vn_jws_key_algs(key->kind) & alg))
        return VN_ERR_AUTH;
    if (alg == VN_JWS_EDDSA)
        return verify_ed25519(key, signed_part, sig);
    const size_t header_n = (size_t)(dot - signed_part.p);
    VN_CLEANUP(json_freep) json_t *jwk = key_json(alg, key);
    VN_CLEANUP(json_freep)
    json_t *jws = json_pack("{s:s%, s:s%, s:s%}", "protected", signed_part.p, header_n, "payload",
                            dot + 1, signed_part.n - header_n - 1, "signature", sig.p, sig.n);
    VN_CLEANUP(cfg_freep) jose_cfg_t *cfg = jose_cfg();
    if (!jwk || !jws || !cfg)
        return VN_ERR_NOMEM;
    jose_cfg_set_err_func(cfg, quiet, NULL);
    const bool ok = jose_jws_ver(cfg, jws, NULL, jwk, false);
    return vn_ossl_error("jws", ok ? VN_OK : VN_ERR_AUTH);
}
