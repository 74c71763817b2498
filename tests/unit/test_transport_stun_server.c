/* STUN for members: who is answered, who is met with silence, and how much. */
#include "transport/stun_server.h"

#include <string.h>
#include <unistd.h>

#include "support/test.h"
#include "support/test_io.h"
#include "transport/public_stun.h"
#include "transport/stun.h"
#include "transport/udp.h"

#define SECOND UINT64_C(1000000)

static const struct vn_stun_keys KEYS = {
    .keys = {{.generation = 3, .hour = 500, .key = {{1, 2, 3}}},
             {.generation = 3, .hour = 499, .key = {{4, 5, 6}}}},
    .count = 2,
};

static struct vn_addr addr(const char *ip, uint16_t port)
{
    struct vn_addr a = {.port = port};
    assert_ok(vn_ip_parse(ip, &a.ip));
    return a;
}

struct question {
    uint8_t b[256];
    size_t n;
};

/* As a member asks; txid numbers them. */
static struct question ask(const struct vn_stun_key *key, uint32_t change, uint8_t number)
{
    struct question q;
    struct vn_writer w = vn_writer_of(q.b, sizeof(q.b));
    struct vn_span out;
    uint8_t name[VN_STUN_USERNAME_LEN];
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, &(struct vn_stun_txid){{number}});
    vn_stun_key_username(key, name);
    vn_stun_put_username(&w, VN_SPAN_ARRAY(name));
    vn_stun_put_change(&w, change);
    assert_ok(vn_stun_end(&w, VN_SPAN_ARRAY(key->key.b), &out));
    q.n = out.n;
    return q;
}

static struct vn_stun_server *server(void)
{
    static struct vn_stun_server s;
    assert_ok(vn_stun_server_init(&s, test_random(), SECOND));
    s.keys = KEYS;
    return &s;
}

static enum vn_stun_verdict give(struct vn_stun_server *s, const char *from, struct vn_span in,
                                 uint64_t now_us, struct vn_stun_msg *ret)
{
    static uint8_t room[VN_STUN_ANSWER_MAX];
    const struct vn_addr a = addr(from, 4711);
    struct vn_span out;
    bool other;
    const enum vn_stun_verdict v = vn_stun_server_input(s, &a, in, now_us, room, &out, &other);
    if (v != VN_STUN_ANSWER)
        return v;
    assert_true(out.n <= in.n); /* nothing to be gained from a forged sender */
    struct vn_stun_msg m;
    assert_ok(vn_stun_decode(out, &m));
    assert_true(m.cls == VN_STUN_SUCCESS && m.has_mapped && vn_addr_equal(&m.mapped, &a));
    if (ret)
        *ret = m;
    return v;
}

static void answers_members_under_their_key(void **state)
{
    (void)state;
    static const char *const from[] = {"203.0.113.7", "2001:db8::7"};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < KEYS.count; k++) {
            const struct question q = ask(&KEYS.keys[k], 0, (uint8_t)k);
            struct vn_stun_msg m;
            assert_int_equal(give(server(), from[i], VN_SPAN(q.b, q.n), SECOND, &m),
                             VN_STUN_ANSWER);
            assert_int_equal(m.txid.b[0], k);
            assert_ok(vn_stun_verify(&m, VN_SPAN_ARRAY(KEYS.keys[k].key.b)));
        }
}

