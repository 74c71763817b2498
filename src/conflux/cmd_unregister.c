#include <stdio.h>

#include "conflux/cli.h"
#include "control/guardian_enrol.h"

int vn_cmd_unregister(struct vn_cli *c)
{
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config config;
    const vn_status st = vn_config_load(c->state_dir, VN_CONFIG_REGISTERED, &config);
    if (st == VN_ERR_NOTFOUND)
        return vn_cli_fail(c, VN_EXIT_NOT_REGISTERED,
                           "this machine is not registered (no conflux.json in %s)", c->state_dir);
    if (st != VN_OK)
        return vn_cli_fail(c, VN_EXIT_FAILURE,
                           "cannot read %s/conflux.json: be root; if it is damaged, remove it",
                           c->state_dir);
    struct vn_guardian_failure err;
    const vn_status gone = vn_guardian_unregister(&config.guardian, config.token, &err);
    /* Guardian that no longer knows the node is as good. */
    if (gone != VN_OK && !err.reached)
        return vn_cli_fail(c, VN_EXIT_UNREACHABLE,
                           "%s; nothing was removed here, so that it can be tried again",
                           err.detail);
    if (gone != VN_OK && gone != VN_ERR_AUTH && gone != VN_ERR_NOTFOUND)
        return vn_cli_fail(c, VN_EXIT_REFUSED, "%s", err.detail);
    vn_cli_stop(c);
    if (vn_config_remove(c->state_dir, VN_CONFIG_REGISTERED) != VN_OK)
        return vn_cli_fail(c, VN_EXIT_FAILURE, "cannot remove %s/conflux.json", c->state_dir);
    if (c->o.json)
        return vn_cli_print(json_pack("{s:b}", "unregistered", 1));
    printf("%s is no longer a member of realm %s\n", config.tag, config.realm_name);
    return VN_EXIT_OK;
}

int vn_cmd_down(struct vn_cli *c)
{
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config config;
    const vn_status st = vn_config_load(c->state_dir, VN_CONFIG_UP, &config);
    if (st == VN_ERR_NOTFOUND)
        return vn_cli_fail(c, VN_EXIT_NOT_REGISTERED,
                           "there is nothing to take down (no up.json in %s)", c->state_dir);
    vn_cli_stop(c);
    if (vn_config_remove(c->state_dir, VN_CONFIG_UP) != VN_OK)
        return vn_cli_fail(c, VN_EXIT_FAILURE, "cannot remove %s/up.json: be root", c->state_dir);
    if (c->o.json)
        return vn_cli_print(json_pack("{s:b}", "down", 1));
    puts("stopped, and the token is forgotten");
    return VN_EXIT_OK;
}
