#include "support/mem_authority.h"

#include <stdlib.h>

#include "anchor.pb-c.h"
#include "base/limits.h"
#include "base/writer.h"
#include "crypto/rng.h"
#include "wire/names.h"
#include "wire/realm_rule.h"

#define DAY_MS 86400000ull

/* One client's requests; each kind at most once at a time. */
struct port {
    struct vn_authority port;
    struct vn_mem_authority *authority;
    size_t member;
    struct vn_credentials *cred;
    vn_status login_status;
    void (*login_fn)(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err);
    void *login_arg;
    void (*logout_fn)(void *arg, const struct vn_authority_error *err);
    void *logout_arg;
    void (*taints_fn)(void *arg, const struct vn_taint_result *res,
                      const struct vn_authority_error *err);
    void *taints_arg;
};

struct vn_mem_authority {
    struct test_realm *realm;
    uint8_t *command_cert;
    size_t command_cert_n;
    struct vn_id gid;
    struct vn_kem_dk *kem;
    uint64_t now_ms, life_ms;
    struct vn_mem_member members[VN_MEMBERS_MAX];
    struct port ports[VN_MEMBERS_MAX];
    size_t count;
    struct vn_revocation_list revoked; /* all there is, and all is sent */
    struct vn_hour_keys other;         /* generation 0: none; the present one is the realm's */
    uint64_t other_until_ms;           /* protocol time; 0: to come */
    char lost[VN_IDENTITY_LABEL_MAX + 1];
    uint32_t lost_at; /* generation from which that taint has another key */
    struct vn_realm_rule rule;
};

static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

static struct vn_blob blob(const void *p, size_t n)
{
    struct vn_blob b = {need(malloc(n)), n};
    memcpy(b.p, p, n);
    return b;
}

static uint64_t protocol_now(const struct vn_mem_authority *a)
{
    return TEST_NOW_MS + a->now_ms;
}

struct vn_mem_authority *vn_mem_authority_new(enum vn_suite suite)
{
    struct vn_mem_authority *a = need(calloc(1, sizeof(*a)));
    a->realm = test_realm_new(suite);
    a->life_ms = DAY_MS / 2;
    a->rule.access = VN_ACCESS_TAINTS;
    a->rule.relay = VN_RELAYS_ALL;
    const struct test_realm *r = a->realm;
    TEST_OK(vn_x509_make_authority(VN_AUTHORITY_COMMAND, &r->id, vn_sig_pk(r->command), r->root,
                                   VN_SPAN(r->root_cert, r->root_cert_n), TEST_NOW_MS - DAY_MS,
                                   TEST_NOW_MS + DAY_MS, &a->command_cert, &a->command_cert_n));
    TEST_OK(vn_node_id_of(vn_sig_pk(r->command), &a->gid));
    TEST_OK(vn_kem_generate(r->suite->kem, &a->kem));
    return a;
}

struct vn_mem_authority *vn_mem_authority_free(struct vn_mem_authority *a)
{
    if (!a)
        return NULL;
    for (size_t i = 0; i < a->count; i++)
        vn_credentials_free(a->ports[i].cred);
    test_realm_free(a->realm);
    vn_kem_free(a->kem);
    free(a->command_cert);
    free(a);
    return NULL;
}

const struct test_realm *vn_mem_authority_realm(const struct vn_mem_authority *a)
{
    return a->realm;
}

void vn_mem_authority_set_life(struct vn_mem_authority *a, uint64_t life_ms)
{
    a->life_ms = life_ms;
}

struct vn_mem_member *vn_mem_authority_member(struct vn_mem_authority *a, size_t member)
{
    return &a->members[member];
}

/* ---- what it signs ---- */

static void set_taints(struct vn_mem_member *m, const char *taints)
{
    m->taint_count = 0;
    while (*taints) {
        size_t n = strcspn(taints, ",");
        snprintf(m->taints[m->taint_count++], sizeof(m->taints[0]), "%.*s", (int)n, taints);
        taints += n + (taints[n] == ',');
    }
}

