/* Who waits for approval, who comes from where nobody is let in, and what is left of what went. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "guardian/admission.h"
#include "guardian/ephemeral.h"
#include "guardian/geo.h"
#include "guardian/http.h"
#include "guardian/public_node.h"
#include "guardian/revoked.h"
#include "support/guardian_world.h"
#include "support/mmdb.h"
#include "support/test.h"

/* A login in form, whose nonce is none: what it gets when it was let in as far as that. */
#define LOGIN                                                                                      \
    "{\"nonce\":\"A\",\"sig_pk\":\"A\",\"session_ek\":\"A\",\"nkey\":\"U\",\"csr\":\"A\","         \
    "\"sig\":\"A\",\"nkey_sig\":\"A\"}"
#define LET_IN 400
#define NOT_NOW 423

static struct vn_guardian_world w;
static struct vn_ip from;

static vn_status peer(struct vn_web_conn *c, struct vn_ip *ret)
{
    (void)c;
    *ret = from;
    return VN_OK;
}

static void ask(enum vn_web_method method, const char *path, const char *bearer, const char *body)
{
    vn_guardian_world_ask(&w, method, path, bearer, body);
}

static unsigned login(const char *bearer)
{
    ask(VN_WEB_POST, "/conflux/session/login", bearer, LOGIN);
    return w.status;
}

static void change_realm(const char *body)
{
    char id[VN_ID_TEXT], path[64];
    vn_id_format(&w.realm, id);
    snprintf(path, sizeof(path), "/realms/%s", id);
    ask(VN_WEB_POST, path, w.access, body);
    assert_int_equal(w.status, 200);
}

static const char *path_of(const char *conflux, const char *verb)
{
    static char path[96];
    snprintf(path, sizeof(path), "/conflux/%s%s", conflux, verb);
    return path;
}

/* Registers one; its id and token, the caller's. */
static void enrol(char ret_id[VN_ID_TEXT], char **ret_token, bool approved)
{
    ask(VN_WEB_POST, "/conflux/register", w.registration, "{}");
    assert_int_equal(w.status, 201);
    json_t *o = json_loads(w.text, 0, NULL);
    snprintf(ret_id, VN_ID_TEXT, "%s", json_string_value(json_object_get(o, "conflux_id")));
    *ret_token = strdup(json_string_value(json_object_get(o, "conflux_token")));
    assert_int_equal(json_is_true(json_object_get(o, "approved")), approved);
    assert_int_equal(json_array_size(json_object_get(o, "warnings")) > 0, true);
    json_decref(o);
}

static size_t listed(const char *filter)
{
    char id[VN_ID_TEXT], path[96];
    vn_id_format(&w.realm, id);
    snprintf(path, sizeof(path), "/conflux?realm=%s%s", id, filter);
    ask(VN_WEB_GET, path, w.access, NULL);
    assert_int_equal(w.status, 200);
    json_t *o = json_loads(w.text, 0, NULL);
    size_t n = json_array_size(json_object_get(o, "items"));
    json_decref(o);
    return n;
}

static size_t peers(void)
{
    ask(VN_WEB_GET, "/conflux/peers", w.conflux, NULL);
    assert_int_equal(w.status, 200);
    json_t *o = json_loads(w.text, 0, NULL);
    size_t n = json_array_size(json_object_get(o, "items"));
    json_decref(o);
    return n;
}

static int setup(void **state)
{
    (void)state;
    vn_guardian_world_init(&w);
    w.conn.peer = peer;
    assert_ok(vn_ip_parse("192.0.2.1", &from));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_guardian_world_done(&w);
    return 0;
}

static void test_waits_for_approval(void **state)
{
    (void)state;
    char first[VN_ID_TEXT], second[VN_ID_TEXT];
    char *one, *two;
    change_realm("{\"approval\":true}");
    ask(VN_WEB_POST, "/conflux/taints", w.conflux, "{\"add\":[\"home\"]}");
    assert_int_equal(login(w.conflux), LET_IN); /* who was there before stays */
    enrol(first, &one, false);
    enrol(second, &two, false);
    assert_int_equal(login(one), NOT_NOW);
    assert_non_null(strstr(w.text, "approval"));
    static const char *const PATHS[] = {"/conflux/session/nonce", "/conflux/peers",
                                        "/conflux/taints"};
    for (size_t i = 0; i < VN_ARRAY_LEN(PATHS); i++) { /* nor does it learn anything */
        ask(VN_WEB_GET, PATHS[i], one, NULL);
        assert_int_equal(w.status, NOT_NOW);
    }
    assert_int_equal(listed("&approved=false"), 2);
    assert_int_equal(listed("&approved=true"), 2);
    assert_int_equal(listed(""), 4);
    const size_t before = peers();
    ask(VN_WEB_POST, path_of(first, "/approve"), w.access, NULL);
    assert_int_equal(w.status, 200);
    assert_int_equal(login(one), LET_IN);
    assert_int_equal(login(two), NOT_NOW);
    ask(VN_WEB_POST, path_of(second, "/deny"), w.access, NULL);
    assert_int_equal(w.status, 204);
    assert_int_equal(login(two), 401);
    ask(VN_WEB_POST, path_of(first, "/deny"), w.access, NULL);
    assert_int_equal(w.status, 409);
    assert_int_equal(peers(), before);
    free(one);
    free(two);
}

