/* Questions to STUN servers: by themselves, and as a tether asks them. */
#include "transport/reflex.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "support/test.h"
#include "support/tether_pair.h"
#include "transport/udp.h"

#define MS UINT64_C(1000)

static struct vn_addr addr(const char *ip, uint16_t port)
{
    struct vn_addr a = {.port = port};
    assert_ok(vn_ip_parse(ip, &a.ip));
    return a;
}

struct sent {
    size_t count, local;
    struct vn_addr to;
    struct vn_stun_msg last;
    uint8_t bytes[128];
};

static void record(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram)
{
    struct sent *s = arg;
    assert_true(datagram.n <= sizeof(s->bytes));
    memcpy(s->bytes, datagram.p, datagram.n);
    assert_ok(vn_stun_decode(VN_SPAN(s->bytes, datagram.n), &s->last));
    assert_int_equal(s->last.cls, VN_STUN_REQUEST);
    assert_int_equal(s->last.method, VN_STUN_BINDING);
    s->count++;
    s->local = local;
    s->to = *to;
}

static struct vn_span answer(const struct vn_stun_txid *txid, enum vn_stun_class cls,
                             const struct vn_addr *mapped)
{
    static uint8_t buf[128];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    vn_stun_begin(&w, cls, VN_STUN_BINDING, txid);
    if (cls == VN_STUN_ERROR)
        vn_stun_put_error(&w, 400, "no");
    else if (mapped)
        vn_stun_put_mapped(&w, mapped, txid);
    assert_ok(vn_stun_end(&w, VN_SPAN_NONE, &out));
    return out;
}

/* One question from local candidate 3, sent once at time 0. */
static void ask_one(struct vn_reflex *r, struct sent *s)
{
    const struct vn_addr from = addr("10.0.0.2", 5000), server = addr("192.0.2.1", 3478);
    memset(r, 0, sizeof(*r));
    memset(s, 0, sizeof(*s));
    vn_reflex_ask(r, test_random(), 3, &from, &server, NULL, 0);
    assert_int_equal(vn_reflex_deadline(r), 0);
    vn_reflex_tick(r, 0, s, record);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->local, 3);
    assert_true(vn_addr_equal(&s->to, &server));
}

static void is_sent_again_until_given_up(void **state)
{
    (void)state;
    static const uint64_t at_ms[] = {100, 300, 700, 1500};
    struct vn_reflex r;
    struct sent s;
    ask_one(&r, &s);
    const struct vn_stun_txid txid = s.last.txid;
    for (size_t i = 0; i < VN_ARRAY_LEN(at_ms); i++) {
        assert_int_equal(vn_reflex_deadline(&r), at_ms[i] * MS);
        vn_reflex_tick(&r, at_ms[i] * MS - 1, &s, record);
        assert_int_equal(s.count, i + 1);
        vn_reflex_tick(&r, at_ms[i] * MS, &s, record);
        assert_int_equal(s.count, i + 2);
        assert_memory_equal(&s.last.txid, &txid, sizeof(txid));
    }
    assert_int_equal(s.count, VN_REFLEX_TRANSMISSIONS);
    vn_reflex_tick(&r, 3100 * MS, &s, record);
    assert_int_equal(s.count, VN_REFLEX_TRANSMISSIONS);
    assert_true(vn_reflex_deadline(&r) == UINT64_MAX);
}

static void only_the_server_may_answer(void **state)
{
    (void)state;
    struct vn_reflex r;
    struct sent s;
    struct vn_addr got;
    const struct vn_addr seen = addr("203.0.113.7", 4711), stranger = addr("192.0.2.2", 3478),
                         other_port = addr("192.0.2.1", 3479);
    ask_one(&r, &s);
    const struct vn_span good = answer(&s.last.txid, VN_STUN_SUCCESS, &seen);
    assert_false(vn_reflex_input(&r, 3, &stranger, good, &got));
    assert_false(vn_reflex_input(&r, 3, &other_port, good, &got));
    assert_false(vn_reflex_input(&r, 2, &s.to, good, &got));
    assert_false(vn_reflex_input(&r, 3, &s.to, VN_SPAN(s.bytes, 28), &got)); /* our own question */
    struct vn_stun_txid wrong = s.last.txid;
    wrong.b[11] ^= 1;
    assert_false(vn_reflex_input(&r, 3, &s.to, answer(&wrong, VN_STUN_SUCCESS, &seen), &got));
    for (size_t n = 0; n < good.n; n++)
        assert_false(vn_reflex_input(&r, 3, &s.to, VN_SPAN(good.p, n), &got));
    assert_true(vn_reflex_input(&r, 3, &s.to, answer(&s.last.txid, VN_STUN_SUCCESS, &seen), &got));
    assert_true(vn_addr_equal(&got, &seen));
    assert_true(vn_reflex_deadline(&r) == UINT64_MAX);
    /* once */
    assert_false(vn_reflex_input(&r, 3, &s.to, answer(&s.last.txid, VN_STUN_SUCCESS, &seen), &got));
}

