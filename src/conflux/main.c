/* veilnet-conflux: the connector of a machine, daemon and command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "conflux/cli.h"

static int run_verb(struct vn_cli *c)
{
    switch (c->o.verb) {
    case VN_VERB_REGISTER:
        return vn_cmd_register(c);
    case VN_VERB_UNREGISTER:
        return vn_cmd_unregister(c);
    case VN_VERB_UP:
        return vn_cmd_up(c);
    case VN_VERB_DOWN:
        return vn_cmd_down(c);
    case VN_VERB_RUN:
        return vn_cmd_run(c);
    case VN_VERB_STATUS:
        return vn_cmd_status(c);
    case VN_VERB_INFO:
        return vn_cmd_info(c);
    case VN_VERB_NETCHECK:
        return vn_cmd_netcheck(c);
    case VN_VERB_PEERS:
        return vn_cmd_peers(c);
    case VN_VERB_PING:
        return vn_cmd_ping(c);
    case VN_VERB_ROUTES:
        return vn_cmd_routes(c);
    case VN_VERB_EXPLAIN:
        return vn_cmd_explain(c);
    case VN_VERB_RELAYS:
        return vn_cmd_relays(c);
    case VN_VERB_TAINT:
        return vn_cmd_taint(c);
    case VN_VERB_VERSION:
        return vn_cmd_version(c);
    case VN_VERB_HELP:
        vn_options_help(c->o.word_count ? vn_verb_of(c->o.words[0]) : 0);
        return VN_EXIT_OK;
    }
    return VN_EXIT_USAGE;
}

/* Tokens and keys are in this memory, whatever the verb: no core dump, no ptrace by the same user,
 * no file that others read. */
static bool harden(void)
{
    const struct rlimit none = {0, 0};
    umask(077);
#ifndef __SANITIZE_ADDRESS__ /* its leak checker must attach */
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        return false;
#endif
    return setrlimit(RLIMIT_CORE, &none) == 0;
}

int main(int argc, char **argv)
{
    static struct vn_cli c;
    signal(SIGPIPE, SIG_IGN); /* a connection that breaks is an error, not the end */
    char error[256];
    if (!harden())
        return vn_cli_fail(&c, VN_EXIT_FAILURE, "core dumps could not be switched off (%s)",
                           strerror(errno));
    if (vn_options_parse(argc, argv, &c.o, error) != VN_OK)
        return vn_cli_fail(&c, VN_EXIT_USAGE, "%s", error);
    if (c.o.help) {
        vn_options_help(c.o.verb);
        return VN_EXIT_OK;
    }
    vn_log_setup(c.o.verbose ? VN_LOG_DEBUG : VN_LOG_WARN, -1);
    c.state_dir = c.o.state_dir ? c.o.state_dir : VN_STATE_DIR;
    const int code = run_verb(&c);
    vn_options_done(&c.o);
    return code;
}
