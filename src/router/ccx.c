#include "router/ccx.h"

#include <assert.h>

/* What a lost packet costs its user: about the time until TCP sends it again. */
#define RETRANSMISSION_US 200000
#define COST_MAX_US 60000000 /* a path this bad is as bad as any */

#define DECAY_Q16 39322           /* 0.6: of L, each tick */
#define LEARN_Q16 78643           /* 1.2: what a loss weighs */
#define LOSS_MAX_Q16 (3 * VN_Q16) /* four times the best's cost is as bad as any more */
#define SMOOTH_Q16 26214          /* 0.4: share of a new measurement */
#define JUMP_Q16 19661            /* 0.3: a change by more is no noise, and counts in full */
#define GAIN_Q16 6554             /* 0.1: less is not worth a switch */
#define FAULTS_MAX 8              /* held for 2^8 ticks at most: 8.5 min */
#define SOUND_TICKS 128           /* alive for so long makes up for a fault */
#define BUDGET_PER_S 7
#define BUDGET_BURST 20

uint32_t vn_ccx_cost(const struct vn_ccx_sample *s, uint32_t size)
{
    uint64_t loss = VN_MIN(s->loss_q16, VN_Q16 - VN_Q16 / 64);
    uint64_t cost = (uint64_t)s->delay_us + (uint64_t)s->jitter_us * 3 / 2 +
                    RETRANSMISSION_US * loss / (VN_Q16 - loss);
    if (s->available_kbps)
        cost += (uint64_t)size * 8000 / s->available_kbps;
    return (uint32_t)VN_MIN(cost, (uint64_t)COST_MAX_US);
}

/* ---- arms ---- */

void vn_ccx_init(struct vn_ccx *c, uint64_t seed)
{
    *c = (struct vn_ccx){.dice = {seed}};
}

static struct vn_ccx_arm *find(struct vn_ccx *c, uint64_t key)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->arms[i].key == key)
            return &c->arms[i];
    return NULL;
}

const struct vn_ccx_arm *vn_ccx_find(const struct vn_ccx *c, uint64_t key)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->arms[i].key == key)
            return &c->arms[i];
    return NULL;
}

static bool is_usable(const struct vn_ccx_arm *a)
{
    return a->state == VN_CCX_LIVE && !a->excluded;
}

static struct vn_ccx_arm *current_of(struct vn_ccx *c)
{
    return &c->arms[c->current];
}

const struct vn_ccx_arm *vn_ccx_current(const struct vn_ccx *c)
{
    return c->count && !c->arms[c->current].excluded ? &c->arms[c->current] : NULL;
}

/* The usable arm with the lowest cost; NULL: there is none. */
static struct vn_ccx_arm *cheapest(struct vn_ccx *c)
{
    struct vn_ccx_arm *best = NULL;
    for (size_t i = 0; i < c->count; i++)
        if (is_usable(&c->arms[i]) && (!best || c->arms[i].cost_us < best->cost_us))
            best = &c->arms[i];
    return best;
}

static bool is_better_standby(const struct vn_ccx_arm *a, const struct vn_ccx_arm *b)
{
    return a->loss_q16 != b->loss_q16 ? a->loss_q16 < b->loss_q16 : a->cost_us < b->cost_us;
}

/* The usable arms that did best over time, without the one in use; best first. */
static size_t standbys(const struct vn_ccx *c, size_t ret[VN_CCX_STANDBYS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (i == c->current || !is_usable(&c->arms[i]))
            continue;
        size_t at = n < VN_CCX_STANDBYS_MAX ? n++ : VN_CCX_STANDBYS_MAX;
        for (; at > 0 && is_better_standby(&c->arms[i], &c->arms[ret[at - 1]]); at--)
            if (at < VN_CCX_STANDBYS_MAX)
                ret[at] = ret[at - 1];
        if (at < VN_CCX_STANDBYS_MAX)
            ret[at] = i;
    }
    return n;
}

size_t vn_ccx_standbys(const struct vn_ccx *c, const struct vn_ccx_arm *ret[VN_CCX_STANDBYS_MAX])
{
    size_t at[VN_CCX_STANDBYS_MAX];
    size_t n = standbys(c, at);
    for (size_t i = 0; i < n; i++)
        ret[i] = &c->arms[at[i]];
    return n;
}

