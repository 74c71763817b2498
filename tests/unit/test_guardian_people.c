/* Organisations in the store, an old store brought up to date, and what leaving does to nodes. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guardian/ephemeral.h"
#include "guardian/migrations.h"
#include "guardian/people.h"
#include "guardian/sign_in.h"
#include "guardian/store_sql.h"
#include "support/store_world.h"
#include "support/test.h"
#include "guardian/store_audit.h"

#define NOW 1700000000000ull
#define OLD_VERSION 7 /* before organisations */

static struct vn_id id_of(uint8_t n)
{
    return (struct vn_id){{n}};
}

/* ---- an organisation with a team, two users and a node each ---- */

enum { ORG = 10, ANN = 20, BOB = 21, OPS = 30, TOKEN = 40, NODE_A = 50, NODE_B = 51 };

static void add_user(struct vn_store *s, uint8_t n, const char *name)
{
    struct vn_user_record u = {.id = id_of(n), .password = "x", .created_ms = NOW};
    snprintf(u.name, sizeof(u.name), "%s", name);
    assert_ok(vn_store_user_add(s, &u));
}

static void add_node(const struct vn_store_world *w, uint8_t n, uint8_t owner)
{
    struct vn_conflux_record c = {.id = id_of(n),
                                  .realm = w->realm->r.id,
                                  .token = id_of(TOKEN),
                                  .owner = id_of(owner),
                                  .ip4 = 0x0a4d0000u + n,
                                  .created_ms = NOW};
    const struct vn_id ops = id_of(OPS);
    snprintf(c.tag, sizeof(c.tag), "node-%u", n);
    assert_ok(vn_team_set_add(&c.teams, &ops));
    assert_ok(vn_store_conflux_add(w->s, &c));
}

static struct vn_conflux_record node(const struct vn_store_world *w, uint8_t n)
{
    struct vn_conflux_record c;
    const struct vn_id id = id_of(n);
    assert_ok(vn_store_conflux_get(w->s, &id, &c));
    return c;
}

static int setup(void **state)
{
    struct vn_store_world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    vn_store_world_init(w, NOW);
    const struct vn_org_record org = {.id = id_of(ORG), .name = "acme", .created_ms = NOW};
    const struct vn_team_record ops = {
        .id = id_of(OPS), .org = org.id, .name = "ops", .created_ms = NOW};
    const struct vn_realm_place place = {.org = org.id};
    assert_ok(vn_store_org_add(w->s, &org));
    assert_ok(vn_store_team_add(w->s, &ops));
    assert_ok(vn_store_realm_place_set(w->s, &w->realm->r.id, &place));
    add_user(w->s, ANN, "ann");
    add_user(w->s, BOB, "bob");
    for (uint8_t user = ANN; user <= BOB; user++) {
        const struct vn_id id = id_of(user);
        assert_ok(vn_store_member_put(w->s, &org.id, &id, VN_ROLE_MEMBER, NOW));
        assert_ok(vn_store_team_member_put(w->s, &ops.id, &id, NOW));
    }
    add_node(w, NODE_A, ANN);
    add_node(w, NODE_B, BOB);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    vn_store_world_done(*state);
    free(*state);
    return 0;
}

static void a_team_is_left(void **state)
{
    const struct vn_store_world *w = *state;
    const struct vn_id ops = id_of(OPS), bob = id_of(BOB);
    struct vn_id told;
    assert_ok(vn_store_team_member_remove(w->s, &ops, &bob));
    assert_status(VN_ERR_NOTFOUND, vn_store_team_member_remove(w->s, &ops, &bob));
    assert_ok(vn_people_check_user(w->s, NULL, &bob, NOW));
    assert_int_equal(node(w, NODE_B).teams.n, 0);
    assert_int_equal(node(w, NODE_B).statement_number, NOW); /* those before are over */
    assert_int_equal(node(w, NODE_A).teams.n, 1);
    assert_int_equal(node(w, NODE_A).statement_number, 0);
    assert_ok(vn_store_outbox_take(w->s, NOW, &told));
    assert_int_equal(told.b[0], NODE_B);
    assert_status(VN_ERR_NOTFOUND, vn_store_outbox_take(w->s, NOW, &told));
}

