#include "guardian/master_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "guardian/master_leaf.h"
#include "guardian/master_tls.h"

static vn_status write_config(struct vn_guardian *g, const struct vn_master_folder *f,
                              const char *path)
{
    static struct vn_master_paths there;
    VN_CLEANUP(vn_conf_done) struct vn_conf_text t;
    vn_conf_init(&t);
    vn_master_paths_init(&there, f->at);
    vn_conf_add(
        &t,
        "# Written by veilnet-guardian master config. It logs to standard error.\n"
        "# An early nats-server 2.10 does not know min_version: leave those lines out there.\n");
    vn_status st = vn_master_text(g, &there, &f->server, &t);
    return st == VN_OK ? vn_file_write_atomic(path, vn_buf_span(&t.buf), 0600) : st;
}

static vn_status fill(struct vn_guardian *g, const struct vn_master_folder *f,
                      const struct vn_master_paths *p)
{
    const struct vn_master_server *s = &f->server;
    vn_status st = vn_master_tls_node(&g->cfg, p, f->names, f->name_count);
    if (st == VN_OK && s->realm_count)
        st = vn_master_leaf_files(g, s, p);
    else if (st == VN_OK && (s->cluster.port || s->gateway.port))
        st = vn_master_tls_route(&g->cfg, p, f->names, f->name_count);
    if (st == VN_OK && s->leaf.port)
        st = vn_master_tls_leaves(&g->cfg, p, f->names, f->name_count);
    return st == VN_OK ? write_config(g, f, p->conf) : st;
}

/* Whatever is in it: we made it. */
static void clear(const char *path)
{
    const int saved = errno;
    DIR *dir = opendir(path);
    const struct dirent *e;
    while (dir && (e = readdir(dir)))
        (void)unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    (void)rmdir(path);
    errno = saved;
}

/* Takes no other's place. */
static vn_status put(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return VN_OK;
    return errno == EEXIST ? VN_ERR_EXISTS : VN_ERR_IO;
}

vn_status vn_master_folder_write(struct vn_guardian *g, const struct vn_master_folder *f,
                                 const char *path)
{
    static struct vn_master_paths p;
    char dir[VN_PATH_MAX];
    if (access(path, F_OK) == 0)
        return VN_ERR_EXISTS;
    if ((size_t)snprintf(dir, sizeof(dir), "%s.XXXXXX", path) >= sizeof(dir))
        return VN_ERR_LIMIT;
    if (!mkdtemp(dir))
        return VN_ERR_IO;
    vn_master_paths_init(&p, dir);
    vn_status st = fill(g, f, &p);
    if (st == VN_OK)
        st = put(dir, path);
    if (st != VN_OK)
        clear(dir);
    return st;
}
