/* Events of a simulation, earliest first; of two at the same time the one that was put first. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_event {
    double at_ms;
    uint64_t number;
    uint32_t type, id;
};

struct sim_heap;
struct sim_heap *sim_heap_new(void);
void sim_heap_free(struct sim_heap *h);
void sim_heap_put(struct sim_heap *h, double at_ms, uint32_t type, uint32_t id);
/** False: there is none. */
bool sim_heap_take(struct sim_heap *h, struct sim_event *ret);
