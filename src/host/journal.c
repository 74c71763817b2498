#include "host/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "host/error.h"

#define HEADER "veilnet host journal 1 "

struct vn_journal {
    char *path, *dir;
    int fd;
    char boot[64];
    bool begun; /* the first line is there and ours */
    bool torn;  /* the last line has no end */
    struct vn_change *changes;
    size_t count, room;
    size_t damaged;
};

static uint32_t crc32_of(struct vn_span s)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= s.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void read_boot_id(char *ret, size_t cap)
{
    struct vn_buf b;
    vn_buf_init(&b, 256);
    size_t n = 0;
    if (vn_file_read("/proc/sys/kernel/random/boot_id", &b) == VN_OK) {
        while (n < b.len && n + 1 < cap && b.p[n] > ' ')
            n++;
        memcpy(ret, b.p, n);
    }
    ret[n] = 0;
    if (n == 0)
        snprintf(ret, cap, "unknown");
    vn_buf_done(&b);
}

static vn_status keep(struct vn_journal *j, const struct vn_change *c)
{
    if (j->count == VN_JOURNAL_CHANGES_MAX)
        return VN_ERR_LIMIT;
    if (j->count == j->room) {
        size_t room = j->room ? 2 * j->room : 16;
        struct vn_change *p = realloc(j->changes, room * sizeof(*p));
        if (!p)
            return VN_ERR_NOMEM;
        j->changes = p;
        j->room = room;
    }
    j->changes[j->count++] = *c;
    return VN_OK;
}

static bool known(const struct vn_journal *j, const struct vn_change *c)
{
    for (size_t i = 0; i < j->count; i++)
        if (vn_change_equal(&j->changes[i], c))
            return true;
    return false;
}

/* The text of a line whose sum is right. */
static bool check_line(struct vn_span line, struct vn_span *ret)
{
    if (line.n < 10 || line.p[8] != ' ')
        return false;
    struct vn_span text = VN_SPAN(line.p + 9, line.n - 9);
    char sum[9];
    snprintf(sum, sizeof(sum), "%08" PRIx32, crc32_of(text));
    if (memcmp(sum, line.p, 8) != 0)
        return false;
    *ret = text;
    return true;
}

static vn_status parse(struct vn_journal *j, struct vn_span all)
{
    char header[sizeof(HEADER) + sizeof(j->boot)];
    snprintf(header, sizeof(header), HEADER "%s", j->boot);
    bool first = true;
    while (all.n) {
        const uint8_t *end = memchr(all.p, '\n', all.n);
        size_t n = end ? (size_t)(end - all.p) : all.n;
        struct vn_span line = {all.p, n}, text;
        size_t skip = end ? n + 1 : n;
        all = VN_SPAN(all.p + skip, all.n - skip);
        struct vn_change c;
        if (!check_line(line, &text)) {
            j->damaged++;
        } else if (first && text.n > sizeof(HEADER) - 1 &&
                   memcmp(text.p, HEADER, sizeof(HEADER) - 1) == 0) {
            if (!vn_span_equal(text, VN_SPAN_STR(header)))
                return VN_OK; /* another boot */
            j->begun = true;
        } else if (vn_change_decode(text, &c) == VN_OK) {
            vn_status st = known(j, &c) ? VN_OK : keep(j, &c);
            if (st != VN_OK)
                return st == VN_ERR_LIMIT ? VN_OK : st;
        } else {
            j->damaged++;
        }
        first = false;
    }
    return VN_OK;
}

