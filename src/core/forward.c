#include "core/forward.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/end.h"
#include "core/rx_label.h"
#include "wire/frame.h"

#define REALTIME_WAIT_MAX 64 /* frames; the oldest goes */

static bool waits(const struct vn_turn *t, enum vn_tether_class cls)
{
    return VN_CONTAINER_OF(t, const struct vn_forward, turn)->queue[cls].count > 0;
}

static struct vn_pktbuf *next(struct vn_turn *t, enum vn_tether_class cls)
{
    return vn_pktqueue_pop(&VN_CONTAINER_OF(t, struct vn_forward, turn)->queue[cls]);
}

static void put_back(struct vn_turn *t, enum vn_tether_class cls, struct vn_pktbuf *b)
{
    vn_pktqueue_unpop(&VN_CONTAINER_OF(t, struct vn_forward, turn)->queue[cls], b);
}

static void sent(struct vn_turn *t, enum vn_tether_class cls, size_t n)
{
    struct vn_forward *f = VN_CONTAINER_OF(t, struct vn_forward, turn);
    f->worker->counters.frames_relayed++;
    f->worker->counters.bytes_relayed += n;
    if (cls == VN_TETHER_BULK)
        vn_meter_consume(&f->meter, n);
}

static const struct vn_turn_kind forward_kind = {
    .waits = waits, .next = next, .put_back = put_back, .sent = sent};

void vn_forward_open(struct vn_worker *w, const struct vn_cmd_relay_open *cmd)
{
    struct vn_end *in = vn_worker_end(w, cmd->in.tether), *out = vn_worker_end(w, cmd->out.tether);
    struct vn_forward *f = in && out ? calloc(1, sizeof(*f)) : NULL;
    if (!f) {
        vn_worker_tell_handle(w, VN_EV_RELAY_IDLE, cmd->relay); /* it will never carry anything */
        return;
    }
    f->worker = w;
    f->handle = cmd->relay;
    f->in_rev = cmd->in.rev;
    f->out_fwd = cmd->out.fwd;
    f->active_us = w->now_us;
    vn_turn_init(&f->turn, &forward_kind);
    f->in = vn_label_claim(in, cmd->in.fwd);
    f->out = f->in ? vn_label_claim(out, cmd->out.rev) : NULL;
    if (!f->out || vn_map_put(w->forward_by_handle, &f->handle, f) != VN_OK) {
        if (f->out)
            vn_label_release(f->out);
        if (f->in)
            vn_label_release(f->in);
        free(f);
        vn_worker_tell_handle(w, VN_EV_RELAY_IDLE, cmd->relay);
        return;
    }
    f->in->forward = f->out->forward = f;
    f->out->turn = &f->turn;
    f->out->fwd = f->out_fwd;
    vn_meter_init(&f->meter, in, f->in_rev);
    vn_turn_move(&f->turn, out, true);
    vn_worker_wake_at(w, w->now_us + VN_RELAY_IDLE_MS * UINT64_C(1000));
    vn_log(VN_LOG_DEBUG, "relay_created", VN_KV_U64("handle", f->handle));
}

void vn_forward_close(struct vn_forward *f)
{
    struct vn_worker *w = f->worker;
    vn_map_take(w->forward_by_handle, &f->handle);
    vn_turn_done(&f->turn);
    vn_meter_done(&f->meter);
    f->in->forward = f->out->forward = NULL;
    vn_label_release(f->in);
    vn_label_release(f->out);
    for (size_t cls = 0; cls < VN_CLASSES; cls++) {
        vn_worker_drop_n(w, VN_DROP_RELAY_GONE, f->queue[cls].count);
        vn_pktqueue_clear(&f->queue[cls]);
    }
    vn_log(VN_LOG_DEBUG, "relay_destroyed", VN_KV_U64("handle", f->handle));
    free(f);
}

void vn_forward_frame(struct vn_forward *f, const struct vn_label *on, enum vn_tether_class cls,
                      struct vn_pktbuf *b)
{
    struct vn_worker *w = f->worker;
    enum vn_worker_drop why = VN_DROP_COUNT;
    if (on != f->in || b->len > VN_FRAME_MAX)
        why = VN_DROP_HOP_MALFORMED; /* frames go one way */
    else if (cls == VN_TETHER_BULK && !vn_meter_receive(&f->meter, b->len))
        why = VN_DROP_CREDIT;
    if (why != VN_DROP_COUNT) {
        vn_worker_drop(w, why);
        vn_pktbuf_free(b);
        return;
    }
    f->active_us = w->now_us;
    vn_hop_relabel(b->data, f->out_fwd);
    if (cls == VN_TETHER_REALTIME && f->queue[cls].count >= REALTIME_WAIT_MAX) {
        vn_pktbuf_free(vn_pktqueue_pop(&f->queue[cls]));
        vn_worker_drop(w, VN_DROP_RELAY_FULL);
    }
    vn_pktqueue_push(&f->queue[cls], b);
    vn_turn_queue(&f->turn, cls);
}

void vn_forward_control(struct vn_forward *f, const struct vn_label *on, struct vn_pktbuf *b)
{
    bool onward = on == f->in;
    f->active_us = f->worker->now_us;
    vn_hop_relabel(b->data, onward ? f->out_fwd : f->in_rev);
    vn_end_control(onward ? f->out->end : f->in->end, b);
}

uint64_t vn_forward_tick(struct vn_worker *w)
{
    uint64_t next_us = UINT64_MAX;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->forward_by_handle, &cursor, &key, &value)) {
        struct vn_forward *f = value;
        uint64_t end_us = f->active_us + VN_RELAY_IDLE_MS * UINT64_C(1000);
        if (end_us > w->now_us) {
            f->idle_told = false;
            next_us = VN_MIN(next_us, end_us);
        } else if (!f->idle_told) {
            f->idle_told = vn_worker_tell_handle(w, VN_EV_RELAY_IDLE, f->handle);
        }
    }
    return next_us;
}

void vn_forward_close_all(struct vn_worker *w)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->forward_by_handle, &cursor, &key, &value))
        vn_forward_close(value);
}
