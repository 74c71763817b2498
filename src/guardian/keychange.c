#include "guardian/keychange.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "guardian/issue.h"
#include "guardian/link.h"
#include "wire/bundle.h"
#include "wire/names.h"
#include "guardian/store_keys.h"

#define TICK_MS 250
#define CHANGES_MAX 4096
#define SEND_AGAIN_MS 1000

vn_status vn_key_change_lost(struct vn_store *s, const struct vn_conflux_record *before,
                             const struct vn_conflux_record *after, uint64_t now_ms)
{
    bool any = !after;
    vn_status st = VN_OK;
    if (!before->session.login_ms)
        return VN_OK;
    for (size_t i = 0; st == VN_OK && i < before->taints.n; i++) {
        if (after && vn_taints_contain(&after->taints, before->taints.t[i]))
            continue;
        any = true;
        st = vn_store_identity_lost(s, &before->realm, VN_KIND_TAINT, before->taints.t[i]);
    }
    for (size_t i = 0; st == VN_OK && i < before->teams.n; i++) {
        char team[VN_ID_TEXT];
        if (after && vn_team_set_has(&after->teams, &before->teams.t[i]))
            continue;
        any = true;
        vn_id_format(&before->teams.t[i], team);
        st = vn_store_identity_lost(s, &before->realm, VN_KIND_TEAM, team);
    }
    for (size_t i = 0; st == VN_OK && !after && i < before->scopes.n; i++)
        st = vn_store_identity_lost(s, &before->realm, VN_KIND_OAUTH, before->scopes.s[i]);
    char user[VN_ID_TEXT];
    vn_id_format(&before->owner, user);
    if (st == VN_OK && !after)
        st = vn_store_identity_lost(s, &before->realm, VN_KIND_USER, user);
    if (st == VN_OK && any)
        st = vn_store_key_change_want(s, &before->realm, now_ms + VN_KEY_CHANGE_COLLECT_MS,
                                      VN_KEY_CHANGE_SPREAD_MS);
    return st;
}

/* ---- one realm's change, in this process ---- */

struct parcel {
    struct vn_id conflux, node;
    struct vn_buf
        bundle; /* empty: its key does not encapsulate; such a node logs in again or not */
};

struct handing {
    struct vn_list entry;
    struct vn_id realm;
    bool listed; /* in the store still */
    bool working, announced;
    struct parcel *parcels;
    size_t count, next;
    uint64_t next_at_ms, interval_ms; /* monotonic */
};

struct vn_key_changes {
    struct vn_guardian *g;
    uv_timer_t timer;
    struct vn_list handings;
};

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

static void parcels_free(struct parcel *p, size_t n)
{
    for (size_t i = 0; p && i < n; i++)
        vn_buf_done(&p[i].bundle);
    free(p);
}

static void handing_free(struct handing *h)
{
    vn_list_remove(&h->entry);
    parcels_free(h->parcels, h->count);
    free(h);
}

static struct handing *find(struct vn_key_changes *k, const struct vn_id *realm)
{
    VN_LIST_EACH(it, &k->handings)
    {
        struct handing *h = VN_LIST_ENTRY(it, struct handing, entry);
        if (vn_id_equal(&h->realm, realm))
            return h;
    }
    return NULL;
}

static struct handing *find_or_new(struct vn_key_changes *k, const struct vn_id *realm)
{
    struct handing *h = find(k, realm);
    if (!h && (h = calloc(1, sizeof(*h)))) {
        h->realm = *realm;
        vn_list_init(&h->entry);
        vn_list_append(&k->handings, &h->entry);
    }
    return h;
}

/* Realms are loaded once: this one is another now. */
static void audit(struct vn_guardian *g, const struct vn_id *realm, const char *what,
                  uint32_t generation)
{
    char text[16], id[VN_ID_TEXT];
    snprintf(text, sizeof(text), "%u", generation);
    vn_id_format(realm, id);
    vn_guardian_drop_realm(g, realm);
    vn_guardian_audit(g, realm, "guardian", what, id, text);
}

/* ---- work for the pool ---- */

