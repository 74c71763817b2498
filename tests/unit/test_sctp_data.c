/* What SCTP carries, over paths that lose, repeat and reorder: ours with ours and libusrsctp. */
#include <stdlib.h>

#include "base/log.h"
#include "support/sctp_world.h"
#include "support/test.h"
#include "transport/limits.h"

enum { SECOND = 1000000, COUNT_MAX = 512 };

static const struct vn_sctp_how ordered = {0}, unordered = {.unordered = true};
static const struct vn_sctp_how once = {true, VN_SCTP_RETRANSMITS, 0};

/* Which end is libusrsctp; the sender is end 0. */
static const struct sctp_world_config pairs[] = {
    {.foreign = {false, false}}, {.foreign = {false, true}}, {.foreign = {true, false}}};

static const struct vn_sctp_how *how_of(bool in_order)
{
    return in_order ? &ordered : &unordered;
}

struct flow {
    struct sctp_world *w;
    size_t count;
    size_t (*size)(size_t i);
};

static bool all_here(void *arg)
{
    const struct flow *f = arg;
    return f->w->end[1].count >= f->count;
}

static void send_all(struct flow *f, const struct vn_sctp_how *how, uint64_t max_us)
{
    const uint64_t until_us = f->w->now_us + max_us;
    for (size_t i = 0; i < f->count; i++)
        while (!sctp_end_send(&f->w->end[0], (uint16_t)(i % 3), how, f->size(i), (uint32_t)i))
            assert_true(sctp_world_step(f->w, until_us));
    if (!sctp_world_until(f->w, all_here, f, until_us - f->w->now_us))
        fail_msg("%zu of %zu messages arrived", f->w->end[1].count, f->count);
}

/* Each exactly once and whole; in order on each of three streams, if that was asked. */
static void assert_all(const struct flow *f, bool in_order)
{
    bool seen[COUNT_MAX] = {false};
    size_t next[3] = {0, 1, 2};
    assert_int_equal(f->w->end[1].count, f->count);
    for (size_t k = 0; k < f->count; k++) {
        const struct vn_sctp_msg *m = &f->w->end[1].msgs[k];
        const size_t i = m->ppid;
        assert_true(i < f->count && !seen[i] && m->stream == i % 3);
        seen[i] = true;
        assert_true(sctp_msg_holds(m, f->size(i), (uint32_t)i));
        if (in_order) {
            assert_int_equal(i, next[i % 3]);
            next[i % 3] += 3;
        }
    }
}

static void set_paths(struct sctp_world *w, struct sctp_path path)
{
    path.queue_bytes = path.queue_bytes ? path.queue_bytes : 1000000;
    w->path[0] = w->path[1] = path;
}

static size_t every_size(size_t i)
{
    static const size_t sizes[] = {1,    2,    3,    100,  1355, 1371,  1372,  1373,  1374,
                                   2743, 2744, 2745, 4096, 4097, 65536, 66560, 262144};
    return sizes[i % VN_ARRAY_LEN(sizes)];
}

static void every_size_arrives(void **state)
{
    (void)state;
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (int in_order = 0; in_order < 2; in_order++) {
            struct sctp_world w;
            struct flow f = {&w, 34, every_size};
            sctp_world_init(&w, &pairs[p]);
            assert_true(sctp_world_open(&w, 3, SECOND));
            send_all(&f, how_of(in_order), 20 * SECOND);
            assert_all(&f, in_order);
            sctp_world_done(&w);
        }
}

static size_t mixed_size(size_t i)
{
    return 1 + i * 7919 % 30000;
}

