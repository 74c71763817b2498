#include "host/error.h"

#include <stdarg.h>
#include <stdio.h>

static const vn_status statuses[] = {
    [VN_HOST_CAUSE_NONE] = VN_OK,
    [VN_HOST_NO_TUN_DEVICE] = VN_ERR_UNSUPPORTED,
    [VN_HOST_NO_PRIVILEGE] = VN_ERR_DENIED,
    [VN_HOST_NAME_TAKEN] = VN_ERR_EXISTS,
    [VN_HOST_ADDRESS_TAKEN] = VN_ERR_EXISTS,
    [VN_HOST_IN_USE] = VN_ERR_STATE,
    [VN_HOST_STATE_DIR] = VN_ERR_IO,
    [VN_HOST_BAD_CONFIG] = VN_ERR_ARG,
    [VN_HOST_KERNEL] = VN_ERR_IO,
};

vn_status vn_host_fail(struct vn_host_error *e, enum vn_host_cause cause, int err, const char *fmt,
                       ...)
{
    if (e) {
        e->cause = cause;
        e->err = err;
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->what, sizeof(e->what), fmt, ap);
        va_end(ap);
    }
    return statuses[cause];
}
