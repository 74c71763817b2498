#include "base/buf.h"
#include "crypto/rng.h"
#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"
#include "wire/setup.h"

#define NODES VN_SETUP_SLOTS

struct nodes {
    const struct vn_suite_info *suite;
    struct vn_kem_dk *dk[NODES];
    struct vn_setup_hop hops[NODES];
};

static void nodes_init(struct nodes *n, enum vn_suite suite)
{
    n->suite = vn_suite_get(suite);
    for (size_t i = 0; i < NODES; i++) {
        assert_ok(vn_kem_generate(n->suite->kem, &n->dk[i]));
        memset(n->hops[i].node.b, (int)('A' + i), VN_ID_LEN);
        n->hops[i].ek = vn_kem_ek(n->dk[i]);
    }
}

static void nodes_done(struct nodes *n)
{
    for (size_t i = 0; i < NODES; i++)
        vn_kem_free(n->dk[i]);
}

/* Each node opens its slot, learns the next one alone, and passes on as much as it got. */
static void walk(enum vn_suite suite, size_t count)
{
    struct nodes n;
    uint8_t blob[VN_SETUP_BLOB_MAX], next[VN_SETUP_BLOB_MAX];
    struct vn_setup_keys keys[NODES];
    nodes_init(&n, suite);
    size_t len = vn_setup_blob_len(n.suite);
    assert_ok(vn_setup_seal(n.suite, n.hops, count, TEST_NOW_MS, 77, blob, keys));
    for (size_t i = 0; i < count; i++) {
        struct vn_setup_open o;
        /* Another node's slot does not open. */
        assert_status(VN_ERR_AUTH,
                      vn_setup_open(n.suite, n.dk[(i + 1) % NODES], VN_SPAN(blob, len), next, &o));
        assert_ok(vn_setup_open(n.suite, n.dk[i], VN_SPAN(blob, len), next, &o));
        assert_int_equal(TEST_NOW_MS, o.time_ms);
        assert_memory_equal(keys[i].mark, o.keys.mark, VN_SETUP_MARK_LEN);
        assert_memory_equal(keys[i].desc.b, o.keys.desc.b, 32);
        assert_int_equal(i + 1 == count ? VN_SETUP_END : VN_SETUP_NEXT, o.kind);
        if (o.kind == VN_SETUP_END)
            assert_int_equal(77, o.bind);
        else
            assert_true(vn_id_equal(&n.hops[i + 1].node, &o.next));
        /* Nothing of what is passed on stood in what came: the neighbours cannot compare. */
        for (size_t at = 0; at + 16 <= len; at += 16)
            assert_memory_not_equal(next + at, blob + at, 16);
        memcpy(blob, next, len);
    }
    nodes_done(&n);
}

static void test_every_length(void **state)
{
    (void)state;
    for (size_t count = 1; count <= NODES; count++) {
        walk(VN_SUITE_DEFAULT, count);
        walk(VN_SUITE_CNSA, count);
    }
}

static void test_changed_bytes(void **state)
{
    (void)state;
    struct nodes n;
    uint8_t blob[VN_SETUP_BLOB_MAX], next[VN_SETUP_BLOB_MAX];
    struct vn_setup_keys keys[NODES];
    struct vn_setup_open o;
    nodes_init(&n, VN_SUITE_DEFAULT);
    size_t len = vn_setup_blob_len(n.suite), slot = len / VN_SETUP_SLOTS;
    assert_ok(vn_setup_seal(n.suite, n.hops, 2, TEST_NOW_MS, 77, blob, keys));
    for (size_t at = 0; at < slot; at += at < slot - 60 ? 41 : 1) {
        blob[at] ^= 0x40;
        assert_status(VN_ERR_AUTH, vn_setup_open(n.suite, n.dk[0], VN_SPAN(blob, len), next, &o));
        blob[at] ^= 0x40;
    }
    /* What was meant for the next node fails there. */
    blob[slot + 20] ^= 1;
    assert_ok(vn_setup_open(n.suite, n.dk[0], VN_SPAN(blob, len), next, &o));
    assert_status(VN_ERR_AUTH, vn_setup_open(n.suite, n.dk[1], VN_SPAN(next, len), blob, &o));
    assert_status(VN_ERR_MALFORMED,
                  vn_setup_open(n.suite, n.dk[0], VN_SPAN(blob, len - 1), next, &o));
    assert_status(VN_ERR_ARG, vn_setup_seal(n.suite, n.hops, 0, 1, 1, blob, keys));
    assert_status(VN_ERR_ARG, vn_setup_seal(n.suite, n.hops, NODES + 1, 1, 1, blob, keys));
    assert_status(VN_ERR_ARG, vn_setup_seal(n.suite, n.hops, 1, 1, 0, blob, keys));
    nodes_done(&n);
}

static void test_heads(void **state)
{
    (void)state;
    struct vn_setup_open o = {.kind = VN_SETUP_END, .time_ms = 5, .bind = 6}, back = {0};
    uint8_t head[VN_SETUP_HEAD_LEN];
    vn_setup_head_encode(&o, head);
    assert_span_equal(VN_SPAN_ARRAY(head),
                      vn_test_hex("00000000000000000500000006000000000000000000000000"));
    assert_true(vn_setup_head_decode(VN_SPAN_ARRAY(head), &back));
    for (size_t n = 0; n < sizeof(head); n++)
        assert_false(vn_setup_head_decode(VN_SPAN(head, n), &back));
    head[24] = 1; /* behind bind there are zeros */
    assert_false(vn_setup_head_decode(VN_SPAN_ARRAY(head), &back));
    head[0] = 2;
    assert_false(vn_setup_head_decode(VN_SPAN_ARRAY(head), &back));
    o.bind = 0;
    vn_setup_head_encode(&o, head);
    assert_false(vn_setup_head_decode(VN_SPAN_ARRAY(head), &back));
}

static void test_descriptors(void **state)
{
    (void)state;
    struct vn_setup_keys k = {.desc.b = {1}, .mark = {2}};
    uint8_t sealed[9 + 16], plain[9];
    assert_ok(vn_setup_desc_seal(&k, VN_SPAN_LIT("some text"), sealed));
    assert_ok(vn_setup_desc_open(&k, VN_SPAN_ARRAY(sealed), plain));
    assert_memory_equal("some text", plain, 9);
    sealed[3] ^= 1;
    assert_status(VN_ERR_AUTH, vn_setup_desc_open(&k, VN_SPAN_ARRAY(sealed), plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