static size_t identities_of(const struct vn_mem_authority *a, const struct vn_mem_member *m,
                            uint32_t generation, struct vn_own_identity *ret)
{
    for (size_t i = 0; i < m->taint_count; i++) {
        bool raised = a->lost_at && a->lost_at <= generation && strcmp(m->taints[i], a->lost) == 0;
        ret[i] = (struct vn_own_identity){.kind = VN_KIND_TAINT};
        snprintf(ret[i].label, sizeof(ret[i].label), "%s", m->taints[i]);
        TEST_OK(vn_affinity_key(a->realm->suite->hash, &a->realm->affinity_root,
                                raised ? a->lost_at : 1, VN_KIND_TAINT, m->taints[i], &ret[i].key));
    }
    return m->taint_count;
}

static size_t identities(const struct vn_mem_authority *a, const struct vn_mem_member *m,
                         struct vn_own_identity *ret)
{
    return identities_of(a, m, a->realm->hours.generation, ret);
}

static struct vn_blob statement_of(struct vn_mem_authority *a, struct vn_mem_member *m,
                                   uint32_t generation)
{
    struct vn_own_identity ids[VN_MEMBER_TAINTS_MAX];
    struct vn_statement s = {.realm = a->realm->id,
                             .node = m->node,
                             .pk_hash = m->pk_hash,
                             .number = m->number,
                             .not_after_ms = protocol_now(a) + a->life_ms};
    size_t count = identities_of(a, m, generation, ids);
    for (size_t i = 0; i < count; i++)
        TEST_OK(vn_affinity_tag(a->realm->suite->hash, &ids[i].key, ids[i].kind, &m->pk_hash,
                                &s.taints[s.taint_count++]));
    uint8_t buf[VN_STATEMENT_MAX];
    size_t n;
    TEST_OK(vn_statement_issue(&s, a->realm->command, buf, &n));
    return blob(buf, n);
}

static struct vn_blob statement(struct vn_mem_authority *a, struct vn_mem_member *m)
{
    m->number++;
    return statement_of(a, m, a->realm->hours.generation);
}

/* ---- another generation ---- */

uint32_t vn_mem_authority_rekey_begin(struct vn_mem_authority *a, const char *lost)
{
    a->other = a->realm->hours;
    a->other.generation++;
    a->other_until_ms = 0;
    for (uint32_t i = 0; i < a->other.count; i++)
        TEST_OK(vn_hour_key_derive(a->realm->suite->hash, &a->realm->hour_root, a->other.generation,
                                   a->other.first_hour + i, &a->other.keys[i]));
    if (lost) {
        snprintf(a->lost, sizeof(a->lost), "%s", lost);
        a->lost_at = a->other.generation;
    }
    return a->other.generation;
}

/* Empty: there is none. */
static struct vn_blob other_keys(struct vn_mem_authority *a, struct vn_mem_member *m)
{
    if (!a->other.generation || (a->other_until_ms && a->other_until_ms <= protocol_now(a)))
        return (struct vn_blob){0};
    struct vn_blob st = statement_of(a, m, a->other.generation);
    struct vn_key_set s = {
        .until_ms = a->other_until_ms, .hours = a->other, .statement = VN_SPAN(st.p, st.n)};
    s.identity_count = identities_of(a, m, a->other.generation, s.identities);
    uint8_t buf[VN_KEY_SET_MAX];
    size_t n;
    TEST_OK(vn_key_set_encode(&s, buf, &n));
    free(st.p);
    return blob(buf, n);
}

