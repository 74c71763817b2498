#include "core/race.h"

#include "core/node_i.h"

#define WANTED_MAX 4 /* descriptors asked for at a time */

static bool races(const struct vn_circuit *c)
{
    return c->racing && !c->retired;
}

static const struct vn_id *relay_of(const struct vn_circuit *c)
{
    return c->path ? &c->path->nodes[0] : NULL;
}

/* ---- who is tried ---- */

static bool is_tried(const struct vn_stream *s, const struct vn_id *relay)
{
    VN_LIST_EACH(it, &s->circuits)
    {
        const struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        if (races(c) && c->path && vn_id_equal(relay_of(c), relay))
            return true;
    }
    return false;
}

/* Where one is tried that the settings pin, only such stand beside it. */
static enum vn_relay_grade least_grade(struct vn_node *n, const struct vn_stream *s)
{
    VN_LIST_EACH(it, &s->circuits)
    {
        const struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        const struct vn_peer *r = races(c) && c->path ? vn_peer_get(n, relay_of(c)) : NULL;
        if (r && r->cert && vn_relay_grade(n, r, NULL) == VN_RELAY_PINNED)
            return VN_RELAY_PINNED;
    }
    return VN_RELAY_UNWANTED;
}

/* Of one that is ready. What the settings say counts for more than whether there is a tether. */
static unsigned rank(const struct vn_place_candidate *c)
{
    return (unsigned)c->grade * 2 + c->tethered;
}

/* One by lot, of the highest rank there is: so not all choose the same. The descriptors of some
 * others are asked for meanwhile. */
static struct vn_peer *choose(struct vn_node *n, const struct vn_stream *s)
{
    struct vn_place_candidate list[VN_CANDIDATES_MAX];
    size_t all = vn_places_candidates(n, s->peer, list, VN_ARRAY_LEN(list)), count = 0, wanted = 0;
    const enum vn_relay_grade least = least_grade(n, s);
    const struct vn_place_candidate *best = NULL;
    uint8_t first = 0, lot = 0;
    (void)!vn_random_fill(n, &first, 1); /* nobody who says that he is near is asked first */
    for (size_t i = 0; i < all; i++) {
        const struct vn_place_candidate *c = &list[(first + i) % all];
        if (!c->ready && wanted++ < WANTED_MAX)
            vn_places_want(n, &c->node);
        if (!c->ready || c->grade < least || is_tried(s, &c->node) ||
            (best && rank(c) < rank(best)))
            continue;
        if (best && rank(c) > rank(best))
            count = 0;
        count++;
        if (vn_random_fill(n, &lot, 1) != VN_OK || lot % count == 0)
            best = c;
    }
    return best ? vn_peer_get(n, &best->node) : NULL;
}

/* Until another one is tried beside c: some round trips of its way, where they are known, as its
 * relay may have to make a tether first. */
static uint64_t patience_ms(const struct vn_node *n, const struct vn_circuit *c)
{
    const struct vn_peer *to = c->stream->peer;
    const struct vn_relay *r = c->hop->state == VN_HOP_UP
                                   ? vn_book_find(&n->places.book, vn_place_key(relay_of(c)))
                                   : NULL;
    if (!r || !r->rtt_us || !to->placed)
        return VN_RACE_WAIT_MS;
    const uint64_t trips_us =
        VN_RACE_TRIPS * ((uint64_t)r->rtt_us + vn_coord_rtt_us(&r->at, &to->at));
    return VN_MIN(VN_MAX(trips_us / 1000, (uint64_t)VN_RACE_LEAST_MS), (uint64_t)VN_RACE_WAIT_MS);
}

static void joined(struct vn_stream *s, struct vn_circuit *c)
{
    c->racing = true;
    if (!s->circuit)
        s->circuit = c;
}

