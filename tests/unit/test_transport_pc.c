/* Two peer connections without a tether: channels of any kind, over loopback. */
#include <stdlib.h>

#include "base/log.h"
#include "support/test.h"
#include "support/test_io.h"
#include "transport/limits.h"
#include "transport/peer_conn_i.h"
#include "transport/sctp/assoc.h"

enum { MSGS = 512 };

struct end {
    struct end *peer;
    struct vn_transport *transport;
    struct vn_pc *pc;
    struct vn_ice_params params;
    struct vn_dtls_cert *cert; /* instead of the pre-shared key */
    struct vn_candidate candidates[VN_ICE_CANDIDATES_MAX];
    size_t candidate_count;
    bool gathered, open, refuses;
    unsigned offers, writable;
    uint32_t channels; /* bit i: the peer opened stream i */
    uint32_t closed;   /* likewise, closed by either */
    char label[16];
    struct vn_pktbuf *msgs[MSGS];
    uint16_t streams[MSGS];
    size_t msg_count;
    enum vn_tether_down down;
};

struct state {
    struct test_io *io;
    struct end a, b; /* a controls and is the DTLS server */
    size_t want;
};

static const struct vn_pc_channel_config plain = {.label = "plain", .queue_bytes = 1 << 16};

static void on_candidate(void *arg, const struct vn_candidate *c)
{
    struct end *e = arg;
    e->candidates[e->candidate_count++] = *c;
}
static void on_gathered(void *arg)
{
    ((struct end *)arg)->gathered = true;
}
static void on_open(void *arg)
{
    ((struct end *)arg)->open = true;
}
static bool on_offer(void *arg, uint16_t stream, const struct vn_dcep_msg *m,
                     struct vn_pc_channel_config *cfg)
{
    struct end *e = arg;
    (void)stream;
    e->offers++;
    assert_true(m->label.n < sizeof(e->label));
    memcpy(e->label, m->label.p, m->label.n);
    e->label[m->label.n] = '\0';
    cfg->label = e->label;
    cfg->queue_bytes = 1 << 16;
    return !e->refuses;
}
static void on_channel(void *arg, uint16_t stream)
{
    ((struct end *)arg)->channels |= 1u << stream;
}
static void on_messages(void *arg, uint16_t stream, struct vn_pktbuf **bufs, size_t n)
{
    struct end *e = arg;
    for (size_t i = 0; i < n; i++) {
        assert_true(e->msg_count < MSGS);
        e->streams[e->msg_count] = stream;
        e->msgs[e->msg_count++] = bufs[i];
    }
}
static void on_writable(void *arg, uint16_t stream)
{
    (void)stream;
    ((struct end *)arg)->writable++;
}
static void on_down(void *arg, enum vn_tether_down why)
{
    ((struct end *)arg)->down = why;
}

static void on_closed(void *arg, uint16_t stream)
{
    ((struct end *)arg)->closed |= 1u << stream;
}

static void open_end(struct state *s, struct end *e, struct end *peer, bool controls)
{
    const struct vn_transport_config tc = {
        .io = test_io_port(s->io), .random = test_random(), .allow_loopback = true};
    const struct vn_pc_handler h = {
        e,       on_candidate, on_gathered, on_open, on_offer, on_channel, on_messages, on_writable,
        on_down, on_closed,    NULL,        NULL,    NULL,     NULL,       NULL,        NULL};
    struct vn_pc_config cfg = {.identity = "test.0",
                               .controlling = controls,
                               .dtls_client = !controls,
                               .tie_breaker = controls,
                               .message_max = 4096};
    e->peer = peer;
    memset(e->params.ufrag, controls ? 'a' : 'b', VN_ICE_UFRAG_LEN);
    memset(e->params.pwd, controls ? 'p' : 'q', VN_ICE_PWD_LEN);
    cfg.local = e->params;
    cfg.cert = e->cert;
    cfg.foreign = e->cert;
    assert_ok(vn_transport_new(&tc, &e->transport));
    assert_ok(vn_pc_open(e->transport, &cfg, &h, &e->pc));
}