static void bad_paths_change_nothing(void **state)
{
    (void)state;
    static const struct sctp_path paths[] = {
        {.delay_us = 5000, .loss = 10},
        {.delay_us = 500, .loss = 100, .dup = 100},
        {.delay_us = 20000, .loss = 1000, .reorder = 500, .reorder_us = 7000},
        {.delay_us = 100, .dup = 1000, .reorder = 3000, .reorder_us = 3000},
        {.delay_us = 5000, .rate = 3000000, .queue_bytes = 30000, .loss = 100},
    };
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (size_t k = 0; k < VN_ARRAY_LEN(paths); k++)
            for (int in_order = 0; in_order < 2; in_order++) {
                struct sctp_world w;
                struct flow f = {&w, 100, mixed_size};
                sctp_world_init(&w, &pairs[p]);
                assert_true(sctp_world_open(&w, 3, SECOND));
                set_paths(&w, paths[k]);
                send_all(&f, how_of(in_order), 300 * (uint64_t)SECOND);
                assert_all(&f, in_order);
                sctp_world_done(&w);
            }
}

/* ---- partial reliability ---- */

static bool nothing_outstanding(void *arg)
{
    return vn_sctp_outstanding(((struct sctp_world *)arg)->end[0].own) == 0;
}

/* What is lost is not repeated, the rest arrives once, and the peer does not wait for it. */
static void once_is_once(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    for (size_t p = 0; p < 2; p++)
        for (int in_order = 0; in_order < 2; in_order++) {
            const struct vn_sctp_how how = {!in_order, VN_SCTP_RETRANSMITS, 0};
            struct sctp_world w;
            struct vn_sctp_counters c;
            bool seen[COUNT] = {false};
            sctp_world_init(&w, &pairs[p]);
            assert_true(sctp_world_open(&w, 3, SECOND));
            set_paths(&w, (struct sctp_path){.delay_us = 3000, .loss = 1000});
            for (uint32_t i = 0; i < COUNT; i++) {
                assert_true(sctp_end_send(&w.end[0], 2, &how, 100 + i * 17 % 5000, i));
                sctp_world_run(&w, 2000);
            }
            assert_true(sctp_world_until(&w, nothing_outstanding, &w, 20 * SECOND));
            sctp_world_run(&w, SECOND);
            vn_sctp_counters(w.end[0].own, &c);
            assert_true(c.abandoned > 0 && c.retransmitted == 0);
            assert_int_equal(w.end[0].given_up, c.abandoned);
            assert_in_range(w.end[1].count, COUNT / 2, COUNT - 1);
            /* libusrsctp throws away fragments that FORWARD-TSN does not name, too. */
            assert_in_range(w.end[1].count + c.abandoned, p == 0 ? COUNT : COUNT * 3 / 4,
                            COUNT + COUNT / 20);
            for (size_t k = 0; k < w.end[1].count; k++) {
                const uint32_t i = w.end[1].msgs[k].ppid;
                assert_true(i < COUNT && !seen[i]);
                seen[i] = true;
                assert_true(sctp_msg_holds(&w.end[1].msgs[k], 100 + i * 17 % 5000, i));
                assert_true(!in_order || k == 0 || i > w.end[1].msgs[k - 1].ppid);
            }
            sctp_end_clear(&w.end[1]);
            set_paths(&w, (struct sctp_path){.delay_us = 3000});
            struct flow f = {&w, 3, mixed_size};
            send_all(&f, &ordered, 5 * SECOND);
            assert_all(&f, true);
            sctp_world_done(&w);
        }
}

