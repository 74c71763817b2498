#include <stdio.h>

#include "conflux/cli.h"

int vn_cmd_version(struct vn_cli *c)
{
    if (c->o.json)
        return vn_cli_print(json_pack("{s:s}", "version", VN_VERSION));
    puts("veilnet-conflux " VN_VERSION);
    return VN_EXIT_OK;
}
