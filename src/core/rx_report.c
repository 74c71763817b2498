/* What a destination tells the source of its bulk frames: which of a lane arrived (DESIGN 7). */
#include "core/rx.h"

static void fill(struct vn_rx *rx, uint8_t lane, struct vn_delivery *ret)
{
    struct vn_rx_lane *l = &rx->lanes[lane];
    const struct vn_replay *r = &l->replay;
    uint64_t first = vn_replay_known(r);
    if (r->next > VN_REPORT_SPAN)
        first = VN_MAX(first, r->next - VN_REPORT_SPAN);
    /* Gaps stay until they are too far back: real-time frames that were lost nobody sends again. */
    if (l->all_below < first)
        l->known = l->all_below = first;
    while (l->all_below < r->next && !vn_replay_check(r, l->all_below))
        l->all_below++;
    l->told_next = r->next;
    const uint64_t next = l->all_below;
    ret->lane = lane;
    ret->known = l->known;
    ret->next = next;
    ret->bits_len = (size_t)(r->next - next + 7) / 8;
    for (uint64_t seq = next; seq < r->next; seq++)
        if (!vn_replay_check(r, seq))
            ret->bits[(seq - next) / 8] |= (uint8_t)(1u << (seq - next) % 8);
}

/* False: it is tried again. */
static bool report_lane(struct vn_rx *rx, uint8_t lane)
{
    struct vn_delivery_msg *ev;
    if (vn_post_msg_new(VN_EV_RX_REPORT, sizeof(*ev), &ev) != VN_OK)
        return false;
    ev->handle = rx->handle;
    fill(rx, lane, &ev->delivery);
    return vn_worker_tell(rx->worker, &ev->msg);
}

void vn_rx_report_at(struct vn_rx *rx, uint64_t at_us)
{
    struct vn_worker *w = rx->worker;
    rx->report_us = VN_MIN(rx->report_us, at_us);
    w->report_us = VN_MIN(w->report_us, at_us);
    if (vn_list_empty(&rx->of_reporting))
        vn_list_append(&w->reporting, &rx->of_reporting);
}

static void report(struct vn_rx *rx)
{
    for (uint8_t lane = 0; lane < VN_LANES_MAX; lane++)
        if ((rx->unreported_lanes >> lane & 1) && report_lane(rx, lane))
            rx->unreported_lanes &= (uint16_t)~(1u << lane);
    rx->unreported_bytes = rx->unreported_frames = 0;
    rx->report_us = UINT64_MAX;
    const uint64_t again_us = rx->worker->now_us + VN_REPORT_US;
    const uint64_t tally_us = vn_rx_tallies_due(rx);
    const uint64_t next_us = rx->unreported_lanes ? VN_MIN(again_us, tally_us) : tally_us;
    if (next_us != UINT64_MAX)
        vn_rx_report_at(rx, next_us);
    else
        vn_list_remove(&rx->of_reporting);
}

void vn_rx_report_all(struct vn_rx *rx)
{
    for (uint8_t lane = 0; lane < VN_LANES_MAX; lane++)
        if (rx->lanes[lane].replay.next > 0)
            rx->unreported_lanes |= (uint16_t)(1u << lane);
    report(rx);
}

/* What came before must be told of before the numbers leave it behind. */
static bool is_far(const struct vn_rx *rx, uint8_t lane)
{
    const struct vn_rx_lane *l = &rx->lanes[lane];
    return (rx->unreported_lanes >> lane & 1) &&
           l->replay.next - l->told_next >= VN_REPORT_SPAN / 2;
}

static void bulk_arrived(struct vn_rx *rx, const struct vn_rx_way *way, uint8_t lane, size_t bytes)
{
    const uint64_t now_us = rx->worker->now_us;
    const bool relayed = way->relayed; /* else the source is told by the tether itself */
    rx->unreported_lanes |= (uint16_t)(1u << lane);
    rx->unreported_bytes += bytes;
    rx->unreported_frames++;
    if (relayed &&
        (rx->unreported_bytes >= VN_REPORT_BYTES || rx->unreported_frames >= VN_REPORT_FRAMES)) {
        report(rx);
        return;
    }
    const bool little = !relayed || rx->unreported_bytes < VN_REPORT_LITTLE_BYTES;
    if (little && !vn_list_empty(&rx->of_reporting))
        return;
    const uint64_t quarter = way->srtt_us / 4;
    const uint64_t wait = little ? VN_REPORT_LITTLE_US : VN_MAX(quarter, (uint64_t)VN_REPORT_US);
    vn_rx_report_at(rx, now_us + wait);
}

void vn_rx_arrived(struct vn_rx *rx, const struct vn_rx_way *way, const struct vn_e2e_header *head,
                   size_t bytes)
{
    const bool bulk = head->cls == VN_TETHER_BULK;
    if (way->relayed && bulk)
        vn_replay_widen(&rx->lanes[head->lane].replay, VN_REPORT_SPAN);
    if (bulk)
        bulk_arrived(rx, way, head->lane, bytes);
    if (way->relayed && is_far(rx, head->lane))
        report(rx);
}

void vn_rx_report_due(struct vn_worker *w)
{
    w->report_us = UINT64_MAX;
    VN_LIST_EACH(it, &w->reporting)
    {
        struct vn_rx *rx = VN_LIST_ENTRY(it, struct vn_rx, of_reporting);
        if (rx->report_us <= w->now_us)
            report(rx);
        else
            w->report_us = VN_MIN(w->report_us, rx->report_us);
    }
}
