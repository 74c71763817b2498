#include "support/mutate.h"

#include <stdlib.h>

#include "support/guard.h"
#include "support/test.h"

#define FLIPS_MAX 4096
#define FLIPS_ALWAYS 1024

static struct vn_span heap_copy(struct vn_span s, size_t extra, uint8_t **ret)
{
    *ret = calloc(1, s.n + extra + 1);
    if (!*ret)
        abort();
    if (s.n > 0)
        memcpy(*ret, s.p, s.n);
    return VN_SPAN(*ret, s.n + extra);
}

void vn_test_lengths(struct vn_span valid, vn_test_decode decode, void *arg)
{
    struct vn_guard g;
    vn_guard_init(&g, valid.n + 1);
    assert_ok(decode(arg, vn_guard_copy(&g, valid)));
    for (size_t n = 0; n < valid.n; n++)
        if (decode(arg, vn_guard_copy(&g, VN_SPAN(valid.p, n))) == VN_OK)
            fail_msg("accepted %zu of %zu bytes", n, valid.n);
    uint8_t *longer;
    struct vn_span more = heap_copy(valid, 1, &longer);
    if (decode(arg, vn_guard_copy(&g, more)) == VN_OK)
        fail_msg("accepted a byte too many");
    free(longer);
    vn_guard_done(&g);
}

void vn_test_flips(struct vn_span valid, size_t from, size_t to, vn_test_decode decode, void *arg)
{
    struct vn_guard g;
    vn_guard_init(&g, valid.n);
    uint8_t *bytes;
    struct vn_span s = heap_copy(valid, 0, &bytes);
    const size_t stride = 1 + (to - from) / FLIPS_MAX;
    for (size_t i = from; i < to;
         i += i < from + FLIPS_ALWAYS ? 1 : 1 + vn_test_below(2 * stride)) {
        uint8_t bit = (uint8_t)(1u << vn_test_below(8));
        bytes[i] ^= bit;
        if (decode(arg, vn_guard_copy(&g, s)) == VN_OK)
            fail_msg("accepted with bit %02x of byte %zu flipped", bit, i);
        bytes[i] ^= bit;
    }
    assert_ok(decode(arg, vn_guard_copy(&g, s)));
    free(bytes);
    vn_guard_done(&g);
}
