/* What a peer can send against the rules: an association that is open gets packets nobody sent. */
#include <malloc.h>
#include <stdlib.h>

#include "base/log.h"
#include "support/guard.h"
#include "support/sctp_world.h"
#include "support/test.h"
#include "transport/sctp/assoc.h"

enum { SECOND = 1000000 };

static const struct vn_sctp_how reliable = {0}, unordered = {.unordered = true};

struct state {
    struct sctp_world w;
    struct vn_sctp *s; /* the victim: end 1 */
    uint8_t buf[1400];
    struct vn_writer out;
    size_t chunk;
};

static int set_up(void **state)
{
    struct state *t = calloc(1, sizeof(*t));
    if (!t)
        return -1;
    const struct sctp_world_config cfg = {.message_max = 66560};
    sctp_world_init(&t->w, &cfg);
    if (!sctp_world_open(&t->w, 3, SECOND))
        return -1;
    sctp_world_run(&t->w, 100000);
    t->s = t->w.end[1].own;
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct state *t = *state;
    sctp_world_done(&t->w);
    free(t);
    return 0;
}

/* ---- forging ---- */

static void begin(struct state *t, uint32_t tag)
{
    t->out = vn_writer_of(t->buf, sizeof(t->buf));
    vn_sctp_write_header(&t->out, tag);
}

static void chunk(struct state *t, uint8_t type, uint8_t flags)
{
    t->chunk = vn_sctp_begin_chunk(&t->out, type, flags);
}

static void chunk_end(struct state *t)
{
    vn_sctp_end_chunk(&t->out, t->chunk);
}

static void deliver(struct state *t)
{
    assert_true(vn_writer_ok(&t->out));
    vn_sctp_seal(t->out.buf, t->out.len, false);
    const struct vn_dgram d = {t->out.buf, t->out.len};
    vn_sctp_input(t->s, &d, 1, t->w.now_us);
}

static void data(struct state *t, uint64_t tsn, uint8_t flags, uint16_t stream, uint16_t ssn,
                 size_t n)
{
    chunk(t, VN_SCTP_DATA, flags);
    vn_write_u32(&t->out, (uint32_t)tsn);
    vn_write_u16(&t->out, stream);
    vn_write_u16(&t->out, ssn);
    vn_write_u32(&t->out, 53);
    for (size_t i = 0; i < n; i++)
        vn_write_u8(&t->out, (uint8_t)i);
    chunk_end(t);
}

static struct vn_sctp_counters counters(const struct state *t)
{
    struct vn_sctp_counters c;
    vn_sctp_counters(t->s, &c);
    return c;
}

static void assert_lives(struct state *t)
{
    struct sctp_end *from = &t->w.end[0], *to = &t->w.end[1];
    sctp_world_run(&t->w, 3 * SECOND);
    sctp_end_clear(to);
    assert_true(sctp_end_send(from, 5, &reliable, 3000, 77));
    sctp_world_run(&t->w, 3 * SECOND);
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_OPEN);
    assert_int_equal(to->count, 1);
    assert_true(sctp_msg_holds(&to->msgs[0], 3000, 77));
}

/* ---- packets ---- */

static void wrong_tags_and_checksums_are_dropped(void **state)
{
    struct state *t = *state;
    for (unsigned type = 0; type < 256; type++) {
        begin(t, t->s->tag + 1);
        chunk(t, (uint8_t)type, 0);
        vn_write_u64(&t->out, 1);
        chunk_end(t);
        deliver(t);
    }
    assert_int_equal(counters(t).drop_packet, 256);
    begin(t, t->s->tag);
    chunk(t, VN_SCTP_ABORT, 0);
    chunk_end(t);
    vn_sctp_seal(t->out.buf, t->out.len, false);
    t->out.buf[8] ^= 1;
    const struct vn_dgram d = {t->out.buf, t->out.len};
    vn_sctp_input(t->s, &d, 1, t->w.now_us);
    assert_int_equal(counters(t).drop_packet, 257);
    assert_lives(t);
    begin(t, t->s->tag); /* so it was the checksum */
    chunk(t, VN_SCTP_ABORT, 0);
    chunk_end(t);
    deliver(t);
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_CLOSED);
}

