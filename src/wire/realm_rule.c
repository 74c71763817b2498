#include "wire/realm_rule.h"

#include "base/reader.h"
#include "base/writer.h"

static const struct vn_notice_kind KIND = {
    .type = VN_T_REALM_RULE, .body_n = VN_REALM_RULE_BODY, .context = "anchor-rule-v1"};

/*
 *   19 number8   27 access1   28 relay1
 */

vn_status vn_realm_rule_issue(const struct vn_suite_info *suite, const struct vn_realm_rule *rule,
                              const struct vn_sig_key *command_key, uint8_t *ret, size_t *ret_n)
{
    uint8_t body[VN_REALM_RULE_BODY];
    struct vn_writer w = vn_writer_of(body, sizeof(body));
    vn_write_u64(&w, rule->number);
    vn_write_u8(&w, (uint8_t)rule->access);
    vn_write_u8(&w, (uint8_t)rule->relay);
    return vn_notice_issue(suite, &KIND, &rule->realm, vn_writer_span(&w), command_key, ret, ret_n);
}

static vn_status read_body(const struct vn_notice *n, struct vn_realm_rule *ret)
{
    struct vn_reader r = vn_reader_of(n->body);
    uint64_t number;
    uint8_t access, relay;
    if (!vn_read_u64(&r, &number) || !vn_read_u8(&r, &access) || !vn_read_u8(&r, &relay) ||
        access < VN_ACCESS_TAINTS || access > VN_ACCESS_BOTH || relay < VN_RELAYS_ALL ||
        relay > VN_RELAYS_NONE || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    *ret = (struct vn_realm_rule){.realm = n->realm,
                                  .number = number,
                                  .access = (enum vn_access_rule)access,
                                  .relay = (enum vn_relay_rule)relay};
    return VN_OK;
}

vn_status vn_realm_rule_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                               struct vn_realm_rule *ret)
{
    struct vn_notice n;
    vn_status st = vn_notice_decode(bytes, suite, &KIND, &n);
    return st == VN_OK ? read_body(&n, ret) : st;
}

vn_status vn_realm_rule_check(struct vn_span bytes, const struct vn_sig_pub *command,
                              const struct vn_suite_info *suite, const struct vn_id *realm,
                              struct vn_realm_rule *ret)
{
    struct vn_notice n;
    vn_status st = vn_notice_check(bytes, suite, &KIND, command, realm, &n);
    return st == VN_OK ? read_body(&n, ret) : st;
}
