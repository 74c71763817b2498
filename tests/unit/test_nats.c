/* The control channel against a real nats-server on the loopback: mutual TLS, whom it trusts,
 * reconnecting, hand-over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "control/nats.h"
#include "crypto/nkey.h"
#include "crypto/x509.h"
#include "loop/io.h"
#include "loop/loop.h"

struct world {
    char dir[64];
    pid_t server;
    int port;
    char *ca_key, *ca_cert, *other_ca_cert;
    char *server_key, *server_cert;
    char *client_key, *client_cert;
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_nats *clients[2]; /* of the test that runs */
};

struct seen {
    enum vn_control_state state;
    unsigned ups, downs, refusals;
    unsigned slow; /* of downs: a new connection took long, and nothing was lost */
    char reason[256];
    unsigned messages, probes;
    char last[64];
};

#define PROBE "is it there?"

static struct world w;

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", w.dir, name);
    assert_int_equal(vn_file_write_atomic(path, VN_SPAN_STR(text), 0600), VN_OK);
}

static void start_server(const char *extra)
{
    char conf[1024], path[128];
    snprintf(conf, sizeof(conf),
             "listen: 127.0.0.1:%d\nports_file_dir: \"%s\"\ntls { cert_file: "
             "\"%s/s.pem\"\nkey_file: \"%s/s.key\"\n"
             "ca_file: \"%s/ca.pem\"\nverify: true\ntimeout: 20 }\n%s\n",
             w.port ? w.port : -1, w.dir, w.dir, w.dir, w.dir, extra);
    write_file("conf", conf);
    snprintf(path, sizeof(path), "%s/conf", w.dir);
    w.server = fork();
    if (w.server == 0) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        execlp("nats-server", "nats-server", "-c", path, (char *)NULL);
        _exit(127);
    }
    char ports[160];
    snprintf(ports, sizeof(ports), "%s/nats-server_%d.ports", w.dir, (int)w.server);
    for (int i = 0; i < 1000; i++) {
        FILE *f = fopen(ports, "re");
        char text[512] = "";
        if (f) {
            const size_t n = fread(text, 1, sizeof(text) - 1, f);
            text[n] = 0;
            fclose(f);
            const char *at = strstr(text, "127.0.0.1:");
            if (at) {
                w.port = (int)strtol(at + 10, NULL, 10);
                return;
            }
        }
        usleep(10000);
    }
    fail_msg("nats-server does not start");
}

static void stop_server(void)
{
    if (w.server > 0) {
        kill(w.server, SIGKILL);
        waitpid(w.server, NULL, 0);
    }
    w.server = 0;
}

static int setup(void **state)
{
    (void)state;
    if (access("/usr/sbin/nats-server", X_OK) != 0 && access("/usr/bin/nats-server", X_OK) != 0)
        exit(77);
    setenv("PATH", "/usr/local/bin:/usr/bin:/usr/sbin:/bin", 1);
    snprintf(w.dir, sizeof(w.dir), "/tmp/vn-nats-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    const uint64_t from = vn_clock_wall_ms() - 86400000, to = from + 10 * 86400000ull;
    const char *hosts[] = {"127.0.0.1"};
    char *other_key;
    uint8_t *csr;
    size_t csr_n;
    assert_int_equal(vn_tls_key_new(&w.ca_key), VN_OK);
    assert_int_equal(vn_tls_key_new(&other_key), VN_OK);
    assert_int_equal(vn_tls_key_new(&w.server_key), VN_OK);
    assert_int_equal(vn_tls_key_new(&w.client_key), VN_OK);
    assert_int_equal(vn_tls_ca_new(w.ca_key, "ca", from, to, &w.ca_cert), VN_OK);
    assert_int_equal(vn_tls_ca_new(other_key, "other", from, to, &w.other_ca_cert), VN_OK);
    vn_secret_strp(&other_key);
    VN_CLEANUP(vn_tls_ca_freep) struct vn_tls_ca *ca = NULL;
    assert_int_equal(vn_tls_ca_open(w.ca_key, w.ca_cert, &ca), VN_OK);
    assert_int_equal(vn_tls_ca_issue_server(ca, w.server_key, hosts, 1, from, to, &w.server_cert),
                     VN_OK);
    assert_int_equal(vn_tls_csr(w.client_key, "node", &csr, &csr_n), VN_OK);
    assert_int_equal(
        vn_tls_ca_issue_client(ca, VN_SPAN(csr, csr_n), "node", from, to, &w.client_cert), VN_OK);
    free(csr);
    write_file("ca.pem", w.ca_cert);
    write_file("s.pem", w.server_cert);
    write_file("s.key", w.server_key);
    assert_int_equal(vn_loop_new(&w.loop), VN_OK);
    w.io = (struct vn_io)VN_LOOP_IO(w.loop);
    return 0;
}

static void free_clients(void)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(w.clients); i++)
        w.clients[i] = vn_nats_free(w.clients[i]);
}

