/* Who may talk to whom, at both ends and while streams live. */
#include "support/node_world.h"
#include "support/test.h"

static bool no_streams(void *arg)
{
    const struct vn_world_node *n = arg;
    struct vn_node_status s = vn_world_status(n);
    return s.stream_tx_count == 0 && s.stream_rx_count == 0;
}

static bool rejected(void *arg)
{
    return ((struct vn_world_node *)arg)->unreachables > 0;
}

static void test_incompatible_is_silence(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "work");
    struct vn_mem_broker_counters before = vn_mem_broker_counters(w.broker);
    vn_world_send(a, b, false, 1);
    assert_true(vn_world_until(&w, rejected, a, 5000));
    struct vn_node_status sb = vn_world_status(b);
    assert_int_equal(sb.drops[VN_NDROP_AFFINITY], 3); /* three tries */
    assert_int_equal(vn_world_drops(b), 3);
    assert_int_equal(sb.peer_count, 0);
    assert_int_equal(vn_mem_broker_counters(w.broker).published - before.published,
                     3); /* the questions */
    struct vn_node_status sa = vn_world_status(a);
    assert_int_equal(sa.peer_count, 0);
    assert_int_equal(sa.stream_tx_count + sa.tether_count, 0);
    vn_world_done(&w);
}

/* An initiator that knows the responder's descriptor from better days gets no answer to M1 either.
 */
static void test_incompatible_m1_is_silence(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_world_run(w, 3 * VN_WORLD_IDLE_MS);
    assert_true(no_streams(a) && no_streams(b));
    vn_world_taints(b, "work", NULL);
    vn_world_taints(b, NULL, "home");
    uint64_t answered = vn_world_status(b).handshakes_answered;
    assert_true(vn_world_ping(a, b, false, 10000) == UINT64_MAX);
    struct vn_node_status sb = vn_world_status(b);
    assert_int_equal(sb.handshakes_answered, answered);
    assert_true(sb.drops[VN_NDROP_AFFINITY] >= 3);
    assert_int_equal(sb.stream_rx_count, 0);
    assert_true(a->unreachables > 0);
}

static void test_taint_admits(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "work");
    assert_true(vn_world_ping(a, b, false, 5000) == UINT64_MAX);
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
    vn_world_taints(b, "home", NULL);
    /* The verdicts of before end at once: here by the change, there by the stream that comes. */
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_world_done(&w);
}

static void test_lost_taint_stops_both_ends(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_world_taints(b, NULL, "home");
    assert_true(no_streams(b)); /* in force before the command returns */
    assert_true(vn_world_until(w, no_streams, a, 100));
    assert_true(vn_world_ping(a, b, false, 5000) == UINT64_MAX);
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
    assert_int_equal(vn_world_status(a).tether_count, 0);
    assert_int_equal(vn_world_status(b).tether_count, 0);
}

static void test_harmless_change_keeps_streams(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    unsigned connects = vn_mem_client_connects(b->client);
    size_t subscriptions = vn_mem_client_subscriptions(b->client);
    vn_world_taints(b, "prod", NULL);
    assert_int_equal(vn_mem_client_connects(b->client), connects + 1); /* new permissions */
    assert_int_equal(vn_mem_client_subscriptions(b->client), subscriptions + 1);
    vn_world_run(w, 50);
    assert_int_equal(vn_world_ping(a, b, false, 1000) < 10, true);
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
    const char *taints[VN_TAINTS_MAX];
    assert_int_equal(vn_node_taints(b->node, taints), 2);
}