static int set_up_as(void **state, bool by_cert)
{
    struct state *s = calloc(1, sizeof(*s));
    if (!s)
        return -1;
    s->io = test_io_new();
    if (by_cert) {
        assert_ok(vn_dtls_cert_new(&s->a.cert));
        assert_ok(vn_dtls_cert_new(&s->b.cert));
    }
    open_end(s, &s->a, &s->b, true);
    open_end(s, &s->b, &s->a, false);
    *state = s;
    return 0;
}

static int set_up(void **state)
{
    return set_up_as(state, false);
}

static int set_up_by_cert(void **state)
{
    return set_up_as(state, true);
}

static void done_end(struct end *e)
{
    e->pc = vn_pc_close(e->pc);
    e->transport = vn_transport_free(e->transport);
    e->cert = vn_dtls_cert_free(e->cert);
    for (size_t i = 0; i < e->msg_count; i++)
        (void)vn_pktbuf_free(e->msgs[i]);
}

static int tear_down(void **state)
{
    struct state *s = *state;
    done_end(&s->a);
    done_end(&s->b);
    (void)test_io_free(s->io);
    free(s);
    return 0;
}

static bool gathered(void *arg)
{
    const struct state *s = arg;
    return s->a.gathered && s->b.gathered;
}
static bool is_open(void *arg)
{
    const struct state *s = arg;
    return s->a.open && s->b.open;
}
static bool a_has_messages(void *arg)
{
    const struct state *s = arg;
    return s->a.msg_count >= s->want;
}
static bool b_has_messages(void *arg)
{
    const struct state *s = arg;
    return s->b.msg_count >= s->want;
}
static void a_gets(struct state *s, size_t messages)
{
    s->want = messages;
    assert_true(test_io_until(s->io, a_has_messages, s));
}
static void b_gets(struct state *s, size_t messages)
{
    s->want = messages;
    assert_true(test_io_until(s->io, b_has_messages, s));
}
static bool a_dropped(void *arg)
{
    struct vn_transport_counters c;
    vn_transport_counters(((struct state *)arg)->a.transport, &c);
    return c.drop_channel > 0;
}
static bool b_is_writable(void *arg)
{
    return ((struct state *)arg)->b.writable > 0;
}
static struct vn_pc_keys keys_from(const struct end *peer)
{
    struct vn_pc_keys keys = {.psk = {.b = {7}}};
    if (peer->cert)
        keys.peer = *vn_dtls_cert_fingerprint(peer->cert);
    return keys;
}

static void start_ends(struct state *s, const struct vn_pc_keys *of_a,
                       const struct vn_pc_keys *of_b)
{
    assert_true(test_io_until(s->io, gathered, s));
    assert_ok(vn_pc_start(s->b.pc, &s->a.params, of_b));
    assert_ok(vn_pc_start(s->a.pc, &s->b.params, of_a));
    assert_status(VN_ERR_STATE, vn_pc_start(s->a.pc, &s->b.params, of_a));
    for (size_t i = 0; i < s->a.candidate_count; i++)
        vn_pc_add_remote_candidate(s->b.pc, &s->a.candidates[i]);
    for (size_t i = 0; i < s->b.candidate_count; i++)
        vn_pc_add_remote_candidate(s->a.pc, &s->b.candidates[i]);
    assert_status(VN_ERR_STATE, vn_pc_open_channel(s->b.pc, 0, &plain));
}

static void connect_ends(struct state *s)
{
    const struct vn_pc_keys of_a = keys_from(&s->b), of_b = keys_from(&s->a);
    start_ends(s, &of_a, &of_b);
    assert_true(test_io_until(s->io, is_open, s));
}

static bool send_one(struct end *e, uint16_t stream, size_t n, uint8_t fill)
{
    struct vn_pktbuf *b;
    size_t taken;
    assert_ok(vn_pktbuf_new(n, &b));
    memset(vn_pktbuf_put(b, n), fill, n);
    vn_status st = vn_pc_send(e->pc, stream, &b, 1, &taken);
    if (!taken)
        (void)vn_pktbuf_free(b);
    return st == VN_OK && taken == 1;
}

