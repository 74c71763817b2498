/* A realm changes the generation of its keys: nothing that is allowed notices, and who was left out
 * is left out. */
#include "base/limits.h"
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"
#include "wire/names.h"

#define SPREAD_MS 600000

static void deliver(struct vn_world *w, const struct vn_world_node *to, struct vn_buf *bundle)
{
    char subject[VN_SUBJECT_MAX];
    const struct vn_subject s = {.kind = VN_SUBJ_ADM,
                                 .name = vn_mem_authority_member(w->authority, to->member)->node};
    vn_subject_format(&s, subject);
    vn_mem_broker_inject(w->broker, subject, bundle->p, bundle->len);
    vn_buf_done(bundle);
    vn_world_run(w, 10);
}

static void hand_out(struct vn_world *w, const struct vn_world_node *to)
{
    struct vn_buf bundle;
    vn_mem_authority_bundles(w->authority, &to->member, 1, &bundle);
    deliver(w, to, &bundle);
}

/* To all, or to all but one. */
static void put_in_force(struct vn_world *w, struct vn_world_node *but)
{
    struct vn_buf word;
    vn_mem_authority_rekey_in_force(w->authority, w->now_us / 1000 + SPREAD_MS, &word);
    const struct vn_control *c = but ? vn_mem_client_port(but->client) : NULL;
    if (but)
        c->unsubscribe(c->self, "a.rev");
    vn_mem_broker_inject(w->broker, "a.rev", word.p, word.len);
    vn_buf_done(&word);
    vn_world_run(w, 10);
    if (but)
        assert_ok(c->subscribe(c->self, "a.rev", NULL));
}

static uint32_t generation(const struct vn_world_node *n)
{
    return vn_world_status(n).cred->hour_keys.generation;
}

/* The statement that it shows now. */
static struct vn_statement shown_by(const struct vn_world_node *n)
{
    const struct vn_blob *b = &vn_world_status(n).cred->statement;
    struct vn_statement s;
    struct vn_span signed_part, sig;
    assert_ok(vn_statement_decode(VN_SPAN(b->p, b->n), vn_suite_get(VN_SUITE_DEFAULT), &s,
                                  &signed_part, &sig));
    return s;
}

static bool have_streams(struct vn_world_node *n)
{
    struct vn_node_status s = vn_world_status(n);
    return s.stream_tx_count == 1 && s.stream_rx_count == 1;
}

/* Every stream gone; the next packet needs a query and a handshake. */
static void forget_each_other(struct vn_world *w)
{
    vn_world_run(w, 3 * VN_WORLD_IDLE_MS);
    for (size_t i = 0; i < w->count; i++) {
        struct vn_node_status s = vn_world_status(&w->nodes[i]);
        assert_int_equal(s.stream_tx_count + s.stream_rx_count, 0);
    }
}

/* Well within a second: at most one message was sent twice. */
static void both_ways(struct vn_world_node *a, struct vn_world_node *b)
{
    assert_true(vn_world_ping(a, b, false, 1000) < 600);
    assert_true(vn_world_ping(b, a, false, 1000) < 600);
}

/* With traffic in every stage, and with a new handshake in every stage. */
static void check_stages(bool anew)
{
    struct vn_world w;
    struct vn_world_node *a, *b;
    vn_world_pair(&w, VN_SUITE_DEFAULT, "home,db", &a, &b);
    both_ways(a, b);
    uint32_t before = generation(a);
    uint32_t number = vn_mem_authority_rekey_begin(w.authority, "db");
    for (int stage = 0; stage < 4; stage++) {
        if (stage == 1)
            hand_out(&w, a);
        if (stage == 2)
            hand_out(&w, b);
        if (stage == 3)
            put_in_force(&w, NULL);
        if (anew)
            forget_each_other(&w);
        both_ways(a, b);
        assert_int_equal(generation(a), stage == 3 ? number : before);
    }
    assert_int_equal(generation(b), number);
    assert_int_equal(vn_world_status(a).handshakes_started, anew ? 5 : 1);
    /* Past its end, the one before is gone. */
    vn_world_run(&w, SPREAD_MS + 1000);
    both_ways(a, b);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
    vn_world_done(&w);
}

static void test_streams_live_on(void **state)
{
    (void)state;
    check_stages(false);
}

static void test_handshakes_at_every_stage(void **state)
{
    (void)state;
    check_stages(true);
}

/* One has heard that it is in force, the other has not: the first sends with it and is understood,
 * and the other asks Guardian within half a minute. */
static void test_word_missed(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    uint32_t number = vn_mem_authority_rekey_begin(w->authority, "db");
    hand_out(w, a);
    hand_out(w, b);
    put_in_force(w, b);
    assert_int_equal(generation(a), number);
    assert_int_equal(generation(b), number - 1);
    both_ways(a, b);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
    vn_world_run(w, 35000);
    assert_int_equal(generation(b), number);
    assert_int_equal(vn_mem_authority_member(w->authority, b->member)->renewals, 1);
    assert_int_equal(vn_mem_authority_member(w->authority, a->member)->renewals, 0);
    both_ways(a, b);
}

