/*
 * Sign-ins by OpenID Connect: the requests of a flow. Who is signed in already goes through the
 * same to link their account to what a provider calls them.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/json_alloc.h"
#include "crypto/kdf.h"
#include "guardian/oidc_account.h"
#include "guardian/oidc_redeem.h"
#include "guardian/providers.h"
#include "guardian/routes.h"
#include "guardian/sign_in.h"

static bool links(const struct vn_request *r)
{
    return r->route->role != VN_WEB_PUBLIC;
}

/* Each returns false after answering. */

static bool find_provider(struct vn_request *r, const char *name, struct vn_oidc_provider *ret)
{
    vn_status st = vn_store_oidc_by_name(r->g->store, name, ret);
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such provider: see GET /auth/oidc");
    else if (st != VN_OK)
        vn_request_fail(r, st, "provider");
    return st == VN_OK;
}

static void sign_in(struct vn_oidc_run *f);
static void link_account(struct vn_oidc_run *f);

static struct vn_oidc_run *flow_new(struct vn_request *r, void (*then)(struct vn_oidc_run *f))
{
    struct vn_oidc_run *f = calloc(1, sizeof(*f));
    if (!f) {
        vn_request_fail(r, VN_ERR_NOMEM, "sign-in");
        return NULL;
    }
    f->r = r;
    f->then = then;
    f->done = links(r) ? link_account : sign_in;
    return f;
}

static void on_discovery(void *arg, vn_status st, const json_t *doc, const char *why)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = arg;
    f->r->json_failures = vn_json_failures(); /* others' may have failed meanwhile */
    if (st == VN_OK)
        st = vn_oidc_discovery_read(doc, f->provider.issuer, &f->at, &why);
    if (st == VN_OK)
        f->then(VN_TAKE(f));
    else
        vn_oidc_run_failed(f, why);
}

/* Takes f. */
static void discover(struct vn_oidc_run *f)
{
    char url[VN_OIDC_TEXT_MAX + 40];
    if (!f->r->g->providers ||
        vn_oidc_discovery_url(f->provider.issuer, url, sizeof(url)) != VN_OK) {
        vn_oidc_run_failed(f, "Guardian is stopping: try again in a moment");
        vn_oidc_run_freep(&f);
        return;
    }
    vn_providers_document(f->r->g->providers, url, on_discovery, f);
}

/* ---- begin ---- */

static vn_status authorization_url(const struct vn_oidc_run *f, const struct vn_oidc_flow *flow,
                                   char *ret, size_t cap)
{
    struct vn_hash h;
    char challenge[VN_B64URL_LEN(32) + 1];
    vn_status st = vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_STR(flow->verifier)), &h);
    if (st != VN_OK)
        return st;
    vn_b64url_encode(vn_hash_span(&h), challenge);
    const struct {
        const char *name, *value;
    } PARAMETERS[] = {{"response_type", "code"},        {"client_id", f->provider.client_id},
                      {"redirect_uri", flow->redirect}, {"scope", "openid email profile"},
                      {"state", flow->state},           {"nonce", flow->nonce},
                      {"code_challenge", challenge},    {"code_challenge_method", "S256"}};
    size_t n = (size_t)snprintf(ret, cap, "%s", f->at.authorization);
    char glue = strchr(ret, '?') ? '&' : '?';
    for (size_t i = 0; st == VN_OK && i < VN_ARRAY_LEN(PARAMETERS); i++, glue = '&') {
        if (n + 2 >= cap)
            return VN_ERR_LIMIT;
        ret[n++] = glue;
        ret[n] = 0;
        st = vn_oidc_form_add(ret, cap, PARAMETERS[i].name, PARAMETERS[i].value);
        n = strlen(ret);
    }
    return st;
}

static void flow_failed(struct vn_request *r, vn_status st)
{
    if (st == VN_ERR_STATE)
        vn_request_error(r, 503, "Guardian is stopping: try again in a moment");
    else
        vn_request_fail(r, st, "sign-in");
}

static void begin_then(struct vn_oidc_run *take)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = take;
    struct vn_request *r = f->r;
    struct vn_oidc_flow *flow = NULL;
    char secret[VN_OIDC_SECRET + 1], url[8192];
    vn_status st = vn_oidc_flow_begin(r->g->oidc_flows, vn_clock_mono_us() / 1000, &flow, secret);
    if (st == VN_OK) {
        flow->user = r->user.id;
        snprintf(flow->provider, sizeof(flow->provider), "%s", f->provider.name);
        snprintf(flow->redirect, sizeof(flow->redirect), "%s", vn_request_text(r, "redirect_uri"));
        st = authorization_url(f, flow, url, sizeof(url));
    }
    if (st == VN_OK)
        vn_request_reply(
            r, 200, json_pack("{s:s, s:s, s:s}", "url", url, "flow", secret, "state", flow->state));
    else
        flow_failed(r, st);
    vn_wipe(secret, sizeof(secret));
    vn_wipe(url, sizeof(url));
}

