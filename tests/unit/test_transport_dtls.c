/* Two DTLS ends over queues in memory. */
#include "transport/dtls.h"

#include <stdlib.h>
#include <unistd.h>

#include "support/test.h"
#include "transport/limits.h"

#define QUEUE_MAX 128

struct end {
    struct vn_dtls *d;
    struct end *peer;
    uint8_t store[QUEUE_MAX][2048]; /* datagrams this end sent */
    size_t lens[QUEUE_MAX];
    size_t count;
    uint8_t got[QUEUE_MAX][2048];
    size_t got_lens[QUEUE_MAX];
    size_t got_count;
    size_t longest;
};

struct state {
    struct vn_dtls_ctx *ctx;
    struct end client, server;
};

static uint8_t *room(void *arg, size_t n)
{
    struct end *e = arg;
    return e->count < QUEUE_MAX && n <= sizeof(e->store[0]) ? e->store[e->count] : NULL;
}

static void keep(void *arg, size_t n)
{
    struct end *e = arg;
    e->longest = VN_MAX(e->longest, n);
    e->lens[e->count++] = n;
}

static void make(struct state *s, struct end *e, bool client, const char *identity, uint8_t key)
{
    struct vn_secret32 psk;
    memset(&psk, key, sizeof(psk));
    const struct vn_dtls_config cfg = {.client = client,
                                       .identity = identity,
                                       .psk = &psk,
                                       .mtu = VN_UDP_PAYLOAD_BYTES,
                                       .out = {e, room, keep}};
    e->peer = client ? &s->server : &s->client;
    assert_ok(vn_dtls_new(s->ctx, &cfg, &e->d));
}

static int set_up(void **state)
{
    struct state *s = calloc(1, sizeof(*s));
    if (!s || vn_dtls_ctx_new(&s->ctx) != VN_OK)
        return -1;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct state *s = *state;
    (void)vn_dtls_free(s->client.d);
    (void)vn_dtls_free(s->server.d);
    (void)vn_dtls_ctx_free(s->ctx);
    free(s);
    return 0;
}

/* Carries what `from` sent to its peer; true if there was anything. */
static bool carry(struct end *from)
{
    struct end *to = from->peer;
    struct vn_dgram in[QUEUE_MAX], out[QUEUE_MAX * 2];
    size_t n = from->count, used;
    static uint8_t copies[QUEUE_MAX][2048];
    for (size_t i = 0; i < n; i++) {
        memcpy(copies[i], from->store[i], from->lens[i]);
        in[i] = (struct vn_dgram){copies[i], from->lens[i]};
    }
    from->count = 0;
    size_t count = vn_dtls_open(to->d, in, n, out, VN_ARRAY_LEN(out), &used);
    for (size_t i = 0; i < count && to->got_count < QUEUE_MAX; i++) {
        memcpy(to->got[to->got_count], out[i].p, out[i].n);
        to->got_lens[to->got_count++] = out[i].n;
    }
    return n > 0;
}

static void run(struct state *s)
{
    for (int i = 0; i < 20; i++) {
        bool any = carry(&s->client);
        any |= carry(&s->server);
        if (!any)
            break;
    }
}

static void connect_both(struct state *s)
{
    make(s, &s->client, true, "identity.0", 1);
    make(s, &s->server, false, "identity.0", 1);
    vn_dtls_start(s->client.d);
    run(s);
    assert_int_equal(vn_dtls_state(s->client.d), VN_DTLS_OPEN);
    assert_int_equal(vn_dtls_state(s->server.d), VN_DTLS_OPEN);
}

