/* Records after the handshake, at both ends of one key block, by a clock of the test's. */
#include <stdlib.h>

#include "support/guard.h"
#include "support/test.h"
#include "transport/dtls_epoch1.h"

enum { CLIENT, SERVER };

struct end {
    struct vn_dtls_epoch1 e;
    uint8_t sent[8][2048]; /* the last 8 */
    size_t lens[8];
    size_t count;
};

struct both {
    struct end end[2];
};

#define FLIGHT "CCS and Finished of the server"

static uint8_t *room(void *arg, size_t n)
{
    struct end *e = arg;
    return n <= sizeof(e->sent[0]) ? e->sent[e->count % 8] : NULL;
}

static void keep(void *arg, size_t n)
{
    struct end *e = arg;
    e->lens[e->count++ % 8] = n;
}

static int set_up(void **state)
{
    struct both *b = calloc(1, sizeof(*b));
    struct vn_dtls_keys keys;
    assert_non_null(b);
    memset(&keys.client, 1, sizeof(keys.client));
    memset(&keys.server, 2, sizeof(keys.server));
    keys.client.len = keys.server.len = VN_AEAD_KEY_LEN;
    for (int i = 0; i < 2; i++) {
        const struct vn_dtls_epoch1_config cfg = {.client = i == CLIENT,
                                                  .keys = &keys,
                                                  .first_nonce = UINT64_MAX - 70000, /* wraps */
                                                  .flight = VN_SPAN_LIT(FLIGHT),
                                                  .out = {&b->end[i], room, keep}};
        assert_ok(vn_dtls_epoch1_init(&b->end[i].e, &cfg));
    }
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct both *b = *state;
    vn_dtls_epoch1_done(&b->end[0].e);
    vn_dtls_epoch1_done(&b->end[1].e);
    free(b);
    return 0;
}

/* The first record of a datagram, which is copied: records are opened in place. */
static bool take_at(struct end *to, struct vn_span datagram, uint64_t now_us, struct vn_dgram *data)
{
    static uint8_t copy[VN_DTLS_PLAIN_MAX + 200];
    struct vn_dgram rest = {copy, datagram.n};
    struct vn_dtls_record r;
    *data = (struct vn_dgram){.n = 0};
    assert_true(datagram.n <= sizeof(copy));
    memcpy(copy, datagram.p, datagram.n);
    return vn_dtls_record_cut(&rest, &r) && vn_dtls_epoch1_take(&to->e, &r, now_us, data);
}

static bool take(struct end *to, struct vn_span datagram)
{
    struct vn_dgram data;
    return take_at(to, datagram, 0, &data);
}

static struct vn_span last(const struct end *e)
{
    const size_t i = (e->count - 1) % 8;
    return VN_SPAN(e->sent[i], e->lens[i]);
}

static struct vn_span seal(struct end *from, struct vn_span text)
{
    const struct vn_dgram d = {(uint8_t *)(uintptr_t)text.p, text.n};
    assert_ok(vn_dtls_epoch1_seal(&from->e, &d, 1));
    return last(from);
}

/* A record of any type, as the peer's OpenSSL might have written it. */
static struct vn_span forge(struct end *from, enum vn_dtls_type type, struct vn_span text)
{
    static uint8_t out[VN_DTLS_PLAIN_MAX + VN_DTLS_OVERHEAD_BYTES];
    assert_ok(vn_dtls_tx_seal(&from->e.tx, type, text, out));
    return VN_SPAN(out, text.n + VN_DTLS_OVERHEAD_BYTES);
}

static void both_directions(void **state)
{
    struct both *b = *state;
    struct vn_dgram data;
    for (int i = 0; i < 2; i++) {
        struct end *from = &b->end[i], *to = &b->end[1 - i];
        assert_true(take_at(to, seal(from, VN_SPAN_LIT("hello")), 0, &data));
        assert_span_equal(VN_SPAN(data.p, data.n), VN_SPAN_LIT("hello"));
        /* An empty record is the peer's, and nothing for the user. */
        assert_true(take_at(to, seal(from, VN_SPAN_NONE), 0, &data));
        assert_int_equal(data.n, 0);
        /* Nobody takes his own. */
        assert_false(take(from, seal(from, VN_SPAN_LIT("hello"))));
    }
}

