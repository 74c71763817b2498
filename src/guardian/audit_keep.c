#include "guardian/audit_keep.h"

#include "base/clock.h"
#include "base/log.h"
#include "guardian/store_audit.h"

#define PIECE 1000         /* entries: a few milliseconds of the loop */
#define SWEEP_MS 600000ull /* between looks */
#define GO_ON_MS 200       /* between pieces */

struct vn_audit_keeper {
    struct vn_guardian *g;
    uv_timer_t timer;
};

vn_status vn_audit_sweep(struct vn_guardian *g, uint64_t now_ms, bool *ret_more)
{
    const uint64_t age_ms = g->cfg.audit_age_s * 1000;
    size_t n = 0;
    vn_status st = vn_store_audit_prune(g->store, now_ms > age_ms ? now_ms - age_ms : 0,
                                        g->cfg.audit_entries, PIECE, &n);
    *ret_more = st == VN_OK && n == PIECE;
    return st;
}

static void on_timer(uv_timer_t *t)
{
    struct vn_audit_keeper *k = t->data;
    bool more = false;
    vn_status st = vn_audit_sweep(k->g, vn_clock_wall_ms(), &more);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "sweep_failed", VN_KV_STR("what", "audit"), VN_KV_STATUS(st));
    uv_timer_start(t, on_timer, more ? GO_ON_MS : SWEEP_MS, 0);
}

vn_status vn_audit_keeper_new(struct vn_guardian *g, struct vn_audit_keeper **ret)
{
    struct vn_audit_keeper *k = calloc(1, sizeof(*k));
    if (!k)
        return VN_ERR_NOMEM;
    k->g = g;
    uv_timer_init(g->uv, &k->timer);
    k->timer.data = k;
    uv_timer_start(&k->timer, on_timer, GO_ON_MS, 0);
    *ret = k;
    return VN_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_audit_keeper_free(struct vn_audit_keeper *k)
{
    if (k)
        uv_close((uv_handle_t *)&k->timer, on_closed);
}
