/* Changes of key generation as Guardian keeps them, and what it gives to nodes meanwhile. */
#include "guardian/issue.h"
#include "guardian/keychange.h"
#include "support/store_world.h"
#include "support/test.h"
#include "wire/bundle.h"
#include "guardian/store_keys.h"

#define NOW 1700000000000ull
#define LIFE 43200000ull

static int setup(void **state)
{
    struct vn_store_world *w = calloc(1, sizeof(*w));
    vn_store_world_init(w, NOW);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct vn_store_world *w = *state;
    vn_store_world_done(w);
    free(w);
    return 0;
}

static struct vn_realm *load(const struct vn_store_world *w)
{
    struct vn_realm_record record;
    struct vn_realm *realm = NULL;
    assert_ok(vn_store_realm_get(w->s, &w->realm->r.id, &record));
    assert_ok(vn_realm_load(&record, &realm));
    return realm;
}

static struct vn_conflux_record node(const struct vn_store_world *w, uint8_t n, const char *taints)
{
    struct vn_conflux_record c = {
        .id = {{n}},
        .realm = w->realm->r.id,
        .owner = {{6}},
        .ip4 = 0x0a4d0000u + n,
        .statement_number = 40,
        .has_session = true,
        .session = {.node = {{n, n}}, .sig_pk_n = 10, .not_after_ms = NOW + LIFE, .login_ms = NOW}};
    assert_ok(vn_taints_parse(taints, &c.taints));
    return c;
}

static struct vn_key_change only_change(const struct vn_store_world *w)
{
    struct vn_key_change c[2] = {{.due_ms = 0}};
    size_t n;
    assert_ok(vn_store_key_change_list(w->s, c, 2, &n));
    assert_true(n <= 1);
    return c[0];
}

static uint32_t begin(const struct vn_store_world *w, uint64_t now_ms)
{
    uint32_t generation = 0;
    assert_ok(vn_store_begin(w->s));
    assert_ok(vn_store_key_change_begin(w->s, &w->realm->r.id, now_ms, &generation));
    assert_ok(vn_store_commit(w->s));
    return generation;
}

static void in_force(const struct vn_store_world *w, uint32_t now, uint32_t before,
                     uint64_t until_ms)
{
    assert_ok(vn_store_begin(w->s));
    assert_ok(vn_store_key_change_in_force(w->s, &w->realm->r.id, now, before, until_ms));
    assert_ok(vn_store_commit(w->s));
}

static void end(const struct vn_store_world *w)
{
    assert_ok(vn_store_begin(w->s));
    assert_ok(vn_store_key_change_end(w->s, &w->realm->r.id));
    assert_ok(vn_store_commit(w->s));
}

/* The first taint's key, as a node with these taints gets it. */
static struct vn_secret32 key_of(const struct vn_store_world *w, const char *taint,
                                 uint32_t generation)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = load(w);
    struct vn_own_identity ids[4];
    struct vn_conflux_record c = node(w, 1, taint);
    size_t n;
    assert_ok(vn_issue_identities(realm, &c, generation, ids, VN_ARRAY_LEN(ids), &n));
    return ids[0].key;
}

