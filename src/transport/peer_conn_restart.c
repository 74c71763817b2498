/*
 * ICE restart (RFC 8445 section 9): a second peer connection, `next`, gathers and checks under the
 * new credentials, on sockets and TURN allocations of its own, while the first one's pair carries
 * on. When a pair of it is selected, the first gives back its own and takes over those, and the ICE
 * agent; DTLS and SCTP stay. `next` has neither: what comes to its sockets before is dropped, and
 * sent again.
 */
#include "base/log.h"
#include "transport/peer_conn_i.h"

static void on_next_down(void *arg, enum vn_tether_down why)
{
    struct vn_pc *pc = ((struct vn_pc *)arg)->before;
    const bool moving = vn_pc_is_moving(pc);
    vn_log(VN_LOG_DEBUG, moving ? "ice_restart_failed" : "ice_nothing_better",
           VN_KV_STR("connection", pc->identity), VN_KV_U64("why", why));
    pc->next = vn_pc_close(pc->next);
    /* Whether the former pair still works is consent's to say; its silence counts from now. */
    if (moving)
        vn_consent_heard(&pc->consent, vn_pc_now(pc));
    pc->due_now = true;
    vn_pc_arm(pc);
    if (!moving)
        pc->handler.stayed(pc->handler.arg);
}

bool vn_pc_is_moving(const struct vn_pc *pc)
{
    return pc->next && !pc->next->cfg.than.set;
}

static void on_next_candidate(void *arg, const struct vn_candidate *c)
{
    const struct vn_pc *pc = ((struct vn_pc *)arg)->before;
    pc->handler.candidate(pc->handler.arg, c);
}

static void on_next_gathered(void *arg)
{
    const struct vn_pc *pc = ((struct vn_pc *)arg)->before;
    pc->handler.gathered(pc->handler.arg);
}

vn_status vn_pc_restart(struct vn_pc *pc, const struct vn_ice_params *local, bool better)
{
    static const struct vn_pc_handler handler = {
        .candidate = on_next_candidate, .gathered = on_next_gathered, .down = on_next_down};
    if (pc->state != VN_PC_OPEN || pc->closed || pc->failure)
        return VN_ERR_STATE;
    struct vn_pc_config cfg = pc->cfg;
    struct vn_pc_handler h = handler;
    struct vn_pc *next;
    cfg.local = *local;
    if (better)
        cfg.than = vn_ice_than(pc->ice);
    if (better && !cfg.than.set)
        return VN_ERR_STATE;
    pc->next = vn_pc_close(pc->next);
    vn_status st = vn_pc_open(pc->transport, &cfg, &h, &next);
    vn_wipe(&cfg.local, sizeof(cfg.local));
    if (st != VN_OK)
        return st;
    next->handler.arg = next; /* whose `before` is found by it */
    next->before = pc;
    pc->next = next;
    return VN_OK;
}

vn_status vn_pc_restart_start(struct vn_pc *pc, const struct vn_ice_params *remote)
{
    const struct vn_pc_keys none = {.psk = {{0}}};
    return pc->next ? vn_pc_start(pc->next, remote, &none) : VN_ERR_STATE;
}

/* Watches know where their socket is kept, so each is made anew. */
static vn_status move_socket(struct vn_pc *pc, struct vn_pc_socket *from, struct vn_pc_socket *to)
{
    const struct vn_io *io = pc->transport->io;
    *to = (struct vn_pc_socket){.pc = pc, .index = from->index, .fd = from->fd};
    io->unwatch(from->watch);
    from->watch = NULL;
    from->fd = -1;
    return to->fd < 0 ? VN_OK
                      : io->watch(io->self, to->fd, VN_IO_READ, vn_pc_on_socket, to, &to->watch);
}

void vn_pc_adopt(struct vn_pc *next)
{
    struct vn_pc *pc = next->before;
    vn_status st = VN_OK;
    vn_pc_flush(pc);
    vn_pc_close_sockets(pc);
    pc->backlog = vn_udp_tx_free(pc->backlog); /* SCTP sends it again */
    for (size_t i = 0; i < next->socket_count; i++) {
        const vn_status moved = move_socket(pc, &next->sockets[i], &pc->sockets[i]);
        st = st == VN_OK ? moved : st;
        pc->candidates[i] = next->candidates[i];
    }
    pc->socket_count = next->socket_count;
    pc->host_count = next->host_count;
    next->socket_count = next->host_count = 0;
    const vn_status moved = vn_pc_move_relays(pc, next);
    st = st == VN_OK ? moved : st;
    pc->reflex = next->reflex;
    memcpy(pc->reflexive, next->reflexive, sizeof(pc->reflexive));
    pc->reflexive_count = next->reflexive_count;
    pc->reflexive_told = next->reflexive_told;
    (void)vn_ice_free(pc->ice);
    pc->ice = VN_TAKE(next->ice);
    vn_ice_set_arg(pc->ice, pc);
    pc->cfg.local = next->cfg.local;
    pc->pair = next->pair;
    pc->has_pair = true;
    pc->connected = false;
    pc->ice_heard_us = pc->ice_answered_us = 0;
    pc->next = vn_pc_close(next);
    vn_consent_init(&pc->consent, pc->transport->random, vn_pc_now(pc));
    if (st != VN_OK) {
        vn_pc_fail(pc, VN_TETHER_DOWN_INTERNAL);
    } else {
        /* Browsers go over to another pair whenever they like it better. */
        if (!pc->cfg.foreign)
            vn_pc_settle(pc);
        vn_sctp_path_changed(pc->sctp, vn_pc_now(pc));
        vn_pc_fit_to_path(pc);
        vn_pc_plan_better(pc);
        vn_log(VN_LOG_DEBUG, "ice_restarted", VN_KV_STR("connection", pc->identity),
               VN_KV_IP("ip", &pc->pair.remote_addr.ip));
        if (pc->handler.restarted)
            pc->handler.restarted(pc->handler.arg);
    }
    if (vn_pc_is_live(pc))
        vn_pc_progress(pc);
}
