/*
 * timer         armed by                     disarmed by   fires
 * turns.timer   messages wait, until the     the end       serves them
 *               level allows one more
 */
#include "core/turns.h"

#include "core/node_i.h"

struct turn_queue {
    struct vn_id source;
    struct vn_list turn, messages;
    size_t count;
};

struct turn_message {
    struct vn_list link;
    struct vn_subject subj;
    size_t n;
    uint8_t payload[];
};

static const uint64_t level_max = UINT64_C(1000) * VN_TURNS_BURST;

/* ---- the level ---- */

static void drain(struct vn_node *n)
{
    struct vn_turns *t = &n->turns;
    uint64_t gone_ms = n->now_ms - t->level_at_ms;
    /* A rate per second is thousandths per millisecond. */
    uint64_t gone = VN_MIN(gone_ms, t->level_milli / VN_TURNS_RATE + 1) * VN_TURNS_RATE;
    t->level_milli -= VN_MIN(gone, t->level_milli);
    t->level_at_ms = n->now_ms;
}

void vn_turns_spend(struct vn_node *n, uint32_t milli)
{
    drain(n);
    n->turns.level_milli += milli;
    n->turns.spent_milli += milli;
}

/* ---- queues ---- */

static void queue_free(struct vn_node *n, struct turn_queue *q)
{
    vn_list_remove(&q->turn);
    (void)vn_map_take(n->turns.by_source, &q->source);
    free(q);
}

static struct turn_message *take(struct vn_node *n, struct turn_queue *q, struct vn_list *link)
{
    vn_list_remove(link);
    n->turns.waiting--;
    if (--q->count == 0)
        queue_free(n, q);
    return VN_LIST_ENTRY(link, struct turn_message, link);
}

static bool is_known(struct vn_node *n, const struct vn_id *source)
{
    const struct vn_peer *p = vn_peer_get(n, source);
    return p && ((p->tx && p->tx->state == VN_TX_OPEN) || !vn_list_empty(&p->rxs));
}

static struct turn_queue *longest(const struct vn_node *n)
{
    const struct vn_list *lists[] = {&n->turns.others, &n->turns.known};
    struct turn_queue *found = NULL;
    for (size_t i = 0; i < VN_ARRAY_LEN(lists); i++) {
        VN_LIST_EACH(it, lists[i])
        {
            struct turn_queue *q = VN_LIST_ENTRY(it, struct turn_queue, turn);
            if (!found || q->count > found->count)
                found = q;
        }
    }
    return found;
}

static struct turn_queue *queue_new(struct vn_node *n, const struct vn_id *source)
{
    struct turn_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->source = *source;
    vn_list_init(&q->messages);
    vn_list_init(&q->turn);
    if (vn_map_put(n->turns.by_source, &q->source, q) != VN_OK) {
        free(q);
        return NULL;
    }
    vn_list_append(is_known(n, source) ? &n->turns.known : &n->turns.others, &q->turn);
    return q;
}

/* Room for one more of a source that has `count`: its own share, and a place that is free or is
 * taken from the longest queue. */
static bool make_room(struct vn_node *n, size_t count)
{
    if (count >= VN_TURNS_SOURCE_MAX)
        return false;
    if (n->turns.waiting < VN_TURNS_MAX)
        return true;
    struct turn_queue *q = longest(n);
    if (q->count <= count + 1)
        return false;
    vn_drop(n, VN_NDROP_LIMIT);
    free(take(n, q, q->messages.prev));
    return true;
}

static vn_status wait_turn(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload)
{
    const struct vn_id *payer = vn_subject_payer(subj);
    struct turn_queue *q = vn_map_get(n->turns.by_source, payer);
    if (!make_room(n, q ? q->count : 0))
        return VN_ERR_LIMIT;
    struct turn_message *m = malloc(sizeof(*m) + payload.n);
    if (!m)
        return VN_ERR_NOMEM;
    *m = (struct turn_message){.subj = *subj, .n = payload.n};
    memcpy(m->payload, payload.p, payload.n);
    vn_list_init(&m->link);
    if (!q)
        q = queue_new(n, payer);
    if (!q) {
        free(m);
        return VN_ERR_NOMEM;
    }
    vn_list_append(&q->messages, &m->link);
    q->count++;
    n->turns.waiting++;
    return VN_OK;
}

/* ---- turns ---- */

static void arm(struct vn_node *n)
{
    struct vn_turns *t = &n->turns;
    uint64_t over = t->level_milli >= level_max ? t->level_milli - level_max : 0;
    vn_timer_arm(&n->timers, &t->timer, n->now_ms + over / VN_TURNS_RATE + 1);
}

bool vn_turns_now(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload)
{
    struct vn_turns *t = &n->turns;
    drain(n);
    if (t->waiting == 0 && t->level_milli < level_max)
        return true;
    if (wait_turn(n, subj, payload) != VN_OK)
        vn_drop(n, VN_NDROP_LIMIT);
    else
        t->waited++;
    if (t->waiting && !t->timer.armed)
        arm(n);
    return false;
}

static struct turn_queue *next_queue(struct vn_turns *t)
{
    struct vn_list *first = &t->known, *second = &t->others;
    if (t->served++ % 3 == 2) {
        first = &t->others;
        second = &t->known;
    }
    struct vn_list *list = vn_list_empty(first) ? second : first;
    struct turn_queue *q = VN_LIST_ENTRY(list->next, struct turn_queue, turn);
    vn_list_remove(&q->turn);
    vn_list_append(list, &q->turn);
    return q;
}

static void on_timer(void *arg)
{
    struct vn_node *n = arg;
    struct vn_turns *t = &n->turns;
    drain(n);
    while (t->waiting && t->level_milli < level_max) {
        struct turn_queue *q = next_queue(t);
        struct turn_message *m = take(n, q, q->messages.next);
        vn_inbox_turn(n, &m->subj, VN_SPAN(m->payload, m->n));
        free(m);
    }
    if (t->waiting)
        arm(n);
}

/* ---- life ---- */

vn_status vn_turns_init(struct vn_node *n)
{
    vn_list_init(&n->turns.known);
    vn_list_init(&n->turns.others);
    vn_timer_init(&n->turns.timer, on_timer, n);
    return vn_map_new(sizeof(struct vn_id), VN_TURNS_MAX, &n->turns.by_source);
}

void vn_turns_done(struct vn_node *n)
{
    struct vn_turns *t = &n->turns;
    if (!t->by_source)
        return;
    for (struct turn_queue *q; (q = longest(n));)
        free(take(n, q, q->messages.next));
    vn_timer_disarm(&n->timers, &t->timer);
    t->by_source = vn_map_free(t->by_source);
}
