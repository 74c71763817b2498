#include "router/liveness.h"

#include "base/attr.h"

#define RTT_MAX_US 60000000u

void vn_liveness_rtt(struct vn_liveness *l, uint32_t rtt_us)
{
    rtt_us = VN_MIN(rtt_us, RTT_MAX_US);
    rtt_us = VN_MAX(rtt_us, 1u);
    if (l->srtt_us == 0) { /* (2.2) */
        l->srtt_us = rtt_us;
        l->rttvar_us = rtt_us / 2;
        return;
    }
    uint32_t off = l->srtt_us > rtt_us ? l->srtt_us - rtt_us : rtt_us - l->srtt_us;
    l->rttvar_us = (uint32_t)(((uint64_t)l->rttvar_us * 3 + off) / 4); /* (2.3) */
    l->srtt_us = (uint32_t)(((uint64_t)l->srtt_us * 7 + rtt_us) / 8);
}

void vn_liveness_heard(struct vn_liveness *l, uint64_t now_us)
{
    l->heard_us = now_us;
    l->asked_us = 0;
}

void vn_liveness_unacked(struct vn_liveness *l, uint64_t oldest_us)
{
    l->oldest_us = oldest_us;
    if (!oldest_us)
        l->asked_us = 0;
}

void vn_liveness_loop(struct vn_liveness *l, uint64_t now_us, uint64_t late_us)
{
    if (late_us <= VN_LIVENESS_LATE_US)
        return;
    l->restart_us = now_us;
    l->asked_us = 0;
}

uint32_t vn_liveness_window_us(const struct vn_liveness *l)
{
    uint64_t window = VN_MIN((uint64_t)l->srtt_us * 3 / 2, (uint64_t)VN_LIVENESS_MAX_US);
    return (uint32_t)VN_MAX(window, (uint64_t)VN_LIVENESS_MIN_US);
}

/* From when on silence is unexplained. */
static uint64_t since(const struct vn_liveness *l)
{
    uint64_t due = l->oldest_us + l->srtt_us + 4 * (uint64_t)l->rttvar_us;
    uint64_t last = VN_MAX(l->heard_us, l->restart_us);
    return VN_MAX(due, last);
}

enum vn_liveness_verdict vn_liveness_check(struct vn_liveness *l, uint64_t now_us)
{
    uint64_t from = since(l);
    if (!l->oldest_us || now_us < from)
        return VN_ALIVE;
    if (now_us - from >= vn_liveness_window_us(l))
        return VN_SILENT;
    if (l->asked_us || now_us - from < vn_liveness_window_us(l) / 2)
        return VN_ALIVE;
    l->asked_us = now_us;
    return VN_ASK;
}

uint64_t vn_liveness_deadline_us(const struct vn_liveness *l)
{
    if (!l->oldest_us)
        return 0;
    uint32_t window = vn_liveness_window_us(l);
    return since(l) + (l->asked_us ? window : window / 2);
}