struct work {
    uv_work_t work;
    struct vn_guardian *g;
    struct vn_realm *realm;
    vn_status result;
    /* bundles */
    struct vn_conflux_record *nodes;
    struct parcel *parcels;
    size_t count, all;
    uint64_t now_ms, window_ms;
    /* the word */
    uint8_t word[VN_KEYS_NOW_MAX];
    size_t word_n;
};

static void work_free(struct work *w)
{
    vn_realm_unref(w->realm);
    free(w->nodes);
    parcels_free(w->parcels, w->count);
    free(w);
}

static vn_status start(struct vn_guardian *g, const struct vn_id *realm, struct work *w,
                       uv_work_cb run, uv_after_work_cb done)
{
    w->g = g;
    vn_status st = vn_guardian_realm(g, realm, &w->realm);
    if (st == VN_OK && uv_queue_work(g->uv, &w->work, run, done) == 0)
        return VN_OK;
    work_free(w);
    return st == VN_OK ? VN_ERR_NOMEM : st;
}

static vn_status make_sets(struct work *w, struct vn_bundle_to *to, uint8_t *sets)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct vn_conflux_record *c = &w->nodes[i];
        uint8_t *set = sets + i * VN_KEY_SET_MAX;
        size_t n;
        vn_status st = vn_issue_other_keys(w->realm, c, w->now_ms, set, &n);
        if (st != VN_OK)
            return st;
        to[i].node = c->session.node;
        to[i].ek = VN_SPAN(c->session.session_ek, c->session.session_ek_n);
        to[i].set = VN_SPAN(set, n);
    }
    return VN_OK;
}

static void bundles_run(uv_work_t *work)
{
    struct work *w = VN_CONTAINER_OF(work, struct work, work);
    struct vn_bundle_to *to = calloc(w->count, sizeof(*to));
    uint8_t *sets = calloc(w->count, VN_KEY_SET_MAX);
    vn_status st = to && sets ? VN_OK : VN_ERR_NOMEM;
    for (size_t i = 0; st == VN_OK && i < w->count; i++)
        vn_buf_init(&to[i].ret, VN_CONTROL_PAYLOAD_MAX);
    if (st == VN_OK)
        st = make_sets(w, to, sets);
    if (st == VN_OK)
        st = vn_bundles_make(w->realm->suite, &w->realm->r.id, w->realm->r.other_generation,
                             w->realm->command_key, to, w->count);
    for (size_t i = 0; to && i < w->count; i++)
        w->parcels[i].bundle = to[i].ret;
    if (sets)
        vn_wipe(sets, w->count * VN_KEY_SET_MAX);
    free(sets);
    free(to);
    w->result = st;
}

static void bundles_done(uv_work_t *work, int status)
{
    struct work *w = VN_CONTAINER_OF(work, struct work, work);
    struct vn_guardian *g = w->g;
    struct handing *h = g->key_changes ? find(g->key_changes, &w->realm->r.id) : NULL;
    vn_status st = status ? VN_ERR_STATE : w->result;
    if (h) {
        h->working = false;
        h->next_at_ms = mono_ms() + (st == VN_OK ? 0 : SEND_AGAIN_MS);
    }
    if (h && st == VN_OK) {
        h->parcels = VN_TAKE(w->parcels);
        h->count = w->count;
        h->next = 0;
        h->interval_ms = w->window_ms / w->all;
    } else if (h) {
        vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "keys"), VN_KV_STATUS(st));
    }
    work_free(w);
}

static void word_run(uv_work_t *work)
{
    struct work *w = VN_CONTAINER_OF(work, struct work, work);
    const struct vn_keys_now now = {.realm = w->realm->r.id,
                                    .generation = w->realm->r.hour_generation,
                                    .until_ms = w->realm->r.other_until_ms};
    w->result =
        vn_keys_now_issue(w->realm->suite, &now, w->realm->command_key, w->word, &w->word_n);
}

