/*
 * Port: where inner packets go. A TUN queue in the daemon, a callback or lwIP when embedded, a list
 * in tests. Data worker thread only. What comes from the TUN is handed to vn_worker_tun_input by
 * the shell.
 */
#pragma once

#include "base/span.h"
#include "base/status.h"

struct vn_tun_port {
    void *self;
    /** Writes one IP packet; borrowed. VN_ERR_AGAIN when the device is full: drop and count. */
    vn_status (*write)(void *self, struct vn_span packet);
};
