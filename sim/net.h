/*
 * A whole network of nodes that route by the code that ships, event by event in virtual time. Each
 * active node sends to some destinations; each flow has a learner, its candidates come from the
 * node's book, and what nodes tell each other costs bytes. The same seed gives the same run.
 */
#pragma once

#include "geo.h"
#include "router/book.h"
#include "router/headroom.h"
#include "router/liveness.h"

enum sim_how { SIM_CCX, SIM_GREEDY, SIM_DIRECT };

struct sim_config {
    size_t nodes;
    uint64_t seed;
    enum sim_how how;
    uint32_t seconds;       /* of virtual time that count, after WARM_UP_S of settling */
    uint32_t active_share;  /* one node of so many sends */
    uint32_t destinations;  /* of each that sends */
    bool still;             /* no congestion, no outages */
    bool finite;            /* relays have a capacity */
    uint32_t liars_percent; /* claim to be near everybody, and to have room; are 30 ms slower */
    uint32_t holes_percent; /* answer probes, drop traffic */
    bool churn;             /* every node goes after 10 minutes on average, another comes */
    bool partition;         /* in the middle third of the time half of the sites is cut off */
    bool master_away;       /* in the second half nobody is found but through tethers */
};

#define SIM_CROWD_MS 4000 /* two ticks: until its users notice and leave */
#define SIM_SAMPLE_S 10
#define SIM_SAMPLES_MAX 512

struct sim_sample { /* sums over ticks of flows in SIM_SAMPLE_S */
    double cost, direct, best, ticks, dead_ms, direct_dead_ms;
};

struct sim_result {
    size_t flows;
    uint64_t events, digest; /* of every choice */
    struct sim_sample all, samples[SIM_SAMPLES_MAX];
    size_t sample_count;
    double over;              /* mean of cost / lowest cost of the same arms */
    double worse_than_direct; /* share of flows */
    double mean_cost_us;
    double relayed;    /* share of ticks */
    double crowded;    /* of the time that relays are in use: over capacity */
    double overloaded; /* the same beyond the first SIM_CROWD_MS of each time */
    double idle_bytes_s, active_bytes_s, received_bytes_s, relay_bytes_s; /* means of nodes */
    double probes_s, queries_s;                                           /* per sender */
    double switches_h;                                                    /* per flow */
    double coord_error; /* median of |guess - truth| / truth over arms that were measured */
};

struct sim_result sim_net_run(const struct sim_config *c, const struct sim_matrix *sites);