/* Only so often, and only so long. */
static void limits_are_kept(void **state)
{
    (void)state;
    static const struct vn_sctp_how hows[] = {{true, VN_SCTP_RETRANSMITS, 3},
                                              {true, VN_SCTP_MILLISECONDS, 700}};
    for (size_t h = 0; h < VN_ARRAY_LEN(hows); h++) {
        struct sctp_world w;
        struct vn_sctp_counters c;
        sctp_world_init(&w, &pairs[0]);
        assert_true(sctp_world_open(&w, 3, SECOND));
        assert_true(sctp_end_send(&w.end[0], 0, &ordered, 5000, 1)); /* a round trip is known */
        sctp_world_run(&w, 100000);
        sctp_end_clear(&w.end[1]);
        w.path[0].down = true;
        const uint64_t began_us = w.now_us;
        assert_true(sctp_end_send(&w.end[0], 0, &hows[h], 1000, 2));
        assert_true(sctp_world_until(&w, nothing_outstanding, &w, 20 * SECOND));
        vn_sctp_counters(w.end[0].own, &c);
        assert_int_equal(c.abandoned, 1);
        assert_int_equal(w.end[0].given_up, 1);
        assert_int_equal(w.end[0].given_up_bytes, 1000);
        if (hows[h].limit == VN_SCTP_RETRANSMITS)
            assert_int_equal(c.retransmitted, 3);
        else
            assert_in_range(w.now_us - began_us, 700000, 1500000);
        w.path[0].down = false;
        sctp_world_run(&w, 10 * SECOND);
        assert_int_equal(w.end[1].count, 0);
        sctp_world_done(&w);
    }
}

/* A message given up while half of it waits leaves no trace in what follows. */
static void a_message_cut_in_part_is_given_up(void **state)
{
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        struct sctp_world w;
        sctp_world_init(&w, &pairs[p]);
        assert_true(sctp_world_open(&w, 3, SECOND));
        set_paths(&w, (struct sctp_path){
                          .delay_us = 20000, .rate = 1000000, .queue_bytes = 40000, .loss = 500});
        for (uint32_t i = 0; i < 60; i++) {
            (void)sctp_end_send(&w.end[0], 0, &once, 200000, i); /* or the window is full */
            sctp_world_run(&w, 60000);
        }
        set_paths(&w, (struct sctp_path){.delay_us = 1000});
        assert_true(sctp_world_until(&w, nothing_outstanding, &w, 20 * SECOND));
        sctp_end_clear(&w.end[1]);
        struct flow f = {&w, 30, mixed_size};
        send_all(&f, &unordered, 20 * SECOND);
        assert_all(&f, false);
        sctp_world_done(&w);
    }
}

/* ---- stream reset ---- */

static void streams_start_anew(void **state)
{
    (void)state;
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (unsigned loss = 0; loss <= 1000; loss += 1000) {
            struct sctp_world w;
            struct flow f = {&w, 30, mixed_size};
            sctp_world_init(&w, &pairs[p]);
            assert_true(sctp_world_open(&w, 3, SECOND));
            set_paths(&w, (struct sctp_path){.delay_us = 2000, .loss = loss});
            send_all(&f, &ordered, 60 * (uint64_t)SECOND);
            sctp_world_run(&w, 5 * SECOND);
            for (uint16_t i = 0; i < 3; i++) {
                if (w.end[0].own)
                    assert_ok(vn_sctp_reset(w.end[0].own, i, w.now_us));
                else
                    usrsctp_peer_reset(w.end[0].foreign, i);
                sctp_world_run(&w, 20 * SECOND);
            }
            if (w.end[1].own)
                assert_int_equal(w.end[1].resets, 3);
            else
                assert_int_equal(usrsctp_peer_resets(w.end[1].foreign), 7);
            sctp_end_clear(&w.end[1]);
            send_all(&f, &ordered, 60 * (uint64_t)SECOND);
            assert_all(&f, true);
            sctp_world_done(&w);
        }
}

/* What was queued before goes before, what is queued meanwhile after. */
static void a_reset_stands_between_messages(void **state)
{
    (void)state;
    struct sctp_world w;
    struct flow f = {&w, 60, mixed_size};
    sctp_world_init(&w, &pairs[0]);
    assert_true(sctp_world_open(&w, 3, SECOND));
    set_paths(&w, (struct sctp_path){.delay_us = 20000, .loss = 300, .rate = 3000000});
    for (uint32_t i = 0; i < 60; i++) {
        while (!sctp_end_send(&w.end[0], (uint16_t)(i % 3), &ordered, mixed_size(i), i))
            (void)sctp_world_step(&w, w.now_us + SECOND);
        for (uint16_t k = 0; k < 3 && i == 29; k++)
            assert_ok(vn_sctp_reset(w.end[0].own, k, w.now_us));
    }
    assert_true(sctp_world_until(&w, all_here, &f, 20 * SECOND));
    assert_all(&f, true);
    assert_int_equal(w.end[1].resets, 3);
    sctp_world_done(&w);
}

