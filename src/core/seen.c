#include "core/seen.h"

#include "core/node_i.h"

struct vn_seen_owner {
    struct vn_id id;
    struct vn_list of_class; /* in owners_of */
    struct vn_list nonces;   /* oldest first */
    size_t count;
};

struct vn_seen_nonce {
    struct vn_list order, of_owner;
    struct vn_seen_owner *owner;
    uint64_t until_ms;
    uint8_t key[32];
};

vn_status vn_seen_init(struct vn_node *n)
{
    struct vn_seen *s = &n->seen;
    vn_list_init(&s->proven_lru);
    vn_list_init(&s->unproven_lru);
    vn_list_init(&s->nonce_order);
    for (size_t i = 0; i < VN_SEEN_CLASSES; i++)
        vn_list_init(&s->owners_of[i]);
    vn_status st = vn_map_new(sizeof(struct vn_id), VN_SOURCES_MAX, &s->sources);
    if (st == VN_OK)
        st = vn_map_new(32, VN_ENVELOPE_REPLAY_MAX, &s->nonces);
    if (st == VN_OK)
        st = vn_map_new(sizeof(struct vn_id), VN_ENVELOPE_REPLAY_MAX, &s->owners);
    return st;
}

/* ---- sources ---- */

static void source_free(struct vn_seen *s, struct vn_source *src)
{
    if (!src->proven)
        s->unproven_count--;
    vn_list_remove(&src->lru);
    (void)vn_map_take(s->sources, &src->id);
    free(src);
}

static void touch(struct vn_seen *s, struct vn_source *src)
{
    vn_list_remove(&src->lru);
    vn_list_append(src->proven ? &s->proven_lru : &s->unproven_lru, &src->lru);
}

static struct vn_source *oldest(struct vn_list *lru)
{
    return VN_LIST_ENTRY(lru->next, struct vn_source, lru);
}

/* Room for one more in the unproven or the proven part. */
static void make_room(struct vn_seen *s, bool proven)
{
    size_t proven_count = vn_map_count(s->sources) - s->unproven_count;
    if (proven && proven_count >= VN_SOURCES_MAX - VN_SOURCES_UNPROVEN_MAX)
        source_free(s, oldest(&s->proven_lru));
    else if (!proven && s->unproven_count >= VN_SOURCES_UNPROVEN_MAX)
        source_free(s, oldest(&s->unproven_lru));
}

struct vn_source *vn_source_get(struct vn_node *n, const struct vn_id *id)
{
    struct vn_seen *s = &n->seen;
    struct vn_source *src = vn_map_get(s->sources, id);
    if (!src) {
        make_room(s, false);
        src = calloc(1, sizeof(*src));
        if (!src)
            return NULL;
        src->id = *id;
        vn_list_init(&src->lru);
        vn_bucket_init(&src->envelopes, VN_ENVELOPE_SRC_BURST, n->now_ms);
        vn_bucket_init(&src->paths, VN_PATH_BURST, n->now_ms);
        vn_bucket_init(&src->handshakes, VN_HS_SRC_BURST, n->now_ms);
        vn_bucket_init(&src->answers, VN_HS_SRC_BURST, n->now_ms);
        vn_bucket_init(&src->retries, VN_HS_RETRY_RATE, n->now_ms);
        vn_bucket_init(&src->cookies, VN_HS_COOKIE_BURST, n->now_ms);
        vn_bucket_init(&src->need_certs, 1, n->now_ms);
        if (vn_map_put(s->sources, id, src) != VN_OK) {
            free(src);
            return NULL;
        }
        s->unproven_count++;
    }
    touch(s, src);
    return src;
}

bool vn_source_guardian_takes(struct vn_node *n)
{
    struct vn_source *s = vn_source_get(n, &n->session.cred->realm.gid);
    if (s && vn_bucket_take(&s->envelopes, VN_ENVELOPE_SRC_RATE, VN_ENVELOPE_SRC_BURST, n->now_ms))
        return true;
    vn_drop(n, VN_NDROP_RATE);
    return false;
}

void vn_source_prove(struct vn_node *n, const struct vn_id *id)
{
    struct vn_seen *s = &n->seen;
    struct vn_source *src = vn_map_get(s->sources, id);
    if (!src || src->proven)
        return;
    make_room(s, true);
    src->proven = true;
    s->unproven_count--;
    touch(s, src);
}

void vn_sources_sweep(struct vn_node *n)
{
    struct vn_list *const kinds[] = {&n->seen.proven_lru, &n->seen.unproven_lru};
    for (size_t i = 0; i < VN_ARRAY_LEN(kinds); i++) {
        VN_LIST_EACH(it, kinds[i])
        {
            struct vn_source *src = VN_LIST_ENTRY(it, struct vn_source, lru);
            if (vn_revocation_refuses_node(n, &src->id))
                source_free(&n->seen, src);
        }
    }
}

