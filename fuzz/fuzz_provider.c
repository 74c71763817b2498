/* What Guardian reads of identity providers and of those who bring their tokens: key sets, tokens,
 * claims, addresses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guardian/claims.h"
#include "guardian/json.h"
#include "guardian/oidc.h"
#include "guardian/providers.h"
#include "guardian/schemas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 8037 appendix A.2 and the key of RFC 7520 section 4.1: the corpus has tokens of theirs. */
static const char KEYS[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":"
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"n\":"
    "\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_"
    "AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-"
    "oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-"
    "tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\","
    "\"e\":\"AQAB\"}]}";
static const char RULES[] =
    "{\"required\":[\"email_verified=true\"],\"scopes\":[\"groups\",\"app.role\"],"
    "\"taints\":[\"db if groups=dba\"],\"teams\":[\"ops if level=3\"]}";

static void check_token(const char *text, const struct vn_jwks *keys)
{
    const unsigned algs = VN_JWS_ALGS_ALL ^ VN_JWS_PS256;
    struct vn_oauth_jwt t;
    VN_CLEANUP(vn_json_freep) json_t *claims = NULL;
    if (vn_oauth_jwt_read(text, algs, &t) != VN_OK)
        return;
    if (!(t.alg & algs) || t.signed_part.n + t.sig.n + 1 != strlen(text))
        abort();
    (void)!vn_oauth_jwt_claims(&t, &claims);
    (void)!vn_oauth_jwt_verify(&t, keys);
}

/* Scopes that were written and read again are the same set. */
static void check_claims(const json_t *claims, const json_t *rules)
{
    const char *why;
    struct vn_grant g;
    struct vn_scope_set again;
    char text[VN_NODE_SCOPES_TEXT];
    (void)!vn_oauth_jwt_check(claims, "https://idp.example", "net", 1700000000000, &why);
    (void)vn_claims_lack(rules, claims);
    if (vn_claims_grant(rules, "idp", claims, &g) != VN_OK)
        return;
    json_decref(g.teams);
    vn_scope_set_format(&g.scopes, text);
    if (vn_scope_set_parse(text, &again) != VN_OK || again.n != g.scopes.n)
        abort();
    for (size_t i = 0; i < again.n; i++)
        if (strcmp(again.s[i], g.scopes.s[i]) != 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vn_jwks *known;
    static json_t *rules;
    if (!known && vn_jwks_parse(VN_SPAN_STR(KEYS), &known) != VN_OK)
        abort();
    if (!rules)
        rules = json_loads(RULES, 0, NULL);
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    VN_CLEANUP(vn_jwks_freep) struct vn_jwks *keys = NULL;
    if (vn_jwks_parse(VN_SPAN(data, size), &keys) == VN_OK &&
        vn_jwks_count(keys) > VN_JWKS_KEYS_MAX)
        abort();
    check_token(text, keys ? keys : known);
    check_token(text, known);
    VN_CLEANUP(vn_json_freep) json_t *o = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    char why[160];
    VN_CLEANUP(vn_json_freep) json_t *made = NULL;
    struct vn_oidc_discovery d;
    const char *what;
    if (json_is_object(o))
        check_claims(o, rules);
    if (json_is_object(o) && vn_oidc_discovery_read(o, "https://idp.example", &d, &what) == VN_OK &&
        (strncmp(d.token, "https://", 8) != 0 || strncmp(d.jwks, "https://", 8) != 0))
        abort();
    (void)vn_oidc_redirect_valid(text);
    if (json_is_object(o) && vn_json_check(o, &vn_schema_issuer_new, why, sizeof(why)) == VN_OK &&
        vn_claim_rules_from_json(o, &made, why, sizeof(why)) == VN_OK)
        check_claims(o, made);
    (void)vn_provider_url_valid(text, 512);
    free(text);
    return 0;
}
