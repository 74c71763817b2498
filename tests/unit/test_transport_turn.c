/* The TURN client against a server whose answers are scripted. */
#include "transport/turn.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/test.h"
#include "support/test_io.h"
#include "support/turn_server.h"
#include "transport/udp.h"

#define SECOND 1000000ull

struct world {
    struct turn_server server;
    struct vn_turn *turn;
    uint64_t now_us;
    bool deaf, lost; /* the server does not answer; requests do not reach it */
    unsigned sent;   /* messages of the client */
    size_t answers;  /* that were not delivered yet */
    struct {
        uint8_t b[512];
        size_t n;
    } answer[32];
};

static struct vn_addr addr(const char *ip, uint16_t port)
{
    struct vn_addr a = {.port = port};
    assert_ok(vn_ip_parse(ip, &a.ip));
    return a;
}

/* Answers wait until the client has returned from what it was doing. */
static void to_server(void *arg, struct vn_span message)
{
    struct world *w = arg;
    w->sent++;
    if (w->lost)
        return;
    const struct vn_span out = turn_server_answer(&w->server, message);
    if (out.n == 0 || w->deaf)
        return;
    assert_true(w->answers < VN_ARRAY_LEN(w->answer) && out.n <= sizeof(w->answer[0].b));
    memcpy(w->answer[w->answers].b, out.p, out.n);
    w->answer[w->answers++].n = out.n;
}

static enum vn_turn_input give(struct world *w, struct vn_span in, struct vn_addr *from,
                               struct vn_dgram *data)
{
    static uint8_t storage[2048];
    memcpy(storage, in.p, in.n);
    return vn_turn_input(w->turn, (struct vn_dgram){storage, in.n}, w->now_us, from, data);
}

/* Delivers answers until there are none. */
static enum vn_turn_input settle(struct world *w)
{
    enum vn_turn_input last = VN_TURN_IN_CONTROL;
    struct vn_addr from;
    struct vn_dgram data;
    while (w->answers > 0) {
        w->answers--;
        last = give(w, VN_SPAN(w->answer[w->answers].b, w->answer[w->answers].n), &from, &data);
    }
    return last;
}

static void begin(struct world *w, bool stream, bool v6)
{
    const struct vn_turn_config cfg = {.username = TURN_USER,
                                       .password = TURN_PASSWORD,
                                       .stream = stream,
                                       .v6 = v6,
                                       .random = test_random(),
                                       .arg = w,
                                       .send = to_server};
    *w = (struct world){.now_us = SECOND};
    turn_server_init(&w->server);
    assert_ok(vn_turn_new(&cfg, w->now_us, &w->turn));
    assert_int_equal(w->sent, 0);
}

static void tick(struct world *w)
{
    vn_turn_tick(w->turn, w->now_us);
    settle(w);
}

/* Lets time pass until something is due, but not beyond `until`. */
static void pass(struct world *w, uint64_t until_us)
{
    while (vn_turn_deadline(w->turn) <= until_us) {
        w->now_us = VN_MAX(w->now_us, vn_turn_deadline(w->turn));
        tick(w);
    }
    w->now_us = until_us;
}

static void allocate(struct world *w)
{
    begin(w, false, false);
    tick(w);
    assert_int_equal(vn_turn_state(w->turn), VN_TURN_ALLOCATED);
}

static void end(struct world *w)
{
    w->turn = vn_turn_free(w->turn);
}

/* ---- allocating ---- */

static void allocates_with_credentials(void **state)
{
    (void)state;
    struct world w;
    allocate(&w);
    assert_int_equal(w.sent, 2); /* without, then with credentials */
    assert_int_equal(w.server.last.transport, 17);
    assert_int_equal(w.server.last.family, 0);
    const struct vn_addr relayed = vn_turn_relayed(w.turn), mapped = vn_turn_mapped(w.turn);
    assert_true(vn_addr_equal(&relayed, &w.server.relayed));
    assert_true(vn_addr_equal(&mapped, &w.server.mapped));
    end(&w);
    assert_int_equal(w.server.last.method, VN_TURN_REFRESH);
    assert_true(w.server.last.has_lifetime && w.server.last.lifetime_s == 0);
    assert_int_equal(w.server.asked[VN_TURN_REFRESH], 1);
}