static void is_silent_to_all_else(void **state)
{
    (void)state;
    struct vn_stun_server *s = server();
    const struct question good = ask(&KEYS.keys[0], 0, 1);
    for (size_t n = 0; n < good.n; n++) {
        struct question q = good;
        assert_int_equal(give(s, "203.0.113.7", VN_SPAN(good.b, n), SECOND, NULL),
                         VN_STUN_STRANGER);
        q.b[n] ^= 1; /* a byte changed */
        assert_int_not_equal(give(server(), "203.0.113.7", VN_SPAN(q.b, q.n), SECOND, NULL),
                             VN_STUN_ANSWER);
    }
    struct vn_stun_key other = KEYS.keys[0];
    other.key.b[31] ^= 1; /* of another realm */
    struct question q = ask(&other, 0, 1);
    assert_int_equal(give(s, "203.0.113.7", VN_SPAN(q.b, q.n), SECOND, NULL), VN_STUN_STRANGER);
    other = KEYS.keys[0];
    other.hour += 7; /* long over */
    q = ask(&other, 0, 1);
    assert_int_equal(give(s, "203.0.113.7", VN_SPAN(q.b, q.n), SECOND, NULL), VN_STUN_STRANGER);
    /* to another address than its own */
    q = ask(&KEYS.keys[0], VN_STUN_CHANGE_IP, 1);
    assert_int_equal(give(s, "203.0.113.7", VN_SPAN(q.b, q.n), SECOND, NULL), VN_STUN_STRANGER);

    uint8_t plain[64];
    struct vn_writer w = vn_writer_of(plain, sizeof(plain));
    struct vn_span out;
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, &(struct vn_stun_txid){{9}});
    assert_ok(vn_stun_end(&w, VN_SPAN_NONE, &out));
    assert_int_equal(give(s, "203.0.113.7", out, SECOND, NULL), VN_STUN_STRANGER);

    s->keys.count = 0; /* before the first login */
    assert_int_equal(give(s, "203.0.113.7", VN_SPAN(good.b, good.n), SECOND, NULL),
                     VN_STUN_STRANGER);
}

static void answers_from_the_other_port_when_asked(void **state)
{
    (void)state;
    const struct vn_addr from = addr("203.0.113.7", 4711);
    for (uint32_t change = 0; change <= VN_STUN_CHANGE_PORT; change += VN_STUN_CHANGE_PORT) {
        const struct question q = ask(&KEYS.keys[0], change, 1);
        uint8_t room[VN_STUN_ANSWER_MAX];
        struct vn_span out;
        bool other;
        assert_int_equal(
            vn_stun_server_input(server(), &from, VN_SPAN(q.b, q.n), SECOND, room, &out, &other),
            VN_STUN_ANSWER);
        assert_int_equal(other, change != 0);
    }
}

static size_t answered(struct vn_stun_server *s, const char *from, size_t count, uint64_t now_us)
{
    const struct question q = ask(&KEYS.keys[0], 0, 1);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += give(s, from, VN_SPAN(q.b, q.n), now_us, NULL) == VN_STUN_ANSWER;
    return n;
}

static void one_source_has_its_share(void **state)
{
    (void)state;
    struct vn_stun_server *s = server();
    s->salt = 1; /* so that these two do not share a place */
    assert_int_equal(answered(s, "203.0.113.7", 1000, SECOND), VN_STUN_SOURCE_BURST);
    assert_int_equal(answered(s, "2001:db8::1", 1000, SECOND), VN_STUN_SOURCE_BURST);
    assert_int_equal(answered(s, "2001:db8::2", 1000, SECOND), 0); /* the same /64 */
    assert_int_equal(answered(s, "203.0.113.7", 1000, 2 * SECOND), VN_STUN_SOURCE_RATE);
    /* no time at all adds up */
    size_t n = 0;
    for (uint64_t us = 0; us < SECOND; us += 100)
        n += answered(s, "203.0.113.7", 1, 2 * SECOND + us);
    assert_in_range(n, VN_STUN_SOURCE_RATE - 1, VN_STUN_SOURCE_RATE);
}

static void all_together_have_a_bound(void **state)
{
    (void)state;
    struct vn_stun_server *s = server();
    size_t n = 0;
    for (unsigned i = 0; i < 1000; i++) {
        char from[32];
        snprintf(from, sizeof(from), "198.18.%u.%u", i / 250, i % 250 + 1);
        n += answered(s, from, 50, SECOND);
    }
    assert_int_equal(n, VN_STUN_ALL_RATE);
}

/* ---- with sockets ---- */

struct rig {
    struct test_io *io;
    struct vn_public_stun *server;
    uint16_t port;
    struct vn_udp_rx *rx;
};

