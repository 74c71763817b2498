/*
 * Ways to choose among the arms of a pair, to be compared on the same world. A policy sees measured
 * costs only (oracle excepted).
 */
#pragma once

#include "world.h"

struct sim_policy {
    const char *name;
    size_t size; /* of its state, which starts zeroed */
    void (*start)(void *state, uint64_t seed);
    /** The arm for this tick's traffic. */
    size_t (*choose)(void *state, uint64_t now_ms);
    /** Which arms to probe in this tick; at most SIM_ARMS. NULL: none. */
    size_t (*probes)(void *state, size_t ret[SIM_ARMS]);
    /** A measurement, of traffic or probe; SIM_DEAD: it got no answer. */
    void (*measured)(void *state, size_t arm, uint32_t cost_us);
    /** The traffic's arm died: another one, or the same if there is none. NULL: does not notice. */
    size_t (*failed)(void *state, size_t arm);
    bool is_oracle; /* measured is told the truth about every arm, before choose */
};

extern const struct sim_policy sim_policies[];
extern const size_t sim_policy_count;
