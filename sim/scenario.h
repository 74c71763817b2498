/* The networks that can be tried by name, and what is printed of them. */
#pragma once

#include "net.h"

struct sim_scenario {
    const char *name;
    struct sim_config c; /* nodes, seed and how are the caller's */
};

extern const struct sim_scenario sim_scenarios[];
extern const size_t sim_scenario_count;

/** veilnet-sim net OPTIONS; returns the exit code. */
int sim_net_main(int argc, char **argv);
