/* What a destination counts of real-time frames, for each circuit that they come by. */
#include "core/rx.h"
#include "core/tx.h"
#include "support/test.h"
#include "support/worker_rig.h"

#define FIRST 21 /* circuits: their labels, on tethers 1 and 2 */
#define SECOND 72

static const uint8_t expedited = 46;

struct scene {
    struct vn_rig r;
    unsigned every;             /* of those on tether 1 one in so many is lost */
    unsigned sent[2], lost;     /* of the real-time class */
    uint64_t lost_seq[1000];    /* of lane 0 */
    struct vn_pktbuf *captured; /* the last one on tether 1 */
};

static bool watch(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                  struct vn_pktbuf *b)
{
    struct scene *s = arg;
    const struct vn_id first = vn_rig_tether_id(1);
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    struct vn_e2e_header head;
    if (cls != VN_TETHER_REALTIME || !vn_hop_decode(&r, &hop) || !vn_e2e_decode(&r, &head))
        return true;
    const bool is_first = vn_id_equal(tether, &first);
    s->sent[!is_first]++;
    if (!is_first)
        return true;
    vn_pktbuf_free(s->captured);
    s->captured = vn_inner_copy(vn_pktbuf_span(b));
    if (!s->every || s->sent[0] % s->every)
        return true;
    s->lost_seq[s->lost++] = head.seq;
    return false;
}

static void setup(struct scene *s, size_t workers)
{
    memset(s, 0, sizeof(*s));
    vn_rig_init_crews(&s->r,
                      &(struct vn_mem_net_config){.delay_us = 1000, .arg = s, .filter = watch},
                      (size_t[VN_RIG_SIDES]){workers, workers, 1});
    s->r.relayed = true;
    vn_rig_stream(&s->r);
    vn_rig_connect(&s->r, 0, 1, 2);
    vn_rig_rx_open(&s->r.side[1], 12, 2, SECOND, 0, 0);
}

static void done(struct scene *s)
{
    s->captured = vn_pktbuf_free(s->captured);
    vn_rig_done(&s->r);
}

static void send_at(struct scene *s, size_t worker, unsigned count, uint8_t dscp)
{
    for (unsigned i = 0; i < count; i++) {
        vn_rig_packet_at(
            &s->r.side[0], worker,
            &(struct vn_inner){
                .src = "10.66.0.1", .dst = "10.66.0.2", .dscp = dscp, .payload_len = 100});
        vn_rig_run(&s->r, 1000);
    }
}

static void copy(struct scene *s, bool on)
{
    struct vn_cmd_tx_aside *c;
    assert_ok(vn_post_msg_new(VN_CMD_TX_ASIDE, sizeof(*c), &c));
    c->tx = 11;
    c->tether = on ? 2 : 0;
    c->label = on ? SECOND : 0;
    vn_rig_command(&s->r.side[0], c);
}

/* The last word of a circuit and lane that side 1 gave; how many there were. */
static unsigned told(struct scene *s, uint32_t bind, uint8_t lane, struct vn_tally_msg *ret)
{
    struct vn_rig_side *side = &s->r.side[1];
    struct vn_rig_list kept = {NULL, &kept.first};
    struct vn_post_msg *m;
    unsigned count = 0;
    while ((m = vn_rig_event(side))) {
        const struct vn_tally_msg *t = (const struct vn_tally_msg *)m;
        if (m->type == VN_EV_RX_TALLY && t->bind == bind && t->lane == lane) {
            assert_int_equal(12, t->handle);
            *ret = *t;
            count++;
            vn_post_msg_free(m);
        } else {
            m->next = NULL;
            *kept.last = m;
            kept.last = &m->next;
        }
    }
    *side->events.last = kept.first;
    if (kept.first)
        side->events.last = kept.last;
    return count;
}

static unsigned lost_below(const struct scene *s, uint64_t next)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->lost; i++)
        n += s->lost_seq[i] < next;
    return n;
}

/* A frame that the second circuit brought first counts for the first one too, when it brings it. */
static void each_circuit_has_its_own(void **state)
{
    (void)state;
    struct scene s;
    struct vn_tally_msg t;
    setup(&s, 1);
    s.every = 10;
    copy(&s, true);
    send_at(&s, 0, 3000, expedited);
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    assert_int_equal(3000, s.sent[0]);
    assert_int_equal(300, s.lost);
    assert_int_equal(3000, s.r.side[1].written_count);
    assert_in_range(told(&s, FIRST, 0, &t), 5, 9);
    assert_int_equal(2999, t.next); /* the very last was lost there */
    assert_int_equal(t.next - lost_below(&s, t.next), t.frames);
    assert_in_range(told(&s, SECOND, 0, &t), 5, 9);
    assert_int_equal(3000, t.next);
    assert_int_equal(s.sent[1], t.frames); /* all copies: they have a share */
    /* Nothing comes: nothing is told. */
    vn_rig_run(&s.r, 10 * VN_TALLY_US);
    assert_int_equal(0, told(&s, FIRST, 0, &t) + told(&s, SECOND, 0, &t));
    /* Bulk frames are no part of it. */
    send_at(&s, 0, 100, 0);
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    assert_int_equal(0, told(&s, FIRST, 0, &t));
    done(&s);
}

