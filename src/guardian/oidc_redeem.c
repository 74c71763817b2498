#include "guardian/oidc_redeem.h"

#include <stdlib.h>

#include "control/json_alloc.h"
#include "control/json_read.h"
#include "guardian/providers.h"

#define FORM_MAX 12288
/* Of Supabase Auth: what its access tokens are for, and its paths behind the issuer. */
#define SUPABASE_AUDIENCE "authenticated"
#define SUPABASE_TOKEN "/token?grant_type=password"
#define SUPABASE_KEYS "/.well-known/jwks.json"

void vn_oidc_run_freep(struct vn_oidc_run **f)
{
    if (!*f)
        return;
    json_decref((*f)->claims);
    vn_secret_strp(&(*f)->id_token);
    vn_wipe(*f, sizeof(**f));
    free(*f);
}

void vn_oidc_run_failed(struct vn_oidc_run *f, const char *why)
{
    vn_request_error(f->r, 502, "sign-in with %s is not possible now: %.300s", f->provider.name,
                     why);
}

/* Whose access token is good is not to think that it is not. */
unsigned vn_oidc_run_refusal(const struct vn_oidc_run *f)
{
    return f->r->route->role == VN_WEB_PUBLIC ? 401 : 403;
}

/* OpenID Connect Core 1.0 section 3.1.3.7. */
static vn_status check_claims(struct vn_oidc_run *f, const char **ret_why)
{
    const char *client = f->provider.supabase ? SUPABASE_AUDIENCE : f->provider.client_id;
    const json_t *azp = json_object_get(f->claims, "azp");
    char nonce[VN_OIDC_SECRET + 1];
    vn_status st = vn_oauth_jwt_check(f->claims, f->provider.issuer, client, f->r->now_ms, ret_why);
    if (st != VN_OK)
        return st;
    *ret_why = "it is of somebody who has not signed in (is_anonymous)";
    if (f->provider.supabase)
        return json_is_true(json_object_get(f->claims, "is_anonymous")) ? VN_ERR_AUTH : VN_OK;
    *ret_why = "it is not the answer to this sign-in (nonce)";
    if (!vn_jread_text(f->claims, "nonce", nonce, sizeof(nonce)) || strcmp(nonce, f->f.nonce) != 0)
        return VN_ERR_AUTH;
    *ret_why = "it was made for another client (azp)";
    if (json_array_size(json_object_get(f->claims, "aud")) > 1 || azp)
        return json_is_string(azp) && strcmp(json_string_value(azp), client) == 0 ? VN_OK
                                                                                  : VN_ERR_AUTH;
    return VN_OK;
}

static void on_keys(void *arg, vn_status st, const struct vn_jwks *keys, const char *why)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = arg;
    f->r->json_failures = vn_json_failures();
    if (st != VN_OK) {
        vn_oidc_run_failed(f, why);
        return;
    }
    st = vn_oauth_jwt_verify(&f->jwt, keys);
    why = st == VN_ERR_NOTFOUND ? "its token is signed by a key that it does not show"
                                : "the signature of its token is wrong";
    if (st == VN_OK)
        st = check_claims(f, &why);
    if (st == VN_OK) {
        f->done(f);
        return;
    }
    f->r->g->metrics.jwts_refused++;
    if (st == VN_ERR_NOMEM)
        vn_request_fail(f->r, st, "sign-in");
    else
        vn_request_error(f->r, vn_oidc_run_refusal(f), "the token of %s does not count: %s",
                         f->provider.name, why);
}

/* RFC 6749 section 5.2, for a log and a terminal. */
static void refused_code(struct vn_oidc_run *f, const struct vn_http_response *res)
{
    if (f->provider.supabase && (res->code == 401 || res->code == 403)) {
        vn_oidc_run_failed(f, "it does not know Guardian by its API key: correct it");
        return;
    }
    if (f->provider.supabase) {
        f->r->g->metrics.passwords_refused++;
        vn_request_error(f->r, vn_oidc_run_refusal(f), "%s does not take this address and password",
                         f->provider.name);
        return;
    }
    VN_CLEANUP(vn_json_freep) json_t *o = vn_json_load(res->body, NULL);
    char error[41] = "";
    if (!vn_jread_text(o, "error", error, sizeof(error)))
        error[0] = 0;
    for (char *p = error; *p; p++)
        if (*p < 0x21 || *p > 0x7e)
            *p = '?';
    if (strcmp(error, "invalid_client") == 0)
        vn_oidc_run_failed(f,
                           "it does not know Guardian by its client id and secret: correct them");
    else
        vn_request_error(f->r, vn_oidc_run_refusal(f),
                         "%s does not take the code (%s): sign in again", f->provider.name,
                         error[0] ? error : "no reason given");
}

