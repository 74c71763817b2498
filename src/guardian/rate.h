/*
 * How often one caller may ask: a token bucket for each class of route and each caller. A caller
 * is who the bearer token names, or the client's address (IPv6: its /64) where there is none. The
 * table has a fixed size; of two callers that meet in a slot the fresher one counts, so a flood of
 * addresses makes the limit milder and costs no memory. Loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"

enum vn_rate {
    VN_RATE_READ,
    VN_RATE_WRITE,
    VN_RATE_PASSWORD, /* guesses at what people choose */
    VN_RATE_JOIN,     /* many nodes with one registration token */
    VN_RATE_SESSION,  /* of one node */
    VN_RATES,
};

struct vn_rates;
VN_MUST_CHECK vn_status vn_rates_new(struct vn_rates **ret);
struct vn_rates *vn_rates_free(struct vn_rates *r); /* returns NULL */

/** Takes one. Returns 0, or after how many seconds to ask again. now_ms is monotonic. */
unsigned vn_rates_take(struct vn_rates *r, enum vn_rate rate, struct vn_span caller,
                       uint64_t now_ms);
/** What a class allows, for the documentation: so many at once, and so many a second after that,
 * in thousandths. */
void vn_rates_limits(enum vn_rate rate, unsigned *ret_burst, unsigned *ret_per_1000s);
