#include "scenario.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "base/attr.h"

#define SITES 200
#define NODES_MAX 1000000

#define USUAL .seconds = 600, .active_share = 5, .destinations = 1
const struct sim_scenario sim_scenarios[] = {
    {"steady", {USUAL}},
    {"sixteen", {.seconds = 600, .active_share = 32, .destinations = 16}},
    {"capacity", {.seconds = 600, .active_share = 1, .destinations = 1, .finite = true}},
    {"liars", {USUAL, .liars_percent = 10}},
    {"holes", {USUAL, .holes_percent = 10}},
    {"churn", {USUAL, .churn = true}},
    {"partition", {USUAL, .partition = true}},
    {"master-away", {USUAL, .master_away = true}},
};
const size_t sim_scenario_count = VN_ARRAY_LEN(sim_scenarios);

static const char *const hows[] = {[SIM_CCX] = "ccx", [SIM_GREEDY] = "greedy", "direct"};

static _Noreturn void usage(const char *why)
{
    fprintf(stderr,
            "veilnet-sim net: %s\nusage: veilnet-sim net --scenario NAME [--nodes N] "
            "[--seed N] [--policy ccx|greedy|direct] [--seconds N] [--data FILE]\nscenarios:",
            why);
    for (size_t i = 0; i < sim_scenario_count; i++)
        fprintf(stderr, " %s", sim_scenarios[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static struct sim_config scenario(const char *name)
{
    for (size_t i = 0; i < sim_scenario_count; i++)
        if (strcmp(name, sim_scenarios[i].name) == 0)
            return sim_scenarios[i].c;
    usage("there is no such scenario");
}

static enum sim_how policy(const char *name)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(hows); i++)
        if (strcmp(name, hows[i]) == 0)
            return (enum sim_how)i;
    usage("--policy is ccx, greedy or direct");
}

static double share(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print(const char *name, const struct sim_config *c, const struct sim_result *r)
{
    const struct sim_sample *a = &r->all;
    printf("{\"scenario\":\"%s\",\"policy\":\"%s\",\"nodes\":%zu,\"seed\":%" PRIu64
           ",\"flows\":%zu,\"events\":%" PRIu64 ",\"digest\":\"%016" PRIx64
           "\",\"over_best\":%.5f,\"mean_cost_us\":%.1f,\"one_hop_saving\":%.5f,"
           "\"dead_avoided\":%.5f,\"worse_than_direct\":%.5f,\"relayed\":%.4f,"
           "\"crowded\":%.6f,\"overloaded\":%.6f,\"idle_bytes_s\":%.3f,\"relay_bytes_s\":%.3f,"
           "\"active_bytes_s\":%.3f,\"received_bytes_s\":%.3f,\"probes_per_s\":%.4f,"
           "\"queries_per_s\":%.5f,\"switches_per_h\":%.3f,\"coord_error\":%.4f,\"samples\":[",
           name, hows[c->how], c->nodes, c->seed, r->flows, r->events, r->digest, r->over,
           r->mean_cost_us, share(a->direct - a->cost, a->direct - a->best),
           a->direct_dead_ms > 0 ? 1 - a->dead_ms / a->direct_dead_ms : 0, r->worse_than_direct,
           r->relayed, r->crowded, r->overloaded, r->idle_bytes_s, r->relay_bytes_s,
           r->active_bytes_s, r->received_bytes_s, r->probes_s, r->queries_s, r->switches_h,
           r->coord_error);
    for (size_t i = 0; i < r->sample_count; i++) {
        const struct sim_sample *s = &r->samples[i];
        printf("%s[%.4f,%.4f]", i ? "," : "", share(s->cost, s->best), share(s->direct, s->best));
    }
    printf("]}\n");
}

int sim_net_main(int argc, char **argv)
{
    static const struct option options[] = {{"scenario", required_argument, NULL, 'c'},
                                            {"nodes", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"policy", required_argument, NULL, 'p'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"data", required_argument, NULL, 'd'},
                                            {0}};
    const char *name = NULL, *data = NULL;
    uint64_t nodes = 1000, seed = 1, seconds = 0;
    enum sim_how how = SIM_CCX;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            name = optarg;
            break;
        case 'n':
            nodes = sim_number(optarg, 100, NODES_MAX, usage, "--nodes is 100 to 1000000");
            break;
        case 's':
            seed = sim_number(optarg, 0, UINT64_MAX, usage, "--seed is a number");
            break;
        case 'p':
            how = policy(optarg);
            break;
        case 't':
            seconds = sim_number(optarg, SIM_SAMPLE_S, 5120, usage, "--seconds is 10 to 5120");
            break;
        case 'd':
            data = optarg;
            break;
        default:
            usage("unknown option");
        }
    }
    if (!name || optind != argc)
        usage("say --scenario NAME");
    struct sim_config c = scenario(name);
    c.nodes = nodes;
    c.seed = seed;
    c.how = how;
    if (seconds)
        c.seconds = (uint32_t)seconds;
    struct sim_matrix sites = data ? sim_matrix_load(data) : sim_matrix_make(SITES, seed);
    struct sim_result r = sim_net_run(&c, &sites);
    print(name, &c, &r);
    sim_matrix_free(&sites);
    return 0;
}
