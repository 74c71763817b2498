/*
 * timer        armed by                                    disarmed by        fires
 * places.ask   a stream of ours begins (at once, then      no stream of ours  a hub and a neighbour
 *              8 times 0.4 s; then 60 s)                     is left            are asked
 * places.look  a tether is up (2 s)                        none is            the worker's counters
 *                                                                             are asked for;
 *                                                                             digests are sent
 */
#include "core/places.h"

#include "core/node_i.h"

static_assert(VN_PATH_TOLD_MAX == VN_NEAR_MAX, "whom a node has near");
static_assert(VN_PLACE_DIMS == VN_COORD_DIMS, "a place is a coordinate");

/* ---- places and coordinates ---- */

static void place_of(const struct vn_coord *c, uint8_t flags, struct vn_place *ret)
{
    *ret = (struct vn_place){.height_us = c->height_us, .error_q16 = c->error_q16, .flags = flags};
    memcpy(ret->x_us, c->x_us, sizeof(ret->x_us));
}

static bool coord_of(const struct vn_place *p, struct vn_coord *ret)
{
    struct vn_coord c = {.height_us = p->height_us, .error_q16 = p->error_q16};
    memcpy(c.x_us, p->x_us, sizeof(c.x_us));
    *ret = c;
    return vn_coord_is_valid(&c);
}

void vn_places_own(const struct vn_node *n, struct vn_place *ret)
{
    uint8_t flags = 0;
    if (n->session.own && vn_relaying_allowed(n))
        flags |= VN_PLACE_RELAYS;
    if (n->cfg.public)
        flags |= VN_PLACE_PUBLIC;
    place_of(&n->places.at, flags, ret);
}

uint16_t vn_places_own_headroom(const struct vn_node *n)
{
    return (uint16_t)VN_MIN(n->places.headroom.headroom_q16, (uint32_t)UINT16_MAX);
}

uint64_t vn_place_key(const struct vn_id *node)
{
    uint64_t key = 0;
    for (size_t i = 0; i < sizeof(key); i++)
        key = key << 8 | node->b[i];
    return key ? key : 1;
}

/* ---- the book ---- */

const struct vn_place_known *vn_places_known(const struct vn_node *n, uint64_t key)
{
    for (size_t i = 0; i < VN_BOOK_MAX; i++)
        if (n->places.known[i].key == key)
            return &n->places.known[i];
    return NULL;
}

/* The entry of a relay that is in the book; one that the book gave up makes room. */
static struct vn_place_known *known_of(struct vn_node *n, const struct vn_id *relay)
{
    uint64_t key = vn_place_key(relay);
    struct vn_place_known *k = (struct vn_place_known *)vn_places_known(n, key);
    for (size_t i = 0; !k && i < VN_BOOK_MAX; i++) {
        struct vn_place_known *e = &n->places.known[i];
        if (e->key && vn_book_find(&n->places.book, e->key))
            continue;
        *e = (struct vn_place_known){.key = key, .node = *relay};
        k = e;
    }
    return k;
}

static void forget(struct vn_node *n, const struct vn_id *relay)
{
    uint64_t key = vn_place_key(relay);
    vn_book_forget(&n->places.book, key);
    for (size_t i = 0; i < VN_BOOK_MAX; i++)
        if (n->places.known[i].key == key)
            n->places.known[i] = (struct vn_place_known){0};
}

void vn_places_hear(struct vn_node *n, const struct vn_id *relay, const struct vn_place *place,
                    const struct vn_id *from)
{
    struct vn_places *s = &n->places;
    struct vn_coord at;
    bool own = vn_id_equal(relay, from);
    if (!coord_of(place, &at) || vn_id_is_zero(relay) || vn_id_equal(relay, &n->session.self) ||
        vn_revocation_refuses_node(n, relay))
        return;
    if (!(place->flags & VN_PLACE_RELAYS)) {
        if (own)
            forget(n, relay);
        return;
    }
    const struct vn_place_known *before = vn_places_known(n, vn_place_key(relay));
    const struct vn_relay *entry = vn_book_find(&s->book, vn_place_key(relay));
    bool own_word = before && before->own_ms && n->now_ms - before->own_ms < VN_DESCRIPTOR_LIFE_MS;
    /* What others say of it does not take the place of its own word. */
    if (entry && !own && own_word)
        at = entry->at;
    vn_book_hear(&s->book, vn_place_key(relay), &at, &s->at);
    struct vn_place_known *k = known_of(n, relay);
    if (!k)
        return;
    k->from = *from;
    if (own || !own_word)
        k->flags = place->flags;
    if (own)
        k->own_ms = n->now_ms;
}

