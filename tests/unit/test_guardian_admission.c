/* Who waits for approval, and who comes from where nobody is let in. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "guardian/geo.h"
#include "guardian/http.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_for_approval, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_countries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_no_countries, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
