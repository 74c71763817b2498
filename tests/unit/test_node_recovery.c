/* Loss, crossing, idling, restarts and renewal. */
#include "base/limits.h"
#include "base/log.h"
#include "support/node_world.h"
#include "support/test.h"
#include "wire/types.h"

static bool dissolved(void *arg)
{
    struct vn_world_node *n = arg;
    struct vn_node_status s = vn_world_status(n);
    return s.stream_tx_count + s.stream_rx_count + s.tether_count == 0;
}

/* Drops the first `left` messages of one type. */
struct loss {
    uint8_t type;
    unsigned left, seen;
};

static void lose(void *arg, struct vn_mem_message *m)
{
    struct loss *l = arg;
    if (m->n < 3 || m->p[2] != l->type)
        return;
    l->seen++;
    if (l->left) {
        l->left--;
        m->copies = 0;
    }
}

static void test_lost_messages(void **state)
{
    (void)state;
    static const uint8_t types[] = {VN_T_QUERY,        VN_T_ANSWER, VN_T_OFFER,
                                    VN_T_OFFER_ANSWER, VN_T_HS_M1,  VN_T_HS_M2};
    for (size_t i = 0; i < sizeof(types); i++) {
        for (unsigned count = 1; count <= 2; count++) {
            struct vn_world w;
            struct vn_world_node *a, *b;
            struct loss loss = {.type = types[i], .left = count};
            vn_world_pair(&w, VN_SUITE_DEFAULT, "home", &a, &b);
            vn_mem_broker_hook(w.broker, lose, &loss);
            uint64_t took = vn_world_ping(a, b, false, 5000);
            if (took > 2000)
                fail_msg("type %02x lost %u times: %llu ms", types[i], count,
                         (unsigned long long)took);
            assert_true(loss.seen > count);
            assert_int_equal(vn_world_status(a).handshakes_started, 1);
            assert_int_equal(vn_world_status(a).tether_count, 1);
            vn_world_done(&w);
        }
    }
}

static void test_crossing_setups(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    vn_world_send(a, b, false, 1);
    vn_world_send(b, a, false, 2);
    vn_world_run(w, 100);
    assert_true(vn_world_received(b, 1));
    assert_true(vn_world_received(a, 2));
    assert_int_equal(vn_world_status(a).tether_count, 1);
    assert_int_equal(vn_world_status(b).tether_count, 1);
    assert_int_equal(vn_mem_net_count(w->net), 2); /* one tether, two ends */
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
}

/* Crossing while the messages of one side are slower. */
static void slow_offer(void *arg, struct vn_mem_message *m)
{
    const char *src = strrchr(m->subject, '.') + 1;
    if (m->p[2] == VN_T_OFFER && strcmp(src, arg) == 0)
        m->delay_ms = 40;
}

static void test_late_crossing_offer(void **state)
{
    (void)state;
    for (int slow_one = 0; slow_one < 2; slow_one++) {
        struct vn_world w;
        struct vn_world_node *a, *b;
        vn_world_pair(&w, VN_SUITE_DEFAULT, "home", &a, &b);
        char id[VN_ID_TEXT];
        struct vn_id node = vn_world_status(slow_one ? a : b).node;
        vn_id_format(&node, id);
        vn_mem_broker_hook(w.broker, slow_offer, id);
        vn_world_send(a, b, false, 1);
        vn_world_send(b, a, false, 2);
        vn_world_run(&w, 200);
        assert_true(vn_world_received(b, 1));
        assert_true(vn_world_received(a, 2));
        assert_int_equal(vn_mem_net_count(w.net), 2);
        vn_world_done(&w);
    }
}

/* b was asleep: what a offered meanwhile, and has given up, comes when b has offered itself, and
 * a's answer to that after it. */
struct sleep {
    const struct vn_world *w;
    char offerer[VN_ID_TEXT];
    uint64_t until_us;
};

static void come_late(void *arg, struct vn_mem_message *m)
{
    const struct sleep *s = arg;
    const char *src = strrchr(m->subject, '.') + 1;
    if (m->n < 3 || strcmp(src, s->offerer) != 0)
        return;
    if (m->p[2] == VN_T_OFFER && s->w->now_us < s->until_us)
        m->delay_ms = (s->until_us - s->w->now_us) / 1000 + 100;
    else if (m->p[2] == VN_T_OFFER_ANSWER)
        m->delay_ms = 300;
}

