/* What the verbs of administration on Guardian's host share. */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "guardian/cmd_admin.h"
#include "guardian/options.h"
#include "guardian/statedir.h"

#define FILE_BYTES_MAX 65536

const char *vn_admin_explain(vn_status st)
{
    return st == VN_ERR_IO
               ? "the state folder cannot be written: free some space there, or make it "
                 "writable"
               : vn_status_name(st);
}

int vn_admin_statedir(const char *option, bool made, struct vn_statedir *ret)
{
    if (option && !*option)
        return vn_admin_usage("--state-dir names no folder");
    vn_status st = vn_statedir_init(option, ret);
    if (st == VN_ERR_IO)
        return vn_die("the working folder cannot be read (%s): give the whole path of the state "
                      "folder with --state-dir",
                      strerror(errno));
    if (st != VN_OK)
        return vn_die(
            "the path of the state folder is too long: choose a shorter one with --state-dir");
    if (!made || vn_statedir_exists(ret))
        return 0;
    if (errno == EACCES)
        return vn_die("%s may not be entered: run as root, or as its owner", ret->dir);
    return vn_die("%s holds no Guardian: name its folder with --state-dir, or make one with "
                  "veilnet-guardian init",
                  ret->dir);
}

static int open_state(struct vn_admin *c)
{
    struct vn_statedir dir;
    vn_log_setup(VN_LOG_WARN, -1); /* what was done is said on standard output */
    int code = vn_admin_statedir(c->dir_option, true, &dir);
    if (code)
        return code;
    vn_status st = vn_guardian_open(&c->g, &dir);
    return st == VN_OK ? 0
                       : vn_die("cannot open the state in %s (%s): run as its owner, free some "
                                "space there, or make it writable",
                                dir.dir, vn_status_name(st));
}

static bool count_realm(void *arg, const struct vn_id *id)
{
    struct vn_admin *c = arg;
    c->realm_id = *id;
    return ++c->realms < 2;
}

/* Without --realm: the only one there is. */
static int only_realm(struct vn_admin *c)
{
    if (vn_store_realm_list(c->g.store, NULL, count_realm, c) != VN_OK || c->realms != 1)
        return vn_die("name the realm with --realm NAME (veilnet-guardian realm list shows them)");
    return 0;
}

int vn_admin_begin(struct vn_admin *c, bool realm)
{
    int code = open_state(c);
    if (code || !realm)
        return code;
    if (!c->realm)
        return only_realm(c);
    if (vn_store_realm_by_name(c->g.store, c->realm, &c->realm_id) != VN_OK)
        return vn_die("there is no realm %s (veilnet-guardian realm list shows them)", c->realm);
    return 0;
}

void vn_admin_finish(struct vn_admin *c)
{
    vn_guardian_close(&c->g);
    json_decref(c->items);
}

int vn_admin_print_items(struct vn_admin *c)
{
    json_t *o = json_pack("{s:O}", "items", c->items);
    vn_admin_print_json(o);
    json_decref(o);
    return 0;
}

int vn_admin_list(int argc, char **argv, vn_status (*list)(struct vn_admin *c))
{
    struct vn_admin c = {.items = json_array()};
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--json", NULL, &c.json},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    int code = vn_admin_begin(&c, true);
    if (!code && list(&c) != VN_OK)
        code = vn_die("cannot read the store");
    if (!code && c.json)
        code = vn_admin_print_items(&c);
    vn_admin_finish(&c);
    return code;
}

int vn_admin_read_file(const char *option, const char *path, bool line, char **ret)
{
    struct vn_buf b;
    vn_buf_init(&b, FILE_BYTES_MAX);
    errno = 0;
    vn_status st = vn_file_read(path, &b);
    const int error = errno;
    if (st == VN_OK)
        st = vn_buf_append(&b, "", 1);
    if (st == VN_OK) {
        *ret = strdup((const char *)b.p);
        st = *ret ? VN_OK : VN_ERR_NOMEM;
    }
    if (st == VN_OK && line)
        (*ret)[strcspn(*ret, "\r\n")] = 0;
    vn_buf_wipe(&b);
    return st == VN_OK ? 0
                       : vn_die("%s %s cannot be read (%s)", option, path,
                                error ? strerror(error) : vn_status_name(st));
}

int vn_admin_usage(const char *what)
{
    vn_die("%s; see veilnet-guardian help", what);
    return 2;
}
