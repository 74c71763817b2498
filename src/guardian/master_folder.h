/* What one more nats-server needs to be a part of Master, as a folder to be copied to its machine.
 */
#pragma once

#include "guardian/master_text.h"

#define VN_MASTER_NAMES_MAX 8 /* of one server */

struct vn_master_folder {
    struct vn_master_server server; /* peers: whom it connects to besides the embedded one */
    const char *names[VN_MASTER_NAMES_MAX]; /* in its certificates */
    size_t name_count;
    const char *at; /* absolute path that the folder will have there */
};

/** Makes the folder (0700) with all that is in it, or nothing. VN_ERR_EXISTS: there is something of
 * that name; VN_ERR_IO: errno. */
VN_MUST_CHECK vn_status vn_master_folder_write(struct vn_guardian *g,
                                               const struct vn_master_folder *f, const char *path);
