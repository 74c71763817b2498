#include "guardian/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

vn_status vn_statedir_init(const char *dir, struct vn_statedir *ret)
{
    if (!dir)
        dir = secure_getenv("VEILNET_GUARDIAN_DIR");
    if (!dir || !*dir)
        dir = VN_STATE_DIR_DEFAULT;
    char cwd[VN_PATH_MAX / 2] = "";
    if (dir[0] != '/' && !getcwd(cwd, sizeof(cwd)))
        return VN_ERR_IO;
    int n = snprintf(ret->dir, sizeof(ret->dir), "%s%s%s", cwd, cwd[0] ? "/" : "", dir);
    if (n < 0 || (size_t)n >= sizeof(ret->dir))
        return VN_ERR_LIMIT;
    while (n > 1 && ret->dir[n - 1] == '/')
        ret->dir[--n] = 0;
    snprintf(ret->db, sizeof(ret->db), "%s/guardian.db", ret->dir);
    snprintf(ret->lock, sizeof(ret->lock), "%s/guardian.lock", ret->dir);
    snprintf(ret->master, sizeof(ret->master), "%s/master", ret->dir);
    return VN_OK;
}

bool vn_statedir_exists(const struct vn_statedir *d)
{
    return access(d->db, F_OK) == 0;
}

vn_status vn_statedir_lock(const struct vn_statedir *d, pid_t *ret_holder)
{
    int fd = open(d->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return VN_ERR_IO;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &l) == 0)
        return VN_OK; /* the descriptor stays open: closing it would give the lock up */
    bool held = errno == EAGAIN || errno == EACCES;
    if (held && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK)
        *ret_holder = l.l_pid;
    close(fd);
    return held ? VN_ERR_EXISTS : VN_ERR_IO;
}

pid_t vn_statedir_holder(const struct vn_statedir *d)
{
    int fd = open(d->lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK ? l.l_pid : 0;
    close(fd);
    return pid;
}

vn_status vn_process_stop(pid_t pid, bool (*still)(void *arg, pid_t pid), void *arg, int wait_ms)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return errno == ESRCH ? VN_ERR_NOTFOUND : VN_ERR_IO;
    vn_status st;
    if (!still(arg, pid)) {
        st = VN_ERR_NOTFOUND;
    } else if (pidfd_send_signal(fd, SIGTERM, NULL, 0)) {
        st = errno == ESRCH ? VN_OK : VN_ERR_IO;
    } else {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n;
        do
            n = poll(&p, 1, wait_ms);
        while (n < 0 && errno == EINTR);
        st = n == 1 ? VN_OK : VN_ERR_EXPIRED;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return st;
}
