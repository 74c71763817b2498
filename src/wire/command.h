/* What commands of Guardian and their answers share (vn.Command, vn.CommandAnswer). */
#pragma once

#include "base/id.h"

/** In vn.CommandAnswer. */
enum vn_command_result {
    VN_COMMAND_DONE = 0,    /* invalidate and shutdown: begun */
    VN_COMMAND_UNKNOWN = 1, /* to this version */
    VN_COMMAND_BAD = 2,     /* its parameters are not as they must be */
    VN_COMMAND_FAILED = 3,  /* the node is short of memory */
};

/** A network that a machine has an address in. */
struct vn_local_network {
    char interface[16];
    struct vn_prefix net; /* host bits are zero */
};
