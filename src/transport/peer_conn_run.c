/*
 * Every event from the loop ends in vn_pc_progress(), which looks at what each layer has become,
 * moves the connection on, hands up messages and reports. Only there are the user's callbacks
 * called; the functions for the user leave what they find out to the next event, at the latest the
 * timer, which they then arm for at once.
 *
 * Timers: one of the loop's per connection, armed (once open: when the turn ends, if anybody says
 * when) for the earliest deadline of
 *   - ICE: checks, retransmissions, nomination, size probes, 10 s for a pair    (armed by start,
 * disarmed by selection)
 *   - DTLS: the flight's retransmission                                          (while the
 * handshake runs)
 *   - connecting: 10 s from start to open, and to the first of expected channels (disarmed by them)
 *   - SCTP: see vn_sctp_due_us                                                  (from DTLS to the
 * end)
 *   - TURN servers: when the next one is asked                                   (disarmed by an
 * address of one, and by selection); requests and renewals of those in use
 *   - consent: see consent.h                                                     (from selection to
 * the end)
 */
#include <assert.h>

#include "base/log.h"
#include "transport/peer_conn_i.h"

void vn_pc_set_state(struct vn_pc *pc, enum vn_pc_state state)
{
    static const char *const names[] = {"expect_start", "expect_pair", "expect_dtls",
                                        "expect_sctp",  "open",        "down"};
    assert(state > pc->state);
    pc->state = state;
    vn_log(VN_LOG_DEBUG, "peer_connection_state", VN_KV_STR("connection", pc->identity),
           VN_KV_STR("state", names[state]));
}

void vn_pc_fail(struct vn_pc *pc, enum vn_tether_down why)
{
    if (!pc->failure)
        pc->failure = why;
}

/* ---- moving on ---- */

/* Bytes of a datagram that passes every path of the pair's kind; others keep to IPv6's least. */
static size_t sure_payload(const struct vn_pc *pc)
{
    if (!pc->cfg.foreign && vn_ip_is_v4(&pc->pair.remote_addr.ip))
        return VN_UDP_PAYLOAD_MIN_BYTES;
    /* A TURN server's channel adds its header between it and us; a restart may find one later. */
    return VN_UDP_PAYLOAD_BYTES - VN_TURN_CHANNEL_HEADER;
}

void vn_pc_make_dtls(struct vn_pc *pc)
{
    const struct vn_dtls_config cfg = {.client = pc->cfg.dtls_client,
                                       .cert = pc->cfg.cert,
                                       .identity = pc->identity,
                                       .psk = &pc->keys.psk,
                                       .peer = pc->keys.peer,
                                       .mtu = sure_payload(pc),
                                       .bytes_max = pc->transport->key_bytes,
                                       .out = vn_pc_sink(pc)};
    if (vn_dtls_new(pc->transport->dtls, &cfg, &pc->dtls) != VN_OK) {
        vn_pc_fail(pc, VN_TETHER_DOWN_INTERNAL);
        return;
    }
    vn_wipe(&pc->keys, sizeof(pc->keys));
    vn_dtls_start(pc->dtls);
}

/* The shortest time seen is that of empty queues; a longer one would make them longer still. */
void vn_pc_fit_to_path(struct vn_pc *pc)
{
    uint64_t window = (uint64_t)vn_ice_min_rtt_us(pc->ice) * VN_SCTP_SNDBUF_BYTES_PER_US;
    window = VN_MAX(window, (uint64_t)VN_SCTP_SNDBUF_BYTES);
    window = VN_MIN(window, (uint64_t)VN_SCTP_SNDBUF_MAX_BYTES);
    vn_sctp_set_window(pc->sctp, (size_t)window);
    uint64_t hold_us = (uint64_t)vn_ice_min_rtt_us(pc->ice) * VN_BULK_HOLD_RTTS;
    hold_us = VN_MAX(hold_us, (uint64_t)VN_BULK_HOLD_MIN_US);
    hold_us = VN_MIN(hold_us, (uint64_t)VN_BULK_HOLD_MAX_US);
    for (size_t i = 0; i < pc->channel_count; i++)
        if (pc->channels[pc->order[i]].cfg.in_turn)
            vn_sctp_hold(pc->sctp, pc->order[i], hold_us);
}

