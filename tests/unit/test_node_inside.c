/* What needs a look inside the node: keys gone stale, certificates forgotten, control packets,
 * timers. */
#include <stdlib.h>

#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

#include "anchor.pb-c.h"

static void dissolve(struct vn_world *w)
{
    vn_world_run(w, 3 * VN_WORLD_IDLE_MS);
    assert_int_equal(vn_mem_net_count(w->net), 0);
}

struct sent {
    unsigned count[256];
};

static void count_types(void *arg, struct vn_mem_message *m)
{
    ((struct sent *)arg)->count[m->p[2]]++;
}

static void test_stale_kid(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct sent sent = {0};
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    dissolve(w);
    for (int i = 0; i < 2; i++) {
        vn_own_rotate(b->node);
        vn_world_run(w, 5);
    }
    vn_mem_broker_hook(w->broker, count_types, &sent);
    uint64_t took = vn_world_ping(a, b, false, 3000);
    assert_true(took < 100);
    assert_int_equal(sent.count[VN_T_HS_RETRY], 1);
    assert_int_equal(sent.count[VN_T_HS_M1], 2);
    assert_int_equal(sent.count[VN_T_QUERY], 0); /* the descriptor came with RETRY */
    assert_int_equal(vn_world_status(b).drops[VN_NDROP_SEAL], 2); /* M1 and the offer */
}

static void test_kept_kid(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct sent sent = {0};
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    dissolve(w);
    vn_own_rotate(b->node);
    vn_world_run(w, 5);
    vn_mem_broker_hook(w->broker, count_types, &sent);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_int_equal(sent.count[VN_T_HS_RETRY], 0);
    assert_int_equal(vn_world_drops(b), 0);
}

static void test_responder_forgot_certificate(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct sent sent = {0};
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    dissolve(w);
    vn_world_peer(b, a)->cert_hash.b[0] ^= 1;
    vn_mem_broker_hook(w->broker, count_types, &sent);
    assert_true(vn_world_ping(a, b, false, 3000) < 100);
    assert_int_equal(sent.count[VN_T_HS_RETRY], 1);
    assert_int_equal(sent.count[VN_T_HS_M1], 2);
}

struct forget {
    struct vn_world_node *who, *whom;
    bool done;
    struct sent sent;
};

static void forget_certificate(void *arg, struct vn_mem_message *m)
{
    struct forget *f = arg;
    count_types(&f->sent, m);
    if (m->p[2] == VN_T_OFFER_ANSWER && !f->done) {
        f->done = true;
        vn_world_peer(f->who, f->whom)->cert_hash.b[0] ^= 1;
    }
}

static void test_envelope_needs_certificate(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct forget f = {.who = a, .whom = b};
    vn_mem_broker_hook(w->broker, forget_certificate, &f);
    assert_true(vn_world_ping(a, b, false, 5000) < 2000);
    assert_int_equal(f.sent.count[VN_T_NEED_CERT], 1);
    assert_int_equal(f.sent.count[VN_T_CERT], 1);
}

static void test_statement_never_goes_back(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    const struct vn_blob *st = &a->node->session.cred->statement;
    uint8_t old[VN_STATEMENT_MAX];
    size_t old_n = st->n;
    memcpy(old, st->p, old_n);
    vn_world_taints(a, "prod", NULL);
    vn_world_taints(a, NULL, "home");
    vn_world_run(w, 100);
    struct vn_checked_statement c;
    assert_status(VN_ERR_EXPIRED, vn_peer_check_statement(b->node, vn_world_peer(b, a)->cert,
                                                          VN_SPAN(old, old_n), &c));
}

/* ---- control packets ---- */