static void speaks_sha256_where_offered(void **state)
{
    (void)state;
    for (int userhash = 0; userhash < 2; userhash++) {
        struct world w;
        begin(&w, false, false);
        w.server.sha256 = true;
        w.server.userhash = userhash;
        tick(&w);
        assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
        assert_false(w.server.last.has_integrity);
        end(&w);
    }
}

/* RFC 8489 section 9.2.5: somebody took the list of algorithms away. */
static void no_downgrade(void **state)
{
    (void)state;
    struct world w;
    begin(&w, false, false);
    w.server.nonce = "obMatJos2AAABx";
    tick(&w);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
    assert_int_equal(w.sent, 1);
    end(&w);
}

static void wrong_password(void **state)
{
    (void)state;
    struct world w;
    begin(&w, false, false);
    w.server.password = "another";
    tick(&w);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
    assert_int_equal(vn_turn_error(w.turn), 401);
    assert_int_equal(w.sent, 2);
    assert_true(vn_turn_deadline(w.turn) == UINT64_MAX);
    end(&w);
    assert_int_equal(w.sent, 2); /* nothing to give back */
}

static void refusals(void **state)
{
    (void)state;
    static const unsigned codes[] = {300, 400, 403, 437, 440, 441, 442, 486, 508};
    for (size_t i = 0; i < VN_ARRAY_LEN(codes); i++)
        for (int without = 0; without < 2; without++) {
            struct world w;
            begin(&w, false, false);
            w.server.refuse[VN_TURN_ALLOCATE] = codes[i];
            w.server.unsigned_answers = without;
            tick(&w);
            assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
            assert_int_equal(vn_turn_error(w.turn), codes[i]);
            end(&w);
        }
}

static void stale_nonces(void **state)
{
    (void)state;
    struct world w;
    begin(&w, false, false);
    w.server.stale = 3;
    tick(&w);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
    w.server.stale = 3;
    w.now_us = vn_turn_deadline(w.turn);
    tick(&w);
    assert_int_equal(w.server.asked[VN_TURN_REFRESH], 4);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
    end(&w);

    begin(&w, false, false);
    w.server.stale = 1000; /* for ever: it gives up */
    tick(&w);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
    assert_int_equal(vn_turn_error(w.turn), 438);
    assert_in_range(w.sent, 3, 10);
    end(&w);
}

static void silence(void **state)
{
    (void)state;
    struct world w;
    for (int stream = 0; stream < 2; stream++) {
        begin(&w, stream, false);
        w.lost = true;
        tick(&w);
        pass(&w, 14 * SECOND);
        assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
        assert_int_equal(vn_turn_error(w.turn), 0);
        assert_int_equal(w.sent, stream ? 1 : VN_TURN_TRANSMISSIONS);
        end(&w);
    }
    /* one lost request does no harm */
    begin(&w, false, false);
    w.lost = true;
    tick(&w);
    w.lost = false;
    pass(&w, 2 * SECOND);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
    end(&w);
}

static void answers_that_prove_nothing(void **state)
{
    (void)state;
    for (int unsigned_one = 0; unsigned_one < 2; unsigned_one++) {
        struct world w;
        begin(&w, false, false);
        w.server.unsigned_answers = unsigned_one;
        w.server.wrong_integrity = !unsigned_one;
        vn_turn_tick(w.turn, w.now_us);
        assert_int_equal(settle(&w), VN_TURN_IN_AUTH);
        assert_int_equal(vn_turn_state(w.turn), VN_TURN_EXPECT_ALLOCATION);
        end(&w);
    }
}

static void answers_that_make_no_sense(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct world w;
        begin(&w, false, i == 3);
        w.server.no_relayed = i == 0;
        w.server.no_lifetime = i == 1;
        if (i == 2)
            w.server.relayed.port = 0;
        if (i == 4)
            w.server.lifetime_s = 0;
        tick(&w);
        assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
        end(&w);
    }
}

