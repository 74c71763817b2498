/* What one member may cost, what many may together, and where tables end. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/flood_net.h"
#include "support/test.h"
#include "wire/types.h"

/* ---- one member ---- */

static void test_envelopes_of_one_member(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    char subject[VN_SUBJECT_MAX];
    struct vn_buf query;
    flood_costly(t, 1, subject, &query);
    uint64_t spent = n->turns.spent_milli;
    struct vn_node_status before = vn_world_status(t->bob), s;
    for (unsigned i = 0; i < 1000; i++)
        vn_mem_broker_inject(t->w.broker, subject, query.p, query.len);
    vn_world_run(&t->w, 10);
    s = vn_world_status(t->bob);
    uint64_t looked_at = s.drops[VN_NDROP_CERT] - before.drops[VN_NDROP_CERT];
    assert_in_range(looked_at, VN_ENVELOPE_SRC_BURST, VN_ENVELOPE_SRC_BURST + 1);
    assert_int_equal(s.drops[VN_NDROP_RATE] - before.drops[VN_NDROP_RATE], 1000 - looked_at);
    assert_int_equal(n->turns.spent_milli - spent, looked_at * 2 * VN_TURN_SIGNATURE);
    assert_int_equal(s.messages_waited, 0);
    assert_true(vn_world_ping(t->carol, t->bob, false, 1000) < 100);
    vn_buf_done(&query);
    flood_net_free(t);
}

struct answers {
    bool hold_m2;
    size_t retries;
    struct vn_buf m2;
    char subject[VN_SUBJECT_MAX];
};

static void see_answers(void *arg, struct vn_mem_message *m)
{
    struct answers *a = arg;
    a->retries += m->p[2] == VN_T_HS_RETRY;
    if (m->p[2] != VN_T_HS_M2 || !a->hold_m2)
        return;
    m->copies = 0;
    if (a->m2.len)
        return;
    assert_ok(vn_buf_append(&a->m2, m->p, m->n));
    snprintf(a->subject, sizeof(a->subject), "%s", m->subject);
}

/* M2s that are no answer: an initiator opens as many as a peer could send in earnest. */
static void test_false_answers(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct answers a = {.hold_m2 = true};
    vn_buf_init(&a.m2, VN_CONTROL_PAYLOAD_MAX);
    vn_mem_broker_hook(t->w.broker, see_answers, &a);
    vn_world_send(t->carol, t->bob, false, 1);
    for (unsigned i = 0; i < 1000 && !a.m2.len; i++)
        vn_world_run(&t->w, 1);
    assert_true(a.m2.len > 0);
    a.m2.p[a.m2.len - 1] ^= 1;
    struct vn_node_status before = vn_world_status(t->carol), s;
    for (unsigned i = 0; i < 500; i++)
        vn_mem_broker_inject(t->w.broker, a.subject, a.m2.p, a.m2.len);
    vn_world_run(&t->w, 5);
    s = vn_world_status(t->carol);
    uint64_t opened = s.drops[VN_NDROP_SEAL] - before.drops[VN_NDROP_SEAL];
    assert_in_range(opened, VN_HS_SRC_BURST, VN_HS_SRC_BURST + 1);
    assert_int_equal(s.drops[VN_NDROP_RATE] - before.drops[VN_NDROP_RATE], 500 - opened);
    /* The true one, when M1 is sent again, still counts. */
    a.hold_m2 = false;
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    vn_buf_done(&a.m2);
    flood_net_free(t);
}

static void test_retries_of_one_member(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_id mallory = flood_source(1);
    struct answers a = {0};
    vn_mem_broker_hook(t->w.broker, see_answers, &a);
    for (uint32_t i = 0; i < VN_HS_SRC_BURST; i++) {
        t->m1.p[43] ^= 1 + (uint8_t)i; /* a kid that is not bob's */
        flood_remac(t, i);
        flood_inject(t, &mallory, &t->m1);
    }
    vn_world_run(&t->w, 5);
    assert_int_equal(vn_world_status(t->bob).drops[VN_NDROP_SEAL], VN_HS_SRC_BURST);
    assert_int_equal(a.retries, VN_HS_RETRY_RATE);
    assert_true(vn_world_ping(t->carol, t->bob, false, 1000) < 100);
    flood_net_free(t);
}

/* ---- tables ---- */

