#include "router/explain.h"

#include "base/attr.h"

static bool is_standby(const struct vn_ccx *c, const struct vn_ccx_arm *a)
{
    const struct vn_ccx_arm *list[VN_CCX_STANDBYS_MAX];
    size_t n = vn_ccx_standbys(c, list);
    for (size_t i = 0; i < n; i++)
        if (list[i] == a)
            return true;
    return false;
}

static enum vn_arm_reason reason_of(const struct vn_ccx *c, const struct vn_ccx_arm *a,
                                    const struct vn_ccx_arm *used)
{
    if (a->excluded)
        return VN_ARM_EXCLUDED;
    if (a == used)
        return c->is_pinned && c->pinned == a->key ? VN_ARM_PINNED : VN_ARM_IN_USE;
    if (a->state == VN_CCX_DEAD)
        return a->hold ? VN_ARM_HELD : VN_ARM_DEAD;
    if (a->state == VN_CCX_UNKNOWN)
        return VN_ARM_UNMEASURED;
    if (used && a->cost_us < used->cost_us) {
        if (c->is_pinned && c->pinned == used->key)
            return VN_ARM_OVERRULED;
        if (!vn_ccx_is_worth_it(used->cost_us, a->cost_us))
            return VN_ARM_SMALL_GAIN;
        return a->headroom_q16 < VN_Q16 / 2 ? VN_ARM_NO_HEADROOM : VN_ARM_LOT;
    }
    return is_standby(c, a) ? VN_ARM_STANDBY : VN_ARM_COSTLIER;
}

size_t vn_ccx_explain(const struct vn_ccx *c, struct vn_arm_report ret[VN_CCX_ARMS_MAX])
{
    const struct vn_ccx_arm *used = vn_ccx_current(c);
    for (size_t i = 0; i < c->count; i++) {
        const struct vn_ccx_arm *a = &c->arms[i];
        ret[i] = (struct vn_arm_report){.key = a->key,
                                        .reason = reason_of(c, a, used),
                                        .cost_us = a->state == VN_CCX_LIVE ? a->cost_us : 0,
                                        .weight_q16 = a->weight_q16,
                                        .loss_q16 = a->loss_q16,
                                        .headroom_q16 = a->headroom_q16,
                                        .age = a->age};
    }
    return c->count;
}

const char *vn_arm_reason_name(enum vn_arm_reason reason)
{
    static const char *const names[] = {
        [VN_ARM_IN_USE] = "in_use",
        [VN_ARM_PINNED] = "pinned",
        [VN_ARM_STANDBY] = "standby",
        [VN_ARM_EXCLUDED] = "excluded",
        [VN_ARM_DEAD] = "dead",
        [VN_ARM_HELD] = "held",
        [VN_ARM_UNMEASURED] = "unmeasured",
        [VN_ARM_COSTLIER] = "costlier",
        [VN_ARM_SMALL_GAIN] = "small_gain",
        [VN_ARM_NO_HEADROOM] = "no_headroom",
        [VN_ARM_LOT] = "lot",
        [VN_ARM_OVERRULED] = "overruled",
    };
    return names[reason];
}
