/* What a node answers ends in JSON, whatever it says. */
#include <stdlib.h>

#include "anchor.pb-c.h"
#include "base/limits.h"
#include "guardian/command.h"
#include "guardian/json.h"
#include "support/test.h"

static ProtobufCBinaryData bytes(const void *p, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)p};
}

static const uint8_t IP[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 77, [15] = 2};
static const uint8_t ID[16] = {1};

static void test_info(void **state)
{
    (void)state;
    ProtobufCBinaryData addrs[] = {bytes(IP, 16)};
    char *taints[] = {(char *)"home", (char *)"\xff"};
    Vn__NodeInfo i = VN__NODE_INFO__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    i.version = (char *)"1\x1b[2J";
    i.conflux = bytes(ID, 16);
    i.tag = (char *)"b\xc3\x28"; /* no UTF-8 */
    i.addrs = addrs;
    i.n_addrs = 1;
    i.taints = taints;
    i.n_taints = 2;
    i.uptime_ms = UINT64_MAX;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_INFO;
    m.info = &i;
    json_t *j = vn_command_answer_json(&m);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "tag")), "");
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "addresses"), 0)),
                        "10.77.0.2");
    assert_int_equal(json_array_size(json_object_get(j, "taints")), 2);
    assert_int_equal(json_integer_value(json_object_get(j, "uptime_ms")), INT64_MAX);
    char *text = json_dumps(j, JSON_COMPACT);
    assert_null(strchr(text, 0x1b));
    free(text);
    json_decref(j);
    i.conflux = bytes(ID, 15);
    assert_null(vn_command_answer_json(&m));
    i.conflux = bytes(ID, 16);
    addrs[0] = bytes(IP, 4); /* left out */
    j = vn_command_answer_json(&m);
    assert_int_equal(json_array_size(json_object_get(j, "addresses")), 0);
    json_decref(j);
}

static void test_networks(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint32_t bits;
        const char *want; /* NULL: left out */
    } CASES[] = {{16, 120, "10.77.0.2/24"}, {16, 128, "10.77.0.2/32"},
                 {16, 129, NULL},           {16, 95, NULL},
                 {15, 120, NULL},           {16, UINT32_MAX, NULL}};
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        Vn__NodeNetwork one = VN__NODE_NETWORK__INIT, *list[] = {&one};
        Vn__NodeNetworks all = VN__NODE_NETWORKS__INIT;
        Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
        one.interface = (char *)"eth0";
        one.addr = bytes(IP, CASES[i].len);
        one.bits = CASES[i].bits;
        all.networks = list;
        all.n_networks = 1;
        m.detail_case = VN__COMMAND_ANSWER__DETAIL_NETWORKS;
        m.networks = &all;
        json_t *j = vn_command_answer_json(&m), *items = json_object_get(j, "items");
        assert_int_equal(json_array_size(items), CASES[i].want ? 1 : 0);
        if (CASES[i].want)
            assert_string_equal(
                json_string_value(json_object_get(json_array_get(items, 0), "network")),
                CASES[i].want);
        json_decref(j);
    }
}

static void test_sessions_and_health(void **state)
{
    (void)state;
    Vn__NodeSession good = VN__NODE_SESSION__INIT, bad = VN__NODE_SESSION__INIT;
    Vn__NodeSession *list[] = {&bad, &good};
    Vn__NodeSessions all = VN__NODE_SESSIONS__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    good.node = bytes(ID, 16);
    bad.node = bytes(ID, 17);
    all.total = UINT32_MAX;
    all.sessions = list;
    all.n_sessions = 2;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_SESSIONS;
    m.sessions = &all;
    json_t *j = vn_command_answer_json(&m);
    assert_int_equal(json_array_size(json_object_get(j, "items")), 1);
    assert_int_equal(json_integer_value(json_object_get(j, "total")), UINT32_MAX);
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(j, "items"), 0), "tx_state")));
    json_decref(j);

    Vn__NodeCounter c = VN__NODE_COUNTER__INIT, odd = VN__NODE_COUNTER__INIT;
    Vn__NodeCounter *counters[] = {&c, &odd};
    Vn__NodeHealth h = VN__NODE_HEALTH__INIT;
    c.name = (char *)"frames_sealed";
    c.value = 7;
    odd.name = (char *)"\xff";
    h.counters = counters;
    h.n_counters = 2;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_HEALTH;
    m.health = &h;
    j = vn_command_answer_json(&m);
    assert_int_equal(json_object_size(json_object_get(j, "counters")), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(j, "counters"), "frames_sealed")), 7);
    json_decref(j);
}

static void test_routes_and_remotes(void **state)
{
    (void)state;
    ProtobufCBinaryData via[] = {bytes(ID, 16), bytes(ID, 3)};
    Vn__NodeWay direct = VN__NODE_WAY__INIT, wrong = VN__NODE_WAY__INIT;
    Vn__NodeWay *ways[] = {&direct, &wrong};
    Vn__NodeRoute good = VN__NODE_ROUTE__INIT, bad = VN__NODE_ROUTE__INIT;
    Vn__NodeRoute *list[] = {&bad, &good};
    Vn__NodeRoutes all = VN__NODE_ROUTES__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    direct.why = (char *)"in_use\xff";
    wrong.relay = bytes(ID, 15);
    good.node = bytes(ID, 16);
    good.via = via;
    good.n_via = 2;
    good.ways = bad.ways = ways;
    good.n_ways = bad.n_ways = 2;
    bad.node = bytes(ID, 0);
    all.routes = list;
    all.n_routes = 2;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_ROUTES;
    m.routes = &all;
    json_t *j = vn_command_answer_json(&m), *items = json_object_get(j, "items");
    const json_t *route = json_array_get(items, 0);
    assert_int_equal(json_array_size(items), 1);
    assert_int_equal(json_array_size(json_object_get(route, "via")), 1);
    assert_int_equal(json_array_size(json_object_get(route, "ways")), 1);
    const json_t *way = json_array_get(json_object_get(route, "ways"), 0);
    assert_true(json_is_null(json_object_get(way, "relay")));
    assert_string_equal(json_string_value(json_object_get(way, "why")), "");
    json_decref(j);

    Vn__NodeRemote ok = VN__NODE_REMOTE__INIT, nobody = ok, nowhere = ok;
    Vn__NodeRemote *networks[] = {&nobody, &nowhere, &ok};
    Vn__NodeRemotes remotes = VN__NODE_REMOTES__INIT;
    ok.node = nowhere.node = bytes(ID, 16);
    nobody.node = bytes(ID, 17);
    ok.addr = nobody.addr = bytes(IP, 16);
    nowhere.addr = bytes(IP, 15);
    ok.bits = nobody.bits = nowhere.bits = 120;
    remotes.networks = networks;
    remotes.n_networks = 3;
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_REMOTES;
    m.remotes = &remotes;
    j = vn_command_answer_json(&m);
    items = json_object_get(j, "items");
    assert_int_equal(json_array_size(items), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 0), "network")),
                        "10.77.0.2/24");
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_sessions_and_health),
        cmocka_unit_test(test_routes_and_remotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
