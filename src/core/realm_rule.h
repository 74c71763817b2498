/* The realm's access rule while the node is online: Guardian's word on a.rev that it has changed.
 */
#pragma once

#include "base/span.h"

struct vn_node;
struct vn_credentials;

/** A message on a.rev: every stream is decided anew by the new rule. */
void vn_realm_rule_on_message(struct vn_node *n, struct vn_span bytes);
/** Of a login answer that was made before the last word came: the word stands. */
void vn_realm_rule_keep(const struct vn_credentials *before, struct vn_credentials *now);