void vn_mem_authority_bundles(struct vn_mem_authority *a, const size_t *members, size_t n,
                              struct vn_buf *ret)
{
    struct vn_bundle_to list[VN_MEMBERS_MAX];
    struct vn_blob sets[VN_MEMBERS_MAX];
    for (size_t i = 0; i < n; i++) {
        struct vn_mem_member *m = &a->members[members[i]];
        sets[i] = other_keys(a, m);
        list[i] = (struct vn_bundle_to){.node = m->node,
                                        .ek = VN_SPAN(m->session_ek, m->session_ek_len),
                                        .set = VN_SPAN(sets[i].p, sets[i].n)};
        vn_buf_init(&list[i].ret, VN_CONTROL_PAYLOAD_MAX);
    }
    TEST_OK(vn_bundles_make(a->realm->suite, &a->realm->id, a->other.generation, a->realm->command,
                            list, n));
    for (size_t i = 0; i < n; i++) {
        free(sets[i].p);
        ret[i] = list[i].ret;
    }
}

void vn_mem_authority_rekey_in_force(struct vn_mem_authority *a, uint64_t until_ms,
                                     struct vn_buf *ret)
{
    struct vn_hour_keys before = a->realm->hours;
    a->realm->hours = a->other;
    a->other = before;
    a->other_until_ms = TEST_NOW_MS + until_ms;
    const struct vn_keys_now k = {.realm = a->realm->id,
                                  .generation = a->realm->hours.generation,
                                  .until_ms = a->other_until_ms};
    vn_buf_init(ret, VN_KEYS_NOW_MAX);
    TEST_OK(vn_buf_reserve(ret, VN_KEYS_NOW_MAX));
    TEST_OK(vn_keys_now_issue(a->realm->suite, &k, a->realm->command, ret->p, &ret->len));
}

void vn_mem_authority_rule(struct vn_mem_authority *a, enum vn_access_rule rule,
                           enum vn_relay_rule relay, struct vn_buf *ret)
{
    a->rule.realm = a->realm->id;
    a->rule.number++;
    a->rule.access = rule;
    a->rule.relay = relay;
    vn_buf_init(ret, VN_REALM_RULE_MAX);
    TEST_OK(vn_buf_reserve(ret, VN_REALM_RULE_MAX));
    TEST_OK(vn_realm_rule_issue(a->realm->suite, &a->rule, a->realm->command, ret->p, &ret->len));
}

static struct vn_blob certificate(struct vn_mem_authority *a, size_t member, struct vn_span pk)
{
    struct vn_mem_member *m = &a->members[member];
    const struct test_realm *r = a->realm;
    struct vn_identity id = {
        .realm = r->id,
        .node = m->node,
        .addr_count = 2,
        .rights = VN_RIGHT_RELAY & ~m->rights_lost,
        .addrs = {m->ip4, m->ip6},
        .serial = {1, (uint8_t)member, (uint8_t)m->logins, (uint8_t)m->renewals},
        .not_before_ms = (protocol_now(a) - 60000) / 1000 * 1000, /* clocks differ a little */
        .not_after_ms = (protocol_now(a) + a->life_ms) / 1000 * 1000,
        .alg = r->suite->sig,
        .pk_len = pk.n};
    snprintf(id.tag, sizeof(id.tag), "%s", m->tag);
    snprintf(id.country, sizeof(id.country), "%s", m->country);
    memcpy(id.pk, pk.p, pk.n);
    struct vn_blob b;
    TEST_OK(vn_x509_issue_identity(&id, r->issuing, &b.p, &b.n));
    return b;
}

static void realm_info(const struct vn_mem_authority *a, struct vn_realm_info *ret)
{
    const struct test_realm *r = a->realm;
    ret->id = r->id;
    snprintf(ret->name, sizeof(ret->name), "test");
    ret->suite = r->suite->id;
    ret->access = a->rule.access;
    ret->relay = a->rule.relay;
    ret->rule_number = a->rule.number;
    TEST_OK(vn_prefix_parse("10.66.0.0/16", &ret->range4));
    TEST_OK(vn_prefix_parse("fd66::/64", &ret->range6));
    ret->name_key = r->name_key;
    ret->gid = a->gid;
    ret->guardian_ek = blob(vn_kem_ek(a->kem).p, vn_kem_ek(a->kem).n);
    ret->root_cert = blob(r->root_cert, r->root_cert_n);
    ret->issuing_cert = blob(r->issuing_cert, r->issuing_cert_n);
    ret->command_cert = blob(a->command_cert, a->command_cert_n);
    ret->master_urls[0] = need(strdup("tls://10.0.0.1:4222"));
    ret->master_url_count = 1;
    ret->master_ca_pem = need(strdup("authority"));
}