void vn_race_join(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *r = choose(n, s);
    struct vn_circuit *c = NULL;
    struct vn_id missing;
    s->relay_wanted = !r;
    if (!r) {
        vn_places_sought(n);
        return;
    }
    if (s->circuit && !vn_bucket_take(&n->routes.races, VN_RACE_RATE, VN_RACE_BURST, n->now_ms))
        return;
    const struct vn_id nodes[2] = {r->id, s->peer->id};
    vn_status st = vn_circuit_open_path(n, s, &c, nodes, 2, &missing);
    s->relayed = true;
    if (st == VN_ERR_NOTFOUND && !vn_list_empty(&s->peer->dests)) {
        vn_dests_refresh(n, s->peer);
    } else if (st != VN_OK) {
        vn_route_failed(n, &r->id);
    } else {
        joined(s, c);
        vn_timer_arm(&n->timers, &s->route, n->now_ms + patience_ms(n, c));
        vn_log(VN_LOG_DEBUG, "relay_tried", VN_KV_ID("peer", &s->peer->id),
               VN_KV_ID("relay", &r->id));
    }
}

/* The tether to its end came up meanwhile. */
static void join_direct(struct vn_node *n, struct vn_stream *s)
{
    struct vn_hop *h = s->peer->hop;
    struct vn_circuit *c = NULL;
    if (!h || h->state != VN_HOP_UP)
        return;
    VN_LIST_EACH(it, &h->circuits)
    {
        if (VN_LIST_ENTRY(it, struct vn_circuit, of_hop)->stream == s)
            return;
    }
    if (vn_circuit_open(n, h, s, &c) == VN_OK)
        joined(s, c);
}

void vn_race_on_timer(struct vn_node *n, struct vn_stream *s)
{
    size_t count = 0;
    bool waits = false; /* its SETUP, for those of others: one more would only add to them */
    vn_timer_arm(&n->timers, &s->route, n->now_ms + VN_DIRECT_WAIT_MS / 2);
    VN_LIST_EACH(it, &s->circuits)
    {
        const struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        if (!races(c) || !c->path)
            continue;
        count++;
        waits |= c->hop->state == VN_HOP_UP && c->sends == 0;
    }
    join_direct(n, s);
    if (count < VN_RACE_MAX && !waits)
        vn_race_join(n, s);
}

/* ---- who answers first ---- */

/* One that is up, or else any. */
static struct vn_circuit *next(const struct vn_stream *s)
{
    struct vn_circuit *found = NULL;
    VN_LIST_EACH(it, &s->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        if (races(c) && (!found || c->state == VN_CIRCUIT_UP))
            found = c;
    }
    return found;
}

void vn_race_advance(struct vn_node *n, struct vn_stream *s)
{
    if (!s->circuit || !races(s->circuit) || s->circuit->state == VN_CIRCUIT_UP)
        return;
    s->circuit = next(s);
    if (s->circuit->state != VN_CIRCUIT_UP)
        join_direct(n, s);
}

void vn_race_bind(struct vn_node *n, struct vn_stream *s)
{
    VN_LIST_EACH(it, &s->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        if (races(c) && c != s->circuit && c->state == VN_CIRCUIT_UP && c->ask_count == 0)
            vn_bind_ask(n, s, c, true);
    }
}

void vn_race_bound(struct vn_circuit *c)
{
    struct vn_stream *s = c->stream;
    if (!races(c) || c == s->circuit || s->state != VN_TX_EXPECT_BOUND)
        return;
    s->circuit = c;
    vn_bind_ask(s->node, s, c, false); /* it was for standby */
}

bool vn_race_goes_on(struct vn_node *n, struct vn_stream *s)
{
    struct vn_circuit *c = s->circuit ? NULL : next(s);
    if (!c)
        return false;
    vn_tx_park(n, s);
    s->circuit = c;
    vn_route_lost(n, s);
    vn_tx_advance(n, s);
    return true;
}

void vn_race_lost(struct vn_node *n, struct vn_stream *s, const struct vn_circuit *c)
{
    if (c->racing && c->path)
        vn_timer_arm(&n->timers, &s->route, n->now_ms); /* another one, at once */
}

void vn_race_leave_unwanted(struct vn_node *n, struct vn_stream *s)
{
    VN_LIST_EACH(it, &s->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        if (c != s->circuit && races(c) && c->path && !vn_route_wants(n, c))
            vn_circuit_close(n, c, true);
    }
}

void vn_race_over(struct vn_node *n, struct vn_stream *s)
{
    s->relay_wanted = false;
    VN_LIST_EACH(it, &s->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_stream);
        const bool other = races(c) && c != s->circuit;
        c->racing = false;
        if (other && !vn_learn_adopts(s, c))
            vn_circuit_close(n, c, true);
    }
}
