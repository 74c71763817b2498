#include "support/test.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/text.h"

#define HEX_SLOTS 16
#define HEX_MAX 8192

struct vn_span vn_test_hex(const char *hex)
{
    static uint8_t slots[HEX_SLOTS][HEX_MAX];
    static size_t next;
    uint8_t *p = slots[next++ % HEX_SLOTS];
    size_t n = 0;
    if (vn_hex_decode(VN_SPAN_STR(hex), p, HEX_MAX, &n) != VN_OK)
        fail_msg("not hexadecimal, or too long: %.40s", hex);
    return VN_SPAN(p, n);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t vn_test_random(void)
{
    static uint64_t state;
    static bool seeded;
    if (!seeded) {
        const char *given = getenv("VN_TEST_SEED");
        if (given)
            state = strtoull(given, NULL, 0);
        else if (getrandom(&state, sizeof(state), 0) != (ssize_t)sizeof(state))
            abort();
        seeded = true;
        printf("# VN_TEST_SEED=%" PRIu64 "\n", state);
    }
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

size_t vn_test_below(size_t n)
{
    return (size_t)(vn_test_random() % n);
}

void vn_test_fill(void *p, size_t n)
{
    uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)vn_test_random();
}
