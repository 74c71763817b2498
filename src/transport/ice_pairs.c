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
