#include "conflux/local_api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/writer.h"
#include "conflux/client.h"
#include "conflux/local_socket.h"
#include "support/guard.h"
#include "support/test.h"
#include "support/test_io.h"

static char dir[64];
static struct test_io *tio;

static int setup(void **state)
{
    (void)state;
    tio = test_io_new();
    snprintf(dir, sizeof(dir), "/tmp/vn-local-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    test_io_free(tio);
    vn_local_unlink(dir);
    return rmdir(dir);
}

/* ---- framing ---- */

static struct vn_buf request_bytes(const char *name)
{
    Vn__Local__Resolve q = VN__LOCAL__RESOLVE__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    struct vn_buf b;
    q.name = (char *)name;
    rq.id = 7;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_RESOLVE;
    rq.resolve = &q;
    vn_buf_init(&b, 65536);
    assert_ok(vn_local_put(&b, &rq.base));
    return b;
}

static void test_framing(void **state)
{
    (void)state;
    struct vn_buf b = request_bytes("db1");
    struct vn_guard g;
    struct vn_span bytes;
    size_t used = 0;
    vn_guard_init(&g, b.len);
    for (size_t n = 0; n < b.len; n++)
        assert_status(VN_ERR_AGAIN,
                      vn_local_next(vn_guard_copy(&g, VN_SPAN(b.p, n)), &bytes, &used));
    assert_ok(vn_local_next(vn_guard_copy(&g, vn_buf_span(&b)), &bytes, &used));
    assert_int_equal(used, b.len);
    Vn__Local__Request *r = vn_local_request(bytes);
    assert_non_null(r);
    assert_int_equal(r->id, 7);
    assert_string_equal(r->resolve->name, "db1");
    vn__local__request__free_unpacked(r, NULL);
    /* every truncation of the message itself */
    for (size_t n = 0; n < bytes.n; n++)
        assert_null(vn_local_request(VN_SPAN(bytes.p, n)));
    vn_guard_done(&g);
    vn_buf_done(&b);

    static const uint8_t TOO_LONG[] = {0, 0x10, 0, 1};
    assert_status(VN_ERR_LIMIT, vn_local_next(VN_SPAN_ARRAY(TOO_LONG), &bytes, &used));
    static const uint8_t HUGE_LENGTH[] = {0xff, 0xff, 0xff, 0xff};
    assert_status(VN_ERR_LIMIT, vn_local_next(VN_SPAN_ARRAY(HUGE_LENGTH), &bytes, &used));
    static const uint8_t EMPTY[] = {0, 0, 0, 0};
    assert_ok(vn_local_next(VN_SPAN_ARRAY(EMPTY), &bytes, &used));
    assert_int_equal(used, 4);
    assert_null(vn_local_request(bytes)); /* of no kind */
}

static void test_limits(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    static const char *const NAMES[] = {"", NULL};
    for (size_t i = 0; i < VN_ARRAY_LEN(NAMES); i++) {
        struct vn_buf b = request_bytes(NAMES[i] ? NAMES[i] : name);
        assert_null(vn_local_request(VN_SPAN(b.p + 4, b.len - 4)));
        vn_buf_done(&b);
    }
    char *labels[17];
    for (size_t i = 0; i < 17; i++)
        labels[i] = name + sizeof(name) - 4;
    for (size_t n = 16; n <= 17; n++) {
        Vn__Local__TaintChange t = VN__LOCAL__TAINT_CHANGE__INIT;
        Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
        t.add = labels;
        t.n_add = n;
        rq.kind_case = VN__LOCAL__REQUEST__KIND_TAINTS;
        rq.taints = &t;
        struct vn_buf b;
        vn_buf_init(&b, 65536);
        assert_ok(vn_local_put(&b, &rq.base));
        Vn__Local__Request *r = vn_local_request(VN_SPAN(b.p + 4, b.len - 4));
        assert_int_equal(r != NULL, n == 16);
        if (r)
            vn__local__request__free_unpacked(r, NULL);
        vn_buf_done(&b);
    }
}

/* ---- server ---- */

struct server {
    struct vn_local_api *api;
    struct vn_local_call *held[32];
    size_t count;
    bool hold;
};

static void answer(struct vn_local_call *call)
{
    Vn__Local__Taints t = VN__LOCAL__TAINTS__INIT;
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_TAINTS;
    r.taints = &t;
    vn_local_answer(call, &r);
}

static void on_request(void *arg, struct vn_local_call *call, const Vn__Local__Request *r)
{
    struct server *s = arg;
    if (r->kind_case == VN__LOCAL__REQUEST__KIND_STOP) {
        vn_local_answer_error(call, VN_EXIT_REFUSED, "it may not");
        return;
    }
    s->count++;
    if (s->hold)
        s->held[s->count - 1] = call;
    else
        answer(call);
}

static void serve(struct server *s)
{
    int fd;
    assert_ok(vn_local_listen(dir, &fd));
    const struct vn_local_api_config cfg = {
        .io = test_io_port(tio), .fd = fd, .arg = s, .request = on_request};
    assert_ok(vn_local_api_new(&cfg, &s->api));
}

static void turn(int n)
{
    for (int i = 0; i < n; i++)
        test_io_turn(tio, 2);
}

static void test_socket_mode(void **state)
{
    (void)state;
    struct server s = {0};
    char path[128];
    struct stat sb;
    serve(&s);
    snprintf(path, sizeof(path), "%s/" VN_SOCKET_NAME, dir);
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0660);
    vn_local_api_free(s.api);
}

