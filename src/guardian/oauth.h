/* A node that registers with a token of an identity provider (SPEC G8), besides its registration
 * token. The provider's token is verified, turned into scopes, and forgotten. */
#pragma once

#include "guardian/claims.h"
#include "guardian/http.h"

/**
 * Checks what stands in the body: the member "jwt", and "issuer", "audience", "jwks_url", which may
 * say what the realm has configured already and nothing else. Answers, or goes on with then, at
 * once or later; then answers, and frees nothing of grant.
 */
void vn_oauth_check(struct vn_request *r,
                    void (*then)(struct vn_request *r, const struct vn_grant *grant));
