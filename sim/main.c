/*
 * veilnet-sim: compares ways to choose paths, pair by pair, on the same world. One JSON object per
 * policy.
 *
 *   veilnet-sim net --scenario NAME [...]   a whole network, see net.h
 *   veilnet-sim --model trace|dynamic (--data FILE | --nodes N) [--seed N] [--pairs N] [--slice-ms
 * N]
 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "base/attr.h"
#include "cycle.h"
#include "policy.h"
#include "scenario.h"

#define NOISE 0.1     /* of a measurement, relative standard deviation */
#define NOTICE_MS 200 /* until the end of a path in use is noticed */
#define POLICIES_MAX 16
#define NODES_MAX 5000

static_assert(SIM_NODES_MIN >= SIM_RELAYS + 2, "a pair finds its relays");
static_assert(SIM_ARMS <= VN_CCX_ARMS_MAX, "the router has room for every arm");

struct totals {
    double over;     /* sum over alive time of cost / lowest cost, in ms */
    double alive_ms; /* of it */
    double dead_ms;  /* while another arm was alive */
    double probes, switches, ticks;
    /* Sums of costs while the direct path was alive: what was taken, and what there was. */
    double cost, direct, best;
    double worse_pairs; /* whose mean cost was over 2 % above the direct path's */
};

struct run {
    const struct sim_policy *policy;
    void *state;
    size_t arm;                /* of the tick before */
    double pair_cost, pair_ms; /* while the direct path was alive */
    struct totals t;
};

static uint32_t measure(struct vn_dice *d, uint32_t cost)
{
    if (cost == SIM_DEAD)
        return SIM_DEAD;
    return (uint32_t)fmax(1, cost * (1 + NOISE * sim_gauss(d)));
}

static uint32_t lowest(const uint32_t *costs)
{
    uint32_t best = SIM_DEAD;
    for (size_t i = 0; i < SIM_ARMS; i++)
        best = VN_MIN(best, costs[i]);
    return best;
}

static void tick(struct run *r, const uint32_t *costs, uint64_t now_ms, struct vn_dice *dice)
{
    const struct sim_policy *p = r->policy;
    uint32_t best = lowest(costs);
    if (p->is_oracle)
        for (size_t i = 0; i < SIM_ARMS; i++)
            p->measured(r->state, i, costs[i]);
    size_t arm = p->choose(r->state, now_ms);
    if (best == SIM_DEAD)
        return; /* nobody could do anything */
    double dead_ms = 0;
    while (costs[arm] == SIM_DEAD && dead_ms < VN_CCX_TICK_MS) {
        dead_ms += p->failed ? NOTICE_MS : VN_CCX_TICK_MS;
        if (p->failed)
            arm = p->failed(r->state, arm);
    }
    double alive_ms = VN_CCX_TICK_MS - dead_ms;
    r->t.dead_ms += dead_ms;
    r->t.switches += arm != r->arm;
    r->t.ticks++;
    r->arm = arm;
    if (costs[arm] != SIM_DEAD) {
        r->t.over += alive_ms * costs[arm] / best;
        r->t.alive_ms += alive_ms;
        if (costs[0] != SIM_DEAD) { /* only then there is something to compare with */
            r->t.cost += alive_ms * costs[arm];
            r->t.direct += alive_ms * costs[0];
            r->t.best += alive_ms * best;
            r->pair_cost += alive_ms * costs[arm];
            r->pair_ms += alive_ms;
        }
    }
    p->measured(r->state, arm, measure(dice, costs[arm]));
    size_t at[SIM_ARMS];
    size_t n = p->probes ? p->probes(r->state, at) : 0;
    for (size_t i = 0; i < n; i++)
        if (at[i] != arm)
            p->measured(r->state, at[i], measure(dice, costs[at[i]]));
    r->t.probes += (double)n;
}

