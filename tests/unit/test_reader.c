/* Reader and writer together: each is the other's inverse. */
#include "base/reader.h"

#include "base/writer.h"
#include "support/guard.h"
#include "support/test.h"

static void integers_are_big_endian(void **state)
{
    (void)state;
    uint8_t buf[18], u8;
    uint16_t u16;
    uint32_t u24, u32;
    uint64_t u64;
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_write_u8(&w, 0x01);
    vn_write_u16(&w, 0x0203);
    vn_write_u24(&w, 0x040506);
    vn_write_u32(&w, 0x0708090a);
    vn_write_u64(&w, 0x0b0c0d0e0f101112);
    assert_true(vn_writer_ok(&w));
    for (uint8_t i = 0; i < sizeof(buf); i++)
        assert_int_equal(buf[i], i + 1);

    struct vn_reader r = vn_reader_of(vn_writer_span(&w));
    assert_true(vn_read_u8(&r, &u8) && vn_read_u16(&r, &u16) && vn_read_u24(&r, &u24) &&
                vn_read_u32(&r, &u32) && vn_read_u64(&r, &u64));
    assert_int_equal(u8, 0x01);
    assert_int_equal(u16, 0x0203);
    assert_int_equal(u24, 0x040506);
    assert_int_equal(u32, 0x0708090a);
    assert_int_equal(u64, 0x0b0c0d0e0f101112);
    assert_true(vn_reader_done(&r));
}

static void failed_read_moves_nothing(void **state)
{
    (void)state;
    /* A u16 block that claims one byte more than there is. */
    struct vn_guard g;
    vn_guard_init(&g, 16);
    const struct vn_span in = vn_guard_copy(&g, vn_test_hex("0003aabb"));
    struct vn_reader r = vn_reader_of(in), block = {0};
    uint64_t u64 = 7;
    uint32_t u32 = 7;
    struct vn_span s = {0};
    uint8_t copy[5] = {7};
    assert_false(vn_read_block16(&r, &block));
    assert_false(vn_read_span16(&r, &s));
    assert_false(vn_read_u64(&r, &u64));
    assert_false(vn_read_span(&r, 5, &s));
    assert_false(vn_read_span(&r, SIZE_MAX, &s));
    assert_false(vn_read_copy(&r, copy, 5));
    assert_false(vn_read_skip(&r, 5));
    assert_ptr_equal(r.cur, in.p);
    assert_int_equal(r.left, 4);
    assert_null(block.cur);
    assert_int_equal(u64, 7);
    assert_int_equal(copy[0], 7);
    assert_true(vn_read_u24(&r, &u32));
    assert_int_equal(u32, 0x0003aa);
    assert_false(vn_read_u16(&r, &(uint16_t){0}));
    assert_int_equal(r.left, 1);
    vn_guard_done(&g);
}

static void nothing_reads_as_nothing(void **state)
{
    (void)state;
    struct vn_reader r = vn_reader_of(VN_SPAN_NONE);
    struct vn_span s;
    uint8_t b;
    assert_true(vn_reader_done(&r));
    assert_true(vn_read_span(&r, 0, &s));
    assert_int_equal(s.n, 0);
    assert_true(vn_read_copy(&r, NULL, 0));
    assert_false(vn_read_u8(&r, &b));
}

static void writer_remembers_overflow(void **state)
{
    (void)state;
    uint8_t buf[4] = {0};
    struct vn_writer w = vn_writer_of(buf, 3);
    vn_write_u16(&w, 0xaaaa);
    vn_write_u16(&w, 0xbbbb);
    vn_write_u8(&w, 0xcc); /* would fit, but must not hide the gap */
    assert_false(vn_writer_ok(&w));
    assert_int_equal(vn_writer_span(&w).n, 0);
    assert_null(vn_write_room(&w, 0));
    assert_int_equal(buf[2], 0);

    w = vn_writer_of(buf, sizeof(buf));
    vn_write_u24(&w, 0x1000000);
    assert_false(vn_writer_ok(&w));
    w = vn_writer_of(buf, sizeof(buf));
    vn_write_bytes(&w, buf, SIZE_MAX);
    assert_false(vn_writer_ok(&w));
}

static void block_longer_than_its_prefix_overflows(void **state)
{
    (void)state;
    static uint8_t in[0x10001], out[0x10010];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    vn_write_block8(&w, VN_SPAN(in, 256));
    assert_false(vn_writer_ok(&w));
    w = vn_writer_of(out, sizeof(out));
    vn_write_block16(&w, VN_SPAN(in, 0x10000));
    assert_false(vn_writer_ok(&w));
    w = vn_writer_of(out, sizeof(out));
    vn_write_block24(&w, VN_SPAN(in, 0x10001));
    assert_true(vn_writer_ok(&w));
    assert_int_equal(w.len, 3 + 0x10001);
}

/* Random lists of fields come back, and no truncation of them does. */
static void round_trip_and_every_truncation(void **state)
{
    (void)state;
    struct vn_guard g;
    vn_guard_init(&g, 4096);
    for (int round = 0; round < 50; round++) {
        uint8_t buf[4096], content[6][300];
        size_t len[6], kind[6];
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        const size_t count = 1 + vn_test_below(6);
        for (size_t i = 0; i < count; i++) {
            kind[i] = vn_test_below(3);
            len[i] = vn_test_below(kind[i] == 0 ? 256 : 300);
            vn_test_fill(content[i], len[i]);
            const struct vn_span s = VN_SPAN(content[i], len[i]);
            if (kind[i] == 0)
                vn_write_block8(&w, s);
            else if (kind[i] == 1)
                vn_write_block16(&w, s);
            else
                vn_write_block24(&w, s);
        }
        const struct vn_span whole = vn_writer_span(&w);
        assert_true(vn_writer_ok(&w));
        for (size_t cut = 0; cut <= whole.n; cut++) {
            struct vn_reader r = vn_reader_of(vn_guard_copy(&g, VN_SPAN(whole.p, cut)));
            size_t i = 0;
            for (; i < count; i++) {
                struct vn_reader b;
                const bool good = kind[i] == 0   ? vn_read_block8(&r, &b)
                                  : kind[i] == 1 ? vn_read_block16(&r, &b)
                                                 : vn_read_block24(&r, &b);
                if (!good)
                    break;
                assert_span_equal(vn_reader_rest(&b), VN_SPAN(content[i], len[i]));
            }
            assert_int_equal(i == count && vn_reader_done(&r), cut == whole.n);
        }
    }
    vn_guard_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(failed_read_moves_nothing),
        cmocka_unit_test(nothing_reads_as_nothing),
        cmocka_unit_test(writer_remembers_overflow),
        cmocka_unit_test(block_longer_than_its_prefix_overflows),
        cmocka_unit_test(round_trip_and_every_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
