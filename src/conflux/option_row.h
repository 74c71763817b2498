/* The options of veilnet-conflux: how each is called, what it takes, and what sets it. For
 * options.c. */
#pragma once

#include "conflux/options.h"

enum vn_option_value {
    VN_VALUE_FLAG,
    VN_VALUE_TEXT,
    VN_VALUE_OPTIONAL,
    VN_VALUE_SECRET,
    VN_VALUE_LIST,
    VN_VALUE_SECONDS,
    VN_VALUE_MILLIS,
    VN_VALUE_MTU,
    VN_VALUE_COUNT
};

enum vn_option_id {
    VN_OPTION_HELP,
    VN_OPTION_JSON,
    VN_OPTION_STATE_DIR,
    VN_OPTION_TOKEN,
    VN_OPTION_TOKEN_FILE,
    VN_OPTION_GUARDIAN,
    VN_OPTION_TAG,
    VN_OPTION_IP,
    VN_OPTION_TAINTS,
    VN_OPTION_TEAMS,
    VN_OPTION_JWT,
    VN_OPTION_ISSUER,
    VN_OPTION_AUDIENCE,
    VN_OPTION_JWKS_URL,
    VN_OPTION_PUBLIC,
    VN_OPTION_DEBUG,
    VN_OPTION_VERBOSE,
    VN_OPTION_IDLE,
    VN_OPTION_IDLE_MS,
    VN_OPTION_INTERFACE,
    VN_OPTION_MTU,
    VN_OPTION_WORKERS,
    VN_OPTION_CANDIDATES,
    VN_OPTION_NOT_OVER,
    VN_OPTION_VIA,
    VN_OPTION_KEEP_WARM,
    VN_OPTION_NO_RELAY,
    VN_OPTION_AVOID,
    VN_OPTION_PREFER,
    VN_OPTION_COUNT,
    VN_OPTION_INTERVAL,
    VN_OPTION_WAIT,
    VN_OPTION_V4,
    VN_OPTION_V6,
    VN_OPTION_END,
};

#define VN_OPTION_ENVS 3

struct vn_option_row {
    enum vn_option_id id;
    char letter;
    const char *name;
    const char *value; /* how the help calls it */
    enum vn_option_value kind;
    unsigned verbs; /* that take it */
    const char *env[VN_OPTION_ENVS];
    const char *help;
};

/** One for each id before VN_OPTION_END. */
extern const struct vn_option_row vn_option_rows[VN_OPTION_END];

/** Takes a value, NULL for a flag. False: it is wrong, or o->exhausted. The memory of a secret,
 * which belongs to argv or the environment, is overwritten. */
bool vn_option_set(struct vn_options *o, const struct vn_option_row *opt, char *value);
