/* Revocations as Guardian keeps and signs them. */
#include "guardian/json.h"
#include "guardian/revoke.h"
#include "guardian/revoked.h"
#include "support/store_world.h"
#include "support/test.h"
#include "guardian/store_revocations.h"

#define NOW 1700000000000ull
#define LIFE 43200000ull

static int setup(void **state)
{
    struct vn_store_world *w = calloc(1, sizeof(*w));
    vn_store_world_init(w, NOW);
    *state = w;
    return 0;
}

/* As Guardian has it, with nothing but the store. */
static void guardian_init(struct vn_guardian *g, const struct vn_store_world *w)
{
    *g = (struct vn_guardian){.store = w->s};
    assert_ok(vn_map_new(VN_ID_LEN, 4, &g->revoked));
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
    assert_ok(vn_store_revocation_load(w->s, &w->realm->r.id, 0, now_ms, &rows, ret_n));
    return rows;
}

static vn_status pending(const struct vn_store_world *w, uint64_t now_ms, struct vn_id *ret_realm)
{
    struct vn_id realms[2];
    size_t n = 99;
    const vn_status st =
        vn_store_revocation_pending(w->s, now_ms, realms, VN_ARRAY_LEN(realms), &n);
    if (st == VN_OK) {
        assert_int_equal(n, 1);
        *ret_realm = realms[0];
    }
    return st;
}

static void rows_of_a_node(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_conflux_record a = node(w, 1), b = node(w, 2), none = node(w, 3), over = node(w, 4);
    none.has_session = false;
    over.session.not_after_ms = NOW;
    struct vn_id realm;
    size_t n;
    assert_status(VN_ERR_NOTFOUND, pending(w, NOW, &realm));
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

    assert_ok(pending(w, NOW, &realm));
    assert_memory_equal(&realm, &w->realm->r.id, sizeof(realm));
    assert_ok(vn_store_revocation_published(w->s, &realm, NOW + 1));
    rows = load(w, NOW, &n);
    assert_true(rows[0].published && !rows[1].published);
    free(rows);
    assert_ok(vn_store_revocation_published(w->s, &realm, NOW + 2));
    assert_status(VN_ERR_NOTFOUND, pending(w, NOW, &realm));

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

    /* What was never published, and has ended, is nothing to publish: it would come first for ever.
     */
    assert_ok(pending(w, NOW + 2 * LIFE, &realm));
    assert_status(VN_ERR_NOTFOUND, pending(w, NOW + 4 * LIFE, &realm));
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
    assert_int_equal(end, n ? rows[n - 1].e.number : 0);
}

