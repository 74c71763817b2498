#include "support/test.h"
#include "wire/merkle.h"

static struct vn_hash leaves[VN_MERKLE_LEAVES_MAX];

static void make_leaves(enum vn_hash_alg alg, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_ok(vn_hash(alg, VN_PARTS(VN_SPAN(&i, sizeof(i))), &leaves[i]));
}

/* The root as the definition has it, without levels or paths. */
static struct vn_hash root_of(enum vn_hash_alg alg, const struct vn_hash *list, size_t n)
{
    if (n == 1)
        return list[0];
    size_t left = 1;
    while (left * 2 < n)
        left *= 2;
    struct vn_hash l = root_of(alg, list, left), r = root_of(alg, list + left, n - left), up;
    assert_ok(vn_hash(alg, VN_PARTS(VN_SPAN_LIT("\x03"), vn_hash_span(&l), vn_hash_span(&r)), &up));
    return up;
}

static struct vn_span path_bytes(const struct vn_merkle *m, size_t i, uint8_t *buf)
{
    const struct vn_hash *path[VN_MERKLE_PATH_MAX];
    size_t count = vn_merkle_path(m, i, path), at = 0;
    for (size_t k = 0; k < count; k++, at += path[k - 1]->n)
        memcpy(buf + at, path[k]->b, path[k]->n);
    return VN_SPAN(buf, at);
}

static void check_tree(enum vn_hash_alg alg, size_t n)
{
    struct vn_merkle *m;
    make_leaves(alg, n);
    assert_ok(vn_merkle_new(alg, leaves, n, &m));
    struct vn_hash want = root_of(alg, leaves, n), got;
    assert_true(vn_hash_equal(&want, vn_merkle_root(m)));
    for (size_t i = 0; i < n; i++) {
        uint8_t buf[VN_MERKLE_PATH_MAX * VN_HASH_MAX + 1];
        struct vn_span path = path_bytes(m, i, buf);
        assert_int_equal(path.n, vn_merkle_path_len(i, n) * vn_hash_len(alg));
        assert_ok(vn_merkle_climb(alg, &leaves[i], i, n, path, &got));
        assert_true(vn_hash_equal(&want, &got));
        if (n == 1)
            continue;
        assert_ok(vn_merkle_climb(alg, &leaves[(i + 1) % n], i, n, path, &got));
        assert_false(vn_hash_equal(&want, &got));
        buf[vn_test_below(path.n)] ^= 1;
        assert_ok(vn_merkle_climb(alg, &leaves[i], i, n, path, &got));
        assert_false(vn_hash_equal(&want, &got));
    }
    vn_merkle_free(m);
}

static void test_every_size(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 33; n++)
        check_tree(VN_SHA256, n);
    check_tree(VN_SHA384, 21);
    check_tree(VN_SHA256, VN_MERKLE_LEAVES_MAX);
    check_tree(VN_SHA256, VN_MERKLE_LEAVES_MAX - 1);
}

static void test_limits(void **state)
{
    (void)state;
    struct vn_merkle *m;
    struct vn_hash root;
    uint8_t path[32 * 3] = {0};
    make_leaves(VN_SHA256, 5);
    assert_status(VN_ERR_ARG, vn_merkle_new(VN_SHA256, leaves, 0, &m));
    assert_status(VN_ERR_ARG, vn_merkle_new(VN_SHA256, leaves, VN_MERKLE_LEAVES_MAX + 1, &m));
    assert_status(VN_ERR_ARG, vn_merkle_new(VN_SHA384, leaves, 5, &m));
    assert_status(VN_ERR_ARG, vn_merkle_climb(VN_SHA256, &leaves[0], 5, 5, VN_SPAN_NONE, &root));
    assert_status(VN_ERR_ARG,
                  vn_merkle_climb(VN_SHA256, &leaves[0], 0, 5, VN_SPAN(path, 64), &root));
    assert_status(VN_ERR_ARG,
                  vn_merkle_climb(VN_SHA256, &leaves[4], 4, 5, VN_SPAN(path, 96), &root));
    assert_ok(vn_merkle_climb(VN_SHA256, &leaves[4], 4, 5, VN_SPAN(path, 32), &root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
