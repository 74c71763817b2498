#include "core/seen.h"

#include "core/node_i.h"

struct vn_seen_nonce {
    struct vn_list order;
    uint64_t until_ms;
    uint8_t key[32];
};

vn_status vn_seen_init(struct vn_node *n)
{
    struct vn_seen *s = &n->seen;
    vn_list_init(&s->source_lru);
    vn_list_init(&s->nonce_order);
    vn_status st = vn_map_new(sizeof(struct vn_id), VN_SOURCES_MAX, &s->sources);
    if (st != VN_OK)
        return st;
    return vn_map_new(32, VN_ENVELOPE_REPLAY_MAX, &s->nonces);
}

static void source_free(struct vn_seen *s, struct vn_source *src)
{
    vn_list_remove(&src->lru);
    (void)vn_map_take(s->sources, &src->id);
    free(src);
}

static void nonce_free(struct vn_seen *s, struct vn_seen_nonce *e)
{
    vn_list_remove(&e->order);
    (void)vn_map_take(s->nonces, e->key);
    free(e);
}

void vn_seen_done(struct vn_node *n)
{
    struct vn_seen *s = &n->seen;
    if (s->sources) {
        VN_LIST_EACH(it, &s->source_lru)
        source_free(s, VN_LIST_ENTRY(it, struct vn_source, lru));
    }
    if (s->nonces) {
        VN_LIST_EACH(it, &s->nonce_order)
        nonce_free(s, VN_LIST_ENTRY(it, struct vn_seen_nonce, order));
    }
    s->sources = vn_map_free(s->sources);
    s->nonces = vn_map_free(s->nonces);
}

struct vn_source *vn_source_get(struct vn_node *n, const struct vn_id *id)
{
    struct vn_seen *s = &n->seen;
    struct vn_source *src = vn_map_get(s->sources, id);
    if (!src) {
        if (vn_map_count(s->sources) >= VN_SOURCES_MAX)
            source_free(s, VN_LIST_ENTRY(s->source_lru.next, struct vn_source, lru));
        src = calloc(1, sizeof(*src));
        if (!src)
            return NULL;
        src->id = *id;
        vn_list_init(&src->lru);
        vn_bucket_init(&src->envelopes, VN_ENVELOPE_SRC_BURST, n->now_ms);
        vn_bucket_init(&src->handshakes, VN_HS_SRC_BURST, n->now_ms);
        vn_bucket_init(&src->retries, VN_HS_RETRY_RATE, n->now_ms);
        vn_bucket_init(&src->need_certs, 1, n->now_ms);
        if (vn_map_put(s->sources, id, src) != VN_OK) {
            free(src);
            return NULL;
        }
    }
    vn_list_remove(&src->lru);
    vn_list_append(&s->source_lru, &src->lru);
    return src;
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

void vn_seen_put(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16])
{
    struct vn_seen *s = &n->seen;
    while (!vn_list_empty(&s->nonce_order)) {
        struct vn_seen_nonce *old = VN_LIST_ENTRY(s->nonce_order.next, struct vn_seen_nonce, order);
        if (old->until_ms > n->now_ms && vn_map_count(s->nonces) < VN_ENVELOPE_REPLAY_MAX)
            break;
        nonce_free(s, old);
    }
    struct vn_seen_nonce *e = calloc(1, sizeof(*e));
    if (!e)
        return;
    seen_key(src, nonce, e->key);
    /* A message dated 90 s ahead stays fresh for 180 s. */
    e->until_ms = n->now_ms + 2 * VN_ENVELOPE_FRESH_MS;
    vn_list_init(&e->order);
    if (vn_map_put(s->nonces, e->key, e) != VN_OK) {
        free(e);
        return;
    }
    vn_list_append(&s->nonce_order, &e->order);
}