static void sctp_output(void *arg, const struct vn_dgram *packets, size_t n)
{
    struct vn_pc *pc = arg;
    if (vn_dtls_seal(pc->dtls, packets, n) != VN_OK)
        return; /* its state tells why, and SCTP sends again what was lost */
}

static void sctp_given_up(void *arg, uint16_t stream, const struct vn_pktbuf *msg)
{
    const struct vn_pc *pc = arg;
    if (pc->handler.given_up && !pc->closed)
        pc->handler.given_up(pc->handler.arg, stream, msg);
}

static void make_sctp(struct vn_pc *pc)
{
    /* The size probe was answered during the handshake, if the path is a full-size one. */
    const size_t longest = VN_UDP_PAYLOAD_MAX_BYTES - VN_DTLS_OVERHEAD_BYTES;
    size_t sure = sure_payload(pc) - VN_DTLS_OVERHEAD_BYTES;
    if (pc->cfg.foreign)
        sure = VN_MIN(sure, (size_t)VN_SCTP_MTU_FOREIGN);
    const bool full = !pc->cfg.foreign && vn_ice_full_size_passes(pc->ice);
    const struct vn_sctp_config cfg = {.arg = pc,
                                       .output = sctp_output,
                                       .given_up = sctp_given_up,
                                       .random = pc->transport->random,
                                       .mtu = full ? longest : sure,
                                       .mtu_base = sure & ~(size_t)3,
                                       .mtu_max = pc->cfg.foreign ? 0 : longest,
                                       .message_max = pc->cfg.message_max,
                                       .streams = pc->cfg.streams,
                                       .foreign = pc->cfg.foreign,
                                       .by_turns = pc->transport->by_turns};
    uint64_t now_us = vn_pc_now(pc);
    if (vn_sctp_new(&cfg, now_us, &pc->sctp) != VN_OK)
        vn_pc_fail(pc, VN_TETHER_DOWN_INTERNAL);
    else if (vn_sctp_connect(pc->sctp, now_us) != VN_OK)
        vn_pc_fail(pc, VN_TETHER_DOWN_SCTP_FAILED);
    else
        vn_pc_fit_to_path(pc);
}

void vn_pc_follow_ice(struct vn_pc *pc)
{
    struct vn_ice_selected pair;
    uint64_t heard = vn_ice_last_heard_us(pc->ice), answered = vn_ice_last_answer_us(pc->ice);
    if (vn_ice_state(pc->ice) == VN_ICE_FAILED) {
        vn_pc_fail(pc, VN_TETHER_DOWN_ICE_FAILED);
        return;
    }
    if (!vn_ice_selected(pc->ice, &pair))
        return;
    if (!pc->connected) {
        pc->has_pair = true;
        pc->pair = pair;
        if (vn_pc_pair_relay(pc))
            vn_relay_bind(vn_pc_pair_relay(pc), &pair.remote_addr);
    }
    if (pc->before)
        return; /* the connection before it takes over */
    if (pc->state == VN_PC_EXPECT_PAIR) {
        vn_pc_set_state(pc, VN_PC_EXPECT_DTLS);
        vn_consent_init(&pc->consent, pc->transport->random, vn_pc_now(pc));
        if (!pc->dtls)
            vn_pc_make_dtls(pc);
    }
    if (heard != pc->ice_heard_us)
        vn_consent_heard(&pc->consent, heard);
    if (answered != pc->ice_answered_us) {
        vn_consent_answered(&pc->consent, answered);
        if (pc->sctp)
            vn_pc_fit_to_path(pc);
    }
    pc->ice_heard_us = heard;
    pc->ice_answered_us = answered;
}

