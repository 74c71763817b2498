/*
 * login_timer   armed by    start; a failed login (1 s doubling to 7 s, of a renewal to 60 s until
 *                           the credentials are about to end, with jitter); a good one (random in
 * [1/3, 1/2] of life); the control channel coming back (1 s, with jitter) disarmed by stop fires
 * login, or renewal with the same keys rotate_timer  see own.c
 */
#include "core/session.h"

#include "core/node_i.h"

/* What Guardian says between a login and the first connection is missed if that takes longer. */
#define CATCH_UP_MS 2000
#define LOGIN_BACKOFF_MIN_MS 1000u
#define LOGIN_BACKOFF_MAX_MS 7000u /* nothing works yet: up within 10 s of Guardian's return */
#define LOGIN_WAIT_MS VN_PACED_MS(15000u, 2000u) /* Guardian says not now: somebody has to act */
#define RENEW_BACKOFF_MAX_MS VN_PACED_MS(60000u, LOGIN_BACKOFF_MAX_MS)

static void on_login_timer(void *arg)
{
    vn_session_login(arg);
}

static void on_rotate_timer(void *arg)
{
    vn_own_rotate(arg);
}

/* ---- keys of one life, in memory only ---- */

static vn_status make_keys(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    vn_status st = vn_sig_generate(n->suite->sig, &n->ref->key);
    if (st == VN_OK)
        st = vn_node_id_of(vn_sig_pk(n->ref->key), &s->self);
    if (st == VN_OK)
        st = vn_sig_generate(VN_SIG_ED25519, &s->nkey);
    if (st == VN_OK)
        st = vn_kem_generate(n->suite->kem, &s->session_dk);
    if (st == VN_OK)
        st = vn_kid(n->suite->hash, vn_kem_ek(s->session_dk), s->session_kid);
    if (st == VN_OK)
        st = vn_tls_key_new(&s->tls_key_pem);
    char name[VN_ID_TEXT];
    vn_id_format(&s->self, name);
    if (st == VN_OK)
        st = vn_tls_csr(s->tls_key_pem, name, &s->csr, &s->csr_len);
    return st;
}

vn_status vn_session_init(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    vn_timer_init(&s->login_timer, on_login_timer, n);
    vn_timer_init(&s->rotate_timer, on_rotate_timer, n);
    vn_buf_init(&s->descriptor, VN_DESCRIPTOR_MAX);
    return make_keys(n);
}

void vn_session_done(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    s->nkey = vn_sig_free(s->nkey);
    s->session_dk = vn_kem_free(s->session_dk);
    vn_secret_strp(&s->tls_key_pem);
    free(s->csr);
    s->cred = vn_credentials_free(s->cred);
    vn_hour_macs_wipe(&s->macs);
    free(s->own);
    s->issuing = vn_sig_pub_free(s->issuing);
    s->command = vn_sig_pub_free(s->command);
    vn_eks_done(&s->eks[0]);
    vn_eks_done(&s->eks[1]);
    vn_eks_done(&s->eks_next);
    vn_buf_done(&s->descriptor);
}

/* ---- login ---- */

/* The proof of possession of DESIGN section 4.3, over the nonce and binding of the connection it
 * travels on. */
static vn_status sign_login(void *arg, const uint8_t nonce[32], const uint8_t binding[32],
                            const uint8_t token_hash[32], uint8_t *ret_sig, size_t *ret_sig_n,
                            uint8_t ret_nkey_sig[64])
{
    struct vn_node *n = arg;
    const struct vn_session *s = &n->session;
    struct vn_span pk = vn_sig_pk(n->ref->key), ek = vn_kem_ek(s->session_dk);
    size_t cap = 32 * 3 + VN_ID_LEN + 2 + pk.n + 2 + ek.n + 32 + 2 + s->csr_len;
    uint8_t *msg = malloc(cap);
    if (!msg)
        return VN_ERR_NOMEM;
    struct vn_writer w = vn_writer_of(msg, cap);
    vn_write_bytes(&w, nonce, 32);
    vn_write_bytes(&w, binding, 32);
    vn_write_bytes(&w, token_hash, 32);
    vn_write_bytes(&w, n->cfg.realm.b, VN_ID_LEN);
    vn_write_block16(&w, pk);
    vn_write_block16(&w, ek);
    vn_write_span(&w, vn_sig_pk(s->nkey));
    vn_write_block16(&w, VN_SPAN(s->csr, s->csr_len));
    vn_status st = vn_writer_ok(&w) ? VN_OK : VN_ERR_LIMIT;
    if (st == VN_OK)
        st = vn_sig_sign(n->ref->key, "anchor-pop-v1", vn_writer_span(&w), ret_sig);
    if (st == VN_OK)
        st = vn_sig_sign(s->nkey, NULL, vn_writer_span(&w), ret_nkey_sig);
    if (st == VN_OK)
        *ret_sig_n = n->suite->sig_len;
    free(msg);
    return st;
}

