#include "conflux/cli.h"

int vn_cmd_run(struct vn_cli *c)
{
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config config;
    const int code = vn_cli_config(c, &config);
    return code == VN_EXIT_OK ? vn_cli_run(c, &config) : code;
}
