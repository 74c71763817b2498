/* The running node: loop, instance, local API, signals. */
#pragma once

#include <stdbool.h>

#include "conflux/config.h"

struct vn_daemon_options {
    const char *state_dir;
    const struct vn_conflux_config *config; /* settings of the command line already in it */
    bool verbose;
};

/** True when no daemon holds the state folder any more; waits at most so long. */
bool vn_daemon_wait_gone(const char *state_dir, int ms);
/** Runs until SIGTERM, SIGINT, `stop` or a failure. @return exit code (conflux/exit.h) */
int vn_daemon_run(const struct vn_daemon_options *o);
