/*
 * The embedded Master's process: started detached in its own session, so it survives Guardian's
 * stop, crash and upgrade; adopted again at start; started anew when it is gone. Loop thread only.
 */
#pragma once

#include <stdbool.h>

#include "guardian/guardian.h"

/** Adopts a running Master or starts one. VN_ERR_UNSUPPORTED: there is no nats-server program. */
VN_MUST_CHECK vn_status vn_master_open(struct vn_guardian *g, struct vn_master **ret);
/** Lets go of it; the process stays. */
void vn_master_close(struct vn_master *m);
/** It runs and listens; NULL, as Guardian has it when stopping: no. */
bool vn_master_is_up(const struct vn_master *m);
/** Realms or entry points were made or deleted: tells Master of its accounts and names. NULL:
 * nobody to tell, the next start does. */
void vn_master_config_changed(struct vn_master *m);
/** An account changed and a message told Master so: its next start needs it, a reload does not.
 * Each of those costs nats-server memory that it never gives back. NULL as above. */
void vn_master_was_told(struct vn_master *m);

/** The process that runs with this state's configuration, or 0. */
pid_t vn_master_find(const char *master_dir);
/** Ends it. VN_ERR_NOTFOUND when none runs. */
VN_MUST_CHECK vn_status vn_master_stop(const char *master_dir);
/** Path of the nats-server program. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_master_program(char ret[VN_PATH_MAX]);
