/*
 * The state folder (0700): guardian.db, guardian.lock, master/. The lock is a POSIX record lock, so
 * the kernel itself names the process that holds it; no pid file can be stale.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"

#define VN_PATH_MAX 1024
#define VN_STATE_DIR_DEFAULT "/var/lib/veilnet-guardian"

struct vn_statedir {
    char dir[VN_PATH_MAX / 2];
    char db[VN_PATH_MAX];
    char lock[VN_PATH_MAX];
    char master[VN_PATH_MAX]; /* folder of the embedded Master */
};

/** dir NULL: VEILNET_GUARDIAN_DIR, else the default. Makes it absolute; creates nothing.
 * VN_ERR_LIMIT, VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_statedir_init(const char *dir, struct vn_statedir *ret);
/** A finished state: the store exists. */
bool vn_statedir_exists(const struct vn_statedir *d);
/** Holds the lock until the process ends. VN_ERR_EXISTS with the holder's pid. */
VN_MUST_CHECK vn_status vn_statedir_lock(const struct vn_statedir *d, pid_t *ret_holder);
/** The process that holds the lock, or 0. */
pid_t vn_statedir_holder(const struct vn_statedir *d);

/**
 * Ends a process by SIGTERM and waits. still(arg) is asked again after the process was pinned by a
 * pidfd, so a pid that was reused in between is never hit. VN_ERR_NOTFOUND: gone already;
 * VN_ERR_EXPIRED: still there after wait_ms.
 */
VN_MUST_CHECK vn_status vn_process_stop(pid_t pid, bool (*still)(void *arg, pid_t pid), void *arg,
                                        int wait_ms);
