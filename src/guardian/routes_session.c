/*
 * Session login and renewal (DESIGN section 4.3): proof of possession checked and credentials
 * issued on the pool, the session recorded on the loop.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/writer.h"
#include "control/json_alloc.h"
#include "crypto/rng.h"
#include "guardian/admission.h"
#include "guardian/entry_points.h"
#include "guardian/ephemeral.h"
#include "guardian/http.h"
#include "guardian/issue.h"
#include "guardian/public_node.h"
#include "guardian/quarantine.h"
#include "guardian/revoke.h"
#include "guardian/revoked.h"
#include "guardian/routes.h"
#include "guardian/statements.h"

#define CSR_MAX 4096
#define RETRIES 3 /* when the node's taints changed while its answer was being made */

struct login {
    struct vn_guardian *g; /* cfg only on the pool */
    struct vn_realm *realm;
    bool renew;
    unsigned tries;
    uint64_t now_ms;
    struct vn_conflux_record c; /* with the new session */
    struct vn_id old_node;
    bool had_session;
    struct vn_revoked *revoked;
    struct vn_quarantine_list quarantine;
    struct vn_addr public[VN_MEMBER_STUN_MAX];
    size_t public_n;
    struct vn_entry_points masters;
    uint8_t nonce[32], binding[32], token_hash[32];
    uint8_t csr[CSR_MAX];
    size_t csr_n;
    uint8_t sig[VN_SIG_MAX];
    size_t sig_n;
    uint8_t nkey_sig[64];
    bool proven;
    bool expected; /* its statement is */
    /* results */
    vn_status result;
    const char *what; /* was wrong */
    json_t *answer;
    struct vn_request *r; /* while its statement waits to be signed */
    struct vn_statement_wait statement;
};

static void login_free(void *arg)
{
    struct login *l = arg;
    if (l->expected)
        vn_statements_leave(l->g->statements);
    vn_realm_unref(l->realm);
    json_decref(l->answer);
    vn_revoked_unref(l->revoked);
    free(l->quarantine.addrs);
    vn_wipe(l, sizeof(*l));
    free(l);
}

/* Short of memory is Guardian's trouble: who hears that the proof is bad gives up. */
static vn_status unproven(vn_status st)
{
    return st == VN_OK || st == VN_ERR_NOMEM ? st : VN_ERR_AUTH;
}

/* nonce32 ‖ exporter32 ‖ SHA-256(conflux token)32 ‖ realm16 ‖ u16,sig_pk ‖ u16,session_ek ‖ nkey32
 * ‖ u16,csr */
