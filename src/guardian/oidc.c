#include "guardian/oidc.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "control/json_read.h"
#include "crypto/rng.h"
#include "guardian/providers.h"
#include "guardian/token.h"

/* ---- texts ---- */

vn_status vn_oidc_form_add(char *text, size_t cap, const char *name, const char *value)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t n = strlen(text);
    const int head = snprintf(text + n, cap - n, "%s=", name);
    if (head < 0 || (size_t)head >= cap - n)
        return VN_ERR_LIMIT;
    n += (size_t)head;
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        const bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                           (*p >= '0' && *p <= '9') || strchr("-._~", *p);
        if (n + 4 > cap)
            return VN_ERR_LIMIT;
        if (plain) {
            text[n++] = (char)*p;
        } else {
            text[n++] = '%';
            text[n++] = HEX[*p >> 4];
            text[n++] = HEX[*p & 15];
        }
        text[n] = 0;
    }
    return VN_OK;
}

vn_status vn_oidc_discovery_url(const char *issuer, char *ret, size_t cap)
{
    size_t n = strlen(issuer);
    while (n && issuer[n - 1] == '/')
        n--;
    return (size_t)snprintf(ret, cap, "%.*s/.well-known/openid-configuration", (int)n, issuer) < cap
               ? VN_OK
               : VN_ERR_LIMIT;
}

bool vn_oidc_redirect_valid(const char *uri)
{
    static const char *const HOSTS[] = {"http://127.0.0.1:", "http://[::1]:"};
    if (strlen(uri) > VN_OIDC_URL_MAX || strpbrk(uri, "#\\\"<> "))
        return false;
    for (size_t i = 0; i < VN_ARRAY_LEN(HOSTS); i++) {
        const size_t n = strlen(HOSTS[i]);
        if (strncmp(uri, HOSTS[i], n) != 0)
            continue;
        const size_t digits = strspn(uri + n, "0123456789");
        return digits > 0 && digits <= 5 && (uri[n + digits] == '/' || !uri[n + digits]);
    }
    return false;
}

static bool names(const json_t *list, const char *text)
{
    const json_t *one;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, one) found |=
        json_is_string(one) && strcmp(json_string_value(one), text) == 0;
    return found;
}

vn_status vn_oidc_discovery_read(const json_t *doc, const char *issuer,
                                 struct vn_oidc_discovery *ret, const char **ret_why)
{
    struct vn_oidc_discovery d = {.basic = true};
    char said[VN_OIDC_TEXT_MAX + 1];
    const struct {
        const char *name;
        char *url;
    } URLS[] = {{"authorization_endpoint", d.authorization},
                {"token_endpoint", d.token},
                {"jwks_uri", d.jwks}};
    /* OpenID Connect Discovery 1.0 section 4.3: exactly the one that was asked. */
    if (!vn_jread_text(doc, "issuer", said, sizeof(said)) || strcmp(said, issuer) != 0) {
        *ret_why = "its discovery document is of another issuer";
        return VN_ERR_MALFORMED;
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(URLS); i++) {
        if (!vn_jread_text(doc, URLS[i].name, URLS[i].url, VN_OIDC_URL_MAX + 1) ||
            !vn_provider_url_valid(URLS[i].url, VN_OIDC_URL_MAX)) {
            *ret_why = "its discovery document lacks an endpoint, or one is no https URL";
            return VN_ERR_MALFORMED;
        }
    }
    const json_t *methods = json_object_get(doc, "token_endpoint_auth_methods_supported");
    const json_t *challenges = json_object_get(doc, "code_challenge_methods_supported");
    if (json_is_array(methods) && !names(methods, "client_secret_basic"))
        d.basic = false;
    if (json_is_array(challenges) && !names(challenges, "S256")) {
        *ret_why = "it does not take PKCE with S256";
        return VN_ERR_MALFORMED;
    }
    d.names_iss =
        json_is_true(json_object_get(doc, "authorization_response_iss_parameter_supported"));
    *ret = d;
    return VN_OK;
}

/* ---- flows ---- */

struct vn_oidc_flows {
    size_t n; /* the oldest first */
    struct vn_oidc_flow *list[VN_OIDC_FLOWS_MAX];
};

vn_status vn_oidc_flows_new(struct vn_oidc_flows **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? VN_OK : VN_ERR_NOMEM;
}

static void flow_free(struct vn_oidc_flow *f)
{
    vn_wipe(f, sizeof(*f));
    free(f);
}

static void forget(struct vn_oidc_flows *f, size_t i)
{
    flow_free(f->list[i]);
    memmove(&f->list[i], &f->list[i + 1], (--f->n - i) * sizeof(f->list[0]));
}

struct vn_oidc_flows *vn_oidc_flows_free(struct vn_oidc_flows *f)
{
    while (f && f->n)
        forget(f, f->n - 1);
    free(f);
    return NULL;
}

/* 32 random bytes as text: a state, a nonce, a verifier of RFC 7636 section 4.1. */
static vn_status draw(char ret[VN_OIDC_SECRET + 1])
{
    uint8_t b[32];
    vn_status st = vn_rng_bytes(b, sizeof(b));
    if (st == VN_OK)
        vn_b64url_encode(VN_SPAN_ARRAY(b), ret);
    vn_wipe(b, sizeof(b));
    return st;
}

vn_status vn_oidc_flow_begin(struct vn_oidc_flows *f, uint64_t now_ms, struct vn_oidc_flow **ret,
                             char *ret_secret)
{
    if (!f)
        return VN_ERR_STATE;
    while (f->n && (f->n == VN_OIDC_FLOWS_MAX || now_ms >= f->list[0]->begun_ms + VN_OIDC_FLOW_MS))
        forget(f, 0);
    struct vn_oidc_flow *flow = calloc(1, sizeof(*flow));
    if (!flow)
        return VN_ERR_NOMEM;
    flow->begun_ms = now_ms;
    vn_status st = draw(flow->state);
    if (st == VN_OK)
        st = draw(flow->nonce);
    if (st == VN_OK)
        st = draw(flow->verifier);
    if (st == VN_OK)
        st = draw(ret_secret);
    if (st == VN_OK)
        st = vn_token_hash(ret_secret, flow->secret_hash);
    if (st != VN_OK) {
        flow_free(flow);
        return st;
    }
    *ret = f->list[f->n++] = flow;
    return VN_OK;
}

vn_status vn_oidc_flow_take(struct vn_oidc_flows *f, const char *secret, const char *state,
                            uint64_t now_ms, struct vn_oidc_flow *ret)
{
    uint8_t hash[32];
    vn_status st = f ? vn_token_hash(secret, hash) : VN_ERR_STATE;
    size_t i = 0;
    while (st == VN_OK && i < f->n && !vn_ct_equal(f->list[i]->secret_hash, hash, sizeof(hash)))
        i++;
    if (st != VN_OK || i == f->n)
        return st == VN_OK ? VN_ERR_NOTFOUND : st;
    *ret = *f->list[i];
    forget(f, i);
    const bool good = strlen(state) == VN_OIDC_SECRET &&
                      vn_ct_equal(ret->state, state, VN_OIDC_SECRET) &&
                      now_ms < ret->begun_ms + VN_OIDC_FLOW_MS;
    if (!good)
        vn_wipe(ret, sizeof(*ret));
    return good ? VN_OK : VN_ERR_NOTFOUND;
}
