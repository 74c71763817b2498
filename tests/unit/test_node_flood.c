/* Floods: strangers cost a mac, members their share, and who is honest gets through meanwhile. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/flood_net.h"
#include "support/test.h"
#include "wire/types.h"

static size_t sources(const struct flood_net *t)
{
    return vn_map_count(t->bob->node->seen.sources);
}

/* ---- strangers ---- */

static void test_forged_handshakes(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    size_t before = sources(t);
    for (uint32_t i = 0; i < 4000; i++) {
        struct vn_id src = flood_source(i);
        memcpy(t->m1.p + 3, &i, sizeof(i)); /* mac1 covers it */
        flood_inject(t, &src, &t->m1);
    }
    vn_world_send(t->carol, t->bob, false, 1);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    struct vn_node_status s = vn_world_status(t->bob);
    assert_int_equal(s.drops[VN_NDROP_HOUR_MAC], 4000);
    assert_int_equal(s.load_periods, 0);
    assert_true(sources(t) <= before + 1); /* carol's */
    flood_net_free(t);
}

static void test_forged_envelopes_and_garbage(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    size_t before = sources(t), nonces = vn_map_count(t->bob->node->seen.nonces);
    uint64_t drops = vn_world_drops(t->bob);
    struct vn_buf noise;
    vn_buf_init(&noise, VN_CONTROL_PAYLOAD_MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        struct vn_id src = flood_source(i);
        memcpy(t->query.p + 85, &i, sizeof(i)); /* the nonce: another message, same mac */
        vn_mem_broker_inject(t->w.broker, t->query_subject, t->query.p, t->query.len);
        uint8_t bytes[512];
        size_t n = 1 + vn_test_below(sizeof(bytes));
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)vn_test_random();
        if (n > 2 && i % 2)
            memcpy(bytes, "\1\1\x80", 3);
        noise.len = 0;
        assert_ok(vn_buf_append(&noise, bytes, n));
        flood_inject(t, &src, &noise);
    }
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    struct vn_node_status s = vn_world_status(t->bob);
    assert_int_equal(s.drops[VN_NDROP_HOUR_MAC], 1000);
    assert_int_equal(vn_world_drops(t->bob), drops + 2000);
    assert_true(sources(t) <= before + 1);
    assert_true(vn_map_count(t->bob->node->seen.nonces) < nonces + 8); /* carol's set-up */
    vn_buf_done(&noise);
    flood_net_free(t);
}

/* ---- one member ---- */

static void test_one_member(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_id mallory = flood_source(1);
    for (uint32_t i = 0; i < 1000; i++) {
        flood_remac(t, i);
        flood_inject(t, &mallory, &t->m1);
    }
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    struct vn_node_status s = vn_world_status(t->bob);
    /* What came to decapsulation is its burst; the rest cost a mac. And it is not load enough to
     * cost others a round trip. */
    assert_in_range(s.drops[VN_NDROP_SEAL], VN_HS_SRC_BURST, VN_HS_SRC_BURST + VN_HS_SRC_RATE);
    assert_int_equal(s.drops[VN_NDROP_RATE] + s.drops[VN_NDROP_SEAL], 1000);
    assert_int_equal(s.load_periods, 0);
    assert_int_equal(s.cookies_sent, 0);
    flood_net_free(t);
}

static void test_repeated_m1(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    size_t before = vn_mem_broker_counters(t->w.broker).published;
    for (unsigned i = 0; i < 500; i++)
        vn_mem_broker_inject(t->w.broker, t->m1_subject, t->m1.p, t->m1.len);
    vn_world_run(&t->w, 5);
    assert_in_range(vn_mem_broker_counters(t->w.broker).published - before, 1, VN_HS_SRC_BURST);
    assert_true(vn_world_status(t->bob).drops[VN_NDROP_RATE] >= 500 - VN_HS_SRC_BURST);
    assert_true(vn_world_ping(t->alice, t->bob, false, 1000) < 100);
    flood_net_free(t);
}

