#include "transport/peer_conn_i.h"

/* Less than this waits for more of the same turn: small messages share packets, packets a call. */
#define JOIN_BYTES ((size_t)8192)

static const struct vn_sctp_how reliable_ordered = {0};

static struct vn_sctp_how how_of(const struct vn_pc_channel_config *cfg)
{
    const uint8_t kind = cfg->type & (uint8_t)~VN_DCEP_UNORDERED;
    return (struct vn_sctp_how){.unordered = (cfg->type & VN_DCEP_UNORDERED) != 0,
                                .limit = kind == VN_DCEP_RETRANSMITS ? VN_SCTP_RETRANSMITS
                                         : kind == VN_DCEP_TIMED     ? VN_SCTP_MILLISECONDS
                                                                     : VN_SCTP_RELIABLE,
                                .value = cfg->reliability};
}

/* The channel takes its place in the order of sending. */
static void add(struct vn_pc *pc, uint16_t stream, const struct vn_pc_channel_config *cfg,
                enum vn_pc_channel_state state)
{
    struct vn_pc_channel *c = &pc->channels[stream];
    size_t at = pc->channel_count++;
    *c = (struct vn_pc_channel){.state = state, .stream = stream, .cfg = *cfg};
    for (; at > 0 && pc->channels[pc->order[at - 1]].cfg.priority < cfg->priority; at--)
        pc->order[at] = pc->order[at - 1];
    pc->order[at] = stream;
}

static void end_channel(struct vn_pc *pc, uint16_t stream)
{
    size_t at = 0;
    vn_pktqueue_clear(&pc->channels[stream].queue);
    pc->channels[stream] = (struct vn_pc_channel){.state = VN_PC_CHANNEL_NONE};
    while (pc->order[at] != stream)
        at++;
    pc->channel_count--;
    pc->closing_count--;
    memmove(&pc->order[at], &pc->order[at + 1], (pc->channel_count - at) * sizeof(pc->order[0]));
    if (pc->handler.closed)
        pc->handler.closed(pc->handler.arg, stream);
}

static bool is_free(const struct vn_pc *pc, uint16_t stream)
{
    return stream < pc->cfg.streams && pc->channels[stream].state == VN_PC_CHANNEL_NONE;
}

vn_status vn_pc_expect_channel(struct vn_pc *pc, uint16_t stream,
                               const struct vn_pc_channel_config *cfg)
{
    if (!is_free(pc, stream))
        return VN_ERR_ARG;
    add(pc, stream, cfg, VN_PC_CHANNEL_EXPECTED);
    pc->expects = true;
    return VN_OK;
}

static vn_status send_dcep(struct vn_pc *pc, uint16_t stream, const struct vn_dcep_msg *m)
{
    uint8_t room[12 + VN_DCEP_LABEL_MAX];
    struct vn_writer w = vn_writer_of(room, sizeof(room));
    VN_CLEANUP(vn_pktbuf_freep) struct vn_pktbuf *buf = NULL;
    vn_dcep_encode(&w, m);
    struct vn_span msg = vn_writer_span(&w);
    vn_status st = vn_pktbuf_new(msg.n, &buf);
    if (st != VN_OK)
        return st;
    memcpy(vn_pktbuf_put(buf, msg.n), msg.p, msg.n);
    st = vn_sctp_send(pc->sctp, stream, VN_DCEP_PPID, &reliable_ordered, buf, vn_pc_now(pc));
    if (st == VN_OK)
        (void)VN_TAKE(buf);
    return st;
}

vn_status vn_pc_open_channel(struct vn_pc *pc, uint16_t stream,
                             const struct vn_pc_channel_config *cfg)
{
    const struct vn_dcep_msg m = {.type = VN_DCEP_OPEN,
                                  .channel = cfg->type,
                                  .reliability = cfg->reliability,
                                  .priority = cfg->priority,
                                  .label = VN_SPAN_STR(cfg->label)};
    if (pc->state != VN_PC_OPEN || !vn_pc_is_live(pc))
        return VN_ERR_STATE;
    if (!is_free(pc, stream) || m.label.n > VN_DCEP_LABEL_MAX)
        return VN_ERR_ARG;
    vn_status st = send_dcep(pc, stream, &m);
    if (st != VN_OK) {
        vn_pc_fail(pc, VN_TETHER_DOWN_SCTP_FAILED);
        vn_pc_arm(pc);
        return st;
    }
    add(pc, stream, cfg, VN_PC_CHANNEL_OPEN);
    pc->channel_up = true;
    vn_pc_fit_to_path(pc);
    vn_pc_arm(pc);
    return VN_OK;
}