static void what_the_wire_shows(void **state)
{
    struct both *b = *state;
    struct vn_span s = seal(&b->end[CLIENT], VN_SPAN_LIT("hello"));
    assert_int_equal(s.n, 5 + VN_DTLS_OVERHEAD_BYTES);
    /* data, 1.2, epoch 1, sequence 2^16, length 29, nonce first + 2^16 */
    assert_span_equal(VN_SPAN(s.p, 13), vn_test_hex("17fefd0001000000010000001d"));
    assert_span_equal(VN_SPAN(s.p + 13, 8), vn_test_hex("ffffffffffffee8f"));
    for (int i = 0; i < 5000; i++)
        s = seal(&b->end[CLIENT], VN_SPAN_NONE);
    assert_span_equal(VN_SPAN(s.p, 13), vn_test_hex("17fefd00010000000113880018"));
    assert_span_equal(VN_SPAN(s.p + 13, 8), vn_test_hex("0000000000000217"));
}

static void every_flipped_byte_and_truncation(void **state)
{
    struct both *b = *state;
    struct vn_guard g;
    uint8_t copy[64];
    struct vn_span s = seal(&b->end[CLIENT], VN_SPAN_LIT("sealed"));
    vn_guard_init(&g, s.n);
    for (size_t i = 0; i < s.n; i++) {
        memcpy(copy, s.p, s.n);
        copy[i] ^= 0x40;
        assert_false(take(&b->end[SERVER], VN_SPAN(copy, s.n)));
    }
    for (size_t n = 0; n < s.n; n++) {
        struct vn_span cut = vn_guard_copy(&g, VN_SPAN(s.p, n));
        struct vn_dgram rest = {(uint8_t *)(uintptr_t)cut.p, cut.n};
        struct vn_dtls_record r;
        assert_false(vn_dtls_record_cut(&rest, &r));
        /* cut with a length that fits */
        if (n < VN_DTLS_HEADER_LEN)
            continue;
        memcpy(copy, s.p, n);
        copy[11] = 0;
        copy[12] = (uint8_t)(n - VN_DTLS_HEADER_LEN);
        cut = vn_guard_copy(&g, VN_SPAN(copy, n));
        rest = (struct vn_dgram){(uint8_t *)(uintptr_t)cut.p, cut.n};
        struct vn_dgram data;
        assert_true(vn_dtls_record_cut(&rest, &r));
        assert_false(vn_dtls_epoch1_take(&b->end[SERVER].e, &r, 0, &data));
    }
    assert_true(take(&b->end[SERVER], s));
    vn_guard_done(&g);
}

static void the_window_is_4096_wide(void **state)
{
    struct both *b = *state;
    static uint8_t first[4][64];
    struct vn_span s = VN_SPAN_NONE;
    for (size_t i = 0; i < 4; i++) {
        s = seal(&b->end[CLIENT], VN_SPAN_LIT("early bird"));
        memcpy(first[i], s.p, s.n);
    }
    const size_t n = s.n;
    for (size_t i = 4; i < 4096 + 2; i++)
        s = seal(&b->end[CLIENT], VN_SPAN_LIT("late"));
    assert_true(take(&b->end[SERVER], s)); /* number 4097 of them, counted from 0 */
    assert_false(take(&b->end[SERVER], s));
    assert_false(take(&b->end[SERVER], VN_SPAN(first[1], n)));
    assert_true(take(&b->end[SERVER], VN_SPAN(first[2], n)));
    assert_false(take(&b->end[SERVER], VN_SPAN(first[2], n)));
    assert_true(take(&b->end[SERVER], VN_SPAN(first[3], n)));
}