void vn_places_hear_self(struct vn_node *n, const struct vn_id *node, const struct vn_place *place,
                         uint16_t headroom)
{
    struct vn_peer *p = vn_peer_get(n, node);
    struct vn_coord at;
    if (!coord_of(place, &at)) {
        vn_drop(n, VN_NDROP_PATH);
        return;
    }
    if (p) {
        p->placed = true;
        p->at = at;
        p->headroom = headroom;
    }
    vn_places_hear(n, node, place, node);
}

void vn_places_on_descriptor(struct vn_node *n, struct vn_peer *p, const struct vn_place *place)
{
    struct vn_place said = *place;
    struct vn_coord at;
    if (!coord_of(place, &at))
        return;
    p->placed = true;
    p->at = at;
    if (!vn_relaying_may(n, p->cert))
        said.flags &= (uint8_t)~VN_PLACE_RELAYS;
    vn_places_hear(n, &p->id, &said, &p->id);
}

void vn_places_measured(struct vn_node *n, struct vn_peer *p, uint32_t rtt_us)
{
    struct vn_places *s = &n->places;
    if (rtt_us == 0)
        return;
    if (p->placed)
        vn_coord_update(&s->at, &p->at, rtt_us, &s->dice);
    vn_book_measured(&s->book, vn_place_key(&p->id), rtt_us);
}

void vn_places_failed(struct vn_node *n, const struct vn_id *relay)
{
    vn_book_failed(&n->places.book, vn_place_key(relay));
}

size_t vn_places_near(struct vn_node *n, const struct vn_id * not,
                      struct vn_told ret[VN_PATH_TOLD_MAX])
{
    struct vn_places *s = &n->places;
    uint64_t near[VN_NEAR_MAX];
    size_t count = 0, all = vn_book_near(&s->book, &s->at, near);
    for (size_t i = 0; i < all; i++) {
        const struct vn_place_known *k = vn_places_known(n, near[i]);
        if (!k || vn_id_equal(&k->node, not) || vn_revocation_refuses_node(n, &k->node))
            continue;
        struct vn_told *t = &ret[count++];
        t->node = k->node;
        place_of(&vn_book_find(&s->book, near[i])->at, k->flags, &t->place);
    }
    return count;
}

/* ---- for routes ---- */

bool vn_places_may_relay(struct vn_node *n, const struct vn_id *relay, const struct vn_peer *to)
{
    const struct vn_peer *r = vn_peer_get(n, relay);
    if (vn_id_equal(relay, &to->id) || vn_id_equal(relay, &n->session.self) ||
        vn_revocation_refuses_node(n, relay))
        return false;
    if (!r)
        return n->session.cred->realm.relay != VN_RELAYS_NONE;
    bool avoid = r->relay_failed_ms && n->now_ms - r->relay_failed_ms < VN_RELAY_AVOID_MS;
    return !avoid && vn_relaying_may(n, r->cert) &&
           vn_relay_grade(n, r, NULL) != VN_RELAY_UNWANTED && !vn_quarantine_refuses(n, r->cert);
}

static const struct vn_id *id_of(struct vn_node *n, const struct vn_peer *to, uint64_t key)
{
    const struct vn_place_known *k = vn_places_known(n, key);
    if (k)
        return &k->node;
    for (size_t i = 0; i < to->near_count; i++)
        if (vn_place_key(&to->near[i]) == key)
            return &to->near[i];
    return NULL;
}

static void describe(struct vn_node *n, const struct vn_id *id, const struct vn_relay_candidate *c,
                     struct vn_place_candidate *ret)
{
    const struct vn_peer *p = vn_peer_get(n, id);
    const struct vn_relay *r = vn_book_find(&n->places.book, c->key);
    const enum vn_relay_grade grade = p ? vn_relay_grade(n, p, NULL) : VN_RELAY_ANY;
    *ret = (struct vn_place_candidate){
        .node = *id,
        .key = c->key,
        .kind = c->kind,
        .rtt_us = r ? r->rtt_us : 0,
        .headroom_q16 = p && p->headroom != UINT16_MAX ? p->headroom : VN_Q16,
        .grade = grade,
        .unproven = p && vn_relay_policy_wants_statement(n, p),
        .ready = p && vn_peer_fresh(n, p) && grade >= VN_RELAY_ANY,
        .tethered = p && p->hop && p->hop->state == VN_HOP_UP,
    };
}

