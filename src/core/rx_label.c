#include "core/rx_label.h"

#include <stdlib.h>

/* As long as a circuit may take to come about. */
#define EARLY_US (VN_SETUP_WAIT_MS * UINT64_C(1000))

struct vn_label *vn_label_new(struct vn_end *end, uint32_t label)
{
    struct vn_label *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    vn_label_key(end->handle, label, l->key);
    l->end = end;
    vn_list_init(&l->of_rx);
    if (vn_map_put(end->worker->label_by_key, l->key, l) != VN_OK) {
        free(l);
        return NULL;
    }
    vn_list_append(&end->labels, &l->of_end);
    return l;
}

void vn_label_release(struct vn_label *l)
{
    struct vn_worker *w = l->end->worker;
    struct vn_pktqueue q = vn_label_take_early(l);
    vn_worker_drop_n(w, VN_DROP_LABEL_UNKNOWN, q.count);
    vn_pktqueue_clear(&q);
    vn_meter_done(&l->meter);
    if (l->owner)
        *l->owner = NULL;
    vn_list_remove(&l->of_end);
    vn_list_remove(&l->of_rx);
    vn_map_take(w->label_by_key, l->key);
    free(l);
}

struct vn_label *vn_label_claim(struct vn_end *end, uint32_t label)
{
    struct vn_label *l = vn_label_find(end, label);
    if (l)
        vn_label_release(l);
    return vn_label_new(end, label);
}

void vn_label_close(struct vn_worker *w, const struct vn_cmd_label *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    struct vn_label *l = end ? vn_label_find(end, cmd->label) : NULL;
    if (l && !l->forward)
        vn_label_release(l);
}

/* ---- held frames ---- */

struct vn_pktqueue vn_label_take_early(struct vn_label *l)
{
    struct vn_pktqueue q = l->early;
    l->early = (struct vn_pktqueue){0};
    if (q.count) {
        l->end->early_bytes -= q.bytes;
        l->end->early_labels--;
    }
    return q;
}

void vn_label_hold(struct vn_end *end, uint32_t label, struct vn_label *l, struct vn_pktbuf *b)
{
    struct vn_worker *w = end->worker;
    bool fits =
        end->early_bytes + b->len <= VN_EARLY_BYTES_MAX &&
        (l ? l->early.count < VN_EARLY_FRAMES_MAX : end->early_labels < VN_EARLY_LABELS_MAX);
    if (!fits || (!l && !(l = vn_label_new(end, label)))) {
        vn_worker_drop(w, VN_DROP_EARLY_FULL);
        vn_pktbuf_free(b);
        return;
    }
    if (l->early.count == 0) {
        end->early_labels++;
        l->early_until_us = w->now_us + EARLY_US;
        vn_worker_wake_at(w, l->early_until_us);
    }
    end->early_bytes += b->len;
    vn_pktqueue_push(&l->early, b);
}

uint64_t vn_label_tick(struct vn_worker *w)
{
    uint64_t next = UINT64_MAX;
    VN_LIST_EACH(it, &w->ends)
    {
        struct vn_end *end = VN_LIST_ENTRY(it, struct vn_end, link);
        if (end->early_labels == 0)
            continue;
        VN_LIST_EACH(lt, &end->labels)
        {
            struct vn_label *l = VN_LIST_ENTRY(lt, struct vn_label, of_end);
            if (l->early.count == 0)
                continue;
            if (l->early_until_us <= w->now_us)
                vn_label_release(l);
            else
                next = VN_MIN(next, l->early_until_us);
        }
    }
    return next;
}

/* ---- credit ---- */

void vn_label_keep(struct vn_label **owner, const struct vn_turn *turn)
{
    struct vn_label *l = VN_TAKE(*owner);
    if (!l)
        return;
    l->owner = NULL;
    l->turn = NULL;
    l->kept = true;
    l->purse = turn->purse;
}

void vn_label_credit(struct vn_label **owner, struct vn_turn *turn, struct vn_end *end,
                     uint32_t fwd, uint32_t rev)
{
    struct vn_label *l = rev ? vn_label_find(end, rev) : NULL;
    bool back = l && l->kept;
    if (rev && !back)
        l = vn_label_claim(end, rev);
    if (l) {
        *owner = l;
        l->fwd = fwd;
        l->turn = turn;
        l->owner = owner;
        l->kept = false;
    }
    if (back)
        vn_turn_return(turn, end, &l->purse);
    else
        vn_turn_move(turn, end, rev != 0);
}