/* The worker that opens a lane counts it. */
static void each_lane_has_its_own(void **state)
{
    (void)state;
    struct scene s;
    struct vn_tally_msg t;
    setup(&s, 3);
    for (size_t lane = 0; lane < 3; lane++)
        send_at(&s, lane, 1000, expedited);
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    for (uint8_t lane = 0; lane < 3; lane++) {
        assert_in_range(told(&s, FIRST, lane, &t), 1, 5);
        assert_int_equal(1000, t.next);
        assert_int_equal(1000, t.frames);
    }
    done(&s);
}

static void inject(struct scene *s, struct vn_span bytes)
{
    const struct vn_end *end = vn_worker_end(s->r.side[0].worker, 1);
    struct vn_pktbuf *m = vn_inner_copy(bytes);
    size_t taken = 0;
    assert_ok(vn_mem_net_port(s->r.net)->send(end->port, VN_TETHER_REALTIME, &m, 1, &taken));
    assert_int_equal(1, taken);
    vn_rig_run(&s->r, 2000);
}

/* A relay that drops frames makes up for none by repeating others, nor by such as it made, of
 * numbers that came another way. */
static void what_a_relay_makes_up_does_not_count(void **state)
{
    (void)state;
    struct scene s;
    struct vn_tally_msg t;
    setup(&s, 1);
    send_at(&s, 0, 50, expedited);
    for (int i = 0; i < 10; i++)
        inject(&s, vn_pktbuf_span(s.captured));
    copy(&s, true);
    s.every = 1; /* the rest comes by the second circuit only */
    send_at(&s, 0, 50, expedited);
    s.every = 0;
    VN_CLEANUP(vn_pktbuf_freep)
    struct vn_pktbuf *forged = vn_inner_copy(vn_pktbuf_span(s.captured));
    const uint64_t tags = vn_rig_counters(&s.r.side[1]).drops[VN_DROP_TAG];
    for (size_t i = 0; i < 10; i++) {
        forged->data[forged->len - 1 - i] ^= 1;
        inject(&s, vn_pktbuf_span(forged));
    }
    assert_int_equal(tags + 10, vn_rig_counters(&s.r.side[1]).drops[VN_DROP_TAG]);
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    assert_int_equal(100, s.r.side[1].written_count);
    assert_int_equal(1, told(&s, FIRST, 0, &t));
    assert_int_equal(50, t.next);
    assert_int_equal(50, t.frames);
    assert_int_equal(1, told(&s, SECOND, 0, &t));
    assert_int_equal(100, t.next);
    assert_int_equal(50, t.frames);
    done(&s);
}

/* However many circuits there are, the counts are few: who was silent longest begins anew. */
static void counts_are_bounded(void **state)
{
    (void)state;
    struct scene s;
    struct vn_tally_msg t;
    setup(&s, 1);
    for (uint32_t i = 0; i < 2 * VN_TALLIES_MAX; i++) {
        vn_rig_rx_open(&s.r.side[1], 12, 2, 100 + i, 0, 0);
        vn_rig_tx_open(&s.r.side[0], 11, 2, 100 + i, 0);
        send_at(&s, 0, 10, expedited);
    }
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    const struct vn_rx *rx = vn_rig_rx(&s.r.side[1], 12);
    assert_int_equal(VN_TALLIES_MAX, rx->tally_count);
    assert_int_equal(1, told(&s, 100 + 2 * VN_TALLIES_MAX - 1, 0, &t));
    assert_int_equal(10, t.frames);
    done(&s);
}

/* A mailbox that is full loses nothing: the next one tells it. */
static void is_told_again(void **state)
{
    (void)state;
    struct scene s;
    struct vn_tally_msg t;
    setup(&s, 1);
    send_at(&s, 0, 100, expedited);
    s.r.side[1].post_full = true;
    vn_rig_run(&s.r, 5 * VN_TALLY_US);
    s.r.side[1].post_full = false;
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    assert_int_equal(1, told(&s, FIRST, 0, &t));
    assert_int_equal(100, t.frames);
    done(&s);
}

/* Without relays the tether itself knows. */
static void directly_nothing_is_counted(void **state)
{
    (void)state;
    struct scene s;
    memset(&s, 0, sizeof(s));
    vn_rig_init(&s.r, &(struct vn_mem_net_config){.delay_us = 1000});
    vn_rig_stream(&s.r);
    send_at(&s, 0, 100, expedited);
    vn_rig_run(&s.r, 3 * VN_TALLY_US);
    assert_int_equal(0, vn_rig_events(&s.r.side[1], VN_EV_RX_TALLY));
    const struct vn_tx *tx = vn_rig_tx(&s.r.side[0], 11);
    assert_null(tx->tallies);
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_circuit_has_its_own),
        cmocka_unit_test(each_lane_has_its_own),
        cmocka_unit_test(what_a_relay_makes_up_does_not_count),
        cmocka_unit_test(counts_are_bounded),
        cmocka_unit_test(is_told_again),
        cmocka_unit_test(directly_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