static bool nothing_resetting(void *arg)
{
    const struct sctp_world *w = arg;
    bool any = false;
    for (uint16_t i = 0; i < VN_SCTP_STREAMS_MAX; i++)
        any |= vn_sctp_is_resetting(w->end[0].own, i);
    return !any;
}

/* More streams than one RE-CONFIG or FORWARD-TSN names: all are reset, and go on. */
static void many_streams(void **state)
{
    (void)state;
    enum { STREAMS = 300 };
    static const struct vn_sctp_how fleeting = {false, VN_SCTP_RETRANSMITS, 0};
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++) {
        struct sctp_world w;
        struct sctp_world_config cfg = pairs[p];
        if (cfg.foreign[0])
            continue; /* it is asked to reset one by one */
        cfg.streams = STREAMS;
        sctp_world_init(&w, &cfg);
        assert_true(sctp_world_open(&w, 3, SECOND));
        set_paths(&w, (struct sctp_path){.delay_us = 2000, .loss = 1000});
        for (uint16_t round = 0; round < 2; round++) {
            for (uint16_t i = 0; i < STREAMS; i++) {
                assert_true(sctp_end_send(&w.end[0], i, &fleeting, 100, i));
                assert_true(sctp_end_send(&w.end[0], i, &ordered, 100, i));
            }
            assert_true(sctp_world_until(&w, nothing_outstanding, &w, 60 * (uint64_t)SECOND));
            /* libusrsctp finishes a reset that waited when data comes, not with FORWARD-TSN. */
            sctp_world_run(&w, 10 * (uint64_t)SECOND);
            size_t whole = 0;
            for (size_t k = 0; k < w.end[1].count; k++)
                whole += sctp_msg_holds(&w.end[1].msgs[k], 100, w.end[1].msgs[k].stream);
            assert_int_equal(whole, w.end[1].count);
            assert_true(whole >= STREAMS && whole < 2 * STREAMS);
            sctp_end_clear(&w.end[1]);
            for (uint16_t i = 0; i < STREAMS; i++)
                assert_ok(vn_sctp_reset(w.end[0].own, i, w.now_us));
            assert_true(vn_sctp_is_resetting(w.end[0].own, STREAMS - 1));
            assert_status(VN_ERR_ARG, vn_sctp_reset(w.end[0].own, STREAMS, w.now_us));
            assert_true(sctp_world_until(&w, nothing_resetting, &w, 300 * (uint64_t)SECOND));
            if (w.end[1].own)
                assert_int_equal(w.end[1].resets, STREAMS * (round + 1u));
        }
        sctp_world_done(&w);
    }
}

/* ---- holding back for order ---- */

static void held_messages_keep_their_order(void **state)
{
    (void)state;
    for (uint64_t hold_us = 0; hold_us <= SECOND; hold_us += SECOND) {
        struct sctp_world w;
        struct flow f = {&w, 300, mixed_size};
        size_t overtaken = 0;
        sctp_world_init(&w, &pairs[0]);
        assert_true(sctp_world_open(&w, 3, SECOND));
        for (uint16_t i = 0; i < 3; i++)
            vn_sctp_hold(w.end[1].own, i, hold_us);
        set_paths(&w, (struct sctp_path){.delay_us = 10000, .loss = 200});
        send_all(&f, &unordered, 60 * (uint64_t)SECOND);
        assert_all(&f, false);
        uint32_t last[3] = {0};
        for (size_t k = 0; k < w.end[1].count; k++) {
            const uint32_t i = w.end[1].msgs[k].ppid;
            overtaken += i < last[i % 3];
            last[i % 3] = i;
        }
        assert_true(hold_us ? overtaken == 0 : overtaken > 0);
        sctp_world_done(&w);
    }
}