static void ipv6(void **state)
{
    (void)state;
    struct world w;
    const struct vn_addr p6 = addr("2001:db8::5", 9), p4 = addr("192.0.2.77", 9);
    begin(&w, false, true);
    w.server.relayed = addr("2001:db8::9", 50000);
    tick(&w);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
    assert_int_equal(w.server.last.family, 2);
    vn_turn_permit(w.turn, &p4, w.now_us); /* its relayed address cannot reach it */
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], 0);
    vn_turn_permit(w.turn, &p6, w.now_us);
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], 1);
    assert_true(vn_addr_equal(&w.server.last.peer, &p6));
    end(&w);
}

/* ---- keeping it ---- */

static void refreshes(void **state)
{
    (void)state;
    struct world w;
    allocate(&w);
    assert_true(vn_turn_deadline(w.turn) == w.now_us + 540 * SECOND);
    pass(&w, w.now_us + 541 * SECOND);
    assert_int_equal(w.server.asked[VN_TURN_REFRESH], 1);
    assert_false(w.server.last.has_lifetime); /* as long as the server likes */
    w.server.lifetime_s = 10;
    pass(&w, w.now_us + 540 * SECOND);
    assert_int_equal(w.server.asked[VN_TURN_REFRESH], 2);
    pass(&w, w.now_us + 20 * SECOND);
    assert_in_range(w.server.asked[VN_TURN_REFRESH], 5, 7);
    w.server.refuse[VN_TURN_REFRESH] = 437;
    pass(&w, w.now_us + 6 * SECOND);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
    assert_int_equal(vn_turn_error(w.turn), 437);
    end(&w);
}

/* A server that says 1 s or a century is asked at sane times. */
static void hostile_lifetimes(void **state)
{
    (void)state;
    struct world w;
    begin(&w, false, false);
    w.server.lifetime_s = 1;
    tick(&w);
    assert_true(vn_turn_deadline(w.turn) >= w.now_us + VN_TURN_LIFETIME_MIN_S * SECOND / 2);
    end(&w);
    begin(&w, false, false);
    w.server.lifetime_s = UINT32_MAX;
    tick(&w);
    assert_true(vn_turn_deadline(w.turn) <= w.now_us + VN_TURN_LIFETIME_MAX_S * SECOND);
    end(&w);
}

static void permissions(void **state)
{
    (void)state;
    struct world w;
    const struct vn_addr one = addr("192.0.2.70", 1), same = addr("192.0.2.70", 2),
                         other = addr("192.0.2.71", 1);
    begin(&w, false, false);
    vn_turn_permit(w.turn, &one, w.now_us); /* before there is anything to permit on */
    tick(&w);
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], 1);
    vn_turn_permit(w.turn, &same, w.now_us);
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], 1);
    vn_turn_permit(w.turn, &other, w.now_us);
    settle(&w);
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], 2);
    pass(&w, w.now_us + VN_TURN_RENEW_US);
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], 4);
    /* once a channel is bound the others are let go */
    vn_turn_bind(w.turn, &same, w.now_us);
    settle(&w);
    pass(&w, w.now_us + VN_TURN_RENEW_US);
    const unsigned then = w.server.asked[VN_TURN_CREATE_PERMISSION];
    pass(&w, w.now_us + VN_TURN_RENEW_US);
    assert_int_equal(w.server.asked[VN_TURN_CREATE_PERMISSION], then + 1);
    assert_int_equal(w.server.asked[VN_TURN_CHANNEL_BIND], 3);
    /* and nobody fills the table */
    for (unsigned i = 0; i < 100; i++) {
        struct vn_addr many = addr("198.51.100.1", 1);
        many.ip.b[15] = (uint8_t)i;
        vn_turn_permit(w.turn, &many, w.now_us);
    }
    assert_in_range(w.server.asked[VN_TURN_CREATE_PERMISSION], VN_TURN_PERMISSIONS_MAX,
                    VN_TURN_PERMISSIONS_MAX + 5);
    end(&w);
}

