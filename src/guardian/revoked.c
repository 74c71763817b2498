#include "guardian/revoked.h"

#include <pthread.h>

#include "guardian/json.h"
#include "guardian/revoke.h"

#ifndef JANSSON_THREAD_SAFE_REFCOUNT
#error "answers made on several threads share texts: jansson must count references atomically"
#endif

/* ---- signed lists ---- */

struct signed_list {
    uint64_t after, numbers[VN_REVOCATION_ENTRIES_MAX];
    size_t n;
    json_t *text; /* base64url */
};

/* Of one realm, over all its changes. */
struct vn_revoked_lists {
    unsigned refs; /* atomic */
    pthread_mutex_t lock;
    struct signed_list *list[VN_REVOCATION_LOGIN_MAX]; /* guarded by it */
};

static bool unref(unsigned *refs)
{
    return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static void lists_unref(struct vn_revoked_lists *l)
{
    if (!l || !unref(&l->refs))
        return;
    for (size_t i = 0; i < VN_ARRAY_LEN(l->list); i++) {
        if (l->list[i])
            json_decref(l->list[i]->text);
        free(l->list[i]);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct vn_revoked_lists *lists_new(void)
{
    struct vn_revoked_lists *l = calloc(1, sizeof(*l));
    if (l && pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return NULL;
    }
    if (l)
        l->refs = 1;
    return l;
}

/* A number is given once, so it stands for its row. */
static bool is_list_of(const struct signed_list *l, const struct vn_revocation_row *rows, size_t n,
                       uint64_t after)
{
    if (!l || l->n != n || l->after != after)
        return false;
    for (size_t i = 0; i < n; i++)
        if (l->numbers[i] != rows[i].e.number)
            return false;
    return true;
}

static vn_status sign_list(const struct vn_realm *realm, const struct vn_revocation_row *rows,
                           size_t n, uint64_t after, struct signed_list **place)
{
    uint8_t bytes[VN_REVOCATION_LIST_MAX];
    size_t bytes_n;
    vn_status st = vn_revoke_sign(realm, rows, n, after, bytes, &bytes_n);
    if (st != VN_OK)
        return st;
    if (!*place)
        *place = calloc(1, sizeof(**place));
    json_t *text = *place ? vn_json_b64(VN_SPAN(bytes, bytes_n)) : NULL;
    if (!text)
        return VN_ERR_NOMEM;
    struct signed_list *l = *place;
    json_decref(l->text);
    l->text = text;
    l->after = after;
    l->n = n;
    for (size_t i = 0; i < n; i++)
        l->numbers[i] = rows[i].e.number;
    return VN_OK;
}

static vn_status add_lists(struct vn_revoked *r, const struct vn_realm *realm, json_t *ret)
{
    const size_t n = r->n;
    uint64_t after = 0; /* also without the oldest ones: nodes would have forgotten those */
    vn_status st = VN_OK;
    struct signed_list **place = r->lists->list;
    for (size_t from = n > VN_REVOCATIONS_MAX ? n - VN_REVOCATIONS_MAX : 0; st == VN_OK && from < n;
         from += VN_REVOCATION_ENTRIES_MAX, place++) {
        const struct vn_revocation_row *rows = r->rows + from;
        const size_t count = VN_MIN(n - from, (size_t)VN_REVOCATION_ENTRIES_MAX);
        if (!is_list_of(*place, rows, count, after))
            st = sign_list(realm, rows, count, after, place);
        if (st == VN_OK && json_array_append(ret, (*place)->text))
            st = VN_ERR_NOMEM;
        after = rows[count - 1].e.number;
    }
    return st;
}

vn_status vn_revoked_answer(struct vn_revoked *r, const struct vn_realm *realm, json_t *answer)
{
    VN_CLEANUP(vn_json_freep) json_t *lists = json_array();
    if (!lists)
        return VN_ERR_NOMEM;
    pthread_mutex_lock(&r->lists->lock);
    vn_status st = add_lists(r, realm, lists);
    pthread_mutex_unlock(&r->lists->lock);
    return st == VN_OK && json_object_set(answer, "revocations", lists) ? VN_ERR_NOMEM : st;
}

/* ---- rows ---- */

void vn_revoked_unref(struct vn_revoked *r)
{
    if (!r || !unref(&r->refs))
        return;
    lists_unref(r->lists);
    free(r->rows);
    free(r);
}

static void revoked_unrefp(struct vn_revoked **r)
{
    vn_revoked_unref(*r);
}

static bool is_current(const struct vn_revoked *r, const struct vn_revocation_marks *m,
                       uint64_t now_ms)
{
    return r && now_ms < r->until_ms && memcmp(&r->marks, m, sizeof(*m)) == 0;
}

/* Nothing went but what was there is still there: what came since is enough to read. */
static bool only_grew(const struct vn_revoked *r, const struct vn_revocation_marks *m,
                      uint64_t now_ms)
{
    return r && r->n && now_ms < r->until_ms && r->marks.removed == m->removed &&
           r->marks.outside == m->outside;
}

static vn_status load(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                      const struct vn_revoked *before, struct vn_revoked *r)
{
    if (!only_grew(before, &r->marks, now_ms))
        return vn_store_revocation_load(s, realm, 0, now_ms, &r->rows, &r->n);
    struct vn_revocation_row *more;
    size_t n;
    vn_status st =
        vn_store_revocation_load(s, realm, before->rows[before->n - 1].e.number, now_ms, &more, &n);
    if (st != VN_OK)
        return st;
    r->rows = malloc((before->n + n) * sizeof(*more));
    if (r->rows) {
        memcpy(r->rows, before->rows, before->n * sizeof(*more));
        memcpy(r->rows + before->n, more, n * sizeof(*more));
        r->n = before->n + n;
    }
    free(more);
    return r->rows ? VN_OK : VN_ERR_NOMEM;
}

vn_status vn_revoked_get(struct vn_guardian *g, const struct vn_id *realm, uint64_t now_ms,
                         struct vn_revoked **ret)
{
    struct vn_revoked *before = vn_map_get(g->revoked, realm->b);
    struct vn_revocation_marks marks;
    vn_status st = vn_store_revocation_marks(g->store, &marks);
    if (st != VN_OK)
        return st;
    if (!is_current(before, &marks, now_ms)) {
        VN_CLEANUP(revoked_unrefp) struct vn_revoked *r = calloc(1, sizeof(*r));
        if (!r)
            return VN_ERR_NOMEM;
        r->refs = 1;
        r->marks = marks;
        r->lists = before ? before->lists : lists_new();
        if (!r->lists)
            return VN_ERR_NOMEM;
        if (before)
            __atomic_add_fetch(&r->lists->refs, 1, __ATOMIC_RELAXED);
        st = load(g->store, realm, now_ms, before, r);
        r->until_ms = UINT64_MAX;
        for (size_t i = 0; st == VN_OK && i < r->n; i++)
            r->until_ms = VN_MIN(r->until_ms, r->rows[i].e.until_ms);
        if (st == VN_OK)
            st = vn_map_put(g->revoked, realm->b, r);
        if (st != VN_OK)
            return st;
        vn_revoked_unref(before);
        before = VN_TAKE(r);
    }
    __atomic_add_fetch(&before->refs, 1, __ATOMIC_RELAXED);
    *ret = before;
    return VN_OK;
}

void vn_revoked_drop(struct vn_guardian *g, const struct vn_id *realm)
{
    vn_revoked_unref(vn_map_take(g->revoked, realm->b));
}

void vn_revoked_done(struct vn_guardian *g)
{
    size_t cursor = 0;
    const void *key;
    void *r;
    while (g->revoked && vn_map_next(g->revoked, &cursor, &key, &r))
        vn_revoked_unref(r);
    g->revoked = vn_map_free(g->revoked);
}