struct candidates {
    const struct vn_peer *to;
    struct vn_place_candidate *list;
    size_t count, cap;
};

static void add_candidate(struct vn_node *n, struct candidates *l, const struct vn_id *id,
                          const struct vn_relay_candidate *c)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->list[i].key == c->key)
            return;
    if (l->count < l->cap && vn_places_may_relay(n, id, l->to))
        describe(n, id, c, &l->list[l->count++]);
}

/* Wherever they are: of all that are known. */
static void add_chosen(struct vn_node *n, struct candidates *l, enum vn_relay_grade grade)
{
    for (size_t i = 0; i < VN_BOOK_MAX; i++) {
        const struct vn_place_known *k = &n->places.known[i];
        const struct vn_peer *p = k->key ? vn_peer_get(n, &k->node) : NULL;
        if (p && vn_relay_grade(n, p, NULL) == grade)
            add_candidate(n, l, &k->node,
                          &(struct vn_relay_candidate){.key = k->key, .kind = VN_HUB});
    }
}

size_t vn_places_candidates(struct vn_node *n, const struct vn_peer *to,
                            struct vn_place_candidate *ret, size_t cap)
{
    const struct vn_places *s = &n->places;
    struct vn_descriptor_place d = {.key = vn_place_key(&to->id),
                                    .at = to->placed ? to->at : s->at,
                                    .near_count = VN_MIN(to->near_count, (size_t)VN_NEAR_MAX)};
    for (size_t i = 0; i < d.near_count; i++)
        d.near[i].key = vn_place_key(&to->near[i]);
    struct vn_relay_candidate list[VN_CANDIDATES_MAX];
    struct candidates chosen = {.to = to, .list = ret, .cap = cap};
    if (vn_relay_policy_prefers(n)) {
        add_chosen(n, &chosen, VN_RELAY_PINNED);
        add_chosen(n, &chosen, VN_RELAY_PREFERRED);
    }
    size_t all = vn_candidates(&s->book, &s->at, &d, list);
    for (size_t i = 0; i < all; i++) {
        const struct vn_id *id = id_of(n, to, list[i].key);
        if (id)
            add_candidate(n, &chosen, id, &list[i]);
    }
    return chosen.count;
}

void vn_places_want(struct vn_node *n, const struct vn_id *relay)
{
    const struct vn_peer *p = vn_peer_get(n, relay);
    if (p && vn_peer_fresh(n, p) && p->descriptor.n && !vn_relay_policy_wants_statement(n, p))
        return;
    /* One that only a descriptor names is not in the book yet. */
    struct vn_place_known *k = (struct vn_place_known *)vn_places_known(n, vn_place_key(relay));
    if (!k) {
        struct vn_place unknown;
        struct vn_coord at;
        vn_coord_init(&at);
        place_of(&at, VN_PLACE_RELAYS, &unknown);
        vn_places_hear(n, relay, &unknown, &n->session.self);
        k = (struct vn_place_known *)vn_places_known(n, vn_place_key(relay));
    }
    if (!k || (k->asked_ms && n->now_ms - k->asked_ms < VN_PATH_WANT_MS) ||
        !vn_bucket_take(&n->places.wants, VN_PATH_WANTS_RATE, VN_PATH_WANTS_BURST, n->now_ms))
        return;
    if (k->unanswered++ > 0)
        vn_places_failed(n, relay);
    k->asked_ms = n->now_ms;
    vn_path_ask_descriptor(n, k);
}

void vn_places_answered(struct vn_node *n, const struct vn_id *relay)
{
    struct vn_place_known *k = (struct vn_place_known *)vn_places_known(n, vn_place_key(relay));
    if (k)
        k->unanswered = 0;
}

size_t vn_places_ready(struct vn_node *n)
{
    size_t count = 0;
    for (size_t i = 0; i < VN_BOOK_MAX; i++) {
        const struct vn_place_known *k = &n->places.known[i];
        const struct vn_peer *p = k->key ? vn_peer_get(n, &k->node) : NULL;
        count += p && vn_peer_fresh(n, p);
    }
    return count;
}

/* ---- timers ---- */

static void on_ask(void *arg)
{
    struct vn_node *n = arg;
    struct vn_places *s = &n->places;
    if (n->streams.tx_count == 0)
        return;
    s->around_ms = n->now_ms;
    vn_path_ask_around(n);
    vn_relay_policy_look(n);
    uint64_t wait_ms = s->eager ? VN_PATH_EAGER_MS : vn_jitter(n, VN_PATH_ASK_MS);
    if (s->eager)
        s->eager--;
    vn_timer_arm(&n->timers, &s->ask, n->now_ms + wait_ms);
}

