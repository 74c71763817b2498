/*
 * A tether is up when each of its peer connections has a channel open, and goes down with the first
 * that does. A connection that is ready before the others holds what arrives, so that no message
 * comes before `up`.
 */
#include "transport/tether.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "transport/limits.h"

/* Where each class goes. The DTLS client opens all channels, so their streams are even. */
static const struct {
    uint8_t member;
    uint16_t stream;
    struct vn_pc_channel_config channel;
} classes[VN_TETHER_CLASSES] = {
    [VN_TETHER_BULK] = {0,
                        0,
                        {.label = "bulk",
                         .type = VN_DCEP_TIMED | VN_DCEP_UNORDERED,
                         .reliability = VN_BULK_LIFETIME_MS,
                         .priority = 128,
                         .queue_bytes = VN_TETHER_QUEUE_BULK_BYTES,
                         .in_turn = true,
                         .shallow = true}},
    [VN_TETHER_REALTIME] = {1,
                            0,
                            {.label = "realtime",
                             .type = VN_DCEP_RETRANSMITS | VN_DCEP_UNORDERED,
                             .priority = 512,
                             .queue_bytes = VN_TETHER_QUEUE_REALTIME_BYTES}},
    [VN_TETHER_CONTROL] = {1,
                           2,
                           {.label = "control",
                            .type = VN_DCEP_RELIABLE,
                            .priority = 1024,
                            .queue_bytes = VN_TETHER_QUEUE_CONTROL_BYTES}},
};

static uint64_t now_of(const struct vn_tether *t)
{
    return t->transport->io->now_us(t->transport->io->self);
}

static void set_state(struct vn_tether *t, enum vn_tether_state state)
{
    static const char *const names[] = {"expect_start", "expect_connections", "up", "down"};
    assert(state > t->state);
    t->state = state;
    vn_log(VN_LOG_DEBUG, "tether_state", VN_KV_ID("tether", &t->id),
           VN_KV_STR("state", names[state]));
}

static bool is_live(const struct vn_tether *t)
{
    return t->state != VN_TETHER_DOWN && !t->closed;
}

/* ---- what the peer connections say ---- */

static void on_candidate(void *arg, const struct vn_candidate *c)
{
    const struct vn_tether_member *m = arg;
    struct vn_candidate named = *c;
    named.pc = (uint8_t)(m - m->tether->members);
    m->tether->handler.candidate(m->tether->handler.arg, &named);
}

static void on_gathered(void *arg)
{
    struct vn_tether_member *m = arg;
    struct vn_tether *t = m->tether;
    m->gathered = true;
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        if (!t->members[i].gathered)
            return;
    t->handler.gathered(t->handler.arg);
}

static void announce_up(struct vn_tether *t)
{
    struct vn_pc_stats first;
    set_state(t, VN_TETHER_UP);
    vn_pc_stats(t->members[0].pc, &first);
    vn_log(VN_LOG_INFO, "tether_up", VN_KV_ID("tether", &t->id),
           VN_KV_U64("after_us", now_of(t) - t->started_us), VN_KV_IP("ip", &first.remote.ip),
           VN_KV_U64("rtt_us", first.srtt_us));
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        vn_pc_hold(t->members[i].pc, false);
    t->handler.up(t->handler.arg);
}

static void member_up(struct vn_tether_member *m)
{
    struct vn_tether *t = m->tether;
    m->up = true;
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        if (!t->members[i].up) {
            vn_pc_hold(m->pc, true);
            return;
        }
    announce_up(t);
}

static void on_open(void *arg)
{
    struct vn_tether_member *m = arg;
    if (!m->tether->dtls_client)
        return;
    for (size_t i = 0; i < VN_TETHER_CLASSES; i++)
        if (&m->tether->members[classes[i].member] == m &&
            vn_pc_open_channel(m->pc, classes[i].stream, &classes[i].channel) != VN_OK)
            return; /* without memory: the connection goes down */
    member_up(m);
}

/* One is enough: on each stream the channel's opening comes before its messages, and they may be on
 * that one. */
static void on_channel(void *arg, uint16_t stream)
{
    struct vn_tether_member *m = arg;
    (void)stream;
    if (!m->up)
        member_up(m);
}

static enum vn_tether_class class_of(const struct vn_tether_member *m, uint16_t stream)
{
    size_t cls = 0;
    while (&m->tether->members[classes[cls].member] != m || classes[cls].stream != stream)
        cls++;
    return (enum vn_tether_class)cls;
}

