/*
 * TURN servers as local candidates. They are asked one after the other, the cheapest way first,
 * until one has given an address or a pair is selected; what is not used is given back.
 */
#include <stdio.h>

#include "base/log.h"
#include "transport/peer_conn_i.h"

void vn_pc_plan_relays(struct vn_pc *pc)
{
    const struct vn_transport *tp = pc->transport;
    const bool only = tp->filter == VN_CANDIDATES_RELAY;
    pc->relay_next_us = tp->turn_count == 0 || pc->cfg.than.set
                            ? UINT64_MAX
                            : vn_pc_now(pc) + (only ? 0 : VN_RELAY_DELAY_US);
}

bool vn_pc_may_relay(const struct vn_pc *pc)
{
    return pc->relay_count > 0 || pc->relay_next_us != UINT64_MAX;
}

/* Once for each server that Guardian names, not for each connection. */
static void complain(struct vn_transport *tp, const struct vn_addr *server, const char *why,
                     unsigned code)
{
    char detail[64];
    for (size_t i = 0; i < tp->turn_count; i++)
        if (vn_addr_equal(&tp->turn[i].addr, server)) {
            if (tp->turn_failed & 1u << i)
                return;
            tp->turn_failed |= 1u << i;
        }
    snprintf(detail, sizeof(detail), code ? "%s (%u)" : "%s", why, code);
    vn_log(VN_LOG_WARN, "turn_server_failed", VN_KV_IP("ip", &server->ip),
           VN_KV_STR("detail", detail));
}

static void on_ready(void *arg, unsigned events);
static void on_datagrams(void *arg, const struct vn_addr *from, const struct vn_dgram *d, size_t n);
static void on_drop(void *arg, enum vn_turn_input why);

static void open_next(struct vn_pc *pc)
{
    struct vn_transport *tp = pc->transport;
    pc->relay_next_us = UINT64_MAX;
    while (pc->relay_at < tp->turn_count && pc->relay_count < VN_RELAYS_MAX) {
        struct vn_pc_relay *slot = &pc->relays[pc->relay_count];
        const struct vn_relay_config cfg = {.io = tp->io,
                                            .random = tp->random,
                                            .so_mark = tp->so_mark,
                                            .server = &tp->turn[pc->relay_at++],
                                            .arg = slot,
                                            .on_ready = on_ready};
        *slot = (struct vn_pc_relay){.pc = pc, .local = SIZE_MAX};
        if (vn_relay_open(&cfg, &slot->relay) != VN_OK)
            continue; /* there is no way to it, such as none of its family */
        pc->relay_count++;
        if (pc->relay_at < tp->turn_count)
            pc->relay_next_us = vn_pc_now(pc) + VN_RELAY_STAGGER_US;
        return;
    }
}

/* It has an address: one more candidate, and the peers' checks may come. */
static void add_candidate(struct vn_pc *pc, struct vn_pc_relay *slot)
{
    const struct vn_netif_filter filter = vn_transport_filter(pc->transport);
    const struct vn_addr addr = vn_relay_addr(slot->relay);
    struct vn_addr remotes[VN_ICE_CANDIDATES_MAX];
    if (pc->socket_count == VN_ICE_CANDIDATES_MAX || !vn_netif_usable(&filter, &addr)) {
        slot->relay = vn_relay_close(slot->relay);
        return;
    }
    const size_t local = pc->socket_count;
    const size_t n = vn_ice_remotes(pc->ice, remotes, VN_ARRAY_LEN(remotes));
    for (size_t i = 0; i < n; i++)
        vn_relay_permit(slot->relay, &remotes[i]);
    if (vn_ice_add_local(pc->ice, VN_CAND_RELAY, &addr, (uint16_t)(65535 - local),
                         &pc->candidates[local]) != VN_OK)
        return;
    pc->sockets[local] = (struct vn_pc_socket){.pc = pc, .index = local, .fd = -1, .relay = slot};
    pc->socket_count++;
    slot->local = local;
    pc->relay_next_us = UINT64_MAX; /* one is enough */
    vn_log(VN_LOG_DEBUG, "relay_ready", VN_KV_STR("connection", pc->identity),
           VN_KV_IP("ip", &addr.ip));
    pc->handler.candidate(pc->handler.arg, &pc->candidates[local]);
}

static void lose(struct vn_pc *pc, struct vn_pc_relay *slot)
{
    unsigned code;
    const char *why = vn_relay_why(slot->relay, &code);
    const bool used = pc->has_pair && slot->local == pc->pair.local;
    complain(pc->transport, vn_relay_server(slot->relay), why, code);
    slot->relay = vn_relay_close(slot->relay);
    if (used && !vn_pc_is_moving(
                    pc)) /* nothing goes on, and a new connection finds another server sooner */
        vn_pc_fail(pc, VN_TETHER_DOWN_ADDRESS_GONE);
    else if (used)
        vn_pc_lose_pair(pc); /* it is being moved away from just now */
    else if (slot->local == SIZE_MAX && pc->state <= VN_PC_EXPECT_PAIR && !vn_pc_has_relay(pc))
        pc->relay_next_us = vn_pc_now(pc); /* the next one need not wait any longer */
}

