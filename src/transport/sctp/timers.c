/*
 * Time, and the life of an association. Timers, each a field that says when it is due:
 *   - attempt_due_us (T1-init, T1-cookie, T2-shutdown)  from INIT, COOKIE ECHO, SHUTDOWN or
 *     SHUTDOWN ACK until the answer; sends it again, each time after twice as long
 *   - rx.sack_due_us          from data that is not acknowledged until a SACK; sends one
 *   - rx.hold_due_us          while unordered messages wait for the sake of order; hands one up
 *   - tx.pace_due_us          while data waits for its time; sends it
 *   - tx.rack_due_us          while a chunk may be late only; marks it lost
 *   - tx.probe_due_us         from the last transmission or acknowledgement; sends a probe, once
 *   - tx.timeout_due_us (T3)  while anything is in flight; all of it is lost
 *   - tx.forward_due_us       from FORWARD-TSN until it is acknowledged; sends it again
 *   - reset.due_us            from a RE-CONFIG request until its response; sends it again
 *   - pmtu.due_us             while longer packets may pass; sends probes
 *   - heartbeat_due_us        always; on an idle path sends HEARTBEAT
 */
#include <stdlib.h>

#include "base/secret.h"
#include "transport/sctp/assoc.h"

vn_status vn_sctp_new(const struct vn_sctp_config *cfg, uint64_t now_us, struct vn_sctp **ret)
{
    if (cfg->mtu < VN_SCTP_MTU_MIN || cfg->mtu > VN_SCTP_MTU_MAX || cfg->message_max == 0 ||
        cfg->mtu_max > VN_SCTP_MTU_MAX || cfg->mtu_base > cfg->mtu ||
        cfg->streams > VN_SCTP_STREAMS_MAX)
        return VN_ERR_ARG;
    struct vn_sctp *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->cfg = *cfg;
    s->cfg.mtu &= ~(size_t)3; /* chunks are padded */
    s->cfg.mtu_base = (cfg->mtu_base ? cfg->mtu_base : cfg->mtu) & ~(size_t)3;
    if (cfg->streams == 0)
        s->cfg.streams = VN_SCTP_STREAMS;
    s->rx.streams = calloc(s->cfg.streams, sizeof(*s->rx.streams));
    s->tx.streams = calloc(s->cfg.streams, sizeof(*s->tx.streams));
    vn_status st = s->rx.streams && s->tx.streams ? VN_OK : VN_ERR_NOMEM;
    while (st == VN_OK && s->tag == 0) /* section 3.3.2: not 0 */
        st = cfg->random->fill(cfg->random->self, &s->tag, sizeof(s->tag));
    if (st == VN_OK)
        st = cfg->random->fill(cfg->random->self, &s->first_tsn, sizeof(s->first_tsn));
    if (st == VN_OK)
        st = cfg->random->fill(cfg->random->self, s->key, sizeof(s->key));
    if (st == VN_OK)
        st = cfg->random->fill(cfg->random->self, &s->heartbeat_nonce, sizeof(s->heartbeat_nonce));
    if (st == VN_OK)
        st = cfg->random->fill(cfg->random->self, &s->pmtu.nonce, sizeof(s->pmtu.nonce));
    if (st != VN_OK) {
        free(s->rx.streams);
        free(s->tx.streams);
        free(s);
        return st;
    }
    s->attempt_due_us = s->heartbeat_due_us = s->reset.due_us = s->pmtu.due_us = VN_SCTP_NEVER;
    s->reset.out_seq = s->first_tsn;
    vn_sctp_rx_init(s);
    vn_sctp_tx_init(s, now_us);
    *ret = s;
    return VN_OK;
}

struct vn_sctp *vn_sctp_free(struct vn_sctp *s)
{
    if (!s)
        return NULL;
    vn_sctp_abort(s, VN_SCTP_C_USER_ABORT, "closed");
    vn_sctp_tx_done(s);
    vn_sctp_rx_done(s);
    free(s->cookie);
    vn_wipe(s->key, sizeof(s->key));
    free(s);
    return NULL;
}

vn_status vn_sctp_connect(struct vn_sctp *s, uint64_t now_us)
{
    if (s->phase != VN_SCTP_IDLE)
        return s->phase == VN_SCTP_ENDED ? VN_ERR_STATE : VN_OK; /* the peer was first */
    s->phase = VN_SCTP_COOKIE_WAIT;
    s->attempt_due_us = now_us + s->tx.rto_us;
    vn_sctp_send_init(s);
    return VN_OK;
}

enum vn_sctp_state vn_sctp_state(const struct vn_sctp *s)
{
    return s->state;
}

uint32_t vn_sctp_srtt_us(const struct vn_sctp *s)
{
    return (uint32_t)VN_MIN(s->tx.srtt_us, (uint64_t)UINT32_MAX);
}

void vn_sctp_counters(const struct vn_sctp *s, struct vn_sctp_counters *ret)
{
    *ret = s->counters;
}

uint64_t vn_sctp_due_us(const struct vn_sctp *s)
{
    const struct vn_sctp_tx *tx = &s->tx;
    const uint64_t all[] = {s->attempt_due_us,  s->rx.sack_due_us, tx->pace_due_us,
                            tx->rack_due_us,    tx->probe_due_us,  tx->timeout_due_us,
                            tx->forward_due_us, s->reset.due_us,   s->heartbeat_due_us,
                            s->rx.hold_due_us,  s->pmtu.due_us};
    uint64_t due = VN_SCTP_NEVER;
    for (size_t i = 0; i < VN_ARRAY_LEN(all) && s->phase != VN_SCTP_ENDED; i++)
        due = VN_MIN(due, all[i]);
    return due;
}

