#include "guardian/rate.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/kdf.h"
#include "crypto/rng.h"

#define SLOTS 4096
#define KEY 8 /* bytes of a hash under a random key, so that nobody chooses whom to meet */

static const struct {
    unsigned burst, per_1000s;
} LIMITS[VN_RATES] = {
    [VN_RATE_READ] = {300, 50000},   [VN_RATE_WRITE] = {200, 20000}, [VN_RATE_PASSWORD] = {60, 500},
    [VN_RATE_JOIN] = {1000, 200000}, [VN_RATE_SESSION] = {60, 1000},
};

struct slot {
    uint8_t key[KEY];
    uint32_t left;  /* thousandths of a request */
    uint64_t at_ms; /* when left was so */
};

struct vn_rates {
    uint8_t secret[32];
    struct slot slots[SLOTS];
};

vn_status vn_rates_new(struct vn_rates **ret)
{
    struct vn_rates *r = calloc(1, sizeof(*r));
    if (!r)
        return VN_ERR_NOMEM;
    vn_status st = vn_rng_bytes(r->secret, sizeof(r->secret));
    if (st != VN_OK) {
        free(r);
        return st;
    }
    *ret = r;
    return VN_OK;
}

struct vn_rates *vn_rates_free(struct vn_rates *r)
{
    free(r);
    return NULL;
}

void vn_rates_limits(enum vn_rate rate, unsigned *ret_burst, unsigned *ret_per_1000s)
{
    *ret_burst = LIMITS[rate].burst;
    *ret_per_1000s = LIMITS[rate].per_1000s;
}

unsigned vn_rates_take(struct vn_rates *r, enum vn_rate rate, struct vn_span caller,
                       uint64_t now_ms)
{
    const uint8_t class = (uint8_t)rate;
    const struct vn_span parts[] = {VN_SPAN(&class, 1), caller};
    struct vn_hash h;
    if (vn_hmac(VN_SHA256, VN_SPAN_ARRAY(r->secret), parts, VN_ARRAY_LEN(parts), &h) != VN_OK)
        return 0; /* out of memory: nobody is to be blamed for it */
    struct slot *s = &r->slots[(h.b[KEY] << 8 | h.b[KEY + 1]) % SLOTS];
    const uint32_t full = LIMITS[rate].burst * 1000;
    if (memcmp(s->key, h.b, KEY) != 0) {
        memcpy(s->key, h.b, KEY);
        s->left = full;
        s->at_ms = now_ms;
    }
    const uint64_t passed_ms = now_ms - s->at_ms;
    const uint64_t more = passed_ms * LIMITS[rate].per_1000s / 1000;
    if (more) { /* what is less than a thousandth goes on growing */
        s->left = (uint32_t)VN_MIN(s->left + more, (uint64_t)full);
        s->at_ms = now_ms;
    }
    if (s->left >= 1000) {
        s->left -= 1000;
        return 0;
    }
    return (1000 - s->left + LIMITS[rate].per_1000s - 1) / LIMITS[rate].per_1000s;
}