/* Every packet of a talk, cut everywhere, its end at a page nobody may touch. */
static void cut_packets_do_no_harm(void **state)
{
    struct state *t = *state;
    struct vn_guard g;
    vn_guard_init(&g, sizeof(t->buf));
    for (size_t n = 0; n < 220; n++) {
        begin(t, t->s->tag);
        data(t, t->s->rx.cum + 5, 3, 0, 0, 20);
        chunk(t, VN_SCTP_SACK, 0);
        for (int i = 0; i < 6; i++)
            vn_write_u32(&t->out, 0x00010002);
        chunk_end(t);
        chunk(t, VN_SCTP_RECONFIG, 0);
        for (int i = 0; i < 3; i++) {
            const size_t p = vn_sctp_begin_param(&t->out, VN_SCTP_P_RESET_OUT);
            vn_write_u64(&t->out, 5);
            vn_write_u64(&t->out, 5);
            vn_sctp_end_chunk(&t->out, p);
        }
        chunk_end(t);
        chunk(t, VN_SCTP_FORWARD_TSN, 0);
        vn_write_u64(&t->out, 0);
        chunk_end(t);
        chunk(t, VN_SCTP_HEARTBEAT, 0);
        vn_write_u64(&t->out, 0);
        chunk_end(t);
        const size_t len = VN_MIN(n, t->out.len);
        memset(t->out.buf + 8, 0, 4); /* a checksum of zero, which DTLS stands in for */
        const struct vn_span in = vn_guard_copy(&g, VN_SPAN(t->out.buf, len));
        const struct vn_dgram d = {(uint8_t *)(uintptr_t)in.p, in.n};
        vn_sctp_input(t->s, &d, 1, t->w.now_us);
    }
    vn_guard_done(&g);
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_OPEN);
}

/* ---- DATA ---- */

static void far_tsns_are_refused(void **state)
{
    struct state *t = *state;
    const uint64_t cum = t->s->rx.cum;
    static const uint64_t offsets[] = {VN_SCTP_CHUNKS_MAX, 1u << 20, 1u << 30, 0x7fffffff};
    for (size_t i = 0; i < VN_ARRAY_LEN(offsets); i++) {
        begin(t, t->s->tag);
        data(t, cum + offsets[i], 3, 0, 0, 10);
        deliver(t);
        assert_int_equal(counters(t).drop_chunk, i + 1);
    }
    assert_int_equal(t->s->rx.highest, cum);
    assert_lives(t);
}

/* Fragments that never become messages: memory is bounded, and then the association ends. */
static void memory_is_bounded(void **state)
{
    struct state *t = *state;
    const uint64_t cum = t->s->rx.cum;
    uint64_t tsn = cum + 2;
    for (; tsn < cum + VN_SCTP_CHUNKS_MAX; tsn += 2) { /* every second, each a run of its own */
        begin(t, t->s->tag);
        data(t, tsn, VN_SCTP_FLAG_BEGIN | VN_SCTP_FLAG_UNORDERED, 0, 0, 1000);
        deliver(t);
        assert_true(t->s->rx.memory <= VN_SCTP_RX_MEMORY_BYTES + 70000);
    }
    assert_true(counters(t).drop_memory > 0);
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_OPEN);
}

static void what_fills_holes_is_bounded_too(void **state)
{
    struct state *t = *state;
    /* Numbers that begin at 1: none can be handed up, all fill the next hole. */
    const uint64_t cum = t->s->rx.cum;
    for (uint64_t i = 1; i < 30000 && vn_sctp_state(t->s) == VN_SCTP_OPEN; i++) {
        begin(t, t->s->tag);
        data(t, cum + i, 3, 0, (uint16_t)i, 1300);
        deliver(t);
        assert_true(t->s->rx.memory <= VN_SCTP_RX_MEMORY_MAX_BYTES + 70000);
    }
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_FAILED);
}

static void fragments_that_contradict_make_nothing(void **state)
{
    struct state *t = *state;
    const uint64_t cum = t->s->rx.cum;
    static const uint8_t flags[] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int round = 0; round < 4000; round++) {
        begin(t, t->s->tag);
        for (int i = 0; i < 8; i++)
            data(t, t->s->rx.cum + 1 + vn_test_below(40), flags[vn_test_below(8)],
                 (uint16_t)vn_test_below(3), (uint16_t)vn_test_below(4), 1 + vn_test_below(60));
        deliver(t);
        struct vn_sctp_msg m;
        while (vn_sctp_receive(t->s, &m, 1) == 1)
            (void)vn_pktbuf_free(m.buf);
    }
    assert_true(t->s->rx.cum > cum);
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_OPEN);
}

