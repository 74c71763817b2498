/*
 * What Guardian fetches from identity providers: their key sets, and for sign-ins their discovery
 * documents and tokens. HTTPS with certificates checked, no redirects, bounded in bytes and time,
 * and only from public addresses or networks that the administrator named, looked at when the
 * connection is made. Loop thread only.
 */
#pragma once

#include "control/http.h"
#include "guardian/config.h"
#include "guardian/jwks.h"

#define VN_PROVIDER_TIMEOUT_MS 8000 /* a whole answer: before the caller's own patience ends */
#define VN_PROVIDER_URLS_MAX 64     /* key sets kept */
#define VN_PROVIDER_WAITERS_MAX 256 /* requests that wait for one */
/* A set is kept for as long as its answer says, within these; the default is for one that says
 * nothing. */
#define VN_JWKS_KEEP_MIN_MS 60000
#define VN_JWKS_KEEP_DEFAULT_MS 3600000
#define VN_JWKS_KEEP_MAX_MS 86400000
#define VN_JWKS_AGAIN_MS 60000       /* an unknown key is asked for at most so often */
#define VN_JWKS_FAILED_AGAIN_MS 5000 /* after a failure: so long it is the answer */

struct vn_providers;

/** cfg outlives it. */
VN_MUST_CHECK vn_status vn_providers_new(const struct vn_io *io,
                                         const struct vn_provider_config *cfg,
                                         struct vn_providers **ret);
/** Answers who waits with VN_ERR_STATE. Not inside a callback. Returns NULL; NULL is fine. */
struct vn_providers *vn_providers_free(struct vn_providers *p);

/**
 * The keys behind a URL: those kept, or fetched, which is done once for all who wait. They are
 * fetched again for a kid that is not among them.
 * @param kid  "": any
 * @param fn   runs once, inside the call or later. VN_OK: with keys, borrowed for the call, which
 * may lack kid; else why says in one sentence why there are none. VN_ERR_LIMIT: too many wait;
 *             VN_ERR_STATE: Guardian stops; others are the provider's
 */
void vn_providers_keys(struct vn_providers *p, const char *url, const char *kid,
                       void (*fn)(void *arg, vn_status st, const struct vn_jwks *keys,
                                  const char *why),
                       void *arg);

/** The same for a JSON object, such as a discovery document; doc is borrowed for the call. */
void vn_providers_document(struct vn_providers *p, const char *url,
                           void (*fn)(void *arg, vn_status st, const json_t *doc, const char *why),
                           void *arg);
/** Any other request, which is not repeated and of which nothing is kept. fn runs once, inside the
 * call or later; res.detail is a sentence where there is no answer. */
void vn_providers_ask(struct vn_providers *p, const struct vn_http_request *req,
                      void (*fn)(void *arg, const struct vn_http_response *res), void *arg);

/** Where providers may be: public, or in a network that the administrator named. */
bool vn_provider_may_connect(void *cfg, const struct vn_ip *ip);
/** "https://HOST…", without user, fragment, control characters; at most max bytes. */
bool vn_provider_url_valid(const char *url, size_t max);
