#include "guardian/revoke.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "guardian/accounts.h"
#include "guardian/link.h"
#include "guardian/signing.h"
#include "wire/names.h"

/* Clocks differ: an entry outlasts its node's certificates by this. */
#define GRACE_MS VN_PACED_MS(120000, 15000)
#define REALMS_LOOKED_AT 64
#define REPEATED_ENTRIES 16 /* newest ones in every publication: closes the gap of who lost one */

/* ---- entries ---- */

vn_status vn_revoke_session(struct vn_store *s, const struct vn_conflux_record *c, uint64_t now_ms)
{
    if (!c->has_session || c->session.not_after_ms <= now_ms)
        return VN_OK;
    struct vn_revocation_row r = {
        .e = {.kind = VN_REVOKE_NODE,
              .node = c->session.node,
              .until_ms = c->session.not_after_ms + GRACE_MS},
        .has_nkey = true,
    };
    memcpy(r.e.serial, c->session.serial, sizeof(r.e.serial));
    memcpy(r.nkey, c->session.nkey, sizeof(r.nkey));
    return vn_store_revocation_add(s, &c->realm, &r, now_ms);
}

vn_status vn_revoke_statements(struct vn_store *s, const struct vn_conflux_record *c,
                               uint64_t minimum, uint64_t now_ms)
{
    if (!c->has_session || c->session.not_after_ms <= now_ms)
        return VN_OK;
    const struct vn_revocation_row r = {
        .e = {.kind = VN_REVOKE_STATEMENTS,
              .node = c->session.node,
              .minimum = minimum,
              .until_ms = c->session.not_after_ms + GRACE_MS},
    };
    return vn_store_revocation_add(s, &c->realm, &r, now_ms);
}

/* ---- publishing ---- */

/* What is not there among the numbers has ended or was replaced. */
vn_status vn_revoke_sign(const struct vn_realm *realm, const struct vn_revocation_row *rows,
                         size_t n, uint64_t after, uint8_t *ret, size_t *ret_n)
{
    struct vn_revocation_list *l = calloc(1, sizeof(*l));
    if (!l)
        return VN_ERR_NOMEM;
    l->realm = realm->r.id;
    l->after = after;
    l->to = rows[n - 1].e.number;
    l->count = n;
    for (size_t i = 0; i < n; i++)
        l->entries[i] = rows[i].e;
    vn_status st = vn_revocation_list_issue(l, realm->command_key, ret, ret_n);
    free(l);
    return st;
}

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

/* Every list goes to every node of its realm, so each realm has a pause after one: what comes
 * meanwhile goes into the next. */
struct vn_revoker {
    struct vn_guardian *g;
    uv_timer_t pause; /* runs while all that waits is of realms that had a list just now */
    bool signing;
};

struct publication {
    uv_work_t work;
    struct vn_guardian *g;
    struct vn_realm *realm;
    struct vn_revocation_row *rows;
    size_t from, n;
    uint8_t list[VN_REVOCATION_LIST_MAX];
    size_t list_n;
    vn_status result;
};

static void publication_free(struct publication *p)
{
    vn_realm_unref(p->realm);
    free(p->rows);
    free(p);
}

static void on_work(uv_work_t *w)
{
    struct publication *p = VN_CONTAINER_OF(w, struct publication, work);
    /* Before any node has it, or a power cut would let its numbers be given again. */
    p->result = vn_store_sync(p->g->store);
    if (p->result == VN_OK)
        p->result =
            vn_revoke_sign(p->realm, p->rows + p->from, p->n,
                           p->from ? p->rows[p->from - 1].e.number : 0, p->list, &p->list_n);
}

static void publish_next(struct vn_revoker *v);