static void a_message_without_end_ends_it(void **state)
{
    struct state *t = *state;
    const uint64_t cum = t->s->rx.cum;
    for (uint64_t i = 1; i < 100 && vn_sctp_state(t->s) == VN_SCTP_OPEN; i++) {
        begin(t, t->s->tag);
        data(t, cum + i, i == 1 ? VN_SCTP_FLAG_BEGIN : 0, 0, 0, 1300);
        deliver(t);
    }
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_FAILED);
    assert_int_equal(t->w.end[1].count, 0);
}

static void no_data_and_no_stream(void **state)
{
    struct state *t = *state;
    const uint64_t sent = counters(t).tx_packets;
    begin(t, t->s->tag);
    for (uint64_t i = 0; i < 40; i++)
        data(t, t->s->rx.cum + 1 + i, 3, VN_SCTP_STREAMS, 0, 4);
    deliver(t);
    assert_true(counters(t).tx_packets - sent <= 4); /* two ERRORs and a SACK */
    assert_int_equal(t->w.end[1].count, 0);
    begin(t, t->s->tag);
    data(t, t->s->rx.cum + 1, 3, 0, 0, 0);
    deliver(t);
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_FAILED);
}

/* ---- SACK ---- */

static void sack(struct state *t, uint64_t cum, const uint16_t *gaps, uint16_t count)
{
    begin(t, t->s->tag);
    chunk(t, VN_SCTP_SACK, 0);
    vn_write_u32(&t->out, (uint32_t)cum);
    vn_write_u32(&t->out, 1000000);
    vn_write_u16(&t->out, count);
    vn_write_u16(&t->out, 0);
    for (uint16_t i = 0; i < count; i++) {
        vn_write_u16(&t->out, gaps[2 * i]);
        vn_write_u16(&t->out, gaps[2 * i + 1]);
    }
    chunk_end(t);
    deliver(t);
}

/* Of what was never sent: nothing of such a SACK counts. */
static void forged_sacks_are_dropped(void **state)
{
    struct state *t = *state;
    t->w.path[1].down = true;
    for (uint32_t i = 0; i < 8; i++)
        assert_true(sctp_end_send(&t->w.end[1], 0, &unordered, 1000, i));
    struct vn_sctp_tx *tx = &t->s->tx;
    const uint64_t cum = tx->cum, next = tx->next;
    const size_t in_flight = tx->in_flight;
    static const uint16_t gaps[][2] = {{1, 9}, {9, 9}, {0, 3}, {5, 2}, {2, 65535}, {65535, 65535}};
    assert_true(in_flight > 0 && next == cum + 9);
    sack(t, next, NULL, 0);
    sack(t, next + 1000000, NULL, 0);
    sack(t, cum + 0x7fffffff, NULL, 0);
    for (size_t i = 0; i < VN_ARRAY_LEN(gaps); i++)
        sack(t, cum, gaps[i], 1);
    assert_int_equal(counters(t).drop_chunk, 3 + VN_ARRAY_LEN(gaps));
    assert_true(tx->cum == cum && tx->in_flight == in_flight);
    sack(t, cum - 5, NULL, 0);
    assert_true(tx->cum == cum);
    /* Gaps that overlap and go backwards count once. */
    static const uint16_t overlap[] = {2, 5, 3, 6, 2, 2, 4, 4};
    sack(t, cum, overlap, 4);
    assert_int_equal(tx->in_flight, in_flight - 5 * 1000);
    /* The peer takes it back: all of it is sent again. */
    static const uint16_t whole[] = {1, 8};
    sack(t, cum, whole, 1);
    t->w.path[1].down = false;
    sctp_world_run(&t->w, 3 * SECOND);
    assert_int_equal(t->w.end[0].count, 8);
    assert_int_equal(vn_sctp_outstanding(t->s), 0);
    assert_lives(t);
}