bool vn_pc_has_relay(const struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->relay_count; i++)
        if (pc->relays[i].relay && pc->relays[i].local != SIZE_MAX)
            return true;
    return false;
}

void vn_pc_follow_relays(struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->relay_count && vn_pc_is_live(pc); i++) {
        struct vn_pc_relay *slot = &pc->relays[i];
        if (!slot->relay)
            continue;
        if (vn_relay_state(slot->relay) == VN_RELAY_FAILED)
            lose(pc, slot);
        else if (vn_relay_state(slot->relay) == VN_RELAY_READY && slot->local == SIZE_MAX &&
                 pc->announced && pc->state <= VN_PC_EXPECT_PAIR)
            add_candidate(pc, slot);
    }
}

void vn_pc_tick_relays(struct vn_pc *pc, uint64_t now_us)
{
    if (pc->state <= VN_PC_EXPECT_PAIR && now_us >= pc->relay_next_us)
        open_next(pc);
    for (size_t i = 0; i < pc->relay_count; i++)
        if (pc->relays[i].relay && now_us >= vn_relay_deadline(pc->relays[i].relay))
            vn_relay_tick(pc->relays[i].relay);
}

uint64_t vn_pc_relays_deadline(const struct vn_pc *pc)
{
    uint64_t due = pc->state <= VN_PC_EXPECT_PAIR ? pc->relay_next_us : UINT64_MAX;
    for (size_t i = 0; i < pc->relay_count; i++)
        if (pc->relays[i].relay)
            due = VN_MIN(due, vn_relay_deadline(pc->relays[i].relay));
    return due;
}

void vn_pc_permit(struct vn_pc *pc, const struct vn_addr *peer)
{
    for (size_t i = 0; i < pc->relay_count; i++)
        if (pc->relays[i].relay && pc->relays[i].local != SIZE_MAX)
            vn_relay_permit(pc->relays[i].relay, peer);
}

struct vn_relay *vn_pc_relay_of(const struct vn_pc *pc, size_t local)
{
    const struct vn_pc_relay *slot = pc->sockets[local].relay;
    return slot ? slot->relay : NULL;
}

void vn_pc_settle_relays(struct vn_pc *pc)
{
    pc->relay_next_us = UINT64_MAX;
    for (size_t i = 0; i < pc->relay_count; i++)
        if (pc->relays[i].local == SIZE_MAX || pc->relays[i].local != pc->pair.local)
            pc->relays[i].relay = vn_relay_close(pc->relays[i].relay);
}

void vn_pc_close_relays(struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->relay_count; i++)
        pc->relays[i].relay = vn_relay_close(pc->relays[i].relay);
}

/* Watches and sockets know where their relay is kept. Sockets have been moved already. */
vn_status vn_pc_move_relays(struct vn_pc *pc, struct vn_pc *from)
{
    vn_status st = VN_OK;
    vn_pc_close_relays(pc);
    for (size_t i = 0; i < from->relay_count; i++) {
        struct vn_pc_relay *slot = &pc->relays[i];
        *slot = (struct vn_pc_relay){
            .pc = pc, .relay = VN_TAKE(from->relays[i].relay), .local = from->relays[i].local};
        if (slot->local != SIZE_MAX)
            pc->sockets[slot->local].relay = slot;
        const vn_status moved = slot->relay ? vn_relay_hand_over(slot->relay, slot) : VN_OK;
        if (moved != VN_OK)
            slot->relay = vn_relay_close(slot->relay);
        st = st == VN_OK ? moved : st;
    }
    pc->relay_count = from->relay_count;
    pc->relay_at = from->relay_at;
    pc->relay_next_us = UINT64_MAX; /* a pair is there */
    from->relay_count = 0;
    return st;
}

/* ---- what arrives ---- */

static void on_datagrams(void *arg, const struct vn_addr *from, const struct vn_dgram *d, size_t n)
{
    struct vn_pc_relay *slot = arg;
    struct vn_pc *pc = slot->pc;
    if (slot->local != SIZE_MAX)
        vn_pc_take(pc, slot->local, from, d, n, vn_pc_now(pc));
}

static void on_drop(void *arg, enum vn_turn_input why)
{
    const struct vn_pc_relay *slot = arg;
    struct vn_transport_counters *c = &slot->pc->transport->counters;
    c->drop_stun_malformed += why == VN_TURN_IN_MALFORMED;
    c->drop_stun_auth += why == VN_TURN_IN_AUTH;
    c->drop_stun_unknown += why == VN_TURN_IN_UNKNOWN;
}

/* Callbacks of the user run in progress only, so the relay is not closed under its own feet. */
static void on_ready(void *arg, unsigned events)
{
    struct vn_pc_relay *slot = arg;
    struct vn_pc *pc = slot->pc;
    struct vn_transport *tp = pc->transport;
    const struct vn_relay_sink sink = {slot, on_datagrams, on_drop};
    vn_transport_enter(tp);
    if (events & VN_IO_WRITE)
        vn_pc_drain_backlog(pc);
    vn_relay_input(slot->relay, events, tp->rx, &sink);
    if (vn_pc_is_live(pc))
        vn_pc_progress(pc);
    vn_transport_leave(tp);
}
