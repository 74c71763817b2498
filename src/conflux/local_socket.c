#include "conflux/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Through the folder's descriptor, because sun_path holds 107 bytes and a state folder may be
 * deeper. */
struct place {
    int dir;
    struct sockaddr_un addr;
};

static bool open_place(const char *state_dir, struct place *p)
{
    *p = (struct place){.addr.sun_family = AF_UNIX};
    p->dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->dir < 0)
        return false;
    snprintf(p->addr.sun_path, sizeof(p->addr.sun_path), "/proc/self/fd/%d/" VN_SOCKET_NAME,
             p->dir);
    return true;
}

static void close_keeping_errno(int fd)
{
    const int saved = errno;
    close(fd);
    errno = saved;
}

static void share_with_group(int dir)
{
    const struct group *g = getgrnam(VN_SOCKET_GROUP);
    /* Without it the socket is root's alone, which is what mode 0660 then says. */
    if (!g || fchownat(dir, VN_SOCKET_NAME, (uid_t)-1, g->gr_gid, 0) != 0)
        return;
    /* Its members may pass through the folder, and read nothing in it. Only where it is as we make
     * it: other folders are their owner's. */
    struct stat sb;
    if (fstat(dir, &sb) != 0 || (sb.st_mode & 07777) != 0700 || sb.st_uid != geteuid())
        return;
    if (fchownat(dir, "", (uid_t)-1, g->gr_gid, AT_EMPTY_PATH) == 0 &&
        fchmodat(dir, ".", 0710, 0) != 0)
        return;
}

vn_status vn_local_listen(const char *state_dir, int *ret_fd)
{
    struct place p;
    if (!open_place(state_dir, &p))
        return VN_ERR_IO;
    unlinkat(p.dir, VN_SOCKET_NAME, 0);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t before = umask(0177); /* nobody connects before the mode is right */
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&p.addr, sizeof(p.addr)) == 0;
    umask(before);
    if (ok) {
        share_with_group(p.dir);
        ok = fchmodat(p.dir, VN_SOCKET_NAME, 0660, 0) == 0 && listen(fd, 16) == 0;
    }
    close_keeping_errno(p.dir);
    if (!ok) {
        if (fd >= 0)
            close_keeping_errno(fd);
        return VN_ERR_IO;
    }
    *ret_fd = fd;
    return VN_OK;
}

vn_status vn_local_connect(const char *state_dir, int *ret_fd)
{
    struct place p;
    if (!open_place(state_dir, &p))
        return errno == EACCES ? VN_ERR_DENIED : VN_ERR_NOTFOUND;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&p.addr, sizeof(p.addr)) == 0;
    close_keeping_errno(p.dir);
    if (ok) {
        *ret_fd = fd;
        return VN_OK;
    }
    const int e = errno;
    if (fd >= 0)
        close(fd);
    return e == ENOENT || e == ECONNREFUSED ? VN_ERR_NOTFOUND
           : e == EACCES                    ? VN_ERR_DENIED
                                            : VN_ERR_IO;
}

void vn_local_unlink(const char *state_dir)
{
    struct place p;
    if (!open_place(state_dir, &p))
        return;
    unlinkat(p.dir, VN_SOCKET_NAME, 0);
    close(p.dir);
}
