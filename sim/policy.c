#include "policy.h"

#include <math.h>
#include <string.h>

#include "base/attr.h"

/* What the simple ones know of an arm. */
struct estimate {
    bool known;
    double us; /* smoothed */
    size_t plays;
    double sum; /* of costs relative to the lowest ever seen: for UCB1 and Exp3-IX */
};

struct state {
    struct vn_dice dice;
    struct estimate arm[SIM_ARMS];
    size_t current, ticks;
    double least_us;
    double loss[SIM_ARMS], chance[SIM_ARMS];
    struct vn_ccx ccx;
    struct vn_ccx_budget budget;
    struct vn_ccx_plan plan;
};

static double draw(struct state *s)
{
    return (double)(vn_dice_next(&s->dice) >> 11) / 9007199254740992.0;
}

static void start(void *state, uint64_t seed)
{
    struct state *s = state;
    *s = (struct state){.dice = {seed}};
}

static void smooth(void *state, size_t arm, uint32_t cost_us)
{
    struct state *s = state;
    struct estimate *e = &s->arm[arm];
    double us = cost_us == SIM_DEAD ? 1e9 : cost_us;
    e->us = e->known && us < 1e9 && e->us < 1e9 ? e->us + 0.4 * (us - e->us) : us;
    e->known = true;
}

static size_t lowest(const struct state *s)
{
    size_t best = 0;
    for (size_t i = 1; i < SIM_ARMS; i++)
        if (s->arm[i].known && (!s->arm[best].known || s->arm[i].us < s->arm[best].us))
            best = i;
    return best;
}

/* ---- static: everything measured once, then the best of that for good ---- */

static size_t choose_static(void *state, uint64_t now_ms)
{
    (void)now_ms;
    struct state *s = state;
    if (s->ticks++ == 1)
        s->current = lowest(s);
    return s->current;
}

static size_t probes_static(void *state, size_t ret[SIM_ARMS])
{
    struct state *s = state;
    for (size_t i = 0; i < SIM_ARMS; i++)
        ret[i] = i;
    return s->ticks == 1 ? SIM_ARMS : 0;
}

/* ---- direct, and with four random relays when it fails (one-hop source routing) ---- */

static size_t choose_direct(void *state, uint64_t now_ms)
{
    (void)state;
    (void)now_ms;
    return 0;
}

static size_t failed_random4(void *state, size_t arm)
{
    struct state *s = state;
    if (arm == 0)
        s->ticks = 0;
    if (s->ticks++ == 4)
        return arm;
    return 1 + vn_dice_below(&s->dice, SIM_RELAYS);
}

/* ---- greedy: two random probes a tick, always to the lowest estimate ---- */

static size_t choose_greedy(void *state, uint64_t now_ms)
{
    (void)now_ms;
    return lowest(state);
}

static size_t probes_two(void *state, size_t ret[SIM_ARMS])
{
    struct state *s = state;
    ret[0] = vn_dice_below(&s->dice, SIM_ARMS);
    ret[1] = vn_dice_below(&s->dice, SIM_ARMS);
    return 2;
}

static size_t failed_lowest(void *state, size_t arm)
{
    smooth(state, arm, SIM_DEAD);
    return lowest(state);
}

/* ---- full link state: everything measured in every tick ---- */

static size_t probes_all(void *state, size_t ret[SIM_ARMS])
{
    (void)state;
    for (size_t i = 0; i < SIM_ARMS; i++)
        ret[i] = i;
    return SIM_ARMS;
}

/* ---- oracle: told the truth ---- */

static void told(void *state, size_t arm, uint32_t cost_us)
{
    struct state *s = state;
    s->arm[arm] = (struct estimate){.known = true, .us = cost_us == SIM_DEAD ? 1e9 : cost_us};
}

/* ---- bandits on the user's traffic ---- */

static size_t choose_epsilon(void *state, uint64_t now_ms)
{
    (void)now_ms;
    struct state *s = state;
    return draw(s) < 0.1 ? vn_dice_below(&s->dice, SIM_ARMS) : lowest(s);
}

