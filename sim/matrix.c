#include "matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "router/fixed.h"

static _Noreturn void die(const char *path, const char *what)
{
    fprintf(stderr, "sim: %s: %s\n", path, what);
    exit(2);
}

struct numbers {
    float *p;
    size_t n, cap;
};

static void add(struct numbers *v, float x)
{
    if (v->n == v->cap) {
        v->cap = VN_MAX(v->cap * 2, (size_t)1 << 16);
        v->p = realloc(v->p, v->cap * sizeof(*v->p));
        if (!v->p)
            abort();
    }
    v->p[v->n++] = x;
}

struct sim_matrix sim_matrix_load(const char *path)
{
    struct sim_matrix m = {0};
    struct numbers v = {0};
    char *line = NULL;
    size_t cap = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        die(path, "cannot be opened");
    while (getline(&line, &cap, f) > 0) {
        size_t before = v.n;
        char *at = line, *end;
        for (float x = strtof(at, &end); end != at; x = strtof(at, &end)) {
            add(&v, x);
            at = end;
        }
        size_t row = v.n - before;
        if (row == 0)
            continue;
        if (m.nodes == 0)
            m.nodes = row;
        if (row != m.nodes)
            die(path, "rows differ in length");
    }
    free(line);
    fclose(f);
    if (m.nodes < SIM_NODES_MIN || v.n % (m.nodes * m.nodes) != 0)
        die(path, "not a sequence of square matrices of 20 nodes or more");
    m.slices = v.n / (m.nodes * m.nodes);
    m.ms = v.p;
    return m;
}

#define CITIES 40
#define EARTH_MS 200.0 /* there and back, in fibre, to the other side of the globe */

static double draw(struct vn_dice *d)
{
    return (double)(vn_dice_next(d) >> 11) / 9007199254740992.0;
}

struct city {
    double x, y, z;
};

static struct city draw_city(struct vn_dice *d)
{
    double z = 2 * draw(d) - 1, angle = 2 * M_PI * draw(d), r = sqrt(1 - z * z);
    return (struct city){r * cos(angle), r * sin(angle), z};
}

static double arc(const struct city *a, const struct city *b)
{
    return acos(fmax(-1, fmin(1, a->x * b->x + a->y * b->y + a->z * b->z))) / M_PI;
}

struct sim_matrix sim_matrix_make(size_t nodes, uint64_t seed)
{
    struct vn_dice d = {seed};
    struct city city[CITIES];
    double between[CITIES][CITIES];
    struct sim_matrix m = {.slices = 1, .nodes = nodes};
    size_t *at = calloc(nodes, sizeof(*at));
    double *access = calloc(nodes, sizeof(*access));
    m.ms = calloc(nodes * nodes, sizeof(*m.ms));
    if (!at || !access || !m.ms)
        abort();
    for (size_t i = 0; i < CITIES; i++)
        city[i] = draw_city(&d);
    for (size_t i = 0; i < CITIES; i++)
        for (size_t k = 0; k <= i; k++) {
            double detour = 1.1 + 0.4 * draw(&d) + (draw(&d) < 0.15 ? 2 * draw(&d) : 0);
            between[i][k] = between[k][i] = 0.3 + EARTH_MS * arc(&city[i], &city[k]) * detour;
        }
    for (size_t i = 0; i < nodes; i++) {
        at[i] = vn_dice_below(&d, CITIES);
        access[i] = 0.5 + 10 * draw(&d) * draw(&d);
    }
    for (size_t i = 0; i < nodes; i++)
        for (size_t k = 0; k < nodes; k++)
            m.ms[i * nodes + k] =
                i == k ? 0 : (float)(between[at[i]][at[k]] + access[i] + access[k]);
    free(at);
    free(access);
    return m;
}

void sim_matrix_free(struct sim_matrix *m)
{
    free(m->ms);
    *m = (struct sim_matrix){0};
}