static void test_offers_of_before_a_sleep(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct vn_world w;
        struct vn_world_node *a, *b;
        vn_world_pair(&w, VN_SUITE_DEFAULT, "home", &a, &b);
        struct sleep s = {.w = &w, .until_us = w.now_us + 4000000};
        struct vn_id id = vn_world_id(i ? a : b);
        vn_id_format(&id, s.offerer);
        vn_mem_broker_hook(w.broker, come_late, &s);
        vn_world_send(i ? a : b, i ? b : a, false, 1);
        vn_world_run(&w, 4000);
        assert_int_equal(vn_world_status(a).tether_count + vn_world_status(b).tether_count, 0);
        vn_world_send(i ? b : a, i ? a : b, false, 2);
        vn_world_run(&w, 1000);
        assert_true(vn_world_received(i ? a : b, 2));
        assert_int_equal(vn_mem_net_count(w.net), 2);
        vn_world_done(&w);
    }
}

static void test_idle_dissolves(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    assert_true(vn_world_until(w, dissolved, a, 2 * VN_WORLD_IDLE_MS));
    assert_true(vn_world_until(w, dissolved, b, 1000));
    vn_world_run(w, 100);
    assert_int_equal(vn_mem_net_count(w->net), 0);
    struct vn_mem_broker_counters c = vn_mem_broker_counters(w->broker);
    vn_world_run(w, 600000);
    assert_int_equal(vn_mem_broker_counters(w->broker).published,
                     c.published); /* an idle node says nothing */
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
    /* And it comes back at once: the descriptor is fresh, the certificate known. */
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
}

static bool is_warm(void *arg)
{
    struct vn_node_link links[4];
    const struct vn_world_node *n = arg;
    const size_t count = vn_node_links(n->node, links, VN_ARRAY_LEN(links));
    for (size_t i = 0; i < count; i++)
        if (links[i].tx_state && strcmp(links[i].tx_state, "open") == 0 && links[i].tether_up)
            return true;
    return false;
}

/* A peer that the settings keep warm has a stream without a packet, for as long as it lives, and
 * again when it is back; no stream comes from that the other way. */
static void test_keep_warm(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    a->keep_warm[a->keep_warm_count++] = "bob";
    vn_world_restart(a);
    assert_true(vn_world_until(w, is_warm, a, 5000));
    vn_world_run(w, 6 * VN_WORLD_IDLE_MS);
    assert_true(is_warm(a));
    assert_true(vn_world_ping(a, b, false, 100) < 10);
    assert_int_equal(0, vn_world_status(b).stream_tx_count);
    vn_world_run(w, 2 * VN_WORLD_IDLE_MS); /* it is told idle once more */
    assert_true(is_warm(a));
    assert_int_equal(1, vn_world_status(a).handshakes_started);
    vn_world_kill(b);
    vn_mem_net_break_of(w->net, vn_world_owner(b), VN_TETHER_DOWN_SILENT);
    for (int i = 0; i < 60 && is_warm(a); i++)
        vn_world_run(w, 1000);
    assert_false(is_warm(a));
    vn_world_revive(b);
    assert_true(vn_world_until(w, is_warm, a, 90000));
}

static void test_one_direction_idles(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    for (int i = 0; i < 10; i++) {
        vn_world_run(w, VN_WORLD_IDLE_MS / 2);
        assert_true(vn_world_ping(a, b, false, 1000) < 10);
    }
    assert_int_equal(vn_world_status(a).stream_tx_count, 1);
    assert_int_equal(vn_world_status(a).stream_rx_count, 0);
    assert_int_equal(vn_world_status(b).stream_tx_count, 0);
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
}

static void test_stale_kid(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct loss answers = {.type = VN_T_ANSWER}, retries = {.type = VN_T_HS_RETRY};
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    /* Two rotations in the 14 minutes that a believes the descriptor. */
    vn_world_run(w, 590000);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_world_run(w, 300000);
    vn_mem_broker_hook(w->broker, lose, &answers);
    assert_true(vn_world_ping(a, b, false, 1000) <
                100); /* asks again, since what it has is too old */
    vn_mem_broker_hook(w->broker, lose, &retries);
}