void vn_route_oidc_begin(struct vn_request *r)
{
    if (links(r) && !vn_signed_in_lately(r))
        return;
    if (!vn_oidc_redirect_valid(vn_request_text(r, "redirect_uri"))) {
        vn_request_error(r, 400,
                         "redirect_uri must be on the machine of who signs in: "
                         "http://127.0.0.1:PORT/… or http://[::1]:PORT/…");
        return;
    }
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = flow_new(r, begin_then);
    if (!f || !find_provider(r, vn_request_text(r, "provider"), &f->provider))
        return;
    if (f->provider.supabase)
        vn_request_error(r, 409, "this provider takes a password: POST %s",
                         links(r) ? "/auth/identities/password" : "/auth/oidc/password");
    else
        discover(VN_TAKE(f));
}

/* ---- finish ---- */

static void link_account(struct vn_oidc_run *f)
{
    struct vn_request *r = f->r;
    struct vn_user_session session;
    struct vn_identity_record i;
    bool new = false;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = st == VN_OK ? r->g->store : NULL;
    if (st == VN_OK) /* which may have ended while the provider was asked */
        st = vn_store_session_get(tx, &r->session, &session);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 401, "this sign-in has ended: log in again");
        return;
    }
    if (st == VN_OK)
        st = vn_oidc_link(tx, &f->provider, f->claims, &r->user.id, r->now_ms, &i, &new);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_ERR_EXISTS)
        vn_request_error(r, 409,
                         "who signs in so at %s has another account here: unlink it there first "
                         "(DELETE /auth/identities/ID), or ask an administrator",
                         f->provider.name);
    else if (st == VN_ERR_LIMIT)
        vn_request_error(r, 409, "an account is linked to at most %d: unlink one first",
                         VN_OIDC_IDENTITIES_MAX);
    else if (st == VN_ERR_MALFORMED)
        vn_oidc_run_failed(f, "its token names nobody (sub)");
    else if (st != VN_OK)
        vn_request_fail(r, st, "link");
    if (st != VN_OK)
        return;
    tx = NULL;
    char actor[VN_USER_NAME_MAX + 8];
    if (new)
        vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), "user_linked", r->user.name,
                          f->provider.name);
    vn_request_reply(r, 200, vn_identity_json(&i));
}

static void sign_in(struct vn_oidc_run *f)
{
    struct vn_request *r = f->r;
    struct vn_user_record u;
    bool new = false;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = st == VN_OK ? r->g->store : NULL;
    if (st == VN_OK)
        st = vn_oidc_account(tx, &f->provider, f->claims, r->now_ms, &u, &new);
    if (st == VN_ERR_DENIED) {
        vn_request_error(r, 403,
                         "nobody has made an account for you here: ask an administrator for one "
                         "with your e-mail address as its name");
        return;
    }
    if (st == VN_ERR_MALFORMED) {
        vn_oidc_run_failed(f, "its token names nobody (sub)");
        return;
    }
    if (st == VN_OK && u.disabled) {
        vn_request_error(r, 403, "this account is disabled: ask an administrator");
        return;
    }
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "sign-in");
        return;
    }
    tx = NULL;
    if (new)
        vn_guardian_audit(r->g, NULL, u.name, "user_linked", u.name, f->provider.name);
    vn_guardian_audit(r->g, NULL, u.name, "signed_in", u.name, f->provider.name);
    vn_sign_in(r, &u);
}

void vn_route_oidc_finish(struct vn_request *r)
{
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = flow_new(r, vn_oidc_redeem);
    if (!f)
        return;
    vn_status st =
        strlen(vn_request_text(r, "code")) > VN_OIDC_CODE_MAX
            ? VN_ERR_NOTFOUND
            : vn_oidc_flow_take(r->g->oidc_flows, vn_request_text(r, "flow"),
                                vn_request_text(r, "state"), vn_clock_mono_us() / 1000, &f->f);
    /* A link is for who began it, and is no sign-in; nor the other way round. */
    if (st == VN_OK && !vn_id_equal(&f->f.user, &r->user.id))
        st = VN_ERR_NOTFOUND;
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, vn_oidc_run_refusal(f),
                         "there is no such sign-in under way: it may have taken too long; begin "
                         "again");
    else if (st != VN_OK)
        flow_failed(r, st);
    else if (find_provider(r, f->f.provider, &f->provider))
        discover(VN_TAKE(f));
}

/* ---- address and password ---- */

void vn_route_oidc_password(struct vn_request *r)
{
    if (links(r) && !vn_signed_in_lately(r))
        return;
    VN_CLEANUP(vn_oidc_run_freep) struct vn_oidc_run *f = flow_new(r, NULL);
    if (!f || !find_provider(r, vn_request_text(r, "provider"), &f->provider))
        return;
    if (f->provider.supabase)
        vn_oidc_redeem_password(VN_TAKE(f));
    else
        vn_request_error(r, 409, "this provider signs in by the browser: POST %s/begin",
                         links(r) ? "/auth/identities" : "/auth/oidc");
}
