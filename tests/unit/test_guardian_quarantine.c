/* Whom a node is kept apart from: rules, who is on whose list, and when lists are pushed. */
#include "base/limits.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "guardian/policy.h"
#include "guardian/quarantine.h"
#include "support/store_world.h"
#include "support/test.h"

#define NOW 1700000000000ull

struct world {
    struct vn_store_world g;
    struct vn_conflux_record n[4];
};

static struct vn_id id_of(uint8_t i)
{
    struct vn_id id = {{0}};
    id.b[0] = i;
    return id;
}

static void add(struct world *w, size_t i, const char *tag, uint8_t owner, const char *taints)
{
    struct vn_conflux_record *c = &w->n[i];
    *c = (struct vn_conflux_record){.id = id_of((uint8_t)(i + 1)),
                                    .realm = w->g.realm->r.id,
                                    .owner = id_of(owner),
                                    .ip4 = (uint32_t)(0x0a4d0001 + i),
                                    .created_ms = NOW};
    snprintf(c->tag, sizeof(c->tag), "%s", tag);
    assert_ok(vn_taints_parse(taints, &c->taints));
    assert_ok(vn_realm_ip6(w->g.realm, &c->id, &c->ip6));
    assert_ok(vn_store_conflux_add(w->g.s, c));
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    vn_store_world_init(&w->g, NOW);
    add(w, 0, "a", 100, "home");
    add(w, 1, "b", 100, "db,home");
    add(w, 2, "c", 101, "home");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    vn_store_world_done(&w->g);
    free(w);
    return 0;
}

/* ---- rules ---- */

static struct vn_quarantine_rules rules(const char *text)
{
    struct vn_quarantine_rules q;
    assert_ok(vn_quarantine_rules_parse(text, &q));
    return q;
}

static vn_status from_json(const char *text, struct vn_quarantine_rules *ret)
{
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    vn_status st = vn_quarantine_rules_from_json(j, ret);
    json_decref(j);
    return st;
}

