/* The running node: loop, instance, local API, signals. */
#pragma once

#include "conflux/config.h"

struct vn_daemon_options {
    const char *state_dir;
    const struct vn_conflux_config *config; /* settings of the command line already in it */
    bool verbose;
};

/** Runs until SIGTERM, SIGINT, `stop` or a failure. @return exit code (conflux/exit.h) */
int vn_daemon_run(const struct vn_daemon_options *o);
