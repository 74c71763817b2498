#include "guardian/oauth.h"

#include <stdlib.h>

#include "base/log.h"
#include "control/json_alloc.h"
#include "guardian/providers.h"
#include "guardian/store_issuers.h"

struct check {
    struct vn_request *r;
    void (*then)(struct vn_request *r, const struct vn_grant *grant);
    struct vn_issuer_record issuer; /* the one it is of */
    struct vn_oauth_jwt jwt;        /* in the body */
    json_t *claims;
    bool found, other_audience;
};

static void check_freep(struct check **c)
{
    if (*c)
        json_decref((*c)->claims);
    free(*c);
}

/* Members that the caller need not send, but cannot send otherwise. */
static bool names_it(const struct vn_request *r, const struct vn_issuer_record *i)
{
    const struct {
        const char *member, *value;
    } LIST[] = {{"issuer", i->issuer}, {"audience", i->audience}, {"jwks_url", i->jwks_url}};
    for (size_t n = 0; n < VN_ARRAY_LEN(LIST); n++) {
        const char *named = vn_request_text(r, LIST[n].member);
        if (named && strcmp(named, LIST[n].value) != 0)
            return false;
    }
    return true;
}

static bool match_issuer(void *arg, const struct vn_issuer_record *i)
{
    struct check *c = arg;
    const char *iss = json_string_value(json_object_get(c->claims, "iss"));
    if (!iss || strcmp(iss, i->issuer) != 0 || !names_it(c->r, i))
        return true;
    c->found = vn_oauth_is_for(c->claims, i->audience);
    c->other_audience |= !c->found;
    if (c->found)
        c->issuer = *i;
    return !c->found;
}

static void refuse(struct vn_request *r, vn_status st)
{
    r->g->metrics.jwts_refused++;
    switch (st) {
    case VN_ERR_LIMIT:
        vn_request_error(r, 401, "the JWT is longer than %d bytes: leave claims out of it",
                         VN_OAUTH_JWT_MAX);
        break;
    case VN_ERR_UNSUPPORTED:
        vn_request_error(r, 401,
                         "the JWT is signed by an algorithm that this realm does not accept: see "
                         "its issuer's algorithms");
        break;
    case VN_ERR_NOTFOUND:
        vn_request_error(r, 401,
                         "the JWT's key is not the one key of its name at the identity provider: "
                         "get a new JWT");
        break;
    case VN_ERR_AUTH:
        vn_request_error(r, 401, "the JWT's signature is wrong: check that it was copied whole");
        break;
    case VN_ERR_NOMEM:
        vn_request_fail(r, st, "JWT");
        break;
    default:
        vn_request_error(r, 401, "this is no signed JWT: check that it was copied whole");
    }
}

static void go_on(struct check *c)
{
    struct vn_request *r = c->r;
    const char *why;
    vn_status st =
        vn_oauth_jwt_check(c->claims, c->issuer.issuer, c->issuer.audience, r->now_ms, &why);
    if (st != VN_OK) {
        r->g->metrics.jwts_refused++;
        vn_request_error(r, 401, "the JWT does not count: %s", why);
        return;
    }
    VN_CLEANUP(vn_json_freep) json_t *rules = vn_json_load(VN_SPAN_STR(c->issuer.rules), NULL);
    if (!rules) {
        vn_request_fail(r, VN_ERR_NOMEM, "rules of the issuer");
        return;
    }
    const char *lacking = vn_claims_lack(rules, c->claims);
    if (lacking) {
        r->g->metrics.jwts_refused++;
        vn_request_error(r, 403, "this realm wants \"%s\" of a JWT of %s: ask its owner", lacking,
                         c->issuer.name);
        return;
    }
    struct vn_grant grant;
    st = vn_claims_grant(rules, c->issuer.name, c->claims, &grant);
    if (st != VN_OK) {
        vn_request_fail(r, st, "scopes");
        return;
    }
    c->then(r, &grant);
    json_decref(grant.teams);
}

static void on_keys(void *arg, vn_status st, const struct vn_jwks *keys, const char *why)
{
    VN_CLEANUP(check_freep) struct check *c = arg;
    struct vn_request *r = c->r;
    r->json_failures = vn_json_failures(); /* others' may have failed meanwhile */
    if (st == VN_ERR_STATE || st == VN_ERR_LIMIT || st == VN_ERR_NOMEM) {
        vn_request_error(r, 503, "%s", why);
        return;
    }
    if (st != VN_OK) {
        vn_request_error(r, 502, "the keys of the identity provider %s cannot be had: %.300s",
                         c->issuer.name, why);
        return;
    }
    st = vn_oauth_jwt_verify(&c->jwt, keys);
    if (st != VN_OK)
        refuse(r, st);
    else
        go_on(c);
}

void vn_oauth_check(struct vn_request *r,
                    void (*then)(struct vn_request *r, const struct vn_grant *grant))
{
    VN_CLEANUP(check_freep) struct check *c = calloc(1, sizeof(*c));
    if (!c) {
        vn_request_fail(r, VN_ERR_NOMEM, "JWT");
        return;
    }
    c->r = r;
    c->then = then;
    vn_status st = vn_oauth_jwt_read(vn_request_text(r, "jwt"), VN_JWS_ALGS_ALL, &c->jwt);
    if (st == VN_OK)
        st = vn_oauth_jwt_claims(&c->jwt, &c->claims);
    if (st != VN_OK) {
        refuse(r, st);
        return;
    }
    st = vn_store_issuer_list(r->g->store, &r->registration.realm, NULL, match_issuer, c);
    if (st != VN_OK) {
        vn_request_fail(r, st, "issuers");
        return;
    }
    if (!c->found) {
        r->g->metrics.jwts_refused++;
        vn_request_error(
            r, 403,
            c->other_audience
                ? "the JWT is for another audience than this realm accepts: ask its owner"
                : "this realm accepts no JWT of that issuer, audience and JWKS URL: "
                  "ask its owner");
        return;
    }
    if (!(c->issuer.algs & c->jwt.alg)) {
        refuse(r, VN_ERR_UNSUPPORTED);
        return;
    }
    if (!r->g->providers) {
        vn_request_error(r, 503, "Guardian is stopping: try again in a moment");
        return;
    }
    struct check *job = VN_TAKE(c);
    vn_providers_keys(r->g->providers, job->issuer.jwks_url, job->jwt.kid, on_keys, job);
}