/* One window for all: an alert that is played again is as dead as data. */
static void the_window_is_over_all_types(void **state)
{
    struct both *b = *state;
    uint8_t copy[64];
    static const uint8_t warning[] = {1, 90};
    struct vn_span s = forge(&b->end[CLIENT], VN_DTLS_ALERT, VN_SPAN_ARRAY(warning));
    memcpy(copy, s.p, s.n);
    assert_true(take(&b->end[SERVER], s));
    assert_false(take(&b->end[SERVER], VN_SPAN(copy, s.n)));
    b->end[CLIENT].e.tx.seq--; /* a bug of the sender's: the same number again */
    assert_false(take(&b->end[SERVER], seal(&b->end[CLIENT], VN_SPAN_LIT("data"))));
}

static void alerts(void **state)
{
    struct both *b = *state;
    struct end *server = &b->end[SERVER], *client = &b->end[CLIENT];
    static const uint8_t user_canceled[] = {1, 90}, close_notify[] = {1, 0},
                         decode_error[] = {2, 50}, odd[] = {2, 50, 0};
    assert_true(take(server, forge(client, VN_DTLS_ALERT, VN_SPAN_ARRAY(user_canceled))));
    assert_true(take(server, forge(client, VN_DTLS_ALERT, VN_SPAN_ARRAY(odd))));
    assert_int_equal(server->e.state, VN_DTLS_OPEN);
    assert_int_equal(server->count, 0);
    assert_true(take(server, forge(client, VN_DTLS_ALERT, VN_SPAN_ARRAY(close_notify))));
    assert_int_equal(server->e.state, VN_DTLS_CLOSED);
    assert_int_equal(server->count, 1); /* the answer */
    struct vn_span answer = last(server);
    assert_false(take(server, seal(client, VN_SPAN_LIT("late"))));
    assert_true(take(client, answer));
    assert_int_equal(client->e.state, VN_DTLS_CLOSED);

    client->e.state = server->e.state = VN_DTLS_OPEN;
    assert_true(take(client, forge(server, VN_DTLS_ALERT, VN_SPAN_ARRAY(decode_error))));
    assert_int_equal(client->e.state, VN_DTLS_FAILED);
}

static void the_flight_is_repeated_within_bounds(void **state)
{
    struct both *b = *state;
    struct end *server = &b->end[SERVER], *client = &b->end[CLIENT];
    static const uint8_t finished[] = {20, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 12, 9, 9, 9, 9};
    static const uint8_t hello[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct vn_dgram data;
    uint64_t now = 1000000;
    assert_true(
        take_at(server, forge(client, VN_DTLS_HANDSHAKE_MSG, VN_SPAN_ARRAY(hello)), now, &data));
    assert_int_equal(server->count, 0);
    for (size_t i = 1; i <= VN_DTLS_ANSWERS_MAX; i++, now += 200000) {
        struct vn_span again = forge(client, VN_DTLS_HANDSHAKE_MSG, VN_SPAN_ARRAY(finished));
        assert_true(take_at(server, again, now, &data));
        assert_int_equal(data.n, 0);
        assert_int_equal(server->count, i);
        assert_span_equal(last(server), VN_SPAN_LIT(FLIGHT));
        assert_false(take_at(server, again, now + 200000, &data)); /* not for a replay */
        again = forge(client, VN_DTLS_HANDSHAKE_MSG, VN_SPAN_ARRAY(finished));
        assert_true(take_at(server, again, now + 199999, &data)); /* nor so soon */
        assert_int_equal(server->count, i);
    }
    assert_true(
        take_at(server, forge(client, VN_DTLS_HANDSHAKE_MSG, VN_SPAN_ARRAY(finished)), now, &data));
    assert_int_equal(server->count, VN_DTLS_ANSWERS_MAX);
    /* A client has nothing to repeat: its flight came before the server's. */
    assert_true(
        take_at(client, forge(server, VN_DTLS_HANDSHAKE_MSG, VN_SPAN_ARRAY(finished)), now, &data));
    assert_int_equal(client->count, 0);
    assert_true(take_at(server, seal(client, VN_SPAN_LIT("still open")), now, &data));
    assert_int_equal(data.n, 10);
}

static void other_epochs_and_versions_vanish(void **state)
{
    struct both *b = *state;
    uint8_t copy[64];
    struct vn_span s = seal(&b->end[CLIENT], VN_SPAN_LIT("x"));
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{1, 3}, {2, 0xff}, {2, 0xfc}, {3, 1}, {4, 0}, {4, 2}, {0, 20}, {0, 22}, {0, 24}};
    for (size_t i = 0; i < VN_ARRAY_LEN(changes); i++) {
        memcpy(copy, s.p, s.n);
        copy[changes[i].at] = changes[i].value;
        assert_false(take(&b->end[SERVER], VN_SPAN(copy, s.n)));
    }
    assert_true(take(&b->end[SERVER], s));
}

