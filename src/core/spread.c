#include "core/spread.h"

#include <stdlib.h>

#include "core/end.h"
#include "core/rx_label.h"
#include "core/tx_i.h"

_Static_assert(VN_ARRAY_LEN(((struct vn_fq *)0)->way) == VN_WAYS_MAX, "as many ways");
_Static_assert(VN_ARRAY_LEN(((struct vn_stripe_shares *)0)->paths) == VN_WAYS_MAX, "likewise");

/* ---- a way's turn ---- */

static struct vn_side *side_of(const struct vn_turn *t)
{
    return VN_CONTAINER_OF(t, struct vn_side, turn);
}

static size_t outlet(const struct vn_side *s)
{
    return vn_outlet(VN_TETHER_BULK, s->way);
}

/* The lane of something that goes again here; as many as there are: of nothing. */
static size_t lane_again(const struct vn_side *s)
{
    size_t lane = 0;
    while (lane < vn_tx_lanes(s->tx) && !vn_retain_waits(&s->retains[lane]))
        lane++;
    return lane;
}

static bool waits(const struct vn_turn *t, enum vn_tether_class cls)
{
    const struct vn_side *s = side_of(t);
    const struct vn_tx *tx = s->tx;
    return cls == VN_TETHER_BULK &&
           (s->sealed || lane_again(s) < vn_tx_lanes(tx) || tx->sealed_count[outlet(s)] ||
            !vn_list_empty(&tx->ready[outlet(s)]));
}

static struct vn_pktbuf *next(struct vn_turn *t, enum vn_tether_class cls)
{
    struct vn_side *s = side_of(t);
    if (s->sealed)
        return VN_TAKE(s->sealed);
    size_t lane;
    while ((lane = lane_again(s)) < vn_tx_lanes(s->tx)) {
        struct vn_pktbuf *f = vn_tx_again(s->tx, &s->retains[lane], s->label);
        if (f)
            return f;
    }
    return waits(t, cls) ? vn_tx_build(s->tx, outlet(s), &lane) : NULL;
}

/* The tether has not taken what it was given last. */
static void unsent(struct vn_side *s)
{
    for (size_t lane = 0; s->sealed && lane < vn_tx_lanes(s->tx); lane++)
        vn_retain_unsent(&s->retains[lane], s->sealed);
    s->sealed = vn_pktbuf_free(s->sealed);
}

static void put_back(struct vn_turn *t, enum vn_tether_class cls, struct vn_pktbuf *f)
{
    struct vn_side *s = side_of(t);
    (void)cls;
    s->sealed = f;
    if (!s->tether)
        unsent(s); /* it was left inside the call that refused this */
}

static const struct vn_turn_kind kind = {.waits = waits, .next = next, .put_back = put_back};

void vn_dry_look(struct vn_dry *d, const struct vn_purse *p, uint64_t now_us)
{
    if (!vn_purse_is_empty(p)) {
        d->since_us = 0;
    } else if (!d->since_us || d->limit != p->limit) {
        d->since_us = now_us;
        d->limit = p->limit;
    }
}

uint64_t vn_dry_us(const struct vn_dry *d, const struct vn_purse *p, uint64_t now_us)
{
    return d->since_us && vn_purse_is_empty(p) && d->limit == p->limit ? now_us - d->since_us : 0;
}

void vn_side_active(struct vn_side *s)
{
    s->tx->active_us = s->tx->worker->now_us;
    s->tx->idle_told = false;
    vn_dry_look(&s->dry, &s->turn.purse, s->tx->worker->now_us);
    vn_turn_queue(&s->turn, VN_TETHER_BULK);
    s->tx->worker->flush_again = true; /* this end's turn may have been before */
}

/* ---- ways come and go ---- */

/* It carries nothing any more; what waits for it goes by way 0. */
static void leave(struct vn_side *s, bool again)
{
    struct vn_tx *tx = s->tx;
    if (s->tether == 0)
        return;
    s->tether = 0;
    unsent(s);
    for (size_t lane = 0; again && lane < vn_tx_lanes(tx); lane++)
        vn_retain_move(&s->retains[lane], tx->worker->now_us);
    vn_list_remove(&s->of_end);
    vn_turn_move(&s->turn, NULL, false);
    VN_LIST_EACH(it, &tx->egressers)
    {
        struct vn_egresser *e = VN_LIST_ENTRY(it, struct vn_egresser, of_tx);
        vn_list_remove(&e->ready[outlet(s)]);
        vn_fq_leave(&e->queue[VN_TETHER_BULK], s->way);
        if (e->queue[VN_TETHER_BULK].count > 0)
            vn_tx_ready(tx, e, vn_outlet(VN_TETHER_BULK, 0));
    }
    vn_crew_leave(tx, outlet(s));
    vn_turn_queue(&tx->turn, VN_TETHER_BULK);
    tx->worker->flush_again = true;
}

static bool nothing_retained(const struct vn_side *s)
{
    bool none = true;
    for (size_t lane = 0; lane < vn_tx_lanes(s->tx); lane++)
        none &= s->retains[lane].head == s->retains[lane].tail;
    return none;
}