static void a_refused_peer_harms_no_other(void **state)
{
    (void)state;
    struct world w;
    const struct vn_addr one = addr("192.0.2.70", 1), other = addr("192.0.2.71", 1);
    allocate(&w);
    w.server.refuse[VN_TURN_CREATE_PERMISSION] = w.server.refuse[VN_TURN_CHANNEL_BIND] = 403;
    vn_turn_permit(w.turn, &one, w.now_us);
    settle(&w);
    vn_turn_bind(w.turn, &one, w.now_us);
    settle(&w);
    assert_int_equal(vn_turn_channel(w.turn, &one), 0);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
    w.server.refuse[VN_TURN_CHANNEL_BIND] = 0;
    vn_turn_bind(w.turn, &other, w.now_us);
    settle(&w);
    assert_int_equal(vn_turn_channel(w.turn, &other), 0x4001);
    w.server.refuse[VN_TURN_CREATE_PERMISSION] = 437;
    const struct vn_addr third = addr("192.0.2.72", 1);
    vn_turn_permit(w.turn, &third, w.now_us);
    settle(&w);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_FAILED);
    end(&w);
}

/* ---- data ---- */

static void data_by_indication_and_channel(void **state)
{
    (void)state;
    struct world w;
    const struct vn_addr peer = addr("192.0.2.70", 4000);
    struct vn_addr from;
    struct vn_dgram data;
    allocate(&w);
    vn_turn_send(w.turn, &peer, VN_SPAN_LIT("hello"));
    assert_int_equal(w.server.last.method, VN_TURN_SEND);
    assert_int_equal(w.server.last.cls, VN_STUN_INDICATION);
    assert_true(vn_addr_equal(&w.server.last.peer, &peer));
    assert_span_equal(w.server.last.data, VN_SPAN_LIT("hello"));
    assert_int_equal(
        give(&w, turn_server_data(&w.server, &peer, VN_SPAN_LIT("back")), &from, &data),
        VN_TURN_IN_DATA);
    assert_true(vn_addr_equal(&from, &peer));
    assert_span_equal(VN_SPAN(data.p, data.n), VN_SPAN_LIT("back"));

    assert_int_equal(give(&w, VN_SPAN_LIT("\x40\x00\x00\x04more"), &from, &data),
                     VN_TURN_IN_UNKNOWN); /* not bound */
    vn_turn_bind(w.turn, &peer, w.now_us);
    settle(&w);
    assert_int_equal(w.server.asked[VN_TURN_CHANNEL_BIND], 1);
    assert_int_equal(vn_turn_channel(w.turn, &peer), 0x4000);
    vn_turn_send(w.turn, &peer, VN_SPAN_LIT("hello"));
    assert_span_equal(VN_SPAN(w.server.last_bytes, w.server.last_len),
                      VN_SPAN_LIT("\x40\x00\x00\x05hello"));
    assert_int_equal(give(&w, VN_SPAN_LIT("\x40\x00\x00\x04more"), &from, &data), VN_TURN_IN_DATA);
    assert_true(vn_addr_equal(&from, &peer));
    assert_span_equal(VN_SPAN(data.p, data.n), VN_SPAN_LIT("more"));
    assert_int_equal(give(&w, VN_SPAN_LIT("\x40\x01\x00\x04more"), &from, &data),
                     VN_TURN_IN_UNKNOWN);
    assert_int_equal(give(&w, VN_SPAN_LIT("\x40\x00\x00\x05more"), &from, &data),
                     VN_TURN_IN_MALFORMED);
    assert_int_equal(give(&w, VN_SPAN_LIT("\x80more"), &from, &data), VN_TURN_IN_MALFORMED);
    end(&w);
}

