#include "guardian/policy.h"

#include "guardian/quarantine.h"

static bool taints_allow(const struct vn_taint_set *a, const struct vn_taint_set *b)
{
    return a->n && b->n && (vn_taints_subset(a, b) || vn_taints_subset(b, a));
}

bool vn_policy_allows(enum vn_access_rule rule, const struct vn_conflux_record *a,
                      const struct vn_conflux_record *b)
{
    bool scopes = vn_id_equal(&a->owner, &b->owner);
    for (size_t i = 0; i < a->teams.n; i++)
        scopes = scopes || vn_team_set_has(&b->teams, &a->teams.t[i]);
    if (vn_quarantine_between(a, b))
        return false;
    switch (rule) {
    case VN_ACCESS_TAINTS:
        return taints_allow(&a->taints, &b->taints);
    case VN_ACCESS_TEAMS:
        return scopes;
    case VN_ACCESS_BOTH:
        return scopes && taints_allow(&a->taints, &b->taints);
    }
    return false;
}
