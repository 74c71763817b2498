#include "base/pktbuf.h"

#include "base/limits.h"
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

static void shares_end_one_by_one(void **state)
{
    (void)state;
    struct vn_pktbuf *b, *alone;
    assert_ok(vn_pktbuf_new(100, &b));
    memcpy(vn_pktbuf_put(b, 4), "body", 4);
    assert_ok(vn_pktbuf_unshare(b, &alone));
    assert_ptr_equal(b, alone);
    assert_ptr_equal(b, vn_pktbuf_share(b));
    assert_true(vn_pktbuf_is_shared(b));
    assert_ok(vn_pktbuf_unshare(b, &alone)); /* takes one of the two */
    assert_ptr_not_equal(b, alone);
    assert_span_equal(vn_pktbuf_span(b), vn_pktbuf_span(alone));
    assert_false(vn_pktbuf_is_shared(b));
    assert_false(vn_pktbuf_is_shared(alone));
    alone->data[0] = 'B';
    assert_int_equal('b', b->data[0]);
    vn_pktbuf_free(alone);
    vn_pktbuf_share(b);
    vn_pktbuf_free(b);
    assert_span_equal(vn_pktbuf_span(b), VN_SPAN_LIT("body"));
    vn_pktbuf_free(b);
}

/* Buffers that are kept for the next use come back as new ones. */
static void used_buffers_are_as_new(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        10,    400,   1500, 2048, 2049, 16384, VN_SUPER_PACKET_OURS, VN_SUPER_PACKET_OURS + 1,
        65000, 66560, 66561};
    for (int round = 0; round < 3; round++) {
        struct vn_pktbuf *b[VN_ARRAY_LEN(sizes)][40];
        for (size_t i = 0; i < VN_ARRAY_LEN(sizes); i++) {
            for (size_t k = 0; k < 40; k++) {
                assert_ok(vn_pktbuf_new(sizes[i], &b[i][k]));
                assert_int_equal(b[i][k]->len, 0);
                assert_int_equal(b[i][k]->kind, 0);
                assert_int_equal(vn_pktbuf_headroom(b[i][k]), VN_PKTBUF_HEAD);
                assert_true(vn_pktbuf_tailroom(b[i][k]) >= sizes[i] + VN_PKTBUF_TAIL);
                memset(vn_pktbuf_put(b[i][k], sizes[i]), (int)k, sizes[i]);
                b[i][k]->kind = 3;
            }
        }
        for (size_t i = 0; i < VN_ARRAY_LEN(sizes); i++) {
            for (size_t k = 0; k < 40; k++) {
                assert_int_equal(b[i][k]->data[sizes[i] - 1], k);
                vn_pktbuf_free(b[i][k]);
            }
        }
        if (round == 1)
            vn_pktbuf_trim();
    }
    vn_pktbuf_trim();
    vn_pktbuf_trim();
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
        cmocka_unit_test(shares_end_one_by_one),
        cmocka_unit_test(used_buffers_are_as_new),
        cmocka_unit_test(queue_is_first_in_first_out_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
