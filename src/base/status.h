/* The one result type of fallible functions. Negative values are named for what the caller can do.
 */
#pragma once

#include "base/attr.h"

typedef enum vn_status {
    VN_OK = 0,
    VN_ERR_AGAIN = -1,       /* not now; try later or wait for the event */
    VN_ERR_MALFORMED = -2,   /* bytes from outside do not parse */
    VN_ERR_AUTH = -3,        /* a tag, signature, token or password is wrong */
    VN_ERR_NOMEM = -4,       /* out of memory */
    VN_ERR_CRYPTO = -5,      /* the cryptographic library refused */
    VN_ERR_IO = -6,          /* the system call failed; errno says why */
    VN_ERR_ARG = -7,         /* the caller's argument is out of range */
    VN_ERR_NOTFOUND = -8,    /* no such object */
    VN_ERR_EXISTS = -9,      /* already there */
    VN_ERR_LIMIT = -10,      /* a limit of limits.h is reached */
    VN_ERR_DENIED = -11,     /* policy says no */
    VN_ERR_EXPIRED = -12,    /* was valid, is no more */
    VN_ERR_STATE = -13,      /* not possible in the present state */
    VN_ERR_UNSUPPORTED = -14 /* this build, kernel or peer cannot do it */
} vn_status;

/** Stable lower-case name, such as "auth", for logs and messages; never NULL. */
const char *vn_status_name(vn_status st);
