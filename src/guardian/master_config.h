/* The files of the embedded Master: an unmodified nats-server in operator mode, <state>/master/. */
#pragma once

#include "guardian/guardian.h"

#define VN_MASTER_NAME "veilnet-master" /* of the embedded server, to others */

struct vn_master_paths {
    bool old_server; /* a nats-server that does not know tls.min_version */
    char dir[VN_PATH_MAX];
    char conf[VN_PATH_MAX + 32], pid[VN_PATH_MAX + 32], log[VN_PATH_MAX + 32],
        err[VN_PATH_MAX + 32];
    char cert[VN_PATH_MAX + 32], key[VN_PATH_MAX + 32], ca[VN_PATH_MAX + 32], jwt[VN_PATH_MAX + 32];
    char names[VN_PATH_MAX + 32]; /* those in cert */
    char route_cert[VN_PATH_MAX + 32], route_key[VN_PATH_MAX + 32], route_ca[VN_PATH_MAX + 32];
    char leaf_cert[VN_PATH_MAX + 32], leaf_key[VN_PATH_MAX + 32], leaf_ca[VN_PATH_MAX + 32];
};
void vn_master_paths_init(struct vn_master_paths *p, const char *dir);

/** Where a server listens that is told "*". */
const char *vn_master_listen_host(const char *listen_host);

/** What a nats-server that runs with the files of before must do. */
enum vn_master_change { VN_MASTER_SAME, VN_MASTER_RELOAD, VN_MASTER_RESTART };
/** Writes what is missing or different. */
VN_MUST_CHECK vn_status vn_master_config_write(struct vn_guardian *g,
                                               const struct vn_master_paths *p,
                                               enum vn_master_change *ret);