static vn_status read_all(struct vn_journal *j)
{
    struct vn_buf b;
    vn_buf_init(&b, VN_JOURNAL_BYTES_MAX);
    vn_status st = vn_buf_reserve(&b, VN_JOURNAL_BYTES_MAX);
    while (st == VN_OK && b.len < VN_JOURNAL_BYTES_MAX) {
        ssize_t n = pread(j->fd, b.p + b.len, VN_JOURNAL_BYTES_MAX - b.len, (off_t)b.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = VN_ERR_IO;
        if (n <= 0)
            break;
        b.len += (size_t)n;
    }
    if (st == VN_OK)
        st = parse(j, vn_buf_span(&b));
    j->torn = b.len && b.p[b.len - 1] != '\n';
    vn_buf_done(&b);
    return st;
}

/* Another process may remove the file between our open and our lock: then take the new one. */
static vn_status open_locked(struct vn_journal *j, struct vn_host_error *ret_err)
{
    for (int i = 0; i < 16; i++) {
        j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (j->fd < 0)
            return vn_host_fail(ret_err, VN_HOST_STATE_DIR, errno, "cannot open %s: %s", j->path,
                                strerror(errno));
        if (flock(j->fd, LOCK_EX | LOCK_NB) < 0) {
            int err = errno;
            return err == EWOULDBLOCK
                       ? vn_host_fail(ret_err, VN_HOST_IN_USE, err,
                                      "a node is already running with the state folder %s", j->dir)
                       : vn_host_fail(ret_err, VN_HOST_STATE_DIR, err, "cannot lock %s: %s",
                                      j->path, strerror(err));
        }
        struct stat mine, there;
        if (fstat(j->fd, &mine) == 0 && stat(j->path, &there) == 0 && mine.st_ino == there.st_ino &&
            mine.st_dev == there.st_dev)
            return VN_OK;
        close(j->fd);
        j->fd = -1;
    }
    return vn_host_fail(ret_err, VN_HOST_IN_USE, 0, "the journal of %s keeps changing", j->dir);
}

vn_status vn_journal_open(const char *state_dir, struct vn_journal **ret,
                          struct vn_host_error *ret_err)
{
    struct vn_journal *j = calloc(1, sizeof(*j));
    if (!j)
        return VN_ERR_NOMEM;
    j->fd = -1;
    read_boot_id(j->boot, sizeof(j->boot));
    size_t n = strlen(state_dir) + sizeof("/" VN_JOURNAL_FILE);
    j->dir = strdup(state_dir);
    j->path = malloc(n);
    vn_status st = VN_ERR_NOMEM;
    if (j->dir && j->path) {
        snprintf(j->path, n, "%s/%s", state_dir, VN_JOURNAL_FILE);
        st = open_locked(j, ret_err);
    }
    if (st == VN_OK && (st = read_all(j)) == VN_ERR_IO)
        st = vn_host_fail(ret_err, VN_HOST_STATE_DIR, errno, "cannot read %s: %s", j->path,
                          strerror(errno));
    if (st != VN_OK) {
        vn_journal_close(j);
        return st;
    }
    *ret = j;
    return VN_OK;
}

struct vn_journal *vn_journal_close(struct vn_journal *j)
{
    if (!j)
        return NULL;
    if (j->fd >= 0)
        close(j->fd); /* and the lock goes */
    free(j->changes);
    free(j->path);
    free(j->dir);
    free(j);
    return NULL;
}

size_t vn_journal_changes(const struct vn_journal *j, const struct vn_change **ret)
{
    *ret = j->changes;
    return j->count;
}

size_t vn_journal_damaged(const struct vn_journal *j)
{
    return j->damaged;
}

static vn_status put_line(struct vn_buf *b, const char *text)
{
    char sum[10];
    snprintf(sum, sizeof(sum), "%08" PRIx32 " ", crc32_of(VN_SPAN_STR(text)));
    vn_status st = vn_buf_append(b, sum, 9);
    if (st == VN_OK)
        st = vn_buf_append(b, text, strlen(text));
    if (st == VN_OK)
        st = vn_buf_append(b, "\n", 1);
    return st;
}

static vn_status sync_dir(const struct vn_journal *j)
{
    int fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return VN_ERR_IO;
    int rc = fsync(fd);
    close(fd);
    return rc < 0 ? VN_ERR_IO : VN_OK;
}

static vn_status write_synced(struct vn_journal *j, struct vn_span s)
{
    while (s.n) {
        ssize_t n = write(j->fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return VN_ERR_IO;
        s = VN_SPAN(s.p + n, s.n - (size_t)n);
    }
    return fdatasync(j->fd) < 0 ? VN_ERR_IO : VN_OK;
}

vn_status vn_journal_add(struct vn_journal *j, const struct vn_change *changes, size_t count)
{
    struct vn_buf b;
    vn_buf_init(&b, VN_JOURNAL_BYTES_MAX);
    vn_status st = VN_OK;
    bool begun = j->begun;
    size_t before = j->count;
    if (!begun) {
        char header[sizeof(HEADER) + sizeof(j->boot)];
        snprintf(header, sizeof(header), HEADER "%s", j->boot);
        /* What another boot, or a torn first write, left behind. */
        if (ftruncate(j->fd, 0) < 0)
            st = VN_ERR_IO;
        if (st == VN_OK)
            st = put_line(&b, header);
    } else {
        /* Ends a line that a crash cut short, so that it spoils no other. */
        st = j->torn ? vn_buf_append(&b, "\n", 1) : VN_OK;
    }
    for (size_t i = 0; i < count && st == VN_OK; i++) {
        if (known(j, &changes[i]))
            continue;
        char text[VN_CHANGE_TEXT];
        vn_change_encode(&changes[i], text);
        st = keep(j, &changes[i]);
        if (st == VN_OK)
            st = put_line(&b, text);
    }
    if (st == VN_OK && (j->count > before || !begun)) {
        st = write_synced(j, vn_buf_span(&b));
        j->torn = st != VN_OK;
    }
    if (st == VN_OK && !begun)
        st = sync_dir(j);
    if (st == VN_OK)
        j->begun = true;
    else
        j->count = before; /* not made, so nothing to undo; undoing them anyway would do no harm */
    vn_buf_done(&b);
    return st;
}

vn_status vn_journal_clear(struct vn_journal *j)
{
    j->count = 0;
    j->damaged = 0;
    j->begun = false;
    /* Emptied first: if the removal is lost in a crash, the file has nothing to undo. */
    if (ftruncate(j->fd, 0) < 0 || fsync(j->fd) < 0)
        return VN_ERR_IO;
    if (unlink(j->path) < 0 && errno != ENOENT)
        return VN_ERR_IO;
    return sync_dir(j);
}
