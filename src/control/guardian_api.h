/*
 * Guardian's HTTP API (docs/api.md) as a node uses it: the port ports/authority.h on a loop.
 * Several Guardians are tried in order, beginning with the one that answered last.
 */
#pragma once

#include "control/join_token.h"
#include "ports/authority.h"
#include "ports/io.h"

struct vn_guardian_api;

struct vn_guardian_api_config {
    const struct vn_io *io; /* outlives the object */
    const struct vn_guardian_address *guardian;
    const char *conflux_token; /* JWT; copied and wiped */
    uint32_t so_mark;
};

VN_MUST_CHECK vn_status vn_guardian_api_new(const struct vn_guardian_api_config *cfg,
                                            struct vn_guardian_api **ret);
/** Not inside a callback. Returns NULL; NULL is fine. */
struct vn_guardian_api *vn_guardian_api_free(struct vn_guardian_api *g);
/** Lives as long as g. */
const struct vn_authority *vn_guardian_api_port(const struct vn_guardian_api *g);
/** The URL that answered last, or the first. */
const char *vn_guardian_api_url(const struct vn_guardian_api *g);