/* A window of nothing stops it, but for a chunk now and then. */
static void a_closed_window_is_probed(void **state)
{
    struct state *t = *state;
    t->s->tx.rwnd = 0;
    t->w.path[0].down = true; /* so that no SACK opens it */
    for (uint32_t i = 0; i < 50; i++)
        assert_true(sctp_end_send(&t->w.end[1], 0, &unordered, 1000, i));
    sctp_world_run(&t->w, 100000);
    assert_true(t->s->tx.in_flight <= 2000);
    t->w.path[0].down = false;
    sctp_world_run(&t->w, 10 * SECOND);
    assert_int_equal(t->w.end[0].count, 50);
}

/* ---- FORWARD-TSN ---- */

static void forward(struct state *t, uint64_t cum, uint16_t stream, uint16_t ssn)
{
    begin(t, t->s->tag);
    chunk(t, VN_SCTP_FORWARD_TSN, 0);
    vn_write_u32(&t->out, (uint32_t)cum);
    vn_write_u16(&t->out, stream);
    vn_write_u16(&t->out, ssn);
    chunk_end(t);
    deliver(t);
}

static void forward_tsn_jumps_so_far(void **state)
{
    struct state *t = *state;
    const uint64_t cum = t->s->rx.cum;
    forward(t, cum + VN_SCTP_CHUNKS_MAX, 0, 0);
    forward(t, cum + 0x7fffffff, 0, 0);
    assert_true(t->s->rx.cum == cum);
    assert_int_equal(counters(t).drop_chunk, 2);
    /* Over received messages, half ones and holes, with streams there are not. */
    begin(t, t->s->tag);
    data(t, cum + 2, 3, 0, 1, 10);
    data(t, cum + 4, VN_SCTP_FLAG_BEGIN | 4, 0, 0, 10);
    data(t, cum + 6, VN_SCTP_FLAG_END | 4, 0, 0, 10);
    data(t, cum + 8, 3, 0, 3, 10);
    deliver(t);
    forward(t, cum + 7, 0xffff, 9);
    assert_true(t->s->rx.cum == cum + 8);
    forward(t, cum + 8, 0, 2); /* not ahead: no message is skipped */
    forward(t, cum + 9, 0, 2);
    struct vn_sctp_msg m[4];
    assert_int_equal(vn_sctp_receive(t->s, m, 4), 2);
    assert_int_equal(t->s->rx.memory, m[0].buf->cap * 0);
    (void)vn_pktbuf_free(m[0].buf);
    (void)vn_pktbuf_free(m[1].buf);
    for (int i = 0; i < 100; i++)
        forward(t, t->s->rx.cum + VN_SCTP_CHUNKS_MAX - 1, (uint16_t)i, (uint16_t)(i * 999));
    assert_int_equal(vn_sctp_state(t->s), VN_SCTP_OPEN);
}

/* ---- the rest ---- */

/* Many requests in one packet, few answers. */
static void answers_do_not_multiply(void **state)
{
    struct state *t = *state;
    static const uint8_t types[] = {VN_SCTP_HEARTBEAT, VN_SCTP_RECONFIG, 0x7f, 0xff};
    for (size_t k = 0; k < VN_ARRAY_LEN(types); k++) {
        const uint64_t sent = counters(t).tx_packets;
        begin(t, t->s->tag);
        for (int i = 0; i < 40; i++) {
            chunk(t, types[k], 0);
            const size_t p = vn_sctp_begin_param(&t->out, VN_SCTP_P_ADD_OUT);
            vn_write_u64(&t->out, 0);
            vn_sctp_end_chunk(&t->out, p);
            chunk_end(t);
        }
        deliver(t);
        assert_in_range(counters(t).tx_packets - sent, 1, 2);
    }
    assert_lives(t);
}

