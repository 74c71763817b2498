/* Every allocation of the node's side towards Guardian fails once, jansson's
 * included: no crash, no leak, and never "malformed" or "refused" where memory was short, because a
 * node gives up on those. */
#include <stdlib.h>

#include "control/guardian_api.h"
#include "control/json_alloc.h"
#include "control/login_answer.h"
#include "support/oom.h"
#include "support/test.h"
#include "support/test_io.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define ID "AAAAAAAAAAAAAAAAAAAAAQ"
#define JWT                                                                                        \
    "aGVhZA.eyJzdWIiOiJBQUFBQUFBQUFBQUFBQUFBQUFBQUFRIiwicmxtIjoiQUFBQUFBQUFBQUFBQUFBQUFBQUFBUSJ9." \
    "c2ln"

static const char LOGIN[] =
    "{\"time\":1700000000000,\"expires_at\":1700043200000,\"conflux_id\":\"" ID
    "\",\"tag\":\"a\",\"ip4\":\"10.77.0.1\",\"ip6\":\"fd00::1\",\"certificate\":\"AQID\","
    "\"statement\":\"BAUG\",\"identities\":[{\"kind\":\"taint\",\"label\":\"home\",\"key\":\"" KEY
    "\"}],"
    "\"revocations\":[\"AQID\"],"
    "\"quarantine\":{\"number\":1,\"all\":false,\"addresses\":[\"fd00::2\"]},\"member_stun\":[{"
    "\"ip\":\"192.0.2.9\",\"port\":3478}],\"mtls_certificate\":"
    "\"PEM\",\"nats_jwt\":\"a.b.c\",\"other_keys\":\"AQID\","
    "\"hour_keys\":{\"generation\":1,\"first_hour\":472222,\"keys\":[\"" KEY "\"]},"
    "\"realm\":{\"id\":\"" ID
    "\",\"name\":\"home\",\"suite\":\"default\",\"access\":\"taints\",\"relay\":\"all\",\"rule\":1,"
    "\"ipv4\":\"10.77.0.0/16\",\"ipv6\":\"fd00::/64\",\"name_key\":\"" KEY
    "\",\"guardian_id\":\"" ID
    "\",\"guardian_ek\":\"AQID\",\"root_cert\":\"AQID\",\"issuing_cert\":\"AQID\","
    "\"command_cert\":\"AQID\",\"masters\":[\"tls://"
    "h:4222\"],\"ice_servers\":[{\"url\":\"stun:192.0.2.1\",\"ip\":\"192.0.2.1\"}],\"master_ca\":"
    "\"PEM\"}}";

static vn_status login_answer(void)
{
    struct vn_credentials *c = NULL;
    const vn_status st = vn_login_answer_parse(VN_SPAN_STR(LOGIN), &c);
    assert_int_equal(c != NULL, st == VN_OK);
    vn_credentials_free(c);
    return st;
}

static vn_status taint_answer(void)
{
    struct vn_taint_answer a;
    const vn_status st =
        vn_taint_answer_parse(VN_SPAN_LIT("{\"taints\":[\"x\"],\"statement\":\"AQID\","
                                          "\"identities\":[{\"kind\":\"taint\",\"label\":"
                                          "\"x\",\"key\":\"" KEY "\"}],\"nats_jwt\":\"a.b.c\","
                                          "\"generation\":1,\"other_keys\":\"AQID\"}"),
                              &a);
    if (st == VN_OK)
        vn_taint_answer_done(&a);
    return st;
}

static vn_status peers_answer(void)
{
    struct vn_peer_entry *list = NULL;
    size_t n;
    const vn_status st = vn_peers_answer_parse(
        VN_SPAN_LIT("{\"items\":[{\"conflux_id\":\"" ID
                    "\",\"tag\":\"a\",\"ip4\":\"10.77.0.1\",\"ip6\":\"fd00::1\"}]}"),
        &list, &n);
    free(list);
    return st;
}