/* Neither bundle nor word reached b. Until it has asked Guardian, both talk under the one before.
 */
static void test_all_missed(void **state)
{
    (void)state;
    for (int with_stream = 0; with_stream < 2; with_stream++) {
        for (int asker_is_ahead = 0; asker_is_ahead < 2; asker_is_ahead++) {
            struct vn_world w;
            struct vn_world_node *a, *b;
            vn_world_pair(&w, VN_SUITE_DEFAULT, "home,db", &a, &b);
            if (with_stream)
                both_ways(a, b);
            uint32_t number = vn_mem_authority_rekey_begin(w.authority, "db");
            hand_out(&w, a);
            put_in_force(&w, b);
            if (!asker_is_ahead)
                assert_true(vn_world_ping(b, a, false, 5000) < 100);
            assert_true(vn_world_ping(a, b, false, 5000) < 1000); /* the second try */
            assert_true(vn_world_ping(b, a, false, 5000) < 100);
            assert_true(have_streams(a) && have_streams(b));
            uint64_t started = vn_world_status(a).handshakes_started;
            vn_world_run(&w, 4000);
            both_ways(a, b);
            if (asker_is_ahead) {
                for (int i = 0; i < 8; i++) {
                    vn_world_run(&w, 4000);
                    both_ways(a, b);
                }
                assert_int_equal(generation(b), number);
            }
            assert_int_equal(vn_world_status(a).handshakes_started, started);
            vn_world_done(&w);
        }
    }
}

/* A peer without Guardian and Master for longer than the change takes: its streams live on, though
 * neither can read the other's statement any more. */
static void test_stream_outlives_the_change(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    both_ways(a, b);
    const struct vn_control *c = vn_mem_client_port(b->client);
    vn_mem_authority_member(w->authority, b->member)->refuse = VN_ERR_AGAIN;
    (void)vn_mem_authority_rekey_begin(w->authority, "db");
    hand_out(w, a);
    put_in_force(w, b);
    c->unsubscribe(c->self, "a.rev");
    for (int i = 0; i < (SPREAD_MS + 20000) / 4000; i++) {
        vn_world_run(w, 4000);
        both_ways(a, b);
    }
    vn_world_taints(b, NULL, NULL);
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
    assert_int_equal(vn_world_status(b).handshakes_started, 1);
    /* Guardian is back, b hears of all of it, and each judges the other's new statement. */
    vn_mem_authority_member(w->authority, b->member)->refuse = VN_OK;
    for (int i = 0; i < 20; i++) {
        vn_world_run(w, 4000);
        both_ways(a, b);
    }
    assert_int_equal(generation(b), generation(a));
    vn_world_taints(a, "extra", NULL);
    both_ways(a, b);
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
}

/* Who logs in, or changes taints, while the realm changes keys. */
static void test_comers_and_changers(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    uint32_t number = vn_mem_authority_rekey_begin(w->authority, "db");
    struct vn_world_node *c =
        vn_world_add(w, "carol", "home,db"); /* while bundles are on the way */
    both_ways(a, c);
    hand_out(w, a);
    hand_out(w, b);
    vn_world_taints(b, "more", NULL);
    both_ways(a, b);
    put_in_force(w, NULL);
    assert_int_equal(generation(c), number);
    struct vn_world_node *d = vn_world_add(w, "dave", "home,db"); /* while both count */
    forget_each_other(w);
    both_ways(a, b);
    both_ways(b, c);
    both_ways(c, d);
    vn_world_taints(a, "more", NULL);
    both_ways(a, d);
    both_ways(a, b);
    vn_world_run(w, SPREAD_MS);
    both_ways(a, b);
    both_ways(b, d);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b) + vn_world_drops(c) + vn_world_drops(d),
                     0);
}

/* A node whose session was ended gets no bundle: past the change the outsider filter has it. */
static void test_left_out(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    vn_mem_authority_member(w->authority, b->member)->refuse = VN_ERR_AGAIN; /* it learns nothing */
    (void)vn_mem_authority_rekey_begin(w->authority, "db");
    hand_out(w, a);
    put_in_force(w, b);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_world_run(w, SPREAD_MS + 1000);
    uint64_t drops = vn_world_status(a).drops[VN_NDROP_HOUR_MAC];
    assert_true(vn_world_ping(b, a, false, 6000) == UINT64_MAX);
    assert_true(vn_world_status(a).drops[VN_NDROP_HOUR_MAC] > drops);
    assert_true(vn_world_ping(a, b, false, 6000) == UINT64_MAX);
}

/* A taint whose key was raised says nothing to who lost it: a knows what b's old tag would be and
 * finds it nowhere. */