static void who_leaves_takes_their_nodes(void **state)
{
    const struct vn_store_world *w = *state;
    const struct vn_id org = id_of(ORG), bob = id_of(BOB), gone = id_of(NODE_B);
    struct vn_conflux_record c;
    enum vn_role role;
    assert_status(VN_ERR_STATE, vn_store_user_delete(w->s, &bob)); /* has a node */
    assert_ok(vn_store_member_remove(w->s, &org, &bob));
    assert_ok(vn_store_realm_role(w->s, &w->realm->r.id, &bob, &role));
    assert_int_equal(role, VN_ROLE_NONE);
    assert_ok(vn_people_check_user(w->s, NULL, &bob, NOW));
    assert_status(VN_ERR_NOTFOUND, vn_store_conflux_get(w->s, &gone, &c));
    assert_int_equal(node(w, NODE_A).teams.n, 1);
    assert_ok(vn_store_user_delete(w->s, &bob));
}

static void a_public_realm_is_everybodys(void **state)
{
    const struct vn_store_world *w = *state;
    const struct vn_id org = id_of(ORG), bob = id_of(BOB);
    const struct vn_realm_place place = {.org = org, .public = true};
    enum vn_role role;
    assert_ok(vn_store_realm_place_set(w->s, &w->realm->r.id, &place));
    assert_ok(vn_store_member_remove(w->s, &org, &bob));
    assert_ok(vn_store_realm_role(w->s, &w->realm->r.id, &bob, &role));
    assert_int_equal(role, VN_ROLE_MEMBER);
    assert_ok(vn_people_check_user(w->s, NULL, &bob, NOW));
    assert_int_equal(node(w, NODE_B).teams.n, 0); /* stays, without the organisation's team */
}

/* A team of another organisation, to which the realm is open. */
static void a_realm_opens_to_a_team(void **state)
{
    const struct vn_store_world *w = *state;
    const struct vn_org_record org = {.id = id_of(11), .name = "other", .created_ms = NOW};
    const struct vn_team_record dev = {
        .id = id_of(31), .org = org.id, .name = "dev", .created_ms = NOW};
    const struct vn_id cat = id_of(22);
    struct vn_team_record found;
    enum vn_role role;
    add_user(w->s, 22, "cat");
    assert_ok(vn_store_org_add(w->s, &org));
    assert_ok(vn_store_team_add(w->s, &dev));
    assert_ok(vn_store_member_put(w->s, &org.id, &cat, VN_ROLE_OWNER, NOW));
    assert_ok(vn_store_team_member_put(w->s, &dev.id, &cat, NOW));
    assert_ok(vn_store_realm_role(w->s, &w->realm->r.id, &cat, &role));
    assert_int_equal(role, VN_ROLE_NONE);
    assert_status(VN_ERR_NOTFOUND,
                  vn_store_realm_team_of_user(w->s, &w->realm->r.id, &cat, &dev.id, NULL, &found));
    assert_ok(vn_store_realm_team_put(w->s, &w->realm->r.id, &dev.id));
    assert_ok(vn_store_realm_role(w->s, &w->realm->r.id, &cat, &role));
    assert_int_equal(role, VN_ROLE_MEMBER); /* an owner there is none here */
    assert_ok(vn_store_realm_team_of_user(w->s, &w->realm->r.id, &cat, NULL, "dev", &found));
    assert_true(vn_id_equal(&found.id, &dev.id));
    const struct vn_id ann = id_of(ANN); /* not in it */
    assert_status(VN_ERR_NOTFOUND,
                  vn_store_realm_team_of_user(w->s, &w->realm->r.id, &ann, NULL, "dev", &found));
}

