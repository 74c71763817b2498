/*
 * A library to preload: writes down, in the file VN_DISKLOG, what the process does to the files
 * under the folder VN_DISKLOG_DIR: writes with their bytes, names, and from when to when it waited
 * for the disk. tests/e2e/powercut.py makes from that what a disk may hold after a power cut.
 *
 * A record: u8 op, u64 ns of CLOCK_MONOTONIC, u64 a, u64 b, u32 n, n bytes; host order.
 *
 *   O  a inode, b 1 made / 2 emptied   path
 *   W  a inode, b offset               what was written
 *   T  a inode, b size
 *   B  a inode, b number               fsync begins
 *   E  a inode, b number               … and has ended well
 *   M                                  path of a new folder
 *   R                                  old path, NUL, new path
 *   U                                  path that is gone
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))
#define FD_MAX 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* an operation and its record are one */
static bool tracked[FD_MAX];
static int out = -2; /* not looked for yet */
static uint64_t syncs;

static void record(char op, uint64_t a, uint64_t b, const void *data, size_t n)
{
    uint8_t head[29];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    const uint32_t n32 = (uint32_t)n;
    head[0] = (uint8_t)op;
    memcpy(head + 1, &ns, 8);
    memcpy(head + 9, &a, 8);
    memcpy(head + 17, &b, 8);
    memcpy(head + 25, &n32, 4);
    struct iovec v[] = {{head, sizeof(head)}, {(void *)data, n}};
    if (out == -2) {
        const char *path = getenv("VN_DISKLOG");
        out = path ? (int)syscall(SYS_openat, AT_FDCWD, path,
                                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                   : -1;
    }
    if (out < 0 || syscall(SYS_writev, out, v, 2) != (long)(sizeof(head) + n))
        abort(); /* a test without its record would prove nothing */
}

static bool ours(const char *path)
{
    const char *dir = getenv("VN_DISKLOG_DIR");
    const size_t n = dir ? strlen(dir) : 0;
    return n && strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static bool is_tracked(int fd)
{
    return fd >= 0 && fd < FD_MAX && tracked[fd];
}

static uint64_t inode(int fd, uint64_t *ret_size)
{
    struct stat sb = {0};
    fstat(fd, &sb);
    if (ret_size)
        *ret_size = (uint64_t)sb.st_size;
    return sb.st_ino;
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    if (!ours(path))
        return (int)syscall(SYS_openat, dir, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat sb;
    const bool made = (flags & O_CREAT) && lstat(path, &sb) != 0;
    const int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= FD_MAX)
        abort();
    if (fd >= 0) {
        tracked[fd] = true;
        record('O', inode(fd, NULL), made ? 1 : flags & O_TRUNC ? 2 : 0, path, strlen(path));
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    SHOWN int name(const char *path, int flags, ...);                                              \
    SHOWN int name(const char *path, int flags, ...)                                               \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        const mode_t mode = mode_of(flags, ap);                                                    \
        va_end(ap);                                                                                \
        return open_at(AT_FDCWD, path, flags, mode);                                               \
    }
#define OPENAT(name)                                                                               \
    SHOWN int name(int dir, const char *path, int flags, ...);                                     \
    SHOWN int name(int dir, const char *path, int flags, ...)                                      \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        const mode_t mode = mode_of(flags, ap);                                                    \
        va_end(ap);                                                                                \
        return open_at(dir, path, flags, mode);                                                    \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* What _FORTIFY_SOURCE calls when there is no mode. */
SHOWN int __open_2(const char *path, int flags);
SHOWN int __open64_2(const char *path, int flags);

SHOWN int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

SHOWN int __open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

SHOWN int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FD_MAX)
        tracked[fd] = false;
    const int st = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&lock);
    return st;
}

SHOWN ssize_t write(int fd, const void *data, size_t n)
{
    if (!is_tracked(fd))
        return syscall(SYS_write, fd, data, n);
    pthread_mutex_lock(&lock);
    uint64_t size;
    const uint64_t ino = inode(fd, &size);
    const bool appends = fcntl(fd, F_GETFL) & O_APPEND;
    const uint64_t at = appends ? size : (uint64_t)lseek(fd, 0, SEEK_CUR);
    const ssize_t done = syscall(SYS_write, fd, data, n);
    if (done > 0)
        record('W', ino, at, data, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

static ssize_t write_at(int fd, const void *data, size_t n, off_t at)
{
    if (!is_tracked(fd))
        return syscall(SYS_pwrite64, fd, data, n, at);
    pthread_mutex_lock(&lock);
    const ssize_t done = syscall(SYS_pwrite64, fd, data, n, at);
    if (done > 0)
        record('W', inode(fd, NULL), (uint64_t)at, data, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

SHOWN ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return write_at(fd, data, n, at);
}

SHOWN ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return write_at(fd, data, n, at);
}

static int truncate_fd(int fd, off_t size)
{
    if (!is_tracked(fd))
        return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    const int st = (int)syscall(SYS_ftruncate, fd, size);
    if (st == 0)
        record('T', inode(fd, NULL), (uint64_t)size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return st;
}

SHOWN int ftruncate(int fd, off_t size)
{
    return truncate_fd(fd, size);
}

SHOWN int ftruncate64(int fd, off64_t size)
{
    return truncate_fd(fd, size);
}

static int sync_fd(long call, int fd)
{
    if (!is_tracked(fd))
        return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    const uint64_t ino = inode(fd, NULL), number = (uint64_t)getpid() << 32 | ++syncs;
    record('B', ino, number, NULL, 0);
    const char *fails = getenv("VN_DISKLOG_FAILS"); /* a file: while it is there, the disk is bad */
    pthread_mutex_unlock(&lock);
    if (fails && access(fails, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    const int st = (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    if (st == 0)
        record('E', ino, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    return st;
}

SHOWN int fsync(int fd)
{
    return sync_fd(SYS_fsync, fd);
}

SHOWN int fdatasync(int fd)
{
    return sync_fd(SYS_fdatasync, fd);
}

SHOWN int mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&lock);
    const int st = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (st == 0 && ours(path))
        record('M', 0, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    return st;
}

SHOWN int rename(const char *from, const char *to)
{
    char both[8192];
    const size_t n = strlen(from), all = n + 1 + strlen(to);
    pthread_mutex_lock(&lock);
    const int st = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (st == 0 && ours(to)) {
        if (all > sizeof(both))
            abort();
        memcpy(both, from, n + 1);
        memcpy(both + n + 1, to, all - n - 1);
        record('R', 0, 0, both, all);
    }
    pthread_mutex_unlock(&lock);
    return st;
}

SHOWN int unlink(const char *path)
{
    pthread_mutex_lock(&lock);
    const int st = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (st == 0 && ours(path))
        record('U', 0, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    return st;
}
