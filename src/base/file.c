#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static void close_fd(const int *fd)
{
    if (*fd >= 0) {
        const int saved = errno; /* the caller reports the error that came before */
        close(*fd);
        errno = saved;
    }
}

static void free_str(char **s)
{
    free(*s);
}

vn_status vn_file_read(const char *path, struct vn_buf *ret)
{
    VN_CLEANUP(close_fd) const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? VN_ERR_NOTFOUND : errno == ENOMEM ? VN_ERR_NOMEM : VN_ERR_IO;
    struct stat sb;
    if (fstat(fd, &sb) != 0)
        return VN_ERR_IO;

    const size_t start = ret->len;
    const size_t room = S_ISREG(sb.st_mode) && sb.st_size > 0 ? (size_t)sb.st_size : 0;
    vn_status st = vn_buf_reserve(ret, room); /* once, so secrets are not copied about */
    while (st == VN_OK) {
        if (ret->len == ret->cap) {
            /* Full: only a read of nothing tells a whole file from one that does not fit. */
            uint8_t more;
            const ssize_t n = read(fd, &more, 1);
            if (n == 0)
                return VN_OK;
            if (n < 0) {
                st = errno == EINTR ? VN_OK : VN_ERR_IO;
                continue;
            }
            st = vn_buf_append(ret, &more, 1);
            continue;
        }
        const ssize_t n = read(fd, ret->p + ret->len, ret->cap - ret->len);
        if (n > 0)
            ret->len += (size_t)n;
        else if (n == 0)
            return VN_OK;
        else if (errno != EINTR)
            st = VN_ERR_IO;
    }
    ret->len = start;
    return st;
}

static vn_status write_all(int fd, struct vn_span content)
{
    while (content.n > 0) {
        const ssize_t n = write(fd, content.p, content.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return VN_ERR_IO;
        content.p += n;
        content.n -= (size_t)n;
    }
    return VN_OK;
}

static vn_status open_folder_of(const char *path, int *ret_fd)
{
    const char *slash = strrchr(path, '/');
    VN_CLEANUP(free_str)
    char *dir = !slash          ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    if (!dir)
        return VN_ERR_NOMEM;
    *ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? VN_ERR_IO : VN_OK;
}

/* fchmod, because umask may have narrowed what open was given; it is never wider in between. */
static vn_status fill(int fd, struct vn_span content, mode_t mode)
{
    vn_status st = write_all(fd, content);
    if (st == VN_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        st = VN_ERR_IO;
    return st;
}

vn_status vn_file_rename(const char *from, const char *to)
{
    /* Before anything is changed: what fails after the rename could not be taken back. */
    VN_CLEANUP(close_fd) int folder = -1;
    vn_status st = open_folder_of(to, &folder);
    if (st != VN_OK)
        return st;
    return rename(from, to) == 0 && fsync(folder) == 0 ? VN_OK : VN_ERR_IO;
}

vn_status vn_file_write_atomic(const char *path, struct vn_span content, mode_t mode)
{
    uint8_t salt[8];
    char salt_hex[2 * sizeof(salt) + 1];
    if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return VN_ERR_IO;
    vn_hex_encode(VN_SPAN_ARRAY(salt), salt_hex);
    VN_CLEANUP(free_str) char *tmp = NULL;
    if (asprintf(&tmp, "%s.%s.tmp", path, salt_hex) < 0) {
        tmp = NULL;
        return VN_ERR_NOMEM;
    }
    VN_CLEANUP(close_fd)
    const int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return VN_ERR_IO;
    vn_status st = fill(fd, content, mode);
    if (st == VN_OK)
        st = vn_file_rename(tmp, path);
    if (st != VN_OK) {
        const int saved = errno;
        unlink(tmp); /* unless it has its name already */
        errno = saved;
    }
    return st;
}

/* Its name is on the disk, too, when it is used. */
static vn_status make_folder(const char *path, mode_t mode)
{
    if (mkdir(path, mode) != 0)
        return errno == EEXIST ? VN_OK : VN_ERR_IO;
    VN_CLEANUP(close_fd) int above = -1;
    vn_status st = open_folder_of(path, &above);
    return st == VN_OK && fsync(above) != 0 ? VN_ERR_IO : st;
}

vn_status vn_file_mkdirs(const char *path, mode_t mode)
{
    VN_CLEANUP(free_str) char *p = strdup(path);
    if (!p)
        return VN_ERR_NOMEM;
    for (char *c = p;; c++) {
        if (*c != '/' && *c != '\0')
            continue;
        const char end = *c;
        *c = '\0';
        const vn_status st = *p ? make_folder(p, mode) : VN_OK;
        if (st != VN_OK)
            return st;
        *c = end;
        if (end == '\0')
            break;
    }
    struct stat sb;
    if (stat(path, &sb) != 0)
        return VN_ERR_IO;
    if (!S_ISDIR(sb.st_mode)) {
        errno = ENOTDIR;
        return VN_ERR_IO;
    }
    return VN_OK;
}