static void streams_are_padded_and_cut(void **state)
{
    (void)state;
    struct world w;
    const struct vn_addr peer = addr("192.0.2.70", 4000);
    size_t n;
    begin(&w, true, false);
    tick(&w);
    vn_turn_bind(w.turn, &peer, w.now_us);
    settle(&w);
    vn_turn_send(w.turn, &peer, VN_SPAN_LIT("hello"));
    assert_span_equal(VN_SPAN(w.server.last_bytes, w.server.last_len),
                      VN_SPAN_LIT("\x40\x00\x00\x05hello\0\0\0"));
    assert_ok(vn_turn_frame_len(VN_SPAN(w.server.last_bytes, 4), &n));
    assert_int_equal(n, 12);
    assert_ok(vn_turn_frame_len(VN_SPAN_LIT("\x01\x01\x00\x0c"), &n));
    assert_int_equal(n, 32);
    assert_status(VN_ERR_AGAIN, vn_turn_frame_len(VN_SPAN_LIT("\x40\x00\x00"), &n));
    assert_status(VN_ERR_MALFORMED, vn_turn_frame_len(VN_SPAN_LIT("\x01\x01\x00\x0d"), &n));
    assert_status(VN_ERR_MALFORMED, vn_turn_frame_len(VN_SPAN_LIT("\x80\0\0\0"), &n));
    end(&w);
}

/* Whatever is cut off or flipped in an answer, nothing is taken from it. */
static void mangled_answers(void **state)
{
    (void)state;
    struct world w;
    struct vn_guard g;
    struct vn_addr from;
    struct vn_dgram data;
    vn_guard_init(&g, 2048);
    begin(&w, false, false);
    w.deaf = true;
    vn_turn_tick(w.turn, w.now_us);
    w.deaf = false;
    w.now_us = vn_turn_deadline(w.turn);
    vn_turn_tick(w.turn, w.now_us); /* challenged */
    assert_int_equal(w.answers, 1);
    w.answers = 0;
    assert_int_equal(give(&w, VN_SPAN(w.answer[0].b, w.answer[0].n), &from, &data),
                     VN_TURN_IN_CONTROL);
    uint8_t good[512];
    assert_int_equal(w.answers, 1);
    const size_t n = w.answer[0].n;
    memcpy(good, w.answer[0].b, n);
    w.answers = 0;
    for (size_t cut = 0; cut < n; cut++) {
        const struct vn_span in = vn_guard_copy(&g, VN_SPAN(good, cut));
        assert_int_equal(
            vn_turn_input(w.turn, (struct vn_dgram){(uint8_t *)in.p, cut}, w.now_us, &from, &data),
            VN_TURN_IN_MALFORMED);
    }
    /* The FINGERPRINT behind is not covered. */
    for (size_t bit = 0; bit < (n - 8) * 8; bit++) {
        uint8_t bad[2048];
        memcpy(bad, good, n);
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)give(&w, VN_SPAN(bad, n), &from, &data);
        assert_int_equal(vn_turn_state(w.turn), VN_TURN_EXPECT_ALLOCATION);
    }
    assert_int_equal(give(&w, VN_SPAN(good, n), &from, &data), VN_TURN_IN_CONTROL);
    assert_int_equal(vn_turn_state(w.turn), VN_TURN_ALLOCATED);
    end(&w);
    vn_guard_done(&g);
}

static void bad_credentials_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "caf\xc3\xa9", "tab\there"};
    struct vn_turn *t;
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++) {
        const struct vn_turn_config cfg = {
            .username = bad[i], .password = "x", .random = test_random()};
        assert_status(VN_ERR_ARG, vn_turn_new(&cfg, 0, &t));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocates_with_credentials),
        cmocka_unit_test(speaks_sha256_where_offered),
        cmocka_unit_test(no_downgrade),
        cmocka_unit_test(wrong_password),
        cmocka_unit_test(refusals),
        cmocka_unit_test(stale_nonces),
        cmocka_unit_test(silence),
        cmocka_unit_test(answers_that_prove_nothing),
        cmocka_unit_test(answers_that_make_no_sense),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(refreshes),
        cmocka_unit_test(hostile_lifetimes),
        cmocka_unit_test(permissions),
        cmocka_unit_test(a_refused_peer_harms_no_other),
        cmocka_unit_test(data_by_indication_and_channel),
        cmocka_unit_test(streams_are_padded_and_cut),
        cmocka_unit_test(mangled_answers),
        cmocka_unit_test(bad_credentials_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
