#include "guardian/account_queue.h"

#include <stdlib.h>

struct vn_account_entry {
    struct vn_list link;
    struct vn_id realm;
};

static struct vn_account_entry *first(const struct vn_account_queue *q)
{
    return VN_LIST_ENTRY(q->waiting.next, struct vn_account_entry, link);
}

static struct vn_account_entry *find(const struct vn_account_queue *q, const struct vn_id *realm)
{
    VN_LIST_EACH(it, &q->waiting)
    {
        struct vn_account_entry *e = VN_LIST_ENTRY(it, struct vn_account_entry, link);
        if (vn_id_equal(&e->realm, realm))
            return e;
    }
    return NULL;
}

static void entry_free(struct vn_account_entry *e)
{
    if (e)
        vn_list_remove(&e->link);
    free(e);
}

void vn_account_queue_init(struct vn_account_queue *q)
{
    *q = (struct vn_account_queue){.under_way = NULL};
    vn_list_init(&q->waiting);
}

void vn_account_queue_done(struct vn_account_queue *q)
{
    while (!vn_list_empty(&q->waiting))
        entry_free(first(q));
    entry_free(VN_TAKE(q->under_way));
}

vn_status vn_account_queue_add(struct vn_account_queue *q, const struct vn_id *realm)
{
    if (find(q, realm))
        return VN_OK;
    struct vn_account_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return VN_ERR_NOMEM;
    e->realm = *realm;
    vn_list_append(&q->waiting, &e->link);
    return VN_OK;
}

bool vn_account_queue_has(const struct vn_account_queue *q, const struct vn_id *realm)
{
    return (q->under_way && vn_id_equal(&q->under_way->realm, realm)) || find(q, realm);
}

bool vn_account_queue_idle(const struct vn_account_queue *q)
{
    return !q->under_way && vn_list_empty(&q->waiting);
}

bool vn_account_queue_next(struct vn_account_queue *q, uint64_t now_ms, struct vn_id *ret)
{
    if (q->under_way && now_ms - q->sent_ms >= VN_ACCOUNT_ANSWER_MS)
        vn_account_queue_lost(q);
    if (q->under_way || vn_list_empty(&q->waiting))
        return false;
    *ret = first(q)->realm;
    return true;
}

uint64_t vn_account_queue_sent(struct vn_account_queue *q, uint64_t now_ms)
{
    q->under_way = first(q);
    vn_list_remove(&q->under_way->link);
    q->sent_ms = now_ms;
    return ++q->number;
}

void vn_account_queue_drop(struct vn_account_queue *q)
{
    entry_free(first(q));
}

bool vn_account_queue_answered(struct vn_account_queue *q, uint64_t number)
{
    if (!q->under_way || number != q->number)
        return false;
    entry_free(VN_TAKE(q->under_way));
    return true;
}

void vn_account_queue_lost(struct vn_account_queue *q)
{
    struct vn_account_entry *e = VN_TAKE(q->under_way);
    if (!e)
        return;
    entry_free(find(q, &e->realm));
    vn_list_append(q->waiting.next, &e->link); /* in front */
}