static void on_messages(void *arg, uint16_t stream, struct vn_pktbuf **bufs, size_t n)
{
    const struct vn_tether_member *m = arg;
    m->tether->handler.messages(m->tether->handler.arg, class_of(m, stream), bufs, n);
}

static void on_writable(void *arg, uint16_t stream)
{
    const struct vn_tether_member *m = arg;
    m->tether->handler.writable(m->tether->handler.arg, class_of(m, stream));
}

static void on_given_up(void *arg, uint16_t stream, const struct vn_pktbuf *msg)
{
    const struct vn_tether_member *m = arg;
    const struct vn_tether_handler *h = &m->tether->handler;
    if (h->given_up)
        h->given_up(h->arg, class_of(m, stream), msg);
}

static void on_stranded(void *arg)
{
    const struct vn_tether_member *m = arg;
    if (m->tether->state == VN_TETHER_UP)
        m->tether->handler.stranded(m->tether->handler.arg);
}

static void on_better(void *arg)
{
    const struct vn_tether_member *m = arg;
    if (m->tether->state == VN_TETHER_UP)
        m->tether->handler.better(m->tether->handler.arg);
}

static void restart_done(struct vn_tether_member *m, bool moved)
{
    struct vn_tether *t = m->tether;
    struct vn_pc_stats first;
    m->restarting = false;
    m->moved = moved;
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        if (t->members[i].restarting)
            return;
    moved = false;
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        moved |= t->members[i].moved;
    vn_pc_stats(t->members[0].pc, &first);
    if (moved)
        vn_log(VN_LOG_INFO, "tether_moved", VN_KV_ID("tether", &t->id),
               VN_KV_U64("after_us", now_of(t) - t->started_us), VN_KV_IP("ip", &first.remote.ip));
    t->handler.restarted(t->handler.arg);
}

static void on_worn(void *arg)
{
    struct vn_tether *t = ((const struct vn_tether_member *)arg)->tether;
    if (t->worn || t->state != VN_TETHER_UP)
        return;
    t->worn = true;
    vn_log(VN_LOG_INFO, "tether_worn", VN_KV_ID("tether", &t->id));
    t->handler.worn(t->handler.arg);
}

static void on_restarted(void *arg)
{
    restart_done(arg, true);
}

static void on_stayed(void *arg)
{
    restart_done(arg, false);
}

static void close_members(struct vn_tether *t)
{
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        t->members[i].pc = vn_pc_close(t->members[i].pc);
}

static void on_down(void *arg, enum vn_tether_down why)
{
    const struct vn_tether_member *m = arg;
    struct vn_tether *t = m->tether;
    set_state(t, VN_TETHER_DOWN);
    vn_tether_stats(t, &t->last);
    t->last.queued_bytes = 0;
    close_members(t);
    t->handler.down(t->handler.arg, why);
}

/* ---- the port ---- */

static vn_status open_member(struct vn_tether *t, size_t i, const struct vn_tether_config *cfg)
{
    static const struct vn_pc_handler handler = {.candidate = on_candidate,
                                                 .gathered = on_gathered,
                                                 .open = on_open,
                                                 .channel = on_channel,
                                                 .messages = on_messages,
                                                 .writable = on_writable,
                                                 .down = on_down,
                                                 .stranded = on_stranded,
                                                 .worn = on_worn,
                                                 .restarted = on_restarted,
                                                 .better = on_better,
                                                 .stayed = on_stayed,
                                                 .given_up = on_given_up};
    struct vn_tether_member *m = &t->members[i];
    struct vn_pc_handler h = handler;
    char id[VN_ID_TEXT], identity[VN_ID_TEXT + 4];
    vn_id_format(&t->id, id);
    snprintf(identity, sizeof(identity), "%s.%zu", id, i);
    const struct vn_pc_config pc = {.identity = identity,
                                    .local = cfg->local[i],
                                    .controlling = cfg->controlling,
                                    .tie_breaker = cfg->tie_breaker,
                                    .dtls_client = cfg->dtls_client,
                                    .message_max = VN_TETHER_MSG_MAX};
    m->tether = t;
    h.arg = m;
    vn_status st = vn_pc_open(t->transport, &pc, &h, &m->pc);
    for (size_t k = 0; st == VN_OK && !cfg->dtls_client && k < VN_TETHER_CLASSES; k++)
        if (classes[k].member == i)
            st = vn_pc_expect_channel(m->pc, classes[k].stream, &classes[k].channel);
    return st;
}

