#include "support/guard.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void vn_guard_init(struct vn_guard *g, size_t max)
{
    const size_t page = page_size();
    g->size = (max + page - 1) / page * page;
    g->pages =
        mmap(NULL, g->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->pages == MAP_FAILED || mprotect(g->pages + g->size, page, PROT_NONE) != 0)
        abort();
}

void vn_guard_done(struct vn_guard *g)
{
    munmap(g->pages, g->size + page_size());
    *g = (struct vn_guard){0};
}

struct vn_span vn_guard_copy(struct vn_guard *g, struct vn_span s)
{
    if (s.n > g->size)
        abort();
    uint8_t *p = g->pages + g->size - s.n;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return VN_SPAN(p, s.n);
}