static vn_status check_proof(struct login *l)
{
    const struct vn_session_record *n = &l->c.session;
    uint8_t buf[32 * 4 + VN_ID_LEN + 6 + VN_PK_MAX + VN_EK_MAX + CSR_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_write_bytes(&w, l->nonce, 32);
    vn_write_bytes(&w, l->binding, 32);
    vn_write_bytes(&w, l->token_hash, 32);
    vn_write_bytes(&w, l->c.realm.b, VN_ID_LEN);
    vn_write_block16(&w, VN_SPAN(n->sig_pk, n->sig_pk_n));
    vn_write_block16(&w, VN_SPAN(n->session_ek, n->session_ek_n));
    vn_write_bytes(&w, n->nkey, 32);
    vn_write_block16(&w, VN_SPAN(l->csr, l->csr_n));
    if (!vn_writer_ok(&w))
        return VN_ERR_LIMIT;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *identity = NULL;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *nkey = NULL;
    l->what = "sig: the ML-DSA signature does not prove possession of sig_pk on this connection";
    vn_status st = vn_sig_pub_new(l->realm->suite->sig, VN_SPAN(n->sig_pk, n->sig_pk_n), &identity);
    if (st == VN_OK)
        st =
            vn_sig_verify(identity, "anchor-pop-v1", vn_writer_span(&w), VN_SPAN(l->sig, l->sig_n));
    if (st != VN_OK)
        return unproven(st);
    l->what = "nkey_sig: the Ed25519 signature does not prove possession of the nkey";
    st = vn_sig_pub_new(VN_SIG_ED25519, VN_SPAN_ARRAY(n->nkey), &nkey);
    if (st == VN_OK)
        st = vn_sig_verify(nkey, NULL, vn_writer_span(&w), VN_SPAN_ARRAY(l->nkey_sig));
    return unproven(st);
}

static void login_work(void *arg)
{
    struct login *l = arg;
    if (!l->proven) {
        l->result = check_proof(l);
        if (l->result != VN_OK)
            return;
        l->proven = true;
    }
    l->what = "csr: it must be a PKCS#10 request signed by its own key";
    l->result = vn_issue_login_answer(&l->g->cfg, l->realm, &l->c, VN_SPAN(l->csr, l->csr_n),
                                      l->now_ms, &l->answer);
    if (l->result == VN_OK)
        l->result =
            vn_issue_unsigned_statement(l->realm, &l->c, l->statement.bytes, &l->statement.n);
    if (l->result == VN_OK) {
        l->what = "revocations";
        l->result = vn_revoked_answer(l->revoked, l->realm, l->answer);
    }
    if (l->result == VN_OK && json_object_set_new(json_object_get(l->answer, "realm"), "masters",
                                                  vn_entry_points_urls(&l->masters)))
        l->result = VN_ERR_NOMEM;
    if (l->result == VN_OK &&
        json_object_set_new(l->answer, "quarantine", vn_quarantine_list_json(&l->quarantine)))
        l->result = VN_ERR_NOMEM;
    if (l->result == VN_OK &&
        json_object_set_new(l->answer, "member_stun", vn_public_nodes_json(l->public, l->public_n)))
        l->result = VN_ERR_NOMEM;
}

/*
 * Numbers of statements rise with every one signed. Taking the clock as their floor lets them
 * survive a store restored from a backup: what peers have seen is never above the present time.
 */
static uint64_t next_number(const struct vn_conflux_record *c, uint64_t now_ms)
{
    return VN_MAX(c->statement_number + 1, now_ms);
}

static void login_made(struct vn_request *r, void *arg);

static void login_start(struct vn_request *r, struct login *l)
{
    l->c.statement_number = next_number(&l->c, l->now_ms);
    l->expected = true;
    vn_statements_expect(l->g->statements);
    vn_request_work(r, login_work, login_made, login_free, l);
}

static void audit_login(struct vn_request *r, const struct login *l)
{
    char node[VN_ID_TEXT], old[VN_ID_TEXT], actor[VN_USER_NAME_MAX + 8], detail[96] = "";
    vn_id_format(&l->c.session.node, node);
    vn_id_format(&l->old_node, old);
    if (l->had_session && !vn_id_equal(&l->old_node, &l->c.session.node))
        snprintf(detail, sizeof(detail), "supersedes node %s", old);
    vn_guardian_audit(r->g, &l->c.realm, vn_request_actor(r, actor),
                      l->renew ? "session_renewed" : "session_login", node, detail);
}

/* Records the session, unless the registration changed meanwhile: VN_ERR_AGAIN. */
static vn_status record(struct vn_request *r, struct login *l)
{
    struct vn_store *s = r->g->store;
    vn_status st = vn_store_begin(s);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = s;
    struct vn_conflux_record now;
    if (st == VN_OK)
        st = vn_store_conflux_get(s, &l->c.id, &now);
    if (st != VN_OK)
        return st;
    if (now.statement_number >= l->c.statement_number ||
        now.quarantine_number != l->c.quarantine_number ||
        !vn_taints_equal(&now.taints, &l->c.taints)) {
        l->c.statement_number = now.statement_number;
        l->c.taints = now.taints;
        l->c.teams = now.teams;
        l->c.quarantine = now.quarantine;
        l->c.quarantine_number = now.quarantine_number;
        free(VN_TAKE(l->quarantine.addrs));
        st = vn_quarantine_list(s, &l->c, &l->quarantine, NULL);
        return st == VN_OK ? VN_ERR_AGAIN : st;
    }
    struct vn_realm *realm;
    st = vn_guardian_realm(r->g, &l->c.realm, &realm);
    if (st != VN_OK)
        return st;
    bool other_keys = realm != l->realm; /* loaded anew, because it changed them */
    vn_realm_unref(l->realm);
    l->realm = realm;
    if (other_keys)
        return VN_ERR_AGAIN;
    l->had_session = now.has_session;
    l->old_node = now.session.node;
    if (now.has_session && !vn_id_equal(&l->old_node, &l->c.session.node)) {
        st = vn_revoke_session(s, &now, l->now_ms);
        if (st != VN_OK)
            return st;
    }
    /* The address lease must outlast every certificate that names it. */
    l->c.session.not_after_ms = VN_MAX(l->c.session.not_after_ms, now.session.not_after_ms);
    st = vn_store_conflux_set_session(s, &l->c.id, &l->c.session, l->c.statement_number);
    if (st != VN_OK)
        return st;
    audit_login(r, l); /* in the same write */
    return vn_store_commit(s);
}

static void login_done(struct vn_request *r, struct login *l)
{
    vn_status st = l->result;
    if (st == VN_ERR_AUTH || st == VN_ERR_MALFORMED) {
        vn_request_error(r, st == VN_ERR_AUTH ? 403 : 400, "%s", l->what);
        login_free(l);
        return;
    }
    if (st == VN_OK) {
        st = record(r, l);
        if (st == VN_ERR_AGAIN && ++l->tries < RETRIES) {
            json_decref(l->answer);
            l->answer = NULL;
            login_start(r, l);
            return;
        }
    }
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(
            r, 401,
            "this node is not registered any more: register it again with a registration token");
    } else if (st == VN_ERR_AGAIN) {
        vn_request_error(r, 503, "this node's taints are changing: try again");
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "login");
    } else {
        if (l->renew)
            r->g->metrics.session_renewals++;
        else
            r->g->metrics.session_logins++;
        vn_revoke_publish(r->g);
        json_t *answer = VN_TAKE(l->answer);
        json_object_set_new(answer, "time", json_integer((json_int_t)vn_clock_wall_ms()));
        vn_request_reply(r, 200, answer);
    }
    login_free(l);
}

