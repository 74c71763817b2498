#include "loop/mailbox.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "loop/internal.h"

/*
 * A list of blocks. The producer fills the last one, the consumer empties the first; a block is
 * freed by the consumer once it has left it. `sent` and `taken` count items for ever and are what
 * the two sides tell each other: an item, and the pointer to the block it is in, are written before
 * `sent` is raised with release order, and read after it was read with acquire order.
 */
#define BLOCK_ITEMS 254

struct block {
    struct block *next;
    void *items[BLOCK_ITEMS];
};

/* Items handled per wake-up: what is left waits for the next turn, so that others get theirs. */
#define BATCH_MAX 1024

struct vn_mailbox {
    uv_async_t *async; /* a heap object of its own: it is closed after the mailbox is gone */
    struct vn_mailbox_config cfg;
    bool closed;

    /* consumer only */
    struct block *first;
    size_t first_used;
    uint64_t taken_mine;

    /* producer only */
    _Alignas(64) struct block *last;
    size_t last_used;
    uint64_t sent_mine;

    /* both */
    _Alignas(64) atomic_uint_fast64_t sent;
    _Alignas(64) atomic_uint_fast64_t taken;
    _Alignas(64) atomic_bool awake; /* a wake-up is on its way and has not looked yet */
};

static void *take(struct vn_mailbox *m)
{
    if (m->first_used == BLOCK_ITEMS) {
        struct block *next = m->first->next;
        free(m->first);
        m->first = next;
        m->first_used = 0;
    }
    void *item = m->first->items[m->first_used++];
    m->taken_mine++;
    atomic_store_explicit(&m->taken, m->taken_mine, memory_order_release);
    return item;
}

static void on_async(uv_async_t *h)
{
    struct vn_mailbox *m = h->data;
    if (m->closed)
        return;
    vn_loop_enter(m->cfg.loop);
    /* Sequentially consistent, like the exchange in send: either this reads the item that was sent
     * before, or that send sees false and wakes again. */
    atomic_store(&m->awake, false);
    size_t n = 0;
    uint64_t sent = atomic_load(&m->sent);
    while (m->taken_mine != sent && n < BATCH_MAX && !m->closed) {
        m->cfg.item(m->cfg.arg, take(m));
        n++;
    }
    if (n && m->cfg.drained)
        m->cfg.drained(m->cfg.arg);
    if (!m->closed && m->taken_mine != sent && !atomic_exchange(&m->awake, true))
        uv_async_send(m->async);
}

void vn_mailbox_flush(struct vn_mailbox *m)
{
    bool any = false;
    while (!m->closed && m->taken_mine != atomic_load(&m->sent)) {
        m->cfg.item(m->cfg.arg, take(m));
        any = true;
    }
    if (any && m->cfg.drained)
        m->cfg.drained(m->cfg.arg);
}

vn_status vn_mailbox_new(const struct vn_mailbox_config *cfg, struct vn_mailbox **ret)
{
    struct vn_mailbox *m = aligned_alloc(64, (sizeof(*m) + 63) / 64 * 64);
    struct block *b = malloc(sizeof(*b));
    uv_async_t *async = malloc(sizeof(*async));
    if (!m || !b || !async) {
        free(m);
        free(b);
        free(async);
        return VN_ERR_NOMEM;
    }
    b->next = NULL;
    *m = (struct vn_mailbox){.async = async, .cfg = *cfg, .first = b, .last = b};
    int err = uv_async_init(&cfg->loop->uv, async, on_async);
    if (err) {
        free(m);
        free(b);
        free(async);
        return vn_loop_uv_status(err);
    }
    async->data = m;
    *ret = m;
    return VN_OK;
}

void vn_mailbox_close(struct vn_mailbox *m)
{
    m->closed = true;
    uv_unref((uv_handle_t *)m->async);
}

struct vn_mailbox *vn_mailbox_free(struct vn_mailbox *m)
{
    if (!m)
        return NULL;
    m->closed = true;
    while (m->taken_mine != atomic_load(&m->sent)) {
        void *item = take(m);
        if (m->cfg.drop)
            m->cfg.drop(item);
    }
    free(m->first);
    m->async->data = NULL;
    vn_loop_close_free((uv_handle_t *)m->async);
    free(m);
    return NULL;
}

vn_status vn_mailbox_send(struct vn_mailbox *m, void *item)
{
    if (m->sent_mine - atomic_load_explicit(&m->taken, memory_order_acquire) >= m->cfg.max)
        return VN_ERR_LIMIT;
    if (m->last_used == BLOCK_ITEMS) {
        struct block *b = malloc(sizeof(*b));
        if (!b)
            return VN_ERR_NOMEM;
        b->next = NULL;
        m->last->next = b;
        m->last = b;
        m->last_used = 0;
    }
    m->last->items[m->last_used++] = item;
    atomic_store(&m->sent, ++m->sent_mine);
    if (!atomic_exchange(&m->awake, true))
        uv_async_send(m->async);
    return VN_OK;
}
