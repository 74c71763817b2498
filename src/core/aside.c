#include "core/aside.h"

#include <stdlib.h>
#include <string.h>

#include "core/end.h"
#include "wire/frame.h"

static struct vn_aside *aside_of(const struct vn_turn *t)
{
    return VN_CONTAINER_OF(t, struct vn_aside, turn);
}

static bool waits(const struct vn_turn *t, enum vn_tether_class cls)
{
    return cls == VN_TETHER_REALTIME && aside_of(t)->copies.count > 0;
}

static struct vn_pktbuf *next(struct vn_turn *t, enum vn_tether_class cls)
{
    (void)cls;
    return vn_pktqueue_pop(&aside_of(t)->copies);
}

static void put_back(struct vn_turn *t, enum vn_tether_class cls, struct vn_pktbuf *f)
{
    (void)cls;
    vn_pktqueue_unpop(&aside_of(t)->copies, f);
}

static const struct vn_turn_kind kind = {.waits = waits, .next = next, .put_back = put_back};

struct vn_aside *vn_aside_new(struct vn_worker *w, const struct vn_cmd_tx_aside *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    struct vn_aside *a = end ? calloc(1, sizeof(*a)) : NULL;
    if (!a)
        return NULL;
    a->end = end;
    a->label = cmd->label;
    vn_turn_init(&a->turn, &kind);
    vn_turn_move(&a->turn, end, false);
    vn_list_append(&end->asides, &a->of_end);
    return a;
}

void vn_aside_detach(struct vn_aside *a)
{
    vn_pktqueue_clear(&a->copies);
    vn_list_remove(&a->of_end);
    vn_turn_done(&a->turn);
    a->end = NULL;
}

struct vn_aside *vn_aside_free(struct vn_aside *a)
{
    if (a)
        vn_aside_detach(a);
    free(a);
    return NULL;
}

/* Copies take a share of what the path lets through, as far as that is known, and no more than
 * VN_COPIES_RATE: nobody's real-time frames push others' traffic off it. */
static bool is_within_share(struct vn_aside *a, size_t n)
{
    const uint64_t now_us = a->end->worker->now_us, rate = vn_end_path(a->end)->rate;
    const uint64_t most = VN_COPIES_RATE;
    const uint64_t share = rate ? VN_MIN(rate / VN_COPIES_SHARE + 1, most) : most;
    const uint64_t from_us = VN_MAX(a->paid_us, now_us);
    if (from_us - now_us > VN_COPIES_BURST_US)
        return false;
    a->paid_us = from_us + n * UINT64_C(1000000) / share;
    return true;
}

void vn_aside_copy(struct vn_aside *a, const struct vn_pktbuf *frame)
{
    struct vn_pktbuf *f;
    if (!a->end || !a->end->up || !is_within_share(a, frame->len) ||
        vn_pktbuf_new(frame->len, &f) != VN_OK)
        return;
    struct vn_worker *w = a->end->worker;
    memcpy(vn_pktbuf_put(f, frame->len), frame->data, frame->len);
    vn_hop_relabel(f->data, a->label);
    if (a->copies.count == VN_COPIES_MAX)
        vn_pktbuf_free(vn_pktqueue_pop(&a->copies));
    vn_pktqueue_push(&a->copies, f);
    vn_turn_queue(&a->turn, VN_TETHER_REALTIME);
    w->counters.frames_copied++;
    w->flush_again = true; /* this end's turn may have been before */
}
