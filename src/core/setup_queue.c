/*
 * timer        armed by                      disarmed by     fires
 * hop.setups   a SETUP waits (when the next  the tether's    those whose turn it is go
 *              one is due)                   end
 */
#include "core/setup_queue.h"

#include "core/node_i.h"

static struct vn_circuit *of_queue(const struct vn_list *it)
{
    return VN_LIST_ENTRY(it, struct vn_circuit, of_queue);
}

/* NULL: this node itself. */
static const struct vn_hop *owner(const struct vn_circuit *c)
{
    return c->link ? c->link->hop : NULL;
}

static uint64_t wait_ms(struct vn_setup_queue *q, const struct vn_node *n)
{
    return vn_pace_take(&q->pace, VN_SETUP_PACE_RATE, VN_SETUP_PACE_BURST, 0, n->now_ms);
}

static void on_timer(void *arg)
{
    struct vn_hop *h = arg;
    struct vn_setup_queue *q = &h->setups_out;
    struct vn_node *n = h->node;
    while (!vn_list_empty(&q->waiting)) {
        const uint64_t wait = wait_ms(q, n);
        if (wait > 0) {
            vn_timer_arm(&n->timers, &q->timer, n->now_ms + wait);
            return;
        }
        struct vn_circuit *c = of_queue(q->waiting.next);
        vn_list_remove(&c->of_queue);
        q->round = c->round;
        vn_circuit_its_turn(n, c);
    }
}

void vn_setup_queue_init(struct vn_hop *h)
{
    vn_list_init(&h->setups_out.waiting);
    vn_timer_init(&h->setups_out.timer, on_timer, h);
}

void vn_setup_queue_done(struct vn_hop *h)
{
    vn_timer_disarm(&h->node->timers, &h->setups_out.timer);
}

/* False: its owner has as many there as may go before they are given up. */
static bool put(struct vn_setup_queue *q, struct vn_circuit *c)
{
    size_t count = 0;
    c->round = q->round + 1;
    VN_LIST_EACH(it, &q->waiting)
    {
        if (owner(of_queue(it)) != owner(c))
            continue;
        c->round = of_queue(it)->round + 1;
        count++;
    }
    if (owner(c) && count >= VN_SETUP_QUEUE_MAX)
        return false;
    struct vn_list *before = &q->waiting;
    while (before->prev != &q->waiting && of_queue(before->prev)->round > c->round)
        before = before->prev;
    vn_list_append(before, &c->of_queue);
    return true;
}

enum vn_setup_turn vn_setup_queue_ask(struct vn_node *n, struct vn_circuit *c)
{
    struct vn_setup_queue *q = &c->hop->setups_out;
    const uint64_t wait = vn_list_empty(&q->waiting) ? wait_ms(q, n) : 0;
    if (vn_list_empty(&q->waiting) && wait == 0)
        return VN_SETUP_GOES;
    if (!put(q, c))
        return VN_SETUP_NO_ROOM;
    if (!q->timer.armed)
        vn_timer_arm(&n->timers, &q->timer, n->now_ms + wait);
    return VN_SETUP_WAITS;
}

void vn_setup_queue_leave(struct vn_circuit *c)
{
    vn_list_remove(&c->of_queue);
}

bool vn_setup_queue_has(const struct vn_circuit *c)
{
    return !vn_list_empty(&c->of_queue);
}