/* A node that waits is nobody's peer; it may give up. */
static void test_waiting_is_not_there(void **state)
{
    (void)state;
    char id[VN_ID_TEXT];
    char *token;
    change_realm("{\"approval\":true}");
    const size_t before = peers();
    ask(VN_WEB_POST, "/conflux/register", w.registration, "{\"taints\":[\"db\"]}");
    assert_int_equal(w.status, 201);
    assert_int_equal(peers(), before);
    change_realm("{\"approval\":false}");
    ask(VN_WEB_POST, "/conflux/register", w.registration, "{\"taints\":[\"db\"]}");
    assert_int_equal(peers(), before + 1);
    change_realm("{\"approval\":true}");
    enrol(id, &token, false);
    ask(VN_WEB_DELETE, "/conflux/register", token, NULL);
    assert_int_equal(w.status, 204);
    assert_int_equal(listed("&approved=false"), 1);
    free(token);
}

/* The token alone may ask for it. */
static void test_token_asks(void **state)
{
    (void)state;
    char id[VN_ID_TEXT], body[96];
    char *token;
    vn_id_format(&w.realm, id);
    snprintf(body, sizeof(body), "{\"realm\":\"%s\",\"approval\":true}", id);
    ask(VN_WEB_POST, "/auth/registration-tokens", w.access, body);
    assert_int_equal(w.status, 201);
    json_t *o = json_loads(w.text, 0, NULL);
    vn_secret_strp(&w.registration);
    w.registration = strdup(json_string_value(json_object_get(o, "token")));
    assert_true(json_is_true(json_object_get(o, "approval")));
    json_decref(o);
    enrol(id, &token, false);
    assert_int_equal(login(token), NOT_NOW);
    free(token);
}

static void put_waiting(uint64_t created_ms, uint32_t i)
{
    struct vn_conflux_record c = {.realm = w.realm,
                                  .owner = w.user,
                                  .waiting = true,
                                  .created_ms = created_ms,
                                  .ip4 = 0x0a4d1000u + i};
    memcpy(c.id.b, &i, sizeof(i));
    c.id.b[15] = 1;
    snprintf(c.tag, sizeof(c.tag), "queue-%u", i);
    assert_ok(vn_store_conflux_add(w.g.store, &c));
}

/* Who has a token cannot fill the store with nodes that nobody wants. */
static void test_queue_is_bounded(void **state)
{
    (void)state;
    char id[VN_ID_TEXT];
    char *token;
    const uint64_t now_ms = vn_clock_wall_ms();
    change_realm("{\"approval\":true}");
    assert_ok(vn_store_begin(w.g.store));
    for (uint32_t i = 1; i < VN_WAITING_MAX; i++)
        put_waiting(now_ms, i);
    assert_ok(vn_store_commit(w.g.store));
    enrol(id, &token, false);
    ask(VN_WEB_POST, "/conflux/register", w.registration, "{}");
    assert_int_equal(w.status, 409);
    assert_non_null(strstr(w.text, "node waiting"));
    ask(VN_WEB_POST, path_of(id, "/deny"), w.access, NULL);
    assert_int_equal(w.status, 204);
    free(token);
    enrol(id, &token, false); /* there is room again */
    free(token);
    change_realm("{\"approval\":false}"); /* who need not wait is no part of it */
    enrol(id, &token, true);
    free(token);
}

static void test_nobody_waits_for_ever(void **state)
{
    (void)state;
    const uint64_t now_ms = vn_clock_wall_ms();
    size_t n;
    char id[VN_ID_TEXT];
    char *token;
    change_realm("{\"approval\":true}");
    enrol(id, &token, false);
    put_waiting(now_ms - VN_WAITING_MS / 2, 1);
    assert_ok(vn_ephemerals_sweep(&w.g, now_ms, &n));
    assert_int_equal(n, 0);
    assert_ok(vn_ephemerals_sweep(&w.g, now_ms + VN_WAITING_MS / 2 + 1000, &n));
    assert_int_equal(n, 1); /* the older one */
    assert_int_equal(listed("&approved=false"), 1);
    ask(VN_WEB_POST, path_of(id, "/approve"), w.access, NULL);
    assert_ok(vn_ephemerals_sweep(&w.g, now_ms + 10 * VN_WAITING_MS, &n));
    assert_int_equal(n, 0); /* who was let in stays */
    assert_int_equal(login(token), LET_IN);
    free(token);
}

/* ---- countries ---- */

static void come_from(const char *ip)
{
    assert_ok(vn_ip_parse(ip, &from));
}

static void unref(uv_handle_t *h, void *arg)
{
    (void)arg;
    uv_unref(h);
}

