/* Nodes registered with --public: at which address members of their realm find them. */
#pragma once

#include <jansson.h>

#include "guardian/store.h"

struct vn_request;

/**
 * What a registration says of it. *ret has port 0 when the node is none.
 * @return false after answering the request: the address is unusable
 */
VN_MUST_CHECK bool vn_public_node_wanted(struct vn_request *r, struct vn_addr *ret);
/** The list of a login answer; NULL without memory. */
json_t *vn_public_nodes_json(const struct vn_addr *list, size_t count);
