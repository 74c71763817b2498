#include "lib/adapt.h"

#include "crypto/rng.h"
#include "loop/io.h"
#include "loop/pool.h"

struct vn_io vn_adapt_io(struct vn_loop *l)
{
    return (struct vn_io)VN_LOOP_IO(l);
}

struct vn_work vn_adapt_work(struct vn_pool *p)
{
    return (struct vn_work){.self = p, .submit = vn_pool_submit};
}

static vn_status fill(void *self, void *ret, size_t n)
{
    (void)self;
    return vn_rng_bytes(ret, n);
}

struct vn_random vn_adapt_random(void)
{
    return (struct vn_random){.fill = fill};
}
