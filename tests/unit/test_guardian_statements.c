/* Which statements share a signature: those of logins that were being made at the same time. */
#include <uv.h>

#include "guardian/realm_make.h"
#include "guardian/statements.h"
#include "support/test.h"

#define NOW 1700000000000ull
#define MOST 40

static uv_loop_t loop;
static struct vn_realm *realms[2];

struct login {
    struct vn_statement_wait wait;
    bool is_signed;
};

struct world {
    struct vn_statements *s;
    struct login logins[MOST];
};

static void on_signed(struct vn_statement_wait *w, vn_status st)
{
    struct login *l = VN_CONTAINER_OF(w, struct login, wait);
    assert_ok(st);
    assert_false(l->is_signed);
    l->is_signed = true;
}

static struct login *join(struct world *w, size_t i, const struct vn_realm *realm)
{
    struct login *l = &w->logins[i];
    struct vn_statement s = {.realm = realm->r.id,
                             .pk_hash = {.n = realm->suite->hash_len},
                             .number = i,
                             .not_after_ms = NOW};
    l->wait.realm = realm;
    l->wait.fn = on_signed;
    assert_ok(vn_statement_encode(&s, realm->suite, l->wait.bytes, &l->wait.n));
    vn_statements_join(w->s, &l->wait);
    return l;
}

static void expect(struct world *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vn_statements_expect(w->s);
}

/* How many were signed, now that nothing more happens by itself. */
static size_t signed_now(struct world *w)
{
    size_t n = 0;
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < MOST; i++)
        n += w->logins[i].is_signed;
    return n;
}

/* A node accepts it, and so many were signed with it. */
static void check_signed(const struct world *w, size_t i, uint16_t with)
{
    const struct login *l = &w->logins[i];
    const struct vn_realm *realm = l->wait.realm;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *command = NULL;
    struct vn_statement s;
    struct vn_span part, sig;
    const struct vn_span bytes = VN_SPAN(l->wait.bytes, l->wait.n);
    assert_true(l->is_signed);
    assert_ok(vn_sig_pub_new(realm->suite->sig, vn_sig_pk(realm->command_key), &command));
    assert_ok(vn_statement_check(bytes, command, realm->suite, &realm->r.id, NOW, &s));
    assert_int_equal(s.number, i);
    assert_ok(vn_statement_decode(bytes, realm->suite, &s, &part, &sig));
    assert_int_equal(sig.n == realm->suite->sig_len ? 1 : sig.p[2] << 8 | sig.p[3], with);
}

static void alone_waits_for_nobody(void **state)
{
    struct world *w = *state;
    expect(w, 1);
    join(w, 0, realms[0]);
    assert_int_equal(signed_now(w), 1);
    check_signed(w, 0, 1);
}

static void those_made_at_once_share(void **state)
{
    struct world *w = *state;
    expect(w, 5);
    join(w, 0, realms[0]);
    vn_statements_leave(w->s); /* one failed */
    join(w, 1, realms[0]);
    join(w, 2, realms[0]);
    assert_int_equal(signed_now(w), 0);
    vn_statements_leave(w->s);
    assert_int_equal(signed_now(w), 3);
    for (size_t i = 0; i < 3; i++)
        check_signed(w, i, 3);
    expect(w, 1);
    join(w, 3, realms[0]); /* and nothing of it remains */
    assert_int_equal(signed_now(w), 4);
    check_signed(w, 3, 1);
}

/* Who begins later is awaited too, but only until so many have come, of whatever realm. */
static void nobody_waits_for_more_than_a_group(void **state)
{
    struct world *w = *state;
    expect(w, 2);
    join(w, 0, realms[0]);
    expect(w, 40);
    join(w, 1, realms[0]);
    for (size_t i = 2; i < 14; i++)
        join(w, i, realms[1]);
    vn_statements_leave(w->s);
    assert_int_equal(signed_now(w), 0);
    vn_statements_leave(w->s);
    assert_int_equal(signed_now(w), 2);
    check_signed(w, 0, 2);
    for (size_t i = 0; i < 26; i++)
        vn_statements_leave(w->s);
    assert_int_equal(signed_now(w), 14);
    check_signed(w, 13, 12);
}

static void groups_are_bounded(void **state)
{
    struct world *w = *state;
    expect(w, 36);
    for (size_t i = 0; i < 35; i++)
        join(w, i, realms[0]);
    assert_int_equal(signed_now(w), 32);
    check_signed(w, 0, 16);
    check_signed(w, 31, 16);
    join(w, 35, realms[0]);
    assert_int_equal(signed_now(w), 36);
    check_signed(w, 32, 4);
    check_signed(w, 35, 4);
}

static void realms_stay_apart(void **state)
{
    struct world *w = *state;
    expect(w, 5);
    for (size_t i = 0; i < 5; i++)
        join(w, i, realms[i % 2]);
    assert_int_equal(signed_now(w), 5);
    for (size_t i = 0; i < 5; i++)
        check_signed(w, i, i % 2 ? 2 : 3);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_ok(vn_statements_new(&loop, &w->s));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    vn_statements_free(w->s);
    free(w);
    return 0;
}

static int make_realms(void **state)
{
    (void)state;
    struct vn_realm_init init = {
        .name = "home", .access = VN_ACCESS_TAINTS, .session_lifetime_s = 43200};
    assert_ok(vn_prefix_parse("10.77.0.0/16", &init.range4));
    for (size_t i = 0; i < 2; i++) {
        struct vn_realm_record record;
        init.suite = i ? VN_SUITE_CNSA : VN_SUITE_DEFAULT;
        assert_ok(vn_realm_generate(&init, NOW, &record));
        assert_ok(vn_realm_load(&record, &realms[i]));
    }
    return uv_loop_init(&loop);
}

static int drop_realms(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        vn_realm_unref(realms[i]);
    return uv_loop_close(&loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(alone_waits_for_nobody),
        TEST(those_made_at_once_share),
        TEST(nobody_waits_for_more_than_a_group),
        TEST(groups_are_bounded),
        TEST(realms_stay_apart),
    };
    return cmocka_run_group_tests(tests, make_realms, drop_realms);
}