static void test_streams_of_one_peer(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    struct vn_id alice = vn_world_status(t->alice).node;
    struct vn_peer *p = vn_peer_get(n, &alice);
    /* As if alice had bound six streams and sent no frame on any. */
    for (uint8_t i = 0; i < 6; i++) {
        struct vn_id sid = {.b = {7, i}};
        struct vn_stream *s;
        assert_ok(vn_stream_new(n, p, false, &sid, &s));
        vn_stream_opened(n, s);
    }
    assert_int_equal(vn_world_status(t->bob).stream_rx_count, 7);
    assert_int_equal(n->streams.half_open_count, 0);
    struct vn_peer *bob = vn_peer_get(t->alice->node, &n->session.self);
    vn_stream_close(t->alice->node, bob->tx, VN_CLOSE_LOST, false);
    vn_world_run(&t->w, 1);
    assert_true(vn_world_ping(t->alice, t->bob, false, 3000) < 3000);
    assert_true(vn_world_status(t->bob).stream_rx_count <= VN_HS_OPEN_PER_PEER);
    flood_net_free(t);
}

/* ---- many sources: cookies ---- */

static void bring_under_load(struct flood_net *t)
{
    for (uint32_t i = 0; i < VN_HS_LOAD_ON + 50; i++) {
        struct vn_id src = flood_source(i);
        flood_remac(t, i);
        flood_inject(t, &src, &t->m1);
    }
    vn_world_run(&t->w, 1);
    struct vn_node_status s = vn_world_status(t->bob);
    assert_true(s.under_load);
    assert_in_range(s.drops[VN_NDROP_SEAL], VN_HS_LOAD_ON, VN_HS_LOAD_ON + 1);
    assert_in_range(s.drops[VN_NDROP_COOKIE], 49, 50);
}

struct sends {
    struct vn_buf m1[3];
    size_t count, retries;
};

static void keep_m1s(void *arg, struct vn_mem_message *m)
{
    struct sends *s = arg;
    s->retries += m->p[2] == VN_T_HS_RETRY;
    if (m->p[2] == VN_T_HS_M1 && s->count < VN_ARRAY_LEN(s->m1)) {
        vn_buf_init(&s->m1[s->count], VN_CONTROL_PAYLOAD_MAX);
        assert_ok(vn_buf_append(&s->m1[s->count++], m->p, m->n));
    }
}

static void test_cookies(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct sends sent = {0};
    bring_under_load(t);
    uint64_t cookies = vn_world_status(t->bob).cookies_sent;
    vn_mem_broker_hook(t->w.broker, keep_m1s, &sent);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < 200);
    vn_mem_broker_hook(t->w.broker, NULL, NULL);
    struct vn_node_status s = vn_world_status(t->bob);
    assert_int_equal(s.cookies_sent, cookies + 1);
    assert_int_equal(s.load_periods, 1);
    /* Sent twice, the same but for mac2. (The third is bob's own, for the way back, if any.) */
    assert_int_equal(sent.retries, 1);
    assert_true(sent.count >= 2);
    assert_int_equal(sent.m1[0].len, sent.m1[1].len);
    size_t same = sent.m1[0].len - VN_MAC_LEN;
    static const uint8_t none[VN_MAC_LEN];
    assert_memory_equal(sent.m1[0].p, sent.m1[1].p, same);
    assert_memory_equal(sent.m1[0].p + same, none, sizeof(none));
    assert_memory_not_equal(sent.m1[1].p + same, none, sizeof(none));
    /* The next handshake of the same node shows the cookie at once. */
    struct vn_node *n = t->carol->node;
    vn_stream_close(n, vn_peer_get(n, &t->bob->node->session.self)->tx, VN_CLOSE_LOST, true);
    vn_world_run(&t->w, 1);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < FLOOD_HANDSHAKE_MS);
    assert_int_equal(vn_world_status(t->bob).cookies_sent, cookies + 1);
    for (size_t i = 0; i < sent.count; i++)
        vn_buf_done(&sent.m1[i]);
    /* Quiet again: no cookie is asked for. */
    vn_world_run(&t->w, VN_HS_LOAD_HOLD_MS + VN_COOKIE_LIFE_MS);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < 100);
    s = vn_world_status(t->bob);
    assert_false(s.under_load);
    assert_int_equal(s.cookies_sent, cookies + 1);
    flood_net_free(t);
}

