/* One command to many nodes: which, how many at a time, and what is said of each. */
#include "guardian/http.h"
#include "support/guardian_world.h"
#include "support/test.h"

#define NODES 250

static struct vn_guardian_world w;

static struct vn_id node_id(unsigned i)
{
    return (struct vn_id){{60, (uint8_t)(i >> 8), (uint8_t)i}};
}

/* Beside the world's two: every third has the taint "web", every fifth the world's team. */
static void add_nodes(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct vn_conflux_record c = {.id = node_id(i),
                                      .realm = w.realm,
                                      .token = {{1}},
                                      .owner = w.user,
                                      .allowed = {.any = true},
                                      .ip4 = 0x0a4d0100u + i,
                                      .created_ms = 1000 + i / 7};
        snprintf(c.tag, sizeof(c.tag), "n-%u", i);
        assert_ok(vn_taints_parse(i % 3 ? "db" : "db,web", &c.taints));
        if (i % 5 == 0)
            assert_ok(vn_team_set_add(&c.teams, &w.team));
        c.waiting = i == 1;
        assert_ok(vn_store_conflux_add(w.g.store, &c));
    }
}

static int setup(void **state)
{
    (void)state;
    vn_guardian_world_init(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_guardian_world_done(&w);
    return 0;
}

/* The caller's. */
static json_t *order(const char *query, const char *body)
{
    char id[VN_ID_TEXT], path[160];
    vn_id_format(&w.realm, id);
    snprintf(path, sizeof(path), "/realms/%s/commands%s", id, query);
    vn_guardian_world_ask(&w, VN_WEB_POST, path, w.access, body);
    return w.text ? json_loads(w.text, 0, NULL) : NULL;
}

static size_t told(const char *body)
{
    json_t *o = order("", body);
    assert_int_equal(w.status, 200);
    const size_t n = json_array_size(json_object_get(o, "items"));
    json_decref(o);
    return n;
}

static void test_selections(void **state)
{
    (void)state;
    char team[VN_ID_TEXT], a[VN_ID_TEXT], b[VN_ID_TEXT], body[200];
    add_nodes(30);
    const struct vn_id first = node_id(0), other = {{99}};
    vn_id_format(&w.team, team);
    vn_id_format(&first, a);
    vn_id_format(&other, b);
    assert_int_equal(told("{\"command\":\"info\",\"all\":true}"), 31); /* one waits for approval */
    assert_int_equal(told("{\"command\":\"info\",\"taint\":\"web\"}"), 10);
    assert_int_equal(told("{\"command\":\"info\",\"taint\":\"none\"}"), 0);
    snprintf(body, sizeof(body), "{\"command\":\"info\",\"team\":\"%s\"}", team);
    assert_int_equal(told(body), 6);
    snprintf(body, sizeof(body), "{\"command\":\"info\",\"nodes\":[\"%s\",\"%s\"]}", a, b);
    assert_int_equal(told(body), 1);
}

/* Each by itself: one may be refused where another is done. */
static void test_answers(void **state)
{
    (void)state;
    struct vn_conflux_record c;
    add_nodes(4);
    struct vn_id id = node_id(2);
    assert_ok(vn_store_conflux_get(w.g.store, &id, &c));
    for (int i = 0; c.taints.n < VN_TAINTS_MAX; i++) {
        char taint[16];
        snprintf(taint, sizeof(taint), "t%d", i);
        assert_ok(vn_taints_add(&c.taints, taint));
    }
    assert_ok(vn_store_conflux_set_taints(w.g.store, &id, &c.taints, 1));
    json_t *o = order("", "{\"command\":\"taint\",\"all\":true,\"add\":[\"new\"]}");
    assert_int_equal(w.status, 200);
    size_t i, done = 0, refused = 0;
    json_t *item;
    json_array_foreach(json_object_get(o, "items"), i, item)
    {
        const json_int_t status = json_integer_value(json_object_get(item, "status"));
        if (status == 200) {
            assert_string_equal(
                json_string_value(json_object_get(json_object_get(item, "answer"), "command")),
                "taint");
            done++;
        } else {
            assert_int_equal(status, 400);
            assert_string_equal(json_string_value(json_object_get(item, "tag")), "n-2");
            assert_non_null(json_string_value(json_object_get(item, "detail")));
            refused++;
        }
    }
    json_decref(o);
    assert_int_equal(done, 4); /* the world's two, and two of ours */
    assert_int_equal(refused, 1);
    id = node_id(0);
    assert_ok(vn_store_conflux_get(w.g.store, &id, &c));
    assert_int_equal(c.taints.n, 3);
    assert_int_equal(told("{\"command\":\"revoke\",\"taint\":\"new\"}"), 4);
    assert_status(VN_ERR_NOTFOUND, vn_store_conflux_get(w.g.store, &id, &c));
    assert_int_equal(told("{\"command\":\"info\",\"all\":true}"), 1);
}

/* Page by page each node is met once. */
static void test_pages(void **state)
{
    (void)state;
    static bool met[NODES];
    char query[120] = "?limit=30";
    size_t pages = 0, all = 0;
    json_t *o = NULL;
    const char *next;
    add_nodes(NODES);
    do {
        json_decref(o);
        o = order(query, "{\"command\":\"health\",\"taint\":\"web\"}");
        assert_int_equal(w.status, 200);
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(o, "items"), i, item)
        {
            unsigned n = 0;
            assert_int_equal(sscanf(json_string_value(json_object_get(item, "tag")), "n-%u", &n),
                             1);
            assert_false(met[n]);
            met[n] = true;
            all++;
        }
        assert_true(i <= 30);
        next = json_string_value(json_object_get(o, "next"));
        snprintf(query, sizeof(query), "?limit=30&after=%s", next ? next : "");
        pages++;
    } while (next && pages < 50);
    json_decref(o);
    assert_int_equal(all, (NODES + 2) / 3);
    assert_int_equal(pages, (all + 29) / 30);
    assert_int_equal(told("{\"command\":\"health\",\"all\":true}"), 100); /* without a limit */
}

