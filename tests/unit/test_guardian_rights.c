/* Rights of nodes: from their token, changed by an administrator, in their certificate. */
#include "guardian/http.h"
#include "support/guardian_world.h"
#include "support/test.h"

static struct vn_guardian_world w;
static char node_path[96], node[VN_ID_TEXT];

static int setup(void **state)
{
    (void)state;
    vn_guardian_world_init(&w);
    vn_id_format(&w.node, node);
    snprintf(node_path, sizeof(node_path), "/conflux/%s/rights", node);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_guardian_world_done(&w);
    return 0;
}

static unsigned change(const char *body)
{
    vn_guardian_world_ask(&w, VN_WEB_POST, node_path, w.access, body);
    return w.status;
}

static struct vn_rights stored(void)
{
    struct vn_conflux_record c;
    assert_ok(vn_store_conflux_get(w.g.store, &w.node, &c));
    return c.rights;
}

static void test_an_administrator_changes_them(void **state)
{
    (void)state;
    assert_int_equal(stored().bits, VN_RIGHT_RELAY);
    assert_int_equal(change("{\"conduit\":true,\"portal\":[\"192.168.1.0/24\",\"fd00:77::/"
                            "32\",\"192.168.1.0/24\"]}"),
                     200);
    struct vn_rights r = stored();
    assert_int_equal(r.bits, VN_RIGHT_RELAY | VN_RIGHT_CONDUIT | VN_RIGHT_PORTAL);
    assert_int_equal(r.portal_n, 2);
    assert_int_equal(r.portal[0].bits, 120);
    assert_int_equal(change("{\"relay\":false}"), 200); /* what is not named stays */
    r = stored();
    assert_int_equal(r.bits, VN_RIGHT_CONDUIT | VN_RIGHT_PORTAL);
    assert_int_equal(r.portal_n, 2);
    assert_int_equal(change("{\"portal\":[],\"conduit\":false}"), 200);
    r = stored();
    assert_int_equal(r.bits, 0);
    assert_int_equal(r.portal_n, 0);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        unsigned status;
    } BAD[] = {
        {"{\"portal\":[\"192.168.1.1/24\"]}", 400},
        {"{\"portal\":[\"0.0.0.0/0\"]}", 400},
        {"{\"portal\":[\"::/0\"]}", 400},
        {"{\"portal\":[\"everything\"]}", 400},
        {"{\"portal\":[\"10.77.3.0/24\"]}", 409},
        {"{\"portal\":[\"10.0.0.0/8\"]}", 409},
        {"{\"portal\":[\"fd00::/8\"]}", 409},
        {"{\"portal\":[\"192.168.1.0/24,10.0.0.0/9\"]}", 400},
        {"{\"portal\":\"*\"}", 400},
        {"{\"browser\":true}", 400},
        {"{\"relay\":1}", 400},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        assert_int_equal(change(BAD[i].body), BAD[i].status);
        assert_int_equal(stored().bits, VN_RIGHT_RELAY);
    }
    char many[4096] = "{\"portal\":[";
    for (int i = 0; i <= VN_CERT_PREFIXES_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s\"192.168.%d.0/24\"",
                 i ? "," : "", i);
    snprintf(many + strlen(many), sizeof(many) - strlen(many), "]}");
    assert_int_equal(change(many), 400);
}

/* Nodes have what their token says. */
static void test_tokens_say_them(void **state)
{
    (void)state;
    char id[VN_ID_TEXT], body[200];
    vn_id_format(&w.realm, id);
    snprintf(body, sizeof(body),
             "{\"realm\":\"%s\",\"relay\":false,\"portal\":[\"172.16.0.0/12\"]}", id);
    vn_guardian_world_ask(&w, VN_WEB_POST, "/auth/registration-tokens", w.access, body);
    assert_int_equal(w.status, 201);
    json_t *o = json_loads(w.text, 0, NULL);
    char *token = strdup(json_string_value(json_object_get(o, "token")));
    json_decref(o);
    vn_guardian_world_ask(&w, VN_WEB_POST, "/conflux/register", token, "{}");
    assert_int_equal(w.status, 201);
    free(token);
    o = json_loads(w.text, 0, NULL);
    struct vn_conflux_record c;
    struct vn_id conflux;
    assert_ok(
        vn_id_parse(VN_SPAN_STR(json_string_value(json_object_get(o, "conflux_id"))), &conflux));
    json_decref(o);
    assert_ok(vn_store_conflux_get(w.g.store, &conflux, &c));
    assert_int_equal(c.rights.bits, VN_RIGHT_PORTAL);
    assert_int_equal(c.rights.portal_n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_administrator_changes_them, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_say_them, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
