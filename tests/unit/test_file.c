#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static char dir[] = "/tmp/vn-test-file-XXXXXX";
static char path[128];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    rmdir(in_dir("a/b/c"));
    rmdir(in_dir("a/b"));
    rmdir(in_dir("a"));
    unlink(in_dir("f"));
    return rmdir(dir); /* fails if a temporary file stayed behind */
}

static void writes_whole_or_not_at_all(void **state)
{
    (void)state;
    struct vn_buf b;
    struct stat sb;
    vn_buf_init(&b, 100);
    umask(077); /* what the mode says counts, not the umask */
    assert_ok(vn_file_write_atomic(in_dir("f"), VN_SPAN_LIT("first"), 0640));
    assert_ok(vn_file_write_atomic(in_dir("f"), VN_SPAN_LIT("second content"), 0640));
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0640);
    assert_ok(vn_file_read(path, &b));
    assert_span_equal(vn_buf_span(&b), VN_SPAN_LIT("second content"));
    assert_ok(vn_file_write_atomic(path, VN_SPAN_NONE, 0600));
    vn_buf_done(&b);
    assert_ok(vn_file_read(path, &b));
    assert_int_equal(b.len, 0);
    vn_buf_done(&b);
    /* a target that cannot be replaced keeps what it is, and nothing stays behind (tear_down sees)
     */
    assert_status(VN_ERR_IO, vn_file_write_atomic(dir, VN_SPAN_LIT("x"), 0600));
    assert_status(VN_ERR_IO, vn_file_write_atomic(in_dir("no/f"), VN_SPAN_LIT("x"), 0600));
    assert_int_equal(errno, ENOENT);
}

static void reads_up_to_the_limit(void **state)
{
    (void)state;
    struct vn_buf b;
    char content[300];
    memset(content, 'x', sizeof(content));
    assert_ok(vn_file_write_atomic(in_dir("f"), VN_SPAN(content, 300), 0600));
    vn_buf_init(&b, 300);
    assert_ok(vn_file_read(path, &b));
    assert_span_equal(vn_buf_span(&b), VN_SPAN(content, 300));
    vn_buf_done(&b);
    vn_buf_init(&b, 299);
    assert_ok(vn_buf_append(&b, "kept", 4));
    assert_status(VN_ERR_LIMIT, vn_file_read(path, &b));
    assert_span_equal(vn_buf_span(&b), VN_SPAN_LIT("kept"));
    vn_buf_done(&b);
    vn_buf_init(&b, 10);
    assert_status(VN_ERR_NOTFOUND, vn_file_read(in_dir("none"), &b));
    assert_status(VN_ERR_IO, vn_file_read(dir, &b));
    vn_buf_done(&b);
    /* a file whose size the kernel does not tell */
    vn_buf_init(&b, 100000);
    assert_ok(vn_file_read("/proc/self/status", &b));
    assert_true(b.len > 100);
    vn_buf_done(&b);
}

static void makes_folders(void **state)
{
    (void)state;
    struct stat sb;
    umask(022);
    assert_ok(vn_file_mkdirs(in_dir("a/b/c"), 0750));
    assert_ok(vn_file_mkdirs(path, 0700));
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0750);
    assert_ok(vn_file_write_atomic(in_dir("f"), VN_SPAN_LIT("x"), 0600));
    assert_status(VN_ERR_IO, vn_file_mkdirs(in_dir("f"), 0700));
    assert_status(VN_ERR_IO, vn_file_mkdirs(in_dir("f/g"), 0700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_whole_or_not_at_all),
        cmocka_unit_test(reads_up_to_the_limit),
        cmocka_unit_test(makes_folders),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
