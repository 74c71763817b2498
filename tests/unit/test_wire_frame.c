#include "support/guard.h"
#include "support/mutate.h"
#include "support/test.h"
#include "wire/frame.h"

static void test_hop_header(void **state)
{
    (void)state;
    uint8_t buf[VN_HOP_HEADER_LEN];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_hop_encode(&w, &(struct vn_hop_header){VN_HOP_FRAME, 0x80, 0x10000002});
    assert_span_equal(vn_writer_span(&w), vn_test_hex("1180000010000002"));
    struct vn_reader r = vn_reader_of(vn_writer_span(&w));
    struct vn_hop_header h;
    assert_true(vn_hop_decode(&r, &h));
    assert_true(vn_reader_done(&r));
    assert_int_equal(VN_HOP_FRAME, h.type);
    assert_int_equal(0x80, h.flags);
    assert_int_equal(0x10000002, h.label);
}

static void test_hop_header_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0100000000000001",                     /* version */
        "2100000000000001", "1000000000000001", /* type */
        "1700000000000000", "1100000100000001", /* reserved */
        "1600000000000001",                     /* of relays, with a label */
        "1100000000000000",                     /* a frame for the neighbour itself */
        "1200000000000000", "1300000000000001", /* a circuit message with a label */
        "11000000000000",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++) {
        struct vn_span in = vn_test_hex(bad[i]);
        struct vn_reader r = vn_reader_of(in);
        struct vn_hop_header h;
        assert_false(vn_hop_decode(&r, &h));
        assert_int_equal(in.n, r.left); /* a failed read moves nothing */
    }
}

static void test_e2e_header(void **state)
{
    (void)state;
    uint8_t buf[VN_E2E_HEADER_LEN];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    const struct vn_e2e_header h = {1, 2, 3, 4, 5, 6};
    vn_e2e_encode(&w, &h);
    assert_span_equal(vn_writer_span(&w), vn_test_hex("000000010000000200030405"
                                                      "0000000000000006"));
    struct vn_reader r = vn_reader_of(vn_writer_span(&w));
    struct vn_e2e_header back;
    assert_true(vn_e2e_decode(&r, &back));
    assert_int_equal(h.epoch, back.epoch);
    assert_int_equal(h.batch, back.batch);
    assert_int_equal(h.idx, back.idx);
    assert_int_equal(h.lane, back.lane);
    assert_int_equal(h.cls, back.cls);
    assert_int_equal(h.seq, back.seq);
    for (size_t n = 0; n < sizeof(buf); n++) {
        r = vn_reader_of(VN_SPAN(buf, n));
        assert_false(vn_e2e_decode(&r, &back));
        assert_int_equal(n, r.left);
    }
}

/* ---- packets ---- */

static struct vn_frame_packet random_packet(uint8_t *storage, size_t max)
{
    struct vn_frame_packet p = {
        .kind = (enum vn_packet_kind)vn_test_below(5),
        .ecn = (uint8_t)vn_test_below(4),
        .packet = VN_SPAN(storage, 1 + vn_test_below(max)),
    };
    if (p.kind != VN_PKT_NONE)
        p.l4_offset = (uint8_t)vn_test_random();
    if (p.kind > VN_PKT_CSUM)
        p.gso_size = (uint16_t)(1 + vn_test_below(65535));
    return p;
}

static vn_status open_frame(void *arg, struct vn_span in)
{
    (void)arg;
    struct vn_reader r;
    size_t count;
    return vn_frame_open(in, &r, &count) ? VN_OK : VN_ERR_MALFORMED;
}

static void test_packets_round_trip(void **state)
{
    (void)state;
    uint8_t packets[300], buf[8192], again[8192];
    vn_test_fill(packets, sizeof(packets));
    for (int round = 0; round < 100; round++) {
        struct vn_frame_packet in[8];
        size_t count = 1 + vn_test_below(VN_ARRAY_LEN(in));
        struct vn_writer w = vn_writer_of(buf, sizeof(buf)), v = vn_writer_of(again, sizeof(again));
        vn_write_u16(&w, (uint16_t)count);
        vn_write_u16(&v, (uint16_t)count);
        for (size_t i = 0; i < count; i++) {
            in[i] = random_packet(packets, sizeof(packets));
            vn_frame_put_packet(&w, &in[i]);
        }
        assert_true(vn_writer_ok(&w));
        struct vn_reader r;
        size_t found;
        assert_true(vn_frame_open(vn_writer_span(&w), &r, &found));
        assert_int_equal(count, found);
        for (size_t i = 0; i < count; i++) {
            struct vn_frame_packet p;
            assert_true(vn_frame_next_packet(&r, &p));
            assert_int_equal(in[i].kind, p.kind);
            assert_int_equal(in[i].ecn, p.ecn);
            assert_int_equal(in[i].gso_size, p.gso_size);
            assert_int_equal(in[i].l4_offset, p.l4_offset);
            assert_span_equal(in[i].packet, p.packet);
            vn_frame_put_packet(&v, &p);
        }
        assert_true(vn_reader_done(&r));
        assert_span_equal(vn_writer_span(&w), vn_writer_span(&v));
        vn_test_lengths(vn_writer_span(&w), open_frame, NULL);
    }
}