static void test_countries(void **state)
{
    (void)state;
    char path[] = "/tmp/vn-admission-XXXXXX";
    struct vn_buf file;
    struct mmdb_net nets[] = {{.country = "DE"}, {.country = "FR"}};
    assert_true(mkstemp(path) >= 0);
    vn_buf_init(&file, 1u << 20);
    assert_ok(vn_prefix_parse("192.0.2.0/24", &nets[0].prefix));
    assert_ok(vn_prefix_parse("2001:db8::/32", &nets[1].prefix));
    mmdb_write(nets, VN_ARRAY_LEN(nets), MMDB_ISO, &file);
    assert_ok(vn_file_write_atomic(path, vn_buf_span(&file), 0600));
    vn_buf_done(&file);
    assert_int_equal(login(w.conflux), LET_IN);

    change_realm("{\"countries\":[\"DE\",\"AT\"]}"); /* without a file all is unknown */
    assert_int_equal(login(w.conflux), LET_IN);
    change_realm("{\"unknown_country\":\"refuse\"}");
    assert_int_equal(login(w.conflux), NOT_NOW);
    w.g.cfg.geo_path = strdup(path);
    assert_ok(vn_geo_new(&w.g, &w.g.geo));
    uv_walk(w.g.uv, unref, NULL); /* a request is done when nothing else is left */

    static const struct {
        const char *ip;
        unsigned status;
    } CASES[] = {{"192.0.2.1", LET_IN}, {"2001:db8::1", NOT_NOW}, {"198.51.100.1", NOT_NOW}};
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        come_from(CASES[i].ip);
        assert_int_equal(login(w.conflux), CASES[i].status);
    }
    assert_non_null(strstr(w.text, "DE,AT"));
    assert_non_null(strstr(w.text, "198.51.100.1"));
    ask(VN_WEB_POST, "/conflux/session/renew", w.conflux, LOGIN);
    assert_int_equal(w.status, NOT_NOW);
    change_realm("{\"unknown_country\":\"admit\"}");
    assert_int_equal(login(w.conflux), LET_IN);
    come_from("2001:db8::1");
    assert_int_equal(login(w.conflux), NOT_NOW);
    assert_non_null(strstr(w.text, "FR"));
    change_realm("{\"countries\":[]}");
    assert_int_equal(login(w.conflux), NOT_NOW);
    change_realm("{\"countries\":\"*\"}");
    assert_int_equal(login(w.conflux), LET_IN);
    vn_geo_free(VN_TAKE(w.g.geo));
    uv_run(w.g.uv, UV_RUN_DEFAULT);
    (void)unlink(path);
}

static void test_refuses_no_countries(void **state)
{
    (void)state;
    static const char *const BAD[] = {"[\"de\"]", "[\"DEU\"]", "[\"\"]", "[\"D\\u0000\"]",
                                      "[\"D'\"]", "\"DE\"",    "[1]"};
    char id[VN_ID_TEXT], path[64], body[96];
    vn_id_format(&w.realm, id);
    snprintf(path, sizeof(path), "/realms/%s", id);
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        snprintf(body, sizeof(body), "{\"countries\":%s}", BAD[i]);
        ask(VN_WEB_POST, path, w.access, body);
        assert_int_equal(w.status, 400);
    }
}

static struct vn_request *held;

static void hold(struct vn_request *r)
{
    held = r;
}

/* A request that waits, for an identity provider perhaps, goes on when its connection is gone: then
 * nobody can say where it came from. */
static void test_who_goes_has_no_address(void **state)
{
    (void)state;
    struct vn_id ids[2];
    unsigned allowed;
    struct vn_conflux_record node;
    struct vn_addr addr;
    struct vn_request whole = {
        .g = &w.g, .route = vn_route_find(VN_WEB_POST, "/conflux/register", ids, &allowed)};
    VN_CLEANUP(vn_json_freep) json_t *body = json_pack("{s:i}", "public_port", 3478);
    assert_ok(vn_store_conflux_get(w.g.store, &w.node, &node));
    vn_web_dispatch_part(&whole, &w.conn, &node, body, hold);
    assert_true(vn_public_node_wanted(held, &addr));
    vn_web_forget(&w.conn);
    assert_false(vn_public_node_wanted(held, &addr)); /* which also ends it */
}

/* What was kept of a deleted realm would else take the place of new ones. */
static void test_deleted_realm_is_forgotten(void **state)
{
    (void)state;
    char path[64], name[VN_ID_TEXT];
    struct vn_id id;
    struct vn_revoked *revoked;
    ask(VN_WEB_POST, "/realms", w.access, "{\"name\":\"work\"}");
    assert_int_equal(w.status, 201);
    assert_ok(vn_store_realm_by_name(w.g.store, "work", &id));
    assert_ok(vn_revoked_get(&w.g, &id, vn_clock_wall_ms(), &revoked));
    vn_revoked_unref(revoked);
    assert_non_null(vn_map_get(w.g.revoked, id.b));
    vn_id_format(&id, name);
    snprintf(path, sizeof(path), "/realms/%s", name);
    ask(VN_WEB_DELETE, path, w.access, NULL);
    assert_int_equal(w.status, 204);
    assert_null(vn_map_get(w.g.revoked, id.b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_for_approval, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_countries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_no_countries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_goes_has_no_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_realm_is_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