/* Reports that no destination makes. */
static void test_strange_reports(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    struct vn_stream *tx = vn_world_peer(a, b)->tx;
    struct vn_stream *rx = vn_stream_by_sid(b->node, &tx->sid);
    uint8_t bits[VN_REPORT_SPAN / 8 + 1] = {0};
    Vn__Report r = VN__REPORT__INIT;
    r.known = r.next = UINT64_MAX;
    r.lane = VN_LANES_MAX - 1;
    r.after = (ProtobufCBinaryData){sizeof(bits) - 1, bits};
    vn_delivery_on_report(a->node, tx, &r);
    assert_int_equal(0, vn_world_drops_of(a, VN_NDROP_BODY));
    r.after.len++;
    vn_delivery_on_report(a->node, tx, &r);
    r.after.len = 0;
    r.lane++;
    vn_delivery_on_report(a->node, tx, &r);
    r.lane = 0;
    r.next--; /* below what is known */
    vn_delivery_on_report(a->node, tx, &r);
    assert_int_equal(3, vn_world_drops_of(a, VN_NDROP_BODY));
    vn_delivery_on_report(b->node, rx, &(Vn__Report)VN__REPORT__INIT); /* it is the source's */
    assert_int_equal(1, vn_world_drops_of(b, VN_NDROP_BODY));
    Vn__Tally t = VN__TALLY__INIT;
    t.bind = tx->circuit->bind;
    t.lane = VN_LANES_MAX - 1;
    t.next = t.frames = UINT64_MAX;
    vn_delivery_on_tally(a->node, tx, &t);
    t.bind++; /* another circuit's */
    vn_delivery_on_tally(a->node, tx, &t);
    assert_int_equal(3, vn_world_drops_of(a, VN_NDROP_BODY));
    t.next--; /* more than there can be */
    vn_delivery_on_tally(a->node, tx, &t);
    t.frames = 0;
    t.lane++;
    vn_delivery_on_tally(a->node, tx, &t);
    assert_int_equal(5, vn_world_drops_of(a, VN_NDROP_BODY));
    vn_delivery_on_tally(b->node, rx, &(Vn__Tally)VN__TALLY__INIT);
    assert_int_equal(2, vn_world_drops_of(b, VN_NDROP_BODY));
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
}

static void test_control_packets(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    struct vn_stream *tx = vn_world_peer(a, b)->tx;
    Vn__StatementUpdate u = VN__STATEMENT_UPDATE__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    const struct vn_blob *st = &a->node->session.cred->statement;
    u.statement = (ProtobufCBinaryData){st->n, st->p};
    m.kind_case = VN__STREAM_CONTROL__KIND_STATEMENT;
    m.statement = &u;
    struct vn_buf body, packet;
    vn_buf_init(&body, 65536);
    vn_buf_init(&packet, 65536);
    assert_ok(vn_pb_pack(&m.base, &body));
    assert_ok(vn_control_seal(a->node->suite, &tx->keys.k_ctl_ir, &tx->sid, 5000,
                              vn_buf_span(&body), &packet));
    struct vn_id ida = vn_world_status(a).node;
    struct vn_ctl_from from = {.node = ida};
    uint64_t drops = vn_world_status(b).drops[VN_NDROP_CONTROL];
    for (size_t i = 0; i < packet.len; i += i < 64 ? 1 : 37) {
        packet.p[i] ^= 4;
        uint64_t before = vn_world_drops(b);
        vn_ctl_input(b->node, vn_buf_span(&packet), &from);
        assert_int_equal(vn_world_drops(b), before + 1);
        packet.p[i] ^= 4;
    }
    struct vn_ctl_from stranger = {.node = vn_world_status(b).node};
    vn_ctl_input(b->node, vn_buf_span(&packet), &stranger);
    uint64_t before = vn_world_drops(b);
    vn_ctl_input(b->node, vn_buf_span(&packet), &from);
    assert_int_equal(vn_world_drops(b), before);
    vn_ctl_input(b->node, vn_buf_span(&packet), &from);
    assert_int_equal(vn_world_drops(b), before + 1);
    assert_true(vn_world_status(b).drops[VN_NDROP_CONTROL] > drops);
    /* A packet of before the window. */
    packet.len = 0;
    assert_ok(vn_control_seal(a->node->suite, &tx->keys.k_ctl_ir, &tx->sid,
                              5000 - VN_STREAM_CTL_WINDOW, vn_buf_span(&body), &packet));
    vn_ctl_input(b->node, vn_buf_span(&packet), &from);
    assert_int_equal(vn_world_drops(b), before + 2);
    /* BIND counts in-band only, and for the label it came on. */
    Vn__Bind bind = VN__BIND__INIT;
    bind.label = tx->circuit->fwd;
    m.kind_case = VN__STREAM_CONTROL__KIND_BIND;
    m.bind = &bind;
    body.len = packet.len = 0;
    assert_ok(vn_pb_pack(&m.base, &body));
    assert_ok(vn_control_seal(a->node->suite, &tx->keys.k_ctl_ir, &tx->sid, 5001,
                              vn_buf_span(&body), &packet));
    uint64_t circuit = vn_world_status(b).drops[VN_NDROP_CIRCUIT];
    vn_ctl_input(b->node, vn_buf_span(&packet), &from);
    assert_int_equal(vn_world_status(b).drops[VN_NDROP_CIRCUIT], circuit + 1);
    vn_buf_done(&body);
    vn_buf_done(&packet);
    assert_true(vn_world_ping(a, b, false, 1000) < 10);
}

