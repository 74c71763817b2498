/*
 * CPU time of choosing a path for a packet: a line "metric subject value unit" per round, which
 * bench/routing turns into JSON. Ends with 1 if a choice did not come out right.
 *
 *   bench_router ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "router/stripe.h"

#define PACKETS 4000000u
#define ARMS 19

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct vn_ccx learner;
static struct vn_ccx_budget budget;
static struct vn_stripe stripe;

/* A destination with all its arms, three of which cost nearly the same. */
static void settle(void)
{
    vn_ccx_init(&learner, 1);
    vn_ccx_budget_init(&budget, 0);
    for (uint64_t k = 0; k < ARMS; k++)
        require(vn_ccx_add(&learner, k) == VN_OK, "an arm");
    for (uint64_t t = 1; t < 50; t++) {
        for (uint64_t k = 0; k < ARMS; k++)
            vn_ccx_measured(&learner, k, k < 3 ? 20000 : 90000);
        vn_ccx_tick(&learner, &budget, t * VN_CCX_TICK_MS);
    }
    struct vn_stripe_shares shares;
    vn_stripe_follow(&shares, &learner, true);
    vn_stripe_share(&stripe, &shares);
}

/* Packets of 1,000 flows, 20 us apart: each pauses for longer than a flowlet's gap, so that each
 * packet's path is chosen. */
static void decisions(void)
{
    uint32_t taken[ARMS] = {0};
    uint64_t now_us = 1, key = 0;
    double begin = cpu_ns();
    for (uint32_t i = 0; i < PACKETS; i++) {
        if (!vn_stripe_pick(&stripe, i % 1000 * 2654435761u, false, now_us += 20, &key))
            break;
        taken[key]++;
    }
    double ns = (cpu_ns() - begin) / PACKETS;
    require(taken[0] + taken[1] + taken[2] == PACKETS, "only the cheap paths are used");
    for (int k = 0; k < 3; k++)
        require(taken[k] > PACKETS / 4, "all three of them are");
    printf("decision_ns veilnet %.2f ns\n", ns);
}

/* Once in 2 s and destination. */
static void ticks(void)
{
    uint64_t now_ms = 200000;
    size_t probes = 0;
    double begin = cpu_ns();
    for (int i = 0; i < 100000; i++)
        probes += vn_ccx_tick(&learner, &budget, now_ms += VN_CCX_TICK_MS).probe_count;
    double ns = (cpu_ns() - begin) / 100000;
    require(probes > 150000, "probes are planned");
    printf("tick_ns veilnet %.1f ns\n", ns);
}

int main(int argc, char **argv)
{
    int rounds = argc == 2 && argv[1][0] >= '1' && argv[1][0] <= '9' ? argv[1][0] - '0' : 0;
    require(rounds > 0, "usage: bench_router ROUNDS, 1 to 9");
    settle();
    for (int i = 0; i < rounds; i++) {
        decisions();
        ticks();
    }
    return 0;
}
