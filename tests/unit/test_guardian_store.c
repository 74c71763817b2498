#include <sys/stat.h>
#include <unistd.h>

#include "guardian/config.h"
#include "guardian/realm.h"
#include "guardian/store_sql.h"
#include "support/test.h"

#define NOW 1700000000000ull

struct world {
    char dir[64], path[96];
    struct vn_store *s;
    struct vn_id realm, token;
};

static struct vn_id id_of(uint8_t n)
{
    struct vn_id id = {{n}};
    return id;
}

static void add_realm(struct vn_store *s, uint8_t n, const char *name)
{
    struct vn_realm_record r = {.id = id_of(n),
                                .suite = VN_SUITE_DEFAULT,
                                .access = VN_ACCESS_TAINTS,
                                .relay = VN_RELAYS_ALL,
                                .session_lifetime_s = 43200};
    snprintf(r.name, sizeof(r.name), "%s", name);
    assert_ok(vn_prefix_parse("10.77.0.0/16", &r.range4));
    assert_ok(vn_prefix_parse("fd00:1:2::/64", &r.range6));
    assert_ok(vn_store_realm_add(s, &r));
}

static void add_token(struct vn_store *s, uint8_t n, uint8_t realm, int64_t uses)
{
    struct vn_token_record t = {.id = id_of(n),
                                .realm = id_of(realm),
                                .owner = id_of(99),
                                .expires_ms = NOW + 1000,
                                .uses_left = uses};
    assert_ok(vn_allowed_parse("*", &t.allowed));
    assert_ok(vn_store_token_add(s, &t));
}