/* An answer of this moment, held against what the store has. */
static json_t *answer_at(struct vn_guardian *g, const struct vn_store_world *w, uint64_t now_ms,
                         size_t want_lists)
{
    struct vn_revoked *r;
    size_t n;
    struct vn_revocation_row *rows = load(w, now_ms, &n);
    json_t *answer = json_object();
    assert_ok(vn_revoked_get(g, &w->realm->r.id, now_ms, &r));
    assert_int_equal(r->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(r->rows[i].e.number, rows[i].e.number);
    assert_ok(vn_revoked_answer(r, w->realm, answer));
    check_answer(w, want_lists, rows, n, answer);
    vn_revoked_unref(r);
    free(rows);
    return answer;
}

/* Whether both hold the very text: it was not signed again. */
static bool shared(const json_t *a, const json_t *b, size_t list)
{
    return json_array_get(json_object_get(a, "revocations"), list) ==
           json_array_get(json_object_get(b, "revocations"), list);
}

/* Whatever does not fit one list fits the next, without a gap between. */
static void login_answer(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_guardian g;
    guardian_init(&g, w);
    json_decref(answer_at(&g, w, NOW, 0));
    revoke_nodes(w, VN_REVOCATION_ENTRIES_MAX + 44);
    json_decref(answer_at(&g, w, NOW, 2));
    vn_revoked_done(&g);
}

/* Lists are signed once, until what they say changes. */
static void signed_once(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_guardian g;
    guardian_init(&g, w);
    struct vn_conflux_record late = node(w, 3000), again = node(w, 7);
    revoke_nodes(w, VN_REVOCATION_ENTRIES_MAX + 2);
    json_t *first = answer_at(&g, w, NOW, 2), *second = answer_at(&g, w, NOW, 2);
    assert_true(shared(first, second, 0) && shared(first, second, 1));

    late.session.not_after_ms = NOW + 2 * LIFE;
    assert_ok(vn_revoke_session(w->s, &late, NOW)); /* one more: the last list is another */
    json_t *third = answer_at(&g, w, NOW, 2);
    assert_true(shared(first, third, 0));
    assert_false(shared(first, third, 1));

    assert_ok(vn_revoke_statements(w->s, &again, 9, NOW)); /* in the place of an older one */
    json_t *fourth = answer_at(&g, w, NOW, 2);
    assert_false(shared(third, fourth, 0) || shared(third, fourth, 1));

    json_decref(answer_at(&g, w, NOW + LIFE * 3 / 2, 1)); /* all but one have ended */
    json_decref(first);
    json_decref(second);
    json_decref(third);
    json_decref(fourth);
    vn_revoked_done(&g);
}

/* A command on the host works on the store beside Guardian. */
static void revoked_from_outside(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_store_world beside = *w;
    struct vn_guardian g;
    struct vn_id realm;
    guardian_init(&g, w);
    json_decref(answer_at(&g, w, NOW, 0));
    assert_status(VN_ERR_NOTFOUND, pending(w, NOW, &realm));
    assert_ok(vn_store_open(w->path, false, &beside.s));
    revoke_nodes(&beside, 3);
    vn_store_close(beside.s);
    json_decref(answer_at(&g, w, NOW, 1));
    assert_ok(pending(w, NOW, &realm));
    vn_revoked_done(&g);
}

/* What a transaction took back was never there. */
static void taken_back(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_guardian g;
    struct vn_conflux_record c = node(w, 9);
    struct vn_id realm;
    guardian_init(&g, w);
    revoke_nodes(w, 2);
    json_decref(answer_at(&g, w, NOW, 1));
    assert_ok(vn_store_begin(w->s));
    assert_ok(vn_revoke_session(w->s, &c, NOW));
    vn_store_rollback(w->s);
    json_decref(answer_at(&g, w, NOW, 1));
    assert_ok(vn_store_revocation_published(w->s, &w->realm->r.id, INT64_MAX));
    assert_status(VN_ERR_NOTFOUND, pending(w, NOW, &realm));
    assert_ok(vn_revoke_session(w->s, &c, NOW));
    json_decref(answer_at(&g, w, NOW, 1));
    assert_ok(pending(w, NOW, &realm));
    vn_revoked_done(&g);
}

/* As many as a node remembers go into one answer; of more, the newest, and nobody takes what is
 * left out for a gap. */
static void long_login_answer(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_guardian g;
    guardian_init(&g, w);
    revoke_nodes(w, 4000);
    json_decref(answer_at(&g, w, NOW, 16));

    VN_CLEANUP(vn_json_freep) json_t *answer = json_object();
    struct vn_revoked *r;
    assert_ok(vn_revoked_get(&g, &w->realm->r.id, NOW, &r));
    free(r->rows);
    r->n = VN_REVOCATIONS_MAX + 300;
    r->rows = calloc(r->n, sizeof(*r->rows));
    assert_non_null(r->rows);
    for (size_t i = 0; i < r->n; i++) {
        r->rows[i].e = (struct vn_revocation){
            .number = NOW + i, .kind = VN_REVOKE_NODE, .until_ms = NOW + LIFE};
        memcpy(r->rows[i].e.node.b, &i, sizeof(i));
    }
    assert_ok(vn_revoked_answer(r, w->realm, answer));
    check_answer(w, VN_REVOCATION_LOGIN_MAX, r->rows + 300, VN_REVOCATIONS_MAX, answer);
    vn_revoked_unref(r);
    vn_revoked_done(&g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(rows_of_a_node), TEST(login_answer),
                                       TEST(signed_once),    TEST(revoked_from_outside),
                                       TEST(taken_back),     TEST(long_login_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