static void login_failed(struct vn_node *n, const struct vn_authority_error *err)
{
    struct vn_session *s = &n->session;
    const char *detail = err && err->detail ? err->detail : "Guardian could not be reached";
    snprintf(s->error, sizeof(s->error), "%s", detail);
    if (err && (err->status == VN_ERR_AUTH || err->status == VN_ERR_DENIED ||
                err->status == VN_ERR_EXPIRED)) {
        vn_session_refused(n, err->status, detail);
        return;
    }
    /* Another login has the session now. To log in again would be to take it back, and so on. */
    if (err && err->status == VN_ERR_EXISTS) {
        vn_session_refused(n, err->status, VN_SESSION_OVER);
        return;
    }
    if (err && err->status == VN_ERR_STATE) {
        const uint64_t again_ms = vn_jitter(n, LOGIN_WAIT_MS);
        vn_log(VN_LOG_WARN, "login_waits", VN_KV_STR("detail", detail),
               VN_KV_U64("retry_ms", again_ms));
        vn_timer_arm(&n->timers, &s->login_timer, n->now_ms + again_ms);
        return;
    }
    unsigned shift = VN_MIN(s->failures++, 6u);
    bool urgent = !s->cred || vn_protocol_now(n) + RENEW_BACKOFF_MAX_MS >= s->cred->expires_ms;
    unsigned max = urgent ? LOGIN_BACKOFF_MAX_MS : RENEW_BACKOFF_MAX_MS;
    uint64_t wait_ms = vn_jitter(n, VN_MIN(LOGIN_BACKOFF_MIN_MS << shift, max));
    vn_log(VN_LOG_WARN, s->cred ? "renewal_failed" : "login_failed", VN_KV_STR("detail", detail),
           VN_KV_U64("retry_ms", wait_ms));
    vn_timer_arm(&n->timers, &s->login_timer, n->now_ms + wait_ms);
}

/* The authorities of the realm, from the login's own pinned connection. */
static vn_status check_realm(struct vn_node *n, const struct vn_credentials *c,
                             struct vn_sig_pub **ret_issuing, struct vn_sig_pub **ret_command)
{
    const struct vn_realm_info *r = &c->realm;
    uint64_t now = c->guardian_time_ms;
    if (!vn_id_equal(&r->id, &n->cfg.realm) || r->suite != n->cfg.suite)
        return VN_ERR_AUTH;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *root = NULL, *issuing = NULL, *command = NULL;
    vn_status st = vn_x509_check_authority(
        VN_AUTHORITY_ROOT, &r->id, VN_SPAN(r->root_cert.p, r->root_cert.n), NULL, now, &root);
    if (st == VN_OK)
        st = vn_x509_check_authority(VN_AUTHORITY_ISSUING, &r->id,
                                     VN_SPAN(r->issuing_cert.p, r->issuing_cert.n), root, now,
                                     &issuing);
    if (st == VN_OK)
        st = vn_x509_check_authority(VN_AUTHORITY_COMMAND, &r->id,
                                     VN_SPAN(r->command_cert.p, r->command_cert.n), root, now,
                                     &command);
    struct vn_id gid;
    if (st == VN_OK)
        st = vn_node_id_of(vn_sig_pub_bytes(command), &gid);
    if (st == VN_OK && !vn_id_equal(&gid, &r->gid))
        st = VN_ERR_AUTH;
    if (st != VN_OK)
        return st;
    *ret_issuing = VN_TAKE(issuing);
    *ret_command = VN_TAKE(command);
    return VN_OK;
}