void vn_pc_follow_dtls(struct vn_pc *pc)
{
    switch (vn_dtls_state(pc->dtls)) {
    case VN_DTLS_HANDSHAKE:
        break;
    case VN_DTLS_OPEN:
        if (pc->state == VN_PC_EXPECT_DTLS) {
            vn_pc_set_state(pc, VN_PC_EXPECT_SCTP);
            make_sctp(pc);
        }
        break;
    case VN_DTLS_CLOSED:
        vn_pc_fail(pc, VN_TETHER_DOWN_CLOSED);
        break;
    case VN_DTLS_FAILED:
        vn_pc_fail(pc, VN_TETHER_DOWN_DTLS_FAILED);
        break;
    }
}

void vn_pc_follow_sctp(struct vn_pc *pc)
{
    switch (vn_sctp_state(pc->sctp)) {
    case VN_SCTP_CONNECTING:
        break;
    case VN_SCTP_OPEN:
        if (pc->state == VN_PC_EXPECT_SCTP) {
            vn_pc_set_state(pc, VN_PC_OPEN);
            /* Browsers go over to another pair whenever they like it better. */
            if (!pc->cfg.foreign)
                vn_pc_settle(pc);
            vn_pc_plan_better(pc);
            pc->handler.open(pc->handler.arg);
        }
        break;
    case VN_SCTP_CLOSED:
        vn_pc_fail(pc, VN_TETHER_DOWN_CLOSED);
        break;
    case VN_SCTP_FAILED:
        vn_pc_fail(pc, VN_TETHER_DOWN_SCTP_FAILED);
        break;
    }
}

static void go_down(struct vn_pc *pc)
{
    enum vn_tether_down why = pc->failure;
    vn_pc_set_state(pc, VN_PC_DOWN);
    vn_pc_release(pc);
    pc->handler.down(pc->handler.arg, why);
}

static void tell_worn(struct vn_pc *pc)
{
    pc->worn = true;
    if (pc->handler.worn)
        pc->handler.worn(pc->handler.arg);
}

void vn_pc_progress(struct vn_pc *pc)
{
    vn_pc_tell_reflexive(pc);
    if (vn_pc_is_live(pc))
        vn_pc_follow_relays(pc);
    if (vn_pc_is_live(pc) && !pc->failure && pc->state > VN_PC_EXPECT_START)
        vn_pc_follow_ice(pc);
    if (vn_pc_is_live(pc) && !pc->failure && pc->before && pc->has_pair) {
        vn_pc_adopt(pc);
        return;
    }
    if (vn_pc_is_live(pc) && pc->dtls)
        vn_pc_follow_dtls(pc);
    if (vn_pc_is_live(pc) && pc->sctp) {
        vn_pc_receive(pc);
        if (vn_pc_is_live(pc))
            vn_pc_follow_sctp(pc);
        if (vn_pc_is_live(pc))
            vn_pc_pump(pc);
        if (vn_pc_is_live(pc))
            vn_pc_end_channels(pc);
        if (vn_pc_is_live(pc))
            vn_pc_report_writable(pc);
    }
    if (vn_pc_is_live(pc) && !pc->worn && pc->dtls && vn_dtls_worn(pc->dtls))
        tell_worn(pc);
    if (vn_pc_is_live(pc) && pc->failure)
        go_down(pc);
    if (!vn_pc_is_live(pc))
        return;
    vn_pc_flush(pc);
    vn_pc_settle_turn(pc);
}

/* ---- time ---- */

static enum vn_tether_down late_reason(const struct vn_pc *pc)
{
    return pc->state <= VN_PC_EXPECT_PAIR   ? VN_TETHER_DOWN_ICE_FAILED
           : pc->state == VN_PC_EXPECT_DTLS ? VN_TETHER_DOWN_DTLS_FAILED
                                            : VN_TETHER_DOWN_SCTP_FAILED;
}

bool vn_pc_is_connecting(const struct vn_pc *pc)
{
    /* Whoever is asked for a better pair may be content. */
    return (pc->state > VN_PC_EXPECT_START || pc->cfg.than.set) &&
           (pc->state < VN_PC_OPEN || (pc->expects && !pc->channel_up));
}

static uint64_t connect_until(const struct vn_pc *pc)
{
    return pc->started_us +
           (pc->cfg.than.set ? VN_BETTER_SEARCH_US : VN_TETHER_CONNECT_MS * 1000ull);
}

