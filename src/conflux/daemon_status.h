/* The answer to `status`: what the node and its workers say of themselves. Core thread. */
#pragma once

#include "conflux/local_api.h"
#include "core/node.h"

#define VN_DAEMON_LINKS_MAX 1024 /* shown by one answer */

struct vn_instance;

/** What the node itself does not know. */
struct vn_daemon_status {
    struct vn_instance *instance;
    uint16_t mtu_bytes;
    uint32_t idle_ms;
    uint64_t started_ms;
};
/** stats NULL: without the workers' figures. */
void vn_daemon_status_answer(const struct vn_daemon_status *d, struct vn_local_call *call,
                             const struct vn_ev_stats *stats);