static void test_cookie_is_of_its_source(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *bob = t->bob->node;
    struct vn_id mallory = flood_source(9), carol = vn_world_status(t->carol).node;
    uint8_t cookie[VN_COOKIE_LEN];
    bring_under_load(t);
    assert_ok(vn_cookie_make(bob, &carol, cookie));
    flood_remac(t, 100000);
    assert_ok(vn_hs_m1_set_mac2(bob->suite, cookie, &t->m1));
    struct vn_node_status before = vn_world_status(t->bob), s;
    flood_inject(t, &mallory, &t->m1);
    vn_world_run(&t->w, 1);
    s = vn_world_status(t->bob);
    assert_int_equal(s.drops[VN_NDROP_COOKIE], before.drops[VN_NDROP_COOKIE] + 1);
    assert_int_equal(s.drops[VN_NDROP_SEAL], before.drops[VN_NDROP_SEAL]);
    /* Under its own name it is opened, and only then found to be no handshake. */
    flood_inject(t, &carol, &t->m1);
    vn_world_run(&t->w, 1);
    s = vn_world_status(t->bob);
    assert_int_equal(s.drops[VN_NDROP_COOKIE], before.drops[VN_NDROP_COOKIE] + 1);
    assert_int_equal(s.drops[VN_NDROP_SEAL], before.drops[VN_NDROP_SEAL] + 1);
    flood_net_free(t);
}

/* A source without a cookie gets a few RETRYs, and has none of another source's. */
static void test_cookies_per_source(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    bring_under_load(t);
    uint64_t before = vn_world_status(t->bob).cookies_sent;
    struct vn_id mallory = flood_source(5000);
    for (uint32_t i = 0; i < 500; i++) {
        flood_remac(t, 200000 + i);
        flood_inject(t, &mallory, &t->m1);
    }
    vn_world_run(&t->w, 1);
    assert_int_equal(vn_world_status(t->bob).cookies_sent, before + VN_HS_COOKIE_BURST);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < 200);
    flood_net_free(t);
}

static void test_secret_rotates(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *bob = t->bob->node;
    struct vn_id carol = vn_world_status(t->carol).node;
    uint8_t first[VN_COOKIE_LEN], second[VN_COOKIE_LEN], third[VN_COOKIE_LEN];
    struct vn_hs_m1_view v;
    assert_ok(vn_cookie_make(bob, &carol, first));
    assert_ok(vn_hs_m1_set_mac2(bob->suite, first, &t->m1));
    assert_ok(vn_hs_m1_parse(vn_buf_span(&t->m1), bob->suite, &bob->cfg.realm, &v));
    assert_true(vn_cookie_right(bob, &carol, &v));
    vn_world_run(&t->w, VN_COOKIE_LIFE_MS - 1000);
    assert_ok(vn_cookie_make(bob, &carol, second));
    assert_memory_equal(first, second, sizeof(first));
    vn_world_run(&t->w, 1000);
    assert_ok(vn_cookie_make(bob, &carol, second));
    assert_memory_not_equal(first, second, sizeof(first));
    /* The one before is good as long as its last holder keeps it. */
    vn_world_run(&t->w, VN_COOKIE_LIFE_MS - 1000);
    assert_true(vn_cookie_right(bob, &carol, &v));
    vn_world_run(&t->w, 1000);
    assert_false(vn_cookie_right(bob, &carol, &v));
    assert_ok(vn_hs_m1_set_mac2(bob->suite, second, &t->m1));
    assert_true(vn_cookie_right(bob, &carol, &v));
    /* Long unused: neither is. */
    vn_world_run(&t->w, VN_COOKIE_LIFE_MS);
    assert_false(vn_cookie_right(bob, &carol, &v));
    assert_ok(vn_cookie_make(bob, &carol, third));
    assert_memory_not_equal(second, third, sizeof(third));
    flood_net_free(t);
}