bool vn_ccx_is_kept(const struct vn_ccx *c, uint64_t key)
{
    const struct vn_ccx_arm *a = vn_ccx_find(c, key), *list[VN_CCX_STANDBYS_MAX];
    bool kept = a && (a == &c->arms[c->current] || (c->is_pinned && c->pinned == key));
    size_t n = vn_ccx_standbys(c, list);
    for (size_t i = 0; i < n; i++)
        kept |= list[i] == a;
    return kept;
}

/* Off an arm that cannot be used: to a standby drawn by lot, so that the many who lose one relay do
 * not all go to the same other; else to any arm that may work. */
static void leave(struct vn_ccx *c)
{
    size_t to[VN_CCX_STANDBYS_MAX];
    size_t n = standbys(c, to);
    if (n > 0) {
        c->current = to[vn_dice_below(&c->dice, n)];
        return;
    }
    for (size_t i = 0; i < c->count; i++)
        if (!c->arms[i].excluded && c->arms[i].state == VN_CCX_UNKNOWN) {
            c->current = i;
            return;
        }
}

vn_status vn_ccx_add(struct vn_ccx *c, uint64_t key)
{
    if (find(c, key))
        return VN_ERR_EXISTS;
    if (c->count == VN_CCX_ARMS_MAX)
        return VN_ERR_LIMIT;
    c->arms[c->count++] =
        (struct vn_ccx_arm){.key = key, .headroom_q16 = VN_Q16, .weight_q16 = VN_Q16};
    return VN_OK;
}

void vn_ccx_remove(struct vn_ccx *c, uint64_t key)
{
    struct vn_ccx_arm *a = find(c, key);
    if (!a)
        return;
    size_t i = (size_t)(a - c->arms);
    if (i == c->current) {
        a->excluded = true;
        leave(c);
    }
    size_t last = --c->count;
    c->arms[i] = c->arms[last];
    if (c->current == last)
        c->current = i;
    if (c->current >= c->count)
        c->current = 0;
}

void vn_ccx_measured(struct vn_ccx *c, uint64_t key, uint32_t cost_us)
{
    struct vn_ccx_arm *a = find(c, key);
    if (!a)
        return;
    cost_us = VN_MAX(VN_MIN(cost_us, (uint32_t)COST_MAX_US), 1u);
    a->age = a->waits = 0;
    /* It failed under traffic: that it answers probes is not enough, unless nothing else is left.
     */
    if (a->hold > 0 && a != current_of(c) && is_usable(current_of(c)))
        return;
    a->hold = 0;
    int64_t error = (int64_t)cost_us - a->cost_us;
    uint64_t size = (uint64_t)(error < 0 ? -error : error);
    if (a->state != VN_CCX_LIVE || size > (uint64_t)a->cost_us * JUMP_Q16 / VN_Q16)
        a->cost_us = cost_us;
    else
        a->cost_us = (uint32_t)((int64_t)a->cost_us + error * SMOOTH_Q16 / (int64_t)VN_Q16);
    a->state = VN_CCX_LIVE;
}

void vn_ccx_died(struct vn_ccx *c, uint64_t key)
{
    struct vn_ccx_arm *a = find(c, key);
    if (!a)
        return;
    a->state = VN_CCX_DEAD;
    a->age = a->waits = 0;
    a->loss_q16 = VN_MAX(a->loss_q16, LOSS_MAX_Q16);
    if (a != current_of(c))
        return;
    a->faults = (uint8_t)VN_MIN(a->faults + 1, FAULTS_MAX);
    a->hold = (uint16_t)(1u << a->faults);
    a->sound = 0;
    leave(c);
}

void vn_ccx_use(struct vn_ccx *c, uint64_t key)
{
    const struct vn_ccx_arm *a = find(c, key);
    if (a)
        c->current = (size_t)(a - c->arms);
}

void vn_ccx_headroom(struct vn_ccx *c, uint64_t key, uint32_t headroom_q16)
{
    struct vn_ccx_arm *a = find(c, key);
    if (a)
        a->headroom_q16 = VN_MIN(headroom_q16, VN_Q16);
}