/* ---- nonces ---- */

static size_t class_of(size_t count)
{
    size_t c = 0;
    while (count >>= 1)
        c++;
    return VN_MIN(c, (size_t)VN_SEEN_CLASSES - 1);
}

static void owner_sort(struct vn_seen *s, struct vn_seen_owner *o)
{
    vn_list_remove(&o->of_class);
    vn_list_append(&s->owners_of[class_of(o->count)], &o->of_class);
}

static void nonce_free(struct vn_seen *s, struct vn_seen_nonce *e)
{
    struct vn_seen_owner *o = e->owner;
    vn_list_remove(&e->order);
    vn_list_remove(&e->of_owner);
    (void)vn_map_take(s->nonces, e->key);
    free(e);
    if (--o->count) {
        owner_sort(s, o);
        return;
    }
    vn_list_remove(&o->of_class);
    (void)vn_map_take(s->owners, &o->id);
    free(o);
}

void vn_seen_done(struct vn_node *n)
{
    struct vn_seen *s = &n->seen;
    if (s->owners) { /* the last one made */
        VN_LIST_EACH(it, &s->proven_lru)
        source_free(s, VN_LIST_ENTRY(it, struct vn_source, lru));
        VN_LIST_EACH(it, &s->unproven_lru)
        source_free(s, VN_LIST_ENTRY(it, struct vn_source, lru));
        VN_LIST_EACH(it, &s->nonce_order)
        nonce_free(s, VN_LIST_ENTRY(it, struct vn_seen_nonce, order));
    }
    s->sources = vn_map_free(s->sources);
    s->nonces = vn_map_free(s->nonces);
    s->owners = vn_map_free(s->owners);
}

static void seen_key(const struct vn_id *src, const uint8_t nonce[16], uint8_t ret[32])
{
    memcpy(ret, src->b, VN_ID_LEN);
    memcpy(ret + VN_ID_LEN, nonce, 16);
}

bool vn_seen_has(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16])
{
    uint8_t key[32];
    seen_key(src, nonce, key);
    return vn_map_get(n->seen.nonces, key) != NULL;
}

/* Forgetting early makes a replay possible: then of one of the sources that have the most (within
 * a factor of two), not of the one that said least. */
static void forget_of_the_largest(struct vn_seen *s)
{
    for (size_t i = VN_SEEN_CLASSES; i-- > 0;) {
        if (vn_list_empty(&s->owners_of[i]))
            continue;
        struct vn_seen_owner *o =
            VN_LIST_ENTRY(s->owners_of[i].next, struct vn_seen_owner, of_class);
        nonce_free(s, VN_LIST_ENTRY(o->nonces.next, struct vn_seen_nonce, of_owner));
        return;
    }
}

static struct vn_seen_owner *owner_get(struct vn_seen *s, const struct vn_id *id)
{
    struct vn_seen_owner *o = vn_map_get(s->owners, id);
    if (o)
        return o;
    o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->id = *id;
    vn_list_init(&o->of_class);
    vn_list_init(&o->nonces);
    if (vn_map_put(s->owners, id, o) != VN_OK) {
        free(o);
        return NULL;
    }
    return o;
}

void vn_seen_put(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16])
{
    struct vn_seen *s = &n->seen;
    while (!vn_list_empty(&s->nonce_order)) {
        struct vn_seen_nonce *old = VN_LIST_ENTRY(s->nonce_order.next, struct vn_seen_nonce, order);
        if (old->until_ms > n->now_ms)
            break;
        nonce_free(s, old);
    }
    if (vn_map_count(s->nonces) >= VN_ENVELOPE_REPLAY_MAX)
        forget_of_the_largest(s);
    struct vn_seen_nonce *e = calloc(1, sizeof(*e));
    if (!e)
        return;
    seen_key(src, nonce, e->key);
    /* A message dated 90 s ahead stays fresh for 180 s. */
    e->until_ms = n->now_ms + 2 * VN_ENVELOPE_FRESH_MS;
    vn_list_init(&e->order);
    vn_list_init(&e->of_owner);
    e->owner = owner_get(s, src);
    if (!e->owner) {
        free(e);
        return;
    }
    /* From here on the entry counts, so that nonce_free undoes it whatever fails. */
    vn_list_append(&s->nonce_order, &e->order);
    vn_list_append(&e->owner->nonces, &e->of_owner);
    e->owner->count++;
    owner_sort(s, e->owner);
    if (vn_map_put(s->nonces, e->key, e) != VN_OK)
        nonce_free(s, e);
}
