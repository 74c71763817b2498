/*
 * A pair that was selected need not stay the best: a firewall lets go, a link comes back, a cable
 * is plugged in. A restart finds out (peer_conn_restart.c); here is when it is wanted: by the
 * controlling end, as nomination is its choice, while a pair that ICE would prefer has not worked,
 * after 5 s and then ever more seldom; and by either soon after it has got another address.
 */
#include "transport/peer_conn_i.h"

void vn_pc_plan_better(struct vn_pc *pc)
{
    const bool may =
        pc->handler.better && pc->cfg.controlling && pc->transport->filter != VN_CANDIDATES_RELAY;
    pc->better_gap_us = VN_BETTER_FIRST_US;
    pc->better_us =
        may && vn_ice_could_be_better(pc->ice) ? vn_pc_now(pc) + VN_BETTER_FIRST_US : UINT64_MAX;
}

static bool was_tried(const struct vn_pc *pc, const struct vn_addr *a)
{
    for (size_t i = 0; i < pc->host_count; i++)
        if (vn_ip_equal(&pc->candidates[i].addr.ip, &a->ip))
            return true;
    return false;
}

/* This machine has an address that the candidates do not name. */
static bool has_another(const struct vn_pc *pc)
{
    const struct vn_transport *tp = pc->transport;
    for (size_t i = 0; i < tp->here_count; i++)
        if (!was_tried(pc, &tp->here[i]))
            return true;
    return false;
}

void vn_pc_hurry_better(struct vn_pc *pc)
{
    if (pc->state != VN_PC_OPEN || pc->closed || !pc->handler.better || !has_another(pc))
        return;
    pc->better_us = vn_pc_now(pc) + VN_BETTER_CHANGE_US;
    vn_pc_arm(pc);
}

void vn_pc_hurry_first(struct vn_pc *pc)
{
    if (pc->state > VN_PC_EXPECT_PAIR || pc->closed || pc->before || !pc->handler.better ||
        vn_pc_now(pc) - pc->started_us < VN_BETTER_CHANGE_US || !has_another(pc))
        return;
    vn_pc_fail(pc, VN_TETHER_DOWN_ADDRESS_GONE);
    vn_pc_progress(pc);
}

void vn_pc_tick_better(struct vn_pc *pc, uint64_t now_us)
{
    if (pc->state != VN_PC_OPEN || now_us < pc->better_us)
        return;
    pc->better_us = pc->cfg.controlling ? now_us + pc->better_gap_us : UINT64_MAX;
    pc->better_gap_us = VN_MIN(2 * pc->better_gap_us, (uint64_t)VN_BETTER_MAX_US);
    if (!pc->next)
        pc->handler.better(pc->handler.arg);
}