static void sets_of_teams(void **state)
{
    (void)state;
    struct vn_team_set s = {.n = 0};
    for (uint8_t i = 0; i < VN_NODE_TEAMS_MAX; i++) {
        const struct vn_id id = id_of(i);
        assert_ok(vn_team_set_add(&s, &id));
        assert_ok(vn_team_set_add(&s, &id));
    }
    const struct vn_id more = id_of(100), first = id_of(0);
    assert_status(VN_ERR_LIMIT, vn_team_set_add(&s, &more));
    vn_team_set_remove(&s, &more);
    vn_team_set_remove(&s, &first);
    assert_int_equal(s.n, VN_NODE_TEAMS_MAX - 1);
    assert_false(vn_team_set_has(&s, &first));
}

static void names_of_people(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"a", "ann.b@example.org", "0x", "a_b-c+d"};
    static const char *const BAD[] = {"",   ".",  "..", "../x", "A",    "a b",  "a\n",
                                      "@a", "-a", "ä",  "a/b",  "a'--", "a\x7f"};
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++)
        assert_true(vn_user_name_valid(GOOD[i]));
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_false(vn_user_name_valid(BAD[i]));
    assert_true(vn_display_name_valid("Ann Ångström'); DROP TABLE user"));
    static const char *const HIDDEN[] = {"a\nb", "\x1b[31m", "a\x7f", "\xc2\x9b"};
    for (size_t i = 0; i < VN_ARRAY_LEN(HIDDEN); i++)
        assert_false(vn_display_name_valid(HIDDEN[i]));
}

/* ---- nodes that go by themselves ---- */

static void silent_nodes_go(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_guardian g = {.store = w->s};
    struct vn_conflux_record e = {.id = id_of(60),
                                  .realm = w->realm->r.id,
                                  .token = id_of(TOKEN),
                                  .owner = id_of(ANN),
                                  .tag = "job",
                                  .ip4 = 0x0a4d0101,
                                  .ephemeral = true,
                                  .created_ms = NOW};
    struct vn_session_record session = {.node = id_of(61), .not_after_ms = NOW + 1000};
    size_t n;
    assert_ok(vn_store_conflux_add(w->s, &e));
    assert_ok(vn_ephemerals_sweep(&g, NOW + VN_EPHEMERAL_GRACE_MS - 1, &n));
    assert_int_equal(n, 0); /* may still log in */
    assert_ok(vn_store_conflux_set_session(w->s, &e.id, &session, NOW));
    assert_ok(vn_ephemerals_sweep(&g, NOW + 999, &n));
    assert_int_equal(n, 0);
    session.not_after_ms = NOW + 5000; /* renewed */
    assert_ok(vn_store_conflux_set_session(w->s, &e.id, &session, NOW));
    assert_ok(vn_ephemerals_sweep(&g, NOW + 4999, &n));
    assert_int_equal(n, 0);
    assert_ok(vn_ephemerals_sweep(&g, NOW + 5000, &n));
    assert_int_equal(n, 1);
    struct vn_conflux_record gone;
    assert_status(VN_ERR_NOTFOUND, vn_store_conflux_get(w->s, &e.id, &gone));

    e.id = id_of(62); /* never logs in */
    assert_ok(vn_store_conflux_add(w->s, &e));
    assert_ok(vn_ephemerals_sweep(&g, NOW + VN_EPHEMERAL_GRACE_MS, &n));
    assert_int_equal(n, 1);
    assert_ok(vn_ephemerals_sweep(&g, NOW * 2, &n));
    assert_int_equal(n, 0); /* others stay */
    assert_int_equal(vn_ephemeral_lifetime_ms(&e, 43200000), VN_EPHEMERAL_SESSION_MS);
    assert_int_equal(vn_ephemeral_lifetime_ms(&e, 60000), 60000);
    e.ephemeral = false;
    assert_int_equal(vn_ephemeral_lifetime_ms(&e, 43200000), 43200000);
}

/* ---- what is on the disk ---- */