static void an_answer_may_say_nothing(void **state)
{
    (void)state;
    for (int with_error = 0; with_error < 2; with_error++) {
        struct vn_reflex r;
        struct sent s;
        struct vn_addr got = addr("1.2.3.4", 5);
        ask_one(&r, &s);
        const struct vn_span in =
            answer(&s.last.txid, with_error ? VN_STUN_ERROR : VN_STUN_SUCCESS, NULL);
        assert_true(vn_reflex_input(&r, 3, &s.to, in, &got));
        assert_int_equal(got.port, 0);
        assert_true(vn_reflex_deadline(&r) == UINT64_MAX);
    }
}

static void who_is_asked(void **state)
{
    (void)state;
    const struct vn_addr v4 = addr("10.0.0.2", 1), v6 = addr("2001:db8::2", 1),
                         ll = addr("fe80::2", 1), server4 = addr("192.0.2.1", 3478),
                         server6 = addr("2001:db8::1", 3478);
    struct vn_reflex r = {.count = 0};
    vn_reflex_ask(&r, test_random(), 0, &v4, &server6, NULL, 0);
    vn_reflex_ask(&r, test_random(), 0, &v6, &server4, NULL, 0);
    vn_reflex_ask(&r, test_random(), 0, &ll, &server6, NULL, 0);
    assert_int_equal(r.count, 0);
    for (size_t i = 0; i < VN_REFLEX_QUERIES_MAX + 3; i++)
        vn_reflex_ask(&r, test_random(), i, i % 2 ? &v4 : &v6, i % 2 ? &server4 : &server6, NULL,
                      0);
    assert_int_equal(r.count, VN_REFLEX_QUERIES_MAX);
}

static struct vn_span member_answer(const struct vn_stun_txid *txid, const struct vn_stun_key *key,
                                    const struct vn_addr *mapped)
{
    static uint8_t buf[128];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    vn_stun_begin(&w, VN_STUN_SUCCESS, VN_STUN_BINDING, txid);
    vn_stun_put_mapped(&w, mapped, txid);
    assert_ok(vn_stun_end(&w, VN_SPAN_ARRAY(key->key.b), &out));
    return out;
}

/* A public node of the realm: question and answer are under the hour's key. */
static void a_member_is_asked_under_the_hours_key(void **state)
{
    (void)state;
    const struct vn_stun_key key = {.generation = 3, .hour = 500, .key = {{7}}};
    struct vn_stun_key other = key;
    other.key.b[0] ^= 1;
    const struct vn_addr from = addr("2001:db8::2", 5000), server = addr("2001:db8::1", 3478),
                         seen = addr("2001:db8::7", 4711);
    struct vn_reflex r = {.count = 0};
    struct sent s = {.count = 0};
    struct vn_addr got;
    uint8_t name[VN_STUN_USERNAME_LEN];
    vn_reflex_ask(&r, test_random(), 3, &from, &server, &key, 0);
    vn_reflex_tick(&r, 0, &s, record);
    assert_int_equal(s.count, 1);
    vn_stun_key_username(&key, name);
    assert_span_equal(s.last.username, VN_SPAN_ARRAY(name));
    assert_ok(vn_stun_verify(&s.last, VN_SPAN_ARRAY(key.key.b)));
    const struct vn_stun_txid txid = s.last.txid;
    assert_false(vn_reflex_input(&r, 3, &server, answer(&txid, VN_STUN_SUCCESS, &seen), &got));
    assert_false(vn_reflex_input(&r, 3, &server, member_answer(&txid, &other, &seen), &got));
    const struct vn_span good = member_answer(&txid, &key, &seen);
    assert_true(s.last.whole.n >= good.n); /* or the server would not give it */
    assert_true(vn_reflex_input(&r, 3, &server, good, &got));
    assert_true(vn_addr_equal(&got, &seen));
    vn_reflex_wipe(&r);
    assert_true(vn_reflex_deadline(&r) == UINT64_MAX);
}

/* ---- a tether and a server on the loopback device ---- */