static struct vn_conflux_record conflux_of(uint8_t n, const char *tag, uint32_t ip4)
{
    struct vn_conflux_record c = {.id = id_of(n),
                                  .realm = id_of(1),
                                  .token = id_of(2),
                                  .owner = id_of(99),
                                  .ip4 = ip4,
                                  .created_ms = NOW + n};
    snprintf(c.tag, sizeof(c.tag), "%s", tag);
    assert_ok(vn_taints_parse("db,home", &c.taints));
    assert_ok(vn_allowed_parse("*", &c.allowed));
    return c;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    snprintf(w->dir, sizeof(w->dir), "/tmp/vn-store-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/g.db", w->dir);
    assert_ok(vn_store_open(w->path, true, &w->s));
    add_realm(w->s, 1, "home");
    add_token(w->s, 2, 1, -1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    vn_store_close(w->s);
    (void)unlink(w->path);
    char side[128];
    snprintf(side, sizeof(side), "%s-wal", w->path);
    (void)unlink(side);
    snprintf(side, sizeof(side), "%s-shm", w->path);
    (void)unlink(side);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static void file_is_private(void **state)
{
    struct world *w = *state;
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void absent_store_is_not_made(void **state)
{
    struct world *w = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/other.db", w->dir);
    struct vn_store *s = NULL;
    assert_status_not_ok(vn_store_open(path, false, &s));
    assert_null(s);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void survives_reopening(void **state)
{
    struct world *w = *state;
    assert_ok(vn_store_put(w->s, "k", VN_SPAN_LIT("v1")));
    assert_ok(vn_store_put(w->s, "k", VN_SPAN_LIT("v2")));
    w->s = vn_store_close(w->s);
    assert_ok(vn_store_open(w->path, false, &w->s));
    char *v = NULL;
    size_t n;
    assert_ok(vn_store_get(w->s, "k", &v, &n));
    assert_string_equal(v, "v2");
    assert_int_equal(n, 2);
    free(v);
    assert_status(VN_ERR_NOTFOUND, vn_store_get(w->s, "absent", &v, &n));
    struct vn_id id;
    assert_ok(vn_store_realm_by_name(w->s, "home", &id));
    assert_int_equal(id.b[0], 1);
}

static void names_are_unique(void **state)
{
    struct world *w = *state;
    struct vn_realm_record r = {.id = id_of(50), .name = "home", .suite = VN_SUITE_DEFAULT};
    assert_ok(vn_prefix_parse("10.0.0.0/8", &r.range4));
    assert_ok(vn_prefix_parse("fd00::/64", &r.range6));
    assert_status(VN_ERR_EXISTS, vn_store_realm_add(w->s, &r));
    struct vn_user_record u = {.id = id_of(1), .name = "ann", .password = "x", .superuser = true};
    assert_ok(vn_store_user_add(w->s, &u));
    u.id = id_of(2);
    assert_status(VN_ERR_EXISTS, vn_store_user_add(w->s, &u));
    struct vn_user_record got;
    assert_ok(vn_store_user_by_name(w->s, "ann", &got));
    assert_true(got.superuser);
    assert_status(VN_ERR_NOTFOUND, vn_store_user_by_name(w->s, "Ann", &got));
}

static void token_uses(void **state)
{
    struct world *w = *state;
    const struct vn_id one = id_of(3), any = id_of(2), gone = id_of(77);
    add_token(w->s, 3, 1, 2);
    assert_ok(vn_store_token_use(w->s, &one, NOW));
    assert_ok(vn_store_token_use(w->s, &one, NOW));
    assert_status(VN_ERR_LIMIT, vn_store_token_use(w->s, &one, NOW));
    for (int i = 0; i < 5; i++)
        assert_ok(vn_store_token_use(w->s, &any, NOW));
    assert_status(VN_ERR_EXPIRED, vn_store_token_use(w->s, &any, NOW + 1000));
    assert_ok(vn_store_token_revoke(w->s, &any));
    assert_status(VN_ERR_DENIED, vn_store_token_use(w->s, &any, NOW));
    assert_status(VN_ERR_NOTFOUND, vn_store_token_use(w->s, &gone, NOW));
    assert_status(VN_ERR_NOTFOUND, vn_store_token_revoke(w->s, &gone));
    struct vn_token_record orphan = {
        .id = id_of(9), .realm = id_of(200), .owner = id_of(99), .allowed = {.any = true}};
    assert_status(VN_ERR_STATE, vn_store_token_add(w->s, &orphan));
}

/* A use that is rolled back was none. */
static void rollback_undoes(void **state)
{
    struct world *w = *state;
    const struct vn_id one = id_of(3);
    add_token(w->s, 3, 1, 1);
    assert_ok(vn_store_begin(w->s));
    assert_ok(vn_store_token_use(w->s, &one, NOW));
    vn_store_rollback(w->s);
    vn_store_rollback(w->s);
    assert_ok(vn_store_begin(w->s));
    assert_ok(vn_store_token_use(w->s, &one, NOW));
    assert_ok(vn_store_commit(w->s));
    assert_status(VN_ERR_LIMIT, vn_store_token_use(w->s, &one, NOW));
}

static void conflux_round_trip(void **state)
{
    struct world *w = *state;
    struct vn_conflux_record c = conflux_of(4, "a", 0x0a4d0001), got;
    assert_ok(vn_store_conflux_add(w->s, &c));
    assert_ok(vn_store_conflux_get(w->s, &c.id, &got));
    assert_false(got.has_session);
    assert_memory_equal(&got, &c, sizeof(c));
    struct vn_session_record session = {.node = id_of(8),
                                        .sig_pk_n = 1952,
                                        .session_ek_n = 1216,
                                        .not_after_ms = NOW + 5,
                                        .login_ms = NOW};
    memset(session.sig_pk, 3, session.sig_pk_n);
    memset(session.session_ek, 4, session.session_ek_n);
    assert_ok(vn_store_conflux_set_session(w->s, &c.id, &session, 12));
    assert_ok(vn_store_conflux_get(w->s, &c.id, &got));
    assert_true(got.has_session);
    assert_memory_equal(&got.session, &session, sizeof(session));
    assert_int_equal(got.statement_number, 12);
    struct vn_taint_set taints;
    assert_ok(vn_taints_parse("web", &taints));
    assert_ok(vn_store_conflux_set_taints(w->s, &c.id, &taints, 13));
    assert_ok(vn_store_conflux_end_session(w->s, &c.id));
    assert_ok(vn_store_conflux_get(w->s, &c.id, &got));
    assert_false(got.has_session);
    assert_int_equal(got.session.not_after_ms, NOW + 5);
    assert_int_equal(got.statement_number, 13);
    assert_string_equal(got.taints.t[0], "web");
    assert_status(VN_ERR_STATE, vn_store_realm_delete(w->s, &c.realm));
    assert_ok(vn_store_conflux_delete(w->s, &c, NOW));
    assert_status(VN_ERR_NOTFOUND, vn_store_conflux_get(w->s, &c.id, &got));
    assert_status(VN_ERR_NOTFOUND, vn_store_conflux_delete(w->s, &c, NOW));
    assert_ok(vn_store_realm_delete(w->s, &c.realm));
    struct vn_token_record t;
    assert_status(VN_ERR_NOTFOUND, vn_store_token_get(w->s, &w->token, &t));
}

static void tags_belong_to_owners(void **state)
{
    struct world *w = *state;
    struct vn_conflux_record c = conflux_of(4, "web", 1);
    assert_ok(vn_store_conflux_add(w->s, &c));
    const struct vn_id realm = id_of(1), owner = id_of(99), token = id_of(2), other = id_of(55);
    bool foreign;
    assert_ok(vn_store_tag_foreign(w->s, &realm, "web", &owner, &other, &foreign));
    assert_false(foreign);
    assert_ok(vn_store_tag_foreign(w->s, &realm, "web", &other, &token, &foreign));
    assert_false(foreign);
    assert_ok(vn_store_tag_foreign(w->s, &realm, "web", &other, &other, &foreign));
    assert_true(foreign);
    assert_ok(vn_store_tag_foreign(w->s, &other, "web", &other, &other, &foreign));
    assert_false(foreign);
}

/* Leases against a naive model. */
static void leases(void **state)
{
    struct world *w = *state;
    enum { FIRST = 100, COUNT = 24 };
    const struct vn_id realm = id_of(1);
    uint64_t now = NOW, until[COUNT] = {0}; /* 0 free, 1 held by a node, else given up until then */
    for (int step = 0; step < 600; step++) {
        now += vn_test_below(50);
        uint32_t model = 0, found = 0;
        for (uint32_t i = 0; i < COUNT; i++)
            if (until[i] > 1 && until[i] <= now)
                until[i] = 0;
        while (model < COUNT && until[model])
            model++;
        assert_status(model < COUNT ? VN_OK : VN_ERR_LIMIT,
                      vn_store_lease_find(w->s, &realm, FIRST, FIRST + COUNT - 1, now, &found));
        if (model < COUNT)
            assert_int_equal(found, FIRST + model);
        uint32_t pick = (uint32_t)vn_test_below(COUNT);
        char tag[16], holder[64];
        uint64_t free_at = 77;
        snprintf(tag, sizeof(tag), "t%u", pick);
        struct vn_conflux_record c = conflux_of((uint8_t)(10 + pick), tag, FIRST + pick);
        if (vn_test_below(2)) {
            vn_status st =
                vn_store_lease_take(w->s, &realm, FIRST + pick, &c.id, tag, now, holder, &free_at);
            assert_status(until[pick] ? VN_ERR_EXISTS : VN_OK, st);
            if (until[pick]) {
                assert_string_equal(holder, tag);
                assert_int_equal(free_at, until[pick] == 1 ? 0 : until[pick]);
            } else {
                assert_ok(vn_store_conflux_add(w->s, &c));
                until[pick] = 1;
            }
        } else if (until[pick] == 1) {
            c.session.not_after_ms = vn_test_below(2) ? now + 1 + vn_test_below(400) : 0;
            assert_ok(vn_store_conflux_delete(w->s, &c, now));
            until[pick] = c.session.not_after_ms;
        }
    }
}

static void notices_others(void **state)
{
    struct world *w = *state;
    struct vn_store *other = NULL;
    assert_false(vn_store_changed_outside(w->s));
    assert_ok(vn_store_put(w->s, "mine", VN_SPAN_LIT("1")));
    assert_false(vn_store_changed_outside(w->s));
    assert_ok(vn_store_open(w->path, false, &other));
    assert_ok(vn_store_put(other, "other", VN_SPAN_LIT("1")));
    assert_true(vn_store_changed_outside(w->s));
    assert_false(vn_store_changed_outside(w->s));
    vn_store_close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Kept from start to start; an installation from before has none. */
static void stun_servers(void **state)
{
    struct world *w = *state;
    static const char *const BAD[] = {
        "host", "192.0.2.1:0",          "192.0.2.1:x", "1,2",
        ",",    "192.0.2.1,,192.0.2.2", "::1]:100",    "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5"};
    const struct vn_config_init init = {.public_host = "h",
                                        .public_port = 1,
                                        .listen_host = "*",
                                        .listen_port = 1,
                                        .master_port = 1};
    struct vn_guardian_config c;
    assert_ok(vn_config_create(w->s, &init, NOW));
    assert_ok(vn_config_load(w->s, &c));
    assert_int_equal(c.stun_count, 0);
    vn_config_done(&c);
    assert_ok(vn_config_set_stun(w->s, "192.0.2.1,[2001:db8::5]:3479"));
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_ARG, vn_config_set_stun(w->s, BAD[i]));
    assert_ok(vn_config_load(w->s, &c));
    assert_int_equal(c.stun_count, 2);
    assert_int_equal(c.stun[0].port, 3478);
    assert_true(vn_ip_is_v4(&c.stun[0].ip));
    assert_int_equal(c.stun[1].port, 3479);
    assert_int_equal(c.stun[1].ip.b[15], 5);
    vn_config_done(&c);
    assert_ok(vn_config_set_stun(w->s, "none"));
    assert_ok(vn_config_load(w->s, &c));
    assert_int_equal(c.stun_count, 0);
    vn_config_done(&c);
}

static struct vn_conflux_record public_of(struct world *w, uint8_t id, const char *tag,
                                          uint64_t login_ms)
{
    struct vn_conflux_record c = conflux_of(id, tag, 0x0a4d0000u + id);
    const struct vn_addr addr = {.ip = vn_ip_from_u32(0xc0000200u + id), .port = id};
    assert_ok(vn_store_conflux_add(w->s, &c));
    assert_ok(vn_store_public_set(w->s, &c.id, &addr));
    c.session.login_ms = login_ms;
    if (login_ms)
        assert_ok(vn_store_conflux_set_session(w->s, &c.id, &c.session, 1));
    return c;
}

/* Those that are there, latest login first; not the asker itself, and none of another realm. */
static void public_nodes(void **state)
{
    struct world *w = *state;
    struct vn_addr list[2];
    size_t n;
    struct vn_conflux_record asker = conflux_of(9, "asker", 1);
    assert_ok(vn_store_conflux_add(w->s, &asker));
    const struct vn_conflux_record old = public_of(w, 4, "old", NOW),
                                   young = public_of(w, 5, "new", NOW + 1);
    (void)public_of(w, 6, "away", 0);
    assert_ok(vn_store_public_list(w->s, &asker, list, 2, &n));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].port, 5);
    assert_int_equal(list[0].ip.b[15], 5);
    assert_int_equal(list[1].port, 4);
    assert_ok(vn_store_public_list(w->s, &asker, list, 1, &n));
    assert_int_equal(n, 1);
    assert_ok(vn_store_public_list(w->s, &young, list, 2, &n));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].port, 4);
    assert_ok(vn_store_conflux_end_session(w->s, &old.id));
    assert_ok(vn_store_public_list(w->s, &young, list, 2, &n));
    assert_int_equal(n, 0);
    assert_ok(vn_store_conflux_delete(w->s, &young, NOW));
    asker.realm.b[0] ^= 1;
    assert_ok(vn_store_public_list(w->s, &asker, list, 2, &n));
    assert_int_equal(n, 0);
}