static void played(void *state, size_t arm, uint32_t cost_us)
{
    struct state *s = state;
    double us = cost_us == SIM_DEAD ? 1e7 : cost_us;
    if (s->least_us == 0 || us < s->least_us)
        s->least_us = us;
    double loss = fmin(us / s->least_us - 1, 3) / 3;
    s->arm[arm].plays++;
    s->arm[arm].sum += loss;
    s->ticks++;
    if (s->chance[arm] > 0) /* Exp3-IX: implicit exploration bounds the estimate */
        s->loss[arm] = s->loss[arm] * 0.99 + loss / (s->chance[arm] + 0.02);
}

static size_t choose_ucb1(void *state, uint64_t now_ms)
{
    (void)now_ms;
    struct state *s = state;
    size_t best = 0;
    double lowest_bound = INFINITY;
    for (size_t i = 0; i < SIM_ARMS; i++) {
        double n = (double)s->arm[i].plays;
        double bound =
            n > 0 ? s->arm[i].sum / n - sqrt(0.02 * log((double)s->ticks + 1) / n) : -INFINITY;
        if (bound < lowest_bound) {
            lowest_bound = bound;
            best = i;
        }
    }
    return best;
}

static size_t choose_exp3ix(void *state, uint64_t now_ms)
{
    (void)now_ms;
    struct state *s = state;
    double least = s->loss[0], total = 0;
    for (size_t i = 1; i < SIM_ARMS; i++)
        least = fmin(least, s->loss[i]);
    for (size_t i = 0; i < SIM_ARMS; i++)
        total += s->chance[i] = exp(-0.1 * (s->loss[i] - least));
    double at = draw(s) * total;
    size_t arm = SIM_ARMS - 1;
    for (size_t i = 0; i < SIM_ARMS; i++) {
        s->chance[i] /= total;
        if (at >= 0 && (at -= s->chance[i] * total) < 0)
            arm = i;
    }
    return arm;
}

/* ---- CCX, the router that ships ---- */

static void start_ccx(void *state, uint64_t seed)
{
    struct state *s = state;
    start(s, seed);
    vn_ccx_init(&s->ccx, seed);
    vn_ccx_budget_init(&s->budget, 0);
    for (size_t i = 0; i < SIM_ARMS; i++)
        if (vn_ccx_add(&s->ccx, i) != VN_OK)
            __builtin_trap();
    vn_ccx_set_home(&s->ccx, 0);
}

static size_t current_ccx(const struct state *s)
{
    return (size_t)s->ccx.arms[s->ccx.current].key;
}

static size_t choose_ccx(void *state, uint64_t now_ms)
{
    struct state *s = state;
    s->plan = vn_ccx_tick(&s->ccx, &s->budget, now_ms);
    return current_ccx(s);
}

static size_t probes_ccx(void *state, size_t ret[SIM_ARMS])
{
    struct state *s = state;
    for (size_t i = 0; i < s->plan.probe_count; i++)
        ret[i] = (size_t)s->plan.probes[i]->key;
    return s->plan.probe_count;
}

static void measured_ccx(void *state, size_t arm, uint32_t cost_us)
{
    struct state *s = state;
    if (cost_us == SIM_DEAD)
        vn_ccx_died(&s->ccx, arm);
    else
        vn_ccx_measured(&s->ccx, arm, cost_us);
}

static size_t failed_ccx(void *state, size_t arm)
{
    struct state *s = state;
    vn_ccx_died(&s->ccx, arm);
    return current_ccx(s);
}

#define SIZE sizeof(struct state)
const struct sim_policy sim_policies[] = {
    {"direct", SIZE, start, choose_direct, NULL, smooth, NULL, false},
    {"random-4", SIZE, start, choose_direct, NULL, smooth, failed_random4, false},
    {"static", SIZE, start, choose_static, probes_static, smooth, NULL, false},
    {"greedy", SIZE, start, choose_greedy, probes_two, smooth, failed_lowest, false},
    {"epsilon-greedy", SIZE, start, choose_epsilon, NULL, smooth, NULL, false},
    {"ucb1", SIZE, start, choose_ucb1, NULL, played, NULL, false},
    {"exp3-ix", SIZE, start, choose_exp3ix, NULL, played, NULL, false},
    {"link-state", SIZE, start, choose_greedy, probes_all, smooth, failed_lowest, false},
    {"ccx", SIZE, start_ccx, choose_ccx, probes_ccx, measured_ccx, failed_ccx, false},
    {"oracle", SIZE, start, choose_greedy, NULL, told, NULL, true},
};
const size_t sim_policy_count = VN_ARRAY_LEN(sim_policies);