static bool same_identities(const struct vn_credentials *a, const struct vn_credentials *b)
{
    if (a->identity_count != b->identity_count || a->realm.access != b->realm.access)
        return false;
    for (size_t i = 0; i < a->identity_count; i++)
        if (a->identities[i].kind != b->identities[i].kind ||
            strcmp(a->identities[i].label, b->identities[i].label) != 0)
            return false;
    return true;
}

/* Checks all of it before any of it counts. Takes cred. ret_same: it has the identities of the one
 * before. */
static vn_status install(struct vn_node *n, struct vn_credentials *cred, bool *ret_same)
{
    struct vn_session *s = &n->session;
    VN_CLEANUP(vn_credentials_freep) struct vn_credentials *c = cred;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *issuing = NULL, *command = NULL;
    vn_status st = check_realm(n, c, &issuing, &command);
    if (st != VN_OK)
        return st;
    struct vn_identity *own = calloc(1, sizeof(*own));
    if (!own)
        return VN_ERR_NOMEM;
    struct vn_statement statement;
    struct vn_hash cert_hash;
    struct vn_span der = VN_SPAN(c->certificate.p, c->certificate.n);
    st = vn_x509_check_identity(der, issuing, &n->cfg.realm, c->guardian_time_ms, own);
    if (st == VN_OK)
        st = vn_statement_check(VN_SPAN(c->statement.p, c->statement.n), command, n->suite,
                                &n->cfg.realm, c->guardian_time_ms, &statement);
    if (st == VN_OK &&
        (!vn_id_equal(&own->node, &s->self) || !vn_id_equal(&statement.node, &s->self)))
        st = VN_ERR_AUTH;
    if (st == VN_OK)
        st = vn_hash(n->suite->hash, VN_PARTS(der), &cert_hash);
    if (st != VN_OK) {
        free(own);
        return st;
    }
    vn_realm_rule_keep(s->cred, c);
    *ret_same = s->cred && same_identities(s->cred, c);
    free(s->own);
    s->own = own;
    vn_sig_pub_free(s->issuing);
    s->issuing = VN_TAKE(issuing);
    vn_sig_pub_free(s->command);
    s->command = VN_TAKE(command);
    vn_credentials_free(s->cred);
    s->cred = VN_TAKE(c);
    vn_hour_macs_wipe(&s->macs);
    s->macs.keys = &s->cred->hour_keys;
    s->macs.self = &s->self;
    s->cred_at_ms = n->now_ms;
    s->statement = statement;
    s->cert_hash = cert_hash;
    struct vn_blob *other = &s->cred->other_keys;
    vn_generations_install(n, VN_SPAN(other->p, other->n));
    if (other->p)
        vn_wipe(other->p, other->n);
    free(other->p);
    *other = (struct vn_blob){0};
    return VN_OK;
}

static void arm_renewal(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    uint64_t life = s->cred->expires_ms > s->cred->guardian_time_ms
                        ? s->cred->expires_ms - s->cred->guardian_time_ms
                        : 0;
    uint64_t sixth = VN_MAX(life / 6, 1u), extra = 0;
    if (vn_random_fill(n, &extra, sizeof(extra)) != VN_OK)
        extra = 0;
    s->renew_at_ms = n->now_ms + VN_MAX(life / 3 + extra % sixth, LOGIN_BACKOFF_MIN_MS);
    vn_timer_arm(&n->timers, &s->login_timer, s->renew_at_ms);
}

