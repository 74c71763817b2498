/*
 * What a node gets: certificate, statement, identity keys, hour keys, NATS permissions. Pure
 * functions of the realm's authority and a snapshot of the registration; callable from pool
 * threads.
 */
#pragma once

#include <jansson.h>

#include "guardian/config.h"
#include "guardian/realm.h"
#include "wire/hourkeys.h"

/** The subjects that a node may use (DESIGN section 5), written into its NATS user JWT. */
VN_MUST_CHECK vn_status vn_issue_nats_jwt(const struct vn_realm *realm,
                                          const struct vn_conflux_record *c, uint64_t now_ms,
                                          char **ret);
/** Of Guardian itself in this realm's account. */
VN_MUST_CHECK vn_status vn_issue_guardian_jwt(const struct vn_realm *realm, const char *user_nkey,
                                              uint64_t now_ms, uint64_t expires_ms, char **ret);
/** Affinity statement over the session's key with the record's number, its tags of this generation.
 * ret: VN_STATEMENT_MAX bytes. */
VN_MUST_CHECK vn_status vn_issue_statement(const struct vn_realm *realm,
                                           const struct vn_conflux_record *c, uint32_t generation,
                                           uint8_t *ret, size_t *ret_n);
/** That of the present generation, for vn_statements_sign. ret: VN_STATEMENT_MAX bytes. */
VN_MUST_CHECK vn_status vn_issue_unsigned_statement(const struct vn_realm *realm,
                                                    const struct vn_conflux_record *c, uint8_t *ret,
                                                    size_t *ret_n);
/** Into an answer, as text. */
VN_MUST_CHECK vn_status vn_issue_put_statement(json_t *answer, struct vn_span statement);
/** The node's identities with their keys of this generation: its taints, and as scopes its teams,
 * its verified claims and its user; none in quarantine from all. */
VN_MUST_CHECK vn_status vn_issue_identities(const struct vn_realm *realm,
                                            const struct vn_conflux_record *c, uint32_t generation,
                                            struct vn_own_identity *ret, size_t cap, size_t *ret_n);
/** The generation that counts beside the present one; 0: none. */
uint32_t vn_issue_other_generation(const struct vn_realm *realm, uint64_t now_ms);
/** Of this generation, from the hour before now to the one past until_ms. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_issue_hour_keys(const struct vn_realm *realm, uint32_t generation,
                                           uint64_t now_ms, uint64_t until_ms,
                                           struct vn_hour_keys *ret);
/** What is the node's of that generation, as struct vn_key_set encodes. ret: VN_KEY_SET_MAX bytes,
 * which the caller wipes. VN_ERR_NOTFOUND when there is none. */
VN_MUST_CHECK vn_status vn_issue_other_keys(const struct vn_realm *realm,
                                            const struct vn_conflux_record *c, uint64_t now_ms,
                                            uint8_t *ret, size_t *ret_n);
VN_MUST_CHECK vn_status vn_issue_identities_json(const struct vn_realm *realm,
                                                 const struct vn_conflux_record *c, json_t **ret);

/** What changes with the node's taints: {"taints","statement","identities","generation","nats_jwt",
 * "other_keys"}; taints alone without a session, other_keys only while the realm changes keys. */
VN_MUST_CHECK vn_status vn_issue_taints_answer(const struct vn_realm *realm,
                                               const struct vn_conflux_record *c, uint64_t now_ms,
                                               json_t **ret);
/** The login answer but for its statement (vn_issue_unsigned_statement, vn_statements_sign,
 * vn_issue_put_statement) and what depends on more than the node and its realm: Master's entry
 * points, revocations, quarantine, public nodes. c.session holds the new session,
 * c.statement_number the number to sign.
 */
VN_MUST_CHECK vn_status vn_issue_login_answer(const struct vn_guardian_config *cfg,
                                              const struct vn_realm *realm,
                                              const struct vn_conflux_record *c, struct vn_span csr,
                                              uint64_t now_ms, json_t **ret);
