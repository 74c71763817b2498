/*
 * Entries stand densely in the order they came (a removal moves the last one into the gap), and an
 * open-addressing table of entry numbers finds them. So a walk does not depend on the random hash
 * key: the same calls give the same order, which replayed simulations rely on.
 */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOT_FREE UINT32_MAX
#define SLOTS_MIN 16

struct entry {
    void *value;
    uint64_t hash;
    uint8_t key[];
};

struct vn_map {
    uint64_t k0, k1; /* SipHash key */
    size_t key_len;
    size_t max;
    size_t stride; /* of one entry */
    size_t count;
    size_t cap;   /* entries allocated */
    size_t slots; /* power of two, at least twice cap */
    uint8_t *entries;
    uint32_t *slot; /* entry number or SLOT_FREE; linear probing */
};

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* SipHash-2-4 (Aumasson, Bernstein 2012). Not for cryptography: it only keeps peers from choosing
 * collisions. */
static uint64_t hash_key(const struct vn_map *m, const uint8_t *key)
{
    uint64_t v[4] = {m->k0 ^ 0x736f6d6570736575, m->k1 ^ 0x646f72616e646f6d,
                     m->k0 ^ 0x6c7967656e657261, m->k1 ^ 0x7465646279746573};
    const size_t n = m->key_len;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t w = load_le(key + i, 8);
        v[3] ^= w;
        sip_round(v);
        sip_round(v);
        v[0] ^= w;
    }
    const uint64_t w = load_le(key + i, n - i) | (uint64_t)n << 56;
    v[3] ^= w;
    sip_round(v);
    sip_round(v);
    v[0] ^= w;
    v[2] ^= 0xff;
    for (int r = 0; r < 4; r++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct entry *entry_at(const struct vn_map *m, size_t i)
{
    return (struct entry *)(void *)(m->entries + i * m->stride);
}

vn_status vn_map_new(size_t key_len, size_t max, struct vn_map **ret)
{
    /* Slots hold entry numbers in 32 bits, twice as many as entries. */
    if (key_len == 0 || key_len > 4096 || max > UINT32_MAX / 4)
        return VN_ERR_ARG;
    struct vn_map *m = calloc(1, sizeof(*m));
    if (!m)
        return VN_ERR_NOMEM;
    uint64_t k[2];
    if (getrandom(k, sizeof(k), 0) != (ssize_t)sizeof(k)) {
        free(m);
        return VN_ERR_IO;
    }
    const size_t align = _Alignof(struct entry);
    m->k0 = k[0];
    m->k1 = k[1];
    m->key_len = key_len;
    m->max = max;
    m->stride = (sizeof(struct entry) + key_len + align - 1) / align * align;
    *ret = m;
    return VN_OK;
}

struct vn_map *vn_map_free(struct vn_map *m)
{
    if (m) {
        free(m->entries);
        free(m->slot);
        free(m);
    }
    return NULL;
}

void vn_map_freep(struct vn_map **m)
{
    *m = vn_map_free(*m);
}

/* The slot of this key, or the free one where it would go; only with slots > 0. */
static size_t find_slot(const struct vn_map *m, uint64_t hash, const void *key)
{
    size_t s = hash & (m->slots - 1);
    for (;; s = (s + 1) & (m->slots - 1)) {
        if (m->slot[s] == SLOT_FREE)
            return s;
        const struct entry *e = entry_at(m, m->slot[s]);
        if (e->hash == hash && memcmp(e->key, key, m->key_len) == 0)
            return s;
    }
}

static size_t slot_of_entry(const struct vn_map *m, size_t index)
{
    size_t s = entry_at(m, index)->hash & (m->slots - 1);
    while (m->slot[s] != index)
        s = (s + 1) & (m->slots - 1);
    return s;
}

static vn_status grow(struct vn_map *m)
{
    const size_t cap = VN_MIN(VN_MAX(m->cap * 2, (size_t)SLOTS_MIN / 2), m->max);
    size_t slots = SLOTS_MIN;
    while (slots < cap * 2)
        slots *= 2;
    size_t bytes;
    if (!vn_ckd_mul(&bytes, cap, m->stride))
        return VN_ERR_NOMEM;
    uint32_t *slot = m->slot;
    if (slots != m->slots) {
        slot = malloc(slots * sizeof(*slot));
        if (!slot)
            return VN_ERR_NOMEM;
    }
    uint8_t *entries = realloc(m->entries, bytes);
    if (!entries) {
        if (slot != m->slot)
            free(slot);
        return VN_ERR_NOMEM;
    }
    m->entries = entries;
    m->cap = cap;
    if (slot == m->slot)
        return VN_OK;
    free(m->slot);
    m->slot = slot;
    m->slots = slots;
    memset(slot, 0xff, slots * sizeof(*slot));
    for (size_t i = 0; i < m->count; i++) {
        const struct entry *e = entry_at(m, i);
        slot[find_slot(m, e->hash, e->key)] = (uint32_t)i;
    }
    return VN_OK;
}

void *vn_map_get(const struct vn_map *m, const void *key)
{
    if (m->count == 0)
        return NULL;
    const size_t s = find_slot(m, hash_key(m, key), key);
    return m->slot[s] == SLOT_FREE ? NULL : entry_at(m, m->slot[s])->value;
}

vn_status vn_map_put(struct vn_map *m, const void *key, void *value)
{
    const uint64_t hash = hash_key(m, key);
    if (m->slots > 0) {
        const size_t s = find_slot(m, hash, key);
        if (m->slot[s] != SLOT_FREE) {
            entry_at(m, m->slot[s])->value = value;
            return VN_OK;
        }
    }
    if (m->count == m->max)
        return VN_ERR_LIMIT;
    if (m->count == m->cap) {
        vn_status st = grow(m);
        if (st != VN_OK)
            return st;
    }
    struct entry *e = entry_at(m, m->count);
    e->value = value;
    e->hash = hash;
    memcpy(e->key, key, m->key_len);
    m->slot[find_slot(m, hash, key)] = (uint32_t)m->count;
    m->count++;
    return VN_OK;
}

/* Knuth 6.4 algorithm R: closes the gap at s, so that no marks of deleted entries pile up. */
static void free_slot(struct vn_map *m, size_t s)
{
    const size_t mask = m->slots - 1;
    m->slot[s] = SLOT_FREE;
    for (size_t j = (s + 1) & mask; m->slot[j] != SLOT_FREE; j = (j + 1) & mask) {
        const size_t home = entry_at(m, m->slot[j])->hash & mask;
        if (((j - home) & mask) >= ((j - s) & mask)) {
            m->slot[s] = m->slot[j];
            m->slot[j] = SLOT_FREE;
            s = j;
        }
    }
}

void *vn_map_take(struct vn_map *m, const void *key)
{
    if (m->count == 0)
        return NULL;
    const size_t s = find_slot(m, hash_key(m, key), key);
    const uint32_t index = m->slot[s];
    if (index == SLOT_FREE)
        return NULL;
    void *value = entry_at(m, index)->value;
    free_slot(m, s);
    const size_t last = m->count - 1;
    if (index != last) {
        m->slot[slot_of_entry(m, last)] = index;
        memcpy(entry_at(m, index), entry_at(m, last), m->stride);
    }
    m->count = last;
    return value;
}

size_t vn_map_count(const struct vn_map *m)
{
    return m->count;
}

/*
 * From the last entry to the first: what vn_map_take moves into the gap of the entry just returned
 * was visited before. *cursor is one more than the number of the entry returned last.
 */
bool vn_map_next(const struct vn_map *m, size_t *cursor, const void **ret_key, void **ret_value)
{
    const size_t bound = *cursor == 0 ? m->count : *cursor - 1;
    if (bound == 0)
        return false;
    assert(bound <= m->count);
    const struct entry *e = entry_at(m, bound - 1);
    *cursor = bound;
    if (ret_key)
        *ret_key = e->key;
    if (ret_value)
        *ret_value = e->value;
    return true;
}
