#include <stdio.h>

#include "guardian/cmd_admin.h"
#include "guardian/commands.h"
#include "guardian/master.h"
#include "guardian/options.h"
#include "guardian/statedir.h"

#define STOP_WAIT_MS 15000

static bool holds_lock(void *arg, pid_t pid)
{
    return vn_statedir_holder(arg) == pid;
}

int vn_cmd_stop(int argc, char **argv)
{
    const char *dir_option = NULL;
    bool with_master = false;
    const struct vn_option options[] = {
        {"--state-dir", &dir_option, NULL}, {"--with-master", NULL, &with_master}, {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    struct vn_statedir dir;
    int code = vn_admin_statedir(dir_option, true, &dir);
    if (code)
        return code;
    pid_t pid = vn_statedir_holder(&dir);
    vn_status st = pid ? vn_process_stop(pid, holds_lock, &dir, STOP_WAIT_MS) : VN_ERR_NOTFOUND;
    if (st == VN_ERR_EXPIRED)
        return vn_die("Guardian (process %d) has not ended within %d s: see its log", (int)pid,
                      STOP_WAIT_MS / 1000);
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return vn_die("cannot stop Guardian (process %d): run as root or as its user", (int)pid);
    puts(st == VN_OK ? "Guardian stopped" : "Guardian was not running");
    if (!with_master) {
        if (vn_master_find(dir.master))
            puts("Master runs on; stop it too with veilnet-guardian stop --with-master");
        return 0;
    }
    st = vn_master_stop(dir.master);
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return vn_die("cannot stop Master (%s): see %s/nats-server.log", vn_status_name(st),
                      dir.master);
    puts(st == VN_OK ? "Master stopped" : "Master was not running");
    return 0;
}
