/* What a neighbour or a peer may send and should not: one counter, silence, no harm. */
#include "core/worker_i.h"
#include "support/test.h"
#include "support/worker_rig.h"
#include "wire/frame.h"

static struct vn_rig rig;
static struct vn_rig_side *a, *b;

/* The last data message that went by, and whether it is to be kept from the receiver. */
static struct vn_pktbuf *seen;
static bool swallow;

static bool watch(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                  struct vn_pktbuf *m)
{
    (void)arg;
    (void)tether;
    if (cls == VN_TETHER_CONTROL)
        return true;
    seen = vn_pktbuf_free(seen);
    seen = vn_inner_copy(vn_pktbuf_span(m));
    return !swallow;
}

static int setup(void **state)
{
    (void)state;
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 100, .filter = watch});
    a = &rig.side[0];
    b = &rig.side[1];
    swallow = false;
    vn_rig_stream(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    seen = vn_pktbuf_free(seen);
    return 0;
}

static const struct vn_inner v4 = {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 40};

static void inject(struct vn_span bytes, enum vn_tether_class cls)
{
    /* From side 0's end, as the neighbour's implementation would. */
    struct vn_end *end = vn_worker_end(a->worker, 1);
    struct vn_pktbuf *m = vn_inner_copy(bytes);
    size_t taken = 0;
    swallow = false;
    assert_ok(vn_mem_net_port(rig.net)->send(end->port, cls, &m, 1, &taken));
    assert_int_equal(1, taken);
    vn_rig_run(&rig, 1000);
}

/* A valid frame that has not been delivered. */
static struct vn_pktbuf *capture(const struct vn_inner *i)
{
    swallow = true;
    vn_rig_packet(a, i);
    vn_rig_flush(a);
    assert_non_null(seen);
    struct vn_pktbuf *m = seen;
    seen = NULL;
    return m;
}

static uint64_t drops(enum vn_worker_drop d)
{
    return vn_rig_counters(b).drops[d];
}

static uint64_t all_drops(void)
{
    struct vn_worker_counters c = vn_rig_counters(b);
    uint64_t n = 0;
    for (size_t i = 0; i < VN_DROP_COUNT; i++)
        n += c.drops[i];
    return n;
}

static void every_flipped_bit_is_caught(void **state)
{
    (void)state;
    struct vn_pktbuf *m = capture(&v4);
    uint64_t expected = 0;
    for (size_t i = 0; i < m->len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            /* The flags byte is for relays and has no meaning here: not under the seal. */
            if (i == 1)
                continue;
            m->data[i] ^= (uint8_t)(1u << bit);
            inject(vn_pktbuf_span(m), VN_TETHER_BULK);
            m->data[i] ^= (uint8_t)(1u << bit);
            expected++;
        }
    }
    /* Another label: held for a while, then counted. */
    vn_rig_run(&rig, VN_SETUP_WAIT_MS * 1000 + 100000);
    assert_int_equal(expected, all_drops());
    assert_int_equal(0, b->written_count);
    assert_int_equal(0, vn_rig_counters(b).frames_opened);
    assert_int_equal(0, vn_rig_events(b, VN_EV_RX_FIRST));
    /* The window did not move: the frame itself is still good, once. */
    inject(vn_pktbuf_span(m), VN_TETHER_BULK);
    assert_int_equal(1, b->written_count);
    inject(vn_pktbuf_span(m), VN_TETHER_BULK);
    assert_int_equal(1, b->written_count);
    assert_int_equal(1, drops(VN_DROP_REPLAY));
    vn_pktbuf_free(m);
}

static void every_truncation_is_caught(void **state)
{
    (void)state;
    struct vn_pktbuf *m = capture(&v4);
    for (size_t n = 1; n < m->len; n++)
        inject(VN_SPAN(m->data, n), VN_TETHER_BULK);
    assert_int_equal(m->len - 1, all_drops());
    assert_int_equal(7, drops(VN_DROP_HOP_MALFORMED));
    assert_int_equal(20 + 2 + 16, drops(VN_DROP_FRAME_MALFORMED));
    assert_int_equal(0, b->written_count);
    vn_pktbuf_free(m);
}