/* Whether the peer may open this channel; then it has a place here. */
static bool admit_channel(struct vn_pc *pc, uint16_t stream, const struct vn_dcep_msg *m)
{
    const struct vn_pc_channel *c = &pc->channels[stream];
    /* The peer is ahead of us: it knows that its answer to our reset is on its way. */
    if (c->state == VN_PC_CHANNEL_CLOSING && c->reset_asked && c->reset_by_peer)
        end_channel(pc, stream);
    if (!vn_pc_is_live(pc) || c->state >= VN_PC_CHANNEL_OPEN)
        return false;
    if (c->state == VN_PC_CHANNEL_EXPECTED)
        return m->channel == c->cfg.type && m->reliability == c->cfg.reliability &&
               vn_span_equal(m->label, VN_SPAN_STR(c->cfg.label));
    struct vn_pc_channel_config cfg = {
        .type = m->channel, .reliability = m->reliability, .priority = m->priority};
    if (!pc->handler.offer || stream % 2 == (pc->cfg.dtls_client ? 0 : 1) ||
        !pc->handler.offer(pc->handler.arg, stream, m, &cfg) || !vn_pc_is_live(pc))
        return false;
    add(pc, stream, &cfg, VN_PC_CHANNEL_EXPECTED);
    return true;
}

static void take_dcep(struct vn_pc *pc, uint16_t stream, struct vn_span in)
{
    static const struct vn_dcep_msg ack = {.type = VN_DCEP_ACK};
    struct vn_pc_channel *c = &pc->channels[stream];
    struct vn_dcep_msg m;
    if (vn_dcep_decode(in, &m) != VN_OK) {
        pc->transport->counters.drop_channel++;
        return;
    }
    if (m.type == VN_DCEP_ACK) {
        c->confirmed |= c->state == VN_PC_CHANNEL_OPEN;
        return;
    }
    if (!admit_channel(pc, stream, &m)) {
        pc->transport->counters.drop_channel++;
        return;
    }
    if (send_dcep(pc, stream, &ack) != VN_OK)
        vn_pc_fail(pc, VN_TETHER_DOWN_SCTP_FAILED);
    c->state = VN_PC_CHANNEL_OPEN;
    c->confirmed = pc->channel_up = true;
    vn_pc_fit_to_path(pc);
    pc->handler.channel(pc->handler.arg, stream);
}

/* True: it is the user's. */
static bool take_message(struct vn_pc *pc, struct vn_sctp_msg *m)
{
    struct vn_pc_channel *c = &pc->channels[m->stream];
    if (m->ppid == VN_DCEP_PPID) {
        take_dcep(pc, m->stream, vn_pktbuf_span(m->buf));
        return false;
    }
    const bool empty = m->ppid == VN_BINARY_EMPTY_PPID || m->ppid == VN_STRING_EMPTY_PPID;
    m->buf->text = m->ppid == VN_STRING_PPID || m->ppid == VN_STRING_EMPTY_PPID;
    if (c->state != VN_PC_CHANNEL_OPEN || (m->ppid != VN_BINARY_PPID && !m->buf->text && !empty)) {
        pc->transport->counters.drop_channel++;
        return false;
    }
    if (empty)
        m->buf->len = 0;
    c->confirmed = true; /* RFC 8832 section 6: any message confirms */
    pc->rx_msgs++;
    pc->rx_bytes += m->buf->len;
    return true;
}

static void begin_closing(struct vn_pc *pc, struct vn_pc_channel *c)
{
    c->state = VN_PC_CHANNEL_CLOSING;
    pc->closing_count++;
}

/* What waits here is not sent any more: nobody would take it. */
static void take_reset(struct vn_pc *pc, uint16_t stream)
{
    struct vn_pc_channel *c = &pc->channels[stream];
    if (c->state == VN_PC_CHANNEL_OPEN) {
        if (!pc->handler.closed) {
            vn_pc_fail(pc, VN_TETHER_DOWN_CLOSED);
            return;
        }
        begin_closing(pc, c);
    }
    if (c->state == VN_PC_CHANNEL_CLOSING) {
        vn_pktqueue_clear(&c->queue);
        c->reset_by_peer = true;
    }
}

