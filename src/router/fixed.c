#include "router/fixed.h"

#include "base/attr.h"

uint32_t vn_q16_exp_neg(uint32_t x)
{
    /* 2^-(i/16) in Q16 */
    static const uint32_t table[17] = {65536, 62757, 60097, 57549, 55109, 52772,
                                       50535, 48393, 46341, 44376, 42495, 40693,
                                       38968, 37316, 35734, 34219, 32768};
    const uint64_t log2_e = 94548; /* Q16 */
    uint64_t y = (uint64_t)x * log2_e >> 16;
    uint64_t whole = y >> 16;
    if (whole >= 17)
        return 0;
    uint32_t at = (uint32_t)(y & 0xffff) >> 12, rest = (uint32_t)(y & 0xfff);
    uint32_t value = table[at] - ((table[at] - table[at + 1]) * rest >> 12);
    return value >> whole;
}

uint32_t vn_q16_ratio(uint32_t a, uint32_t b, uint32_t max)
{
    if (b == 0)
        return max;
    return (uint32_t)VN_MIN(((uint64_t)a << 16) / b, (uint64_t)max);
}

uint32_t vn_isqrt(uint64_t n)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 2) {
        if (n >= root + bit) {
            n -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}

uint64_t vn_dice_next(struct vn_dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t vn_dice_below(struct vn_dice *d, uint64_t n)
{
    return (uint64_t)((unsigned __int128)vn_dice_next(d) * n >> 64);
}
