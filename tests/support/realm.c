#include "support/realm.h"

#include "base/limits.h"

#define DAY_MS 86400000ull

void test_ok(vn_status st, const char *what, const char *file, int line)
{
    if (st == VN_OK)
        return;
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, vn_status_name(st));
    abort();
}

static struct vn_id id_of(const char *text)
{
    struct vn_id id = {0};
    memcpy(id.b, text, VN_MIN(strlen(text), sizeof(id.b)));
    return id;
}

static struct vn_secret32 secret_of(const char *text)
{
    struct vn_secret32 s = {0};
    memcpy(s.b, text, VN_MIN(strlen(text), sizeof(s.b)));
    return s;
}

/* Signing keys come from fixed seeds, so that what they sign differs in nothing else. */
static void make_sig_key(const struct vn_suite_info *suite, uint8_t which, struct vn_sig_key **ret,
                         struct vn_sig_pub **ret_pub)
{
    uint8_t seed[32];
    memset(seed, which, sizeof(seed));
    TEST_OK(vn_sig_from_seed(suite->sig, VN_SPAN_ARRAY(seed), ret));
    if (ret_pub)
        TEST_OK(vn_sig_pub_new(suite->sig, vn_sig_pk(*ret), ret_pub));
}

void test_node_add(const struct test_realm *r, struct test_node *n, enum vn_identity_kind kind,
                   const char *label)
{
    struct vn_own_identity *id = &n->identities[n->identity_count++];
    id->kind = kind;
    snprintf(id->label, sizeof(id->label), "%s", label);
    TEST_OK(vn_affinity_key(r->suite->hash, &r->affinity_root, 1, kind, label, &id->key));
}

void test_node_issue(const struct test_realm *r, struct test_node *n, uint64_t number,
                     struct vn_statement *ret)
{
    struct vn_statement s = {.realm = r->id,
                             .node = n->id,
                             .pk_hash = n->pk_hash,
                             .number = number,
                             .not_after_ms = TEST_NOW_MS + DAY_MS};
    for (size_t i = 0; i < n->identity_count; i++) {
        const struct vn_own_identity *id = &n->identities[i];
        struct vn_affinity_tag *tag =
            id->kind == VN_KIND_TAINT ? &s.taints[s.taint_count++] : &s.scopes[s.scope_count++];
        TEST_OK(vn_affinity_tag(r->suite->hash, &id->key, id->kind, &n->pk_hash, tag));
    }
    TEST_OK(vn_statement_issue(&s, r->command, n->statement, &n->statement_n));
    if (ret)
        *ret = s;
}

static void make_node(const struct test_realm *r, uint8_t which, const char *tag,
                      struct test_node *n)
{
    make_sig_key(r->suite, which, &n->key, &n->pub);
    TEST_OK(vn_node_id_of(vn_sig_pk(n->key), &n->id));
    TEST_OK(vn_hash(r->suite->hash, VN_PARTS(vn_sig_pk(n->key)), &n->pk_hash));
    struct vn_identity id = {.realm = r->id,
                             .node = n->id,
                             .addr_count = 1,
                             .serial = {1, which},
                             .not_before_ms = TEST_NOW_MS - DAY_MS,
                             .not_after_ms = TEST_NOW_MS + DAY_MS,
                             .alg = r->suite->sig,
                             .pk_len = r->suite->pk_len};
    snprintf(id.tag, sizeof(id.tag), "%s", tag);
    id.addrs[0] = vn_ip_from_v4((const uint8_t[]){10, 1, 0, which});
    memcpy(id.pk, vn_sig_pk(n->key).p, id.pk_len);
    TEST_OK(vn_x509_issue_identity(&id, r->issuing, &n->cert, &n->cert_n));
    TEST_OK(vn_hash(r->suite->hash, VN_PARTS(test_node_cert(n)), &n->cert_hash));
    TEST_OK(vn_kem_generate(r->suite->kem, &n->eks));
    test_node_add(r, n, VN_KIND_TAINT, "prod");
    test_node_add(r, n, VN_KIND_TAINT, "db");
    test_node_add(r, n, VN_KIND_TEAM, "ops");
    test_node_add(r, n, VN_KIND_USER, tag);
    test_node_issue(r, n, 1, NULL);
}

struct test_realm *test_realm_new(enum vn_suite suite)
{
    struct test_realm *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    r->suite = vn_suite_get(suite);
    r->id = id_of("a realm of tests");
    r->hour_root = secret_of("hour root");
    r->affinity_root = secret_of("affinity root");
    r->name_key = secret_of("name key");
    make_sig_key(r->suite, 0xa1, &r->root, NULL);
    make_sig_key(r->suite, 0xa2, &r->issuing, &r->issuing_pub);
    make_sig_key(r->suite, 0xa3, &r->command, &r->command_pub);
    TEST_OK(vn_x509_make_authority(VN_AUTHORITY_ROOT, &r->id, vn_sig_pk(r->root), r->root,
                                   VN_SPAN_NONE, TEST_NOW_MS - DAY_MS, TEST_NOW_MS + DAY_MS,
                                   &r->root_cert, &r->root_cert_n));
    TEST_OK(vn_x509_make_authority(VN_AUTHORITY_ISSUING, &r->id, vn_sig_pk(r->issuing), r->root,
                                   VN_SPAN(r->root_cert, r->root_cert_n), TEST_NOW_MS - DAY_MS,
                                   TEST_NOW_MS + DAY_MS, &r->issuing_cert, &r->issuing_cert_n));
    r->hours = (struct vn_hour_keys){
        .generation = 7, .first_hour = vn_hour_of(TEST_NOW_MS) - 1, .count = VN_HOURS_MAX};
    for (uint32_t i = 0; i < VN_HOURS_MAX; i++)
        TEST_OK(vn_hour_key_derive(r->suite->hash, &r->hour_root, r->hours.generation,
                                   r->hours.first_hour + i, &r->hours.keys[i]));
    make_node(r, 0xb1, "alice", &r->a);
    make_node(r, 0xb2, "bob", &r->b);
    return r;
}

static void free_node(struct test_node *n)
{
    vn_sig_free(n->key);
    vn_sig_pub_free(n->pub);
    vn_kem_free(n->eks);
    free(n->cert);
}

struct test_realm *test_realm_free(struct test_realm *r)
{
    if (r) {
        free_node(&r->a);
        free_node(&r->b);
        vn_sig_free(r->root);
        vn_sig_free(r->issuing);
        vn_sig_free(r->command);
        vn_sig_pub_free(r->issuing_pub);
        vn_sig_pub_free(r->command_pub);
        free(r->root_cert);
        free(r->issuing_cert);
        free(r);
    }
    return NULL;
}

struct vn_hs_responder test_node_responder(const struct test_node *n)
{
    return (struct vn_hs_responder){
        .node = n->id, .cert_hash = n->cert_hash, .eks = vn_kem_ek(n->eks)};
}
