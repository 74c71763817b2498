#include "control/login_request.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/text.h"
#include "control/json_alloc.h"
#include "control/json_read.h"
#include "crypto/nkey.h"

static bool set_b64(json_t *o, const char *name, struct vn_span s)
{
    char *text = malloc(VN_B64URL_LEN(s.n) + 1);
    if (!text)
        return false;
    vn_b64url_encode(s, text);
    const bool ok = json_object_set_new(o, name, json_string(text)) == 0;
    free(text);
    return ok;
}

vn_status vn_login_request_body(const struct vn_login_request *rq, const uint8_t nonce[32],
                                const uint8_t binding[32], const uint8_t token_hash[32], char **ret)
{
    uint8_t sig[VN_SIG_MAX], nkey_sig[64];
    size_t sig_n = 0;
    vn_status st = rq->sign(rq->sign_arg, nonce, binding, token_hash, sig, &sig_n, nkey_sig);
    if (st != VN_OK)
        return st;
    char nkey[VN_NKEY_TEXT];
    st = vn_nkey_public(VN_NKEY_USER, rq->nkey_pk, nkey);
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_jread_freep) json_t *o = json_object();
    const bool ok =
        o && set_b64(o, "nonce", VN_SPAN(nonce, 32)) && set_b64(o, "sig_pk", rq->sig_pk) &&
        set_b64(o, "session_ek", rq->session_ek) && set_b64(o, "csr", rq->csr) &&
        json_object_set_new(o, "nkey", json_string(nkey)) == 0 &&
        set_b64(o, "sig", VN_SPAN(sig, sig_n)) && set_b64(o, "nkey_sig", VN_SPAN_ARRAY(nkey_sig));
    *ret = ok ? vn_json_dump(o, JSON_COMPACT) : NULL;
    return *ret ? VN_OK : VN_ERR_NOMEM;
}