static vn_status join_token(void)
{
    struct vn_join t = {.kind = VN_JOIN_CONFLUX, .cnsa = true, .jwt = JWT}, back;
    struct vn_id conflux, realm;
    VN_CLEANUP(vn_secret_strp) char *text = NULL;
    snprintf(t.guardian.urls[0], sizeof(t.guardian.urls[0]), "https://10.9.0.1:8443");
    t.guardian.url_count = 1;
    t.guardian.pinned = true;
    vn_status st = vn_join_format(&t, &text);
    if (st == VN_OK)
        st = vn_join_parse(VN_SPAN_STR(text), &back);
    return st == VN_OK ? vn_join_ids(back.jwt, &conflux, &realm) : st;
}

static void answers_and_tokens(void **state)
{
    (void)state;
    assert_true(vn_oom_each(login_answer, false) > 50);
    assert_true(vn_oom_each(taint_answer, false) > 10);
    assert_true(vn_oom_each(peers_answer, false) > 10);
    assert_true(vn_oom_each(join_token, false) > 10);
}

/* ---- requests, to a Guardian that is not there ---- */

struct asked {
    unsigned answers;
    vn_status status;
};

static void note(struct asked *a, const struct vn_authority_error *err)
{
    a->answers++;
    a->status = err ? err->status : VN_OK;
}

static void on_peers(void *arg, const struct vn_peer_entry *list, size_t count,
                     const struct vn_authority_error *err)
{
    (void)list;
    (void)count;
    note(arg, err);
}

static void on_taints(void *arg, const struct vn_taint_result *res,
                      const struct vn_authority_error *err)
{
    (void)res;
    note(arg, err);
}

static void on_login(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err)
{
    vn_credentials_free(cred);
    note(arg, err);
}

static struct test_io *io;

/* Everything is asked at once; what was accepted is answered, once, with something that a node
 * tries again after. */
static bool ask(size_t n)
{
    struct vn_guardian_address at = {
        .urls = {"https://127.0.0.1:9"}, .url_count = 1, .pinned = true};
    const struct vn_guardian_api_config cfg = {
        .io = test_io_port(io), .guardian = &at, .conflux_token = JWT};
    const char *taint = "home";
    const struct vn_login_request login = {.csr = VN_SPAN_LIT("csr")};
    struct asked a[3] = {0};
    vn_status st[3];
    struct vn_guardian_api *g = NULL;
    vn_oom_arm(n);
    const vn_status made = vn_guardian_api_new(&cfg, &g);
    if (made == VN_OK) {
        const struct vn_authority *p = vn_guardian_api_port(g);
        st[0] = p->login(p->self, &login, on_login, &a[0]);
        st[1] = p->change_taints(p->self, &taint, 1, NULL, 0, on_taints, &a[1]);
        st[2] = p->peers(p->self, on_peers, &a[2]);
        for (unsigned turns = 0; turns < 2000; turns++) {
            bool all = true;
            for (size_t i = 0; i < 3; i++)
                all &= st[i] != VN_OK || a[i].answers > 0;
            if (all)
                break;
            test_io_turn(io, 5);
        }
    }
    const bool failed = vn_oom_disarm();
    if (made != VN_OK)
        assert_status(VN_ERR_NOMEM, made);
    for (size_t i = 0; made == VN_OK && i < 3; i++) {
        assert_int_equal(a[i].answers, st[i] == VN_OK);
        if (st[i] == VN_OK)
            assert_true(a[i].status == VN_ERR_AGAIN || a[i].status == VN_ERR_NOMEM);
        else
            assert_status(VN_ERR_NOMEM, st[i]);
    }
    vn_guardian_api_free(g);
    return failed;
}

static void requests(void **state)
{
    (void)state;
    io = test_io_new();
    size_t n = 1;
    while (ask(n))
        n++;
    assert_in_range(n, 20, 10000);
    (void)test_io_free(io);
}

int main(void)
{
    vn_json_begin(); /* from here on jansson's allocations count */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_tokens),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