static void test_peer_restarts(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_world_kill(b);
    vn_world_run(w, 2000);
    vn_world_revive(b);
    /* The revival closes the old tether; a real one falls silent and is found out by consent
     * checks. */
    vn_world_run(w, 1);
    uint64_t took = vn_world_ping(a, b, false, 10000);
    assert_true(took < 5000);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    assert_int_equal(vn_world_status(a).tether_count, 1);
    assert_int_equal(vn_world_status(a).stream_tx_count, 1);
    assert_int_equal(vn_world_status(a).stream_rx_count, 1);
}

/* The restarted peer speaks first, while we still hold its previous life. */
static void test_restarted_peer_calls(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    struct vn_id old = vn_world_status(b).node;
    vn_world_kill(b);
    vn_world_run(w, 2000);
    vn_world_revive(b);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    struct vn_node_link links[4];
    assert_int_equal(vn_node_links(a->node, links, 4), 1);
    assert_false(vn_id_equal(&links[0].node, &old));
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
}

/* A copied token: the newer login has the addresses, whatever the older node goes on saying. */
static void test_clone_takes_over(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_world_run(w, 2000);
    struct vn_world_node *c = vn_world_clone(b);
    assert_true(vn_world_ping(c, a, false, 1000) < 100);
    assert_true(vn_world_ping(a, c, false, 1000) < 100);
    uint64_t certs = vn_world_status(a).drops[VN_NDROP_CERT];
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
    assert_true(vn_world_status(a).drops[VN_NDROP_CERT] > certs);
    assert_true(vn_world_ping(a, c, false, 1000) < 100);
    assert_int_equal(vn_world_status(a).tether_count, 1);
}

static void test_broken_tether_is_made_anew(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_mem_net_break(w->net, VN_TETHER_DOWN_SILENT);
    vn_world_run(w, 1);
    assert_true(vn_world_ping(a, b, false, 5000) < 200);
    assert_true(vn_world_ping(b, a, false, 5000) < 200);
    /* The streams lived on: no second handshake. */
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
    assert_int_equal(vn_world_status(b).handshakes_started, 1);
    assert_int_equal(vn_mem_net_count(w->net), 2);
}

static void test_peer_gone(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_world_kill(b);
    vn_mem_net_break(w->net, VN_TETHER_DOWN_SILENT);
    vn_world_run(w, 1);
    assert_true(vn_world_ping(a, b, false, 6000) == UINT64_MAX);
    assert_true(a->unreachables > 0);
    assert_true(dissolved(a));
}

static void test_broker_down(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    vn_mem_broker_set_up(w->broker, false);
    vn_world_run(w, 1000);
    assert_true(vn_world_ping(a, b, false, 2000) == UINT64_MAX); /* nor is there a tether */
    vn_mem_broker_set_up(w->broker, true);
    vn_world_run(w, 200);
    assert_true(vn_world_received(b, 1001) || vn_world_ping(a, b, false, 12000) < 12000);
    vn_mem_broker_set_up(w->broker, false);
    vn_world_run(w, 1000);
    assert_true(vn_world_ping(a, b, false, 1000) < 10); /* what flows goes on */
}

static bool is_stopped(void *arg)
{
    return ((struct vn_world_node *)arg)->stopped == 1;
}

static void test_stop(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_node_stop(b->node, w->now_us / 1000);
    assert_true(vn_world_until(w, is_stopped, b, 2000));
    assert_int_equal(vn_mem_authority_member(w->authority, b->member)->logouts, 1);
    assert_true(vn_world_until(w, dissolved, a, 1000));
    assert_int_equal(vn_mem_net_count(w->net), 0);
}

static void test_renewal(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    const uint64_t hour_ms = 3600000;
    for (uint64_t t = 0; t < 10 * hour_ms; t += 2 * hour_ms) {
        assert_true(vn_world_ping(a, b, false, 5000) < 1000);
        vn_world_run(w, 2 * hour_ms);
    }
    const struct vn_mem_member *m = vn_mem_authority_member(w->authority, a->member);
    assert_int_equal(m->logins, 1);
    assert_true(m->renewals >= 1 && m->renewals <= 3);
}