void vn_mem_authority_list(struct vn_mem_authority *a, uint64_t after, uint64_t to,
                           struct vn_buf *ret)
{
    static struct vn_revocation_list l;
    l = (struct vn_revocation_list){.realm = a->realm->id, .after = after, .to = to};
    for (size_t i = 0; i < a->revoked.count; i++) {
        const struct vn_revocation *e = &a->revoked.entries[i];
        if (e->number > after && e->number <= to)
            l.entries[l.count++] = *e;
    }
    size_t n = 0;
    vn_buf_init(ret, VN_REVOCATION_LIST_MAX);
    TEST_OK(vn_buf_reserve(ret, VN_REVOCATION_LIST_MAX));
    TEST_OK(vn_revocation_list_issue(&l, a->realm->command, ret->p, &n));
    ret->len = n;
}

uint64_t vn_mem_authority_revoke(struct vn_mem_authority *a, size_t member, uint64_t minimum)
{
    struct vn_revocation *e = &a->revoked.entries[a->revoked.count++];
    *e = (struct vn_revocation){.number = a->revoked.count,
                                .kind = minimum ? VN_REVOKE_STATEMENTS : VN_REVOKE_NODE,
                                .node = a->members[member].node,
                                .minimum = minimum,
                                .until_ms = protocol_now(a) + a->life_ms};
    return e->number;
}

static struct vn_credentials *credentials(struct vn_mem_authority *a, size_t member,
                                          struct vn_span pk)
{
    struct vn_mem_member *m = &a->members[member];
    struct vn_credentials *c = need(calloc(1, sizeof(*c)));
    char text[VN_ID_TEXT];
    vn_id_format(&m->node, text);
    c->guardian_time_ms = protocol_now(a);
    c->expires_ms = (protocol_now(a) + a->life_ms) / 1000 * 1000;
    c->conflux_id.b[0] = (uint8_t)(member + 1);
    snprintf(c->tag, sizeof(c->tag), "%s", m->tag);
    c->ip4 = m->ip4;
    c->ip6 = m->ip6;
    c->certificate = certificate(a, member, pk);
    c->statement = statement(a, m);
    c->identity_count = identities(a, m, c->identities);
    c->mtls_cert_pem = need(strdup("certificate"));
    c->nats_jwt = need(strdup(text)); /* the broker of mem_control.h knows the client by it */
    c->hour_keys = a->realm->hours;
    c->other_keys = other_keys(a, m);
    realm_info(a, &c->realm);
    c->quarantine.number = m->quarantine_number;
    c->quarantine.all = m->quarantine_all;
    if (a->revoked.count) {
        struct vn_buf list;
        vn_mem_authority_list(a, 0, a->revoked.count, &list);
        c->revocations[0] = blob(list.p, list.len);
        c->revocation_count = 1;
        vn_buf_done(&list);
    }
    return c;
}

/* ---- the port ---- */

static vn_status check_possession(const struct vn_mem_authority *a,
                                  const struct vn_login_request *req)
{
    uint8_t nonce[32], binding[32], token[32], sig[VN_SIG_MAX], nkey_sig[64];
    size_t sig_n = 0;
    TEST_OK(vn_rng_bytes(nonce, sizeof(nonce)));
    memset(binding, 0xb1, sizeof(binding));
    memset(token, 0x70, sizeof(token));
    TEST_OK(req->sign(req->sign_arg, nonce, binding, token, sig, &sig_n, nkey_sig));
    uint8_t msg[16384];
    struct vn_writer w = vn_writer_of(msg, sizeof(msg));
    vn_write_bytes(&w, nonce, 32);
    vn_write_bytes(&w, binding, 32);
    vn_write_bytes(&w, token, 32);
    vn_write_bytes(&w, a->realm->id.b, VN_ID_LEN);
    vn_write_block16(&w, req->sig_pk);
    vn_write_block16(&w, req->session_ek);
    vn_write_bytes(&w, req->nkey_pk, 32);
    vn_write_block16(&w, req->csr);
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL, *nkey = NULL;
    TEST_OK(vn_sig_pub_new(a->realm->suite->sig, req->sig_pk, &pub));
    TEST_OK(vn_sig_pub_new(VN_SIG_ED25519, VN_SPAN_ARRAY(req->nkey_pk), &nkey));
    vn_status st = vn_sig_verify(pub, "anchor-pop-v1", vn_writer_span(&w), VN_SPAN(sig, sig_n));
    return st == VN_OK ? vn_sig_verify(nkey, NULL, vn_writer_span(&w), VN_SPAN_ARRAY(nkey_sig))
                       : st;
}