static void test_packet_bytes(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_frame_put_packet(&w, &(struct vn_frame_packet){VN_PKT_NONE, 3, 0, 0, VN_SPAN_LIT("ab")});
    vn_frame_put_packet(&w, &(struct vn_frame_packet){VN_PKT_TCP6, 1, 1220, 40, VN_SPAN_LIT("cd")});
    vn_frame_put_packet(&w, &(struct vn_frame_packet){VN_PKT_CSUM, 0, 0, 20, VN_SPAN_LIT("e")});
    assert_span_equal(vn_writer_span(&w), vn_test_hex("000002306162"
                                                      "0000021304c4286364"
                                                      "000001010000"
                                                      "1465"));
}

static void test_frames_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "0000",                     /* no packet */
        "0001",                     /* a packet too few */
        "000200000100ff",           /* the same */
        "000100000100ff00000100ff", /* a packet too many */
        "000100000000",             /* an empty packet */
        "000100000140ff",           /* reserved bits */
        "000100000180ff",           /* the same */
        "000100000105000114ff",     /* unknown kinds */
        "00010000010f000114ff",     /* the same */
        "000100000101000114ff",     /* checksum only, with a segment size */
        "000100000102000014ff",     /* TCP without one */
        "000100000103000014ff",
        "000100000104000014ff",
        "0001ffffff00ff", /* length beyond the end */
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        if (open_frame(NULL, vn_test_hex(bad[i])) == VN_OK)
            fail_msg("accepted %s", bad[i]);
    assert_ok(open_frame(NULL, vn_test_hex("000100000102000114ff")));
}

static void test_count_is_bounded(void **state)
{
    (void)state;
    static uint8_t buf[2 + (VN_FRAME_PACKETS_MAX + 1) * 5];
    for (size_t count = VN_FRAME_PACKETS_MAX; count <= VN_FRAME_PACKETS_MAX + 1; count++) {
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        vn_write_u16(&w, (uint16_t)count);
        for (size_t i = 0; i < count; i++)
            vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = VN_SPAN_LIT("x")});
        assert_true(vn_writer_ok(&w));
        assert_status(count > VN_FRAME_PACKETS_MAX ? VN_ERR_MALFORMED : VN_OK,
                      open_frame(NULL, vn_writer_span(&w)));
    }
}

static void test_empty_packet_is_not_written(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = VN_SPAN_NONE});
    assert_false(vn_writer_ok(&w));
}

/* ---- keys ---- */

/* Expected values from an independent computation with Python's hmac. */
static void test_lane_keys(void **state)
{
    (void)state;
    struct vn_secret32 ck;
    memset(ck.b, 0x42, sizeof(ck.b));
    struct vn_lane_keys k;
    assert_ok(vn_lane_keys_derive(VN_SHA256, &ck, 3, &k));
    assert_span_equal(
        VN_SPAN_ARRAY(k.key.b),
        vn_test_hex("743d368fef0300ea329d02f044383ee011b1521708c402a69377c92d05d5f0c4"));
    assert_span_equal(VN_SPAN_ARRAY(k.iv), vn_test_hex("3511ab84376faf32abda7551"));
    assert_ok(vn_lane_keys_derive(VN_SHA384, &ck, 3, &k));
    assert_span_equal(
        VN_SPAN_ARRAY(k.key.b),
        vn_test_hex("29148ddf3ccf4654d59fb25137a899aade095036cdb1a2c0c2f3b1ea1ccae768"));
    assert_span_equal(VN_SPAN_ARRAY(k.iv), vn_test_hex("bdb4196df7a0ff6cc9454532"));
}

static void test_nonce(void **state)
{
    (void)state;
    const uint8_t iv[12] = {0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xf0};
    uint8_t nonce[12];
    vn_lane_nonce(iv, 0x010000000000000f, nonce);
    assert_span_equal(VN_SPAN_ARRAY(nonce), vn_test_hex("fffffffffe000000000000ff"));
}

static void test_chain_step(void **state)
{
    (void)state;
    struct vn_secret32 ck;
    memset(ck.b, 0x42, sizeof(ck.b));
    assert_ok(vn_chain_step(VN_SHA256, &ck, &ck)); /* in place */
    assert_span_equal(
        VN_SPAN_ARRAY(ck.b),
        vn_test_hex("c499bb1bf0c52693b85bd3d56efa6065410262d8d278b786e9aa527b46b6dc8b"));
    memset(ck.b, 0x42, sizeof(ck.b));
    assert_ok(vn_chain_step(VN_SHA384, &ck, &ck));
    assert_span_equal(
        VN_SPAN_ARRAY(ck.b),
        vn_test_hex("eb7452f9845c1a828db9d3f090245c397ae62d0fd79aad7a3f44b35137740a54"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hop_header),       cmocka_unit_test(test_hop_header_refused),
        cmocka_unit_test(test_e2e_header),       cmocka_unit_test(test_packets_round_trip),
        cmocka_unit_test(test_packet_bytes),     cmocka_unit_test(test_frames_refused),
        cmocka_unit_test(test_count_is_bounded), cmocka_unit_test(test_empty_packet_is_not_written),
        cmocka_unit_test(test_lane_keys),        cmocka_unit_test(test_nonce),
        cmocka_unit_test(test_chain_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
