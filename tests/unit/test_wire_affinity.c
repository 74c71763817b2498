#include "support/realm.h"
#include "support/test.h"

static struct vn_secret32 root = {.b = "affinity root of this test"};

/* A node as the decision sees it: identities with keys, and the statement about them. */
struct party {
    struct vn_hash pk_hash;
    struct vn_own_identity ids[VN_TAINTS_MAX + VN_SCOPES_MAX];
    size_t count;
    struct vn_statement s;
};

static void party_init(struct party *p, const char *name, enum vn_hash_alg alg)
{
    *p = (struct party){0};
    assert_ok(vn_hash(alg, VN_PARTS(VN_SPAN_STR(name)), &p->pk_hash));
    p->s.pk_hash = p->pk_hash;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, VN_AFFINITY_TAG_LEN);
}

static void party_add(struct party *p, enum vn_hash_alg alg, enum vn_identity_kind kind,
                      const char *label)
{
    struct vn_own_identity *id = &p->ids[p->count++];
    id->kind = kind;
    snprintf(id->label, sizeof(id->label), "%s", label);
    assert_ok(vn_affinity_key(alg, &root, 1, kind, label, &id->key));
    bool taint = kind == VN_KIND_TAINT;
    struct vn_affinity_tag *tags = taint ? p->s.taints : p->s.scopes;
    size_t *n = taint ? &p->s.taint_count : &p->s.scope_count;
    assert_ok(vn_affinity_tag(alg, &id->key, kind, &p->pk_hash, &tags[(*n)++]));
    qsort(tags, *n, sizeof(*tags), compare);
}

static struct vn_affinity_match decide(const struct vn_suite_info *suite, enum vn_access_rule rule,
                                       const struct party *own, const struct party *peer,
                                       bool own_is_initiator)
{
    struct vn_affinity_match m;
    assert_ok(vn_affinity_decide(suite, rule, own->ids, own->count, &own->s, &peer->s,
                                 own_is_initiator, &m));
    return m;
}

/* Both ends decide, one as initiator and one as responder, and must agree. */
static bool both(enum vn_access_rule rule, const struct party *i, const struct party *r)
{
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    struct vn_affinity_match at_i = decide(suite, rule, i, r, true);
    struct vn_affinity_match at_r = decide(suite, rule, r, i, false);
    assert_int_equal(at_i.allowed, at_r.allowed);
    assert_int_equal(at_i.count, at_r.count);
    assert_int_equal(at_i.taint_matches, at_r.taint_matches);
    assert_int_equal(at_i.scope_matches, at_r.scope_matches);
    assert_int_equal(at_i.count, at_i.taint_matches + at_i.scope_matches);
    assert_memory_equal(at_i.matched, at_r.matched, sizeof(at_i.matched));
    struct vn_hash di, dr;
    assert_ok(vn_affinity_digest(VN_SHA256, &at_i, &di));
    assert_ok(vn_affinity_digest(VN_SHA256, &at_r, &dr));
    assert_true(vn_hash_equal(&di, &dr));
    return at_i.allowed;
}