static void longest_record(void **state)
{
    struct both *b = *state;
    static uint8_t text[VN_DTLS_PLAIN_MAX + 1], out[VN_DTLS_PLAIN_MAX + 1 + VN_DTLS_OVERHEAD_BYTES];
    struct vn_dtls_tx *tx = &b->end[CLIENT].e.tx;
    assert_status(VN_ERR_ARG, vn_dtls_tx_seal(tx, VN_DTLS_DATA, VN_SPAN_ARRAY(text), out));
    assert_ok(vn_dtls_tx_seal(tx, VN_DTLS_DATA, VN_SPAN(text, VN_DTLS_PLAIN_MAX), out));
    assert_true(take(&b->end[SERVER], VN_SPAN(out, sizeof(out) - 1)));
}

/* Sealing where the text stands already. */
static void in_place(void **state)
{
    struct both *b = *state;
    uint8_t buf[100];
    struct vn_dgram data;
    uint8_t *text = buf + VN_DTLS_HEADER_LEN + VN_DTLS_NONCE_LEN;
    memcpy(text, "in place", 8);
    assert_ok(vn_dtls_tx_seal(&b->end[CLIENT].e.tx, VN_DTLS_DATA, VN_SPAN(text, 8), buf));
    assert_true(take_at(&b->end[SERVER], VN_SPAN(buf, 8 + VN_DTLS_OVERHEAD_BYTES), 0, &data));
    assert_span_equal(VN_SPAN(data.p, data.n), VN_SPAN_LIT("in place"));
}

static void a_key_is_used_up(void **state)
{
    struct both *b = *state;
    struct end *client = &b->end[CLIENT];
    assert_false(vn_dtls_epoch1_worn(&client->e));
    client->e.tx.bytes = VN_DTLS_BYTES_MAX / VN_DTLS_SPARE_SHARE * (VN_DTLS_SPARE_SHARE - 1);
    assert_false(vn_dtls_epoch1_worn(&client->e));
    client->e.tx.bytes++;
    assert_true(vn_dtls_epoch1_worn(&client->e));
    client->e.tx.bytes = VN_DTLS_BYTES_MAX - 5;
    (void)seal(client, VN_SPAN_LIT("1234"));
    uint8_t two[2] = {0};
    assert_status(VN_ERR_LIMIT,
                  vn_dtls_epoch1_seal(&client->e, &(struct vn_dgram){two, sizeof(two)}, 1));
    assert_int_equal(client->e.state, VN_DTLS_CLOSED);
    assert_int_equal(client->count, 2); /* and the peer is told */
    assert_true(take(&b->end[SERVER], last(client)));
    assert_int_equal(b->end[SERVER].e.state, VN_DTLS_CLOSED);
    assert_status(VN_ERR_STATE, vn_dtls_epoch1_seal(&client->e, &(struct vn_dgram){two, 1}, 1));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_directions),
        TEST(what_the_wire_shows),
        TEST(every_flipped_byte_and_truncation),
        TEST(the_window_is_4096_wide),
        TEST(the_window_is_over_all_types),
        TEST(alerts),
        TEST(the_flight_is_repeated_within_bounds),
        TEST(other_epochs_and_versions_vanish),
        TEST(longest_record),
        TEST(in_place),
        TEST(a_key_is_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