static void rig_init(struct rig *r)
{
    r->io = test_io_new();
    assert_ok(vn_udp_rx_new(&r->rx));
    vn_status st = VN_ERR_EXISTS;
    for (r->port = 34780; st == VN_ERR_EXISTS && r->port < 35000; r->port += 2)
        st = vn_public_stun_new(test_io_port(r->io), test_random(), 0, r->port, &r->server);
    assert_ok(st);
    r->port -= 2;
    vn_public_stun_set_keys(r->server, &KEYS);
}

static void rig_done(struct rig *r)
{
    (void)vn_public_stun_free(r->server);
    (void)vn_udp_rx_free(r->rx);
    test_io_free(r->io);
}

static uint64_t handled(const struct rig *r)
{
    const struct vn_public_stun_counters *c = vn_public_stun_counters(r->server);
    return c->answered + c->stranger + c->rate + c->failed;
}

static bool was_handled(void *arg)
{
    const struct rig *r = arg;
    return handled(r) > 0;
}

/* The port that answered, 0: none did. */
static uint16_t exchange(struct rig *r, const char *own, const char *to, const struct question *q)
{
    struct vn_addr from = addr(own, 0);
    const struct vn_addr server = addr(to, r->port);
    int fd, err;
    assert_ok(vn_udp_open(&from, 0, &fd));
    assert_ok(vn_udp_send(fd, VN_SPAN(q->b, q->n), &server, &err));
    assert_true(test_io_until(r->io, was_handled, r));
    const struct vn_udp_run *runs;
    size_t count = 0;
    uint16_t port = 0;
    if (vn_udp_read(fd, r->rx, &runs, &count, &err) == VN_OK && count > 0) {
        struct vn_stun_msg m;
        assert_true(vn_ip_equal(&runs[0].from.ip, &server.ip));
        assert_ok(vn_stun_decode(VN_SPAN(runs[0].p, runs[0].seg), &m));
        assert_true(vn_addr_equal(&m.mapped, &from));
        port = runs[0].from.port;
    }
    close(fd);
    return port;
}

static void serves_both_ports_from_the_address_asked(void **state)
{
    (void)state;
    /* Another address of the device than the one the system would choose. */
    static const char *const to[][2] = {{"127.0.0.1", "127.0.0.5"}, {"::1", "::1"}};
    for (size_t i = 0; i < VN_ARRAY_LEN(to); i++)
        for (uint32_t change = 0; change <= VN_STUN_CHANGE_PORT; change += VN_STUN_CHANGE_PORT) {
            struct rig r;
            rig_init(&r);
            const struct question q = ask(&KEYS.keys[0], change, 1);
            assert_int_equal(exchange(&r, to[i][0], to[i][1], &q), r.port + (change != 0));
            rig_done(&r);
        }
}

static void a_stranger_hears_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct vn_stun_key other = KEYS.keys[0];
    other.key.b[0] ^= 1;
    const struct question q = ask(&other, 0, 1);
    assert_int_equal(exchange(&r, "127.0.0.1", "127.0.0.1", &q), 0);
    assert_int_equal(vn_public_stun_counters(r.server)->stranger, 1);
    rig_done(&r);
}

static void a_taken_port_is_said(void **state)
{
    (void)state;
    struct rig r;
    struct vn_public_stun *second;
    rig_init(&r);
    assert_status(VN_ERR_EXISTS,
                  vn_public_stun_new(test_io_port(r.io), test_random(), 0, r.port, &second));
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_members_under_their_key),
        cmocka_unit_test(is_silent_to_all_else),
        cmocka_unit_test(answers_from_the_other_port_when_asked),
        cmocka_unit_test(one_source_has_its_share),
        cmocka_unit_test(all_together_have_a_bound),
        cmocka_unit_test(serves_both_ports_from_the_address_asked),
        cmocka_unit_test(a_stranger_hears_nothing),
        cmocka_unit_test(a_taken_port_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