/* Whom a node may reach, at once or in pages. */
static void test_pages_of_peers(void **state)
{
    (void)state;
    static bool met[NODES];
    char path[160] = "/conflux/peers?limit=40";
    const char *next;
    size_t all = 0, pages = 0;
    json_t *o = NULL;
    add_nodes(NODES);
    vn_guardian_world_ask(&w, VN_WEB_GET, "/conflux/peers", w.conflux, NULL);
    assert_int_equal(w.status, 200);
    o = json_loads(w.text, 0, NULL);
    const size_t whole = json_array_size(json_object_get(o, "items"));
    assert_true(whole > 100 && !json_object_get(o, "next"));
    do {
        json_decref(o);
        vn_guardian_world_ask(&w, VN_WEB_GET, path, w.conflux, NULL);
        assert_int_equal(w.status, 200);
        o = json_loads(w.text, 0, NULL);
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(o, "items"), i, item)
        {
            unsigned n;
            if (sscanf(json_string_value(json_object_get(item, "tag")), "n-%u", &n) == 1) {
                assert_false(met[n]);
                met[n] = true;
            }
            all++;
        }
        assert_true(i <= 40);
        next = json_string_value(json_object_get(o, "next"));
        snprintf(path, sizeof(path), "/conflux/peers?limit=40&after=%s", next ? next : "");
        pages++;
    } while (next && pages < 50);
    json_decref(o);
    assert_int_equal(all, whole);
    assert_int_equal(pages, (whole + 39) / 40);
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "{\"command\":\"info\"}",
        "{\"command\":\"info\",\"all\":false}",
        "{\"command\":\"info\",\"all\":true,\"taint\":\"a\"}",
        "{\"command\":\"info\",\"taint\":\"A B\"}",
        "{\"command\":\"info\",\"taint\":\"'; DROP TABLE conflux; --\"}",
        "{\"command\":\"info\",\"taint\":\"../..\\u0007\"}",
        "{\"command\":\"info\",\"team\":\"ops\"}",
        "{\"command\":\"info\",\"nodes\":[\"a\"]}",
        "{\"command\":\"info\",\"nodes\":[1]}",
        "{\"all\":true}",
        "{\"command\":\"dance\",\"all\":true}",
        "{\"command\":\"info\",\"all\":true,\"add\":[\"a\"]}",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        json_decref(order("", BAD[i]));
        assert_int_equal(w.status, 400);
    }
    json_decref(order("?limit=101", "{\"command\":\"info\",\"all\":true}"));
    assert_int_equal(w.status, 400);
    json_decref(order("?after=x", "{\"command\":\"info\",\"all\":true}"));
    assert_int_equal(w.status, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_selections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_of_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