static vn_status login(void *self, const struct vn_login_request *req,
                       void (*fn)(void *arg, struct vn_credentials *cred,
                                  const struct vn_authority_error *err),
                       void *arg)
{
    struct port *p = self;
    struct vn_mem_authority *a = p->authority;
    struct vn_mem_member *m = &a->members[p->member];
    p->login_fn = fn;
    p->login_arg = arg;
    p->login_status = m->refuse;
    if (m->refuse != VN_OK)
        return VN_OK;
    p->login_status = check_possession(a, req);
    if (p->login_status != VN_OK)
        return VN_OK;
    TEST_OK(vn_node_id_of(req->sig_pk, &m->node));
    TEST_OK(vn_hash(a->realm->suite->hash, VN_PARTS(req->sig_pk), &m->pk_hash));
    memcpy(m->sig_pk, req->sig_pk.p, req->sig_pk.n);
    m->sig_pk_len = req->sig_pk.n;
    memcpy(m->session_ek, req->session_ek.p, req->session_ek.n);
    m->session_ek_len = req->session_ek.n;
    *(req->renew ? &m->renewals : &m->logins) += 1;
    vn_credentials_free(p->cred);
    p->cred = credentials(a, p->member, req->sig_pk);
    if (m->change)
        m->change(p->cred);
    return VN_OK;
}

static vn_status logout(void *self, const struct vn_id *node,
                        void (*fn)(void *arg, const struct vn_authority_error *err), void *arg)
{
    struct port *p = self;
    struct vn_mem_member *m = &p->authority->members[p->member];
    m->logouts += vn_id_equal(node, &m->node);
    p->logout_fn = fn;
    p->logout_arg = arg;
    return VN_OK;
}

static vn_status change_taints(void *self, const char *const *add, size_t add_count,
                               const char *const *remove, size_t remove_count,
                               void (*fn)(void *arg, const struct vn_taint_result *res,
                                          const struct vn_authority_error *err),
                               void *arg)
{
    struct port *p = self;
    struct vn_mem_member *m = &p->authority->members[p->member];
    for (size_t r = 0; r < remove_count; r++) {
        for (size_t i = 0; i < m->taint_count; i++) {
            if (strcmp(m->taints[i], remove[r]) == 0)
                memcpy(m->taints[i], m->taints[--m->taint_count], sizeof(m->taints[i]));
        }
    }
    for (size_t i = 0; i < add_count; i++)
        snprintf(m->taints[m->taint_count++], sizeof(m->taints[0]), "%s", add[i]);
    p->taints_fn = fn;
    p->taints_arg = arg;
    return VN_OK;
}

/* All other members, at once. */
static vn_status peers(void *self,
                       void (*fn)(void *arg, const struct vn_peer_entry *list, size_t count,
                                  const struct vn_authority_error *err),
                       void *arg)
{
    const struct port *p = self;
    const struct vn_mem_authority *a = p->authority;
    struct vn_peer_entry list[VN_ARRAY_LEN(a->members)];
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (i == p->member)
            continue;
        list[count] = (struct vn_peer_entry){.ip4 = a->members[i].ip4, .ip6 = a->members[i].ip6};
        snprintf(list[count].tag, sizeof(list[count].tag), "%s", a->members[i].tag);
        count++;
    }
    fn(arg, list, count, NULL);
    return VN_OK;
}

