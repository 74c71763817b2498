/* Filling struct vn_host_error; not for other layers. */
#pragma once

#include "host/host.h"

/** Returns the status that goes with the cause. e may be NULL; err is an errno or 0. */
vn_status vn_host_fail(struct vn_host_error *e, enum vn_host_cause cause, int err, const char *fmt,
                       ...) VN_PRINTF(4, 5);
