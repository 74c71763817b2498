/* What an administrator ordered for one node: whom it may not talk to. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/id.h"
#include "guardian/taints.h"

#define VN_QUARANTINE_RULES_MAX 16 /* of each kind */

struct vn_quarantine_rules {
    bool all;
    struct vn_id peers[VN_QUARANTINE_RULES_MAX]; /* conflux ids */
    size_t peer_count;
    struct vn_id scopes[VN_QUARANTINE_RULES_MAX]; /* users, whose nodes are meant */
    size_t scope_count;
    struct vn_taint_set taints; /* nodes that carry one of these */
};

#define VN_QUARANTINE_RULES_TEXT                                                                   \
    (8 + 2 * VN_QUARANTINE_RULES_MAX * (VN_ID_TEXT + 8) + VN_TAINTS_TEXT + VN_TAINTS_MAX * 8)

bool vn_quarantine_rules_empty(const struct vn_quarantine_rules *q);
bool vn_quarantine_rules_equal(const struct vn_quarantine_rules *a,
                               const struct vn_quarantine_rules *b);
/** Adds what is not there yet. VN_ERR_LIMIT: then q is unchanged. */
VN_MUST_CHECK vn_status vn_quarantine_rules_add(struct vn_quarantine_rules *q,
                                                const struct vn_quarantine_rules *more);
void vn_quarantine_rules_remove(struct vn_quarantine_rules *q,
                                const struct vn_quarantine_rules *less);
/** What the store keeps: "*", or a comma list of peer:ID, scope:ID, taint:LABEL; empty for none. */
void vn_quarantine_rules_format(const struct vn_quarantine_rules *q,
                                char ret[VN_QUARANTINE_RULES_TEXT]);
VN_MUST_CHECK vn_status vn_quarantine_rules_parse(const char *text,
                                                  struct vn_quarantine_rules *ret);
/** {"all","peers","scopes","taints"}, or null for none. */
json_t *vn_quarantine_rules_json(const struct vn_quarantine_rules *q);
/** Of members "peers", "scopes", "taints" of a request; none of them: all. VN_ERR_MALFORMED,
 * VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_quarantine_rules_from_json(const json_t *body,
                                                      struct vn_quarantine_rules *ret);