/* ---- tables ---- */

static void test_nobody_flushes_the_sources(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    struct vn_id alice = vn_world_status(t->alice).node;
    struct vn_source *s = vn_source_get(n, &alice);
    assert_true(s->proven);
    for (uint32_t i = 0; i < 2 * VN_SOURCES_MAX; i++) {
        struct vn_id src = flood_source(i);
        assert_non_null(vn_source_get(n, &src));
    }
    assert_ptr_equal(s, vn_map_get(n->seen.sources, &alice));
    assert_int_equal(n->seen.unproven_count, VN_SOURCES_UNPROVEN_MAX);
    /* Members, whom Guardian counts, fill the rest and no more. */
    for (uint32_t i = 0; i < 2 * VN_SOURCES_MAX; i++) {
        struct vn_id src = flood_source(100000 + i);
        assert_non_null(vn_source_get(n, &src));
        vn_source_prove(n, &src);
        (void)vn_source_get(n, &alice); /* she goes on talking */
    }
    assert_ptr_equal(s, vn_map_get(n->seen.sources, &alice));
    assert_true(sources(t) <= VN_SOURCES_MAX);
    flood_net_free(t);
}

static void test_nobody_flushes_the_replay_memory(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    struct vn_id honest = flood_source(1), late = flood_source(2), loud = flood_source(3);
    uint8_t nonce[16] = {0};
    for (uint8_t i = 0; i < 20; i++) {
        nonce[15] = i;
        vn_seen_put(n, &honest, nonce);
    }
    nonce[15] = 0;
    for (uint32_t i = 0; i < VN_ENVELOPE_REPLAY_MAX + 5000; i++) {
        memcpy(nonce, &i, sizeof(i));
        vn_seen_put(n, &loud, nonce);
    }
    assert_true(vn_seen_has(n, &loud, nonce));
    assert_int_equal(vn_map_count(n->seen.nonces), VN_ENVELOPE_REPLAY_MAX);
    vn_seen_put(n, &late, nonce);
    assert_true(vn_seen_has(n, &late, nonce));
    memset(nonce, 0, sizeof(nonce));
    for (uint8_t i = 0; i < 20; i++) {
        nonce[15] = i;
        assert_true(vn_seen_has(n, &honest, nonce));
    }
    nonce[15] = 0;
    assert_false(vn_seen_has(n, &loud, nonce)); /* its own went */
    vn_world_run(&t->w, 2 * VN_ENVELOPE_FRESH_MS);
    vn_seen_put(n, &late, nonce);
    assert_true(vn_map_count(n->seen.nonces) < 100);
    flood_net_free(t);
}

/* ---- signatures ---- */

struct counted_job {
    struct vn_job job;
    unsigned *runs, *limits, *frees;
};

static vn_status job_run(struct vn_job *j)
{
    (*VN_CONTAINER_OF(j, struct counted_job, job)->runs)++;
    return VN_OK;
}

static void job_done(struct vn_node *n, struct vn_job *j)
{
    (void)n;
    *VN_CONTAINER_OF(j, struct counted_job, job)->limits += j->status == VN_ERR_LIMIT;
}

static void job_free(struct vn_job *j)
{
    (*VN_CONTAINER_OF(j, struct counted_job, job)->frees)++;
    free(VN_CONTAINER_OF(j, struct counted_job, job));
}

struct counts {
    unsigned runs, limits, frees;
};