/* Also after a failure: the next test has the same loop, and its server the same port. */
static int teardown_test(void **state)
{
    (void)state;
    free_clients();
    stop_server();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_loop_free(w.loop);
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "%s", w.dir);
    const pid_t p = fork();
    if (p == 0) {
        execlp("rm", "rm", "-rf", cmd, (char *)NULL);
        _exit(127);
    }
    waitpid(p, NULL, 0);
    vn_secret_strp(&w.ca_key);
    vn_secret_strp(&w.server_key);
    vn_secret_strp(&w.client_key);
    free(w.ca_cert);
    free(w.other_ca_cert);
    free(w.server_cert);
    free(w.client_cert);
    return 0;
}

static void on_message(void *arg, const char *subject, struct vn_span payload)
{
    struct seen *s = arg;
    if (vn_span_equal(payload, VN_SPAN_STR(PROBE))) {
        s->probes++;
        return;
    }
    s->messages++;
    snprintf(s->last, sizeof(s->last), "%s %.*s", subject, (int)payload.n, (const char *)payload.p);
}

static void on_state(void *arg, enum vn_control_state state, const char *reason)
{
    struct seen *s = arg;
    s->state = state;
    s->ups += state == VN_CONTROL_UP;
    s->downs += state == VN_CONTROL_DOWN;
    s->slow += state == VN_CONTROL_DOWN && reason && strstr(reason, "slow to answer");
    s->refusals += state == VN_CONTROL_REFUSED;
    snprintf(s->reason, sizeof(s->reason), "%s", reason ? reason : "");
}

static struct vn_nats *client(struct seen *seen)
{
    struct vn_nats *n;
    *seen = (struct seen){0};
    assert_int_equal(vn_nats_new(&w.io, &n), VN_OK);
    w.clients[w.clients[0] != NULL] = n;
    const struct vn_control_handler h = {.arg = seen, .message = on_message, .state = on_state};
    const struct vn_control *c = vn_nats_port(n);
    c->set_handler(c->self, &h);
    return n;
}

static void connect_to_any(struct vn_nats *n, const char *const *urls, size_t count, const char *ca)
{
    const struct vn_control_credentials cred = {.urls = urls,
                                                .url_count = count,
                                                .jwt = "header.payload.signature",
                                                .nkey_seed = {{7}},
                                                .ca_pem = ca,
                                                .cert_pem = w.client_cert,
                                                .key_pem = w.client_key};
    const struct vn_control *c = vn_nats_port(n);
    assert_int_equal(c->connect(c->self, &cred), VN_OK);
}

static void connect_to(struct vn_nats *n, const char *host, const char *ca)
{
    char url[64];
    snprintf(url, sizeof(url), "tls://%s:%d", host, w.port);
    connect_to_any(n, (const char *[]){url}, 1, ca);
}

/* Turns the loop until *counter reaches value. */
static void until(const unsigned *counter, unsigned value)
{
    for (int i = 0; i < 15000 && *counter < value; i++) {
        vn_loop_poll(w.loop);
        usleep(1000);
    }
    assert_true(*counter >= value);
}

/* On a busy machine attempts fail before the one that succeeds: they do not count. */
static void until_up(struct seen *s)
{
    until(&s->ups, 1);
    s->downs = s->slow = 0;
}

static void publish(struct vn_nats *n, const char *subject, const char *text)
{
    const struct vn_control *c = vn_nats_port(n);
    assert_int_equal(c->publish(c->self, subject, VN_SPAN_STR(text)), VN_OK);
}

/* A SUB may still be on its way when somebody else publishes, so n asks until it is there. */
static void until_heard(struct vn_nats *n, const char *subject, const struct seen *by)
{
    const unsigned before = by->probes;
    for (int i = 0; i < 1000 && by->probes == before; i++) {
        publish(n, subject, PROBE);
        for (int k = 0; k < 20 && by->probes == before; k++) {
            vn_loop_poll(w.loop);
            usleep(1000);
        }
    }
    assert_true(by->probes > before);
}