static void pair(struct sim_world *w, struct run *runs, uint64_t seed)
{
    struct vn_dice dice = {seed};
    sim_world_next_pair(w);
    for (size_t i = 0; i < sim_policy_count; i++) {
        memset(runs[i].state, 0, runs[i].policy->size);
        runs[i].policy->start(runs[i].state, seed);
        runs[i].pair_cost = runs[i].pair_ms = 0;
        runs[i].arm = 0;
    }
    for (size_t t = 0; t < sim_world_ticks(w); t++) {
        for (size_t i = 0; i < sim_policy_count; i++)
            tick(&runs[i], sim_world_costs(w), t * VN_CCX_TICK_MS, &dice);
        sim_world_advance(w);
    }
    double direct = runs[0].pair_cost / fmax(runs[0].pair_ms, 1);
    for (size_t i = 0; i < sim_policy_count; i++)
        runs[i].t.worse_pairs += runs[i].pair_cost / fmax(runs[i].pair_ms, 1) > 1.02 * direct;
}

static void print(const struct run *r, const struct run *direct, const char *model, uint64_t seed,
                  size_t pairs)
{
    const struct totals *t = &r->t;
    double seconds = t->ticks * VN_CCX_TICK_MS / 1000;
    printf("{\"model\":\"%s\",\"seed\":%" PRIu64 ",\"policy\":\"%s\",\"over_best\":%.5f,"
           "\"dead_avoided\":%.5f,\"worse_than_direct\":%.5f,\"one_hop_saving\":%.5f,\"probes_per_"
           "s\":%.4f,"
           "\"switches_per_h\":%.3f}\n",
           model, seed, r->policy->name, t->over / fmax(t->alive_ms, 1) - 1,
           direct->t.dead_ms > 0 ? 1 - t->dead_ms / direct->t.dead_ms : 0,
           t->worse_pairs / (double)pairs,
           t->direct > t->best ? (t->direct - t->cost) / (t->direct - t->best) : 0,
           t->probes / fmax(seconds, 1), t->switches * 3600 / fmax(seconds, 1));
}

static _Noreturn void usage(const char *why)
{
    fprintf(stderr,
            "veilnet-sim: %s\nusage: veilnet-sim --model trace|dynamic (--data FILE | --nodes N) "
            "[--seed N] [--pairs N] [--slice-ms N]\n",
            why);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"data", required_argument, NULL, 'd'},
                                            {"nodes", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"pairs", required_argument, NULL, 'p'},
                                            {"slice-ms", required_argument, NULL, 't'},
                                            {0}};
    if (argc > 1 && strcmp(argv[1], "net") == 0)
        return sim_net_main(argc - 1, argv + 1);
    const char *model = NULL, *data = NULL;
    uint64_t seed = 1, pairs = 600, slice_ms = 15700, nodes = 0;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'm':
            model = optarg;
            break;
        case 'd':
            data = optarg;
            break;
        case 'n':
            nodes = sim_number(optarg, SIM_NODES_MIN, NODES_MAX, usage, "--nodes is 20 to 5000");
            break;
        case 's':
            seed = sim_number(optarg, 0, UINT64_MAX, usage, "--seed is a number");
            break;
        case 'p':
            pairs = sim_number(optarg, 1, 1000000, usage, "--pairs is 1 to 1000000");
            break;
        case 't':
            slice_ms = sim_number(optarg, 1, 3600000, usage, "--slice-ms is 1 to 3600000");
            break;
        default:
            usage("unknown option");
        }
    }
    if (!model || (strcmp(model, "trace") != 0 && strcmp(model, "dynamic") != 0))
        usage("--model is trace or dynamic");
    if (optind != argc || (nodes > 0) == (data != NULL))
        usage("say one of --data and --nodes");
    struct sim_matrix m = data ? sim_matrix_load(data) : sim_matrix_make(nodes, seed);
    enum sim_model kind = strcmp(model, "trace") == 0 ? SIM_TRACE : SIM_DYNAMIC;
    struct sim_world *w = sim_world_new(&m, kind, (uint32_t)slice_ms, seed);
    struct run runs[POLICIES_MAX] = {0};
    struct vn_dice seeds = {seed};
    for (size_t i = 0; i < sim_policy_count; i++)
        runs[i] =
            (struct run){.policy = &sim_policies[i], .state = calloc(1, sim_policies[i].size)};
    for (size_t i = 0; i < pairs; i++)
        pair(w, runs, vn_dice_next(&seeds));
    for (size_t i = 0; i < sim_policy_count; i++) {
        print(&runs[i], &runs[0], model, seed, pairs);
        free(runs[i].state);
    }
    sim_world_free(w);
    sim_matrix_free(&m);
    return 0;
}
