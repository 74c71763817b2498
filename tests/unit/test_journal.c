#include "host/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "support/guard.h"
#include "support/test.h"

static char dir[] = "/tmp/vn-test-journal-XXXXXX";
static char path[sizeof(dir) + 32];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/%s", dir, VN_JOURNAL_FILE);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static struct vn_change change(const char *text)
{
    struct vn_change c;
    assert_ok(vn_change_decode(VN_SPAN_STR(text), &c));
    return c;
}

static const char *const texts[] = {
    "addr 7 veilnet 10.66.0.1",
    "addr 7 veilnet fd66::1",
    "route 7 veilnet 7660007 10.66.0.0/16",
    "route 7 veilnet 7660007 fd66::/64",
    "rule 4 5180 1986920449 7660007",
    "rule 6 5180 4294967295 7660007",
};
#define TEXTS VN_ARRAY_LEN(texts)

static void changes_have_one_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXTS; i++) {
        struct vn_change c = change(texts[i]);
        char out[VN_CHANGE_TEXT];
        vn_change_encode(&c, out);
        assert_string_equal(texts[i], out);
        assert_true(vn_change_equal(&c, &c));
        struct vn_change other = change(texts[(i + 1) % TEXTS]);
        assert_false(vn_change_equal(&c, &other));
    }
    static const char *const bad[] = {
        "",
        " ",
        "addr",
        "addr 7",
        "addr 7 veilnet",
        "addr 7 veilnet 10.66.0.1 ",
        "addr 7 veilnet 10.66.0.1 x",
        "addr 07 veilnet 10.66.0.1",
        "addr -7 veilnet 10.66.0.1",
        "addr 4294967296 veilnet 10.66.0.1",
        "addr 7 abcdefghijklmnop 10.66.0.1",
        "addr 7  10.66.0.1",
        "addr 7 veilnet 10.66.0.1/32",
        "addr 7 veilnet FD66::1",
        "route 7 veilnet 5 10.66.0.1/16",
        "route 7 veilnet 5 10.66.0.0/33",
        "rule 5 1 2 3",
        "rule 4 1 2",
        "rule 4 1 2 3 4",
        "rule 4 1 2 99999999999999999999",
        "Rule 4 1 2 3",
        "mount 4 1 2 3",
    };
    struct vn_guard g;
    vn_guard_init(&g, 256);
    struct vn_change c;
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        assert_status(VN_ERR_MALFORMED,
                      vn_change_decode(vn_guard_copy(&g, VN_SPAN_STR(bad[i])), &c));
    assert_status(
        VN_ERR_MALFORMED,
        vn_change_decode(vn_guard_copy(&g, VN_SPAN_LIT("addr 7 veil\0et 10.66.0.1")), &c));
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t n = 0; n < strlen(texts[i]); n++) {
            struct vn_span cut = vn_guard_copy(&g, VN_SPAN(texts[i], n));
            /* Shorter numbers and addresses are other changes; none is read too far. */
            (void)!vn_change_decode(cut, &c);
        }
    }
    vn_guard_done(&g);
}

static struct vn_journal *open_journal(void)
{
    struct vn_journal *j;
    struct vn_host_error err = {0};
    assert_ok(vn_journal_open(dir, &j, &err));
    return j;
}

static void fill(struct vn_journal *j, size_t n)
{
    struct vn_change c[TEXTS];
    for (size_t i = 0; i < n; i++)
        c[i] = change(texts[i]);
    assert_ok(vn_journal_add(j, c, n));
}

static size_t count(const struct vn_journal *j)
{
    const struct vn_change *c;
    return vn_journal_changes(j, &c);
}

static void what_was_written_is_found_again(void **state)
{
    (void)state;
    struct vn_journal *j = open_journal();
    assert_int_equal(0, count(j));
    fill(j, 4);
    fill(j, TEXTS); /* the first four are known */
    assert_int_equal(TEXTS, count(j));
    vn_journal_close(j);
    struct stat st;
    assert_int_equal(0, stat(path, &st));
    assert_int_equal(0600, st.st_mode & 0777);

    j = open_journal();
    const struct vn_change *c;
    assert_int_equal(TEXTS, vn_journal_changes(j, &c));
    for (size_t i = 0; i < TEXTS; i++) {
        char out[VN_CHANGE_TEXT];
        vn_change_encode(&c[i], out);
        assert_string_equal(texts[i], out);
    }
    assert_int_equal(0, vn_journal_damaged(j));
    assert_ok(vn_journal_clear(j));
    assert_int_equal(0, count(j));
    assert_int_equal(-1, stat(path, &st));
    vn_journal_close(j);
}

static void only_one_holds_it(void **state)
{
    (void)state;
    struct vn_journal *j = open_journal(), *other = NULL;
    struct vn_host_error err = {0};
    assert_status(VN_ERR_STATE, vn_journal_open(dir, &other, &err));
    assert_int_equal(VN_HOST_IN_USE, err.cause);
    assert_non_null(strstr(err.what, dir));
    vn_journal_close(j);
    j = open_journal();
    assert_ok(vn_journal_clear(j));
    vn_journal_close(j);
    vn_journal_close(NULL);
}