/* Streams of alice to bob that nobody ever uses; as many as there is room for. */
static size_t fill(struct flood_net *t, size_t count, struct vn_stream **ret)
{
    struct vn_node *n = t->bob->node;
    struct vn_id alice = vn_world_status(t->alice).node;
    struct vn_peer *p = vn_peer_get(n, &alice);
    size_t made = 0;
    for (; made < count; made++) {
        struct vn_id sid = {.b = "unused"};
        memcpy(sid.b + 8, &made, sizeof(made));
        if (vn_stream_new(n, p, false, &sid, &ret[made]) != VN_OK)
            break;
    }
    return made;
}

static void test_half_open_handshakes(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    static struct vn_stream *made[VN_HS_PENDING_MAX];
    assert_int_equal(fill(t, VN_HS_PENDING_MAX, made), VN_HS_PENDING_MAX);
    uint64_t before = vn_world_status(t->bob).drops[VN_NDROP_LIMIT];
    assert_true(vn_world_ping(t->carol, t->bob, false, 1000) == UINT64_MAX);
    assert_true(vn_world_status(t->bob).drops[VN_NDROP_LIMIT] > before);
    for (size_t i = 0; i < VN_HS_PENDING_MAX; i++)
        vn_stream_close(t->bob->node, made[i], VN_CLOSE_LOST, false);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    flood_net_free(t);
}

static void test_streams_in(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    static struct vn_stream *made[VN_STREAMS_MAX];
    size_t had = vn_world_status(t->bob).stream_rx_count;
    size_t count = fill(t, VN_STREAMS_MAX, made);
    assert_int_equal(count + had, VN_STREAMS_MAX);
    for (size_t i = 0; i < count; i++)
        vn_stream_opened(t->bob->node, made[i]);
    uint64_t before = vn_world_status(t->bob).drops[VN_NDROP_LIMIT];
    assert_true(vn_world_ping(t->carol, t->bob, false, 1000) == UINT64_MAX);
    assert_true(vn_world_status(t->bob).drops[VN_NDROP_LIMIT] > before);
    assert_int_equal(vn_world_status(t->bob).stream_rx_count, VN_STREAMS_MAX);
    for (size_t i = 0; i < count; i++)
        vn_stream_close(t->bob->node, made[i], VN_CLOSE_LOST, false);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    flood_net_free(t);
}

