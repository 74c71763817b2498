#include "base/pktbuf.h"

#include "support/test.h"

static void has_room_on_both_sides(void **state)
{
    (void)state;
    VN_CLEANUP(vn_pktbuf_freep) struct vn_pktbuf *b = NULL;
    assert_ok(vn_pktbuf_new(100, &b));
    assert_int_equal(b->len, 0);
    assert_int_equal(vn_pktbuf_headroom(b), VN_PKTBUF_HEAD);
    assert_int_equal(vn_pktbuf_tailroom(b), 100 + VN_PKTBUF_TAIL);
    memcpy(vn_pktbuf_put(b, 4), "body", 4);
    memcpy(vn_pktbuf_push(b, 4), "head", 4);
    assert_span_equal(vn_pktbuf_span(b), VN_SPAN_LIT("headbody"));
    memset(vn_pktbuf_push(b, VN_PKTBUF_HEAD - 4), 1, VN_PKTBUF_HEAD - 4);
    memset(vn_pktbuf_put(b, 96 + VN_PKTBUF_TAIL), 2, 96 + VN_PKTBUF_TAIL);
    assert_int_equal(vn_pktbuf_headroom(b), 0);
    assert_int_equal(vn_pktbuf_tailroom(b), 0);
    assert_int_equal(b->len, b->cap);
}

static void size_cannot_wrap(void **state)
{
    (void)state;
    struct vn_pktbuf *b = NULL;
    assert_status(VN_ERR_LIMIT, vn_pktbuf_new(SIZE_MAX - 10, &b));
    assert_null(b);
    assert_null(vn_pktbuf_free(NULL));
}

static void queue_is_first_in_first_out_and_counts(void **state)
{
    (void)state;
    struct vn_pktqueue q = {0};
    assert_null(vn_pktqueue_pop(&q));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 1; i <= 4; i++) {
            struct vn_pktbuf *b = NULL;
            assert_ok(vn_pktbuf_new(10, &b));
            *vn_pktbuf_put(b, i) = (uint8_t)i;
            vn_pktqueue_push(&q, b);
        }
        assert_int_equal(q.count, 4);
        assert_int_equal(q.bytes, 10);
        for (uint8_t i = 1; i <= 4; i++) {
            struct vn_pktbuf *b = vn_pktqueue_pop(&q);
            assert_int_equal(b->data[0], i);
            assert_null(b->next);
            vn_pktbuf_free(b);
        }
        assert_int_equal(q.count + q.bytes, 0);
    }
    struct vn_pktbuf *b = NULL;
    assert_ok(vn_pktbuf_new(0, &b));
    vn_pktqueue_push(&q, b);
    vn_pktqueue_clear(&q);
    assert_null(q.head);
    assert_null(q.tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_room_on_both_sides),
        cmocka_unit_test(size_cannot_wrap),
        cmocka_unit_test(queue_is_first_in_first_out_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
