#include "guardian/guardian.h"

#include "base/clock.h"
#include "base/log.h"
#include "guardian/revoked.h"
#include "guardian/store_audit.h"

#define REALMS_MAX 4096

vn_status vn_guardian_open(struct vn_guardian *g, const struct vn_statedir *dir)
{
    memset(g, 0, sizeof(*g));
    g->dir = *dir;
    vn_status st = vn_store_open(dir->db, false, &g->store);
    if (st == VN_OK)
        st = vn_config_load(g->store, &g->cfg);
    if (st == VN_OK)
        st = vn_map_new(VN_ID_LEN, REALMS_MAX, &g->realms);
    if (st == VN_OK)
        st = vn_map_new(VN_ID_LEN, REALMS_MAX, &g->revoked);
    if (st != VN_OK)
        vn_guardian_close(g);
    return st;
}

void vn_guardian_close(struct vn_guardian *g)
{
    size_t cursor = 0;
    const void *key;
    void *realm;
    while (g->realms && vn_map_next(g->realms, &cursor, &key, &realm))
        vn_realm_unref(realm);
    g->realms = vn_map_free(g->realms);
    vn_revoked_done(g);
    g->store = vn_store_close(g->store);
    vn_config_done(&g->cfg);
}

vn_status vn_guardian_realm(struct vn_guardian *g, const struct vn_id *id, struct vn_realm **ret)
{
    struct vn_realm *r = vn_map_get(g->realms, id->b);
    if (!r) {
        struct vn_realm_record record;
        vn_status st = vn_store_realm_get(g->store, id, &record);
        if (st == VN_OK)
            st = vn_realm_load(&record, &r);
        if (st != VN_OK)
            return st;
        st = vn_map_put(g->realms, id->b, r);
        if (st != VN_OK) {
            vn_realm_unref(r);
            return st;
        }
    }
    *ret = vn_realm_ref(r);
    return VN_OK;
}

void vn_guardian_drop_realm(struct vn_guardian *g, const struct vn_id *id)
{
    vn_realm_unref(vn_map_take(g->realms, id->b));
}

void vn_guardian_audit(struct vn_guardian *g, const struct vn_id *realm, const char *actor,
                       const char *action, const char *subject, const char *detail)
{
    vn_log(VN_LOG_INFO, action, VN_KV_STR("actor", actor), VN_KV_STR("subject", subject),
           VN_KV_STR("detail", detail));
    vn_status st =
        vn_store_audit_add(g->store, vn_clock_wall_ms(), realm, actor, action, subject, detail);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "audit_failed", VN_KV_STATUS(st));
}