static void test_streams_out(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_world_node *carol = t->carol;
    carol->node->streams.tx_count += VN_STREAMS_MAX; /* as if to so many peers */
    assert_true(vn_world_ping(carol, t->bob, false, 4000) == UINT64_MAX);
    assert_int_equal(vn_world_status(carol).handshakes_started, 0);
    assert_true(carol->unreachables > 0); /* its user hears of it */
    carol->node->streams.tx_count -= VN_STREAMS_MAX;
    vn_world_run(&t->w, VN_UNREACHABLE_MS);
    assert_true(vn_world_ping(carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    flood_net_free(t);
}

/* ---- turns ---- */

static void test_members_take_turns(void **state)
{
    (void)state;
    enum { MEMBERS = 40, EVERY_MS = 20, ROUNDS = 150 };
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    static char subjects[MEMBERS][VN_SUBJECT_MAX];
    static struct vn_buf messages[MEMBERS];
    for (uint32_t i = 0; i < MEMBERS; i++)
        flood_costly(t, i, subjects[i], &messages[i]);
    uint64_t before = n->turns.spent_milli;
    unsigned carol = 0, alice = 0;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (size_t i = 0; i < MEMBERS; i++)
            vn_mem_broker_inject(t->w.broker, subjects[i], messages[i].p, messages[i].len);
        if (round == 50)
            vn_world_send(t->carol, t->bob, false, 7); /* a handshake */
        if (round == 60) {
            vn_mem_net_break(t->w.net, VN_TETHER_DOWN_SILENT); /* a tether */
            vn_world_send(t->alice, t->bob, false, 8);
        }
        vn_world_run(&t->w, EVERY_MS);
        assert_true(n->turns.waiting <= VN_TURNS_MAX);
        for (struct vn_pktbuf *b; (b = vn_pktqueue_pop(&t->bob->written)); vn_pktbuf_free(b)) {
            uint32_t number = vn_inner_number(vn_pktbuf_span(b));
            carol = number == 7 ? round - 50 + 1 : carol;
            alice = number == 8 ? round - 60 + 1 : alice;
        }
    }
    /* What they cost is bounded, and they do reach that bound. */
    uint64_t spent = (n->turns.spent_milli - before) / 1000;
    uint64_t allowed = VN_TURNS_BURST + (uint64_t)VN_TURNS_RATE * ROUNDS * EVERY_MS / 1000;
    print_message("# %u of %u allowed; carol %u ms, alice %u ms\n", (unsigned)spent,
                  (unsigned)allowed, carol * EVERY_MS, alice * EVERY_MS);
    assert_in_range(spent, allowed * 9 / 10, allowed + 20);
    assert_in_range(carol, 1, 300 / EVERY_MS);
    assert_in_range(alice, 1, 300 / EVERY_MS);
    vn_world_run(&t->w, 1000);
    assert_int_equal(n->turns.waiting, 0);
    assert_int_equal(vn_map_count(n->turns.by_source), 0);
    for (size_t i = 0; i < MEMBERS; i++)
        vn_buf_done(&messages[i]);
    flood_net_free(t);
}

/* Whether a message from that source is served at once. */
static bool now(struct vn_node *n, const struct vn_id *src)
{
    const struct vn_subject s = {.kind = VN_SUBJ_IN, .name = n->session.self, .src = *src};
    return vn_turns_now(n, &s, VN_SPAN_LIT("\1\1\1 not a message"));
}

static void test_who_waits_has_a_share(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    struct vn_id loud = flood_source(1), late = flood_source(2);
    assert_true(now(n, &loud));
    vn_turns_spend(n, 2000 * VN_TURNS_BURST);
    struct vn_node_status s = vn_world_status(t->bob);
    for (unsigned i = 0; i < VN_TURNS_SOURCE_MAX + 3; i++)
        assert_false(now(n, &loud));
    assert_int_equal(n->turns.waiting, VN_TURNS_SOURCE_MAX);
    assert_int_equal(vn_world_status(t->bob).drops[VN_NDROP_LIMIT], s.drops[VN_NDROP_LIMIT] + 3);
    for (uint32_t i = 10; n->turns.waiting < VN_TURNS_MAX; i++) {
        struct vn_id src = flood_source(i);
        assert_false(now(n, &src));
        assert_false(now(n, &src));
    }
    /* Full: one that has most gives one up. */
    assert_false(now(n, &late));
    assert_int_equal(n->turns.waiting, VN_TURNS_MAX);
    assert_non_null(vn_map_get(n->turns.by_source, &late));
    assert_int_equal(vn_world_status(t->bob).drops[VN_NDROP_LIMIT], s.drops[VN_NDROP_LIMIT] + 4);
    /* Each is looked at when its turn comes, and nothing is left. */
    uint64_t malformed = vn_world_status(t->bob).drops[VN_NDROP_MALFORMED];
    vn_world_run(&t->w, 1000 * VN_TURNS_BURST / VN_TURNS_RATE + 10);
    assert_int_equal(n->turns.waiting, 0);
    assert_int_equal(vn_world_status(t->bob).drops[VN_NDROP_MALFORMED], malformed + VN_TURNS_MAX);
    assert_true(now(n, &loud));
    /* What waits when the node ends is freed with it. */
    vn_turns_spend(n, 2000 * VN_TURNS_BURST);
    assert_false(now(n, &loud));
    flood_net_free(t);
}

static void test_known_peers_come_first(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    char subjects[5][VN_SUBJECT_MAX];
    struct vn_buf messages[5];
    vn_turns_spend(n, 2000 * VN_TURNS_BURST);
    for (uint32_t i = 0; i < 5; i++) {
        flood_costly(t, i, subjects[i], &messages[i]);
        vn_mem_broker_inject(t->w.broker, subjects[i], messages[i].p, messages[i].len);
        vn_buf_done(&messages[i]);
    }
    struct vn_id alice = vn_world_status(t->alice).node;
    vn_world_run(&t->w, 10);
    assert_int_equal(n->turns.waiting, 5);
    assert_false(now(n, &alice)); /* the last to come */
    uint64_t malformed = vn_world_status(t->bob).drops[VN_NDROP_MALFORMED];
    for (unsigned i = 0; i < 2000 && n->turns.waiting == 6; i++)
        vn_world_run(&t->w, 1);
    assert_int_equal(vn_world_status(t->bob).drops[VN_NDROP_MALFORMED], malformed + 1);
    vn_world_run(&t->w, 100);
    assert_int_equal(n->turns.waiting, 0);
    flood_net_free(t);
}

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelopes_of_one_member),
        cmocka_unit_test(test_false_answers),
        cmocka_unit_test(test_retries_of_one_member),
        cmocka_unit_test(test_half_open_handshakes),
        cmocka_unit_test(test_streams_in),
        cmocka_unit_test(test_streams_out),
        cmocka_unit_test(test_members_take_turns),
        cmocka_unit_test(test_who_waits_has_a_share),
        cmocka_unit_test(test_known_peers_come_first),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