vn_status vn_tether_open(void *transport, const struct vn_tether_config *cfg,
                         const struct vn_tether_handler *h, struct vn_tether **ret)
{
    struct vn_transport *tp = transport;
    struct vn_tether *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    t->transport = tp;
    t->id = cfg->tether;
    t->dtls_client = cfg->dtls_client;
    t->handler = *h;
    tp->counters.tethers_opened++;
    vn_log(VN_LOG_INFO, "tether_created", VN_KV_ID("tether", &t->id));
    vn_status st = VN_OK;
    for (size_t i = 0; st == VN_OK && i < VN_HOP_PCS; i++)
        st = open_member(t, i, cfg);
    if (st != VN_OK) {
        vn_tether_close(t);
        return st;
    }
    *ret = t;
    return VN_OK;
}

void vn_tether_close(struct vn_tether *t)
{
    if (!t || t->closed)
        return;
    struct vn_transport *tp = t->transport;
    struct vn_tether_stats s;
    vn_transport_enter(tp);
    vn_tether_stats(t, &s);
    t->closed = true;
    close_members(t);
    vn_transport_bury(tp, &t->grave, t);
    tp->counters.tethers_closed++;
    vn_log(VN_LOG_INFO, "tether_destroyed", VN_KV_ID("tether", &t->id),
           VN_KV_U64("tx_bytes", s.tx_bytes), VN_KV_U64("rx_bytes", s.rx_bytes));
    vn_transport_leave(tp);
}

vn_status vn_tether_start(struct vn_tether *t, const struct vn_tether_start *s)
{
    if (t->state != VN_TETHER_EXPECT_START || t->closed)
        return VN_ERR_STATE;
    struct vn_pc_keys keys;
    vn_status st = VN_OK;
    t->started_us = now_of(t);
    set_state(t, VN_TETHER_EXPECT_CONNECTIONS);
    for (size_t i = 0; st == VN_OK && i < VN_HOP_PCS; i++) {
        keys.psk = s->psk[i];
        st = vn_pc_start(t->members[i].pc, &s->remote[i], &keys);
    }
    vn_wipe(&keys, sizeof(keys));
    return st;
}

vn_status vn_tether_restart(struct vn_tether *t, const struct vn_ice_params local[VN_HOP_PCS],
                            bool better)
{
    vn_status st = VN_OK;
    if (t->state != VN_TETHER_UP || t->closed)
        return VN_ERR_STATE;
    t->started_us = now_of(t);
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        t->members[i].gathered = t->members[i].moved = false;
    for (size_t i = 0; st == VN_OK && i < VN_HOP_PCS; i++) {
        st = vn_pc_restart(t->members[i].pc, &local[i], better);
        t->members[i].restarting = st == VN_OK;
    }
    return st;
}

vn_status vn_tether_restart_start(struct vn_tether *t,
                                  const struct vn_ice_params remote[VN_HOP_PCS])
{
    vn_status st = VN_OK;
    if (t->state != VN_TETHER_UP || t->closed)
        return VN_ERR_STATE;
    for (size_t i = 0; st == VN_OK && i < VN_HOP_PCS; i++)
        st = vn_pc_restart_start(t->members[i].pc, &remote[i]);
    return st;
}

void vn_tether_add_remote_candidate(struct vn_tether *t, const struct vn_candidate *c)
{
    if (is_live(t) && c->pc < VN_HOP_PCS)
        vn_pc_add_remote_candidate(t->members[c->pc].pc, c);
}

vn_status vn_tether_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                         size_t n, size_t *ret_taken)
{
    *ret_taken = 0;
    if (t->state != VN_TETHER_UP || t->closed)
        return VN_ERR_STATE;
    if ((size_t)cls >= VN_TETHER_CLASSES)
        return VN_ERR_ARG;
    return vn_pc_send(t->members[classes[cls].member].pc, classes[cls].stream, bufs, n, ret_taken);
}

void vn_tether_stats(const struct vn_tether *t, struct vn_tether_stats *ret)
{
    *ret = t->last;
    for (size_t i = 0; i < VN_HOP_PCS; i++) {
        struct vn_pc_stats s;
        if (!t->members[i].pc)
            continue;
        vn_pc_stats(t->members[i].pc, &s);
        ret->tx_bytes += s.tx_bytes;
        ret->rx_bytes += s.rx_bytes;
        ret->tx_msgs += s.tx_msgs;
        ret->rx_msgs += s.rx_msgs;
        ret->queued_bytes += s.queued_bytes;
        ret->srtt_us = VN_MAX(ret->srtt_us, s.srtt_us);
        if (i == classes[VN_TETHER_BULK].member)
            ret->rate = s.rate;
        if (i == 0) {
            ret->local = s.local;
            ret->remote = s.remote;
            ret->local_type = s.local_type;
            ret->remote_type = s.remote_type;
        }
    }
}
