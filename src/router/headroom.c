#include "router/headroom.h"

#include "base/attr.h"

#define FULL_Q16 (VN_Q16 / 10 * 9) /* the last tenth is for what is there already */

void vn_headroom_init(struct vn_headroom *h)
{
    *h = (struct vn_headroom){.headroom_q16 = VN_Q16};
}

void vn_headroom_look(struct vn_headroom *h, uint64_t bytes, uint32_t capacity_kbps,
                      uint64_t now_us)
{
    if (h->at_us == 0 || now_us <= h->at_us || bytes < h->bytes) {
        h->at_us = VN_MAX(now_us, UINT64_C(1));
        h->bytes = bytes;
        return;
    }
    uint64_t more = VN_MIN(bytes - h->bytes, UINT64_C(1) << 50);
    uint64_t rate = VN_MIN(more * 8000 / (now_us - h->at_us), (uint64_t)UINT32_MAX);
    /* A rise counts in full: who comes next must know. A fall is believed by halves. */
    h->rate_kbps = (uint32_t)(rate >= h->rate_kbps ? rate : (h->rate_kbps + rate) / 2);
    h->at_us = now_us;
    h->bytes = bytes;
    uint32_t full = (uint32_t)((uint64_t)capacity_kbps * FULL_Q16 / VN_Q16);
    h->headroom_q16 = VN_Q16 - vn_q16_ratio(h->rate_kbps, full, VN_Q16);
}
