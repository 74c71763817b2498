/* What `explain` shows of a destination's arms [R6]: what each costs, and why it is not used. */
#pragma once

#include "router/ccx.h"

enum vn_arm_reason {
    VN_ARM_IN_USE,
    VN_ARM_PINNED,      /* in use, by policy */
    VN_ARM_STANDBY,     /* kept warm */
    VN_ARM_EXCLUDED,    /* by policy */
    VN_ARM_DEAD,        /* no answer since it ended */
    VN_ARM_HELD,        /* it answers probes, but ended under traffic lately */
    VN_ARM_UNMEASURED,  /* no answer yet */
    VN_ARM_COSTLIER,    /* than the one in use */
    VN_ARM_SMALL_GAIN,  /* cheaper, but not enough to move */
    VN_ARM_NO_HEADROOM, /* cheaper, but its relay has less than half of its room */
    VN_ARM_LOT,         /* cheaper; the lot decides when to move */
    VN_ARM_OVERRULED    /* by the pin */
};

struct vn_arm_report {
    uint64_t key;
    enum vn_arm_reason reason;
    uint32_t cost_us; /* 0: unknown */
    uint32_t weight_q16, loss_q16, headroom_q16;
    uint32_t age; /* ticks since the last measurement */
};

/** One row for each arm, in the learner's order. Returns their number. */
size_t vn_ccx_explain(const struct vn_ccx *c, struct vn_arm_report ret[VN_CCX_ARMS_MAX]);
/** One word for it, for people and JSON: "in_use", "costlier". */
const char *vn_arm_reason_name(enum vn_arm_reason reason);
