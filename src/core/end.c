#include "core/end.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/forward.h"
#include "core/rx.h"
#include "core/rx_label.h"
#include "core/tx.h"
#include "wire/circuit.h"

/* Control messages that wait for `writable`, at most. */
#define CONTROL_QUEUE_MAX 256

static void on_candidate(void *arg, const struct vn_candidate *c)
{
    struct vn_end *end = arg;
    struct vn_ev_tether_candidate *ev;
    if (vn_post_msg_new(VN_EV_TETHER_CANDIDATE, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->tether = end->handle;
    ev->candidate = *c;
    vn_worker_tell(end->worker, &ev->msg);
}

static void on_gathered(void *arg)
{
    struct vn_end *end = arg;
    vn_worker_tell_handle(end->worker, VN_EV_TETHER_GATHERED, end->handle);
}

static void flush_control(struct vn_end *end)
{
    const struct vn_tether_port *port = end->worker->cfg.tether;
    while (end->up && !end->control_blocked && end->control.count) {
        struct vn_pktbuf *b = vn_pktqueue_pop(&end->control);
        size_t taken = 0;
        vn_status st = port->send(end->port, VN_TETHER_CONTROL, &b, 1, &taken);
        if (taken)
            continue;
        if (st != VN_OK && st != VN_ERR_AGAIN)
            vn_log(VN_LOG_DEBUG, "tether_send_failed", VN_KV_STATUS(st));
        vn_pktqueue_unpop(&end->control, b); /* this channel is ordered */
        end->control_blocked = true;
    }
    vn_grants_flush(end);
}

void vn_end_control(struct vn_end *end, struct vn_pktbuf *b)
{
    if (end->control.count >= CONTROL_QUEUE_MAX) {
        vn_pktbuf_free(b);
        return;
    }
    vn_pktqueue_push(&end->control, b);
    flush_control(end);
}

/* What a millisecond of the path carries: a packet of another flow waits no longer for one frame
 * (DESIGN section 7). */
static size_t frame_bytes(uint64_t rate)
{
    const uint64_t soon = rate / 1000 * VN_FRAME_MS;
    return rate == 0 || soon > VN_FRAME_MAX ? VN_FRAME_MAX : (size_t)soon;
}

const struct vn_path_time *vn_end_path(struct vn_end *end)
{
    struct vn_worker *w = end->worker;
    if (w->now_us >= end->path_until_us) {
        struct vn_tether_stats stats;
        w->cfg.tether->stats(end->port, &stats);
        end->path.srtt_us = stats.srtt_us;
        end->path.codel = vn_codel_params_for(stats.srtt_us);
        end->path.rate = stats.rate;
        end->path.frame_bytes = frame_bytes(stats.rate);
        end->path_until_us = w->now_us + VN_CODEL_REFRESH_US;
    }
    return &end->path;
}

static void on_up(void *arg)
{
    struct vn_end *end = arg;
    end->up = true;
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        end->blocked[cls] = false;
    end->control_blocked = false;
    vn_log(VN_LOG_DEBUG, "tether_up", VN_KV_U64("tether", end->handle));
    vn_worker_tell_handle(end->worker, VN_EV_TETHER_UP, end->handle);
    flush_control(end);
}

/* Takes the end out of everything and closes the tether. The object itself stays for vn_end_bury:
 * its callbacks may be on the stack. */
static void end_gone(struct vn_end *end)
{
    struct vn_worker *w = end->worker;
    end->up = false;
    VN_LIST_EACH(it, &end->txs)
    {
        vn_tx_detach(VN_LIST_ENTRY(it, struct vn_tx, of_end));
    }
    VN_LIST_EACH(it, &end->sides)
    {
        vn_side_detach(VN_LIST_ENTRY(it, struct vn_side, of_end));
    }
    VN_LIST_EACH(it, &end->asides)
    {
        vn_aside_detach(VN_LIST_ENTRY(it, struct vn_aside, of_end));
    }
    vn_rx_end_gone(end);
    vn_pktqueue_clear(&end->control);
    vn_map_take(w->end_by_handle, &end->handle);
    vn_list_remove(&end->link);
    vn_list_append(&w->buried, &end->link);
    struct vn_tether *port = VN_TAKE(end->port);
    w->cfg.tether->close(port);
    if (!vn_worker_is_hand(w))
        vn_log(VN_LOG_DEBUG, "tether_destroyed", VN_KV_U64("tether", end->handle));
}

static void on_down(void *arg, enum vn_tether_down why)
{
    struct vn_end *end = arg;
    struct vn_ev_tether_down *ev;
    vn_log(VN_LOG_DEBUG, "tether_down", VN_KV_U64("tether", end->handle), VN_KV_U64("why", why));
    if (vn_post_msg_new(VN_EV_TETHER_DOWN, sizeof(*ev), &ev) == VN_OK) {
        ev->tether = end->handle;
        ev->why = why;
        vn_worker_tell(end->worker, &ev->msg);
    }
    end_gone(end);
}

/* The next hop takes more on a circuit. */
static void on_credit(struct vn_end *end, uint32_t label, struct vn_span body)
{
    struct vn_label *l = vn_label_find(end, label);
    uint64_t limit;
    if (!vn_credit_decode(body, &limit))
        vn_worker_drop(end->worker, VN_DROP_HOP_MALFORMED);
    else if (l && l->turn)
        vn_turn_credit(l->turn, limit);
    else if (l && l->kept)
        l->purse.limit = VN_MAX(l->purse.limit, limit);
    else
        vn_worker_drop(end->worker, VN_DROP_LABEL_UNKNOWN);
}

/* A real-time frame, on the first tether of its way. */
static void count_lost(const struct vn_end *end, uint32_t label)
{
    VN_LIST_EACH(it, &end->txs)
    {
        struct vn_tx *tx = VN_LIST_ENTRY(it, struct vn_tx, of_end);
        if (tx->label == label)
            tx->real_time_lost++;
    }
}

/*
 * What a frame that is given up had of its circuit's credit comes back here, since the next hop
 * never counts it. If it did count it, because only its acknowledgement was lost, it refuses as
 * much later, which it does not count either: both ends agree again.
 */
static void on_given_up(void *arg, enum vn_tether_class cls, const struct vn_pktbuf *b)
{
    const struct vn_end *end = arg;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    if (!vn_hop_decode(&r, &hop))
        return;
    if (cls == VN_TETHER_REALTIME)
        count_lost(end, hop.label);
    if (cls != VN_TETHER_BULK)
        return;
    end->worker->counters.frames_given_up++;
    VN_LIST_EACH(it, &end->labels)
    {
        struct vn_label *l = VN_LIST_ENTRY(it, struct vn_label, of_end);
        if (l->fwd != hop.label)
            continue;
        vn_purse_return(l->turn ? &l->turn->purse : &l->purse, b->len);
        if (l->turn)
            vn_turn_queue(l->turn, VN_TETHER_BULK);
    }
}

static void on_stranded(void *arg)
{
    struct vn_end *end = arg;
    vn_worker_tell_handle(end->worker, VN_EV_TETHER_STRANDED, end->handle);
}

static void on_better(void *arg)
{
    struct vn_end *end = arg;
    vn_worker_tell_handle(end->worker, VN_EV_TETHER_BETTER, end->handle);
}

static void on_worn(void *arg)
{
    struct vn_end *end = arg;
    vn_worker_tell_handle(end->worker, VN_EV_TETHER_WORN, end->handle);
}

static void on_restarted(void *arg)
{
    struct vn_end *end = arg;
    vn_worker_tell_handle(end->worker, VN_EV_TETHER_RESTARTED, end->handle);
}

static void on_control(struct vn_end *end, struct vn_pktbuf *b)
{
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    struct vn_ev_tether_message *ev;
    if (!vn_hop_decode(&r, &hop) || hop.type == VN_HOP_FRAME) {
        vn_worker_drop(end->worker, VN_DROP_HOP_MALFORMED);
        vn_pktbuf_free(b);
        return;
    }
    if (hop.type == VN_HOP_CREDIT) {
        on_credit(end, hop.label, vn_reader_rest(&r));
        vn_pktbuf_free(b);
        return;
    }
    const struct vn_label *l = hop.type == VN_HOP_CONTROL ? vn_label_find(end, hop.label) : NULL;
    if (l && l->forward) {
        vn_forward_control(l->forward, l, b);
        return;
    }
    if (vn_post_msg_new(VN_EV_TETHER_MESSAGE, sizeof(*ev), &ev) != VN_OK) {
        vn_pktbuf_free(b);
        return;
    }
    ev->tether = end->handle;
    ev->buf = b;
    vn_worker_tell(end->worker, &ev->msg);
}

static void on_messages(void *arg, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n)
{
    struct vn_end *end = arg;
    if (cls != VN_TETHER_CONTROL) {
        vn_rx_input(end, cls, bufs, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        on_control(end, bufs[i]);
}

static void on_writable(void *arg, enum vn_tether_class cls)
{
    struct vn_end *end = arg;
    if (cls == VN_TETHER_CONTROL) {
        end->control_blocked = false;
        flush_control(end);
    } else if ((size_t)cls < VN_CLASSES) {
        end->blocked[cls] = false; /* vn_worker_flush goes on */
    }
}

static void end_free(struct vn_end *end)
{
    vn_pktqueue_clear(&end->control);
    free(end);
}

static void tell_failed(struct vn_worker *w, uint32_t tether)
{
    struct vn_ev_tether_down *ev;
    if (vn_post_msg_new(VN_EV_TETHER_DOWN, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->tether = tether;
    ev->why = VN_TETHER_DOWN_INTERNAL;
    vn_worker_tell(w, &ev->msg);
}

static struct vn_end *end_new(struct vn_worker *w, uint32_t handle)
{
    struct vn_end *end = calloc(1, sizeof(*end));
    if (!end)
        return NULL;
    end->worker = w;
    end->handle = handle;
    vn_list_init(&end->txs);
    vn_list_init(&end->asides);
    vn_list_init(&end->sides);
    vn_list_init(&end->labels);
    vn_list_init(&end->grants);
    vn_list_init(&end->link);
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_list_init(&end->ready[cls]);
    return end;
}

struct vn_end *vn_end_made(struct vn_worker *w, uint32_t handle, struct vn_tether *port)
{
    struct vn_end *end = end_new(w, handle);
    if (!end)
        return NULL;
    if (vn_map_put(w->end_by_handle, &end->handle, end) != VN_OK) {
        end_free(end);
        return NULL;
    }
    vn_list_append(&w->ends, &end->link);
    end->port = port;
    end->up = true;
    return end;
}

void vn_end_open(struct vn_worker *w, const struct vn_cmd_tether_open *cmd)
{
    if (vn_worker_end(w, cmd->tether))
        return;
    struct vn_end *end = end_new(w, cmd->tether);
    if (!end) {
        tell_failed(w, cmd->tether);
        return;
    }
    struct vn_tether_handler h = {.arg = end,
                                  .candidate = on_candidate,
                                  .gathered = on_gathered,
                                  .up = on_up,
                                  .down = on_down,
                                  .stranded = on_stranded,
                                  .better = on_better,
                                  .worn = on_worn,
                                  .restarted = on_restarted,
                                  .messages = on_messages,
                                  .writable = on_writable,
                                  .given_up = on_given_up};
    vn_status st = vn_map_put(w->end_by_handle, &end->handle, end);
    if (st == VN_OK) {
        vn_list_append(&w->ends, &end->link);
        st = w->cfg.tether->open(w->cfg.tether->self, &cmd->config, &h, &end->port);
    }
    if (st != VN_OK) {
        vn_log(VN_LOG_WARN, "tether_failed", VN_KV_STATUS(st));
        vn_map_take(w->end_by_handle, &end->handle);
        vn_list_remove(&end->link);
        end_free(end);
        tell_failed(w, cmd->tether);
        return;
    }
    vn_log(VN_LOG_DEBUG, "tether_created", VN_KV_U64("tether", end->handle));
}

void vn_end_start(struct vn_worker *w, const struct vn_cmd_tether_start *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (!end)
        return;
    vn_status st = w->cfg.tether->start(end->port, &cmd->start);
    if (st != VN_OK) {
        vn_log(VN_LOG_WARN, "tether_failed", VN_KV_STATUS(st));
        on_down(end, VN_TETHER_DOWN_INTERNAL);
    }
}

void vn_end_restart(struct vn_worker *w, const struct vn_cmd_tether_restart *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (!end)
        return;
    const struct vn_tether_port *port = w->cfg.tether;
    const vn_status st = cmd->remote ? port->restart_start(end->port, cmd->ice)
                                     : port->restart(end->port, cmd->ice, cmd->better);
    if (st != VN_OK) /* the node gives it up in time, and makes another tether */
        vn_log(VN_LOG_DEBUG, "tether_restart_failed", VN_KV_STATUS(st));
}

void vn_end_candidate(struct vn_worker *w, const struct vn_cmd_tether_candidate *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (end)
        w->cfg.tether->add_remote_candidate(end->port, &cmd->candidate);
}

void vn_end_send(struct vn_worker *w, struct vn_cmd_tether_send *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    struct vn_pktbuf *b = VN_TAKE(cmd->buf);
    if (end && b)
        vn_end_control(end, b);
    else
        vn_pktbuf_free(b);
}

void vn_end_close(struct vn_worker *w, struct vn_end *end)
{
    (void)w;
    end_gone(end);
}

void vn_end_bury(struct vn_worker *w)
{
    if (vn_list_empty(&w->buried))
        return;
    VN_LIST_EACH(it, &w->buried)
    {
        vn_list_remove(it);
        end_free(VN_LIST_ENTRY(it, struct vn_end, link));
    }
    /* Nothing will come and go for a while. */
    if (vn_list_empty(&w->ends))
        vn_pktbuf_trim();
}