static void test_lost_identity_is_not_recognised(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0];
    (void)vn_mem_authority_rekey_begin(w->authority, "db");
    hand_out(w, a);
    struct vn_own_identity old = {.kind = VN_KIND_TAINT};
    const struct test_realm *r = vn_mem_authority_realm(w->authority);
    const struct vn_mem_member *m = vn_mem_authority_member(w->authority, a->member);
    struct vn_affinity_tag tag;
    assert_ok(vn_affinity_key(r->suite->hash, &r->affinity_root, 1, old.kind, "db", &old.key));
    assert_ok(vn_affinity_tag(r->suite->hash, &old.key, old.kind, &m->pk_hash, &tag));
    struct vn_statement shown = shown_by(a);
    bool before = false, after = false;
    for (size_t i = 0; i < shown.taint_count; i++)
        before = before || memcmp(&shown.taints[i], &tag, sizeof(tag)) == 0;
    assert_true(before);
    put_in_force(w, NULL);
    shown = shown_by(a);
    assert_int_equal(shown.taint_count, 2);
    for (size_t i = 0; i < shown.taint_count; i++)
        after = after || memcmp(&shown.taints[i], &tag, sizeof(tag)) == 0;
    assert_false(after);
}

static void count_one_drop(struct vn_world *w, struct vn_world_node *n, enum vn_node_drop why,
                           const char *subject, struct vn_span bytes)
{
    uint64_t drops = vn_world_drops(n), these = vn_world_status(n).drops[why];
    vn_mem_broker_inject(w->broker, subject, bytes.p, bytes.n);
    vn_world_run(w, 20);
    assert_int_equal(vn_world_drops(n), drops + 1);
    assert_int_equal(vn_world_status(n).drops[why], these + 1);
}

static void test_forged_misdirected_and_replayed(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    uint32_t before = generation(a);
    (void)vn_mem_authority_rekey_begin(w->authority, NULL);
    struct vn_buf bundles[2], word;
    const size_t members[] = {a->member, b->member};
    vn_mem_authority_bundles(w->authority, members, 2, bundles);
    char subject[VN_SUBJECT_MAX];
    const struct vn_subject s = {.kind = VN_SUBJ_ADM,
                                 .name = vn_mem_authority_member(w->authority, a->member)->node};
    vn_subject_format(&s, subject);
    uint64_t signatures = vn_world_status(a).drops[VN_NDROP_SIGNATURE];
    for (size_t i = 0; i < bundles[0].len; i += 97) {
        bundles[0].p[i] ^= 1;
        uint64_t drops = vn_world_drops(a), spent = a->node->turns.spent_milli;
        vn_mem_broker_inject(w->broker, subject, bundles[0].p, bundles[0].len);
        vn_world_run(w, 50);
        bool verified = vn_world_status(a).drops[VN_NDROP_SIGNATURE] > signatures;
        signatures += verified;
        assert_int_equal(a->node->turns.spent_milli, spent + (verified ? VN_TURN_SIGNATURE : 0));
        bundles[0].p[i] ^= 1;
        assert_int_equal(vn_world_drops(a), drops + 1);
    }
    count_one_drop(w, a, VN_NDROP_SUBJECT, subject, vn_buf_span(&bundles[1]));
    assert_true(signatures > 0);
    /* That of the bundle and of the statement in it, and an opening. */
    uint64_t spent = a->node->turns.spent_milli;
    vn_mem_broker_inject(w->broker, subject, bundles[0].p, bundles[0].len);
    vn_world_run(w, 20);
    assert_int_equal(a->node->turns.spent_milli, spent + 2 * VN_TURN_SIGNATURE + VN_TURN_KEM);
    count_one_drop(w, a, VN_NDROP_REPLAY, subject, vn_buf_span(&bundles[0]));
    vn_mem_authority_rekey_in_force(w->authority, w->now_us / 1000 + SPREAD_MS, &word);
    for (size_t i = 0; i < word.len; i += 41) {
        word.p[i] ^= 1;
        vn_mem_broker_inject(w->broker, "a.rev", word.p, word.len);
        vn_world_run(w, 50);
        word.p[i] ^= 1;
        assert_int_equal(generation(a), before);
    }
    vn_mem_broker_inject(w->broker, "a.rev", word.p, word.len);
    vn_world_run(w, 20);
    assert_int_equal(generation(a), before + 1);
    count_one_drop(w, a, VN_NDROP_REPLAY, subject, vn_buf_span(&bundles[0]));
    vn_buf_done(&bundles[0]);
    vn_buf_done(&bundles[1]);
    vn_buf_done(&word);
}

#define PAIR(test)                                                                                 \
    cmocka_unit_test_prestate_setup_teardown(test, vn_world_setup, vn_world_teardown,              \
                                             (void *)"home,db")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_live_on),
        cmocka_unit_test(test_handshakes_at_every_stage),
        PAIR(test_word_missed),
        cmocka_unit_test(test_all_missed),
        PAIR(test_stream_outlives_the_change),
        PAIR(test_comers_and_changers),
        PAIR(test_left_out),
        PAIR(test_lost_identity_is_not_recognised),
        PAIR(test_forged_misdirected_and_replayed),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