static void test_messages(void **state)
{
    (void)state;
    struct seen sa, sb;
    start_server("");
    struct vn_nats *a = client(&sa), *b = client(&sb);
    const struct vn_control *ca = vn_nats_port(a), *cb = vn_nats_port(b);
    assert_int_equal(ca->publish(ca->self, "x", VN_SPAN_LIT("y")), VN_ERR_AGAIN);
    assert_int_equal(cb->subscribe(cb->self, "a.in.b.*", NULL), VN_OK);
    assert_int_equal(cb->subscribe(cb->self, "a.in.b.*", NULL), VN_ERR_EXISTS);
    connect_to(a, "127.0.0.1", w.ca_cert);
    connect_to(b, "127.0.0.1", w.ca_cert);
    until_up(&sa);
    until_up(&sb);
    until_heard(a, "a.in.b.a", &sb);
    publish(a, "a.in.b.a", "hello");
    until(&sb.messages, 1);
    assert_string_equal(sb.last, "a.in.b.a hello");
    /* one that comes after the connection, and one that goes */
    assert_int_equal(cb->subscribe(cb->self, "a.own.h.*", "q1"), VN_OK);
    cb->unsubscribe(cb->self, "a.in.b.*");
    until_heard(a, "a.own.h.a", &sb);
    publish(a, "a.in.b.a", "into the void");
    publish(a, "a.own.h.a", "query");
    until(&sb.messages, 2);
    assert_string_equal(sb.last, "a.own.h.a query");
    assert_int_equal(sb.messages, 2);
    /* what the broker would close the connection for */
    static const uint8_t big[24577];
    assert_int_equal(ca->publish(ca->self, "x", VN_SPAN_ARRAY(big)), VN_ERR_LIMIT);
    /* unless it is Guardian, whose account JWTs are long */
    static const uint8_t jwt[VN_MASTER_PAYLOAD_MAX];
    vn_nats_set_payload_max(a, sizeof(jwt));
    assert_int_equal(ca->publish(ca->self, "a.own.h.jwt", VN_SPAN_ARRAY(jwt)), VN_OK);
    until(&sb.messages, 3);
    assert_memory_equal(sb.last, "a.own.h.jwt ", strlen("a.own.h.jwt "));
}

static void test_survives_broker(void **state)
{
    (void)state;
    struct seen s;
    start_server("");
    struct vn_nats *n = client(&s);
    const struct vn_control *c = vn_nats_port(n);
    assert_int_equal(c->subscribe(c->self, "a.in.n.*", NULL), VN_OK);
    connect_to(n, "127.0.0.1", w.ca_cert);
    until_up(&s);
    stop_server();
    until(&s.downs, 1);
    assert_int_equal(c->publish(c->self, "x", VN_SPAN_LIT("y")), VN_ERR_AGAIN);
    start_server("");
    until(&s.ups, 2);
    struct seen other;
    struct vn_nats *b = client(&other);
    connect_to(b, "127.0.0.1", w.ca_cert);
    until_up(&other);
    publish(b, "a.in.n.b", "again");
    until(&s.messages, 1);
    char url[64];
    snprintf(url, sizeof(url), "tls://127.0.0.1:%d", w.port);
    assert_string_equal(s.reason, url); /* where it is up */
}

static void test_hand_over(void **state)
{
    (void)state;
    struct seen s, other;
    start_server("");
    struct vn_nats *n = client(&s), *b = client(&other);
    const struct vn_control *c = vn_nats_port(n);
    assert_int_equal(c->subscribe(c->self, "a.own.n.*", "q1"), VN_OK);
    connect_to(n, "127.0.0.1", w.ca_cert);
    connect_to(b, "127.0.0.1", w.ca_cert);
    until_up(&s);
    until_up(&other);
    until_heard(b, "a.own.n.b", &s);
    /* Credentials change five times while messages flow: each arrives, once. */
    unsigned sent = 0;
    const uint64_t began_ms = vn_clock_boot_ms();
    for (int round = 0; round < 5; round++) {
        connect_to(n, "127.0.0.1", w.ca_cert);
        for (int i = 0; i < 50; i++) {
            publish(b, "a.own.n.b", "m");
            sent++;
            vn_loop_poll(w.loop);
            usleep(2000);
        }
    }
    /* On a busy machine that takes longer than an old connection is read, and what Master sends to
     * it as it closes is lost; or longer than counts as slow. */
    const bool busy = vn_clock_boot_ms() >= began_ms + VN_NATS_RETIRE_MS;
    if (!busy)
        until(&s.messages, sent);
    assert_true(s.messages <= sent);
    assert_int_equal(s.downs, s.slow);
    if (vn_clock_boot_ms() < began_ms + VN_NATS_SLOW_MS)
        assert_int_equal(s.slow, 0);
}

