/* Who may reach whom, from registrations: what nodes decide from statements (SPEC A3), for
 * listings. */
#pragma once

#include <stdbool.h>

#include "guardian/store.h"

bool vn_policy_allows(enum vn_access_rule rule, const struct vn_conflux_record *a,
                      const struct vn_conflux_record *b);
