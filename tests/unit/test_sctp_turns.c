/* When acknowledgements go: with data where there are some, else at the end of the turn. */
#include "base/log.h"
#include "support/sctp_world.h"
#include "support/test.h"
#include "transport/limits.h"
#include "transport/sctp/wire.h"

enum { SECOND = 1000000, FULL = VN_SCTP_MTU_MIN - VN_SCTP_HEADER_LEN - VN_SCTP_DATA_LEN };

static const struct vn_sctp_how ordered = {0};

/* What the packets of one end are made of. */
struct seen {
    unsigned packets, sacks, sacks_alone;
    bool last_has_sack;
};

static bool look(void *arg, const uint8_t *p, size_t n)
{
    struct seen *seen = arg;
    struct vn_reader r = vn_reader_of(VN_SPAN(p, n));
    struct vn_sctp_header h;
    struct vn_sctp_tlv c;
    bool sack = false, data = false;
    assert_true(vn_sctp_read_header(&r, &h));
    while (vn_sctp_read_chunk(&r, &c)) {
        assert_true(c.type != VN_SCTP_SACK || !data); /* RFC 9260 section 6.10: control first */
        sack |= c.type == VN_SCTP_SACK;
        data |= c.type == VN_SCTP_DATA;
    }
    seen->packets++;
    seen->sacks += sack;
    seen->sacks_alone += sack && !data;
    seen->last_has_sack = sack;
    return false;
}

static bool peer_has_it(void *arg)
{
    return ((const struct sctp_world *)arg)->end[1].count > 0;
}

static void open_world(struct sctp_world *w, bool by_turns, struct seen *seen)
{
    const struct sctp_world_config cfg = {
        .mtu = VN_SCTP_MTU_MIN, .mtu_base = VN_SCTP_MTU_MIN, .by_turns = by_turns};
    sctp_world_init(w, &cfg);
    w->path[0].delay_us = w->path[1].delay_us = 100;
    assert_true(sctp_world_open(w, 1, SECOND));
    sctp_world_run(w, SECOND);
    *seen = (struct seen){0};
    w->path[1].drops = look;
    w->path[1].drops_arg = seen;
}

/* From the one that is not looked at, and until the other has it. */
static void deliver(struct sctp_world *w, size_t n)
{
    assert_true(sctp_end_send(&w->end[0], 0, &ordered, n, 1));
    vn_sctp_flush(w->end[0].own, w->now_us);
    assert_true(sctp_world_until(w, peer_has_it, w, SECOND));
}

/* Back, in one burst. */
static void answer(struct sctp_world *w, size_t n)
{
    assert_true(sctp_end_send(&w->end[1], 0, &ordered, n, 2));
    vn_sctp_flush(w->end[1].own, w->now_us);
}

/* Packets of a burst stay of one size: the SACK goes with the last one, which is short. */
static void a_sack_rides_where_there_is_room(void **state)
{
    struct sctp_world w;
    struct seen seen;
    (void)state;
    open_world(&w, false, &seen);
    deliver(&w, 100);
    assert_int_equal(seen.packets, 0); /* one packet is not worth one yet */
    answer(&w, 3 * FULL + 100);
    assert_int_equal(seen.packets, 4);
    assert_int_equal(seen.sacks, 1);
    assert_int_equal(seen.sacks_alone, 0);
    assert_true(seen.last_has_sack);
    sctp_world_done(&w);
}

/* Where the last packet is full, too, it goes behind it. */
static void a_sack_follows_full_packets(void **state)
{
    struct sctp_world w;
    struct seen seen;
    (void)state;
    open_world(&w, false, &seen);
    deliver(&w, 100);
    answer(&w, 3 * FULL);
    assert_int_equal(seen.packets, 4);
    assert_int_equal(seen.sacks_alone, 1);
    assert_true(seen.last_has_sack);
    sctp_world_done(&w);
}

static void what_is_acknowledged_waits_for_the_end(void **state)
{
    struct sctp_world w;
    struct seen seen;
    (void)state;
    open_world(&w, true, &seen);
    assert_false(vn_sctp_waits_for_end(w.end[1].own));
    /* So many that a SACK is due at once. */
    deliver(&w, VN_SCTP_SACK_PACKETS * FULL);
    assert_int_equal(seen.packets, 0);
    assert_true(vn_sctp_waits_for_end(w.end[1].own));
    vn_sctp_end_turn(w.end[1].own, w.now_us);
    assert_int_equal(seen.sacks_alone, 1);
    assert_false(vn_sctp_waits_for_end(w.end[1].own));
    vn_sctp_end_turn(w.end[1].own, w.now_us); /* nothing is left */
    assert_int_equal(seen.packets, 1);
    sctp_world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sack_rides_where_there_is_room),
        cmocka_unit_test(a_sack_follows_full_packets),
        cmocka_unit_test(what_is_acknowledged_waits_for_the_end),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