static void word_done(uv_work_t *work, int status)
{
    struct work *w = VN_CONTAINER_OF(work, struct work, work);
    struct vn_guardian *g = w->g;
    struct handing *h = g->key_changes ? find(g->key_changes, &w->realm->r.id) : NULL;
    vn_status st = status ? VN_ERR_STATE : w->result;
    if (h) {
        h->working = false;
        char subject[VN_SUBJECT_MAX];
        vn_subject_format(&(struct vn_subject){.kind = VN_SUBJ_REV}, subject);
        if (st == VN_OK)
            st = vn_links_publish(g->links, w->realm, subject, VN_SPAN(w->word, w->word_n));
        h->announced = st == VN_OK;
        h->next_at_ms = mono_ms() + SEND_AGAIN_MS;
        if (st != VN_OK)
            vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "keys"), VN_KV_STATUS(st));
    }
    work_free(w);
}

/* ---- stages ---- */

static vn_status begin(struct vn_guardian *g, const struct vn_key_change *c, uint64_t now_ms)
{
    uint32_t generation = 0;
    vn_status st = vn_store_begin(g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = g->store;
    if (st == VN_OK)
        st = vn_store_key_change_begin(tx, &c->realm, now_ms, &generation);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK)
        audit(g, &c->realm, "key_change_began", generation);
    return st;
}

/* Sends those bundles whose time has come. */
static vn_status send_due(struct vn_guardian *g, struct handing *h)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(g, &h->realm, &realm);
    while (st == VN_OK && h->next < h->count && mono_ms() >= h->next_at_ms) {
        struct parcel *p = &h->parcels[h->next];
        char subject[VN_SUBJECT_MAX];
        const struct vn_subject s = {.kind = VN_SUBJ_ADM, .name = p->node};
        vn_subject_format(&s, subject);
        if (p->bundle.len)
            st = vn_links_publish(g->links, realm, subject, vn_buf_span(&p->bundle));
        if (st == VN_OK)
            st = vn_store_conflux_reached(g->store, &p->conflux, &p->node,
                                          realm->r.other_generation);
        if (st == VN_OK) {
            h->next++;
            h->next_at_ms += h->interval_ms;
        }
    }
    if (st != VN_OK)
        h->next_at_ms = mono_ms() + SEND_AGAIN_MS;
    return st;
}

static vn_status in_force(struct vn_guardian *g, const struct vn_key_change *c)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(g, &c->realm, &realm);
    if (st == VN_OK)
        st = vn_store_begin(g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = g->store;
    if (st == VN_OK)
        st = vn_store_key_change_in_force(tx, &c->realm, c->other, realm->r.hour_generation,
                                          vn_clock_wall_ms() + c->spread_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK)
        audit(g, &c->realm, "key_change_in_force", c->other);
    return st;
}

/* The next nodes that were not reached; none left: VN_ERR_NOTFOUND. */
static vn_status make_bundles(struct vn_guardian *g, struct handing *h,
                              const struct vn_key_change *c, uint64_t now_ms)
{
    struct vn_id *ids = calloc(VN_BUNDLES_MAX, sizeof(*ids));
    struct work *w = calloc(1, sizeof(*w));
    size_t n = 0;
    vn_status st = ids && w ? VN_OK : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = vn_store_conflux_behind(g->store, &c->realm, c->other, now_ms, ids, VN_BUNDLES_MAX, &n,
                                     &w->all);
    if (st == VN_OK && n == 0)
        st = VN_ERR_NOTFOUND;
    if (st == VN_OK) {
        w->nodes = calloc(n, sizeof(*w->nodes));
        w->parcels = calloc(n, sizeof(*w->parcels));
        st = w->nodes && w->parcels ? VN_OK : VN_ERR_NOMEM;
    }
    for (size_t i = 0; st == VN_OK && i < n; i++) {
        struct vn_conflux_record *node = &w->nodes[i];
        st = vn_store_conflux_get(g->store, &ids[i], node);
        vn_buf_init(&w->parcels[i].bundle, VN_CONTROL_PAYLOAD_MAX);
        w->parcels[i].conflux = node->id;
        w->parcels[i].node = node->session.node;
        w->count = i + 1;
    }
    free(ids);
    if (st != VN_OK) {
        if (w)
            work_free(w);
        return st;
    }
    uint64_t end_ms = c->began_ms + c->spread_ms;
    w->now_ms = now_ms;
    w->window_ms = end_ms > now_ms ? end_ms - now_ms : 0;
    st = start(g, &c->realm, w, bundles_run, bundles_done);
    h->working = st == VN_OK;
    return st;
}