static bool same(struct vn_secret32 a, struct vn_secret32 b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static void wishes(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_conflux_record c = node(w, 1, "home,db");
    assert_int_equal(only_change(w).due_ms, 0);

    /* Who never logged in had no keys; who keeps what it had loses nothing. */
    struct vn_conflux_record stranger = c;
    stranger.session.login_ms = 0;
    assert_ok(vn_key_change_lost(w->s, &stranger, NULL, NOW));
    struct vn_conflux_record more = c;
    assert_ok(vn_taints_add(&more.taints, "extra"));
    assert_ok(vn_key_change_lost(w->s, &c, &more, NOW));
    assert_int_equal(only_change(w).due_ms, 0);

    struct vn_conflux_record less = c;
    vn_taints_remove(&less.taints, "db");
    assert_ok(vn_key_change_lost(w->s, &c, &less, NOW));
    assert_int_equal(only_change(w).due_ms, NOW + VN_KEY_CHANGE_COLLECT_MS);
    assert_int_equal(only_change(w).due_spread_ms, VN_KEY_CHANGE_SPREAD_MS);
    assert_ok(vn_key_change_lost(w->s, &c, NULL, NOW + 5)); /* goes with the one wanted */
    assert_int_equal(only_change(w).due_ms, NOW + VN_KEY_CHANGE_COLLECT_MS);
    assert_ok(vn_store_key_change_want(w->s, &w->realm->r.id, NOW + 7, 3000)); /* more urgent */
    assert_int_equal(only_change(w).due_ms, NOW + 7);
    assert_int_equal(only_change(w).due_spread_ms, 3000);
    assert_ok(vn_store_key_change_want(w->s, &w->realm->r.id, NOW + 9, 9000)); /* less */
    assert_int_equal(only_change(w).due_ms, NOW + 7);
    assert_int_equal(only_change(w).due_spread_ms, 3000);
}

static void a_team_that_is_lost(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_conflux_record c = node(w, 1, "home"), less = c;
    assert_ok(vn_team_set_add(&c.teams, &(struct vn_id){{7}}));
    assert_ok(vn_key_change_lost(w->s, &less, &c, NOW)); /* won */
    assert_int_equal(only_change(w).due_ms, 0);
    assert_ok(vn_key_change_lost(w->s, &c, &less, NOW));
    assert_int_equal(only_change(w).due_ms, NOW + VN_KEY_CHANGE_COLLECT_MS);
}

static void stages(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_conflux_record c = node(w, 1, "db,home");
    struct vn_conflux_record less = c;
    vn_taints_remove(&less.taints, "db");
    struct vn_secret32 db = key_of(w, "db", 1), home = key_of(w, "home", 1);
    assert_ok(vn_key_change_lost(w->s, &c, &less, NOW));

    uint32_t g = begin(w, NOW);
    assert_int_equal(g, NOW / 60000); /* not below the clock: survives a restored backup */
    struct vn_key_change ch = only_change(w);
    assert_int_equal(ch.due_ms, 0);
    assert_int_equal(ch.other, g);
    assert_int_equal(ch.began_ms, NOW);
    assert_int_equal(ch.spread_ms, VN_KEY_CHANGE_SPREAD_MS);
    assert_int_equal(ch.until_ms, 0);
    assert_true(same(key_of(w, "db", 1), db)); /* the present one is as it was */
    struct vn_secret32 db_next = key_of(w, "db", g);
    assert_false(same(db_next, db));
    assert_true(same(key_of(w, "home", g), home));

    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *handing = load(w);
    assert_int_equal(handing->r.hour_generation, 1);
    assert_int_equal(vn_issue_other_generation(handing, NOW), g);

    in_force(w, g, 1, NOW + 100);
    ch = only_change(w);
    assert_int_equal(ch.other, 1);
    assert_int_equal(ch.until_ms, NOW + 100);
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *both = load(w);
    assert_int_equal(both->r.hour_generation, g);
    assert_int_equal(vn_issue_other_generation(both, NOW + 99), 1);
    assert_int_equal(vn_issue_other_generation(both, NOW + 100), 0);
    assert_true(same(key_of(w, "db", 1), db));

    end(w);
    assert_int_equal(only_change(w).other, 0);
    assert_true(same(key_of(w, "db", g), db_next));

    /* A next one: lost by nobody, so identities stay; its number is above even with a clock that
     * went back. */
    assert_ok(vn_store_key_change_want(w->s, &w->realm->r.id, NOW, 1000));
    assert_int_equal(begin(w, NOW - 86400000), g + 1);
    assert_true(same(key_of(w, "db", g + 1), db_next));
}

/* All identities at once: wished for, or since single ones became too many. */
static void all_identities(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_secret32 db = key_of(w, "db", 1);
    assert_ok(vn_store_identity_lost(w->s, &w->realm->r.id, 0, ""));
    assert_ok(vn_store_key_change_want(w->s, &w->realm->r.id, NOW, 1000));
    uint32_t g = begin(w, NOW);
    struct vn_secret32 second = key_of(w, "db", g);
    assert_false(same(second, db));
    in_force(w, g, 1, NOW + 1);
    end(w);

    assert_ok(vn_store_begin(w->s));
    for (int i = 0; i < 1024; i++) {
        char label[16];
        snprintf(label, sizeof(label), "t%d", i);
        assert_ok(vn_store_identity_lost(w->s, &w->realm->r.id, VN_KIND_TAINT, label));
    }
    assert_ok(vn_store_commit(w->s));
    assert_ok(vn_store_key_change_want(w->s, &w->realm->r.id, NOW, 1000));
    uint32_t more = begin(w, NOW);
    assert_true(same(key_of(w, "db", g), second));
    assert_false(same(key_of(w, "db", more), second));
    in_force(w, more, g, NOW + 1);
    end(w);
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = load(w);
    assert_int_equal(realm->r.raised_n, 1);
}

/* What a bundle or a login carries: the same statement number, tags and hour keys of the other
 * generation. */
static void key_set(void **state)
{
    const struct vn_store_world *w = *state;
    static uint8_t bytes[VN_KEY_SET_MAX];
    static struct vn_key_set set;
    size_t n;
    struct vn_conflux_record c = node(w, 1, "db,home");
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *before = load(w);
    assert_ok(vn_sig_generate(before->suite->sig, &key));
    memcpy(c.session.sig_pk, vn_sig_pk(key).p, vn_sig_pk(key).n);
    c.session.sig_pk_n = vn_sig_pk(key).n;
    assert_status(VN_ERR_NOTFOUND, vn_issue_other_keys(before, &c, NOW, bytes, &n));
    struct vn_conflux_record less = c;
    vn_taints_remove(&less.taints, "db");
    assert_ok(vn_key_change_lost(w->s, &c, &less, NOW));
    uint32_t g = begin(w, NOW);
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = load(w);
    assert_ok(vn_issue_other_keys(realm, &c, NOW, bytes, &n));
    assert_ok(vn_key_set_decode(VN_SPAN(bytes, n), &set));
    assert_int_equal(set.until_ms, 0);
    assert_int_equal(set.hours.generation, g);
    assert_int_equal(set.hours.first_hour, vn_hour_of(NOW) - 1);
    assert_int_equal(set.hours.count, 15);
    assert_int_equal(set.identity_count, 3);
    assert_true(same(set.identities[0].key, key_of(w, "db", g)));
    struct vn_statement now, other;
    uint8_t present[VN_STATEMENT_MAX];
    struct vn_span signed_part, sig;
    assert_ok(vn_issue_statement(realm, &c, 1, present, &n));
    assert_ok(vn_statement_decode(VN_SPAN(present, n), realm->suite, &now, &signed_part, &sig));
    assert_ok(vn_statement_decode(set.statement, realm->suite, &other, &signed_part, &sig));
    assert_int_equal(now.number, 40);
    assert_int_equal(other.number, 40);
    assert_int_equal(other.taint_count, 2);
    assert_memory_not_equal(now.taints, other.taints, 32);
    assert_memory_equal(now.scopes, other.scopes, 16);
}

static void who_is_behind(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_id ids[2];
    size_t n, all;
    for (uint8_t i = 1; i <= 4; i++) {
        struct vn_conflux_record c = node(w, i, "home");
        assert_ok(vn_store_conflux_add(w->s, &c));
        if (i < 4) /* the last one has no session */
            assert_ok(vn_store_conflux_set_session(w->s, &c.id, &c.session, 41));
    }
    assert_ok(vn_store_conflux_behind(w->s, &w->realm->r.id, 9, NOW, ids, 2, &n, &all));
    assert_int_equal(n, 2);
    assert_int_equal(all, 3);
    struct vn_conflux_record c = node(w, 1, "home"), other = node(w, 2, "home");
    assert_ok(vn_store_conflux_reached(w->s, &c.id, &c.session.node, 9));
    assert_ok(vn_store_conflux_reached(w->s, &other.id, &c.session.node, 9)); /* another life's */
    assert_ok(vn_store_conflux_behind(w->s, &w->realm->r.id, 9, NOW, ids, 2, &n, &all));
    assert_int_equal(all, 2);
    assert_ok(vn_store_conflux_behind(w->s, &w->realm->r.id, 9, NOW + LIFE, ids, 2, &n, &all));
    assert_int_equal(n + all, 0); /* their sessions are over */
    struct vn_conflux_record stored;
    assert_ok(vn_store_conflux_get(w->s, &c.id, &stored));
    assert_int_equal(stored.session.generation, 9);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(wishes),  TEST(a_team_that_is_lost),
                                       TEST(stages),  TEST(all_identities),
                                       TEST(key_set), TEST(who_is_behind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