/* Hands up runs of one channel. Takes every buffer, also when the user closes in between. */
static void hand_up(struct vn_pc *pc, struct vn_sctp_msg *msgs, size_t n)
{
    struct vn_pktbuf *run[VN_TETHER_BATCH];
    size_t i = 0;
    while (i < n) {
        size_t count = 0;
        uint16_t stream = msgs[i].stream;
        for (; i < n && msgs[i].stream == stream; i++)
            run[count++] = msgs[i].buf;
        if (vn_pc_is_live(pc)) {
            pc->handler.messages(pc->handler.arg, stream, run, count);
            continue;
        }
        for (size_t k = 0; k < count; k++)
            (void)vn_pktbuf_free(run[k]);
    }
}

void vn_pc_receive(struct vn_pc *pc)
{
    struct vn_sctp_msg msgs[VN_TETHER_BATCH];
    size_t n;
    /* The first channel's opening comes alone: the user may hold what follows it. */
    while (vn_pc_is_live(pc) && !pc->held &&
           (n = vn_sctp_receive(pc->sctp, msgs, pc->channel_up ? VN_ARRAY_LEN(msgs) : 1)) > 0) {
        size_t kept = 0;
        vn_pc_follow_sctp(pc);
        for (size_t i = 0; i < n; i++) {
            if (!msgs[i].buf) {
                hand_up(pc, msgs, kept);
                kept = 0;
                if (vn_pc_is_live(pc))
                    take_reset(pc, msgs[i].stream);
            } else if (vn_pc_is_live(pc) && take_message(pc, &msgs[i]))
                msgs[kept++] = msgs[i];
            else
                (void)vn_pktbuf_free(msgs[i].buf);
        }
        hand_up(pc, msgs, kept);
    }
}

void vn_pc_hold(struct vn_pc *pc, bool held)
{
    pc->due_now = pc->held && !held;
    pc->held = held;
    vn_pc_arm(pc);
}

/* SCTP takes what has room: true, and the buffer is its own. */
static bool give(struct vn_pc *pc, struct vn_pc_channel *c, struct vn_pktbuf *b, uint64_t now_us)
{
    const struct vn_sctp_how how = c->confirmed ? how_of(&c->cfg) : reliable_ordered;
    const bool empty = b->len == 0;
    const uint32_t ppid = b->text ? (empty ? VN_STRING_EMPTY_PPID : VN_STRING_PPID)
                                  : (empty ? VN_BINARY_EMPTY_PPID : VN_BINARY_PPID);
    if (empty) /* RFC 8831 section 6.6: SCTP carries no empty message */
        *vn_pktbuf_put(b, 1) = 0;
    if (vn_sctp_send(pc->sctp, c->stream, ppid, &how, b, now_us) == VN_OK)
        return true;
    b->len -= empty;
    return false;
}

void vn_pc_pump(struct vn_pc *pc)
{
    uint64_t now_us = vn_pc_now(pc);
    const struct vn_relay *relay = vn_pc_pair_relay(pc);
    if (pc->state != VN_PC_OPEN || pc->backlog ||
        (relay && vn_relay_waiting(relay) > VN_RELAY_OUT_LOW_BYTES))
        return;
    for (size_t i = 0; i < pc->channel_count; i++) {
        struct vn_pc_channel *c = &pc->channels[pc->order[i]];
        struct vn_pktbuf *b;
        while ((b = vn_pktqueue_pop(&c->queue)))
            if (!give(pc, c, b, now_us)) {
                vn_pktqueue_unpop(&c->queue, b); /* for want of room, or its state tells why */
                break;
            }
        if (c->state == VN_PC_CHANNEL_CLOSING && !c->reset_asked && !c->queue.head) {
            c->reset_asked = true;
            /* A peer that knows no resets cannot be told: the channel ends here alone. */
            c->reset_by_peer |= vn_sctp_reset(pc->sctp, c->stream, now_us) != VN_OK;
        }
    }
    vn_sctp_flush(pc->sctp, now_us);
}

vn_status vn_pc_close_channel(struct vn_pc *pc, uint16_t stream)
{
    if (pc->state != VN_PC_OPEN || pc->closed || stream >= pc->cfg.streams ||
        pc->channels[stream].state != VN_PC_CHANNEL_OPEN)
        return VN_ERR_STATE;
    begin_closing(pc, &pc->channels[stream]);
    pc->due_now = true;
    vn_pc_arm(pc);
    return VN_OK;
}

void vn_pc_end_channels(struct vn_pc *pc)
{
    for (size_t i = pc->channel_count; i-- > 0 && pc->closing_count > 0 && vn_pc_is_live(pc);) {
        const uint16_t stream = i < pc->channel_count ? pc->order[i] : 0;
        const struct vn_pc_channel *c = &pc->channels[stream];
        if (i < pc->channel_count && c->state == VN_PC_CHANNEL_CLOSING && c->reset_asked &&
            c->reset_by_peer && !vn_sctp_is_resetting(pc->sctp, stream))
            end_channel(pc, stream);
    }
}

