#include "guardian/sign_in.h"

#include <assert.h>

#include "base/text.h"
#include "crypto/rng.h"
#include "guardian/json.h"
#include "guardian/routes.h"

#define ACCESS_TOKEN_LIFE_S 3600
#define REFRESH_LIFE_MS (30ull * 86400 * 1000) /* since its last use */
#define LATELY_MS 600000                       /* a sign-in is fresh */
#define PASSWORDS_AT_ONCE 4                    /* 19 MiB each */
#define REFRESH_PREFIX "vr1."
#define SECRET 32

/* ---- names ---- */

bool vn_user_name_valid(const char *name)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyz0123456789._@+-";
    size_t n = strlen(name);
    return n >= 1 && n <= VN_USER_NAME_MAX && strspn(name, ALLOWED) == n &&
           !strchr("._@+-", name[0]);
}

bool vn_display_name_valid(const char *name)
{
    return strlen(name) <= VN_DISPLAY_NAME_MAX && vn_json_text_plain(name);
}

json_t *vn_user_json(const struct vn_user_record *u)
{
    return json_pack("{s:o, s:s, s:s, s:b, s:b, s:b, s:I}", "id", vn_json_id(&u->id), "user",
                     u->name, "display_name", u->display_name, "superuser", u->superuser,
                     "disabled", u->disabled, "must_change_password", u->must_change, "created_at",
                     (json_int_t)u->created_ms);
}

/* ---- passwords ---- */

bool vn_password_fits(struct vn_request *r, const char *password)
{
    const size_t n = strlen(password);
    if (n >= VN_PASSWORD_MIN && n <= VN_PASSWORD_MAX)
        return true;
    vn_request_error(r, 400, "a password has %d to %d characters: choose another", VN_PASSWORD_MIN,
                     VN_PASSWORD_MAX);
    return false;
}

struct vn_password_job *vn_password_job(struct vn_request *r)
{
    struct vn_password_job *j = calloc(1, sizeof(*j));
    if (!j)
        vn_request_fail(r, VN_ERR_NOMEM, "password");
    return j;
}

static void job_free(void *arg)
{
    struct vn_password_job *j = arg;
    if (j->counted)
        j->counted->passwords_running--;
    vn_wipe(j, sizeof(*j));
    free(j);
}

static void job_work(void *arg)
{
    struct vn_password_job *j = arg;
    /* An unknown name costs as much as a wrong password, so the time tells nothing. */
    static const char NOBODY[] =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA";
    j->result =
        j->check ? vn_password_check(j->given, j->known ? j->user.password : NOBODY) : VN_OK;
    if (j->result == VN_OK && j->check && !j->known)
        j->result = VN_ERR_AUTH;
    if (j->result == VN_OK && j->made[0])
        j->result = vn_password_hash(j->made, j->hash, sizeof(j->hash));
}

static void job_done(struct vn_request *r, void *arg)
{
    struct vn_password_job *j = arg;
    if (j->result == VN_ERR_AUTH)
        r->g->metrics.passwords_refused++;
    if (j->result == VN_ERR_AUTH)
        vn_request_error(r, 401, "user or password is wrong");
    else if (j->result != VN_OK)
        vn_request_fail(r, j->result, "password");
    else
        j->then(r, j);
    job_free(j);
}

void vn_password_run(struct vn_request *r, struct vn_password_job *take)
{
    if (r->g->passwords_running >= PASSWORDS_AT_ONCE) {
        job_free(take);
        vn_request_later(r, 1, "too many logins at once: try again in a second");
        return;
    }
    r->g->passwords_running++;
    take->counted = r->g;
    vn_request_work(r, job_work, job_done, job_free, take);
}

/* ---- sign-ins ---- */

/* A fresh secret: its hash for the store, and the text of the token. */
static vn_status make_refresh(const struct vn_id *id, uint8_t ret_hash[32], char *ret, size_t cap)
{
    uint8_t b[VN_ID_LEN + SECRET];
    memcpy(b, id->b, VN_ID_LEN);
    vn_status st = vn_rng_bytes(b + VN_ID_LEN, SECRET);
    if (st == VN_OK) {
        assert(cap > sizeof(REFRESH_PREFIX) + VN_B64URL_LEN(sizeof(b)));
        memcpy(ret, REFRESH_PREFIX, sizeof(REFRESH_PREFIX) - 1);
        vn_b64url_encode(VN_SPAN_ARRAY(b), ret + sizeof(REFRESH_PREFIX) - 1);
        st = vn_token_hash(ret, ret_hash);
    }
    vn_wipe(b, sizeof(b));
    return st;
}