static void cancel(void *self)
{
    struct port *p = self;
    p->login_fn = NULL;
    p->logout_fn = NULL;
    p->taints_fn = NULL;
}

const struct vn_authority *vn_mem_authority_port(struct vn_mem_authority *a, size_t member)
{
    return &a->ports[member].port;
}

size_t vn_mem_authority_register(struct vn_mem_authority *a, const char *tag, const char *taints)
{
    size_t i = a->count++;
    struct vn_mem_member *m = &a->members[i];
    snprintf(m->tag, sizeof(m->tag), "%s", tag);
    m->ip4 = vn_ip_from_v4((const uint8_t[]){10, 66, 0, (uint8_t)(i + 1)});
    TEST_OK(vn_ip_parse("fd66::", &m->ip6));
    m->ip6.b[15] = (uint8_t)(i + 1);
    set_taints(m, taints);
    a->ports[i] = (struct port){.authority = a, .member = i};
    a->ports[i].port = (struct vn_authority){.self = &a->ports[i],
                                             .login = login,
                                             .logout = logout,
                                             .change_taints = change_taints,
                                             .peers = peers,
                                             .cancel = cancel};
    return i;
}

static void answer_login(struct port *p)
{
    void (*fn)(void *, struct vn_credentials *, const struct vn_authority_error *) = p->login_fn;
    p->login_fn = NULL;
    if (p->login_status == VN_OK)
        fn(p->login_arg, VN_TAKE(p->cred), NULL);
    else
        fn(p->login_arg, NULL,
           &(struct vn_authority_error){p->login_status, "refused by the test"});
}

static void answer_taints(struct vn_mem_authority *a, struct port *p)
{
    struct vn_mem_member *m = &a->members[p->member];
    struct vn_own_identity ids[VN_MEMBER_TAINTS_MAX];
    char text[VN_ID_TEXT];
    vn_id_format(&m->node, text);
    struct vn_taint_result res = {.statement = statement(a, m),
                                  .identities = ids,
                                  .identity_count = identities(a, m, ids),
                                  .nats_jwt = text,
                                  .generation = a->realm->hours.generation,
                                  .other_keys = other_keys(a, m)};
    void (*fn)(void *, const struct vn_taint_result *, const struct vn_authority_error *) =
        p->taints_fn;
    p->taints_fn = NULL;
    fn(p->taints_arg, &res, NULL);
    free(res.statement.p);
    free(res.other_keys.p);
}

void vn_mem_authority_run(struct vn_mem_authority *a, uint64_t now_ms)
{
    a->now_ms = now_ms;
    for (size_t i = 0; i < a->count; i++) {
        struct port *p = &a->ports[i];
        if (p->login_fn)
            answer_login(p);
        if (p->taints_fn)
            answer_taints(a, p);
        void (*fn)(void *, const struct vn_authority_error *) = p->logout_fn;
        p->logout_fn = NULL;
        if (fn)
            fn(p->logout_arg, NULL);
    }
}

uint64_t vn_mem_authority_next(const struct vn_mem_authority *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct port *p = &a->ports[i];
        if (p->login_fn || p->taints_fn || p->logout_fn)
            return a->now_ms;
    }
    return UINT64_MAX;
}

/* An envelope on a.adm.<node>. */
static void seal(struct vn_mem_authority *a, const struct vn_mem_member *m, uint8_t type,
                 struct vn_span body, char subject[80], struct vn_buf *ret)
{
    uint8_t nonce[16];
    TEST_OK(vn_rng_bytes(nonce, sizeof(nonce)));
    struct vn_envelope_send send = {
        .suite = a->realm->suite,
        .type = type,
        .realm = a->realm->id,
        .src = a->gid,
        .dst = m->node,
        .now_ms = protocol_now(a),
        .recipient_ek = VN_SPAN(m->session_ek, m->session_ek_len),
        .cert = VN_SPAN(a->command_cert, a->command_cert_n),
        .key = a->realm->command,
        .context = "anchor-cmd-v1",
        .body = body,
    };
    vn_buf_init(ret, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_envelope_seal(&send, nonce, ret));
    vn_subject_format(&(struct vn_subject){.kind = VN_SUBJ_ADM, .name = m->node}, subject);
}