static void the_peer_opens_any_channel(void **state)
{
    struct state *s = *state;
    const struct vn_pc_channel_config odd = {.label = "odd",
                                             .type = VN_DCEP_UNORDERED | VN_DCEP_RETRANSMITS,
                                             .reliability = 3,
                                             .queue_bytes = 1 << 16};
    connect_ends(s);
    assert_false(send_one(&s->a, 6, 10, 1)); /* there is none yet */
    assert_ok(vn_pc_open_channel(s->b.pc, 6, &odd));
    assert_status(VN_ERR_ARG, vn_pc_open_channel(s->b.pc, 6, &odd));
    assert_status(VN_ERR_ARG, vn_pc_open_channel(s->b.pc, VN_SCTP_STREAMS, &odd));
    assert_true(send_one(&s->b, 6, 10, 1));
    a_gets(s, 1);
    assert_true(s->a.channels == 1u << 6 && s->a.streams[0] == 6);
    assert_string_equal(s->a.label, "odd");
    assert_int_equal(s->a.pc->channels[6].cfg.reliability, 3);
    assert_true(send_one(&s->a, 6, 0, 0)); /* and back, an empty one */
    b_gets(s, 1);
    assert_int_equal(s->b.msgs[0]->len, 0);
    /* Both ends may open channels, each on streams of its own. */
    assert_ok(vn_pc_open_channel(s->a.pc, 1, &plain));
    assert_true(send_one(&s->a, 1, 4096, 2));
    b_gets(s, 2);
    assert_true(s->b.streams[1] == 1 && s->b.msgs[1]->len == 4096);
    assert_false(send_one(&s->a, 1, 4097, 2));
}

static void a_refused_channel_carries_nothing(void **state)
{
    struct state *s = *state;
    s->a.refuses = true;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &plain));
    assert_true(send_one(&s->b, 0, 10, 1));
    assert_true(test_io_until(s->io, a_dropped, s));
    test_io_for(s->io, 50);
    assert_int_equal(s->a.offers, 1);
    assert_int_equal(s->a.msg_count, 0);
    assert_false(send_one(&s->a, 0, 10, 1));
}

/* An end opens channels on its own streams only (RFC 8832 section 6). */
static void a_channel_on_the_wrong_stream_is_refused(void **state)
{
    struct state *s = *state;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 1, &plain));
    assert_true(test_io_until(s->io, a_dropped, s));
    assert_int_equal(s->a.offers, 0);
}

static void an_expected_channel_is_taken_as_it_was_agreed(void **state)
{
    struct state *s = *state;
    struct vn_pc_channel_config other = plain;
    assert_ok(vn_pc_expect_channel(s->a.pc, 0, &plain));
    assert_ok(vn_pc_expect_channel(s->a.pc, 2, &plain));
    assert_status(VN_ERR_ARG, vn_pc_expect_channel(s->a.pc, 2, &plain));
    connect_ends(s);
    assert_true(vn_pc_is_connecting(s->a.pc)); /* until the first is there */
    other.type = VN_DCEP_UNORDERED;
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &other));
    assert_true(test_io_until(s->io, a_dropped, s));
    assert_ok(vn_pc_open_channel(s->b.pc, 2, &plain));
    assert_true(send_one(&s->b, 2, 1, 1));
    a_gets(s, 1);
    assert_int_equal(s->a.channels, 1u << 2);
    assert_int_equal(s->a.offers, 0);
    assert_false(vn_pc_is_connecting(s->a.pc));
}

static void what_arrives_while_held_comes_after(void **state)
{
    struct state *s = *state;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &plain));
    assert_true(send_one(&s->b, 0, 1, 1));
    a_gets(s, 1);
    vn_pc_hold(s->a.pc, true);
    assert_true(send_one(&s->b, 0, 1, 2));
    test_io_for(s->io, 100);
    assert_int_equal(s->a.msg_count, 1);
    vn_pc_hold(s->a.pc, false);
    a_gets(s, 2);
    assert_int_equal(s->a.msgs[1]->data[0], 2);
}

static void the_higher_priority_goes_first(void **state)
{
    struct state *s = *state;
    const struct vn_pc_channel_config low = {.label = "low", .priority = 1, .queue_bytes = 1 << 18};
    const struct vn_pc_channel_config high = {
        .label = "high", .priority = 2, .queue_bytes = 1 << 16};
    size_t sent = 0;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &low));
    assert_ok(vn_pc_open_channel(s->b.pc, 2, &high));
    while (send_one(&s->b, 0, 4096, 1))
        sent++;
    assert_true(send_one(&s->b, 2, 1, 2));
    a_gets(s, sent + 1);
    size_t at = 0;
    while (s->a.streams[at] != 2)
        at++;
    /* Beside what SCTP had taken already, it passed what was still waiting here. */
    assert_true(sent - at > 32);
    assert_true(test_io_until(s->io, b_is_writable, s));
}

