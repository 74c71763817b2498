/* Command line of veilnet-guardian: long options with a value, "--name value" or "--name=value". */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/status.h"

struct vn_option {
    const char *name;   /* "--public"; "" for one word without a name; NULL ends a list */
    const char **value; /* takes a value … */
    bool *flag;         /* … or is there or not */
};

/** Reads argv[1..]; VN_ERR_ARG after saying on standard error what is wrong. */
VN_MUST_CHECK vn_status vn_options_parse(int argc, char **argv, const struct vn_option *options);
/** "90s", "30m", "24h", "7d", or seconds. */
VN_MUST_CHECK vn_status vn_duration_parse(const char *text, uint64_t *ret_s);

/** Text of others: a space or a question mark stands for what moves a cursor, or is no UTF-8. */
void vn_print_text(FILE *to, const char *text);
/** Prints "veilnet-guardian: …" to standard error, shortened in the middle where it is long;
 * returns exit code 1. */
int vn_die(const char *fmt, ...) VN_PRINTF(1, 2);