static void handshake_and_records(void **state)
{
    struct state *s = *state;
    connect_both(s);
    assert_true(s->client.longest <= VN_UDP_PAYLOAD_BYTES);
    assert_true(vn_dtls_due_in_us(s->client.d) == UINT64_MAX);
    static uint8_t big[1415];
    const struct vn_span packets[] = {VN_SPAN_LIT("one"), VN_SPAN_LIT("two"), VN_SPAN_ARRAY(big)};
    vn_test_fill(big, sizeof(big));
    assert_ok(vn_dtls_seal(s->client.d, packets, 3));
    assert_int_equal(s->client.count, 3); /* a datagram each */
    assert_int_equal(s->client.lens[2], sizeof(big) + VN_DTLS_OVERHEAD_BYTES);
    run(s);
    assert_int_equal(s->server.got_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_span_equal(VN_SPAN(s->server.got[i], s->server.got_lens[i]), packets[i]);
    assert_ok(vn_dtls_seal(s->server.d, packets, 1));
    run(s);
    assert_span_equal(VN_SPAN(s->client.got[0], s->client.got_lens[0]), packets[0]);
}

static void two_records_in_one_datagram(void **state)
{
    struct state *s = *state;
    connect_both(s);
    const struct vn_span packets[] = {VN_SPAN_LIT("first"), VN_SPAN_LIT("second")};
    assert_ok(vn_dtls_seal(s->client.d, packets, 2));
    struct end *c = &s->client;
    memcpy(c->store[0] + c->lens[0], c->store[1], c->lens[1]);
    c->lens[0] += c->lens[1];
    c->count = 1;
    run(s);
    assert_int_equal(s->server.got_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_span_equal(VN_SPAN(s->server.got[i], s->server.got_lens[i]), packets[i]);
}

static void expect_failure(struct state *s)
{
    vn_dtls_start(s->client.d);
    run(s);
    assert_int_not_equal(vn_dtls_state(s->client.d), VN_DTLS_OPEN);
    assert_int_not_equal(vn_dtls_state(s->server.d), VN_DTLS_OPEN);
    const struct vn_span packet = VN_SPAN_LIT("x");
    assert_status(VN_ERR_STATE, vn_dtls_seal(s->client.d, &packet, 1));
}

static void another_key_fails(void **state)
{
    struct state *s = *state;
    make(s, &s->client, true, "identity.0", 1);
    make(s, &s->server, false, "identity.0", 2);
    expect_failure(s);
}

static void another_identity_fails(void **state)
{
    struct state *s = *state;
    make(s, &s->client, true, "identity.0", 1);
    make(s, &s->server, false, "identity.1", 1);
    expect_failure(s);
    assert_int_equal(vn_dtls_state(s->server.d), VN_DTLS_FAILED);
    assert_int_equal(vn_dtls_state(s->client.d), VN_DTLS_FAILED); /* by the server's alert */
}

/* Each datagram of the handshake lost once: a timer brings it again. */
static void lost_flights_are_sent_again(void **state)
{
    struct state *s = *state;
    make(s, &s->client, true, "identity.0", 1);
    make(s, &s->server, false, "identity.0", 1);
    vn_dtls_start(s->client.d);
    bool lose = true;
    for (int i = 0; i < 40 && (vn_dtls_state(s->client.d) != VN_DTLS_OPEN ||
                               vn_dtls_state(s->server.d) != VN_DTLS_OPEN);
         i++) {
        struct end *ends[] = {&s->client, &s->server};
        bool any = false;
        for (size_t k = 0; k < 2; k++) {
            if (ends[k]->count && lose)
                ends[k]->count = 0;
            else
                any |= carry(ends[k]);
        }
        lose = !lose;
        if (any)
            continue;
        uint64_t due = VN_MIN(vn_dtls_due_in_us(s->client.d), vn_dtls_due_in_us(s->server.d));
        assert_true(due <= VN_DTLS_TIMER_MAX_US);
        usleep((useconds_t)due + 1000);
        vn_dtls_timeout(s->client.d);
        vn_dtls_timeout(s->server.d);
    }
    assert_int_equal(vn_dtls_state(s->client.d), VN_DTLS_OPEN);
    assert_int_equal(vn_dtls_state(s->server.d), VN_DTLS_OPEN);
}

static void forged_and_replayed_records_vanish(void **state)
{
    struct state *s = *state;
    connect_both(s);
    const struct vn_span packet = VN_SPAN_LIT("truth");
    assert_ok(vn_dtls_seal(s->client.d, &packet, 1));
    uint8_t record[128];
    size_t n = s->client.lens[0];
    memcpy(record, s->client.store[0], n);
    for (size_t i = 0; i < n; i++) {
        memcpy(s->client.store[0], record, n);
        s->client.store[0][i] ^= 1;
        s->client.lens[0] = n;
        s->client.count = 1;
        (void)carry(&s->client);
    }
    assert_int_equal(s->server.got_count, 0);
    for (int i = 0; i < 3; i++) {
        memcpy(s->client.store[0], record, n);
        s->client.lens[0] = n;
        s->client.count = 1;
        (void)carry(&s->client);
    }
    assert_int_equal(s->server.got_count, 1);
    assert_int_equal(vn_dtls_state(s->server.d), VN_DTLS_OPEN);
}

static void close_is_told(void **state)
{
    struct state *s = *state;
    connect_both(s);
    vn_dtls_close(s->client.d);
    assert_int_equal(s->client.count, 1);
    run(s);
    assert_int_equal(vn_dtls_state(s->server.d), VN_DTLS_CLOSED);
    const struct vn_span packet = VN_SPAN_LIT("late");
    assert_status(VN_ERR_STATE, vn_dtls_seal(s->client.d, &packet, 1));
}

static void random_datagrams_do_no_harm(void **state)
{
    struct state *s = *state;
    connect_both(s);
    for (int i = 0; i < 20000; i++) {
        size_t n = 1 + vn_test_below(80);
        vn_test_fill(s->client.store[0], n);
        if (i % 2 && n > 13) { /* a plausible header */
            static const uint8_t head[] = {23, 0xfe, 0xfd, 0, 1};
            memcpy(s->client.store[0], head, sizeof(head));
            s->client.store[0][0] = (uint8_t)(20 + vn_test_below(5));
            s->client.store[0][11] = 0;
            s->client.store[0][12] = (uint8_t)(n - 13);
        }
        s->client.lens[0] = n;
        s->client.count = 1;
        (void)carry(&s->client);
    }
    assert_int_equal(s->server.got_count, 0);
    assert_int_equal(vn_dtls_state(s->server.d), VN_DTLS_OPEN);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(handshake_and_records),
        TEST(two_records_in_one_datagram),
        TEST(another_key_fails),
        TEST(another_identity_fails),
        TEST(lost_flights_are_sent_again),
        TEST(forged_and_replayed_records_vanish),
        TEST(close_is_told),
        TEST(random_datagrams_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