static void on_done(uv_work_t *w, int status)
{
    struct publication *p = VN_CONTAINER_OF(w, struct publication, work);
    struct vn_guardian *g = p->g;
    vn_status st = status ? VN_ERR_STATE : p->result;
    if (!g->revoker || !g->links) {
        publication_free(p); /* we are stopping; the next start publishes it */
        return;
    }
    g->revoker->signing = false;
    if (st == VN_OK) {
        char subject[VN_SUBJECT_MAX];
        const struct vn_subject s = {.kind = VN_SUBJ_REV};
        vn_subject_format(&s, subject);
        st = vn_links_publish(g->links, p->realm, subject, VN_SPAN(p->list, p->list_n));
    }
    if (st == VN_OK)
        g->metrics.revocation_lists++;
    if (st == VN_OK)
        st = vn_store_revocation_published(g->store, &p->realm->r.id,
                                           p->rows[p->from + p->n - 1].e.number);
    bool users = false;
    for (size_t i = p->from; i < p->from + p->n; i++)
        users = users || (p->rows[i].has_nkey && !p->rows[i].published);
    if (users) {
        vn_accounts_changed(g, &p->realm->r.id); /* nodes first: the broker cuts no stream */
        vn_signing_check(g, &p->realm->r.id);
    }
    p->realm->revocations_due_ms = mono_ms() + VN_REVOCATION_PAUSE_MS;
    publication_free(p);
    if (st == VN_OK)
        publish_next(g->revoker);
    else
        vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "revocations"), VN_KV_STATUS(st));
}

static vn_status plan(struct vn_guardian *g, struct publication *p)
{
    const struct vn_id *realm = &p->realm->r.id;
    size_t n, first = 0;
    vn_status st = vn_store_revocation_load(g->store, realm, 0, vn_clock_wall_ms(), &p->rows, &n);
    if (st != VN_OK)
        return st;
    while (first < n && p->rows[first].published)
        first++;
    if (first == n) /* it ended before it was published */
        return vn_store_revocation_published(g->store, realm, INT64_MAX);
    size_t repeated = n > REPEATED_ENTRIES ? n - REPEATED_ENTRIES : 0;
    p->from = VN_MIN(first, repeated);
    p->n = VN_MIN(n - p->from, (size_t)VN_REVOCATION_ENTRIES_MAX);
    return VN_OK;
}

/* Takes the realm. Returns whether a list is being signed. */
static bool publish(struct vn_revoker *v, struct vn_realm *realm)
{
    struct publication *p = calloc(1, sizeof(*p));
    vn_status st = p ? VN_OK : VN_ERR_NOMEM;
    if (p) {
        p->g = v->g;
        p->realm = realm;
        st = plan(v->g, p);
    } else {
        vn_realm_unref(realm);
    }
    if (st == VN_OK && p->n && !vn_links_ready(v->g->links, p->realm)) {
        publication_free(p); /* called again when it is */
        return false;
    }
    if (st == VN_OK && p->n) {
        v->signing = uv_queue_work(v->g->uv, &p->work, on_work, on_done) == 0;
        if (v->signing)
            return true;
        st = VN_ERR_NOMEM;
    }
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "revocations"), VN_KV_STATUS(st));
    if (p)
        publication_free(p);
    return false;
}

static void on_pause(uv_timer_t *t)
{
    publish_next(t->data);
}

/* The next realm whose pause is over and whose connection to Master is there, or a timer for the
 * first to come. One that cannot be told now keeps no other one waiting. */
static void publish_next(struct vn_revoker *v)
{
    struct vn_id waiting[REALMS_LOOKED_AT];
    size_t n;
    if (vn_store_revocation_pending(v->g->store, vn_clock_wall_ms(), waiting, VN_ARRAY_LEN(waiting),
                                    &n) != VN_OK)
        return;
    const uint64_t now_ms = mono_ms();
    uint64_t first_ms = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        struct vn_realm *realm;
        if (vn_guardian_realm(v->g, &waiting[i], &realm) != VN_OK)
            continue;
        if (realm->revocations_due_ms <= now_ms) {
            if (publish(v, realm))
                return;
            continue;
        }
        first_ms = VN_MIN(first_ms, realm->revocations_due_ms);
        vn_realm_unref(realm);
    }
    if (first_ms != UINT64_MAX)
        uv_timer_start(&v->pause, on_pause, first_ms - now_ms, 0);
}

void vn_revoke_publish(struct vn_guardian *g)
{
    struct vn_revoker *v = g->revoker;
    if (v && g->links && !v->signing && !uv_is_active((uv_handle_t *)&v->pause))
        publish_next(v);
}

vn_status vn_revoker_new(struct vn_guardian *g, struct vn_revoker **ret)
{
    struct vn_revoker *v = calloc(1, sizeof(*v));
    if (!v)
        return VN_ERR_NOMEM;
    v->g = g;
    uv_timer_init(g->uv, &v->pause);
    v->pause.data = v;
    *ret = v;
    return VN_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_revoker_free(struct vn_revoker *v)
{
    if (v)
        uv_close((uv_handle_t *)&v->pause, on_closed);
}