void vn_mem_authority_update(struct vn_mem_authority *a, size_t member, const char *taints,
                             char subject[80], struct vn_buf *ret)
{
    struct vn_mem_member *m = &a->members[member];
    set_taints(m, taints);
    struct vn_blob st = statement(a, m), other = other_keys(a, m);
    struct vn_own_identity ids[VN_MEMBER_TAINTS_MAX];
    size_t count = identities(a, m, ids);
    Vn__IdentityKey keys[VN_MEMBER_TAINTS_MAX], *list[VN_MEMBER_TAINTS_MAX];
    for (size_t i = 0; i < count; i++) {
        vn__identity_key__init(&keys[i]);
        keys[i].kind = ids[i].kind;
        keys[i].label = ids[i].label;
        keys[i].key = (ProtobufCBinaryData){sizeof(ids[i].key.b), ids[i].key.b};
        list[i] = &keys[i];
    }
    Vn__IdentityUpdate u = VN__IDENTITY_UPDATE__INIT;
    u.statement = (ProtobufCBinaryData){st.n, st.p};
    u.n_identities = count;
    u.identities = list;
    u.generation = a->realm->hours.generation;
    u.other_keys = (ProtobufCBinaryData){other.n, other.p};
    uint8_t body[16384];
    size_t n = vn__identity_update__pack(&u, body);
    seal(a, m, VN_T_UPDATE, VN_SPAN(body, n), subject, ret);
    free(st.p);
    free(other.p);
}

void vn_mem_authority_command(struct vn_mem_authority *a, size_t member, Vn__Command *c,
                              char subject[80], struct vn_buf *ret)
{
    uint8_t body[16384];
    if (vn__command__get_packed_size(c) > sizeof(body))
        abort();
    size_t n = vn__command__pack(c, body);
    seal(a, &a->members[member], VN_T_COMMAND, VN_SPAN(body, n), subject, ret);
}

/* As Guardian opens one: its key is known from the login, no certificate is needed. */
static Vn__CommandAnswer *open_answer(struct vn_mem_authority *a, struct vn_sig_pub *pub,
                                      struct vn_span bytes, uint8_t *plain)
{
    struct vn_envelope_view v;
    struct vn_envelope_plain p;
    if (vn_envelope_parse(bytes, a->realm->suite, &a->realm->id, &a->gid, &v) != VN_OK ||
        v.h.type != VN_T_COMMAND_ANSWER || v.h.seal != VN_SEAL_NODE ||
        vn_envelope_open(&v, a->realm->suite, NULL, a->kem, protocol_now(a), plain, &p) != VN_OK ||
        vn_envelope_verify(&v, &p, pub, "anchor-env-v1") != VN_OK)
        return NULL;
    return vn__command_answer__unpack(NULL, p.body.n, p.body.p);
}

Vn__CommandAnswer *vn_mem_authority_answer(struct vn_mem_authority *a, size_t member,
                                           const char *subject, struct vn_span bytes)
{
    const struct vn_mem_member *m = &a->members[member];
    struct vn_subject s;
    if (vn_subject_parse(subject, &s) != VN_OK || s.kind != VN_SUBJ_IN ||
        !vn_id_equal(&s.name, &a->gid) || !vn_id_equal(&s.src, &m->node))
        return NULL;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    TEST_OK(vn_sig_pub_new(a->realm->suite->sig, VN_SPAN(m->sig_pk, m->sig_pk_len), &pub));
    uint8_t *plain = need(malloc(bytes.n));
    Vn__CommandAnswer *answer = open_answer(a, pub, bytes, plain);
    free(plain);
    return answer;
}
