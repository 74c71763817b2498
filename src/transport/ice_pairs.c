/* Candidates of the peer, and pairs. */
#include "transport/ice_agent.h"
#include "transport/udp.h"

uint32_t vn_ice_priority(unsigned type_pref, uint16_t local_pref)
{
    return (uint32_t)type_pref << 24 | (uint32_t)local_pref << 8 | 255; /* component 1 */
}

/* RFC 8445 section 6.1.2.3 */
static uint64_t pair_priority(bool controlling, uint32_t local, uint32_t remote)
{
    uint64_t g = controlling ? local : remote, d = controlling ? remote : local;
    return (VN_MIN(g, d) << 32) + 2 * VN_MAX(g, d) + (g > d);
}

int vn_ice_find_remote(const struct vn_ice *ice, const struct vn_addr *addr)
{
    for (size_t i = 0; i < ice->remote_count; i++)
        if (vn_addr_equal(&ice->remotes[i].addr, addr))
            return (int)i;
    return -1;
}

struct vn_addr vn_ice_remote_addr(const struct vn_ice *ice, const struct vn_ice_pair *p)
{
    struct vn_addr to = ice->remotes[p->remote].addr;
    to.scope_id = to.scope_id ? ice->locals[p->local].addr.scope_id : 0;
    return to;
}

static struct vn_ice_pair *find_pair(struct vn_ice *ice, size_t local, size_t remote)
{
    for (size_t i = 0; i < ice->pair_count; i++)
        if (ice->pairs[i].local == local && ice->pairs[i].remote == remote)
            return &ice->pairs[i];
    return NULL;
}

bool vn_ice_can_pair(const struct vn_addr *a, const struct vn_addr *b)
{
    /* RFC 8445 section 6.1.2.2: same family, and link-local IPv6 only with link-local. */
    return vn_ip_is_v4(&a->ip) == vn_ip_is_v4(&b->ip) && (a->scope_id != 0) == (b->scope_id != 0);
}

/* Makes room by giving up the lowest pair that was not tried yet (section 6.1.2.5). */
static struct vn_ice_pair *pair_slot(struct vn_ice *ice, uint64_t priority)
{
    if (ice->pair_count < VN_ICE_PAIRS_MAX)
        return &ice->pairs[ice->pair_count++];
    struct vn_ice_pair *lowest = NULL;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct vn_ice_pair *p = &ice->pairs[i];
        if (p->state == VN_ICE_PAIR_WAITING && !p->triggered && p != ice->selected &&
            p->priority < priority && (!lowest || p->priority < lowest->priority))
            lowest = p;
    }
    return lowest;
}

struct vn_ice_pair *vn_ice_pair_add(struct vn_ice *ice, size_t local, size_t remote)
{
    struct vn_ice_pair *p = find_pair(ice, local, remote);
    if (p)
        return p;
    uint64_t priority =
        pair_priority(ice->controlling, ice->locals[local].priority, ice->remotes[remote].priority);
    p = pair_slot(ice, priority);
    if (p)
        *p = (struct vn_ice_pair){
            .local = (uint8_t)local, .remote = (uint8_t)remote, .priority = priority};
    return p;
}

void vn_ice_trigger(struct vn_ice *ice, struct vn_ice_pair *p)
{
    if (!p->triggered) {
        p->triggered = true;
        p->triggered_seq = ++ice->triggered_seq;
    }
}

void vn_ice_set_controlling(struct vn_ice *ice, bool controlling)
{
    ice->controlling = controlling;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct vn_ice_pair *p = &ice->pairs[i];
        p->priority = pair_priority(controlling, ice->locals[p->local].priority,
                                    ice->remotes[p->remote].priority);
        if (!controlling && p != ice->selected)
            p->nominating = false;
    }
}

void vn_ice_pair_remote(struct vn_ice *ice, size_t remote)
{
    for (size_t l = 0; l < ice->local_count; l++)
        if (vn_ice_can_pair(&ice->locals[l].addr, &ice->remotes[remote].addr))
            (void)vn_ice_pair_add(ice, l, remote);
}

/* ---- better than another ---- */

bool vn_ice_is_relayed(const struct vn_ice *ice, const struct vn_ice_pair *p)
{
    return ice->locals[p->local].type == VN_CAND_RELAY ||
           ice->remotes[p->remote].type == VN_CAND_RELAY;
}

struct vn_ice_than vn_ice_than(const struct vn_ice *ice)
{
    const struct vn_ice_pair *p = ice->selected;
    if (!p)
        return (struct vn_ice_than){.set = false};
    const struct vn_candidate *l = &ice->locals[p->local], *r = &ice->remotes[p->remote];
    return (struct vn_ice_than){.set = true,
                                .relayed = vn_ice_is_relayed(ice, p),
                                .local = l->addr,
                                .remote = r->addr,
                                .local_priority = l->priority,
                                .remote_priority = r->priority,
                                .rtt_us = ice->min_rtt_us};
}

bool vn_ice_could_be_better(const struct vn_ice *ice)
{
    const struct vn_ice_pair *selected = ice->selected;
    if (!selected)
        return false;
    if (vn_ice_is_relayed(ice, selected))
        return true;
    for (size_t i = 0; i < ice->pair_count; i++)
        if (ice->pairs[i].priority > selected->priority)
            return true;
    return false;
}

/* What the candidate of that machine is worth now; interfaces that came or went since have moved
 * the preferences of all. */
static uint32_t priority_now(const struct vn_candidate *c, size_t n, const struct vn_addr *addr,
                             uint32_t before)
{
    uint32_t best = 0;
    for (size_t i = 0; i < n; i++)
        if (vn_ip_equal(&c[i].addr.ip, &addr->ip))
            best = VN_MAX(best, c[i].priority);
    return best ? best : before;
}

bool vn_ice_wants_rtt(const struct vn_ice *ice, const struct vn_ice_pair *p)
{
    return ice->cfg.than.set && !ice->cfg.than.relayed && p->valid &&
           p->state == VN_ICE_PAIR_SUCCEEDED && !p->rtt_us;
}

bool vn_ice_is_better(const struct vn_ice *ice, const struct vn_ice_pair *p)
{
    const struct vn_ice_than *than = &ice->cfg.than;
    if (!than->set)
        return true;
    if (than->relayed)
        return !vn_ice_is_relayed(ice, p);
    const uint64_t priority = pair_priority(
        ice->controlling,
        priority_now(ice->locals, ice->local_count, &than->local, than->local_priority),
        priority_now(ice->remotes, ice->remote_count, &than->remote, than->remote_priority));
    /* As patient with a better one as at the first selection. */
    return p->priority > priority && p->rtt_us &&
           p->rtt_us <= than->rtt_us + VN_ICE_NOMINATE_WAIT_US;
}
