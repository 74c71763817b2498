/* The Unix socket of a state folder. */
#pragma once

#include "base/status.h"

#define VN_SOCKET_NAME "conflux.sock"
#define VN_SOCKET_GROUP "veilnet" /* whose members may use it, if the group exists */

/** Listening socket, mode 0660; replaces what an ended daemon left. *ret_fd is non-blocking.
 * VN_ERR_IO with errno. */
VN_MUST_CHECK vn_status vn_local_listen(const char *state_dir, int *ret_fd);
/** Blocking. VN_ERR_NOTFOUND: nobody listens; VN_ERR_DENIED; VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_local_connect(const char *state_dir, int *ret_fd);
void vn_local_unlink(const char *state_dir);
