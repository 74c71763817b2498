/* Exit codes of veilnet-conflux. Part of its interface: manual page and tests name them. */
#pragma once

enum vn_exit {
    VN_EXIT_OK = 0,
    VN_EXIT_FAILURE = 1,     /* anything else; for ping: no answer */
    VN_EXIT_USAGE = 2,       /* wrong options, or a token that is none */
    VN_EXIT_NOT_RUNNING = 3, /* the command needs the daemon of this state folder */
    VN_EXIT_REFUSED = 4,     /* Guardian said no */
    VN_EXIT_UNREACHABLE =
        5, /* Guardian could not be reached, or is another one than the token names */
    VN_EXIT_NOT_REGISTERED = 6, /* no conflux.json and no up.json here */
    VN_EXIT_HOST = 7,           /* no TUN, no privilege, interface or address in use */
    VN_EXIT_RUNNING = 8,        /* another daemon runs on this state folder */
};
