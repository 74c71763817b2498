/* What a provider says about a person, once their browser brought a code, or they gave address and
 * password: Guardian asks its token endpoint, and checks the token that it gets. */
#pragma once

#include "guardian/jwks.h"
#include "guardian/oidc.h"

/** One request of ours while it asks a provider. Freed by whoever it was handed to. */
struct vn_oidc_run {
    struct vn_request *r;
    struct vn_oidc_provider provider;
    struct vn_oidc_discovery at;
    struct vn_oidc_flow f; /* what was begun, where there is a code */
    char *id_token;
    struct vn_oauth_jwt jwt;
    json_t *claims;
    void (*then)(struct vn_oidc_run *take); /* once it is known where the endpoints are */
    void (*done)(struct vn_oidc_run *f);    /* answers: claims are verified, and for us */
};
void vn_oidc_run_freep(struct vn_oidc_run **f); /* wipes */

/** Redeems the code in the request's body. Takes it; answers, or calls done, at once or later. */
void vn_oidc_redeem(struct vn_oidc_run *take);
/** The same for address and password, at a provider that takes them. */
void vn_oidc_redeem_password(struct vn_oidc_run *take);
/** Answers that the provider does not do its part. */
void vn_oidc_run_failed(struct vn_oidc_run *f, const char *why);
/** The status for what does not count: 401 at a sign-in, 403 for who is signed in. */
unsigned vn_oidc_run_refusal(const struct vn_oidc_run *f);