static void a_missing_folder_is_said(void **state)
{
    (void)state;
    struct vn_journal *j = NULL;
    struct vn_host_error err = {0};
    assert_status(VN_ERR_IO, vn_journal_open("/nonexistent/vn", &j, &err));
    assert_int_equal(VN_HOST_STATE_DIR, err.cause);
    assert_int_equal(ENOENT, err.err);
}

static struct vn_buf read_file(void)
{
    struct vn_buf b;
    vn_buf_init(&b, 65536);
    assert_ok(vn_file_read(path, &b));
    return b;
}

static void write_file(struct vn_span s)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(s.n, write(fd, s.p, s.n));
    close(fd);
}

/* Whatever a crash or a disk does to it: what is left parses, and it can be written on. */
static void damage_loses_only_what_it_hits(void **state)
{
    (void)state;
    struct vn_journal *j = open_journal();
    fill(j, TEXTS);
    vn_journal_close(j);
    struct vn_buf whole = read_file();
    for (size_t n = 0; n <= whole.len; n++) {
        write_file(VN_SPAN(whole.p, n));
        j = open_journal();
        size_t lines = 0;
        for (size_t i = 0; i < n; i++)
            lines += whole.p[i] == '\n';
        /* The last line counts even without its newline: its sum says that it is whole. */
        size_t expected = lines + (n < whole.len && whole.p[n] == '\n');
        assert_int_equal(expected ? expected - 1 : 0, count(j));
        fill(j, TEXTS);
        vn_journal_close(j);
        j = open_journal();
        assert_int_equal(TEXTS, count(j));
        vn_journal_close(j);
    }
    for (size_t i = 0; i < whole.len; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            whole.p[i] ^= (uint8_t)(1u << bit);
            write_file(vn_buf_span(&whole));
            whole.p[i] ^= (uint8_t)(1u << bit);
            j = open_journal();
            /* A newline that becomes something else joins two lines. */
            assert_true(count(j) >= TEXTS - 2);
            vn_journal_close(j);
        }
    }
    vn_buf_done(&whole);
    for (int round = 0; round < 300; round++) {
        uint8_t noise[512];
        size_t n = vn_test_below(sizeof(noise));
        vn_test_fill(noise, n);
        write_file(VN_SPAN(noise, n));
        j = open_journal();
        assert_int_equal(0, count(j));
        vn_journal_close(j);
    }
    j = open_journal();
    assert_ok(vn_journal_clear(j));
    vn_journal_close(j);
}

static void another_boot_has_nothing_to_undo(void **state)
{
    (void)state;
    struct vn_journal *j = open_journal();
    fill(j, TEXTS);
    vn_journal_close(j);
    struct vn_buf b = read_file();
    /* "crc32 veilnet host journal 1 <boot>": another boot id with its right sum. */
    static const char other[] = "bfcd82d2 veilnet host journal 1 elsewhere\n";
    uint8_t *nl = memchr(b.p, '\n', b.len);
    size_t rest = b.len - (size_t)(nl + 1 - b.p);
    struct vn_buf out;
    vn_buf_init(&out, 65536);
    assert_ok(vn_buf_append(&out, other, sizeof(other) - 1));
    assert_ok(vn_buf_append(&out, nl + 1, rest));
    write_file(vn_buf_span(&out));
    j = open_journal();
    assert_int_equal(0, vn_journal_damaged(j));
    assert_int_equal(0, count(j));
    fill(j, 1);
    vn_journal_close(j);
    j = open_journal();
    assert_int_equal(1, count(j));
    assert_ok(vn_journal_clear(j));
    vn_journal_close(j);
    vn_buf_done(&b);
    vn_buf_done(&out);
}

static void it_is_bounded(void **state)
{
    (void)state;
    struct vn_journal *j = open_journal();
    struct vn_change c = change("rule 4 1 1 1");
    for (uint32_t i = 0; i < VN_JOURNAL_CHANGES_MAX; i++) {
        c.priority = i;
        assert_ok(vn_journal_add(j, &c, 1));
    }
    c.priority = VN_JOURNAL_CHANGES_MAX;
    assert_status(VN_ERR_LIMIT, vn_journal_add(j, &c, 1));
    assert_int_equal(VN_JOURNAL_CHANGES_MAX, count(j));
    assert_ok(vn_journal_clear(j));
    vn_journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_have_one_spelling),
        cmocka_unit_test(what_was_written_is_found_again),
        cmocka_unit_test(only_one_holds_it),
        cmocka_unit_test(a_missing_folder_is_said),
        cmocka_unit_test(damage_loses_only_what_it_hits),
        cmocka_unit_test(another_boot_has_nothing_to_undo),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