static vn_status submit(struct vn_node *n, const struct vn_id *peer, struct counts *c)
{
    struct counted_job *j = calloc(1, sizeof(*j));
    assert_non_null(j);
    j->job = (struct vn_job){.peer = *peer, .run = job_run, .done = job_done, .free = job_free};
    j->runs = &c->runs;
    j->limits = &c->limits;
    j->frees = &c->frees;
    return vn_job_submit(n, &j->job);
}

static void test_jobs_take_turns(void **state)
{
    (void)state;
    struct flood_net *t = flood_net_new();
    struct vn_node *n = t->bob->node;
    struct counts loud = {0}, quiet = {0}, others = {0};
    struct vn_id a = flood_source(1), b = flood_source(2);
    t->w.hold_jobs = true;
    for (unsigned i = 0; i < VN_JOBS_RUNNING + VN_JOBS_PEER_MAX; i++)
        assert_ok(submit(n, &a, &loud));
    assert_false(vn_jobs_room(n, &a));
    assert_status(VN_ERR_LIMIT, submit(n, &a, &loud));
    assert_int_equal(loud.frees, 1);
    /* One of another peer runs next but one. */
    assert_ok(submit(n, &b, &quiet));
    assert_int_equal(loud.runs, VN_JOBS_RUNNING);
    t->w.hold_jobs = false;
    struct vn_world_job *first = t->w.jobs;
    t->w.jobs = first->next;
    first->done(first->arg, false); /* a's turn */
    free(first);
    assert_int_equal(quiet.runs, 0);
    first = t->w.jobs;
    t->w.jobs = first->next;
    first->done(first->arg, false);
    free(first);
    assert_int_equal(quiet.runs, 1);
    assert_int_equal(loud.runs, VN_JOBS_RUNNING + 1);
    /* Full: the longest queue gives way to a newcomer, and is told at the next tick. */
    t->w.hold_jobs = true;
    for (uint32_t i = 10; vn_jobs_count(n) < VN_JOBS_MAX + VN_JOBS_RUNNING; i++) {
        struct vn_id p = flood_source(i);
        for (unsigned k = 0; k < VN_JOBS_PEER_MAX - 1 && n->jobs.waiting < VN_JOBS_MAX; k++)
            assert_ok(submit(n, &p, &others));
    }
    struct vn_id newcomer = flood_source(9999);
    quiet = (struct counts){0};
    for (unsigned i = 0; i < 3; i++)
        assert_ok(submit(n, &newcomer, &quiet));
    assert_int_equal(n->jobs.waiting, VN_JOBS_MAX);
    assert_int_equal(loud.limits + others.limits, 0);
    t->w.hold_jobs = false;
    vn_world_run(&t->w, 10);
    assert_int_equal(loud.limits + others.limits, 3);
    assert_int_equal(quiet.runs, 3);
    assert_int_equal(vn_jobs_count(n), 0);
    assert_int_equal(loud.frees, VN_JOBS_RUNNING + VN_JOBS_PEER_MAX + 1);
    assert_true(vn_world_ping(t->carol, t->bob, false, FLOOD_HANDSHAKE_MS) < 100);
    /* What waits when the node ends is freed with it. */
    t->w.hold_jobs = true;
    for (unsigned i = 0; i < VN_JOBS_RUNNING + VN_JOBS_PEER_MAX; i++)
        assert_ok(submit(n, &a, &loud));
    flood_net_free(t);
    assert_int_equal(loud.frees, 2 * (VN_JOBS_RUNNING + VN_JOBS_PEER_MAX) + 1);
}

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged_handshakes),
        cmocka_unit_test(test_forged_envelopes_and_garbage),
        cmocka_unit_test(test_one_member),
        cmocka_unit_test(test_repeated_m1),
        cmocka_unit_test(test_streams_of_one_peer),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_cookie_is_of_its_source),
        cmocka_unit_test(test_cookies_per_source),
        cmocka_unit_test(test_secret_rotates),
        cmocka_unit_test(test_nobody_flushes_the_sources),
        cmocka_unit_test(test_nobody_flushes_the_replay_memory),
        cmocka_unit_test(test_jobs_take_turns),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