static void test_many_requests_at_once(void **state)
{
    (void)state;
    struct server s = {0};
    int fd;
    serve(&s);
    assert_ok(vn_local_connect(dir, &fd));
    struct vn_buf b = request_bytes("x"), all;
    vn_buf_init(&all, 1 << 20);
    for (int i = 0; i < 500; i++)
        assert_ok(vn_buf_append(&all, b.p, b.len));
    assert_int_equal(send(fd, all.p, all.len, 0), all.len);
    turn(20);
    assert_int_equal(s.count, 500);
    /* byte by byte */
    for (size_t i = 0; i < b.len; i++) {
        assert_int_equal(send(fd, b.p + i, 1, 0), 1);
        turn(1);
        assert_int_equal(s.count, i + 1 < b.len ? 500 : 501);
    }
    close(fd);
    turn(2);
    vn_local_api_free(s.api);
    vn_buf_done(&b);
    vn_buf_done(&all);
}

static void test_calls_wait_their_turn(void **state)
{
    (void)state;
    struct server s = {.hold = true};
    int fd;
    serve(&s);
    assert_ok(vn_local_connect(dir, &fd));
    struct vn_buf b = request_bytes("x");
    for (int i = 0; i < 20; i++)
        assert_int_equal(send(fd, b.p, b.len, 0), b.len);
    turn(10);
    assert_int_equal(s.count, VN_LOCAL_CALLS_MAX);
    for (size_t i = 0; i < 20; i++) {
        assert_true(s.count > i);
        answer(s.held[i]);
        turn(3);
    }
    assert_int_equal(s.count, 20);
    /* the client goes, its calls do not */
    assert_int_equal(send(fd, b.p, b.len, 0), b.len);
    turn(3);
    close(fd);
    turn(3);
    answer(s.held[20]);
    /* the server goes, its calls do not */
    assert_ok(vn_local_connect(dir, &fd));
    assert_int_equal(send(fd, b.p, b.len, 0), b.len);
    turn(3);
    assert_int_equal(s.count, 22);
    vn_local_api_free(s.api);
    answer(s.held[21]);
    close(fd);
    vn_buf_done(&b);
}

static void test_garbage_ends_the_connection(void **state)
{
    (void)state;
    struct server s = {0};
    serve(&s);
    static const uint8_t BAD[][8] = {
        {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0}, {0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff}};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        int fd;
        uint8_t byte;
        assert_ok(vn_local_connect(dir, &fd));
        assert_int_equal(send(fd, BAD[i], 8, 0), 8);
        turn(3);
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
        close(fd);
    }
    assert_int_equal(s.count, 0);
    /* more connections than it takes: the later ones are closed, and room comes back */
    int fds[VN_LOCAL_CLIENTS_MAX + 4];
    for (size_t i = 0; i < VN_ARRAY_LEN(fds); i++) {
        assert_ok(vn_local_connect(dir, &fds[i]));
        turn(1);
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(fds); i++)
        close(fds[i]);
    turn(VN_ARRAY_LEN(fds) * 2);
    struct vn_buf b = request_bytes("x");
    assert_ok(vn_local_connect(dir, &fds[0]));
    assert_int_equal(send(fds[0], b.p, b.len, 0), b.len);
    turn(4);
    assert_int_equal(s.count, 1);
    close(fds[0]);
    turn(2);
    vn_buf_done(&b);
    vn_local_api_free(s.api);
}

/* ---- client ---- */

struct asking {
    bool stop;
    vn_status st;
    struct vn_client_error err;
    Vn__Local__Response *r;
    atomic_bool done;
};

static void *ask(void *arg)
{
    struct asking *a = arg;
    Vn__Local__Nothing nothing = VN__LOCAL__NOTHING__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    rq.kind_case = a->stop ? VN__LOCAL__REQUEST__KIND_STOP : VN__LOCAL__REQUEST__KIND_STATUS;
    rq.status = &nothing;
    a->st = vn_client_ask(dir, &rq, 3000, &a->r, &a->err);
    a->done = true;
    return NULL;
}

static void test_client(void **state)
{
    (void)state;
    struct server s = {0};
    struct asking a = {0};
    vn_local_unlink(dir);
    ask(&a);
    assert_status(VN_ERR_NOTFOUND, a.st);
    assert_int_equal(a.err.exit, VN_EXIT_NOT_RUNNING);
    assert_non_null(strstr(a.err.text, "run"));
    serve(&s);
    for (int stop = 0; stop < 2; stop++) {
        pthread_t t;
        a = (struct asking){.stop = stop == 1};
        assert_int_equal(pthread_create(&t, NULL, ask, &a), 0);
        while (!a.done)
            turn(1);
        pthread_join(t, NULL);
        if (stop) {
            assert_status(VN_ERR_DENIED, a.st);
            assert_int_equal(a.err.exit, VN_EXIT_REFUSED);
            assert_string_equal(a.err.text, "it may not");
        } else {
            assert_status(VN_OK, a.st);
            assert_int_equal(a.r->kind_case, VN__LOCAL__RESPONSE__KIND_TAINTS);
            vn__local__response__free_unpacked(a.r, NULL);
        }
    }
    turn(3);
    vn_local_api_free(s.api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_socket_mode),
        cmocka_unit_test(test_many_requests_at_once),
        cmocka_unit_test(test_calls_wait_their_turn),
        cmocka_unit_test(test_garbage_ends_the_connection),
        cmocka_unit_test(test_client),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
