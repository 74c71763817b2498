/* Two DTLS ends of ours over queues in memory, handshake included. */
#include "transport/dtls.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/dtls_rig.h"
#include "support/test.h"
#include "transport/dtls_record.h"
#include "transport/limits.h"

static int set_up(void **state)
{
    *state = dtls_rig_new();
    return 0;
}

static int tear_down(void **state)
{
    *state = dtls_rig_free(*state);
    return 0;
}

static void make_both(struct dtls_rig *r)
{
    dtls_rig_ours(r, true, "identity.0", 1);
    dtls_rig_ours(r, false, "identity.0", 1);
}

static void make_both_by_cert(struct dtls_rig *r)
{
    for (int client = 0; client < 2; client++)
        dtls_rig_certify(r, client);
    for (int client = 0; client < 2; client++)
        dtls_rig_ours_by_cert(r, client);
}

static void connect_both(struct dtls_rig *r)
{
    make_both(r);
    dtls_rig_start(r);
    dtls_rig_run(r);
    assert_true(dtls_end_open(&r->client) && dtls_end_open(&r->server));
}

static struct vn_span got(const struct dtls_end *e, size_t i)
{
    return VN_SPAN(e->got[i].b, e->got[i].n);
}

static struct vn_span sent(const struct dtls_end *e, size_t i)
{
    return VN_SPAN(e->sent[i].b, e->sent[i].n);
}

