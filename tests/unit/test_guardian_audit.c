/* What of the audit is kept, and texts that are meant for something else. */
#include "guardian/audit_keep.h"
#include "guardian/http.h"
#include "guardian/oidc.h"
#include "support/guardian_world.h"
#include "support/test.h"
#include "guardian/store_audit.h"

#define NOW 1700000000000ull
#define DAY_MS 86400000ull

static struct vn_guardian_world w;

static int setup(void **state)
{
    (void)state;
    vn_guardian_world_init(&w);
    assert_ok(vn_oidc_flows_new(&w.g.oidc_flows)); /* every route is asked */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    w.g.oidc_flows = vn_oidc_flows_free(w.g.oidc_flows);
    vn_guardian_world_done(&w);
    return 0;
}

struct kept {
    size_t count;
    uint64_t oldest_ms, newest;
};

static bool count(void *arg, const struct vn_audit_entry *e)
{
    struct kept *k = arg;
    k->newest = k->count++ ? k->newest : e->number;
    k->oldest_ms = e->at_ms;
    return true;
}

static struct kept kept(void)
{
    struct kept k = {.count = 0};
    const struct vn_audit_filter all = {.limit = 0};
    assert_ok(vn_store_audit_list(w.g.store, &all, count, &k));
    return k;
}

static void fill(size_t n, uint64_t step_ms)
{
    assert_ok(vn_store_begin(w.g.store));
    for (size_t i = 0; i < n; i++)
        assert_ok(vn_store_audit_add(w.g.store, NOW + i * step_ms, NULL, "x", "y", "z", ""));
    assert_ok(vn_store_commit(w.g.store));
}

static unsigned sweep(uint64_t now_ms)
{
    bool more = true;
    unsigned pieces = 0;
    while (more && pieces < 100) {
        assert_ok(vn_audit_sweep(&w.g, now_ms, &more));
        pieces++;
    }
    return pieces;
}

static void test_by_number(void **state)
{
    (void)state;
    fill(3500, 1);
    w.g.cfg.audit_entries = 1200;
    assert_true(sweep(NOW) > 1); /* in pieces */
    assert_int_equal(kept().count, 1200);
    assert_int_equal(sweep(NOW), 1);
    assert_int_equal(kept().count, 1200);
}

static void test_by_age(void **state)
{
    (void)state;
    fill(100, DAY_MS);
    w.g.cfg.audit_age_s = 30 * 86400;
    (void)sweep(NOW + 99 * DAY_MS);
    assert_int_equal(kept().count, 31);
    assert_int_equal(kept().oldest_ms, NOW + 69 * DAY_MS);
    const uint64_t newest = kept().newest;
    (void)sweep(NOW + 1000 * DAY_MS);
    assert_int_equal(kept().count, 1); /* numbers go on from it */
    fill(1, 1);
    assert_int_equal(kept().newest, newest + 1);
}

/* ---- hostile texts ---- */

static const char *const TEXTS[] = {
    "../../etc/passwd",
    "..",
    "%2e%2e%2f",
    "'; DROP TABLE conflux; --",
    "\" OR 1=1 --",
    "\x01\x02\x1b[2J",
    "a\nb",
    "*",
    "\xc2\x85",
    "\xe2\x80\xae",
    "%s%n%x",
    "",
};

static json_t *value(const struct vn_member *m, const char *text)
{
    switch (m->type) {
    case VN_MEMBER_INTEGER:
        return json_integer(60);
    case VN_MEMBER_BOOLEAN:
        return json_true();
    case VN_MEMBER_STRINGS:
    case VN_MEMBER_STRINGS_STAR:
        return json_pack("[s]", text);
    default:
        return json_string(text);
    }
}

static void put_ids(char *path, size_t cap, const char *pattern)
{
    static const struct vn_id nobody = {{0}};
    size_t n = 0;
    while (*pattern && n + VN_ID_TEXT < cap) {
        if (*pattern != '{') {
            path[n++] = *pattern++;
            continue;
        }
        const struct vn_id *id = strncmp(path, "/realms", 7) == 0    ? &w.realm
                                 : strncmp(path, "/orgs", 5) == 0    ? &w.org
                                 : strncmp(path, "/teams", 6) == 0   ? &w.team
                                 : strncmp(path, "/users", 6) == 0   ? &w.user
                                 : strncmp(path, "/conflux", 8) == 0 ? &w.node
                                                                     : &nobody;
        vn_id_format(id, path + n);
        n += VN_ID_TEXT - 1;
        pattern += strcspn(pattern, "}") + 1;
    }
    path[n] = 0;
}

/* In every member of every body: refused, or taken for the text that it is. */
static void test_texts_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < vn_route_count; i++) {
        const struct vn_route *route = &vn_routes[i];
        if (!route->body)
            continue;
        const char *bearer = route->role == VN_WEB_REGISTRATION ? w.registration
                             : route->role == VN_WEB_CONFLUX    ? w.conflux
                             : route->role == VN_WEB_PUBLIC     ? ""
                                                                : w.access;
        char path[160] = "";
        put_ids(path, sizeof(path), route->path);
        for (size_t t = 0; t < VN_ARRAY_LEN(TEXTS); t++) {
            vn_guardian_world_restore(&w);
            json_t *body = json_object();
            for (const struct vn_member *m = route->body->members; m->name; m++)
                json_object_set_new(body, m->name, value(m, TEXTS[t]));
            char *text = json_dumps(body, 0);
            json_decref(body);
            const uint64_t before = vn_guardian_world_shape(&w);
            vn_guardian_world_ask(&w, route->method, path, bearer, text);
            free(text);
            if (w.status >= 500 || w.status < 200)
                fail_msg("%s with %s: %u %s", path, TEXTS[t], w.status, w.text ? w.text : "");
            if (w.status >= 400 && vn_guardian_world_shape(&w) != before)
                fail_msg("%s with %s: refused, and something is there", path, TEXTS[t]);
            for (const char *p = w.text ? w.text : ""; *p; p++)
                assert_true((unsigned char)*p >= 0x20); /* nothing that moves a cursor */
        }
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const PATHS[] = {
        "/realms/../users",
        "/realms/%2e%2e/users",
        "//users",
        "/users/",
        "/users/..",
        "/conflux/../../etc/passwd",
        "/realms/",
        "/users\n",
        "/users/' OR 1=1; --",
        "/conflux/AAAAAAAAAAAAAAAAAAAAA/x",
        "",
        "users",
        "/users/AAAAAAAAAAAAAAAAAAAAAAA",
    };
    struct vn_id ids[2];
    unsigned allowed;
    for (size_t i = 0; i < VN_ARRAY_LEN(PATHS); i++)
        assert_null(vn_route_find(VN_WEB_GET, PATHS[i], ids, &allowed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_age, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_everywhere, setup, teardown),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