static void test_rules(void **state)
{
    (void)state;
    char text[VN_QUARANTINE_RULES_TEXT];
    static const char ALL[] =
        "*,peer:AAAAAAAAAAAAAAAAAAAAAQ,scope:AAAAAAAAAAAAAAAAAAAAAg,taint:a.b,"
        "taint:db";
    struct vn_quarantine_rules q = rules(ALL), other = rules("");
    assert_true(q.all && q.peer_count == 1 && q.scope_count == 1 && q.taints.n == 2);
    vn_quarantine_rules_format(&q, text);
    assert_string_equal(text, ALL);
    assert_true(vn_quarantine_rules_empty(&other));
    assert_false(vn_quarantine_rules_empty(&q));
    static const char *const BAD[] = {
        "x", "peer:", "peer:AA", "taint:", "taint:A", "peer:a,", "scope:AAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_true(vn_quarantine_rules_parse(BAD[i], &other) != VN_OK);

    other = rules("peer:AAAAAAAAAAAAAAAAAAAAAQ,taint:x");
    assert_ok(vn_quarantine_rules_add(&q, &other));
    assert_int_equal(q.peer_count, 1);
    assert_int_equal(q.taints.n, 3);
    assert_false(vn_quarantine_rules_equal(&q, &other));
    vn_quarantine_rules_remove(&q, &other);
    other = rules("*,scope:AAAAAAAAAAAAAAAAAAAAAg,taint:a.b,taint:db");
    assert_true(vn_quarantine_rules_equal(&q, &other));
    vn_quarantine_rules_remove(&q, &(struct vn_quarantine_rules){.all = true});
    assert_true(vn_quarantine_rules_empty(&q)); /* lifting all lifts the rest too */

    for (uint8_t i = 0; i < VN_QUARANTINE_RULES_MAX; i++) {
        other = (struct vn_quarantine_rules){.peers = {id_of(i + 1)}, .peer_count = 1};
        assert_ok(vn_quarantine_rules_add(&q, &other));
    }
    other.peers[0] = id_of(200);
    assert_status(VN_ERR_LIMIT, vn_quarantine_rules_add(&q, &other));
    assert_int_equal(q.peer_count, VN_QUARANTINE_RULES_MAX);
    vn_quarantine_rules_format(&q, text); /* all of them fit */
    other = rules(text);
    assert_true(vn_quarantine_rules_equal(&q, &other));

    assert_ok(from_json("{}", &q));
    assert_true(q.all);
    assert_ok(from_json("{\"peers\":[\"AAAAAAAAAAAAAAAAAAAAAQ\"],\"taints\":[\"db\"]}", &q));
    assert_true(!q.all && q.peer_count == 1 && q.taints.n == 1);
    assert_status(VN_ERR_MALFORMED, from_json("{\"peers\":[]}", &q));
    assert_status(VN_ERR_MALFORMED, from_json("{\"peers\":[1]}", &q));
    assert_status(VN_ERR_MALFORMED, from_json("{\"scopes\":[\"user\"]}", &q));
    assert_status(VN_ERR_MALFORMED, from_json("{\"taints\":[\"A\"]}", &q));
}

/* ---- who is apart ---- */

/* Stores rules of a node and bumps what changes with them, as the command does. */
static void set(struct world *w, size_t i, const char *text, uint64_t now_ms)
{
    struct vn_conflux_record before = w->n[i];
    w->n[i].quarantine = rules(text);
    assert_ok(vn_store_quarantine_set(w->g.s, &w->n[i]));
    assert_ok(vn_quarantine_changed(w->g.s, &before, &w->n[i], true, now_ms));
    for (size_t k = 0; k < 3; k++)
        assert_ok(vn_store_conflux_get(w->g.s, &w->n[k].id, &w->n[k]));
}

/* The nodes that wait for a push, a bit each; they are taken. */
static unsigned pending(struct world *w)
{
    struct vn_id id;
    unsigned bits = 0;
    while (vn_store_quarantine_take(w->g.s, &id) == VN_OK)
        bits |= 1u << (id.b[0] - 1);
    return bits;
}

static bool on_list(struct world *w, size_t of, size_t other)
{
    struct vn_quarantine_list l;
    bool found = false;
    assert_ok(vn_quarantine_list(w->g.s, &w->n[of], &l, NULL));
    for (size_t i = 0; i < l.count; i++)
        found = found || vn_ip_equal(&l.addrs[i], &w->n[other].ip6);
    free(l.addrs);
    return found;
}

static void assert_apart(struct world *w, size_t x, size_t y, bool apart)
{
    assert_int_equal(on_list(w, x, y), apart);
    assert_int_equal(on_list(w, y, x), apart);
    assert_int_equal(vn_policy_allows(VN_ACCESS_TAINTS, &w->n[x], &w->n[y]), !apart);
}

static void test_from_a_peer(void **state)
{
    struct world *w = *state;
    assert_apart(w, 0, 1, false);
    char text[64], id[VN_ID_TEXT];
    vn_id_format(&w->n[1].id, id);
    snprintf(text, sizeof(text), "peer:%s", id);
    set(w, 0, text, NOW);
    assert_apart(w, 0, 1, true);
    assert_apart(w, 0, 2, false);
    assert_apart(w, 1, 2, false);
    assert_int_equal(w->n[0].quarantine_number, NOW);
    assert_int_equal(w->n[1].quarantine_number, NOW);
    assert_int_equal(w->n[2].quarantine_number, 0);
    assert_int_equal(pending(w), 1u << 1); /* the node itself was told otherwise */
    set(w, 0, "", NOW);
    assert_apart(w, 0, 1, false);
    assert_int_equal(w->n[1].quarantine_number, NOW + 1); /* rises, though the clock does not */
    assert_int_equal(pending(w), 1u << 1);
    set(w, 0, "", NOW - 1000);
    assert_int_equal(w->n[0].quarantine_number, NOW + 2);
    assert_int_equal(pending(w), 0);
}

static void test_from_taints_and_scopes(void **state)
{
    struct world *w = *state;
    set(w, 2, "taint:db", NOW);
    assert_apart(w, 2, 1, true);
    assert_apart(w, 2, 0, false);
    assert_int_equal(pending(w), 1u << 1);
    /* a takes the taint: it, and who is kept from its holders, hear of it. */
    struct vn_conflux_record before = w->n[0];
    assert_ok(vn_taints_add(&w->n[0].taints, "db"));
    assert_ok(vn_store_conflux_set_taints(w->g.s, &w->n[0].id, &w->n[0].taints, 5));
    assert_ok(vn_quarantine_changed(w->g.s, &before, &w->n[0], false, NOW + 5));
    assert_apart(w, 2, 0, true);
    assert_int_equal(pending(w), 1u << 0 | 1u << 2);
    /* A change that does not touch it: nobody does. */
    before = w->n[0];
    assert_ok(vn_taints_add(&w->n[0].taints, "web"));
    assert_ok(vn_quarantine_changed(w->g.s, &before, &w->n[0], false, NOW + 6));
    assert_int_equal(pending(w), 0);
    /* Who registers with it. */
    add(w, 3, "d", 7, "db,home");
    assert_ok(vn_quarantine_changed(w->g.s, NULL, &w->n[3], false, NOW + 7));
    assert_apart(w, 2, 3, true);
    assert_int_equal(pending(w), 1u << 2 | 1u << 3);

    char text[64], id[VN_ID_TEXT];
    struct vn_id user = id_of(100);
    vn_id_format(&user, id);
    snprintf(text, sizeof(text), "scope:%s", id);
    set(w, 2, text, NOW + 8);
    assert_apart(w, 2, 0, true);
    assert_apart(w, 2, 1, true);
    assert_apart(w, 2, 3, false);
    assert_int_equal(pending(w), 1u << 3); /* for a and b nothing changed */
}

static void test_from_all(void **state)
{
    struct world *w = *state;
    struct vn_own_identity ids[VN_TAINTS_MAX + VN_SCOPES_MAX];
    size_t n;
    set(w, 0, "*", NOW);
    assert_int_equal(pending(w), 0); /* its statement tells the others */
    assert_false(vn_policy_allows(VN_ACCESS_TAINTS, &w->n[0], &w->n[1]));
    assert_false(vn_policy_allows(VN_ACCESS_TEAMS, &w->n[1], &w->n[0]));
    assert_true(vn_policy_allows(VN_ACCESS_TAINTS, &w->n[2], &w->n[1]));
    struct vn_quarantine_list l;
    assert_ok(vn_quarantine_list(w->g.s, &w->n[0], &l, NULL));
    assert_true(l.all && l.count == 0 && l.number == NOW);
    json_t *j = vn_quarantine_list_json(&l);
    assert_true(json_is_true(json_object_get(j, "all")));
    json_decref(j);
    free(l.addrs);
    assert_ok(vn_issue_identities(w->g.realm, &w->n[0], 1, ids, VN_ARRAY_LEN(ids), &n));
    assert_int_equal(n, 0);
    assert_ok(vn_issue_identities(w->g.realm, &w->n[1], 1, ids, VN_ARRAY_LEN(ids), &n));
    assert_int_equal(n, 3);
    /* It is in the file. */
    vn_store_close(w->g.s);
    assert_ok(vn_store_open(w->g.path, false, &w->g.s));
    assert_ok(vn_store_conflux_get(w->g.s, &w->n[0].id, &w->n[0]));
    assert_true(w->n[0].quarantine.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test_setup_teardown(test_from_a_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_taints_and_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_all, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