static void answer(struct vn_request *r, const struct vn_user_record *u,
                   const struct vn_user_session *s, const char *refresh)
{
    VN_CLEANUP(vn_secret_strp) char *token = NULL;
    const struct vn_token t = {
        .type = VN_TOKEN_ACCESS,
        .id = u->id,
        .realm = s->id,
        .issued_ms = r->now_ms,
        .expires_ms = r->now_ms + ACCESS_TOKEN_LIFE_S * 1000,
    };
    vn_status st = vn_token_issue(&r->g->cfg.token_keys, &t, &token);
    if (st != VN_OK)
        vn_request_fail(r, st, "access token");
    else
        vn_request_reply(r, 200,
                         json_pack("{s:s, s:i, s:s, s:I, s:b}", "access_token", token,
                                   "expires_in_s", ACCESS_TOKEN_LIFE_S, "refresh_token", refresh,
                                   "refresh_expires_at", (json_int_t)s->expires_ms,
                                   "must_change_password", u->must_change));
}

void vn_sign_in(struct vn_request *r, const struct vn_user_record *u)
{
    char refresh[96];
    struct vn_user_session s = {.user = u->id,
                                .created_ms = r->now_ms,
                                .used_ms = r->now_ms,
                                .expires_ms = r->now_ms + REFRESH_LIFE_MS};
    vn_status st = vn_rng_bytes(s.id.b, sizeof(s.id.b));
    if (st == VN_OK)
        st = make_refresh(&s.id, s.hash, refresh, sizeof(refresh));
    if (st == VN_OK)
        st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_session_add(tx, &s);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK)
        vn_request_fail(r, st, "sign-in");
    else
        answer(r, u, &s, refresh);
    vn_wipe(refresh, sizeof(refresh));
}

bool vn_signed_in_lately(struct vn_request *r)
{
    struct vn_user_session s;
    if (vn_id_is_zero(&r->user.id)) {
        vn_request_error(r, 409, "this token is no sign-in: log in with a user's name");
        return false;
    }
    vn_status st = vn_store_session_get(r->g->store, &r->session, &s);
    const bool lately = st == VN_OK && r->now_ms - s.created_ms <= LATELY_MS;
    if (st != VN_OK)
        vn_request_fail(r, st, "sign-in");
    else if (!lately)
        vn_request_error(r, 403, "this takes a sign-in of the last ten minutes: log in again");
    return lately;
}

static bool session_of(const char *text, struct vn_id *ret)
{
    uint8_t b[VN_ID_LEN + SECRET];
    size_t n;
    const size_t prefix = sizeof(REFRESH_PREFIX) - 1;
    if (strncmp(text, REFRESH_PREFIX, prefix) != 0 ||
        vn_b64url_decode(VN_SPAN_STR(text + prefix), b, sizeof(b), &n) != VN_OK || n != sizeof(b))
        return false;
    memcpy(ret->b, b, VN_ID_LEN);
    vn_wipe(b, sizeof(b));
    return true;
}

/* One that was used before: it was copied, and nobody can tell who has the right one. */
static void end_copied(struct vn_request *r, const struct vn_user_session *s)
{
    char id[VN_ID_TEXT];
    vn_id_format(&s->user, id);
    if (vn_store_session_delete(r->g->store, &s->id) == VN_OK)
        vn_guardian_audit(r->g, NULL, "anyone", "refresh_token_reused", id, "sign-in ended");
}

void vn_route_refresh(struct vn_request *r)
{
    static const char AGAIN[] = "this refresh token is not good any more: log in again";
    const char *text = vn_request_text(r, "refresh_token");
    struct vn_user_session s;
    struct vn_user_record u;
    uint8_t hash[32];
    vn_status st = session_of(text, &s.id) ? VN_OK : VN_ERR_NOTFOUND;
    if (st == VN_OK)
        st = vn_store_session_get(r->g->store, &s.id, &s);
    if (st == VN_OK)
        st = vn_token_hash(text, hash);
    if (st == VN_OK && !vn_ct_equal(hash, s.hash, sizeof(hash))) {
        end_copied(r, &s);
        st = VN_ERR_NOTFOUND;
    }
    if (st == VN_OK && s.expires_ms <= r->now_ms)
        st = VN_ERR_NOTFOUND;
    if (st == VN_OK)
        st = vn_store_user_get(r->g->store, &s.user, &u);
    if (st == VN_ERR_NOTFOUND || (st == VN_OK && u.disabled)) {
        vn_request_error(r, 401, AGAIN);
        return;
    }
    char refresh[96];
    s.used_ms = r->now_ms;
    s.expires_ms = r->now_ms + REFRESH_LIFE_MS;
    if (st == VN_OK)
        st = make_refresh(&s.id, s.hash, refresh, sizeof(refresh));
    if (st == VN_OK)
        st = vn_store_session_refresh(r->g->store, &s);
    if (st != VN_OK)
        vn_request_fail(r, st, "refresh");
    else
        answer(r, &u, &s, refresh);
    vn_wipe(refresh, sizeof(refresh));
}
