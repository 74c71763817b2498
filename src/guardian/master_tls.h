/* Keys and certificates of the servers of Master, each made anew when it is written. */
#pragma once

#include "guardian/config.h"
#include "guardian/master_config.h"

/** What a server shows to nodes, under these names and addresses. */
VN_MUST_CHECK vn_status vn_master_tls_node(const struct vn_guardian_config *c,
                                           const struct vn_master_paths *p,
                                           const char *const *names, size_t n);
/** What it shows to other servers, as who connects and as who is connected to. */
VN_MUST_CHECK vn_status vn_master_tls_route(const struct vn_guardian_config *c,
                                            const struct vn_master_paths *p,
                                            const char *const *names, size_t n);
