#include "base/buf.h"

#include "support/test.h"

static void grows_to_its_ceiling_and_no_further(void **state)
{
    (void)state;
    struct vn_buf b;
    vn_buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        assert_ok(vn_buf_append(&b, "0123456789", 10));
    assert_int_equal(b.len, 1000);
    assert_true(b.cap <= 1000);
    assert_status(VN_ERR_LIMIT, vn_buf_append(&b, "x", 1));
    assert_status(VN_ERR_LIMIT, vn_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.len, 1000);
    assert_memory_equal(b.p + 990, "0123456789", 10);
    vn_buf_done(&b);
    assert_int_equal(b.len, 0);
    assert_ok(vn_buf_append(&b, "again", 5));
    assert_span_equal(vn_buf_span(&b), VN_SPAN_LIT("again"));
    vn_buf_done(&b);
}

static void consume_takes_from_the_front(void **state)
{
    (void)state;
    struct vn_buf b;
    vn_buf_init(&b, 100);
    assert_ok(vn_buf_append(&b, NULL, 0));
    vn_buf_consume(&b, 5); /* of nothing */
    assert_ok(vn_buf_append(&b, "abcdef", 6));
    vn_buf_consume(&b, 2);
    assert_span_equal(vn_buf_span(&b), VN_SPAN_LIT("cdef"));
    vn_buf_consume(&b, 4);
    assert_int_equal(b.len, 0);
    vn_buf_wipe(&b);
    assert_null(b.p);
}

static void behaves_like_a_plain_array(void **state)
{
    (void)state;
    static uint8_t model[5000];
    struct vn_buf b;
    size_t len = 0;
    vn_buf_init(&b, sizeof(model));
    for (int round = 0; round < 5000; round++) {
        uint8_t chunk[200];
        const size_t n = vn_test_below(sizeof(chunk));
        if (vn_test_below(2)) {
            vn_test_fill(chunk, n);
            const bool fits = len + n <= sizeof(model);
            assert_status(fits ? VN_OK : VN_ERR_LIMIT, vn_buf_append(&b, chunk, n));
            if (fits) {
                memcpy(model + len, chunk, n);
                len += n;
            }
        } else {
            const size_t take = n < len ? n : len;
            vn_buf_consume(&b, n);
            len -= take;
            memmove(model, model + take, len);
        }
        assert_span_equal(vn_buf_span(&b), VN_SPAN(model, len));
    }
    vn_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_ceiling_and_no_further),
        cmocka_unit_test(consume_takes_from_the_front),
        cmocka_unit_test(behaves_like_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
