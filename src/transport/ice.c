#include "transport/ice.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "transport/ice_agent.h"
#include "transport/udp.h"

vn_status vn_ice_new(const struct vn_ice_config *cfg, struct vn_ice **ret)
{
    struct vn_ice *ice = calloc(1, sizeof(*ice));
    if (!ice)
        return VN_ERR_NOMEM;
    ice->cfg = *cfg;
    ice->controlling = cfg->controlling;
    ice->tie_breaker = cfg->tie_breaker;
    ice->nominate_us = UINT64_MAX;
    *ret = ice;
    return VN_OK;
}

struct vn_ice *vn_ice_free(struct vn_ice *ice)
{
    if (!ice)
        return NULL;
    vn_wipe(&ice->cfg.local, sizeof(ice->cfg.local));
    vn_wipe(&ice->remote_params, sizeof(ice->remote_params));
    free(ice);
    return NULL;
}

void vn_ice_freep(struct vn_ice **ice)
{
    *ice = vn_ice_free(*ice);
}

void vn_ice_set_arg(struct vn_ice *ice, void *arg)
{
    ice->cfg.arg = arg;
}

void vn_ice_set_state(struct vn_ice *ice, enum vn_ice_state state)
{
    static const char *const names[] = {"new", "checking", "selected", "failed"};
    assert(state > ice->state);
    ice->state = state;
    vn_log(VN_LOG_DEBUG, "ice_state", VN_KV_STR("state", names[state]));
}

/* ---- candidates ---- */

vn_status vn_ice_add_local(struct vn_ice *ice, enum vn_candidate_type type,
                           const struct vn_addr *addr, uint16_t preference,
                           struct vn_candidate *ret)
{
    if (ice->local_count == VN_ICE_CANDIDATES_MAX)
        return VN_ERR_LIMIT;
    size_t local = ice->local_count++;
    struct vn_candidate *c = &ice->locals[local];
    const unsigned pref = type == VN_CAND_RELAY ? VN_ICE_PREF_RELAY : VN_ICE_PREF_HOST;
    *c = (struct vn_candidate){.type = type,
                               .priority = vn_ice_priority(pref, preference),
                               /* section 5.1.1.3: same type and base address, same foundation */
                               .foundation = (uint32_t)local + 1,
                               .addr = *addr};
    for (size_t r = 0; ice->started && r < ice->remote_count; r++)
        if (vn_ice_can_pair(&c->addr, &ice->remotes[r].addr))
            (void)vn_ice_pair_add(ice, local, r);
    *ret = *c;
    return VN_OK;
}

size_t vn_ice_remotes(const struct vn_ice *ice, struct vn_addr *ret, size_t cap)
{
    const size_t n = VN_MIN(ice->remote_count, cap);
    for (size_t i = 0; i < n; i++)
        ret[i] = ice->remotes[i].addr;
    return n;
}

void vn_ice_add_remote(struct vn_ice *ice, const struct vn_candidate *c, uint64_t now_us)
{
    int known = vn_ice_find_remote(ice, &c->addr);
    if (known >= 0) {
        /* A check told of it first (section 7.3.1.3): now its real type is known. */
        ice->remotes[known].type = c->type;
        return;
    }
    if (ice->remote_count - ice->prflx_count >= VN_ICE_CANDIDATES_MAX)
        return;
    size_t remote = ice->remote_count++;
    ice->remotes[remote] = *c;
    /* The peer's scope number means nothing here: any link-local candidate pairs with ours. */
    ice->remotes[remote].addr.scope_id =
        c->addr.ip.b[0] == 0xfe && (c->addr.ip.b[1] & 0xc0) == 0x80 ? 1 : 0;
    if (ice->started) {
        vn_ice_pair_remote(ice, remote);
        vn_ice_tick(ice, now_us);
    }
}

vn_status vn_ice_start(struct vn_ice *ice, const struct vn_ice_params *remote, uint64_t now_us)
{
    if (ice->started)
        return VN_ERR_STATE;
    if (strlen(remote->ufrag) < VN_ICE_UFRAG_MIN || strlen(remote->pwd) < VN_ICE_PWD_MIN)
        return VN_ERR_ARG;
    ice->remote_params = *remote;
    ice->started = true;
    ice->started_us = now_us;
    vn_ice_set_state(ice, VN_ICE_CHECKING);
    for (size_t r = 0; r < ice->remote_count; r++)
        vn_ice_pair_remote(ice, r);
    for (size_t i = 0; i < ice->early_count; i++) {
        const struct vn_ice_early *e = &ice->early[i];
        if (strcmp(e->ufrag, remote->ufrag) == 0)
            (void)vn_ice_take_check(ice, e->local, &e->from, e->priority, e->use_candidate, now_us);
    }
    vn_ice_tick(ice, now_us);
    return VN_OK;
}

/* ---- what the caller asks ---- */

enum vn_ice_state vn_ice_state(const struct vn_ice *ice)
{
    return ice->state;
}

bool vn_ice_selected(const struct vn_ice *ice, struct vn_ice_selected *ret)
{
    const struct vn_ice_pair *p = ice->selected;
    if (!p)
        return false;
    *ret = (struct vn_ice_selected){
        .local = p->local,
        .local_addr = p->mapped_differs ? p->mapped : ice->locals[p->local].addr,
        .remote_addr = vn_ice_remote_addr(ice, p),
        .local_type = p->mapped_differs ? VN_CAND_PRFLX : ice->locals[p->local].type,
        .remote_type = ice->remotes[p->remote].type};
    return true;
}

bool vn_ice_is_valid(const struct vn_ice *ice, size_t local, const struct vn_addr *from)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct vn_ice_pair *p = &ice->pairs[i];
        if (p->valid && p->local == local && vn_addr_equal(&ice->remotes[p->remote].addr, from))
            return true;
    }
    return false;
}

uint64_t vn_ice_last_answer_us(const struct vn_ice *ice)
{
    return ice->last_answer_us;
}

uint64_t vn_ice_last_heard_us(const struct vn_ice *ice)
{
    return ice->last_heard_us;
}

uint32_t vn_ice_srtt_us(const struct vn_ice *ice)
{
    return ice->srtt_us;
}

uint32_t vn_ice_min_rtt_us(const struct vn_ice *ice)
{
    return ice->min_rtt_us;
}

bool vn_ice_full_size_passes(const struct vn_ice *ice)
{
    return ice->full_size_passes;
}
