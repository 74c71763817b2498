/*
 * sources: router/fixed.c
 * options: --unwind 2
 * proves: liveness and headroom: no overflow; the silence that is borne is 60 to 200 ms, death is
 * proves: never said before it has passed, and said at the latest when the deadline has
 * bound: none
 */
#include "harness.h"

#include "router/headroom.c"
#include "router/liveness.c"

static void liveness(void)
{
    struct vn_liveness l = {.srtt_us = nondet_u32(),
                            .rttvar_us = nondet_u32(),
                            .heard_us = nondet_u64(),
                            .oldest_us = nondet_u64(),
                            .asked_us = nondet_u64(),
                            .restart_us = nondet_u64()};
    const uint64_t forever = UINT64_C(1) << 60;
    __CPROVER_assume(l.srtt_us <= RTT_MAX_US && l.rttvar_us <= RTT_MAX_US);
    __CPROVER_assume(l.heard_us < forever && l.oldest_us < forever && l.restart_us < forever);
    vn_liveness_rtt(&l, nondet_u32());
    assert(l.srtt_us <= RTT_MAX_US && l.rttvar_us <= RTT_MAX_US);
    uint32_t window = vn_liveness_window_us(&l);
    assert(window >= VN_LIVENESS_MIN_US && window <= VN_LIVENESS_MAX_US);
    uint64_t now_us = nondet_u64();
    __CPROVER_assume(now_us < forever);
    struct vn_liveness before = l;
    enum vn_liveness_verdict verdict = vn_liveness_check(&l, now_us);
    if (verdict == VN_SILENT) {
        assert(before.oldest_us != 0);
        assert(now_us >= before.heard_us + window && now_us >= before.restart_us + window);
        assert(now_us >= before.oldest_us + before.srtt_us + window);
    }
    uint64_t deadline = vn_liveness_deadline_us(&before);
    assert((deadline == 0) == (before.oldest_us == 0));
    if (deadline != 0 && now_us >= deadline)
        assert(verdict == (before.asked_us ? VN_SILENT : verdict) && verdict != VN_ALIVE);
}

static void headroom(void)
{
    struct vn_headroom h = {nondet_u64(), nondet_u64(), nondet_u32(), nondet_u32()};
    __CPROVER_assume(h.headroom_q16 <= VN_Q16);
    vn_headroom_look(&h, nondet_u64(), nondet_u32(), nondet_u64());
    assert(h.headroom_q16 <= VN_Q16 && h.at_us != 0);
}

int main(void)
{
    if (nondet_bool())
        liveness();
    else
        headroom();
    return 0;
}
