#include "guardian/signing.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "crypto/rng.h"
#include "guardian/accounts.h"
#include "guardian/link.h"
#include "guardian/push.h"
#include "guardian/store_signing.h"

#define TICK_MS 1000
#define CHANGES_MAX 64 /* at a time; the rest wait */

struct vn_signing {
    struct vn_guardian *g;
    uv_timer_t timer;
    uint64_t started_ms; /* monotonic */
};

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

/* Realms are loaded once: this one is another now. */
static void changed(struct vn_guardian *g, const struct vn_id *id, const char *what)
{
    char text[VN_ID_TEXT];
    vn_id_format(id, text);
    vn_guardian_drop_realm(g, id);
    vn_guardian_audit(g, id, "guardian", what, text, "");
    vn_accounts_changed(g, id);
}

static vn_status announce(struct vn_guardian *g, const struct vn_id *realm, uint64_t now_ms)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 next;
    vn_status st = vn_rng_bytes(next.b, sizeof(next.b));
    if (st == VN_OK)
        st = vn_store_signing_announce(g->store, realm, &next, now_ms,
                                       now_ms + VN_SIGNING_ANNOUNCE_MS);
    if (st == VN_OK)
        st = vn_store_sync(g->store); /* the broker will know the key */
    if (st == VN_OK)
        changed(g, realm, "signing_key_announced");
    return st;
}

static vn_status use(struct vn_guardian *g, const struct vn_id *id, uint64_t now_ms)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(g, id, &realm);
    if (st == VN_OK)
        st = vn_store_begin(g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = g->store;
    if (st == VN_OK)
        st = vn_store_signing_use(tx, id, realm->signing.public, now_ms,
                                  now_ms + VN_SIGNING_SPREAD_MS + VN_SIGNING_GRACE_MS);
    if (st == VN_OK)
        st = vn_store_outbox_spread(tx, id, now_ms, VN_SIGNING_SPREAD_MS);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK)
        st = vn_store_sync(g->store);
    if (st != VN_OK)
        return st;
    changed(g, id, "signing_key_used");
    vn_links_renew(g->links, id);
    return VN_OK;
}

static vn_status end(struct vn_signing *s, const struct vn_id *realm, uint64_t now_ms)
{
    /* Guardian may have been away while nodes should have been told: they are told now. */
    if (mono_ms() - s->started_ms < VN_SIGNING_GRACE_MS)
        return VN_OK;
    vn_status st = vn_store_signing_end(s->g->store, realm, now_ms);
    if (st == VN_OK)
        changed(s->g, realm, "signing_key_ended");
    return st;
}

static void on_timer(uv_timer_t *t)
{
    struct vn_signing *s = t->data;
    struct vn_signing_change list[CHANGES_MAX];
    size_t n = 0;
    uint64_t now_ms = vn_clock_wall_ms();
    vn_push_outbox(s->g);
    vn_status st = vn_store_signing_list(s->g->store, list, CHANGES_MAX, &n);
    for (size_t i = 0; st == VN_OK && i < n; i++)
        if (list[i].step_ms <= now_ms && !vn_accounts_behind(s->g, &list[i].realm))
            st = list[i].announced ? use(s->g, &list[i].realm, now_ms)
                                   : end(s, &list[i].realm, now_ms);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "signing key"), VN_KV_STATUS(st));
}

void vn_signing_check(struct vn_guardian *g, const struct vn_id *realm)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *r = NULL;
    uint64_t now_ms = vn_clock_wall_ms(), count = 0;
    vn_status st = vn_guardian_realm(g, realm, &r);
    if (st == VN_OK && (r->r.nats_has_next || r->r.nats_before[0]))
        return;
    if (st == VN_OK)
        st = vn_store_signing_revoked(g->store, realm, now_ms, &count);
    if (st == VN_OK && count > VN_BROKER_REVOCATIONS_MAX)
        st = announce(g, realm, now_ms);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "signing key"), VN_KV_STATUS(st));
}

vn_status vn_signing_new(struct vn_guardian *g, struct vn_signing **ret)
{
    struct vn_signing *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->g = g;
    s->started_ms = mono_ms();
    uv_timer_init(g->uv, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_timer, TICK_MS, TICK_MS);
    *ret = s;
    return VN_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_signing_free(struct vn_signing *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->timer, on_closed);
}