/* ---- certificates ---- */

static bool a_is_down(void *arg)
{
    return ((struct state *)arg)->a.down != 0;
}

static void certificates_instead_of_a_key(void **state)
{
    struct state *s = *state;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->a.pc, 1, &plain));
    assert_true(send_one(&s->a, 1, 1000, 3));
    b_gets(s, 1);
    assert_int_equal(s->b.msgs[0]->len, 1000);
}

/* b holds another certificate than a was told of, and knows nothing of a's doubts. */
static void a_stranger_delivers_nothing(void **state)
{
    struct state *s = *state;
    struct vn_pc_keys of_a = keys_from(&s->b);
    const struct vn_pc_keys of_b = keys_from(&s->a);
    of_a.peer.b[0] ^= 1;
    start_ends(s, &of_a, &of_b);
    assert_true(test_io_until(s->io, a_is_down, s));
    assert_int_equal(s->a.down, VN_TETHER_DOWN_DTLS_FAILED);
    assert_false(s->a.open || s->a.channels || s->a.msg_count > 0);
}

/* ---- closing channels ---- */

static bool both_closed(void *arg)
{
    const struct state *s = arg;
    return s->a.closed == s->want && s->b.closed == s->want;
}

/* From either end: what waits arrives before, and the stream serves again. */
static void a_closed_channel_leaves_its_stream_free(void **state)
{
    struct state *s = *state;
    uint16_t stream;
    connect_ends(s);
    for (unsigned round = 0; round < 4; round++) {
        struct end *closer = round % 2 ? &s->a : &s->b;
        s->a.msg_count = s->b.msg_count = 0; /* their buffers are freed below */
        assert_ok(vn_pc_free_stream(s->b.pc, &stream));
        assert_int_equal(stream, 0);
        assert_ok(vn_pc_open_channel(s->b.pc, stream, &plain));
        for (uint8_t i = 0; i < 20; i++)
            assert_true(send_one(&s->b, stream, 3000, i));
        if (closer == &s->a)
            a_gets(s, 20);
        assert_ok(vn_pc_close_channel(closer->pc, stream));
        assert_status(VN_ERR_STATE, vn_pc_close_channel(closer->pc, stream));
        assert_false(send_one(closer, stream, 1, 1));
        s->want = 1;
        assert_true(test_io_until(s->io, both_closed, s));
        assert_int_equal(s->a.msg_count, 20);
        for (uint8_t i = 0; i < 20; i++) {
            assert_int_equal(s->a.msgs[i]->data[0], i);
            (void)vn_pktbuf_free(s->a.msgs[i]);
        }
        s->a.msg_count = s->a.closed = s->b.closed = 0;
        assert_false(send_one(&s->a, stream, 1, 1));
    }
    assert_true(s->a.down == 0 && s->b.down == 0);
}

/* Who does not know what to do without a channel, ends. */
static void a_channel_is_not_closed_unheard(void **state)
{
    struct state *s = *state;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &plain));
    assert_true(send_one(&s->b, 0, 1, 1));
    a_gets(s, 1);
    s->a.pc->handler.closed = NULL;
    assert_ok(vn_pc_close_channel(s->b.pc, 0));
    assert_true(test_io_until(s->io, a_is_down, s));
    assert_int_equal(s->a.down, VN_TETHER_DOWN_CLOSED);
}

/* ---- strings, and lengths ---- */

static void strings_are_told_from_bytes(void **state)
{
    struct state *s = *state;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &plain));
    for (unsigned i = 0; i < 4; i++) {
        struct vn_pktbuf *b;
        size_t taken;
        assert_ok(vn_pktbuf_new(4, &b));
        memset(vn_pktbuf_put(b, i & 2 ? 4 : 0), 'x', i & 2 ? 4 : 0);
        b->text = i & 1;
        assert_ok(vn_pc_send(s->b.pc, 0, &b, 1, &taken));
        assert_int_equal(taken, 1);
    }
    a_gets(s, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(s->a.msgs[i]->text, i & 1);
        assert_int_equal(s->a.msgs[i]->len, i & 2 ? 4 : 0);
    }
    vn_pc_limit_messages(s->b.pc, 10);
    assert_true(send_one(&s->b, 0, 10, 1));
    assert_false(send_one(&s->b, 0, 11, 1));
}