static void test_ctl_window(void **state)
{
    (void)state;
    /* Against a naive model: a set of what was seen, and the highest. */
    for (unsigned round = 0; round < 50; round++) {
        struct vn_ctl_window win = {0};
        static bool seen[20000];
        memset(seen, 0, sizeof(seen));
        uint64_t top = 0;
        bool any = false;
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t base = top > 2000 ? top - 2000 : 0;
            uint64_t seq = base + vn_test_below(i % 50 == 0 ? 4000 : 2010);
            if (seq >= VN_ARRAY_LEN(seen))
                break;
            bool fits = !any || seq > top || (top - seq < VN_STREAM_CTL_WINDOW && !seen[seq]);
            assert_int_equal(vn_ctl_window_new(&win, seq), fits);
            if (!fits)
                continue;
            vn_ctl_window_mark(&win, seq);
            seen[seq] = true;
            top = any ? VN_MAX(top, seq) : seq;
            any = true;
        }
    }
}

/* ---- timers ---- */

struct tick {
    struct vn_timer t;
    struct vn_timers *all;
    uint64_t fired_ms;
    bool rearm;
};

static void on_tick(void *arg)
{
    struct tick *t = arg;
    assert_int_equal(t->fired_ms, UINT64_MAX);
    t->fired_ms = t->all->now_ms;
    if (t->rearm)
        vn_timer_arm(t->all, &t->t, t->all->now_ms); /* the past: the next millisecond */
}

static void test_timers(void **state)
{
    (void)state;
    struct vn_timers all = {0};
    static struct tick t[200];
    uint64_t at[200];
    for (size_t i = 0; i < 200; i++) {
        t[i] = (struct tick){.all = &all, .fired_ms = UINT64_MAX};
        vn_timer_init(&t[i].t, on_tick, &t[i]);
        at[i] = UINT64_MAX;
    }
    for (uint64_t now = 1; now < 3000; now++) {
        for (unsigned k = 0; k < 5; k++) {
            size_t i = vn_test_below(200);
            if (vn_test_below(4) == 0) {
                vn_timer_disarm(&all, &t[i].t);
                at[i] = UINT64_MAX;
            } else {
                at[i] = now + 1 + vn_test_below(300);
                vn_timer_arm(&all, &t[i].t, at[i]);
            }
        }
        uint64_t next = UINT64_MAX;
        for (size_t i = 0; i < 200; i++)
            next = VN_MIN(next, at[i]);
        assert_int_equal(vn_timers_next(&all), next);
        vn_timers_run(&all, now);
        for (size_t i = 0; i < 200; i++) {
            assert_int_equal(t[i].fired_ms != UINT64_MAX, at[i] <= now);
            if (at[i] <= now)
                at[i] = t[i].fired_ms = UINT64_MAX;
        }
    }
    t[0].rearm = true;
    vn_timer_arm(&all, &t[0].t, 0);
    vn_timers_run(&all, 5000);
    t[0].fired_ms = UINT64_MAX;
    assert_int_equal(vn_timers_next(&all), 5001);
}

/* ---- limits ---- */

static void test_labels_are_not_used_again_for_a_minute(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    dissolve(w);
    assert_false(vn_list_empty(&a->node->hops.retired));
    size_t retired = vn_map_count(a->node->hops.labels);
    assert_true(retired > 0);
    vn_world_run(w, VN_LABEL_REUSE_MS);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_int_equal(vn_map_count(a->node->hops.labels), 1); /* the old ones are forgotten */
}

static void test_peers_are_bounded(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    for (size_t i = 0; i < VN_SOURCES_MAX + 10; i++) {
        struct vn_id id = {{(uint8_t)i, (uint8_t)(i >> 8), 7}};
        assert_non_null(vn_source_get(a->node, &id));
    }
    assert_int_equal(vn_map_count(a->node->seen.sources), VN_SOURCES_UNPROVEN_MAX);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, vn_world_setup, vn_world_teardown)

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        PAIR(test_stale_kid),
        PAIR(test_kept_kid),
        PAIR(test_responder_forgot_certificate),
        PAIR(test_envelope_needs_certificate),
        PAIR(test_statement_never_goes_back),
        PAIR(test_strange_reports),
        PAIR(test_control_packets),
        cmocka_unit_test(test_ctl_window),
        cmocka_unit_test(test_timers),
        PAIR(test_labels_are_not_used_again_for_a_minute),
        PAIR(test_peers_are_bounded),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
