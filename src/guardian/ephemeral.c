#include "guardian/ephemeral.h"

#include "base/clock.h"
#include "base/log.h"
#include "guardian/admission.h"
#include "guardian/keychange.h"
#include "guardian/revoke.h"

#define SWEEP_MS VN_PACED_MS(10000, 1000)
#define AT_ONCE 64

struct vn_ephemerals {
    struct vn_guardian *g;
    uv_timer_t timer;
};

uint64_t vn_ephemeral_lifetime_ms(const struct vn_conflux_record *c, uint64_t realm_ms)
{
    return c->ephemeral ? VN_MIN(realm_ms, (uint64_t)VN_EPHEMERAL_SESSION_MS) : realm_ms;
}

static vn_status remove_one(struct vn_guardian *g, const struct vn_id *id, uint64_t now_ms)
{
    struct vn_conflux_record c;
    vn_status st = vn_store_begin(g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = g->store;
    if (st == VN_OK)
        st = vn_store_conflux_get(tx, id, &c);
    if (st == VN_OK)
        st = vn_revoke_session(tx, &c, now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, &c, NULL, now_ms);
    if (st == VN_OK)
        st = vn_store_conflux_delete(tx, &c, now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK)
        vn_guardian_audit(g, &c.realm, "guardian",
                          c.waiting ? "conflux_not_approved" : "conflux_silent", c.tag, "");
    return st;
}

vn_status vn_ephemerals_sweep(struct vn_guardian *g, uint64_t now_ms, size_t *ret_n)
{
    struct vn_id ids[AT_ONCE];
    *ret_n = 0;
    vn_status st = vn_store_conflux_over(g->store, now_ms, VN_EPHEMERAL_GRACE_MS, VN_WAITING_MS,
                                         ids, VN_ARRAY_LEN(ids), ret_n);
    for (size_t i = 0; st == VN_OK && i < *ret_n; i++)
        st = remove_one(g, &ids[i], now_ms);
    return st;
}

static void on_timer(uv_timer_t *t)
{
    struct vn_ephemerals *e = t->data;
    size_t n = 0;
    vn_status st = vn_ephemerals_sweep(e->g, vn_clock_wall_ms(), &n);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "sweep_failed", VN_KV_STATUS(st));
    if (n)
        vn_revoke_publish(e->g);
}

vn_status vn_ephemerals_new(struct vn_guardian *g, struct vn_ephemerals **ret)
{
    struct vn_ephemerals *e = calloc(1, sizeof(*e));
    if (!e)
        return VN_ERR_NOMEM;
    e->g = g;
    uv_timer_init(g->uv, &e->timer);
    e->timer.data = e;
    uv_timer_start(&e->timer, on_timer, SWEEP_MS, SWEEP_MS);
    *ret = e;
    return VN_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_ephemerals_free(struct vn_ephemerals *e)
{
    if (e)
        uv_close((uv_handle_t *)&e->timer, on_closed);
}