static void login_signed(struct vn_statement_wait *w, vn_status st)
{
    struct login *l = VN_CONTAINER_OF(w, struct login, statement);
    l->r->json_failures = vn_json_failures(); /* others' may have failed meanwhile */
    l->result = st == VN_OK ? vn_issue_put_statement(l->answer, VN_SPAN(w->bytes, w->n)) : st;
    login_done(l->r, l);
}

static void login_made(struct vn_request *r, void *arg)
{
    struct login *l = arg;
    if (l->result != VN_OK) {
        login_done(r, l);
        return;
    }
    l->r = r;
    l->expected = false;
    l->statement.realm = l->realm;
    l->statement.fn = login_signed;
    vn_statements_join(l->g->statements, &l->statement);
}

/* Reads the body. Returns NULL, or what is wrong with it. */
static const char *decode(struct vn_request *r, struct login *l)
{
    const struct vn_suite_info *suite = l->realm->suite;
    struct vn_session_record *n = &l->c.session;
    const json_t *b = r->body;
    size_t len;
    if (vn_json_get_bytes(b, "nonce", l->nonce, sizeof(l->nonce), &len) != VN_OK ||
        len != sizeof(l->nonce))
        return "nonce must be the 32 bytes of GET /conflux/session/nonce";
    if (vn_json_get_bytes(b, "sig_pk", n->sig_pk, sizeof(n->sig_pk), &n->sig_pk_n) != VN_OK ||
        n->sig_pk_n != suite->pk_len)
        return "sig_pk must be an ML-DSA public key of the realm's suite";
    if (vn_json_get_bytes(b, "session_ek", n->session_ek, sizeof(n->session_ek),
                          &n->session_ek_n) != VN_OK ||
        n->session_ek_n != suite->ek_len)
        return "session_ek must be an encapsulation key of the realm's suite";
    if (vn_nkey_parse_public(VN_NKEY_USER, json_string_value(json_object_get(b, "nkey")),
                             n->nkey) != VN_OK)
        return "nkey must be a public user nkey (U…)";
    if (vn_json_get_bytes(b, "csr", l->csr, sizeof(l->csr), &l->csr_n) != VN_OK)
        return "csr must be a PKCS#10 request in DER";
    if (vn_json_get_bytes(b, "sig", l->sig, sizeof(l->sig), &l->sig_n) != VN_OK ||
        l->sig_n != suite->sig_len)
        return "sig must be an ML-DSA signature of the realm's suite";
    if (vn_json_get_bytes(b, "nkey_sig", l->nkey_sig, sizeof(l->nkey_sig), &len) != VN_OK ||
        len != sizeof(l->nkey_sig))
        return "nkey_sig must be an Ed25519 signature";
    return NULL;
}