void vn_places_sought(struct vn_node *n)
{
    if (n->routes.pin_count > 0)
        return; /* the settings name the relays */
    n->places.eager = VN_PATH_EAGER_ASKS;
    vn_timer_arm(&n->timers, &n->places.ask,
                 VN_MAX(n->now_ms, n->places.around_ms + VN_PATH_EAGER_MS));
}

/* What the worker counted: load, and the round trips of tethers. */
static void on_counters(void *arg, const struct vn_ev_stats *ev)
{
    struct vn_node *n = arg;
    struct vn_places *s = &n->places;
    s->looking = false;
    if (!ev)
        return;
    vn_headroom_look(&s->headroom, ev->counters.bytes_relayed, VN_RELAY_KBPS,
                     n->now_ms * UINT64_C(1000));
    for (size_t i = 0; i < ev->tether_count; i++) {
        struct vn_hop *h = vn_hop_get(n, ev->tethers[i].tether);
        if (!h || h->state != VN_HOP_UP)
            continue;
        h->rate = ev->tethers[i].stats.rate;
        if (n->now_ms < h->measured_ms)
            continue;
        h->measured_ms = n->now_ms + VN_PLACE_MOVE_MS;
        vn_places_measured(n, h->peer, ev->tethers[i].stats.srtt_us);
    }
}

/* Who was told longest ago how much room is here, or has to know that it is much less, or more. */
static bool is_due(const struct vn_node *n, const struct vn_hop *h)
{
    const int now = vn_places_own_headroom(n);
    return h->state == VN_HOP_UP && (n->now_ms - h->digest_ms >= VN_DIGEST_MS ||
                                     abs(now - h->told_headroom) >= VN_DIGEST_HEADROOM);
}

/* Each neighbour now and then; all together not more than one in VN_DIGEST_SHARE_MS. */
static void digests(struct vn_node *n)
{
    struct vn_places *s = &n->places;
    struct vn_hop *first = NULL;
    VN_LIST_EACH(it, &n->hops.list)
    {
        struct vn_hop *h = VN_LIST_ENTRY(it, struct vn_hop, all);
        if (is_due(n, h) && (!first || h->digest_ms < first->digest_ms))
            first = h;
    }
    if (!first || n->now_ms - s->digest_ms < VN_DIGEST_SHARE_MS)
        return;
    s->digest_ms = n->now_ms;
    vn_path_send_digest(n, first);
}

static bool any_tether(const struct vn_node *n)
{
    VN_LIST_EACH(it, &n->hops.list)
    {
        if (VN_LIST_ENTRY(it, struct vn_hop, all)->state == VN_HOP_UP)
            return true;
    }
    return false;
}

static void on_look(void *arg)
{
    struct vn_node *n = arg;
    struct vn_places *s = &n->places;
    if (!any_tether(n))
        return;
    vn_timer_arm(&n->timers, &s->look, n->now_ms + VN_PLACES_LOOK_MS);
    digests(n);
    if (!s->looking)
        s->looking = vn_node_stats(n, on_counters, n) == VN_OK;
}

void vn_places_on_tether(struct vn_node *n, struct vn_hop *h)
{
    vn_path_send_digest(n, h);
    if (!n->places.look.armed)
        vn_timer_arm(&n->timers, &n->places.look, n->now_ms + VN_PLACES_LOOK_MS);
}

void vn_places_init(struct vn_node *n)
{
    struct vn_places *s = &n->places;
    vn_coord_init(&s->at);
    vn_headroom_init(&s->headroom);
    if (vn_random_fill(n, &s->dice.state, sizeof(s->dice.state)) != VN_OK)
        s->dice.state = n->now_ms; /* nothing secret hangs on it */
    vn_book_init(&s->book, 0);     /* the own id is kept out by vn_places_hear */
    vn_bucket_init(&s->wants, VN_PATH_WANTS_BURST, n->now_ms);
    vn_bucket_init(&s->answers, VN_PATH_ANSWERS_BURST, n->now_ms);
    vn_timer_init(&s->ask, on_ask, n);
    vn_timer_init(&s->look, on_look, n);
}

void vn_places_done(struct vn_node *n)
{
    vn_timer_disarm(&n->timers, &n->places.ask);
    vn_timer_disarm(&n->timers, &n->places.look);
}