static void replays_are_caught_far_and_near(void **state)
{
    (void)state;
    struct vn_pktbuf *first = capture(&v4);
    inject(vn_pktbuf_span(first), VN_TETHER_BULK);
    b->count_only = true;
    for (int i = 0; i < 3000; i++) {
        vn_rig_packet(a, &v4);
        vn_rig_flush(a);
        if (i % 50 == 0)
            vn_rig_run(&rig, 1000);
    }
    vn_rig_run(&rig, 1000);
    assert_int_equal(3001, b->written_count);
    inject(vn_pktbuf_span(first), VN_TETHER_BULK);
    assert_int_equal(1, drops(VN_DROP_REPLAY));
    assert_int_equal(3001, b->written_count);
    /* The other channel does not help. */
    inject(vn_pktbuf_span(first), VN_TETHER_REALTIME);
    assert_int_equal(2, drops(VN_DROP_REPLAY));
    vn_pktbuf_free(first);
}

static void frames_have_no_place_on_the_control_channel(void **state)
{
    (void)state;
    struct vn_pktbuf *m = capture(&v4);
    vn_rig_clear(b);
    inject(vn_pktbuf_span(m), VN_TETHER_CONTROL);
    assert_int_equal(1, drops(VN_DROP_HOP_MALFORMED));
    assert_int_equal(0, b->written_count);
    vn_pktbuf_free(m);
}

static void control_messages_go_up_whole_and_only_from_their_channel(void **state)
{
    (void)state;
    uint8_t msg[40];
    struct vn_writer w = vn_writer_of(msg, sizeof(msg));
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_CIRCUIT});
    memset(vn_write_room(&w, 32), 'x', 32);
    vn_rig_clear(b);
    inject(VN_SPAN_ARRAY(msg), VN_TETHER_CONTROL);
    struct vn_ev_tether_message *ev =
        (struct vn_ev_tether_message *)vn_rig_event_of(b, VN_EV_TETHER_MESSAGE);
    assert_non_null(ev);
    assert_int_equal(1, ev->tether);
    assert_span_equal(VN_SPAN_ARRAY(msg), vn_pktbuf_span(ev->buf));
    vn_post_msg_free(&ev->msg);
    inject(VN_SPAN_ARRAY(msg), VN_TETHER_BULK);
    assert_int_equal(0, vn_rig_events(b, VN_EV_TETHER_MESSAGE));
    assert_int_equal(1, drops(VN_DROP_HOP_MALFORMED));
    for (size_t n = 1; n < VN_HOP_HEADER_LEN; n++)
        inject(VN_SPAN(msg, n), VN_TETHER_CONTROL);
    assert_int_equal(VN_HOP_HEADER_LEN, drops(VN_DROP_HOP_MALFORMED));
}

/* ---- what an authentic but dishonest peer may put inside ---- */

static uint64_t peer_seq = 1000;

/* Seals a plaintext as the peer would. */
static void inject_sealed(struct vn_span plain)
{
    uint8_t frame[4096];
    struct vn_writer w = vn_writer_of(frame, sizeof(frame));
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_FRAME, .label = 21});
    vn_e2e_encode(&w, &(struct vn_e2e_header){.seq = ++peer_seq});
    struct vn_secret32 ck;
    for (size_t i = 0; i < sizeof(ck.b); i++)
        ck.b[i] = (uint8_t)i;
    struct vn_lane_keys keys;
    struct vn_aead *aead;
    uint8_t nonce[12];
    assert_ok(vn_lane_keys_derive(VN_SHA256, &ck, 0, &keys));
    assert_ok(vn_aead_new(&keys.key, &aead));
    vn_lane_nonce(keys.iv, peer_seq, nonce);
    uint8_t *out = vn_write_room(&w, plain.n);
    uint8_t *tag = vn_write_room(&w, VN_AEAD_TAG_LEN);
    assert_ok(vn_aead_seal(aead, nonce, VN_SPAN(frame + VN_HOP_HEADER_LEN, VN_E2E_HEADER_LEN),
                           plain, out, tag));
    vn_aead_free(aead);
    inject(vn_writer_span(&w), VN_TETHER_BULK);
}