void vn_ccx_exclude(struct vn_ccx *c, uint64_t key, bool excluded)
{
    struct vn_ccx_arm *a = find(c, key);
    if (!a)
        return;
    a->excluded = excluded;
    if (excluded && a == current_of(c))
        leave(c);
}

void vn_ccx_pin(struct vn_ccx *c, uint64_t key)
{
    c->is_pinned = true;
    c->pinned = key;
}

void vn_ccx_set_home(struct vn_ccx *c, uint64_t key)
{
    c->has_home = true;
    c->home = key;
}

void vn_ccx_unpin(struct vn_ccx *c)
{
    c->is_pinned = false;
}

/* ---- a tick ---- */

/* Losses are relative to the best arm, so a destination 5 ms away and one 300 ms away learn alike.
 */
static void learn(struct vn_ccx *c)
{
    const struct vn_ccx_arm *best = cheapest(c);
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < c->count; i++) {
        struct vn_ccx_arm *a = &c->arms[i];
        uint32_t loss = a->state == VN_CCX_DEAD ? LOSS_MAX_Q16 : 0;
        if (a->state == VN_CCX_LIVE && best && a->cost_us > best->cost_us)
            loss = vn_q16_ratio(a->cost_us - best->cost_us, best->cost_us, LOSS_MAX_Q16);
        a->loss_q16 = (uint32_t)((uint64_t)a->loss_q16 * DECAY_Q16 / VN_Q16) + loss;
        if (!a->excluded && a->state != VN_CCX_UNKNOWN)
            least = VN_MIN(least, a->loss_q16);
    }
    for (size_t i = 0; i < c->count; i++) {
        struct vn_ccx_arm *a = &c->arms[i];
        uint64_t over = a->loss_q16 > least ? a->loss_q16 - least : 0;
        a->weight_q16 = vn_q16_exp_neg((uint32_t)(over * LEARN_Q16 / VN_Q16));
    }
}

static void remember(struct vn_ccx_arm *a)
{
    a->age++;
    a->waits++;
    if (a->hold > 0)
        a->hold--;
    if (a->faults == 0 || a->state != VN_CCX_LIVE || ++a->sound < SOUND_TICKS)
        return;
    a->faults--;
    a->sound = 0;
}

bool vn_ccx_is_worth_it(uint32_t now_us, uint32_t then_us)
{
    return then_us < now_us && vn_q16_ratio(now_us - then_us, now_us, VN_Q16) > GAIN_Q16;
}

/* The pinned arm, if it can be used. */
static bool follow_pin(struct vn_ccx *c)
{
    const struct vn_ccx_arm *a = c->is_pinned ? find(c, c->pinned) : NULL;
    if (!a || a->excluded || a->state == VN_CCX_DEAD)
        return false;
    c->current = (size_t)(a - c->arms);
    return true;
}

/* A relay that saves next to nothing is not worth its trouble. Back home goes who would gain less
 * than half of what is worth leaving it. */
static void go_home(struct vn_ccx *c, const struct vn_ccx_arm *now)
{
    const struct vn_ccx_arm *home = c->has_home ? find(c, c->home) : NULL;
    if (home && is_usable(home) &&
        (home->cost_us <= now->cost_us ||
         vn_q16_ratio(home->cost_us - now->cost_us, home->cost_us, VN_Q16) < GAIN_Q16 / 2))
        c->current = (size_t)(home - c->arms);
}

/* Moves to the cheapest arm when that is worth it, by lot: the larger the gain and the more room
 * the relay has, the sooner. Who all see the same better relay do not all go there at once. */
