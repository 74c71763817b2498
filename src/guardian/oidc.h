/*
 * Sign-ins by OpenID Connect (Core 1.0): authorization code with PKCE (RFC 7636), state and nonce.
 * A flow is begun by whoever wants to sign in, and is theirs: its secret is in no URL. Flows live
 * in memory; who had one when Guardian was restarted begins again. Loop thread only.
 */
#pragma once

#include "guardian/http.h"
#include "guardian/store_oidc.h"

#define VN_OIDC_FLOWS_MAX 1024 /* begun and not finished; then the oldest is forgotten */
#define VN_OIDC_FLOW_MS 600000 /* for so long one may be finished */
#define VN_OIDC_URL_MAX 1024   /* of an endpoint, of a redirect */
#define VN_OIDC_CODE_MAX 2048
#define VN_OIDC_SECRET 43 /* characters of a random text: 32 bytes */

/** What a discovery document says (OpenID Connect Discovery 1.0 section 3). */
struct vn_oidc_discovery {
    char authorization[VN_OIDC_URL_MAX + 1], token[VN_OIDC_URL_MAX + 1], jwks[VN_OIDC_URL_MAX + 1];
    bool basic;     /* the secret goes into the header; else into the form */
    bool names_iss; /* a redirect says which issuer it is of (RFC 9207) */
};
/** VN_ERR_MALFORMED: *ret_why says what is wrong (constant text). */
VN_MUST_CHECK vn_status vn_oidc_discovery_read(const json_t *doc, const char *issuer,
                                               struct vn_oidc_discovery *ret, const char **ret_why);
/** Where a redirect may go: to the machine of who signs in (RFC 8252 section 7.3), http://127.0.0.1
 * or http://[::1] with a port. */
bool vn_oidc_redirect_valid(const char *uri);
/** What follows the "?" or "&" of an URL, and the body of a form: name=value, encoded (RFC 3986
 * section 2). VN_ERR_LIMIT. It is appended to text. */
VN_MUST_CHECK vn_status vn_oidc_form_add(char *text, size_t cap, const char *name,
                                         const char *value);
/** "issuer" without its last slash, and the well-known path. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_oidc_discovery_url(const char *issuer, char *ret, size_t cap);

/* ---- flows ---- */

struct vn_oidc_flow {
    uint64_t begun_ms; /* monotonic */
    struct vn_id user; /* who links their account; zero: somebody signs in */
    uint8_t secret_hash[32];
    char state[VN_OIDC_SECRET + 1], nonce[VN_OIDC_SECRET + 1], verifier[VN_OIDC_SECRET + 1];
    char provider[VN_OIDC_NAME_MAX + 1];
    char redirect[VN_OIDC_URL_MAX + 1];
};
struct vn_oidc_flows;
VN_MUST_CHECK vn_status vn_oidc_flows_new(struct vn_oidc_flows **ret);
/** Wipes. Returns NULL; NULL is fine. */
struct vn_oidc_flows *vn_oidc_flows_free(struct vn_oidc_flows *f);
/** Draws all that is random; ret_secret is for who began it. Borrowed until the next call.
 * VN_ERR_STATE: f is NULL, as when Guardian stops. */
VN_MUST_CHECK vn_status vn_oidc_flow_begin(struct vn_oidc_flows *f, uint64_t now_ms,
                                           struct vn_oidc_flow **ret, char *ret_secret);
/** Takes the flow of this secret, once. VN_ERR_NOTFOUND: there is none, or it is too old, or the
 * state is another one's, which ends it too. VN_ERR_STATE as above. The caller wipes *ret. */
VN_MUST_CHECK vn_status vn_oidc_flow_take(struct vn_oidc_flows *f, const char *secret,
                                          const char *state, uint64_t now_ms,
                                          struct vn_oidc_flow *ret);
