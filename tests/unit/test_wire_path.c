#include "support/mutate.h"
#include "support/test.h"
#include "wire/path.h"

static const struct vn_place HERE = {.x_us = {1, -2, 0x01020304},
                                     .height_us = 5,
                                     .error_q16 = 65536,
                                     .flags = VN_PLACE_RELAYS | VN_PLACE_PUBLIC};
#define HERE_HEX                                                                                   \
    "00000001fffffffe01020304"                                                                     \
    "0000000500010000"                                                                             \
    "03"

static struct vn_span encode(const struct vn_path_msg *m, uint8_t *buf, size_t cap)
{
    struct vn_writer w = vn_writer_of(buf, cap);
    vn_path_encode(&w, m);
    assert_true(vn_writer_ok(&w));
    return vn_writer_span(&w);
}

static vn_status decode(void *arg, struct vn_span in)
{
    (void)arg;
    struct vn_path_msg m;
    return vn_path_decode(in, &m);
}

static void test_bytes_of_each_message(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct vn_path_msg m = {.type = VN_PATH_QUERY,
                            .request = 0x01020304,
                            .flags = VN_PATH_STATEMENT,
                            .of = {{0xaa, [15] = 0xbb}},
                            .place = HERE,
                            .headroom = 0x0506};
    assert_span_equal(encode(&m, buf, sizeof(buf)),
                      vn_test_hex("010102030401"
                                  "aa0000000000000000000000000000bb" HERE_HEX "0506"));
    assert_int_equal(VN_PATH_QUERY_LEN, encode(&m, buf, sizeof(buf)).n);
    m = (struct vn_path_msg){.type = VN_PATH_REPLY,
                             .request = 7,
                             .place = HERE,
                             .headroom = 0xffff,
                             .told_count = 1,
                             .told = {{{{0xcc, [15] = 0xdd}}, HERE}},
                             .descriptor = VN_SPAN_LIT("xy"),
                             .statement = VN_SPAN_LIT("z")};
    assert_span_equal(encode(&m, buf, sizeof(buf)),
                      vn_test_hex("0200000007" HERE_HEX "ffff01"
                                  "cc0000000000000000000000000000dd" HERE_HEX "00027879"
                                  "00017a"));
    assert_int_equal(VN_PATH_REPLY_LEN(1) + 3, encode(&m, buf, sizeof(buf)).n);
    m.type = VN_PATH_DIGEST;
    assert_span_equal(encode(&m, buf, sizeof(buf)),
                      vn_test_hex("03" HERE_HEX "ffff01"
                                  "cc0000000000000000000000000000dd" HERE_HEX));
    assert_int_equal(VN_PATH_DIGEST_LEN(1), encode(&m, buf, sizeof(buf)).n);
}

static void any_place(struct vn_place *ret)
{
    vn_test_fill(ret->x_us, sizeof(ret->x_us));
    ret->height_us = (uint32_t)vn_test_random();
    ret->error_q16 = (uint32_t)vn_test_random();
    ret->flags = (uint8_t)vn_test_below(4);
}

static bool same_place(const struct vn_place *a, const struct vn_place *b)
{
    return memcmp(a->x_us, b->x_us, sizeof(a->x_us)) == 0 && a->height_us == b->height_us &&
           a->error_q16 == b->error_q16 && a->flags == b->flags;
}

static void test_round_trip_and_lengths(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        uint8_t blob[100], buf[512], again[512];
        vn_test_fill(blob, sizeof(blob));
        struct vn_path_msg m = {.type = (enum vn_path_type)(1 + i % 3)}, back;
        any_place(&m.place);
        m.headroom = (uint16_t)vn_test_random();
        if (m.type != VN_PATH_DIGEST)
            m.request = (uint32_t)vn_test_random();
        if (m.type == VN_PATH_QUERY) {
            m.flags = (uint8_t)vn_test_below(2);
            vn_test_fill(m.of.b, sizeof(m.of.b));
        } else {
            m.told_count = vn_test_below(VN_PATH_TOLD_MAX + 1);
            for (size_t k = 0; k < m.told_count; k++) {
                vn_test_fill(m.told[k].node.b, VN_ID_LEN);
                any_place(&m.told[k].place);
            }
        }
        if (m.type == VN_PATH_REPLY) {
            m.descriptor = VN_SPAN(blob, vn_test_below(sizeof(blob)));
            m.statement = VN_SPAN(blob, vn_test_below(sizeof(blob)));
        }
        struct vn_span in = encode(&m, buf, sizeof(buf));
        assert_ok(vn_path_decode(in, &back));
        assert_int_equal(m.type, back.type);
        assert_int_equal(m.request, back.request);
        assert_true(vn_id_equal(&m.of, &back.of));
        assert_true(same_place(&m.place, &back.place));
        assert_int_equal(m.headroom, back.headroom);
        assert_int_equal(m.told_count, back.told_count);
        for (size_t k = 0; k < m.told_count; k++) {
            assert_true(vn_id_equal(&m.told[k].node, &back.told[k].node));
            assert_true(same_place(&m.told[k].place, &back.told[k].place));
        }
        assert_span_equal(m.descriptor, back.descriptor);
        assert_span_equal(m.statement, back.statement);
        assert_span_equal(in, encode(&back, again, sizeof(again)));
        vn_test_lengths(in, decode, NULL);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    uint8_t buf[512];
    struct vn_path_msg m = {.type = VN_PATH_DIGEST, .place = HERE, .told_count = VN_PATH_TOLD_MAX};
    struct vn_span in = encode(&m, buf, sizeof(buf));
    assert_ok(decode(NULL, in));
    buf[0] = 4; /* no such type */
    assert_status(VN_ERR_MALFORMED, decode(NULL, in));
    buf[0] = VN_PATH_DIGEST;
    buf[VN_PLACE_LEN] = 4; /* a reserved flag */
    assert_status(VN_ERR_MALFORMED, decode(NULL, in));
    buf[VN_PLACE_LEN] = 3;
    buf[VN_PATH_DIGEST_LEN(0) - 1] = VN_PATH_TOLD_MAX + 1;
    assert_status(VN_ERR_MALFORMED,
                  decode(NULL, VN_SPAN(buf, VN_PATH_DIGEST_LEN(VN_PATH_TOLD_MAX + 1))));
    m = (struct vn_path_msg){.type = VN_PATH_QUERY, .flags = 2, .place = HERE};
    assert_status(VN_ERR_MALFORMED, decode(NULL, encode(&m, buf, sizeof(buf))));

    struct vn_place p;
    uint8_t place[VN_PLACE_LEN + 1] = {0};
    assert_ok(vn_place_decode(VN_SPAN(place, VN_PLACE_LEN), &p));
    assert_status(VN_ERR_MALFORMED, vn_place_decode(VN_SPAN(place, VN_PLACE_LEN + 1), &p));
    assert_status(VN_ERR_MALFORMED, vn_place_decode(VN_SPAN(place, VN_PLACE_LEN - 1), &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_each_message),
        cmocka_unit_test(test_round_trip_and_lengths),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