static void attempt_again(struct vn_sctp *s, uint64_t now_us)
{
    if (++s->attempts > VN_SCTP_RTX_MAX) {
        vn_sctp_end(s, VN_SCTP_FAILED, "no answer");
        return;
    }
    const uint64_t wait_us = s->tx.rto_us << VN_MIN(s->attempts, 5u);
    s->attempt_due_us = now_us + VN_MIN(wait_us, VN_SCTP_RTO_MAX_MS * 1000ull);
    switch (s->phase) {
    case VN_SCTP_COOKIE_WAIT:
        vn_sctp_send_init(s);
        break;
    case VN_SCTP_COOKIE_ECHOED:
        vn_sctp_send_cookie(s);
        break;
    case VN_SCTP_SHUTDOWN_SENT:
    case VN_SCTP_SHUTDOWN_ACK_SENT:
        vn_sctp_repeat_shutdown(s, now_us);
        break;
    default:
        s->attempt_due_us = VN_SCTP_NEVER;
    }
}

static void count_error(struct vn_sctp *s)
{
    if (++s->errors > VN_SCTP_RTX_MAX)
        vn_sctp_abort(s, VN_SCTP_C_USER_ABORT, "no answer");
}

static void heartbeat(struct vn_sctp *s, uint64_t now_us)
{
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    s->heartbeat_due_us = now_us + VN_SCTP_HEARTBEAT_MS * 1000ull;
    if (s->heartbeat_open)
        count_error(s);
    if (s->phase == VN_SCTP_ENDED || s->tx.in_flight > 0)
        return;
    s->heartbeat_open = true;
    s->heartbeat_sent_us = now_us;
    s->heartbeat_nonce = s->heartbeat_nonce * 6364136223846793005u + 1442695040888963407u;
    vn_sctp_write_header(&w, s->peer.tag);
    const size_t at = vn_sctp_begin_chunk(&w, VN_SCTP_HEARTBEAT, 0);
    const size_t param = vn_sctp_begin_param(&w, VN_SCTP_P_HEARTBEAT);
    vn_write_u64(&w, s->heartbeat_nonce);
    vn_sctp_end_chunk(&w, param);
    vn_sctp_end_chunk(&w, at);
    vn_sctp_send_packet(s, &w, true);
}

/* T3-rtx (section 6.3.3): nothing came back for so long that all is taken for lost. */
static void time_out(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    s->counters.timeouts++;
    count_error(s);
    while (tx->sent.head)
        vn_sctp_mark_lost(s, tx->sent.head);
    tx->rto_us = VN_MIN(tx->rto_us * 2, VN_SCTP_RTO_MAX_MS * 1000ull);
    tx->timeout_due_us = tx->probe_due_us = tx->rack_due_us = VN_SCTP_NEVER;
    tx->next_send_ns = 0;
    vn_bbr_on_timeout(&tx->bbr);
    vn_sctp_pmtu_lost(s, now_us);
}

void vn_sctp_path_changed(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    if (!vn_sctp_has_data_phase(s))
        return;
    while (tx->sent.head)
        vn_sctp_mark_lost(s, tx->sent.head);
    tx->rto_us = VN_SCTP_RTO_INITIAL_MS * 1000ull;
    tx->timeout_due_us = tx->probe_due_us = tx->rack_due_us = VN_SCTP_NEVER;
    tx->next_send_ns = 0;
    s->errors = 0;
    s->pmtu.suspicions = 0;
    vn_sctp_pmtu_start(s, now_us);
    if (s->reset.due_us != VN_SCTP_NEVER)
        s->reset.due_us = now_us;
    vn_sctp_advance_forward(s);
    vn_sctp_output(s, now_us);
}

static void probe(struct vn_sctp *s, uint64_t now_us)
{
    s->tx.probed = true;
    vn_sctp_send_probe(s, now_us);
    s->tx.probe_due_us = VN_SCTP_NEVER;
    s->tx.timeout_due_us = now_us + s->tx.rto_us;
}

void vn_sctp_tick(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    if (now_us >= s->attempt_due_us)
        attempt_again(s, now_us);
    if (!vn_sctp_has_data_phase(s))
        return;
    if (now_us >= s->heartbeat_due_us)
        heartbeat(s, now_us);
    if (now_us >= s->pmtu.due_us)
        vn_sctp_pmtu_tick(s, now_us);
    if (now_us >= s->reset.due_us) {
        if (++s->reset.attempts > VN_SCTP_RTX_MAX)
            count_error(s);
        vn_sctp_repeat_reset(s, now_us);
    }
    if (now_us >= s->rx.hold_due_us)
        vn_sctp_release(s, now_us);
    if (now_us >= tx->rack_due_us)
        vn_sctp_detect_loss(s, now_us);
    if (now_us >= tx->timeout_due_us)
        time_out(s, now_us);
    else if (now_us >= tx->probe_due_us)
        probe(s, now_us);
    vn_sctp_advance_forward(s);
    vn_sctp_output(s, now_us);
    vn_sctp_go_on_resetting(s, now_us);
    vn_sctp_go_on_shutting(s, now_us);
}
