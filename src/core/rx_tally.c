/*
 * How many real-time frames came by each circuit through relays: what a destination tells their
 * source. Each frame counts once for a circuit, whichever brought it first, and when its tag was
 * seen to be right: a relay gains nothing by repeating or making up what it drops.
 */
#include <stdlib.h>

#include "core/rx.h"

struct vn_rx_tally {
    uint32_t bind;
    uint8_t lane;
    struct vn_replay window; /* of real-time frames by this circuit */
    uint64_t mark;           /* below: came, or had time to; */
    uint64_t below, above;   /* so many did, of these and of others */
    uint64_t told;           /* of below */
    unsigned looks;          /* since the circuit was silent for long */
    uint64_t due_us;         /* UINT64_MAX: there is nothing to tell */
    uint64_t last_us;
};

static struct vn_rx_tally *find(const struct vn_rx *rx, uint32_t bind, uint8_t lane)
{
    for (size_t i = 0; i < rx->tally_count; i++)
        if (rx->tallies[i].bind == bind && rx->tallies[i].lane == lane)
            return &rx->tallies[i];
    return NULL;
}

/* With all in use, the one that was silent longest goes. */
static struct vn_rx_tally *room(struct vn_rx *rx)
{
    if (!rx->tallies && !(rx->tallies = calloc(VN_TALLIES_MAX, sizeof(*rx->tallies))))
        return NULL;
    if (rx->tally_count < VN_TALLIES_MAX)
        return &rx->tallies[rx->tally_count++];
    struct vn_rx_tally *oldest = &rx->tallies[0];
    for (size_t i = 1; i < rx->tally_count; i++)
        if (rx->tallies[i].last_us < oldest->last_us)
            oldest = &rx->tallies[i];
    vn_replay_done(&oldest->window);
    return oldest;
}

static struct vn_rx_tally *make(struct vn_rx *rx, uint32_t bind, uint8_t lane)
{
    struct vn_replay window;
    if (vn_replay_init(&window, VN_REPLAY_BITS_MIN) != VN_OK)
        return NULL;
    struct vn_rx_tally *t = room(rx);
    if (!t) {
        vn_replay_done(&window);
        return NULL;
    }
    *t = (struct vn_rx_tally){.bind = bind, .lane = lane, .window = window, .due_us = UINT64_MAX};
    return t;
}

static uint64_t wait_us(const struct vn_rx_tally *t)
{
    return t->looks < VN_TALLY_EARLY ? VN_TALLY_EARLY_US : VN_TALLY_US;
}

/* What came below the mark, which then moves on: frames that others overtake have from one time to
 * the next to come. */
static void look(struct vn_rx *rx, struct vn_rx_tally *t)
{
    struct vn_tally_msg *ev;
    t->looks++;
    t->due_us = rx->worker->now_us + wait_us(t);
    if (t->below != t->told) {
        if (vn_post_msg_new(VN_EV_RX_TALLY, sizeof(*ev), &ev) != VN_OK)
            return;
        ev->handle = rx->handle;
        ev->bind = t->bind;
        ev->lane = t->lane;
        ev->next = t->mark;
        ev->frames = t->below;
        if (!vn_worker_tell(rx->worker, &ev->msg))
            return;
        t->told = t->below;
    }
    if (t->above == 0)
        t->due_us = UINT64_MAX;
    t->below += t->above;
    t->above = 0;
    t->mark = t->window.next;
}

bool vn_rx_tally_wants(const struct vn_rx *rx, const struct vn_rx_way *way,
                       const struct vn_e2e_header *head)
{
    if (!way->relayed || head->cls != VN_TETHER_REALTIME)
        return false;
    const struct vn_rx_tally *t = find(rx, way->bind, head->lane);
    return !t || vn_replay_check(&t->window, head->seq);
}

void vn_rx_tally(struct vn_rx *rx, const struct vn_rx_way *way, const struct vn_e2e_header *head)
{
    const uint64_t now_us = rx->worker->now_us;
    struct vn_rx_tally *t = find(rx, way->bind, head->lane);
    if (!t && !(t = make(rx, way->bind, head->lane)))
        return;
    vn_replay_commit(&t->window, head->seq, now_us);
    if (now_us - t->last_us > 2 * VN_TALLY_US)
        t->looks = 0;
    t->last_us = now_us;
    if (head->seq < t->mark)
        t->below++;
    else
        t->above++;
    if (t->above >= VN_TALLY_FRAMES)
        look(rx, t);
    else if (t->due_us == UINT64_MAX)
        t->due_us = now_us + wait_us(t);
    else
        return; /* it is seen to */
    vn_rx_report_at(rx, t->due_us);
}

uint64_t vn_rx_tallies_due(struct vn_rx *rx)
{
    uint64_t next_us = UINT64_MAX;
    for (size_t i = 0; i < rx->tally_count; i++) {
        if (rx->tallies[i].due_us <= rx->worker->now_us)
            look(rx, &rx->tallies[i]);
        next_us = VN_MIN(next_us, rx->tallies[i].due_us);
    }
    return next_us;
}

void vn_rx_tallies_free(struct vn_rx *rx)
{
    for (size_t i = 0; i < rx->tally_count; i++)
        vn_replay_done(&rx->tallies[i].window);
    free(rx->tallies);
    rx->tallies = NULL;
    rx->tally_count = 0;
}
