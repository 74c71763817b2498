/* Telling all nodes of a realm that its access rule has changed (wire/realm_rule.h). Loop thread
 * only. */
#pragma once

#include "guardian/guardian.h"

/** Signs on the pool and publishes what nodes were not told yet. Called after a change, at start,
 * and when a connection to Master is there. */
void vn_realm_rule_publish(struct vn_guardian *g);