static bool same_keys(const struct vn_session_record *a, const struct vn_session_record *b)
{
    return vn_span_equal(VN_SPAN(a->sig_pk, a->sig_pk_n), VN_SPAN(b->sig_pk, b->sig_pk_n)) &&
           vn_span_equal(VN_SPAN(a->session_ek, a->session_ek_n),
                         VN_SPAN(b->session_ek, b->session_ek_n)) &&
           memcmp(a->nkey, b->nkey, sizeof(a->nkey)) == 0;
}

/* Everything that needs no signature. Returns false after answering. */
static bool prepare(struct vn_request *r, struct login *l)
{
    bool public = false;
    vn_status st = vn_guardian_realm(r->g, &r->conflux.realm, &l->realm);
    if (st == VN_OK)
        st = vn_store_public_has(r->g->store, &r->conflux.id, &public);
    if (st == VN_OK)
        st = vn_revoked_get(r->g, &r->conflux.realm, r->now_ms, &l->revoked);
    if (st == VN_OK)
        st = vn_quarantine_list(r->g->store, &r->conflux, &l->quarantine, NULL);
    if (st == VN_OK)
        st = vn_store_public_list(r->g->store, &r->conflux, l->public, VN_ARRAY_LEN(l->public),
                                  &l->public_n);
    if (st == VN_OK)
        st = vn_entry_points_load(r->g->store, &l->masters);
    if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
        return false;
    }
    l->c = r->conflux;
    l->c.public = public;
    if (!vn_admission_check(r, l->realm, l->c.session.country))
        return false;
    const char *problem = decode(r, l);
    if (problem) {
        vn_request_error(r, 400, "%s", problem);
        return false;
    }
    if (!vn_request_nonce_take(r, l->nonce)) {
        vn_request_error(r, 403,
                         "this nonce is not of this connection, used, or older than a minute: get "
                         "a new one on the "
                         "same connection");
        return false;
    }
    st = vn_request_binding(r, l->binding);
    if (st != VN_OK) {
        vn_request_fail(r, st, "TLS exporter");
        return false;
    }
    memcpy(l->token_hash, r->token_hash, sizeof(l->token_hash));
    if (l->renew && !(r->conflux.has_session && same_keys(&r->conflux.session, &l->c.session))) {
        vn_request_error(
            r, 409,
            "these are not the keys of the last login (another node may have logged in with the "
            "same conflux token): log in instead");
        return false;
    }
    struct vn_session_record *n = &l->c.session;
    l->c.has_session = true;
    n->login_ms = r->now_ms;
    n->generation =
        VN_MAX(l->realm->r.hour_generation, vn_issue_other_generation(l->realm, r->now_ms));
    n->not_after_ms =
        r->now_ms + vn_ephemeral_lifetime_ms(&l->c, l->realm->r.session_lifetime_s * 1000ull);
    st = vn_node_id_of(VN_SPAN(n->sig_pk, n->sig_pk_n), &n->node);
    if (st == VN_OK)
        st = vn_rng_bytes(n->serial, sizeof(n->serial));
    if (st != VN_OK) {
        vn_request_fail(r, st, "login");
        return false;
    }
    n->serial[0] = (uint8_t)(n->serial[0] & 0x7f) |
                   0x40; /* positive, and never shorter than 16 bytes in DER */
    return true;
}

static void start(struct vn_request *r, bool renew)
{
    struct login *l = calloc(1, sizeof(*l));
    if (!l) {
        vn_request_fail(r, VN_ERR_NOMEM, "login");
        return;
    }
    l->g = r->g;
    l->renew = renew;
    l->now_ms = r->now_ms;
    if (prepare(r, l))
        login_start(r, l);
    else
        login_free(l);
}

void vn_route_session_login(struct vn_request *r)
{
    start(r, false);
}

void vn_route_session_renew(struct vn_request *r)
{
    start(r, true);
}

void vn_route_nonce(struct vn_request *r)
{
    uint8_t nonce[32];
    vn_status st = vn_request_nonce_new(r, nonce);
    if (st != VN_OK)
        vn_request_fail(r, st, "nonce");
    else
        vn_request_reply(r, 200, json_pack("{s:o}", "nonce", vn_json_b64(VN_SPAN_ARRAY(nonce))));
}