static void on_token(void *arg, const struct vn_http_response *res)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = arg;
    f->r->json_failures = vn_json_failures();
    if (res->status != VN_OK) {
        vn_oidc_run_failed(f, res->detail);
        return;
    }
    if (res->code >= 400 && res->code < 500) {
        refused_code(f, res);
        return;
    }
    VN_CLEANUP(vn_json_freep)
    json_t *o = res->code == 200 ? vn_jread_parse(res->body) : NULL;
    if (!vn_jread_text_dup(o, f->provider.supabase ? "access_token" : "id_token", VN_OAUTH_JWT_MAX,
                           &f->id_token)) {
        vn_oidc_run_failed(f, res->code == 200 ? "it gives no token, or one that is too long"
                                               : "its token endpoint answers with an error");
        return;
    }
    vn_status st = vn_oauth_jwt_read(f->id_token, VN_JWS_ALGS_ALL, &f->jwt);
    if (st == VN_OK)
        st = vn_oauth_jwt_claims(&f->jwt, &f->claims);
    if (st != VN_OK) {
        vn_oidc_run_failed(f, st == VN_ERR_UNSUPPORTED
                                  ? "its token is signed by an algorithm that does not count here"
                                  : "its token is malformed");
        return;
    }
    if (!f->r->g->providers) {
        vn_oidc_run_failed(f, "Guardian is stopping: try again in a moment");
        return;
    }
    struct vn_oidc_run *on = VN_TAKE(f);
    vn_providers_keys(on->r->g->providers, on->at.jwks, on->jwt.kid, on_keys, on);
}

/* RFC 6749 sections 2.3.1 and 4.1.3, RFC 7636 section 4.5. */
static vn_status token_request(const struct vn_oidc_run *f, char *form, char *basic, size_t cap)
{
    const struct vn_oidc_provider *p = &f->provider;
    const bool in_header = p->client_secret[0] && f->at.basic;
    vn_status st = vn_oidc_form_add(form, FORM_MAX, "grant_type", "authorization_code");
    const struct {
        const char *name, *value;
    } PARAMETERS[] = {
        {"code", vn_request_text(f->r, "code")},
        {"redirect_uri", f->f.redirect},
        {"code_verifier", f->f.verifier},
        {"client_id", in_header ? NULL : p->client_id},
        {"client_secret", in_header || !p->client_secret[0] ? NULL : p->client_secret}};
    for (size_t i = 0; st == VN_OK && i < VN_ARRAY_LEN(PARAMETERS); i++) {
        const size_t n = strlen(form);
        if (!PARAMETERS[i].value)
            continue;
        if (n + 2 > FORM_MAX)
            return VN_ERR_LIMIT;
        form[n] = '&';
        form[n + 1] = 0;
        st = vn_oidc_form_add(form, FORM_MAX, PARAMETERS[i].name, PARAMETERS[i].value);
    }
    if (st == VN_OK && in_header) /* both as in a form, which "x=" is taken off again */
        st = vn_oidc_form_add(basic, cap, "", p->client_id);
    if (st == VN_OK && in_header) {
        memmove(basic, basic + 1, strlen(basic));
        size_t n = strlen(basic);
        st = vn_oidc_form_add(basic, cap, "", p->client_secret);
        basic[n] = ':';
    }
    return st;
}

void vn_oidc_redeem(struct vn_oidc_run *take)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = take;
    struct vn_request *r = f->r;
    const char *iss = vn_request_text(r, "iss");
    if (iss ? strcmp(iss, f->provider.issuer) != 0 : f->at.names_iss) {
        vn_request_error(r, vn_oidc_run_refusal(f),
                         "the redirect came from another issuer than the sign-in was "
                         "begun with: sign in again");
        return;
    }
    char *form = calloc(1, FORM_MAX);
    char basic[VN_OIDC_TEXT_MAX * 6 + 4] = "";
    vn_status st = form ? token_request(f, form, basic, sizeof(basic)) : VN_ERR_NOMEM;
    const struct vn_http_request req = {.method = "POST",
                                        .url = f->at.token,
                                        .basic = basic[0] ? basic : NULL,
                                        .form = true,
                                        .body = st == VN_OK ? VN_SPAN_STR(form) : VN_SPAN_NONE};
    if (st == VN_OK && !r->g->providers)
        st = VN_ERR_STATE;
    if (st == VN_OK) {
        struct vn_oidc_run *on = VN_TAKE(f);
        vn_providers_ask(r->g->providers, &req, on_token, on);
    } else if (st == VN_ERR_LIMIT) {
        vn_request_error(r, 400, "the code is too long");
    } else {
        vn_request_fail(r, st, "sign-in");
    }
    vn_secret_strp(&form);
    vn_wipe(basic, sizeof(basic));
}

void vn_oidc_redeem_password(struct vn_oidc_run *take)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = take;
    struct vn_request *r = f->r;
    char url[VN_OIDC_TEXT_MAX + sizeof(SUPABASE_TOKEN)];
    if (!r->g->providers) {
        vn_oidc_run_failed(f, "Guardian is stopping: try again in a moment");
        return;
    }
    snprintf(url, sizeof(url), "%s" SUPABASE_TOKEN, f->provider.issuer);
    snprintf(f->at.jwks, sizeof(f->at.jwks), "%s" SUPABASE_KEYS, f->provider.issuer);
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack("{s:s, s:s}", "email", vn_request_text(r, "email"), "password",
                          vn_request_text(r, "password"));
    VN_CLEANUP(vn_secret_strp) char *body = o ? vn_json_dump(o, JSON_COMPACT) : NULL;
    if (!body) {
        vn_request_fail(r, VN_ERR_NOMEM, "sign-in");
        return;
    }
    struct vn_oidc_run *on = VN_TAKE(f);
    const struct vn_http_request req = {
        .method = "POST", .url = url, .api_key = on->provider.client_id, .body = VN_SPAN_STR(body)};
    vn_providers_ask(r->g->providers, &req, on_token, on);
}
