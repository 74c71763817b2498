#include "router/book.h"

#include "base/attr.h"

#define FAILURES_MAX 3

void vn_book_init(struct vn_book *b, uint64_t self)
{
    *b = (struct vn_book){.self = self};
}

static struct vn_relay *find(struct vn_book *b, uint64_t key)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->relays[i].key == key)
            return &b->relays[i];
    return NULL;
}

const struct vn_relay *vn_book_find(const struct vn_book *b, uint64_t key)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->relays[i].key == key)
            return &b->relays[i];
    return NULL;
}

static uint32_t distance(const struct vn_relay *r, const struct vn_coord *from)
{
    return r->rtt_us ? r->rtt_us : vn_coord_rtt_us(&r->at, from);
}

/* The count with the least values, least first; ties go to the earlier. */
struct least {
    size_t count;
    size_t at[VN_NEAR_MAX];
    uint64_t value[VN_NEAR_MAX];
};

static void offer(struct least *l, size_t index, uint64_t value)
{
    size_t i = l->count;
    if (i < VN_NEAR_MAX)
        l->count++;
    else if (value >= l->value[--i])
        return;
    for (; i > 0 && value < l->value[i - 1]; i--) {
        l->at[i] = l->at[i - 1];
        l->value[i] = l->value[i - 1];
    }
    l->at[i] = index;
    l->value[i] = value;
}

static struct least nearest(const struct vn_book *b, const struct vn_coord *self_at)
{
    struct least l = {0};
    for (size_t i = 0; i < b->count; i++)
        offer(&l, i, distance(&b->relays[i], self_at));
    return l;
}

size_t vn_book_near(const struct vn_book *b, const struct vn_coord *self_at,
                    uint64_t ret[VN_NEAR_MAX])
{
    struct least l = nearest(b, self_at);
    for (size_t i = 0; i < l.count; i++)
        ret[i] = b->relays[l.at[i]].key;
    return l.count;
}

static bool holds(const struct least *l, size_t index)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i] == index)
            return true;
    return false;
}

/* Where a new relay goes. */
static struct vn_relay *place(struct vn_book *b, const struct vn_coord *self_at)
{
    if (b->count < VN_BOOK_MAX)
        return &b->relays[b->count++];
    struct least keep = nearest(b, self_at);
    struct vn_relay *oldest = NULL;
    for (size_t i = 0; i < b->count; i++) {
        struct vn_relay *r = &b->relays[i];
        if (!holds(&keep, i) && (!oldest || b->heard - r->heard > b->heard - oldest->heard))
            oldest = r;
    }
    return oldest;
}

void vn_book_hear(struct vn_book *b, uint64_t key, const struct vn_coord *at,
                  const struct vn_coord *self_at)
{
    if (key == b->self)
        return;
    struct vn_relay *r = find(b, key);
    if (!r) {
        r = place(b, self_at);
        *r = (struct vn_relay){.key = key};
    }
    r->at = *at;
    r->heard = ++b->heard;
}

void vn_book_measured(struct vn_book *b, uint64_t key, uint32_t rtt_us)
{
    struct vn_relay *r = find(b, key);
    if (!r)
        return;
    r->rtt_us = VN_MAX(rtt_us, 1u);
    r->failures = 0;
}

void vn_book_failed(struct vn_book *b, uint64_t key)
{
    struct vn_relay *r = find(b, key);
    if (r && ++r->failures == FAILURES_MAX)
        vn_book_forget(b, key);
}

void vn_book_forget(struct vn_book *b, uint64_t key)
{
    struct vn_relay *r = find(b, key);
    if (r)
        *r = b->relays[--b->count];
}

/* ---- candidates ---- */

static size_t add(struct vn_relay_candidate *list, size_t count, uint64_t key,
                  enum vn_candidate_kind kind)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].key == key)
            return count;
    list[count] = (struct vn_relay_candidate){key, kind};
    return count + 1;
}

size_t vn_candidates(const struct vn_book *b, const struct vn_coord *self_at,
                     const struct vn_descriptor_place *to,
                     struct vn_relay_candidate ret[VN_CANDIDATES_MAX])
{
    size_t n = 0;
    struct least close = {0}, over = {0};
    for (size_t i = 0; i < b->count; i++)
        if (b->relays[i].key != to->key)
            offer(&close, i, distance(&b->relays[i], self_at));
    for (size_t i = 0; i < close.count; i++)
        n = add(ret, n, b->relays[close.at[i]].key, VN_NEAR_SOURCE);
    for (size_t i = 0; i < VN_MIN(to->near_count, (size_t)VN_NEAR_MAX); i++)
        if (to->near[i].key != b->self && to->near[i].key != to->key)
            n = add(ret, n, to->near[i].key, VN_NEAR_DESTINATION);
    for (size_t i = 0; i < b->count; i++) {
        const struct vn_relay *r = &b->relays[i];
        if (r->key != to->key && !holds(&close, i))
            offer(&over, i, (uint64_t)distance(r, self_at) + vn_coord_rtt_us(&r->at, &to->at));
    }
    for (size_t i = 0; i < over.count; i++)
        n = add(ret, n, b->relays[over.at[i]].key, VN_HUB);
    return n;
}

static bool is_listed(const struct vn_relay_candidate *list, size_t count, uint64_t key)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].key == key)
            return true;
    return false;
}

/* Makes room for one: the arm that did worst of those that are not listed. */
static bool drop_worst(struct vn_ccx *c, uint64_t direct, const struct vn_relay_candidate *list,
                       size_t count)
{
    const struct vn_ccx_arm *worst = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct vn_ccx_arm *a = &c->arms[i];
        if (a->key != direct && !is_listed(list, count, a->key) && !vn_ccx_is_kept(c, a->key) &&
            (!worst || a->loss_q16 > worst->loss_q16))
            worst = a;
    }
    if (worst)
        vn_ccx_remove(c, worst->key);
    return worst != NULL;
}

size_t vn_candidates_apply(struct vn_ccx *c, uint64_t direct, const struct vn_relay_candidate *list,
                           size_t count, size_t most)
{
    size_t wanted = 0, added = 0;
    for (size_t i = 0; i < count; i++)
        wanted += !vn_ccx_find(c, list[i].key);
    wanted = VN_MIN(wanted, most);
    while (c->count + wanted > VN_CCX_ARMS_MAX)
        if (!drop_worst(c, direct, list, count))
            wanted--;
    for (size_t i = 0; i < count && added < wanted; i++)
        added += vn_ccx_add(c, list[i].key) == VN_OK;
    return added;
}
