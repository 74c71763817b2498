/* The STUN and TURN servers that a node is told of, with its credentials for them. */
#pragma once

#include <jansson.h>

#include "guardian/config.h"

/** A new array for the node of c's session, as docs/api.md has it. Any thread. */
VN_MUST_CHECK vn_status vn_ice_servers_json(const struct vn_guardian_config *cfg,
                                            const struct vn_conflux_record *c, json_t **ret);