static bool taints(const char *const *a, const char *const *b)
{
    struct party i, r;
    party_init(&i, "initiator", VN_SHA256);
    party_init(&r, "responder", VN_SHA256);
    for (; *a; a++)
        party_add(&i, VN_SHA256, VN_KIND_TAINT, *a);
    for (; *b; b++)
        party_add(&r, VN_SHA256, VN_KIND_TAINT, *b);
    return both(VN_ACCESS_TAINTS, &i, &r);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_one_side_contains_the_other(void **state)
{
    (void)state;
    assert_true(taints(LIST("prod"), LIST("prod")));
    assert_true(taints(LIST("prod"), LIST("prod", "db")));
    assert_true(taints(LIST("prod", "db", "us"), LIST("prod", "us")));
    assert_true(taints(LIST("prod", "db"), LIST("db", "prod")));
    assert_false(taints(LIST("prod"), LIST("dev")));
    assert_false(taints(LIST("prod", "db"), LIST("prod", "web")));
    assert_false(taints(LIST("prod", "db", "us"), LIST("prod", "db", "eu")));
}

static void test_both_carry_a_taint(void **state)
{
    (void)state;
    assert_false(taints(LIST(), LIST()));
    assert_false(taints(LIST("prod"), LIST()));
    assert_false(taints(LIST(), LIST("prod")));
}

static void test_rules(void **state)
{
    (void)state;
    struct party i, r;
    party_init(&i, "initiator", VN_SHA256);
    party_init(&r, "responder", VN_SHA256);
    party_add(&i, VN_SHA256, VN_KIND_TAINT, "prod");
    party_add(&r, VN_SHA256, VN_KIND_TAINT, "prod");
    party_add(&i, VN_SHA256, VN_KIND_USER, "alice");
    party_add(&r, VN_SHA256, VN_KIND_USER, "bob");
    assert_true(both(VN_ACCESS_TAINTS, &i, &r));
    assert_false(both(VN_ACCESS_TEAMS, &i, &r));
    assert_false(both(VN_ACCESS_BOTH, &i, &r));
    party_add(&i, VN_SHA256, VN_KIND_TEAM, "ops");
    party_add(&r, VN_SHA256, VN_KIND_TEAM, "ops");
    assert_true(both(VN_ACCESS_TEAMS, &i, &r));
    assert_true(both(VN_ACCESS_BOTH, &i, &r));
    party_add(&i, VN_SHA256, VN_KIND_TAINT, "dev");
    party_add(&r, VN_SHA256, VN_KIND_TAINT, "web");
    assert_false(both(VN_ACCESS_TAINTS, &i, &r));
    assert_true(both(VN_ACCESS_TEAMS, &i, &r));
    assert_false(both(VN_ACCESS_BOTH, &i, &r));
    assert_false(both((enum vn_access_rule)0, &i, &r));
}

/* A team is no taint of the same name, nor a user. */
static void test_kinds_do_not_mix(void **state)
{
    (void)state;
    struct party i, r;
    party_init(&i, "initiator", VN_SHA256);
    party_init(&r, "responder", VN_SHA256);
    party_add(&i, VN_SHA256, VN_KIND_TEAM, "x");
    party_add(&r, VN_SHA256, VN_KIND_USER, "x");
    party_add(&i, VN_SHA256, VN_KIND_TAINT, "x");
    assert_false(both(VN_ACCESS_TEAMS, &i, &r));
    assert_false(both(VN_ACCESS_TAINTS, &i, &r));
}

/* Knowing a key twice must not make one match count as two. */
static void test_repeated_identity_counts_once(void **state)
{
    (void)state;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    struct party i, r;
    party_init(&i, "initiator", VN_SHA256);
    party_init(&r, "responder", VN_SHA256);
    party_add(&i, VN_SHA256, VN_KIND_TAINT, "prod");
    party_add(&i, VN_SHA256, VN_KIND_TAINT, "db");
    party_add(&r, VN_SHA256, VN_KIND_TAINT, "prod");
    party_add(&r, VN_SHA256, VN_KIND_TAINT, "web");
    r.ids[2] = r.ids[0];
    r.count = 3;
    struct vn_affinity_match m = decide(suite, VN_ACCESS_TAINTS, &r, &i, false);
    assert_int_equal(1, m.taint_matches);
    assert_int_equal(1, m.count);
    assert_false(m.allowed);
}

/* What our statement does not say the peer cannot see; counting it would part the digests. */
static void test_identity_outside_the_statement(void **state)
{
    (void)state;
    struct party i, r;
    party_init(&i, "initiator", VN_SHA256);
    party_init(&r, "responder", VN_SHA256);
    party_add(&i, VN_SHA256, VN_KIND_TAINT, "prod");
    party_add(&r, VN_SHA256, VN_KIND_TAINT, "prod");
    party_add(&i, VN_SHA256, VN_KIND_TEAM, "ops");
    party_add(&r, VN_SHA256, VN_KIND_TEAM, "ops");
    r.s.scope_count = 0; /* the statement is older than the key */
    assert_false(both(VN_ACCESS_TEAMS, &i, &r));
    assert_true(both(VN_ACCESS_TAINTS, &i, &r));
}

/* Property: the decision is that of the plain sets of labels. */
static void test_against_sets(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        enum vn_suite id = round % 2 ? VN_SUITE_CNSA : VN_SUITE_DEFAULT;
        const struct vn_suite_info *suite = vn_suite_get(id);
        struct party p[2];
        unsigned t[2], s[2];
        for (int k = 0; k < 2; k++) {
            party_init(&p[k], k ? "b" : "a", suite->hash);
            t[k] = (unsigned)vn_test_below(16);
            s[k] = (unsigned)vn_test_below(8);
            for (unsigned bit = 0; bit < 4; bit++) {
                char label[] = {(char)('a' + bit), '\0'};
                if (t[k] >> bit & 1)
                    party_add(&p[k], suite->hash, VN_KIND_TAINT, label);
                if (s[k] >> bit & 1)
                    party_add(&p[k], suite->hash,
                              bit == 0 ? VN_KIND_USER : (bit == 1 ? VN_KIND_TEAM : VN_KIND_OAUTH),
                              label);
            }
        }
        unsigned common = t[0] & t[1];
        bool by_taints = t[0] && t[1] && (common == t[0] || common == t[1]);
        bool by_teams = (s[0] & s[1]) != 0;
        for (int rule = VN_ACCESS_TAINTS; rule <= VN_ACCESS_BOTH; rule++) {
            bool want = rule == VN_ACCESS_TAINTS  ? by_taints
                        : rule == VN_ACCESS_TEAMS ? by_teams
                                                  : by_taints && by_teams;
            struct vn_affinity_match i =
                decide(suite, (enum vn_access_rule)rule, &p[0], &p[1], true);
            struct vn_affinity_match r =
                decide(suite, (enum vn_access_rule)rule, &p[1], &p[0], false);
            assert_int_equal(want, i.allowed);
            assert_int_equal(want, r.allowed);
            assert_int_equal(__builtin_popcount(common), i.taint_matches);
            assert_int_equal(__builtin_popcount(s[0] & s[1]), i.scope_matches);
            assert_int_equal(i.count, r.count);
            assert_memory_equal(i.matched, r.matched, sizeof(i.matched));
        }
    }
}

/* Values from an independent computation with Python's hmac. */
static void test_known_values(void **state)
{
    (void)state;
    struct vn_secret32 key;
    struct vn_hash pk;
    struct vn_affinity_tag tag;
    assert_ok(vn_affinity_key(VN_SHA256, &root, 2, VN_KIND_TAINT, "prod", &key));
    assert_span_equal(
        VN_SPAN_ARRAY(key.b),
        vn_test_hex("a6a03b6b028d0585fb4e167e63abbc9607398401b08f46814063f65eaf03d76e"));
    assert_ok(vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_LIT("pk")), &pk));
    assert_ok(vn_affinity_tag(VN_SHA256, &key, VN_KIND_TAINT, &pk, &tag));
    assert_span_equal(VN_SPAN_ARRAY(tag.b), vn_test_hex("8a7d16d8ee01c2575d8226b54c17c622"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_side_contains_the_other),
        cmocka_unit_test(test_both_carry_a_taint),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_kinds_do_not_mix),
        cmocka_unit_test(test_repeated_identity_counts_once),
        cmocka_unit_test(test_identity_outside_the_statement),
        cmocka_unit_test(test_against_sets),
        cmocka_unit_test(test_known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
