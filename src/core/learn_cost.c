/* What the arms of a learner cost, and what of it the local commands show. */
#include "core/learn.h"

#include "core/node_i.h"
#include "router/explain.h"

/* What any path costs its user beyond the network: differences far below that are not worth a move,
 * and a quiet LAN does not wander. */
#define PATH_FIXED_US 10000
/* Of its cost, more, for a relay that the settings do not prefer. */
#define SECOND_CHOICE_SHARE 4

/* ---- room ---- */

enum bottleneck { BOTTLENECK_UNKNOWN, BOTTLENECK_TETHER, BOTTLENECK_RELAY };

static bool said_headroom(const struct vn_peer *relay)
{
    return relay && relay->headroom != UINT16_MAX;
}

uint32_t vn_arm_headroom(struct vn_node *n, const struct vn_arm *a)
{
    const struct vn_peer *relay = a->key == VN_ARM_DIRECT ? NULL : vn_peer_get(n, &a->relay);
    return said_headroom(relay) ? relay->headroom : VN_Q16;
}

/* What the narrowest part that is known of still takes, in kbit/s; 0: nothing is known. Of what the
 * relay says to be full, this stream's own part is its to go on with. */
static uint32_t room(struct vn_learner *l, const struct vn_arm *a, enum bottleneck *ret)
{
    const struct vn_stream *s = l->stream;
    const struct vn_peer *relay = a->key == VN_ARM_DIRECT ? NULL : vn_peer_get(l->node, &a->relay);
    const struct vn_hop *h = a->key == VN_ARM_DIRECT ? s->peer->hop : relay ? relay->hop : NULL;
    uint64_t least = UINT64_MAX;
    *ret = BOTTLENECK_UNKNOWN;
    if (h && h->rate) {
        least = h->rate / 125;
        *ret = BOTTLENECK_TETHER;
    }
    if (said_headroom(relay)) {
        uint64_t left = (uint64_t)relay->headroom * VN_RELAY_KBPS / UINT16_MAX;
        if (a->circuit && a->circuit == s->circuit)
            left += l->sent_kbps;
        if (left < least) {
            least = left;
            *ret = BOTTLENECK_RELAY;
        }
    }
    if (*ret == BOTTLENECK_UNKNOWN)
        return 0;
    least = VN_MAX(least, (uint64_t)VN_WAY_ROOM_LEAST_KBPS);
    return (uint32_t)VN_MIN(least, (uint64_t)UINT32_MAX);
}

/* ---- cost ---- */

static void sample_of(struct vn_learner *l, const struct vn_arm *a, struct vn_ccx_sample *ret,
                      enum bottleneck *ret_where)
{
    vn_answers_sample(&a->answers, ret);
    ret->available_kbps = room(l, a, ret_where);
}

/* Relays that the settings do not prefer, while they prefer some. */
static bool is_second_choice(struct vn_learner *l, const struct vn_arm *a)
{
    const struct vn_peer *r = a->key == VN_ARM_DIRECT ? NULL : vn_peer_get(l->node, &a->relay);
    return r && vn_relay_policy_prefers(l->node) &&
           vn_relay_grade(l->node, r, NULL) < VN_RELAY_PREFERRED;
}

uint32_t vn_arm_cost(struct vn_learner *l, const struct vn_arm *a)
{
    struct vn_ccx_sample s;
    enum bottleneck where;
    sample_of(l, a, &s, &where);
    const uint32_t cost = PATH_FIXED_US + vn_ccx_cost(&s, VN_MTU_DEFAULT);
    return is_second_choice(l, a) ? cost + cost / SECOND_CHOICE_SHARE : cost;
}

/* ---- for the local commands ---- */

static void describe_measured(struct vn_learner *l, const struct vn_arm *a, struct vn_node_way *way)
{
    static const char *const names[] = {
        [BOTTLENECK_UNKNOWN] = "", [BOTTLENECK_TETHER] = "tether", [BOTTLENECK_RELAY] = "relay"};
    struct vn_ccx_sample s;
    enum bottleneck where;
    if (!a->answers.count)
        return;
    sample_of(l, a, &s, &where);
    way->delay_us = s.delay_us;
    way->jitter_us = s.jitter_us;
    way->loss_permille = (uint32_t)((uint64_t)s.loss_q16 * 1000 / VN_Q16);
    way->room_kbps = s.available_kbps;
    way->bottleneck = names[where];
}

void vn_learn_describe(const struct vn_stream *s, struct vn_node_way *way)
{
    struct vn_learner *l = s ? s->learner : NULL;
    uint64_t key = way->direct ? VN_ARM_DIRECT : vn_place_key(&way->relay);
    struct vn_arm_report rows[VN_CCX_ARMS_MAX];
    size_t count = l && s->state == VN_TX_OPEN ? vn_ccx_explain(&l->ccx, rows) : 0;
    const struct vn_arm *a = count ? vn_learn_arm(l, key) : NULL;
    way->bottleneck = "";
    for (size_t i = 0; i < count; i++) {
        if (rows[i].key != key)
            continue;
        way->cost_us = rows[i].cost_us;
        way->weight_permille = (uint32_t)((uint64_t)rows[i].weight_q16 * 1000 / VN_Q16);
        way->age_ms = (uint64_t)rows[i].age * VN_CCX_TICK_MS;
        /* Where the stream goes the router may not know yet; a way without a tether, or that is
         * forbidden, has its reason. What has no circuit just now does not stand by. */
        const bool lacks = rows[i].reason == VN_ARM_STANDBY && !vn_arm_is_ready(a);
        if (rows[i].reason != VN_ARM_IN_USE && !lacks && strcmp(way->why, "ready") == 0)
            way->why = vn_arm_reason_name(rows[i].reason);
    }
    if (!a)
        return;
    way->copies = l->aside && a->circuit == l->aside;
    way->flows = vn_learn_spread_has(l, a->circuit);
    if (way->cost_us)
        describe_measured(l, a, way);
}