static void inject_packet(struct vn_span packet)
{
    uint8_t plain[4000];
    struct vn_writer w = vn_writer_of(plain, sizeof(plain));
    vn_write_u16(&w, 1);
    vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = packet});
    assert_true(vn_writer_ok(&w));
    inject_sealed(vn_writer_span(&w));
}

static void inject_inner(const char *src, const char *dst)
{
    uint8_t p[256];
    size_t n =
        vn_inner_build(&(struct vn_inner){.src = src, .dst = dst, .payload_len = 30}, p, sizeof(p));
    inject_packet(VN_SPAN(p, n));
}

static void inner_addresses_are_checked(void **state)
{
    (void)state;
    inject_inner("10.66.0.1", "10.66.0.2");
    inject_inner("fd66::1", "fd66::2");
    assert_int_equal(2, b->written_count);
    inject_inner("10.66.0.3", "10.66.0.2"); /* another member's */
    inject_inner("10.66.0.2", "10.66.0.2"); /* our own */
    inject_inner("8.8.8.8", "10.66.0.2");
    inject_inner("fd66::3", "fd66::2");
    assert_int_equal(4, drops(VN_DROP_INNER_SOURCE));
    inject_inner("10.66.0.1", "10.66.0.3");
    inject_inner("10.66.0.1", "224.0.0.1");
    inject_inner("10.66.0.1", "127.0.0.1");
    inject_inner("fd66::1", "ff02::1");
    assert_int_equal(4, drops(VN_DROP_INNER_DEST));
    assert_int_equal(2, b->written_count);
}

static void inject_icmp(const char *src, const char *dst, uint8_t type, struct vn_span body)
{
    uint8_t p[512];
    size_t n = vn_inner_icmp(src, dst, type, 0, body, p, sizeof(p));
    inject_packet(VN_SPAN(p, n));
}

static void icmp_errors_are_judged_by_what_they_quote(void **state)
{
    (void)state;
    uint8_t ours[128], others[128], ours6[128];
    size_t on = vn_inner_build(
        &(struct vn_inner){.src = "10.66.0.2", .dst = "10.66.0.1", .payload_len = 20}, ours,
        sizeof(ours));
    size_t tn = vn_inner_build(
        &(struct vn_inner){.src = "10.66.0.2", .dst = "10.66.0.3", .payload_len = 20}, others,
        sizeof(others));
    size_t sn =
        vn_inner_build(&(struct vn_inner){.src = "fd66::2", .dst = "fd66::1", .payload_len = 20},
                       ours6, sizeof(ours6));
    /* From the peer or from a router behind it, about our packet to the peer. */
    inject_icmp("10.66.0.1", "10.66.0.2", 3, VN_SPAN(ours, on));
    inject_icmp("192.0.2.77", "10.66.0.2", 11, VN_SPAN(ours, 28));
    inject_icmp("2001:db8::7", "fd66::2", 2, VN_SPAN(ours6, sn));
    assert_int_equal(3, b->written_count);
    /* About a conversation that is not with this peer. */
    inject_icmp("10.66.0.1", "10.66.0.2", 3, VN_SPAN(others, tn));
    inject_icmp("10.66.0.3", "10.66.0.2", 3, VN_SPAN(others, tn));
    assert_int_equal(2, drops(VN_DROP_INNER_SOURCE));
    /* About nothing, or about the other family. */
    inject_icmp("10.66.0.1", "10.66.0.2", 3, VN_SPAN(ours, 19));
    inject_icmp("10.66.0.1", "10.66.0.2", 3, VN_SPAN(ours6, sn));
    assert_int_equal(2, drops(VN_DROP_INNER_MALFORMED));
    /* Echo is an ordinary packet. */
    inject_icmp("10.66.0.1", "10.66.0.2", 8, VN_SPAN(ours, 10));
    assert_int_equal(4, b->written_count);
    inject_icmp("192.0.2.77", "10.66.0.2", 0, VN_SPAN(ours, 10));
    assert_int_equal(3, drops(VN_DROP_INNER_SOURCE));
    /* What belongs to a link never crosses. */
    inject_icmp("10.66.0.1", "10.66.0.2", 5, VN_SPAN(ours, on));
    inject_icmp("fd66::1", "fd66::2", 134, VN_SPAN(ours6, 16));
    inject_icmp("fd66::1", "fd66::2", 136, VN_SPAN(ours6, 16));
    inject_icmp("fd66::1", "fd66::2", 137, VN_SPAN(ours6, sn));
    assert_int_equal(6, drops(VN_DROP_INNER_MALFORMED));
    assert_int_equal(4, b->written_count);
}

