#include "core/realm_rule.h"

#include "core/node_i.h"
#include "wire/realm_rule.h"

/* What else has changed of the realm comes with a renewal; not all nodes at once. */
#define RENEWAL_MS VN_PACED_MS(600000u, 5000u)

void vn_realm_rule_on_message(struct vn_node *n, struct vn_span bytes)
{
    struct vn_realm_info *realm = &n->session.cred->realm;
    struct vn_realm_rule rule;
    if (vn_realm_rule_decode(bytes, n->suite, &rule) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (rule.number <= realm->rule_number) {
        vn_drop(n, VN_NDROP_REPLAY);
        return;
    }
    if (!vn_source_guardian_takes(n))
        return;
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    if (vn_realm_rule_check(bytes, n->session.command, n->suite, &n->cfg.realm, &rule) != VN_OK) {
        vn_drop(n, VN_NDROP_SIGNATURE);
        return;
    }
    const bool other = realm->access != rule.access, relays = realm->relay != rule.relay;
    realm->rule_number = rule.number;
    realm->access = rule.access;
    realm->relay = rule.relay;
    vn_session_renew_within(n, RENEWAL_MS);
    if (relays) {
        vn_log(VN_LOG_INFO, "relay_rule_changed", VN_KV_U64("relay", rule.relay));
        vn_relaying_recheck(n);
    }
    if (!other)
        return;
    vn_log(VN_LOG_INFO, "access_rule_changed", VN_KV_U64("access", rule.access));
    vn_affinity_recheck(n);
    vn_dests_retry(n); /* who was refused may be allowed now */
}

void vn_realm_rule_keep(const struct vn_credentials *before, struct vn_credentials *now)
{
    if (!before || before->realm.rule_number <= now->realm.rule_number)
        return;
    now->realm.rule_number = before->realm.rule_number;
    now->realm.access = before->realm.access;
    now->realm.relay = before->realm.relay;
}
