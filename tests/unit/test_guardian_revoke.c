/* Revocations as Guardian keeps and signs them. */
#include "guardian/json.h"
#include "guardian/revoke.h"
#include "support/store_world.h"
#include "support/test.h"

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

static struct vn_conflux_record node(const struct vn_store_world *w, uint16_t n)
{
    struct vn_conflux_record c = {.realm = w->realm->r.id, .has_session = true};
    memcpy(c.session.node.b, &n, sizeof(n));
    c.session.serial[0] = 0x41;
    c.session.nkey[0] = (uint8_t)n;
    c.session.not_after_ms = NOW + LIFE;
    return c;
}

static struct vn_revocation_row *load(const struct vn_store_world *w, uint64_t now_ms,
                                      size_t *ret_n)
{
    struct vn_revocation_row *rows = NULL;
    assert_ok(vn_store_revocation_load(w->s, &w->realm->r.id, now_ms, &rows, ret_n));
    return rows;
}

static void rows_of_a_node(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_conflux_record a = node(w, 1), b = node(w, 2), none = node(w, 3), over = node(w, 4);
    none.has_session = false;
    over.session.not_after_ms = NOW;
    struct vn_id realm;
    size_t n;
    assert_status(VN_ERR_NOTFOUND, vn_store_revocation_pending(w->s, &realm));
    assert_ok(vn_revoke_session(w->s, &none, NOW)); /* nobody has such a certificate */
    assert_ok(vn_revoke_session(w->s, &over, NOW));
    assert_ok(vn_revoke_statements(w->s, &none, 9, NOW));
    free(load(w, NOW, &n));
    assert_int_equal(n, 0);

    assert_ok(vn_revoke_statements(w->s, &a, 7, NOW));
    assert_ok(vn_revoke_session(w->s, &b, NOW));
    assert_ok(vn_revoke_statements(w->s, &a, 8, NOW)); /* takes the older one's place */
    struct vn_revocation_row *rows = load(w, NOW, &n);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].e.number, NOW + 1);
    assert_int_equal(rows[0].e.kind, VN_REVOKE_NODE);
    assert_int_equal(rows[0].e.serial[0], 0x41);
    assert_true(rows[0].has_nkey && rows[0].nkey[0] == 2 && !rows[0].published);
    assert_int_equal(rows[1].e.number, NOW + 2);
    assert_int_equal(rows[1].e.minimum, 8);
    assert_false(rows[1].has_nkey);
    assert_true(rows[1].e.until_ms > NOW + LIFE);
    free(rows);

    assert_ok(vn_store_revocation_pending(w->s, &realm));
    assert_memory_equal(&realm, &w->realm->r.id, sizeof(realm));
    assert_ok(vn_store_revocation_published(w->s, &realm, NOW + 1));
    rows = load(w, NOW, &n);
    assert_true(rows[0].published && !rows[1].published);
    free(rows);
    assert_ok(vn_store_revocation_published(w->s, &realm, NOW + 2));
    assert_status(VN_ERR_NOTFOUND, vn_store_revocation_pending(w->s, &realm));

    /* Its end: read no more, and gone with the next one. Numbers go on rising. */
    free(load(w, NOW + 2 * LIFE, &n));
    assert_int_equal(n, 0);
    struct vn_conflux_record c = node(w, 5);
    c.session.not_after_ms = NOW + 3 * LIFE;
    assert_ok(vn_revoke_session(w->s, &c, NOW + 2 * LIFE));
    rows = load(w, NOW, &n);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].e.number, NOW + 2 * LIFE);
    free(rows);
}

static void revoke_nodes(const struct vn_store_world *w, uint16_t count)
{
    assert_ok(vn_store_begin(w->s));
    for (uint16_t i = 0; i < count; i++) {
        struct vn_conflux_record c = node(w, i);
        assert_ok(vn_revoke_session(w->s, &c, NOW));
    }
    assert_ok(vn_store_commit(w->s));
}

/* The lists of an answer join up from 0, and have these rows. */
static void check_answer(const struct vn_store_world *w, size_t want_lists,
                         const struct vn_revocation_row *rows, size_t n, const json_t *answer)
{
    const json_t *lists = json_object_get(answer, "revocations");
    assert_int_equal(json_array_size(lists), want_lists);
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *command = NULL;
    assert_ok(vn_sig_pub_new(w->realm->suite->sig, vn_sig_pk(w->realm->command_key), &command));
    uint64_t end = 0;
    size_t seen = 0;
    for (size_t i = 0; i < want_lists; i++) {
        static struct vn_revocation_list l;
        static uint8_t bytes[VN_REVOCATION_LIST_MAX];
        size_t bytes_n;
        VN_CLEANUP(vn_json_freep) json_t *one = json_pack("{sO}", "l", json_array_get(lists, i));
        assert_ok(vn_json_get_bytes(one, "l", bytes, sizeof(bytes), &bytes_n));
        assert_ok(vn_revocation_list_check(VN_SPAN(bytes, bytes_n), command, w->realm->suite,
                                           &w->realm->r.id, &l));
        assert_int_equal(l.after, end);
        end = l.to;
        for (size_t k = 0; k < l.count; k++)
            assert_memory_equal(&l.entries[k].node, &rows[seen++].e.node, VN_ID_LEN);
    }
    assert_int_equal(seen, n);
    assert_int_equal(end, rows[n - 1].e.number);
}

/* Whatever does not fit one list fits the next, without a gap between. */
static void login_answer(void **state)
{
    const struct vn_store_world *w = *state;
    VN_CLEANUP(vn_json_freep) json_t *answer = json_object();
    assert_ok(vn_revoke_answer(w->realm, NULL, 0, answer));
    assert_int_equal(json_array_size(json_object_get(answer, "revocations")), 0);
    assert_true(json_is_array(json_object_get(answer, "revocations")));

    size_t n;
    revoke_nodes(w, VN_REVOCATION_ENTRIES_MAX + 44);
    struct vn_revocation_row *rows = load(w, NOW, &n);
    assert_int_equal(n, VN_REVOCATION_ENTRIES_MAX + 44);
    assert_ok(vn_revoke_answer(w->realm, rows, n, answer));
    check_answer(w, 2, rows, n, answer);
    free(rows);
}

/* As many as a node remembers go into one answer; of more, the newest, and nobody takes what is
 * left out for a gap. */
static void long_login_answer(void **state)
{
    const struct vn_store_world *w = *state;
    VN_CLEANUP(vn_json_freep) json_t *answer = json_object();
    size_t n;
    revoke_nodes(w, 4000);
    struct vn_revocation_row *rows = load(w, NOW, &n);
    assert_ok(vn_revoke_answer(w->realm, rows, n, answer));
    check_answer(w, 16, rows, 4000, answer);
    free(rows);

    n = VN_REVOCATIONS_MAX + 300;
    rows = calloc(n, sizeof(*rows));
    assert_non_null(rows);
    for (size_t i = 0; i < n; i++) {
        rows[i].e = (struct vn_revocation){
            .number = NOW + i, .kind = VN_REVOKE_NODE, .until_ms = NOW + LIFE};
        memcpy(rows[i].e.node.b, &i, sizeof(i));
    }
    assert_ok(vn_revoke_answer(w->realm, rows, n, answer));
    check_answer(w, VN_REVOCATION_LOGIN_MAX, rows + 300, VN_REVOCATIONS_MAX, answer);
    free(rows);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(rows_of_a_node), TEST(login_answer),
                                       TEST(long_login_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