static void on_login(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err)
{
    struct vn_node *n = arg;
    struct vn_session *s = &n->session;
    s->login_pending = false;
    if (n->state == VN_NODE_STOPPING || n->state == VN_NODE_STOPPED) {
        vn_credentials_free(cred);
        return;
    }
    if (!cred) {
        login_failed(n, err);
        return;
    }
    bool first = !s->cred, same = false;
    vn_status st = install(n, cred, &same);
    if (st != VN_OK) {
        login_failed(n, &(struct vn_authority_error){
                            VN_ERR_MALFORMED, "the credentials Guardian sent do not verify"});
        return;
    }
    s->failures = 0;
    s->error[0] = '\0';
    arm_renewal(n);
    n->state = VN_NODE_ONLINE;
    vn_revocations_on_login(n);
    vn_quarantine_set(n, &s->cred->quarantine);
    vn_log(VN_LOG_INFO, first ? "session_created" : "session_renewed", VN_KV_ID("node", &s->self),
           VN_KV_STR("tag", s->cred->tag), VN_KV_U64("expires_ms", s->cred->expires_ms));
    vn_own_rotate(n);
    vn_session_connect(n);
    vn_own_subscribe(n);
    vn_tell_local(n);
    vn_member_stun_tell(n);
    n->cfg.shell->online(n->cfg.shell->arg, s->cred, n->cfg.mtu_bytes);
    if (first)
        vn_dests_retry(n); /* what the worker was refused while there was no node */
    else
        vn_affinity_changed(n, same, true);
    vn_relaying_recheck(n);
    vn_warm_start(n);
}

void vn_session_login(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    if (s->login_pending || n->state == VN_NODE_STOPPING || n->state == VN_NODE_STOPPED)
        return;
    struct vn_login_request req = {
        .renew = s->cred != NULL,
        .sig_pk = vn_sig_pk(n->ref->key),
        .session_ek = vn_kem_ek(s->session_dk),
        .csr = VN_SPAN(s->csr, s->csr_len),
        .sign = sign_login,
        .sign_arg = n,
    };
    memcpy(req.nkey_pk, vn_sig_pk(s->nkey).p, sizeof(req.nkey_pk));
    s->login_pending = true;
    vn_status st = n->cfg.authority->login(n->cfg.authority->self, &req, on_login, n);
    if (st != VN_OK) {
        s->login_pending = false;
        login_failed(n, &(struct vn_authority_error){VN_ERR_AGAIN, vn_status_name(st)});
    }
}

void vn_session_control_up(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    bool missed = s->was_up || n->now_ms - s->cred_at_ms > CATCH_UP_MS;
    s->was_up = true;
    vn_warm_start(n);
    if (n->state == VN_NODE_ONLINE && missed)
        vn_session_renew_soon(n);
}

void vn_session_renew_soon(struct vn_node *n)
{
    vn_timer_arm(&n->timers, &n->session.login_timer,
                 n->now_ms + vn_jitter(n, LOGIN_BACKOFF_MIN_MS));
}

void vn_session_renew_within(struct vn_node *n, uint64_t ms)
{
    struct vn_session *s = &n->session;
    uint32_t r = 0;
    if (vn_random_fill(n, &r, sizeof(r)) != VN_OK)
        r = 0;
    uint64_t at = n->now_ms + LOGIN_BACKOFF_MIN_MS + r % ms;
    if (!s->login_pending && s->login_timer.armed && at < s->login_timer.at_ms)
        vn_timer_arm(&n->timers, &s->login_timer, at);
}

void vn_session_refused(struct vn_node *n, vn_status why, const char *detail)
{
    vn_log(VN_LOG_ERROR, "session_refused", VN_KV_STR("detail", detail));
    n->session.refused = true;
    vn_timer_disarm(&n->timers, &n->session.login_timer);
    vn_streams_close_all(n, VN_CLOSE_STOPPING);
    vn_hops_close_all(n);
    n->cfg.shell->refused(n->cfg.shell->arg, why, detail);
}

void vn_session_connect(struct vn_node *n)
{
    struct vn_session *s = &n->session;
    struct vn_control_credentials c = {
        .urls = (const char *const *)s->cred->realm.master_urls,
        .url_count = s->cred->realm.master_url_count,
        .jwt = s->cred->nats_jwt,
        .ca_pem = s->cred->realm.master_ca_pem,
        .cert_pem = s->cred->mtls_cert_pem,
        .key_pem = s->tls_key_pem,
    };
    vn_status st = vn_sig_seed(s->nkey, &c.nkey_seed);
    if (st == VN_OK)
        st = n->cfg.control->connect(n->cfg.control->self, &c);
    vn_secret32_wipe(&c.nkey_seed);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "control_connect_failed", VN_KV_STATUS(st));
}