static int synchronous(const struct vn_store *s)
{
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(s->db, "PRAGMA synchronous", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int level = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return level;
}

static void add_entry(struct vn_store *s)
{
    assert_ok(vn_store_audit_add(s, NOW, NULL, "a", "b", "c", "d"));
}

static void changes_reach_the_disk(void **state)
{
    (void)state;
    enum { NORMAL = 1, FULL = 2 };
    char path[] = "/tmp/vn-disk-XXXXXX", log[32], shm[32];
    struct stat sb;
    struct vn_store *s;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(log, sizeof(log), "%s-wal", path);
    snprintf(shm, sizeof(shm), "%s-shm", path);
    assert_ok(vn_store_open(path, true, &s));
    assert_int_equal(synchronous(s), FULL);
    add_entry(s);
    assert_int_equal(vn_store_changes(s), 0);
    assert_ok(vn_store_sync(s));
    assert_ok(vn_store_defer(s));
    assert_int_equal(synchronous(s), NORMAL);
    add_entry(s);
    assert_int_equal(vn_store_changes(s), 1);
    assert_ok(vn_store_begin(s));
    add_entry(s);
    add_entry(s);
    assert_int_equal(vn_store_changes(s), 1);
    assert_ok(vn_store_commit(s));
    assert_int_equal(vn_store_changes(s), 2); /* together */
    assert_ok(vn_store_begin(s));
    add_entry(s);
    vn_store_rollback(s);
    assert_int_equal(vn_store_changes(s), 2);
    assert_ok(vn_store_sync(s));
    for (int i = 0; i < 1200; i++) /* the log is begun anew when it is long */
        add_entry(s);
    assert_int_equal(stat(log, &sb), 0);
    assert_in_range(sb.st_size, 1, 1100 * 4200);
    const int good = s->wal_fd;
    s->wal_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC); /* which fdatasync refuses */
    assert_true(s->wal_fd >= 0);
    assert_status(VN_ERR_IO, vn_store_sync(s));
    close(s->wal_fd);
    s->wal_fd = good;
    assert_status(VN_ERR_IO, vn_store_sync(s)); /* what was lost stays lost */
    s = vn_store_close(s);
    unlink(path);
    unlink(log);
    unlink(shm);
}

/* ---- a store of the version before ---- */

static void run(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void an_old_store_gets_an_organisation(void **state)
{
    (void)state;
    char path[] = "/tmp/vn-old-XXXXXX", set[48];
    int fd = mkstemp(path);
    sqlite3 *db;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = 0; i < OLD_VERSION; i++)
        run(db, vn_migrations[i]);
    snprintf(set, sizeof(set), "PRAGMA user_version = %d", OLD_VERSION);
    run(db, set);
    run(db, "INSERT INTO user VALUES (x'01000000000000000000000000000000', 'admin', 'x', 2, 5),"
            " (x'02000000000000000000000000000000', 'mem', 'x', 1, 6);"
            "INSERT INTO realm VALUES (x'03000000000000000000000000000000', 'home', 1, 1,"
            " '10.77.0.0/16', 'fd00::/64', 43200, 7, zeroblob(32), zeroblob(32), zeroblob(32), x'',"
            " x'', x'', x'', zeroblob(32), zeroblob(32), 1, zeroblob(32), zeroblob(32),"
            " zeroblob(32), zeroblob(32))");
    sqlite3_close(db);

    struct vn_store *s;
    const struct vn_id admin = id_of(1), member = id_of(2), realm = id_of(3);
    struct vn_user_record u;
    enum vn_role role;
    assert_ok(vn_store_open(path, false, &s));
    assert_ok(vn_store_user_get(s, &admin, &u));
    assert_true(u.superuser);
    assert_ok(vn_store_realm_role(s, &realm, &admin, &role));
    assert_int_equal(role, VN_ROLE_OWNER);
    assert_ok(vn_store_user_get(s, &member, &u));
    assert_false(u.superuser);
    assert_ok(vn_store_realm_role(s, &realm, &member, &role));
    assert_int_equal(role, VN_ROLE_NONE);
    vn_store_close(s);
    unlink(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_team_is_left),
        TEST(who_leaves_takes_their_nodes),
        TEST(a_public_realm_is_everybodys),
        TEST(a_realm_opens_to_a_team),
        TEST(silent_nodes_go),
        TEST(changes_reach_the_disk),
        cmocka_unit_test(sets_of_teams),
        cmocka_unit_test(names_of_people),
        cmocka_unit_test(an_old_store_gets_an_organisation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
