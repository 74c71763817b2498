/* Keys and certificates of the servers of Master, each made anew when it is written. */
#pragma once

#include "guardian/config.h"
#include "guardian/master_config.h"

#define VN_MASTER_TLS_MS (10 * 365ull * 86400000) /* how long it is good for */

/** What a server shows to nodes, under these names and addresses. */
VN_MUST_CHECK vn_status vn_master_tls_node(const struct vn_guardian_config *c,
                                           const struct vn_master_paths *p,
                                           const char *const *names, size_t n);
/** What it shows to other servers, as who connects and as who is connected to. */
VN_MUST_CHECK vn_status vn_master_tls_route(const struct vn_guardian_config *c,
                                            const struct vn_master_paths *p,
                                            const char *const *names, size_t n);
/** What it shows to leaves that connect to it. */
VN_MUST_CHECK vn_status vn_master_tls_leaves(const struct vn_guardian_config *c,
                                             const struct vn_master_paths *p,
                                             const char *const *names, size_t n);
/** What a leaf of this name shows there: nobody can connect to it with it. */
VN_MUST_CHECK vn_status vn_master_tls_leaf(const struct vn_guardian_config *c,
                                           const struct vn_master_paths *p, const char *name);