vn_status vn_pc_free_stream(const struct vn_pc *pc, uint16_t *ret)
{
    for (unsigned i = pc->cfg.dtls_client ? 0 : 1; i < pc->cfg.streams; i += 2)
        if (vn_pc_is_live(pc) && is_free(pc, (uint16_t)i)) {
            *ret = (uint16_t)i;
            return VN_OK;
        }
    return VN_ERR_LIMIT;
}

void vn_pc_limit_messages(struct vn_pc *pc, size_t bytes)
{
    pc->send_max = bytes;
}

static size_t queue_max(const struct vn_pc *pc, const struct vn_pc_channel *c)
{
    const uint64_t rate = c->cfg.shallow ? vn_sctp_rate(pc->sctp) : 0;
    const uint64_t soon =
        VN_MAX(rate / 1000 * VN_TETHER_QUEUE_MS, (uint64_t)VN_TETHER_QUEUE_LEAST_BYTES);
    return rate == 0 ? c->cfg.queue_bytes : (size_t)VN_MIN(soon, (uint64_t)c->cfg.queue_bytes);
}

void vn_pc_report_writable(struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->channel_count && vn_pc_is_live(pc); i++) {
        struct vn_pc_channel *c = &pc->channels[pc->order[i]];
        if (c->blocked && c->queue.bytes <= queue_max(pc, c) / 2) {
            c->blocked = false;
            pc->handler.writable(pc->handler.arg, c->stream);
        }
    }
}

static void wait_for_end(struct vn_pc *pc)
{
    if (vn_list_empty(&pc->of_waiting))
        vn_list_append(&pc->transport->waiting, &pc->of_waiting);
}

/* What this turn still sends may take with it what the timer would be armed for. */
void vn_pc_settle_turn(struct vn_pc *pc)
{
    const bool open = pc->state == VN_PC_OPEN && !pc->failure;
    if (pc->sctp && (vn_sctp_waits_for_end(pc->sctp) || (open && pc->transport->by_turns)))
        wait_for_end(pc);
    if (!open || !pc->transport->by_turns)
        vn_pc_arm(pc);
}

void vn_pc_end_turn(struct vn_pc *pc)
{
    if (pc->state == VN_PC_DOWN || !pc->sctp)
        return;
    vn_pc_pump(pc);
    vn_sctp_end_turn(pc->sctp, vn_pc_now(pc));
    vn_pc_flush(pc);
    vn_pc_arm(pc);
}

vn_status vn_pc_send(struct vn_pc *pc, uint16_t stream, struct vn_pktbuf **bufs, size_t n,
                     size_t *ret_taken)
{
    *ret_taken = 0;
    if (pc->state != VN_PC_OPEN || pc->closed || pc->failure || stream >= pc->cfg.streams ||
        pc->channels[stream].state == VN_PC_CHANNEL_NONE ||
        pc->channels[stream].state == VN_PC_CHANNEL_CLOSING)
        return VN_ERR_STATE;
    struct vn_pc_channel *c = &pc->channels[stream];
    const size_t most = queue_max(pc, c);
    size_t taken = 0;
    for (; taken < n && bufs[taken]->len <= pc->send_max; taken++) {
        if (c->queue.bytes >= most) {
            c->blocked = true;
            break;
        }
        pc->tx_msgs++;
        pc->tx_bytes += bufs[taken]->len;
        vn_pktqueue_push(&c->queue, bufs[taken]);
    }
    *ret_taken = taken;
    if (pc->transport->by_turns && !c->blocked && c->queue.bytes < VN_MIN(JOIN_BYTES, most / 2)) {
        wait_for_end(pc);
    } else {
        vn_pc_pump(pc);
        vn_pc_flush(pc);
        vn_pc_settle_turn(pc);
    }
    return taken < n && !c->blocked ? VN_ERR_ARG : VN_OK;
}

size_t vn_pc_queued(const struct vn_pc *pc)
{
    size_t bytes = 0;
    for (size_t i = 0; i < pc->channel_count; i++)
        bytes += pc->channels[pc->order[i]].queue.bytes;
    return bytes;
}

void vn_pc_clear_channels(struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->channel_count; i++)
        vn_pktqueue_clear(&pc->channels[pc->order[i]].queue);
}
