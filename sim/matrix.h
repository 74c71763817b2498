/* Round-trip times between places, in consecutive slices of time, as measured or made up. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SIM_NODES_MIN 20 /* room for both ends of a pair and its relays */

struct sim_matrix {
    size_t slices, nodes;
    float *ms; /* [slice][from][to]; 0: unknown */
};

/** Text: rows of times in ms, a blank line after each slice. Exits with a message on errors. */
struct sim_matrix sim_matrix_load(const char *path);
/**
 * One slice, made up: nodes in 40 cities of a globe, light in fibre between them, detours that
 * differ by pair of cities (so that going through a third is often shorter), an access line each.
 */
struct sim_matrix sim_matrix_make(size_t nodes, uint64_t seed);
void sim_matrix_free(struct sim_matrix *m);

static inline float sim_rtt_ms(const struct sim_matrix *m, size_t slice, size_t a, size_t b)
{
    return m->ms[(slice * m->nodes + a) * m->nodes + b];
}
