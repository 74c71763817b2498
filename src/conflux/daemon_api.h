/* What the local API asks of a running node. Core thread. */
#pragma once

#include "conflux/local_api.h"
#include "core/node.h"

struct vn_instance;
struct vn_daemon_api;

struct vn_daemon_api_config {
    struct vn_instance *instance;
    const char *state_dir; /* where settings that a command changes are kept */
    uint16_t mtu_bytes;
    uint32_t idle_ms;
    void *arg;
    void (*stop)(void *arg);
};

VN_MUST_CHECK vn_status vn_daemon_api_new(const struct vn_daemon_api_config *cfg,
                                          struct vn_daemon_api **ret);
/** The node is another one now: what waits for the old one gets an error. */
void vn_daemon_api_reset(struct vn_daemon_api *d);
/** After the node is gone or before; open calls get an error. Returns NULL; NULL is fine. */
struct vn_daemon_api *vn_daemon_api_free(struct vn_daemon_api *d);
/** For vn_local_api_config. */
void vn_daemon_api_request(void *arg, struct vn_local_call *call, const Vn__Local__Request *r);