static void plaintexts_that_lie(void **state)
{
    (void)state;
    uint8_t packet[128];
    size_t n = vn_inner_build(&v4, packet, sizeof(packet));
    uint8_t plain[1024];
    uint64_t expected = 0;
    /* Counts that are wrong. */
    static const unsigned counts[] = {0, 2, 3, VN_FRAME_PACKETS_MAX + 1, 65535};
    for (size_t i = 0; i < VN_ARRAY_LEN(counts); i++) {
        struct vn_writer w = vn_writer_of(plain, sizeof(plain));
        vn_write_u16(&w, (uint16_t)counts[i]);
        vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = VN_SPAN(packet, n)});
        inject_sealed(vn_writer_span(&w));
        assert_int_equal(++expected, drops(VN_DROP_INNER_MALFORMED));
    }
    /* Lengths that are wrong: all of one frame goes, since the rest cannot be told apart. */
    for (uint32_t length = 0; length < 2 * n; length++) {
        if (length == n)
            continue;
        struct vn_writer w = vn_writer_of(plain, sizeof(plain));
        vn_write_u16(&w, 1);
        vn_write_u24(&w, length);
        vn_write_u8(&w, VN_PKT_NONE);
        vn_write_bytes(&w, packet, n);
        inject_sealed(vn_writer_span(&w));
        assert_int_equal(++expected, drops(VN_DROP_INNER_MALFORMED));
    }
    /* Packets that are cut or have a tail. */
    for (size_t k = 1; k < n; k++) {
        inject_packet(VN_SPAN(packet, k));
        assert_int_equal(++expected, drops(VN_DROP_INNER_MALFORMED));
    }
    /* Every kind byte but the plain one, and the one with an ECN mark. */
    for (unsigned kind = 0; kind < 256; kind++) {
        struct vn_writer w = vn_writer_of(plain, sizeof(plain));
        vn_write_u16(&w, 1);
        vn_write_u24(&w, (uint32_t)n);
        vn_write_u8(&w, (uint8_t)kind);
        vn_write_bytes(&w, packet, n);
        size_t before = b->written_count;
        inject_sealed(vn_writer_span(&w));
        expected += kind >> 6 != 0 || (kind & 15) != 0;
        assert_int_equal(expected, drops(VN_DROP_INNER_MALFORMED));
        assert_int_equal(before + (kind < 64 && (kind & 15) == 0), b->written_count);
    }
    assert_int_equal(0, drops(VN_DROP_TAG));
}

static void one_bad_packet_spoils_no_other(void **state)
{
    (void)state;
    uint8_t good[128], bad[128], plain[1024];
    size_t gn = vn_inner_build(&v4, good, sizeof(good));
    size_t bn = vn_inner_build(
        &(struct vn_inner){.src = "10.66.0.3", .dst = "10.66.0.2", .payload_len = 10}, bad,
        sizeof(bad));
    struct vn_writer w = vn_writer_of(plain, sizeof(plain));
    vn_write_u16(&w, 3);
    vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = VN_SPAN(good, gn)});
    vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = VN_SPAN(bad, bn)});
    vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = VN_SPAN(good, gn)});
    inject_sealed(vn_writer_span(&w));
    assert_int_equal(2, b->written_count);
    assert_int_equal(1, drops(VN_DROP_INNER_SOURCE));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_flipped_bit_is_caught),
        T(every_truncation_is_caught),
        T(replays_are_caught_far_and_near),
        T(frames_have_no_place_on_the_control_channel),
        T(control_messages_go_up_whole_and_only_from_their_channel),
        T(inner_addresses_are_checked),
        T(icmp_errors_are_judged_by_what_they_quote),
        T(plaintexts_that_lie),
        T(one_bad_packet_spoils_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
