#include "guardian/setup.h"

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/rng.h"
#include "guardian/routes.h"
#include "guardian/sign_in.h"

#define SETTING "setup" /* account, and SHA-256 of the token; empty: done */
#define PREFIX "vs1."

_Static_assert(sizeof(PREFIX) + VN_B64URL_LEN(32) <= VN_SETUP_TOKEN_TEXT, "the text fits");

struct pending {
    uint8_t user[VN_ID_LEN], hash[32];
};

vn_status vn_setup_prepare(struct vn_store *s, const struct vn_id *user,
                           char ret_token[VN_SETUP_TOKEN_TEXT])
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 secret;
    struct pending p;
    vn_status st = vn_rng_bytes(secret.b, sizeof(secret.b));
    if (st != VN_OK)
        return st;
    memcpy(ret_token, PREFIX, sizeof(PREFIX));
    vn_b64url_encode(VN_SPAN_ARRAY(secret.b), ret_token + sizeof(PREFIX) - 1);
    memcpy(p.user, user->b, sizeof(p.user));
    st = vn_token_hash(ret_token, p.hash);
    return st == VN_OK ? vn_store_put(s, SETTING, VN_SPAN(&p, sizeof(p))) : st;
}

void vn_setup_path(const struct vn_statedir *dir, char ret[VN_PATH_MAX])
{
    snprintf(ret, VN_PATH_MAX, "%s/" VN_SETUP_FILE, dir->dir);
}

/* VN_ERR_NOTFOUND: there is nothing to set up. Opened on Guardian's host meanwhile, the account
 * needs no token any more. */
static vn_status load(struct vn_store *s, struct pending *ret, struct vn_user_record *ret_user)
{
    VN_CLEANUP(vn_json_strp) char *v = NULL;
    struct vn_id id;
    size_t n;
    vn_status st = vn_store_get(s, SETTING, &v, &n);
    if (st != VN_OK)
        return st;
    if (n != sizeof(*ret))
        return VN_ERR_NOTFOUND;
    memcpy(ret, v, n);
    memcpy(id.b, ret->user, sizeof(id.b));
    st = vn_store_user_get(s, &id, ret_user);
    return st == VN_OK && !ret_user->disabled ? VN_ERR_NOTFOUND : st;
}

void vn_route_setup_get(struct vn_request *r)
{
    struct pending p;
    struct vn_user_record u;
    vn_status st = load(r->g->store, &p, &u);
    if (st == VN_OK || st == VN_ERR_NOTFOUND)
        vn_request_reply(r, 200, json_pack("{s:b}", "done", st == VN_ERR_NOTFOUND));
    else
        vn_request_fail(r, st, "setup");
}

static void refuse_done(struct vn_request *r)
{
    vn_request_error(r, 409, "Guardian is set up: sign in with POST /auth/login");
}

static void setup_then(struct vn_request *r, struct vn_password_job *j)
{
    struct pending p;
    struct vn_user_record u;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = load(tx, &p, &u); /* another request may have been faster */
    if (st == VN_OK) {
        u.disabled = false;
        u.must_change = false;
        snprintf(u.password, sizeof(u.password), "%s", j->hash);
        snprintf(u.display_name, sizeof(u.display_name), "%s", j->user.display_name);
        st = vn_store_user_set(tx, &u);
    }
    if (st == VN_OK)
        st = vn_store_put(tx, SETTING, VN_SPAN_NONE);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK) {
        char path[VN_PATH_MAX];
        vn_setup_path(&r->g->dir, path);
        if (unlink(path) != 0)
            vn_log(VN_LOG_DEBUG, "setup_token_stays");
        vn_guardian_audit(r->g, NULL, u.name, "setup_done", u.name, "");
        vn_sign_in(r, &u);
    } else if (st == VN_ERR_NOTFOUND) {
        refuse_done(r);
    } else {
        vn_request_fail(r, st, "setup");
    }
    vn_wipe(&u, sizeof(u));
}

void vn_route_setup(struct vn_request *r)
{
    const char *token = vn_request_text(r, "token"), *password = vn_request_text(r, "password"),
               *display = vn_request_text(r, "display_name");
    struct pending p;
    struct vn_user_record u;
    uint8_t hash[32];
    vn_status st = load(r->g->store, &p, &u);
    if (st == VN_ERR_NOTFOUND) {
        refuse_done(r);
        return;
    }
    if (st == VN_OK)
        st = vn_token_hash(token, hash);
    if (st != VN_OK) {
        vn_request_fail(r, st, "setup");
        return;
    }
    if (!vn_ct_equal(hash, p.hash, sizeof(hash))) {
        r->g->metrics.passwords_refused++;
        vn_request_error(r, 401,
                         "this is not the token of init --setup: it is in the file " VN_SETUP_FILE
                         " of Guardian's state folder");
        return;
    }
    if (!vn_password_fits(r, password))
        return;
    if (display && !vn_display_name_valid(display)) {
        vn_request_error(r, 400, "a display name has at most %d bytes and no control characters",
                         VN_DISPLAY_NAME_MAX);
        return;
    }
    struct vn_password_job *j = vn_password_job(r);
    if (!j)
        return;
    j->then = setup_then;
    snprintf(j->made, sizeof(j->made), "%s", password);
    snprintf(j->user.display_name, sizeof(j->user.display_name), "%s", display ? display : "");
    vn_password_run(r, j);
}
