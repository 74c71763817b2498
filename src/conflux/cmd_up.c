#include <stdio.h>
#include <string.h>

#include "conflux/cli.h"
#include "crypto/suite.h"

int vn_cmd_up(struct vn_cli *c)
{
    VN_CLEANUP(vn_join_wipe) struct vn_join token;
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config config = {.suite = VN_SUITE_DEFAULT};
    int code = vn_cli_token(c, &token);
    if (code == VN_EXIT_OK && token.kind == VN_JOIN_REGISTRATION)
        code = vn_cli_fail(c, VN_EXIT_USAGE,
                           "this is a join token: use it with 'veilnet-conflux register -t'");
    if (code == VN_EXIT_OK)
        code = vn_cli_guardian(c, &token, &config.guardian);
    if (code != VN_EXIT_OK)
        return code;
    /* Both are confirmed by the login: a token that was tampered with does not get one. */
    if (vn_join_ids(token.jwt, &config.conflux_id, &config.realm) != VN_OK)
        return vn_cli_fail(c, VN_EXIT_USAGE, "that is not a conflux token");
    if (token.cnsa)
        config.suite = VN_SUITE_CNSA;
    snprintf(config.token, sizeof(config.token), "%s", token.jwt);
    vn_join_wipe(&token);
    vn_cli_settings(c, &config);
    vn_cli_stop(c); /* what runs is replaced */
    if (vn_config_save(c->state_dir, VN_CONFIG_UP, &config) != VN_OK)
        return vn_cli_fail(c, VN_EXIT_FAILURE,
                           "cannot write to %s: be root, or name another --state-dir",
                           c->state_dir);
    if (c->o.debug)
        return vn_cli_run(c, &config);
    char run[VN_PATH_MAX + 64];
    vn_cli_run_line(c, run, sizeof(run));
    if (c->o.json)
        return vn_cli_print(json_pack("{s:s}", "run", run));
    printf("saved; start it with: %s\n", run);
    return VN_EXIT_OK;
}