static vn_status hand_out(struct vn_guardian *g, struct handing *h, const struct vn_key_change *c,
                          uint64_t now_ms)
{
    if (h->next < h->count)
        return send_due(g, h);
    parcels_free(VN_TAKE(h->parcels), h->count);
    h->count = h->next = 0;
    vn_status st = make_bundles(g, h, c, now_ms);
    if (st != VN_ERR_NOTFOUND)
        return st;
    return now_ms >= c->began_ms + c->spread_ms ? in_force(g, c) : VN_OK;
}

/* Once in the life of this process: whoever held the word before may not have sent it. */
static vn_status announce(struct vn_guardian *g, struct handing *h, const struct vn_key_change *c)
{
    struct work *w = calloc(1, sizeof(*w));
    if (!w)
        return VN_ERR_NOMEM;
    vn_status st = start(g, &c->realm, w, word_run, word_done);
    h->working = st == VN_OK;
    return st;
}

static vn_status end(struct vn_guardian *g, const struct vn_key_change *c)
{
    vn_status st = vn_store_begin(g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = g->store;
    if (st == VN_OK)
        st = vn_store_key_change_end(tx, &c->realm);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK)
        audit(g, &c->realm, "key_change_ended", c->other);
    return st;
}

static vn_status drive(struct vn_key_changes *k, const struct vn_key_change *c, uint64_t now_ms)
{
    if (!c->other)
        return c->due_ms && c->due_ms <= now_ms ? begin(k->g, c, now_ms) : VN_OK;
    struct handing *h = find_or_new(k, &c->realm);
    if (!h)
        return VN_ERR_NOMEM;
    h->listed = true;
    if (h->working || mono_ms() < h->next_at_ms)
        return VN_OK;
    if (!c->until_ms)
        return hand_out(k->g, h, c, now_ms);
    if (!h->announced) /* also when its end has come: whoever missed it must hear of it */
        return announce(k->g, h, c);
    return c->until_ms <= now_ms ? end(k->g, c) : VN_OK;
}

static void on_timer(uv_timer_t *t)
{
    struct vn_key_changes *k = t->data;
    static struct vn_key_change changes[CHANGES_MAX];
    size_t n = 0;
    vn_status st = vn_store_key_change_list(k->g->store, changes, CHANGES_MAX, &n);
    if (st == VN_OK && n) /* what the last tick changed, nodes are told in this one */
        st = vn_store_sync(k->g->store);
    for (size_t i = 0; st == VN_OK && i < n; i++)
        st = drive(k, &changes[i], vn_clock_wall_ms());
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "keys"), VN_KV_STATUS(st));
    VN_LIST_EACH(it, &k->handings)
    {
        struct handing *h = VN_LIST_ENTRY(it, struct handing, entry);
        if (st == VN_OK && !h->listed && !h->working)
            handing_free(h);
        else
            h->listed = false;
    }
}

vn_status vn_key_changes_new(struct vn_guardian *g, struct vn_key_changes **ret)
{
    struct vn_key_changes *k = calloc(1, sizeof(*k));
    if (!k)
        return VN_ERR_NOMEM;
    k->g = g;
    vn_list_init(&k->handings);
    uv_timer_init(g->uv, &k->timer);
    k->timer.data = k;
    uv_timer_start(&k->timer, on_timer, TICK_MS, TICK_MS);
    *ret = k;
    return VN_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_key_changes_free(struct vn_key_changes *k)
{
    if (!k)
        return;
    VN_LIST_EACH(it, &k->handings)
    handing_free(VN_LIST_ENTRY(it, struct handing, entry));
    uv_close((uv_handle_t *)&k->timer, on_closed);
}