static void requests_we_do_not_serve_are_denied(void **state)
{
    struct state *t = *state;
    const uint32_t seq = t->s->reset.in_seq;
    for (unsigned type = VN_SCTP_P_RESET_IN; type <= VN_SCTP_P_ADD_IN; type++) {
        if (type == VN_SCTP_P_RESET_RESPONSE)
            continue;
        begin(t, t->s->tag);
        chunk(t, VN_SCTP_RECONFIG, 0);
        const size_t p = vn_sctp_begin_param(&t->out, (uint16_t)type);
        vn_write_u32(&t->out, t->s->reset.in_seq);
        vn_write_u32(&t->out, 0);
        vn_sctp_end_chunk(&t->out, p);
        chunk_end(t);
        deliver(t);
        assert_int_equal(t->s->reset.in_result, 2);
    }
    assert_int_equal(t->s->reset.in_seq, seq + 4);
    struct vn_sctp_msg m;
    assert_int_equal(vn_sctp_receive(t->s, &m, 1), 0);
    assert_lives(t);
}

/* Resets of all streams over and over, with nothing between them: told once each. */
static void resets_alone_fill_no_memory(void **state)
{
    struct state *t = *state;
    struct vn_sctp_msg m;
    size_t told = 0;
    t->w.end[1].own = NULL; /* nobody takes what is told, for now */
    for (int i = 0; i < 500; i++) {
        begin(t, t->s->tag);
        chunk(t, VN_SCTP_RECONFIG, 0);
        const size_t p = vn_sctp_begin_param(&t->out, VN_SCTP_P_RESET_OUT);
        vn_write_u32(&t->out, t->s->reset.in_seq);
        vn_write_u32(&t->out, 0);
        vn_write_u32(&t->out, (uint32_t)t->s->rx.cum);
        vn_sctp_end_chunk(&t->out, p);
        chunk_end(t);
        deliver(t);
        assert_int_equal(t->s->reset.in_result, 1);
    }
    for (; vn_sctp_receive(t->s, &m, 1) == 1; told++)
        assert_null(m.buf);
    assert_int_equal(told, VN_SCTP_STREAMS);
    t->w.end[1].own = t->s;
    assert_lives(t);
}

/* Bytes of chance in chunks of every type, from the first one on. */
static void noise_ends_nothing_but_the_association(void **state)
{
    struct state *t = *state;
    for (int round = 0; round < 30; round++) {
        struct sctp_world w;
        const struct sctp_world_config cfg = {.message_max = 66560};
        sctp_world_init(&w, &cfg);
        assert_true(sctp_world_open(&w, 3, SECOND));
        for (uint32_t i = 0; i < 5; i++)
            (void)sctp_end_send(&w.end[1], 0, &unordered, 30000, i);
        t->s = w.end[1].own;
        for (int i = 0; i < 200 && vn_sctp_state(t->s) == VN_SCTP_OPEN; i++) {
            static const uint8_t types[] = {0, 0, 0, 3, 3, 192, 130, 4, 5, 9, 10, 11, 1, 2};
            begin(t, t->s->tag);
            for (size_t n = 1 + vn_test_below(4); n > 0; n--) {
                uint8_t junk[64];
                chunk(t, types[vn_test_below(sizeof(types))], (uint8_t)vn_test_below(16));
                vn_test_fill(junk, sizeof(junk));
                if (vn_test_below(2)) { /* a TSN that is near */
                    struct vn_writer near = vn_writer_of(junk, 4);
                    const uint64_t from = vn_test_below(2) ? t->s->rx.cum : t->s->tx.cum;
                    vn_write_u32(&near, (uint32_t)(from + vn_test_below(64)));
                }
                junk[4] = 0;
                junk[5] &= 3;
                vn_write_bytes(&t->out, junk, vn_test_below(sizeof(junk)));
                chunk_end(t);
            }
            deliver(t);
            sctp_world_run(&w, vn_test_below(3000));
        }
        sctp_world_done(&w);
    }
    t->s = t->w.end[1].own;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(wrong_tags_and_checksums_are_dropped),
        TEST(cut_packets_do_no_harm),
        TEST(far_tsns_are_refused),
        TEST(memory_is_bounded),
        TEST(what_fills_holes_is_bounded_too),
        TEST(fragments_that_contradict_make_nothing),
        TEST(a_message_without_end_ends_it),
        TEST(no_data_and_no_stream),
        TEST(forged_sacks_are_dropped),
        TEST(a_closed_window_is_probed),
        TEST(forward_tsn_jumps_so_far),
        TEST(answers_do_not_multiply),
        TEST(requests_we_do_not_serve_are_denied),
        TEST(resets_alone_fill_no_memory),
        TEST(noise_ends_nothing_but_the_association),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
