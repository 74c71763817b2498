#include "core/turn.h"

#include "base/log.h"
#include "wire/frame.h"

/* What the guaranteed frame of a circuit needs: the first one begins with it. */
#define CREDIT_FIRST 1

void vn_turn_init(struct vn_turn *t, const struct vn_turn_kind *kind)
{
    *t = (struct vn_turn){.kind = kind};
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_list_init(&t->of_ready[cls]);
}

void vn_turn_return(struct vn_turn *t, struct vn_end *end, const struct vn_purse *purse)
{
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_list_remove(&t->of_ready[cls]);
    t->end = end;
    t->purse = *purse;
    for (enum vn_tether_class cls = 0; cls < VN_CLASSES; cls++)
        vn_turn_queue(t, cls);
}

void vn_turn_move(struct vn_turn *t, struct vn_end *end, bool credit)
{
    vn_turn_return(t, end, &(struct vn_purse){.on = credit, .limit = CREDIT_FIRST});
}

void vn_turn_done(struct vn_turn *t)
{
    if (t->end && t->end->sending == t)
        t->end->sending = NULL;
    vn_turn_move(t, NULL, false);
}

static bool may_send(const struct vn_turn *t, enum vn_tether_class cls)
{
    return cls != VN_TETHER_BULK || !vn_purse_is_empty(&t->purse);
}

void vn_turn_queue(struct vn_turn *t, enum vn_tether_class cls)
{
    if (t->end && vn_list_empty(&t->of_ready[cls]) && t->kind->waits(t, cls) && may_send(t, cls))
        vn_list_append(&t->end->ready[cls], &t->of_ready[cls]);
}

void vn_turn_credit(struct vn_turn *t, uint64_t limit)
{
    t->purse.limit = VN_MAX(t->purse.limit, limit);
    vn_turn_queue(t, VN_TETHER_BULK);
}

/* Its turn is over, or it has nothing more. */
static void to_the_end(struct vn_turn *t, enum vn_tether_class cls)
{
    vn_list_remove(&t->of_ready[cls]);
    vn_turn_queue(t, cls);
    if (vn_list_empty(&t->of_ready[cls]))
        t->left[cls] = 0;
}

/* One frame; false: no more of this class just now. */
static bool send_one(struct vn_end *end, struct vn_turn *t, enum vn_tether_class cls)
{
    if (t->left[cls] <= 0)
        t->left[cls] += VN_FRAME_MAX;
    struct vn_pktbuf *f = t->kind->next(t, cls);
    if (!f) {
        to_the_end(t, cls);
        /* It has something and cannot send it, for want of keys: it waits for the next flush. */
        return vn_list_empty(&t->of_ready[cls]);
    }
    size_t n = f->len, taken = 0;
    end->sending = t;
    vn_status st = end->worker->cfg.tether->send(end->port, cls, &f, 1, &taken);
    bool gone = VN_TAKE(end->sending) != t;
    if (!taken) {
        /* Before `up` and after `down` there is no `writable`; those events unblock. One that was
         * refused keeps its turn: else, of two, who meets the refusal would always wait. */
        end->blocked[cls] = true;
        if (st != VN_OK && st != VN_ERR_AGAIN)
            vn_log(VN_LOG_DEBUG, "tether_send_failed", VN_KV_STATUS(st));
        if (gone) {
            vn_worker_drop(end->worker, VN_DROP_RELAY_GONE);
            vn_pktbuf_free(f);
        } else {
            t->kind->put_back(t, cls, f);
        }
        return false;
    }
    if (gone)
        return true;
    t->left[cls] -= (int64_t)n;
    if (cls == VN_TETHER_BULK)
        t->purse.sent += n;
    if (t->kind->sent)
        t->kind->sent(t, cls, n);
    if (t->end == end && (t->left[cls] <= 0 || !t->kind->waits(t, cls) || !may_send(t, cls)))
        to_the_end(t, cls);
    return true;
}

void vn_turn_flush(struct vn_end *end)
{
    static const enum vn_tether_class order[] = {VN_TETHER_REALTIME, VN_TETHER_BULK};
    for (size_t i = 0; i < VN_ARRAY_LEN(order); i++) {
        enum vn_tether_class cls = order[i];
        struct vn_list *ready = &end->ready[cls];
        while (end->up && !end->blocked[cls] && !vn_list_empty(ready)) {
            struct vn_turn *t = VN_CONTAINER_OF(ready->next, struct vn_turn, of_ready[cls]);
            if (!send_one(end, t, cls))
                break;
        }
    }
}