static void test_guardian_takes_a_taint(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    char subject[80];
    struct vn_buf update;
    vn_mem_authority_update(w->authority, b->member, "work", subject, &update);
    vn_mem_broker_inject(w->broker, subject, update.p, update.len);
    assert_true(vn_world_until(w, no_streams, b, 100));
    assert_true(vn_world_until(w, no_streams, a, 100));
    const char *taints[VN_TAINTS_MAX];
    assert_int_equal(vn_node_taints(b->node, taints), 1);
    assert_string_equal(taints[0], "work");
    assert_int_equal(vn_world_drops(b), 0);
    /* The same again is a replay; a flipped byte is nothing. */
    vn_mem_broker_inject(w->broker, subject, update.p, update.len);
    vn_world_run(w, 10);
    assert_int_equal(vn_world_status(b).drops[VN_NDROP_REPLAY], 1);
    vn_mem_authority_update(w->authority, b->member, "home", subject,
                            (vn_buf_done(&update), &update));
    for (size_t i = 0; i < update.len; i += 97) {
        update.p[i] ^= 1;
        uint64_t drops = vn_world_drops(b);
        vn_mem_broker_inject(w->broker, subject, update.p, update.len);
        vn_world_run(w, 20);
        update.p[i] ^= 1;
        assert_int_equal(vn_world_drops(b), drops + 1);
    }
    assert_string_equal((vn_node_taints(b->node, taints), taints[0]), "work");
    vn_buf_done(&update);
}

/* The rule itself changes: streams that it forbids end at once, and who is refused asks anew. */
static void test_guardian_changes_the_rule(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_buf teams, taints;
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_mem_authority_rule(w->authority, VN_ACCESS_TEAMS, VN_RELAYS_ALL,
                          &teams); /* they have none */
    for (size_t i = 0; i < teams.len; i += 97) {
        const uint64_t drops = vn_world_drops(a);
        teams.p[i] ^= 1;
        vn_mem_broker_inject(w->broker, "a.rev", teams.p, teams.len);
        vn_world_run(w, 20);
        teams.p[i] ^= 1;
        assert_int_equal(vn_world_drops(a), drops + 1);
    }
    assert_false(no_streams(a) || no_streams(b));
    vn_mem_broker_inject(w->broker, "a.rev", teams.p, teams.len);
    assert_true(vn_world_until(w, no_streams, a, 100));
    assert_true(vn_world_until(w, no_streams, b, 100));
    assert_true(vn_world_ping(a, b, false, 5000) == UINT64_MAX);
    vn_mem_authority_rule(w->authority, VN_ACCESS_TAINTS, VN_RELAYS_ALL, &taints);
    vn_mem_broker_inject(w->broker, "a.rev", taints.p, taints.len);
    vn_world_run(w, 10);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    /* The one before, kept by whoever: it has a lower number. */
    const uint64_t replays = vn_world_status(a).drops[VN_NDROP_REPLAY];
    vn_mem_broker_inject(w->broker, "a.rev", teams.p, teams.len);
    vn_world_run(w, 10);
    assert_int_equal(vn_world_status(a).drops[VN_NDROP_REPLAY], replays + 1);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_buf_done(&teams);
    vn_buf_done(&taints);
}

static void forget_rule(struct vn_credentials *c)
{
    c->realm.access = VN_ACCESS_TAINTS;
    c->realm.rule_number = 0;
}

/* An answer that was made before the word came does not take it back; else the word is followed by
 * a renewal, for what it does not say. */
static void test_the_word_outlives_an_older_answer(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_mem_member *m = vn_mem_authority_member(w.authority, a->member);
    struct vn_buf word;
    const unsigned renewals = m->renewals;
    vn_mem_authority_rule(w.authority, VN_ACCESS_BOTH, VN_RELAYS_ALL, &word);
    m->change = forget_rule;
    vn_mem_broker_inject(w.broker, "a.rev", word.p, word.len);
    vn_world_run(&w, 605000);
    assert_int_equal(m->renewals, renewals + 1);
    assert_int_equal(vn_world_status(a).cred->realm.access, VN_ACCESS_BOTH);
    assert_int_equal(vn_world_status(a).cred->realm.rule_number, 1);
    vn_buf_done(&word);
    vn_world_done(&w);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, vn_world_setup, vn_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incompatible_is_silence),
        PAIR(test_incompatible_m1_is_silence),
        cmocka_unit_test(test_taint_admits),
        PAIR(test_lost_taint_stops_both_ends),
        PAIR(test_harmless_change_keeps_streams),
        PAIR(test_guardian_takes_a_taint),
        PAIR(test_guardian_changes_the_rule),
        cmocka_unit_test(test_the_word_outlives_an_older_answer),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
