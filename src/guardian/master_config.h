/* The files of the embedded Master: an unmodified nats-server in operator mode, <state>/master/. */
#pragma once

#include "guardian/guardian.h"

struct vn_master_paths {
    bool old_server; /* a nats-server that does not know tls.min_version */
    char dir[VN_PATH_MAX];
    char conf[VN_PATH_MAX + 32], pid[VN_PATH_MAX + 32], log[VN_PATH_MAX + 32],
        err[VN_PATH_MAX + 32];
    char cert[VN_PATH_MAX + 32], key[VN_PATH_MAX + 32], ca[VN_PATH_MAX + 32], jwt[VN_PATH_MAX + 32];
    char names[VN_PATH_MAX + 32]; /* those in cert */
};
void vn_master_paths_init(struct vn_master_paths *p, const char *dir);

/** The JWT of a realm's account, with the users revoked in it. *ret malloc'ed. */
VN_MUST_CHECK vn_status vn_master_account_jwt(struct vn_guardian *g, const struct vn_realm *r,
                                              char **ret);
/** Writes what is missing or different; *ret_changed when the configuration, or the certificate,
 * is not what it was. */
VN_MUST_CHECK vn_status vn_master_config_write(struct vn_guardian *g,
                                               const struct vn_master_paths *p, bool *ret_changed);
