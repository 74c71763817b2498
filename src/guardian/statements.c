#include "guardian/statements.h"

#include <stdlib.h>

#include "base/attr.h"

struct group {
    struct vn_statements *all;
    struct group *next;
    size_t before; /* so many come or leave before it is signed, if others are being made */
    size_t n;
    struct vn_statement_wait *waiting[VN_STATEMENTS_MAX];
    uv_work_t work;
    vn_status result;
};

struct vn_statements {
    uv_loop_t *uv;
    size_t expected;
    struct group *gathering; /* at most one of a realm */
};

vn_status vn_statements_new(uv_loop_t *uv, struct vn_statements **ret)
{
    struct vn_statements *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->uv = uv;
    *ret = s;
    return VN_OK;
}

struct vn_statements *vn_statements_free(struct vn_statements *s)
{
    free(s);
    return NULL;
}

static void on_work(uv_work_t *work)
{
    struct group *g = VN_CONTAINER_OF(work, struct group, work);
    struct vn_statement_out list[VN_STATEMENTS_MAX];
    for (size_t i = 0; i < g->n; i++)
        list[i] = (struct vn_statement_out){g->waiting[i]->bytes, g->waiting[i]->n};
    g->result = vn_statements_sign(g->waiting[0]->realm->command_key, list, g->n);
    for (size_t i = 0; i < g->n; i++)
        g->waiting[i]->n = list[i].n;
}

static void on_done(uv_work_t *work, int status)
{
    struct group *g = VN_CONTAINER_OF(work, struct group, work);
    for (size_t i = 0; i < g->n; i++)
        g->waiting[i]->fn(g->waiting[i], status == 0 ? g->result : VN_ERR_NOMEM);
    free(g);
}

static void sign(struct group *g)
{
    struct group **at = &g->all->gathering;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    if (uv_queue_work(g->all->uv, &g->work, on_work, on_done) != 0)
        on_done(&g->work, UV_ENOMEM);
}

/* One fewer is being made. */
static void came(struct vn_statements *s)
{
    s->expected--;
    for (struct group *g = s->gathering, *next; g; g = next) {
        next = g->next;
        if (--g->before == 0 || s->expected == 0)
            sign(g);
    }
}

void vn_statements_expect(struct vn_statements *s)
{
    s->expected++;
}

void vn_statements_leave(struct vn_statements *s)
{
    came(s);
}

/* NULL: out of memory. */
static struct group *group_of(struct vn_statements *s, const struct vn_realm *realm)
{
    for (struct group *g = s->gathering; g; g = g->next)
        if (g->waiting[0]->realm == realm)
            return g;
    struct group *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    *g = (struct group){.all = s, .next = s->gathering, .before = VN_STATEMENTS_MAX};
    s->gathering = g;
    return g;
}

void vn_statements_join(struct vn_statements *s, struct vn_statement_wait *w)
{
    struct group *g = group_of(s, w->realm);
    if (g)
        g->waiting[g->n++] = w; /* there is room: each who came was counted */
    came(s);
    if (!g)
        w->fn(w, VN_ERR_NOMEM);
}
