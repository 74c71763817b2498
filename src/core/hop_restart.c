/*
 * ICE restart of a tether that is up (RFC 8445 section 9; DESIGN section 9): new parameters at both
 * ends, agreed on over the control channel; what runs through the tether notices a gap. One for a
 * better pair may come to nothing, and nothing follows from that. Timers: see hop.c.
 */
#include "core/node_i.h"

#define GATHER_WAIT_MS 50u

void vn_hop_restart_begin(struct vn_node *n, struct vn_hop *h, uint32_t generation, bool better)
{
    struct vn_ice_params local[VN_HOP_PCS];
    if (vn_hop_make_ice(n, local) == VN_OK) {
        memcpy(h->local, local, sizeof(h->local));
        h->generation = generation;
        h->restarting = true;
        h->better = better;
        h->remote_known = h->gathered = false;
        h->candidate_count = h->signalled = 0;
        h->sends = h->restart_tries = 0;
        h->restart_ms = n->now_ms;
        vn_log(VN_LOG_DEBUG, "tether_restart", VN_KV_ID("peer", &h->peer->id),
               VN_KV_U64("handle", h->handle), VN_KV_U64("generation", generation));
        vn_tell_tether_restart(n, h->handle, better, h->local);
        vn_timer_arm(&n->timers, &h->timer, n->now_ms + GATHER_WAIT_MS);
    }
    vn_wipe(local, sizeof(local));
}

void vn_hop_restart_answered(struct vn_node *n, struct vn_hop *h,
                             const struct vn_ice_params remote[VN_HOP_PCS])
{
    h->remote_known = true;
    vn_tell_tether_restart_start(n, h->handle, remote);
    if (h->sends > 0 && h->candidate_count > h->signalled)
        vn_hop_signal_candidates(n, h);
}

void vn_hop_restart_timer(struct vn_node *n, struct vn_hop *h)
{
    if (!h->restarting)
        return;
    /* A peer that does not know the tether any more has nothing to answer. */
    if (h->sends > 0 && !h->remote_known && n->session.control == VN_CONTROL_UP)
        h->restart_tries++;
    if (h->restart_tries > VN_OFFER_RESEND_MAX ||
        n->now_ms >= h->restart_ms + VN_TETHER_CONNECT_MS) {
        uint32_t handle = h->handle;
        if (h->better) {
            h->restarting = false;
            return;
        }
        vn_log(VN_LOG_DEBUG, "tether_restart_failed", VN_KV_ID("peer", &h->peer->id),
               VN_KV_U64("handle", handle));
        vn_tell_handle(n, VN_CMD_TETHER_CLOSE, handle);
        vn_hop_event_down(n, handle, VN_TETHER_DOWN_ADDRESS_GONE);
        return;
    }
    if (h->sends == 0 || !h->remote_known) {
        /* Whoever sleeps or has lost the control channel has another key by now, perhaps. */
        if (h->sends > 0 && !h->better)
            vn_dests_refresh(n, h->peer);
        vn_hop_signal_restart(n, h);
    }
    vn_timer_arm(&n->timers, &h->timer, n->now_ms + VN_OFFER_RESEND_MS);
}

void vn_hop_event_stranded(struct vn_node *n, uint32_t handle)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (h && h->state == VN_HOP_UP && (!h->restarting || h->better))
        vn_hop_restart_begin(n, h, h->generation + 1, false);
}

void vn_hop_event_better(struct vn_node *n, uint32_t handle)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (h && h->state == VN_HOP_UP && !h->restarting)
        vn_hop_restart_begin(n, h, h->generation + 1, true);
}

void vn_hop_event_restarted(struct vn_node *n, uint32_t handle)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h || !h->restarting)
        return;
    vn_timer_disarm(&n->timers, &h->timer);
    h->restarting = false;
    vn_log(VN_LOG_DEBUG, "tether_restarted", VN_KV_ID("peer", &h->peer->id),
           VN_KV_U64("handle", handle), VN_KV_U64("took_ms", n->now_ms - h->restart_ms));
}