/* ---- turns of the loop, of which only the test says when they end ---- */

static uint64_t datagrams_of_b(const struct state *s)
{
    struct vn_transport_counters c;
    vn_transport_counters(s->b.transport, &c);
    return c.tx_datagrams;
}

/* Up, and nothing is under way. */
static void connect_by_turns(struct state *s)
{
    s->b.transport->by_turns = true;
    connect_ends(s);
    assert_ok(vn_pc_open_channel(s->b.pc, 0, &plain));
    assert_true(send_one(&s->b, 0, 1, 0));
    vn_transport_end_turn(s->b.transport);
    a_gets(s, 1);
    vn_transport_end_turn(s->b.transport);
}

static void what_is_small_shares_a_datagram(void **state)
{
    struct state *s = *state;
    connect_by_turns(s);
    const uint64_t before = datagrams_of_b(s);
    for (unsigned i = 1; i <= 5; i++)
        assert_true(send_one(&s->b, 0, 100, (uint8_t)i));
    assert_int_equal(datagrams_of_b(s), before);
    vn_transport_end_turn(s->b.transport);
    assert_int_equal(datagrams_of_b(s), before + 1);
    a_gets(s, 6);
    for (unsigned i = 1; i <= 5; i++)
        assert_int_equal(s->a.msgs[i]->data[0], i);
}

static void what_is_long_waits_for_nothing(void **state)
{
    struct state *s = *state;
    connect_by_turns(s);
    const uint64_t before = datagrams_of_b(s);
    assert_true(send_one(&s->b, 0, 4096, 1));
    assert_int_equal(datagrams_of_b(s), before);
    assert_true(send_one(&s->b, 0, 4096, 2));
    assert_true(datagrams_of_b(s) > before);
    a_gets(s, 3);
}

static void what_the_turn_sends_needs_no_timer(void **state)
{
    struct state *s = *state;
    connect_by_turns(s);
    assert_true(send_one(&s->a, 0, 100, 1));
    b_gets(s, 1);
    struct vn_pc *b = s->b.pc;
    assert_true(b->sctp->rx.sack_due_us != VN_SCTP_NEVER);
    assert_true(send_one(&s->b, 0, 100, 2));
    vn_transport_end_turn(s->b.transport);
    assert_true(b->sctp->rx.sack_due_us == VN_SCTP_NEVER); /* it went with the message */
    const uint64_t other_us = VN_MIN(vn_consent_deadline(&b->consent), b->better_us);
    assert_true(b->due_us == VN_MIN(vn_sctp_due_us(b->sctp), other_us));
    a_gets(s, 2);
}

static void the_last_words_are_sent(void **state)
{
    struct state *s = *state;
    connect_by_turns(s);
    assert_true(send_one(&s->b, 0, 100, 1));
    s->b.pc = vn_pc_close(s->b.pc);
    a_gets(s, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_peer_opens_any_channel),
        TEST(a_refused_channel_carries_nothing),
        TEST(a_channel_on_the_wrong_stream_is_refused),
        TEST(an_expected_channel_is_taken_as_it_was_agreed),
        TEST(what_arrives_while_held_comes_after),
        TEST(the_higher_priority_goes_first),
        cmocka_unit_test_setup_teardown(certificates_instead_of_a_key, set_up_by_cert, tear_down),
        cmocka_unit_test_setup_teardown(a_stranger_delivers_nothing, set_up_by_cert, tear_down),
        TEST(a_closed_channel_leaves_its_stream_free),
        TEST(a_channel_is_not_closed_unheard),
        TEST(strings_are_told_from_bytes),
        TEST(what_is_small_shares_a_datagram),
        TEST(what_is_long_waits_for_nothing),
        TEST(what_the_turn_sends_needs_no_timer),
        TEST(the_last_words_are_sent),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
