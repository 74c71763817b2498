/*
 * What nodes learn of relays, as DESIGN section 10 has it: one hub drawn by Master's queue group,
 * or a relay that a tether leads to, tells whom it knows; the destination's descriptor names those
 * near it. A node that sends asks once a minute, and as often as it has destinations new to it.
 */
#include <stdlib.h>

#include "base/attr.h"
#include "net_i.h"

#define TOLD_MAX 7       /* the one asked, and those near it */
#define RELEARN_TICKS 30 /* a minute */
#define EAGER_TICKS 8    /* of a new flow: it asks every tick */
#define ADD_MS 60000.0   /* an arm takes another's place so often, per node */

void sim_send(struct sim_net *n, uint32_t from, uint32_t to, uint32_t bytes)
{
    if (!n->counts)
        return;
    n->nodes[from].sent += bytes;
    n->nodes[to].received += bytes;
}

static struct vn_book *book_of(struct sim_net *n, uint32_t node)
{
    struct sim_node *k = &n->nodes[node];
    if (k->book)
        return k->book;
    k->book = malloc(sizeof(*k->book));
    if (!k->book)
        abort();
    vn_book_init(k->book, sim_key(n, node));
    return k->book;
}

void sim_learn_rtt(struct sim_net *n, uint32_t a, uint32_t b, uint32_t rtt_us)
{
    struct sim_node *p = &n->nodes[a], *q = &n->nodes[b];
    struct vn_coord before = p->at;
    if (n->counts && n->error_count < VN_ARRAY_LEN(n->errors))
        n->errors[n->error_count++] = fabs(vn_coord_rtt_us(&p->at, &q->at) / (double)rtt_us - 1);
    if (!q->liar)
        vn_coord_update(&p->at, &q->at, rtt_us, &n->dice);
    if (!p->liar)
        vn_coord_update(&q->at, &before, rtt_us, &n->dice);
    struct vn_book *book = book_of(n, a);
    vn_book_hear(book, sim_key(n, b), &q->at, &p->at);
    vn_book_measured(book, sim_key(n, b), rtt_us);
    vn_book_hear(book_of(n, b), sim_key(n, a), &before, &q->at);
}

/* r says who is near it; a liar that it is where the asker is, and its friends too. */
static void tell(struct sim_net *n, uint32_t to, uint32_t r)
{
    struct vn_book *book = book_of(n, to);
    const struct vn_coord *here = &n->nodes[to].at;
    if (n->nodes[r].liar) {
        vn_book_hear(book, sim_key(n, r), here, here);
        for (int i = 0; i < TOLD_MAX - 1; i++) {
            uint32_t friend = (uint32_t)vn_dice_below(&n->dice, n->c.nodes);
            if (n->nodes[friend].liar)
                vn_book_hear(book, sim_key(n, friend), here, here);
        }
        return;
    }
    vn_book_hear(book, sim_key(n, r), &n->nodes[r].at, here);
    uint64_t near[VN_NEAR_MAX];
    const struct vn_book *theirs = book_of(n, r);
    size_t count = vn_book_near(theirs, &n->nodes[r].at, near);
    for (size_t i = 0; i < count; i++)
        vn_book_hear(book, near[i], &vn_book_find(theirs, near[i])->at, here);
}

/* Somebody whom a hub query reaches: Master draws one of all that are up. */
static void ask_hub(struct sim_net *n, uint32_t node)
{
    uint32_t hub = (uint32_t)vn_dice_below(&n->dice, n->c.nodes);
    if (n->master_is_away || hub == node || !sim_geo_is_up(n->geo, hub, n->now_ms) ||
        sim_geo_is_parted(n->geo, node, hub))
        return;
    n->queries += n->counts;
    sim_send(n, node, hub, SIM_HUB_BYTES);
    sim_send(n, hub, node, SIM_HUB_REPLY_BYTES);
    tell(n, node, hub);
}

/* One of the nearest that a round trip was measured to, so that there is a tether. */
static void ask_tether(struct sim_net *n, const struct sim_flow *f)
{
    const struct vn_ccx_arm *a = &f->ccx.arms[vn_dice_below(&n->dice, f->ccx.count)];
    if (a->key == SIM_DIRECT_KEY || a->state != VN_CCX_LIVE || !sim_is_there(n, a->key))
        return;
    uint32_t r = sim_node_of(a->key);
    if (!sim_geo_rtt_us(n->geo, f->from, r, n->now_ms))
        return;
    n->queries += n->counts;
    sim_send(n, f->from, r, SIM_ASK_BYTES);
    sim_send(n, r, f->from, SIM_TELL_BYTES);
    tell(n, f->from, r);
}

/* The destination's descriptor, which comes with its reports. */
static void look_at_destination(struct sim_net *n, struct sim_flow *f)
{
    struct vn_descriptor_place *p = &f->place;
    if (!sim_geo_rtt_us(n->geo, f->from, f->to, n->now_ms) && f->age > 0)
        return;
    uint64_t near[VN_NEAR_MAX];
    const struct vn_book *book = book_of(n, f->to);
    p->key = sim_key(n, f->to);
    p->at = n->nodes[f->to].at;
    p->near_count = vn_book_near(book, &p->at, near);
    for (size_t i = 0; i < p->near_count; i++)
        p->near[i] = *vn_book_find(book, near[i]);
    sim_send(n, f->to, f->from, SIM_TELL_BYTES);
}

/* No other flow of the same node goes by it: its descriptor is not there. */
static bool is_new(const struct sim_net *n, const struct sim_flow *f, uint64_t key)
{
    const size_t first = (size_t)(f - n->flows) / n->c.destinations * n->c.destinations;
    for (size_t i = first; i < first + n->c.destinations; i++)
        if (&n->flows[i] != f && vn_ccx_find(&n->flows[i].ccx, key))
            return false;
    return true;
}

void sim_find(struct sim_net *n, struct sim_flow *f)
{
    struct sim_node *self = &n->nodes[f->from];
    bool eager = f->age < EAGER_TICKS;
    if (!eager && f->relearn-- > 0)
        return;
    f->relearn = RELEARN_TICKS * n->c.destinations; /* once a minute and node */
    look_at_destination(n, f);
    ask_hub(n, f->from);
    ask_tether(n, f);
    struct vn_relay_candidate list[VN_CANDIDATES_MAX];
    size_t count = vn_candidates(book_of(n, f->from), &self->at, &f->place, list);
    size_t most = eager ? VN_CANDIDATES_MAX : n->now_ms - self->added_ms >= ADD_MS;
    size_t added = vn_candidates_apply(&f->ccx, SIM_DIRECT_KEY, list, count, most);
    if (added)
        self->added_ms = n->now_ms;
    for (size_t i = 0; i < added; i++) { /* set up when it is first probed: f, relay, and back */
        const uint64_t key = f->ccx.arms[f->ccx.count - 1 - i].key;
        const uint32_t r = sim_node_of(key);
        n->nodes[r].serves = true;
        if (is_new(n, f, key)) {
            sim_send(n, f->from, r, SIM_ASK_BYTES);
            sim_send(n, r, f->from, SIM_DESCRIPTOR_BYTES);
        }
        sim_send(n, f->from, r, SIM_SETUP_BYTES);
        sim_send(n, r, f->to, SIM_SETUP_BYTES);
        sim_send(n, f->to, r, SIM_ACCEPT_BYTES);
        sim_send(n, r, f->from, SIM_ACCEPT_BYTES);
    }
}
