/* The command line's side of the local API: one request, one answer, blocking. */
#pragma once

#include "conflux/exit.h"
#include "conflux/local_frame.h"

struct vn_client_error {
    enum vn_exit exit;
    char text[800];
};

/**
 * Connects, asks, waits.
 * @param ret  to be freed with vn__local__response__free_unpacked; never an error response
 * @return VN_OK, or a status with ret_err filled: not running, refused by the daemon, no answer in
 * time
 */
VN_MUST_CHECK vn_status vn_client_ask(const char *state_dir, Vn__Local__Request *request,
                                      int timeout_ms, Vn__Local__Response **ret,
                                      struct vn_client_error *ret_err);