static void none_is_held_for_longer(void **state)
{
    (void)state;
    struct sctp_world w;
    sctp_world_init(&w, &pairs[0]);
    assert_true(sctp_world_open(&w, 3, SECOND));
    vn_sctp_hold(w.end[1].own, 0, 50000);
    w.path[0].down = true;
    assert_true(sctp_end_send(&w.end[0], 0, &unordered, 100, 0));
    w.path[0].down = false;
    assert_true(sctp_end_send(&w.end[0], 0, &unordered, 100, 1));
    w.path[0].down = true;
    sctp_world_run(&w, 49000);
    assert_int_equal(w.end[1].count, 0);
    sctp_world_run(&w, 3000);
    assert_int_equal(w.end[1].count, 1);
    w.path[0].down = false;
    sctp_world_run(&w, SECOND);
    assert_int_equal(w.end[1].count, 2);
    sctp_world_done(&w);
}

/* ---- bounds ---- */

/* The peer is away: what is taken is bounded, and comes through when it is back. */
static void the_window_bounds_what_is_taken(void **state)
{
    (void)state;
    struct sctp_world w;
    sctp_world_init(&w, &pairs[0]);
    assert_true(sctp_world_open(&w, 3, SECOND));
    vn_sctp_set_window(w.end[0].own, 300000);
    w.path[0].down = true;
    size_t n = 0;
    while (n < 1000 && sctp_end_send(&w.end[0], 0, &unordered, 10000, (uint32_t)n))
        n++;
    assert_in_range(vn_sctp_outstanding(w.end[0].own), 190000, 300000 + 10000);
    /* Another stream is not shut out by it. */
    assert_true(sctp_end_send(&w.end[0], 1, &ordered, 10, (uint32_t)n++));
    w.path[0].down = false;
    sctp_world_run(&w, 10 * SECOND);
    assert_int_equal(w.end[1].count, n);
    assert_int_equal(vn_sctp_outstanding(w.end[0].own), 0);
    sctp_world_done(&w);
}

/* Whatever the path does short of losing all, every reliable message arrives once. */
static void any_path_delivers(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        struct sctp_world w;
        struct flow f = {&w, 40 + vn_test_below(100), mixed_size};
        const bool in_order = vn_test_below(2);
        const struct sctp_path path = {.delay_us = 10 + vn_test_below(30000),
                                       .rate =
                                           vn_test_below(2) ? 0 : 100000 + vn_test_below(20000000),
                                       .queue_bytes = 5000 + vn_test_below(300000),
                                       .loss = (unsigned)vn_test_below(6000),
                                       .dup = (unsigned)vn_test_below(3000),
                                       .reorder = (unsigned)vn_test_below(5000),
                                       .reorder_us = 1 + vn_test_below(60000)};
        const struct sctp_world_config cfg = {.mtu = 512 + vn_test_below(900)};
        sctp_world_init(&w, &cfg);
        assert_true(sctp_world_open(&w, 3, SECOND));
        set_paths(&w, path);
        send_all(&f, how_of(in_order), 3000 * (uint64_t)SECOND);
        assert_all(&f, in_order);
        sctp_world_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_arrives),
        cmocka_unit_test(bad_paths_change_nothing),
        cmocka_unit_test(once_is_once),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_message_cut_in_part_is_given_up),
        cmocka_unit_test(streams_start_anew),
        cmocka_unit_test(a_reset_stands_between_messages),
        cmocka_unit_test(many_streams),
        cmocka_unit_test(held_messages_keep_their_order),
        cmocka_unit_test(none_is_held_for_longer),
        cmocka_unit_test(the_window_bounds_what_is_taken),
        cmocka_unit_test(any_path_delivers),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