static void enter(struct vn_side *s, uint32_t tether, uint32_t label, uint32_t rev)
{
    struct vn_end *end = vn_worker_end(s->tx->worker, tether);
    if (!end)
        return;
    s->tether = tether;
    s->label = label;
    s->dry = (struct vn_dry){0};
    s->direct = rev == 0 && nothing_retained(s);
    vn_list_append(&end->sides, &s->of_end);
    vn_label_credit(&s->rev, &s->turn, end, label, rev);
}

/* One alone is none: flows go by way 0 until they are shared out again, all of them. */
static void share_out(struct vn_spread *s, const struct vn_stripe_shares *shares)
{
    if (s->stripe.shares.count == 0)
        memset(s->stripe.slots, 0, sizeof(s->stripe.slots));
    vn_stripe_share(&s->stripe, shares->count > 1 ? shares : &(struct vn_stripe_shares){0});
}

static void share(struct vn_spread *s, const struct vn_stripe_shares *shares)
{
    if (s->stripe.shares.count == 0 && shares->count < 2)
        return;
    share_out(s, shares);
    vn_crew_shares(s->sides[0].tx, &s->stripe.shares);
}

static void share_none(struct vn_spread *s)
{
    share(s, &(struct vn_stripe_shares){0});
}

/* What waits for a way that is left stays as it is: the first worker has it go by way 0. */
void vn_spread_follow(struct vn_tx *tx, const struct vn_crew_shares *m)
{
    struct vn_stripe_shares shares = {.gap_us = m->gap_us};
    if (!tx->spread && !(tx->spread = vn_spread_new(tx)))
        return;
    for (size_t way = 0; way < VN_WAYS_MAX; way++) {
        if (!m->share[way])
            continue;
        shares.paths[shares.count].key = way;
        shares.paths[shares.count++].share = m->share[way];
    }
    share_out(tx->spread, &shares);
}

void vn_side_detach(struct vn_side *s)
{
    if (s->rev)
        vn_label_release(s->rev);
    leave(s, true);
    share_none(s->tx->spread);
}

void vn_spread_end(struct vn_spread *s)
{
    share_none(s);
    for (size_t i = 0; i < VN_ARRAY_LEN(s->sides); i++) {
        vn_label_keep(&s->sides[i].rev, &s->sides[i].turn);
        leave(&s->sides[i], true);
    }
}

static bool is_there(const struct vn_side *s, const struct vn_cmd_tx_spread *cmd)
{
    return s->tether && s->tether == cmd->ways[s->way].tether &&
           s->label == cmd->ways[s->way].label;
}

void vn_spread_set(struct vn_spread *s, const struct vn_cmd_tx_spread *cmd)
{
    struct vn_stripe_shares shares = {.gap_us = cmd->gap_us, .count = 1};
    shares.paths[0].share = cmd->ways[0].share;
    for (size_t i = 0; i < VN_ARRAY_LEN(s->sides); i++) {
        struct vn_side *side = &s->sides[i];
        if (is_there(side, cmd))
            continue;
        vn_label_keep(&side->rev, &side->turn);
        leave(side, cmd->again);
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(s->sides); i++) {
        struct vn_side *side = &s->sides[i];
        if (!side->tether && cmd->ways[side->way].tether)
            enter(side, cmd->ways[side->way].tether, cmd->ways[side->way].label,
                  cmd->ways[side->way].rev);
        if (!side->tether)
            continue;
        shares.paths[shares.count].key = side->way;
        shares.paths[shares.count++].share = cmd->ways[side->way].share;
    }
    share(s, &shares);
}

size_t vn_spread_way(struct vn_spread *s, const struct vn_fq *q, uint32_t flow, uint64_t now_us)
{
    uint64_t way = 0;
    if (s->stripe.shares.count > 1)
        (void)vn_stripe_pick(&s->stripe, flow, vn_fq_waits(q, flow), now_us, &way);
    return (size_t)way;
}

/* ---- life ---- */

static bool side_init(struct vn_side *s, struct vn_tx *tx, size_t way)
{
    const size_t lanes = vn_tx_lanes(tx);
    s->tx = tx;
    s->way = way;
    vn_turn_init(&s->turn, &kind);
    vn_list_init(&s->of_end);
    s->retains = calloc(lanes, sizeof(*s->retains));
    for (size_t lane = 0; s->retains && lane < lanes; lane++)
        vn_retain_init(&s->retains[lane], &tx->worker->retained);
    return s->retains;
}

struct vn_spread *vn_spread_new(struct vn_tx *tx)
{
    struct vn_spread *s = calloc(1, sizeof(*s));
    bool ok = s;
    for (size_t i = 0; s && i < VN_ARRAY_LEN(s->sides); i++)
        ok &= side_init(&s->sides[i], tx, i + 1);
    return ok ? s : vn_spread_free(s);
}

struct vn_spread *vn_spread_free(struct vn_spread *s)
{
    for (size_t i = 0; s && i < VN_ARRAY_LEN(s->sides); i++) {
        struct vn_side *side = &s->sides[i];
        if (side->rev)
            vn_label_release(side->rev);
        vn_list_remove(&side->of_end);
        vn_turn_done(&side->turn);
        vn_pktbuf_free(side->sealed);
        for (size_t lane = 0; side->retains && lane < vn_tx_lanes(side->tx); lane++)
            vn_retain_done(&side->retains[lane]);
        free(side->retains);
    }
    free(s);
    return NULL;
}
