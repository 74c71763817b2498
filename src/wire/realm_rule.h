/*
 * The rules of a realm, when they change: who may talk to whom, and who may relay. Guardian's word
 * on a.rev, so that both ends of every stream decide anew at once, and relays end what they may
 * carry no longer. Who misses it learns the rules at the next renewal.
 */
#pragma once

#include "wire/notice.h"
#include "wire/statement.h"

/** Who may carry circuits of others. Certificates say so too; this counts at once. */
enum vn_relay_rule {
    VN_RELAYS_ALL = 1,
    VN_RELAYS_PUBLIC = 2, /* nodes that were registered as public */
    VN_RELAYS_NONE = 3,
};

struct vn_realm_rule {
    struct vn_id realm;
    uint64_t number; /* higher ones replace lower ones */
    enum vn_access_rule access;
    enum vn_relay_rule relay;
};
#define VN_REALM_RULE_BODY 10
#define VN_REALM_RULE_MAX VN_NOTICE_MAX(VN_REALM_RULE_BODY)

/** Signs with the command key under "anchor-rule-v1". ret: VN_REALM_RULE_MAX bytes. */
VN_MUST_CHECK vn_status vn_realm_rule_issue(const struct vn_suite_info *suite,
                                            const struct vn_realm_rule *rule,
                                            const struct vn_sig_key *command_key, uint8_t *ret,
                                            size_t *ret_n);
VN_MUST_CHECK vn_status vn_realm_rule_decode(struct vn_span bytes,
                                             const struct vn_suite_info *suite,
                                             struct vn_realm_rule *ret);
/** VN_ERR_MALFORMED, VN_ERR_AUTH (signature or realm). */
VN_MUST_CHECK vn_status vn_realm_rule_check(struct vn_span bytes, const struct vn_sig_pub *command,
                                            const struct vn_suite_info *suite,
                                            const struct vn_id *realm, struct vn_realm_rule *ret);