static void test_login_backs_off(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0];
    vn_mem_authority_set_life(w->authority, 60000);
    struct vn_mem_member *m = vn_mem_authority_member(w->authority, a->member);
    m->refuse = VN_ERR_AGAIN;
    vn_world_run(w, 6 * 3600000);
    assert_int_equal(a->refused, 0);
    assert_true(vn_world_status(a).guardian_error[0] != '\0');
    m->refuse = VN_OK;
    vn_world_run(w, 90000);
    assert_int_equal(vn_world_status(a).guardian_error[0], '\0');
    m->refuse = VN_ERR_DENIED;
    vn_world_run(w, 60000);
    assert_int_equal(a->refused, 1);
}

/* Another node has logged in with its conflux token, and it did not hear of that: its own renewal
 * ends it, and it does not take the session back. */
static void test_session_taken_over(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0];
    struct vn_mem_member *m = vn_mem_authority_member(w->authority, a->member);
    unsigned logins = m->logins;
    m->refuse = VN_ERR_EXISTS;
    for (unsigned hours = 0; hours < 13 && !a->refused; hours++)
        vn_world_run(w, 3600000);
    assert_int_equal(a->refused, 1);
    vn_world_run(w, 600000);
    assert_int_equal(a->refused, 1);
    assert_int_equal(m->logins, logins);
}

static void test_held_signatures(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b;
    vn_world_pair(&w, VN_SUITE_DEFAULT, "home", &a, &b);
    w.hold_jobs = true;
    assert_true(vn_world_ping(a, b, false, 1000) == UINT64_MAX);
    w.hold_jobs = false;
    assert_true(vn_world_ping(a, b, false, 5000) < 5000);
    w.hold_jobs = true;
    vn_world_run(&w, 3 * VN_WORLD_IDLE_MS);
    vn_world_send(a, b, false, 7);
    vn_world_run(&w, 10);
    vn_world_done(&w); /* frees the nodes while a job is out */
}

/* A scan of the realm's range: bounded questions, and others are still served. */
static void test_scan(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    size_t before = vn_mem_broker_counters(w->broker).published;
    for (unsigned i = 3; i < 2003; i++) {
        char dst[32];
        snprintf(dst, sizeof(dst), "10.66.%u.%u", i / 250, i % 250);
        struct vn_inner p = {.src = "10.66.0.1", .dst = dst, .payload_len = 8};
        vn_worker_tun_input(a->worker, vn_inner_new(&p), w->now_us);
    }
    vn_world_run(w, 10000);
    size_t asked = vn_mem_broker_counters(w->broker).published - before;
    assert_true(asked <= VN_QUERY_BURST + 10 * VN_QUERY_RATE + 1);
    assert_true(asked >= 400);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
}

static void on_resolved(void *arg, const struct vn_resolved *list, size_t count)
{
    *(size_t *)arg = count ? (size_t)list[0].addr_count : 100;
}

static void test_resolve(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    char id[VN_ID_TEXT];
    struct vn_id node = vn_world_status(b).node;
    vn_id_format(&node, id);
    const char *names[] = {"bob", "10.66.0.2", "fd66::2", id};
    for (size_t i = 0; i < 4; i++) {
        size_t got = 0;
        assert_ok(vn_node_resolve(a->node, names[i], on_resolved, &got));
        vn_world_run(w, 200);
        assert_int_equal(got, 2);
    }
    size_t got = 0;
    assert_ok(vn_node_resolve(a->node, "carol", on_resolved, &got));
    vn_world_run(w, 3000);
    assert_int_equal(got, 0);
    vn_world_run(w, 700);
    assert_int_equal(got, 100);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, vn_world_setup, vn_world_teardown)

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_messages),
        PAIR(test_crossing_setups),
        cmocka_unit_test(test_late_crossing_offer),
        cmocka_unit_test(test_offers_of_before_a_sleep),
        PAIR(test_idle_dissolves),
        PAIR(test_keep_warm),
        PAIR(test_one_direction_idles),
        PAIR(test_stale_kid),
        PAIR(test_peer_restarts),
        PAIR(test_restarted_peer_calls),
        PAIR(test_clone_takes_over),
        PAIR(test_broken_tether_is_made_anew),
        PAIR(test_peer_gone),
        PAIR(test_broker_down),
        PAIR(test_stop),
        PAIR(test_renewal),
        PAIR(test_session_taken_over),
        PAIR(test_login_backs_off),
        cmocka_unit_test(test_held_signatures),
        PAIR(test_scan),
        PAIR(test_resolve),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