static bool is_outstanding(struct vn_pc *pc)
{
    return vn_pc_queued(pc) > 0 || (pc->sctp && vn_sctp_outstanding(pc->sctp) > 0);
}

/* While a restart looks for another pair, the silence of this one decides nothing. */
static bool watches_consent(const struct vn_pc *pc)
{
    return pc->state > VN_PC_EXPECT_PAIR && !vn_pc_is_moving(pc);
}

void vn_pc_arm(struct vn_pc *pc)
{
    uint64_t now_us = vn_pc_now(pc), due = UINT64_MAX;
    if (!vn_pc_is_live(pc))
        return;
    if (!pc->announced || pc->failure || pc->due_now)
        due = now_us;
    due = VN_MIN(due, vn_ice_deadline(pc->ice));
    if (pc->state <= VN_PC_EXPECT_PAIR)
        due = VN_MIN(due, vn_reflex_deadline(&pc->reflex));
    due = VN_MIN(due, vn_pc_relays_deadline(pc));
    due = VN_MIN(due, pc->better_us);
    if (pc->dtls) {
        uint64_t in = vn_dtls_due_in_us(pc->dtls);
        due = VN_MIN(due, in == UINT64_MAX ? in : now_us + in);
    }
    if (pc->sctp)
        due = VN_MIN(due, vn_sctp_due_us(pc->sctp));
    if (vn_pc_is_connecting(pc))
        due = VN_MIN(due, connect_until(pc));
    if (watches_consent(pc))
        due = VN_MIN(due, vn_consent_deadline(&pc->consent));
    /* A timer that fires early just looks again: moving it at every packet would cost more, once a
     * turn costs less. */
    if (due == UINT64_MAX || due == pc->due_us || (due > pc->due_us && !pc->transport->by_turns))
        return;
    pc->due_us = due;
    pc->transport->io->timer_arm(pc->timer, due > now_us ? due - now_us : 0);
}

static void watch_consent(struct vn_pc *pc, uint64_t now_us)
{
    switch (vn_consent_tick(&pc->consent, is_outstanding(pc), now_us)) {
    case VN_CONSENT_WAIT:
        break;
    case VN_CONSENT_CHECK:
        vn_ice_consent_check(pc->ice, now_us);
        break;
    case VN_CONSENT_LOST:
        vn_pc_fail(pc, VN_TETHER_DOWN_SILENT);
    }
}

void vn_pc_on_timer(void *arg)
{
    struct vn_pc *pc = arg;
    struct vn_transport *tp = pc->transport;
    uint64_t now_us = vn_pc_now(pc);
    vn_transport_enter(tp);
    pc->due_us = UINT64_MAX;
    pc->due_now = false;
    if (!pc->announced)
        vn_pc_announce(pc);
    if (vn_pc_is_live(pc)) {
        vn_ice_tick(pc->ice, now_us);
        if (pc->state <= VN_PC_EXPECT_PAIR)
            vn_reflex_tick(&pc->reflex, now_us, pc, vn_pc_send_stun);
        vn_pc_tick_relays(pc, now_us);
        if (pc->dtls)
            vn_dtls_timeout(pc->dtls);
        if (pc->sctp && now_us >= vn_sctp_due_us(pc->sctp))
            vn_sctp_tick(pc->sctp, now_us);
        if (watches_consent(pc))
            watch_consent(pc, now_us);
        if (vn_pc_is_connecting(pc) && now_us >= connect_until(pc))
            vn_pc_fail(pc, late_reason(pc));
        vn_pc_tick_better(pc, now_us);
        vn_pc_progress(pc);
    }
    vn_transport_leave(tp);
}

void vn_pc_lose_pair(struct vn_pc *pc)
{
    if (vn_pc_is_moving(pc))
        return;
    if (pc->state == VN_PC_OPEN && pc->handler.stranded)
        pc->handler.stranded(pc->handler.arg);
    else
        vn_pc_fail(pc, VN_TETHER_DOWN_ADDRESS_GONE);
}