static void choose(struct vn_ccx *c)
{
    struct vn_ccx_arm *now = current_of(c), *best = cheapest(c);
    if (!is_usable(now) && now->state != VN_CCX_UNKNOWN)
        leave(c);
    else if (now->excluded)
        leave(c);
    now = current_of(c);
    if (!best)
        return;
    if (best == now) {
        go_home(c, now);
        return;
    }
    if (now->state == VN_CCX_UNKNOWN) {
        c->current = (size_t)(best - c->arms); /* what is measured goes before what is not */
        return;
    }
    if (!vn_ccx_is_worth_it(now->cost_us, best->cost_us)) {
        go_home(c, now);
        return;
    }
    uint64_t gain = vn_q16_ratio(now->cost_us - best->cost_us, now->cost_us, VN_Q16);
    uint64_t chance = VN_MIN(2 * gain, (uint64_t)VN_Q16);
    chance = chance * best->headroom_q16 / VN_Q16 * best->headroom_q16 / VN_Q16;
    if (vn_dice_below(&c->dice, VN_Q16) < chance)
        c->current = (size_t)(best - c->arms);
}

/* Each of the destinations that share the bucket gets as much of it, whoever comes first: what is
 * less than a probe is drawn for. */
static bool take_token(struct vn_ccx_budget *b, struct vn_dice *d)
{
    uint64_t share = (uint64_t)BUDGET_PER_S * VN_CCX_TICK_MS / 1000 * VN_Q16 /
                     ((uint64_t)VN_CCX_PROBES_MAX * VN_MAX(b->sharers, 1u));
    if (b->tokens_q16 < VN_Q16 || (share < VN_Q16 && vn_dice_below(d, VN_Q16) >= share))
        return false;
    b->tokens_q16 -= VN_Q16;
    return true;
}

void vn_ccx_budget_init(struct vn_ccx_budget *b, uint64_t now_ms)
{
    *b = (struct vn_ccx_budget){.sharers = 1, .tokens_q16 = BUDGET_BURST * VN_Q16, .at_ms = now_ms};
}

static void refill(struct vn_ccx_budget *b, uint64_t now_ms)
{
    uint64_t ms = VN_MIN(now_ms - b->at_ms, UINT64_C(10000));
    b->tokens_q16 = (uint32_t)VN_MIN(b->tokens_q16 + ms * BUDGET_PER_S * VN_Q16 / 1000,
                                     (uint64_t)BUDGET_BURST * VN_Q16);
    b->at_ms = now_ms;
}

/* The first probe goes where a switch is likely to pay, and longer ago counts more; the second to
 * whoever was not looked at for long, so that no arm is forgotten. What counts is when it was asked
 * for: one that cannot be asked, or does not answer, is no reason to ask the others less. */
static uint64_t urgency(const struct vn_ccx *c, const struct vn_ccx_arm *a, size_t probe)
{
    uint64_t waits = VN_MIN(a->waits, 1000u);
    if (a == &c->arms[c->current] || a->excluded)
        return 0;
    if (a->state == VN_CCX_UNKNOWN && !a->asked)
        return UINT64_C(1) << 48;
    return probe == 0 ? a->weight_q16 * waits : waits * waits * waits;
}

static struct vn_ccx_arm *draw_probe(struct vn_ccx *c, size_t probe)
{
    uint64_t total = 0;
    for (size_t i = 0; i < c->count; i++)
        total += urgency(c, &c->arms[i], probe);
    uint64_t at = total ? vn_dice_below(&c->dice, total) : 0;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t share = urgency(c, &c->arms[i], probe);
        if (at < share)
            return &c->arms[i];
        at -= share;
    }
    return NULL;
}

struct vn_ccx_plan vn_ccx_tick(struct vn_ccx *c, struct vn_ccx_budget *b, uint64_t now_ms)
{
    struct vn_ccx_plan plan = {0};
    refill(b, now_ms);
    if (c->count == 0)
        return plan;
    assert(c->current < c->count);
    size_t before = c->current;
    learn(c);
    if (!follow_pin(c))
        choose(c);
    plan.switched = c->current != before;
    plan.current = vn_ccx_current(c);
    for (size_t i = 0; i < c->count; i++)
        remember(&c->arms[i]);
    while (plan.probe_count < VN_CCX_PROBES_MAX) {
        struct vn_ccx_arm *a = draw_probe(c, plan.probe_count);
        if (!a || !take_token(b, &c->dice))
            break;
        a->asked = true;
        a->waits = 0;
        plan.probes[plan.probe_count++] = a;
    }
    plan.standby_count = vn_ccx_standbys(c, plan.standbys);
    return plan;
}