struct server {
    int fd;
    struct vn_addr addr;
    struct vn_udp_rx *rx;
    bool as_seen; /* answers with the address it sees: there is no NAT */
    size_t asked;
};

static void serve(void *arg, unsigned events)
{
    struct server *s = arg;
    const struct vn_udp_run *runs;
    const struct vn_addr outside = addr("203.0.113.7", 4711);
    size_t count;
    int err;
    (void)events;
    if (vn_udp_read(s->fd, s->rx, &runs, &count, &err) != VN_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        struct vn_stun_msg m;
        assert_ok(vn_stun_decode(VN_SPAN(runs[i].p, runs[i].seg), &m));
        assert_ok(vn_udp_send(
            s->fd, answer(&m.txid, VN_STUN_SUCCESS, s->as_seen ? &runs[i].from : &outside),
            &runs[i].from, &err));
        s->asked++;
    }
}

static size_t reflexive(const struct tether_end *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->candidate_count; i++)
        n += e->candidates[i].type == VN_CAND_SRFLX;
    return n;
}

static bool has_reflexive(void *arg)
{
    return reflexive(&((struct tether_pair *)arg)->a) >= VN_HOP_PCS;
}

static bool was_asked(void *arg)
{
    return *(size_t *)arg > 0;
}

static bool both_up(void *arg)
{
    const struct tether_pair *p = arg;
    return p->a.up && p->b.up;
}

static void run_with_server(bool as_seen, struct tether_pair *p, struct server *s,
                            struct test_io *io)
{
    struct vn_io_watch *watch;
    const struct vn_transport_config cfg = {
        .io = test_io_port(io), .random = test_random(), .allow_loopback = true};
    *p = (struct tether_pair){.v4_only = true};
    *s = (struct server){.addr = addr("127.0.0.1", 0), .as_seen = as_seen};
    assert_ok(vn_udp_rx_new(&s->rx));
    assert_ok(vn_udp_open(&s->addr, 0, &s->fd));
    assert_ok(cfg.io->watch(cfg.io->self, s->fd, VN_IO_READ, serve, s, &watch));
    assert_ok(vn_transport_new(&cfg, &p->a.transport));
    const struct vn_tether_port *port = vn_transport_port(p->a.transport);
    const struct vn_ice_server ice = {.kind = VN_ICE_SERVER_STUN, .addr = s->addr};
    port->ice_servers(port->self, &ice, 1);
    tether_pair_open(p, io);
    if (as_seen) {
        assert_true(tether_pair_until(p, was_asked, &s->asked));
        tether_pair_for(p, 50);
    } else {
        assert_true(tether_pair_until(p, has_reflexive, p));
    }
    cfg.io->unwatch(watch);
}

static void done_with_server(struct tether_pair *p, struct server *s, struct test_io *io)
{
    tether_pair_close(p);
    close(s->fd);
    (void)vn_udp_rx_free(s->rx);
    (void)test_io_free(io);
}

static void a_tether_tells_what_it_learns(void **state)
{
    (void)state;
    static struct tether_pair p;
    struct server s;
    struct test_io *io = test_io_new();
    const struct vn_addr outside = addr("203.0.113.7", 4711);
    run_with_server(false, &p, &s, io);
    /* One of each peer connection, however many sockets learnt the same. */
    assert_int_equal(reflexive(&p.a), VN_HOP_PCS);
    assert_int_equal(reflexive(&p.b), 0); /* which knows no server */
    const struct vn_candidate *c = &p.a.candidates[p.a.candidate_count - 1];
    assert_true(vn_addr_equal(&c->addr, &outside));
    assert_int_equal(c->priority >> 24, 100);
    /* Nothing is there, and yet the two meet. */
    tether_pair_start(&p);
    assert_true(tether_pair_until(&p, both_up, &p));
    done_with_server(&p, &s, io);
}

static void nothing_new_without_nat(void **state)
{
    (void)state;
    static struct tether_pair p;
    struct server s;
    struct test_io *io = test_io_new();
    run_with_server(true, &p, &s, io);
    assert_int_equal(reflexive(&p.a), 0);
    done_with_server(&p, &s, io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_sent_again_until_given_up),
        cmocka_unit_test(only_the_server_may_answer),
        cmocka_unit_test(an_answer_may_say_nothing),
        cmocka_unit_test(who_is_asked),
        cmocka_unit_test(a_member_is_asked_under_the_hours_key),
        cmocka_unit_test(a_tether_tells_what_it_learns),
        cmocka_unit_test(nothing_new_without_nat),
    };
    vn_log_setup(VN_LOG_ERROR, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