/* A statement whose parameter could not be given to it would run with NULL in its place. */
static void unbound_statements_do_not_run(void **state)
{
    struct world *w = *state;
    static const char *const DELETE = "DELETE FROM setting WHERE name IS NOT ?";
    char *text = NULL;
    size_t n;
    assert_ok(vn_store_put(w->s, "kept", VN_SPAN_LIT("v")));
    {
        VN_QUERY q = vn_sql_prepare(w->s, DELETE);
        assert_non_null(q);
        vn_sql_bind_text(q, 2, "kept");  /* there is no second one */
        vn_sql_bind_text(q, 1, "other"); /* that this one is well changes nothing */
        assert_status(VN_ERR_IO, vn_sql_run(w->s, q, "test", NULL));
        assert_status(VN_ERR_IO, vn_sql_row(w->s, q, "test"));
    }
    assert_ok(vn_store_get(w->s, "kept", &text, &n));
    free(text);
    VN_QUERY q = vn_sql_prepare(w->s, DELETE);
    assert_non_null(q);
    assert_ok(vn_sql_run(w->s, q, "test", NULL)); /* its next use begins anew */
    assert_status(VN_ERR_NOTFOUND, vn_store_get(w->s, "kept", &text, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_is_private),
        TEST(absent_store_is_not_made),
        TEST(survives_reopening),
        TEST(names_are_unique),
        TEST(token_uses),
        TEST(rollback_undoes),
        TEST(conflux_round_trip),
        TEST(tags_belong_to_owners),
        TEST(leases),
        TEST(stun_servers),
        TEST(public_nodes),
        TEST(unbound_statements_do_not_run),
        TEST(notices_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