static void handshake_and_records(void **state)
{
    struct dtls_rig *r = *state;
    connect_both(r);
    assert_true(r->client.longest <= VN_UDP_PAYLOAD_BYTES);
    assert_true(vn_dtls_due_in_us(r->client.d) == UINT64_MAX);
    static uint8_t one[] = "one", two[] = "two", big[1415];
    const struct vn_dgram packets[] = {{one, 3}, {two, 3}, {big, sizeof(big)}};
    vn_test_fill(big, sizeof(big));
    assert_ok(vn_dtls_seal(r->client.d, packets, 3));
    assert_int_equal(r->client.count, 3); /* a datagram each */
    assert_int_equal(r->client.sent[2].n, sizeof(big) + VN_DTLS_OVERHEAD_BYTES);
    dtls_rig_run(r);
    assert_int_equal(r->server.got_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_span_equal(got(&r->server, i), VN_SPAN(packets[i].p, packets[i].n));
    dtls_end_send(&r->server, VN_SPAN_LIT("back"));
    dtls_rig_run(r);
    assert_span_equal(got(&r->client, 0), VN_SPAN_LIT("back"));
}

static void two_records_in_one_datagram(void **state)
{
    struct dtls_rig *r = *state;
    connect_both(r);
    dtls_end_send(&r->client, VN_SPAN_LIT("first"));
    dtls_end_send(&r->client, VN_SPAN_LIT("second"));
    struct dtls_datagram *d = r->client.sent;
    memcpy(d[0].b + d[0].n, d[1].b, d[1].n);
    d[0].n += d[1].n;
    r->client.count = 1;
    dtls_rig_run(r);
    assert_int_equal(r->server.got_count, 2);
    assert_span_equal(got(&r->server, 0), VN_SPAN_LIT("first"));
    assert_span_equal(got(&r->server, 1), VN_SPAN_LIT("second"));
}

static void expect_failure(struct dtls_rig *r)
{
    dtls_rig_start(r);
    dtls_rig_run(r);
    assert_false(dtls_end_open(&r->client) || dtls_end_open(&r->server));
    uint8_t x = 0;
    assert_status(VN_ERR_STATE, vn_dtls_seal(r->client.d, &(struct vn_dgram){&x, 1}, 1));
}

static void another_key_fails(void **state)
{
    struct dtls_rig *r = *state;
    dtls_rig_ours(r, true, "identity.0", 1);
    dtls_rig_ours(r, false, "identity.0", 2);
    expect_failure(r);
}

static void another_identity_fails(void **state)
{
    struct dtls_rig *r = *state;
    dtls_rig_ours(r, true, "identity.0", 1);
    dtls_rig_ours(r, false, "identity.1", 1);
    expect_failure(r);
    assert_int_equal(vn_dtls_state(r->server.d), VN_DTLS_FAILED);
    assert_int_equal(vn_dtls_state(r->client.d), VN_DTLS_FAILED); /* by the server's alert */
}

static void forged_and_replayed_records_vanish(void **state)
{
    struct dtls_rig *r = *state;
    connect_both(r);
    dtls_end_send(&r->client, VN_SPAN_LIT("truth"));
    const struct dtls_datagram record = r->client.sent[0];
    r->client.count = 0;
    for (size_t i = 0; i < record.n; i++) {
        struct dtls_datagram forged = record;
        forged.b[i] ^= 1;
        dtls_end_take(&r->server, VN_SPAN(forged.b, forged.n));
    }
    assert_int_equal(vn_dtls_dropped(r->server.d), record.n);
    assert_int_equal(r->server.got_count, 0);
    for (int i = 0; i < 3; i++)
        dtls_end_take(&r->server, VN_SPAN(record.b, record.n));
    assert_int_equal(r->server.got_count, 1);
    assert_int_equal(vn_dtls_dropped(r->server.d), record.n + 2);
    assert_true(dtls_end_open(&r->server));
}

static void close_is_told(void **state)
{
    struct dtls_rig *r = *state;
    connect_both(r);
    vn_dtls_close(r->client.d);
    vn_dtls_close(r->client.d);
    assert_int_equal(r->client.count, 1);
    dtls_rig_run(r);
    assert_int_equal(vn_dtls_state(r->server.d), VN_DTLS_CLOSED);
    uint8_t x = 0;
    assert_status(VN_ERR_STATE, vn_dtls_seal(r->client.d, &(struct vn_dgram){&x, 1}, 1));
}

static void random_datagrams_do_no_harm(void **state)
{
    struct dtls_rig *r = *state;
    connect_both(r);
    for (int i = 0; i < 20000; i++) {
        uint8_t b[80];
        size_t n = 1 + vn_test_below(sizeof(b));
        vn_test_fill(b, n);
        if (i % 2 && n > 13) { /* a plausible header */
            static const uint8_t head[] = {23, 0xfe, 0xfd, 0, 1};
            memcpy(b, head, sizeof(head));
            b[0] = (uint8_t)(20 + vn_test_below(5));
            b[11] = 0;
            b[12] = (uint8_t)(n - 13);
        }
        dtls_end_take(&r->server, VN_SPAN(b, n));
    }
    assert_int_equal(r->server.got_count, 0);
    assert_int_equal(vn_dtls_dropped(r->server.d), 20000);
    assert_true(dtls_end_open(&r->server));
}

/* ---- around the end of the handshake ---- */

/* Carries until the server is open; its last flight waits in its queue, number *ret of it. */
static size_t open_server(struct dtls_rig *r)
{
    make_both(r);
    dtls_rig_start(r);
    for (int i = 0; i < 10 && !dtls_end_open(&r->server); i++) {
        (void)dtls_rig_carry(r, &r->client);
        if (!dtls_end_open(&r->server))
            (void)dtls_rig_carry(r, &r->server);
    }
    assert_true(dtls_end_open(&r->server) && !dtls_end_open(&r->client));
    assert_true(r->server.count > 0);
    return r->server.count;
}

/* The server may send as soon as it has sent its Finished, and its data may arrive first. */
static void early_records_are_held(void **state)
{
    struct dtls_rig *r = *state;
    const size_t flight = open_server(r);
    char text[] = "a";
    for (int i = 0; i < VN_DTLS_EARLY_MAX + 3; i++, text[0]++)
        dtls_end_send(&r->server, VN_SPAN_STR(text));
    for (size_t i = flight; i < r->server.count; i++)
        dtls_end_take(&r->client, sent(&r->server, i));
    assert_int_equal(r->client.got_count, 0);
    assert_int_equal(vn_dtls_dropped(r->client.d), 3); /* no room */
    for (size_t i = 0; i < flight; i++)
        dtls_end_take(&r->client, sent(&r->server, i));
    assert_true(dtls_end_open(&r->client));
    assert_int_equal(r->client.got_count, VN_DTLS_EARLY_MAX);
    text[0] = 'a';
    for (size_t i = 0; i < VN_DTLS_EARLY_MAX; i++, text[0]++)
        assert_span_equal(got(&r->client, i), VN_SPAN_STR(text));
    /* Held ones are marked as seen; the three that were dropped are not. */
    for (size_t i = flight; i < r->server.count; i++)
        dtls_end_take(&r->client, sent(&r->server, i));
    assert_int_equal(r->client.got_count, VN_DTLS_EARLY_MAX + 3);
}

static void an_early_close_counts(void **state)
{
    struct dtls_rig *r = *state;
    const size_t flight = open_server(r);
    vn_dtls_close(r->server.d);
    dtls_end_take(&r->client, sent(&r->server, flight));
    assert_int_equal(vn_dtls_state(r->client.d), VN_DTLS_HANDSHAKE);
    for (size_t i = 0; i < flight; i++)
        dtls_end_take(&r->client, sent(&r->server, i));
    assert_int_equal(vn_dtls_state(r->client.d), VN_DTLS_CLOSED);
}

/* Of every type, sealed as far as one can see, or shorter than anything sealed is. */
static void take_forged(struct dtls_end *e)
{
    static const uint8_t head[] = {0, 0xfe, 0xfd, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0};
    for (uint8_t type = 20; type < 24; type++) {
        for (uint8_t n = 0; n < 40; n += 3) {
            uint8_t b[sizeof(head) + 40];
            vn_test_fill(b, sizeof(b));
            memcpy(b, head, sizeof(head));
            b[0] = type;
            b[12] = n;
            dtls_end_take(e, VN_SPAN(b, sizeof(head) + n));
        }
    }
}

/* They take the room of honest ones, but end nothing: before the CCS, after it, at the end. */
static void forged_early_records_end_nothing(void **state)
{
    struct dtls_rig *r = *state;
    const size_t flight = open_server(r);
    for (size_t i = 0; i < flight; i++) {
        struct vn_dgram rest = {r->server.sent[i].b, r->server.sent[i].n};
        struct vn_dtls_record record;
        while (rest.n > 0) {
            assert_true(vn_dtls_record_cut(&rest, &record));
            take_forged(&r->client);
            dtls_end_take(&r->client, VN_SPAN(record.whole.p, record.whole.n));
        }
    }
    take_forged(&r->client);
    assert_true(dtls_end_open(&r->client));
    assert_int_equal(r->client.got_count, 0);
}

static bool wait_for_flight(struct dtls_rig *r)
{
    for (int i = 0; i < 3000 && r->client.count == 0; i++) {
        usleep(1000);
        vn_dtls_timeout(r->client.d);
    }
    return r->client.count > 0;
}

/* The server's SSL object is gone by then; what it sent is not. */
static void a_lost_last_flight_is_sent_again(void **state)
{
    struct dtls_rig *r = *state;
    const size_t flight = open_server(r);
    uint8_t before[512];
    size_t n = 0;
    for (size_t i = 0; i < flight; i++) {
        memcpy(before + n, r->server.sent[i].b, r->server.sent[i].n);
        n += r->server.sent[i].n;
    }
    r->server.count = 0;
    assert_true(wait_for_flight(r));
    (void)dtls_rig_carry(r, &r->client);
    assert_int_equal(r->server.count, 1);
    assert_span_equal(sent(&r->server, 0), VN_SPAN(before, n)); /* the same bytes */
    dtls_rig_run(r);
    assert_true(dtls_end_open(&r->client));
    dtls_end_send(&r->client, VN_SPAN_LIT("at last"));
    dtls_rig_run(r);
    assert_span_equal(got(&r->server, 0), VN_SPAN_LIT("at last"));
}

/* ---- nonces ---- */

enum { PAIRS = 16, SEEN_MAX = 600, OWN = 40 };

/* Everything that one end sealed under its key. */
struct seen {
    struct dtls_datagram records[SEEN_MAX];
    size_t count, openssl, repeated;
};

static void see(void *arg, struct vn_dgram datagram)
{
    struct seen *s = arg;
    struct vn_dtls_record r;
    while (datagram.n > 0) {
        assert_true(vn_dtls_record_cut(&datagram, &r));
        if (r.epoch == 0)
            continue;
        assert_true(vn_dtls_record_is_sealed(&r));
        for (size_t i = 0; i < s->count; i++) {
            struct vn_dgram rest = {s->records[i].b, s->records[i].n};
            struct vn_dtls_record before;
            assert_true(vn_dtls_record_cut(&rest, &before));
            if (vn_dtls_record_nonce(&before) != vn_dtls_record_nonce(&r) && before.seq != r.seq)
                continue;
            /* Only ever the same bytes again: nothing new is sealed under that nonce. */
            assert_span_equal(VN_SPAN(r.whole.p, r.whole.n),
                              VN_SPAN(before.whole.p, before.whole.n));
            s->repeated++;
        }
        assert_true(s->count < SEEN_MAX);
        memcpy(s->records[s->count].b, r.whole.p, r.whole.n);
        s->records[s->count++].n = r.whole.n;
        s->openssl += r.seq < VN_DTLS_OURS_FROM;
    }
}

/*
 * Many handshakes at once, since the timers are real ones. A quarter of the datagrams are lost, so
 * Finished messages are sent again by OpenSSL (anew) and by us (the same), and data follows. Of the
 * first pair the server's last flight is lost for sure.
 */
static void lossy_handshakes_never_repeat_a_nonce(void **state)
{
    (void)state;
    static struct seen seen[PAIRS][2];
    struct dtls_rig *rigs[PAIRS];
    size_t open = 0, openssl = 0, repeated = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        struct dtls_rig *r = rigs[i] = dtls_rig_new();
        memset(seen[i], 0, sizeof(seen[i]));
        r->client.tap = r->server.tap = see;
        r->client.tap_arg = &seen[i][0];
        r->server.tap_arg = &seen[i][1];
        if (i == 0) {
            (void)open_server(r);
            r->server.count = 0;
        } else {
            if (i % 2)
                make_both_by_cert(r);
            else
                make_both(r);
            dtls_rig_start(r);
        }
        r->loss = 25;
        r->repeat = r->reorder = 10;
    }
    const uint64_t end = vn_clock_mono_us() + 30000000;
    for (bool done[PAIRS] = {false}; open < PAIRS && vn_clock_mono_us() < end; usleep(1000)) {
        for (size_t i = 0; i < PAIRS; i++) {
            struct dtls_rig *r = rigs[i];
            dtls_rig_timers(r);
            dtls_rig_run(r);
            if (!done[i] && dtls_end_open(&r->client) && dtls_end_open(&r->server)) {
                done[i] = true;
                open++;
            }
        }
    }
    assert_int_equal(open, PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        struct dtls_rig *r = rigs[i];
        r->loss = r->repeat = r->reorder = 0;
        dtls_rig_run(r);
        r->client.got_count = r->server.got_count = 0;
        for (int k = 0; k < OWN; k++) {
            dtls_end_send(&r->client, VN_SPAN_LIT("data"));
            dtls_end_send(&r->server, VN_SPAN_LIT("data"));
        }
        dtls_rig_run(r);
        assert_int_equal(r->client.got_count, OWN);
        assert_int_equal(r->server.got_count, OWN);
        dtls_end_close(&r->client);
        dtls_rig_run(r);
        for (int k = 0; k < 2; k++) {
            assert_true(seen[i][k].openssl > 0);
            assert_true(seen[i][k].count - seen[i][k].openssl > OWN);
            openssl += seen[i][k].openssl;
            repeated += seen[i][k].repeated;
        }
        (void)dtls_rig_free(r);
    }
    assert_true(openssl > 2 * PAIRS); /* OpenSSL sent a Finished more than once, */
    assert_true(repeated > 0);        /* and we did */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(handshake_and_records),
        TEST(two_records_in_one_datagram),
        TEST(another_key_fails),
        TEST(another_identity_fails),
        TEST(forged_and_replayed_records_vanish),
        TEST(close_is_told),
        TEST(random_datagrams_do_no_harm),
        TEST(early_records_are_held),
        TEST(an_early_close_counts),
        TEST(forged_early_records_end_nothing),
        TEST(a_lost_last_flight_is_sent_again),
        cmocka_unit_test(lossy_handshakes_never_repeat_a_nonce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
