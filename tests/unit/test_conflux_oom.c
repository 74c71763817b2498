/* Every allocation of settings, command line and local API fails once: nothing is half done. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conflux/config.h"
#include "conflux/local_api.h"
#include "conflux/local_socket.h"
#include "conflux/options.h"
#include "control/json_alloc.h"
#include "crypto/suite.h"
#include "support/oom.h"
#include "support/test.h"
#include "support/test_io.h"

static char dir[] = "/tmp/vn-oom-XXXXXX";

static struct vn_conflux_config sample(const char *tag)
{
    struct vn_conflux_config c = {.suite = VN_SUITE_DEFAULT, .mtu_bytes = 1400, .idle_ms = 5000};
    snprintf(c.guardian.urls[0], sizeof(c.guardian.urls[0]), "https://10.9.0.1:8443");
    c.guardian.url_count = 1;
    c.guardian.pinned = true;
    snprintf(c.token, sizeof(c.token), "head.pay-load_.sig");
    snprintf(c.realm_name, sizeof(c.realm_name), "home");
    snprintf(c.tag, sizeof(c.tag), "%s", tag);
    assert_ok(vn_ip_parse("10.77.0.3", &c.ip4));
    return c;
}

/* ---- settings on disk ---- */

static vn_status save(void)
{
    const struct vn_conflux_config c = sample("new");
    return vn_config_save(dir, VN_CONFIG_REGISTERED, &c);
}

static vn_status load(void)
{
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config c = {0};
    const vn_status st = vn_config_load(dir, VN_CONFIG_REGISTERED, &c);
    assert_int_equal(st == VN_OK, c.tag[0] != 0);
    return st;
}

static void settings(void **state)
{
    (void)state;
    /* What was there stays until the new file is whole. */
    for (size_t n = 1;; n++) {
        const struct vn_conflux_config old = sample("old");
        struct vn_conflux_config now;
        assert_ok(vn_config_save(dir, VN_CONFIG_REGISTERED, &old));
        vn_oom_arm(n);
        const vn_status st = save();
        const bool failed = vn_oom_disarm();
        assert_ok(vn_config_load(dir, VN_CONFIG_REGISTERED, &now));
        assert_string_equal(now.tag, st == VN_OK ? "new" : "old");
        if (!failed) {
            assert_ok(st);
            assert_true(n > 20);
            break;
        }
        assert_status(VN_ERR_NOMEM, st);
    }
    assert_true(vn_oom_each(load, false) > 20);
}

/* ---- command line ---- */

static vn_status options(void)
{
    char words[][32] = {"veilnet-conflux", "register", "-t", "vn1.secret",
                        "--taints",        "a,b,c",    "-g", "https://h"};
    char *argv[VN_ARRAY_LEN(words) + 1] = {0};
    struct vn_options o;
    char error[256] = "";
    for (size_t i = 0; i < VN_ARRAY_LEN(words); i++)
        argv[i] = words[i];
    const vn_status st = vn_options_parse((int)VN_ARRAY_LEN(words), argv, &o, error);
    if (st == VN_OK) {
        assert_string_equal(o.token, "vn1.secret");
        assert_int_equal(o.taint_count, 3);
        assert_string_equal(o.taints[2], "c");
    } else {
        assert_string_equal(error, "out of memory");
    }
    vn_options_done(&o);
    return st;
}

static void command_line(void **state)
{
    (void)state;
    assert_true(vn_oom_each(options, false) >= 2);
}

/* ---- local API ---- */

static struct test_io *io;
static unsigned asked;

static void on_request(void *arg, struct vn_local_call *call, const Vn__Local__Request *r)
{
    (void)arg;
    asked++;
    assert_int_equal(r->kind_case, VN__LOCAL__REQUEST__KIND_RESOLVE);
    vn_local_answer_error(call, 3, "no such name");
}

static struct vn_buf request_bytes(void)
{
    Vn__Local__Resolve q = VN__LOCAL__RESOLVE__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    struct vn_buf b;
    q.name = (char *)"db1";
    rq.id = 7;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_RESOLVE;
    rq.resolve = &q;
    vn_buf_init(&b, 65536);
    assert_ok(vn_local_put(&b, &rq.base));
    return b;
}

/* A client asks until it is answered: a connection that was lost for want of memory is made anew.
 */
static void ask(const struct vn_buf *rq)
{
    for (unsigned tries = 0;; tries++) {
        assert_true(tries < 3);
        int fd;
        uint8_t in[256];
        ssize_t n = -1;
        assert_ok(vn_local_connect(dir, &fd));
        assert_true(send(fd, rq->p, rq->len, MSG_NOSIGNAL) == (ssize_t)rq->len);
        for (unsigned turns = 0; n < 0 && turns < 100; turns++) {
            test_io_turn(io, 2);
            n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
        }
        close(fd);
        if (n > VN_LOCAL_HEAD)
            return;
        test_io_turn(io, 0); /* the server sees that it is gone */
    }
}

static void local_api(void **state)
{
    (void)state;
    io = test_io_new();
    struct vn_buf rq = request_bytes();
    for (size_t n = 1;; n++) {
        struct vn_local_api_config cfg = {.io = test_io_port(io), .request = on_request};
        struct vn_local_api *server = NULL;
        assert_ok(vn_local_listen(dir, &cfg.fd));
        vn_oom_arm(n);
        const vn_status st = vn_local_api_new(&cfg, &server);
        if (st == VN_OK)
            ask(&rq);
        const bool failed = vn_oom_disarm();
        if (st != VN_OK)
            assert_status(VN_ERR_NOMEM, st);
        else
            ask(&rq); /* and then as if nothing had been */
        vn_local_api_free(server);
        vn_local_unlink(dir);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
    assert_true(asked > 5);
    vn_buf_done(&rq);
    (void)test_io_free(io);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)!vn_config_remove(dir, VN_CONFIG_REGISTERED);
    return rmdir(dir);
}

int main(void)
{
    vn_json_begin(); /* from here on jansson's allocations count */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
        cmocka_unit_test(command_line),
        cmocka_unit_test(local_api),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