/* kill returns at once: of a program whose main thread waits for a core the others go on, and here
 * they would make the connection that must not come about. */
static void freeze_server(void)
{
    int how;
    kill(w.server, SIGSTOP);
    assert_int_equal(waitpid(w.server, &how, WUNTRACED), w.server);
    assert_true(WIFSTOPPED(how));
}

/* What the old connection carries may never come: who listens hears that something may be missing.
 */
static void test_slow_hand_over(void **state)
{
    (void)state;
    struct seen s;
    start_server("");
    struct vn_nats *n = client(&s);
    connect_to(n, "127.0.0.1", w.ca_cert);
    until_up(&s);
    freeze_server();
    connect_to(n, "127.0.0.1", w.ca_cert);
    /* Much longer than counts as slow: on a busy machine the attempt begins when it can. */
    for (uint64_t from = vn_clock_boot_ms(); vn_clock_boot_ms() < from + VN_NATS_SLOW_MS + 2000;)
        vn_loop_poll(w.loop);
    assert_int_equal(s.downs, 0);
    kill(w.server, SIGCONT);
    until(&s.ups, 2);
    assert_int_equal(s.downs, 1);
}

static void test_wrong_authority(void **state)
{
    (void)state;
    struct seen s;
    start_server("");
    struct vn_nats *n = client(&s);
    connect_to(n, "127.0.0.1", w.other_ca_cert);
    until(&s.downs, 1);
    assert_int_equal(s.ups, 0);
    free_clients();
    /* its authority is right, its name is not */
    n = client(&s);
    connect_to(n, "localhost", w.ca_cert);
    until(&s.downs, 1);
    assert_int_equal(s.ups, 0);
}

static void test_refused(void **state)
{
    (void)state;
    struct seen s;
    start_server("authorization { user: u, password: p }");
    struct vn_nats *n = client(&s);
    connect_to(n, "127.0.0.1", w.ca_cert);
    until(&s.refusals, 1);
    assert_non_null(strcasestr(s.reason, "authorization"));
    assert_int_equal(s.ups, 0);
}

/* Of a port that nobody listens on, one that answers first and closes, and Master's. */
static void test_several_addresses(void **state)
{
    (void)state;
    struct seen s;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_n = sizeof(at);
    const int trap = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(trap, (struct sockaddr *)&at, at_n), 0);
    assert_int_equal(listen(trap, 8), 0);
    assert_int_equal(getsockname(trap, (struct sockaddr *)&at, &at_n), 0);
    start_server("");
    char trap_url[64], master[64];
    snprintf(trap_url, sizeof(trap_url), "tls://127.0.0.1:%u", ntohs(at.sin_port));
    snprintf(master, sizeof(master), "tls://127.0.0.1:%d", w.port);
    struct vn_nats *n = client(&s);
    connect_to_any(n, (const char *[]){"tls://127.0.0.1:1", trap_url, master}, 3, w.ca_cert);
    unsigned caught = 0;
    for (int i = 0; i < 15000 && !s.ups; i++) {
        const int fd = accept4(trap, NULL, NULL, SOCK_CLOEXEC);
        caught += fd >= 0;
        if (fd >= 0)
            close(fd);
        vn_loop_poll(w.loop);
        usleep(1000);
    }
    assert_int_equal(s.ups, 1);
    assert_string_equal(s.reason, master);
    /* Asked who answers, then tried, once: what failed is not tried again before the others. */
    assert_in_range(caught, 1, 2);
    assert_true(s.downs >= 1);
    close(trap);
}

static void test_stops_while_connecting(void **state)
{
    (void)state;
    struct seen s;
    struct vn_nats *n;
    /* nobody there */
    w.port = 1;
    /* at any moment of an attempt, which fails at once */
    for (useconds_t us = 0; us < 2000; us += 20) {
        n = client(&s);
        connect_to(n, "127.0.0.1", w.ca_cert);
        usleep(us);
        free_clients();
    }
    n = client(&s);
    connect_to(n, "127.0.0.1", w.ca_cert);
    until(&s.downs, 2);
    const struct vn_control *c = vn_nats_port(n);
    c->disconnect(c->self);
    w.port = 0;
}

int main(void)
{
#define TEST(function) cmocka_unit_test_teardown(function, teardown_test)
    const struct CMUnitTest tests[] = {
        TEST(test_messages),          TEST(test_survives_broker),        TEST(test_hand_over),
        TEST(test_slow_hand_over),    TEST(test_wrong_authority),        TEST(test_refused),
        TEST(test_several_addresses), TEST(test_stops_while_connecting),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
