#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "support/test.h"

static char line[8192];

/* Runs stmt with standard error on a pipe and leaves what it wrote in line. */
#define CAPTURE(stmt)                                                                              \
    do {                                                                                           \
        int fds[2];                                                                                \
        assert_int_equal(pipe(fds), 0);                                                            \
        const int old = dup(STDERR_FILENO);                                                        \
        dup2(fds[1], STDERR_FILENO);                                                               \
        stmt;                                                                                      \
        dup2(old, STDERR_FILENO);                                                                  \
        close(old);                                                                                \
        close(fds[1]);                                                                             \
        const ssize_t got = read(fds[0], line, sizeof(line) - 1);                                  \
        close(fds[0]);                                                                             \
        line[got > 0 ? got : 0] = '\0';                                                            \
    } while (0)

/* What stands after the time. */
static const char *after_time(void)
{
    static const char PATTERN[] = "0000-00-00T00:00:00.000Z";
    const char *p = strncmp(line, "{\"time\":\"", 9) == 0 ? line + 9 : line;
    for (size_t i = 0; PATTERN[i]; i++, p++) {
        if (PATTERN[i] == '0' ? *p < '0' || *p > '9' : *p != PATTERN[i])
            fail_msg("no time in: %s", line);
    }
    return p;
}

static void json_has_every_type(void **state)
{
    (void)state;
    vn_log_setup(VN_LOG_INFO, 1);
    const struct vn_id id = {0};
    struct vn_ip ip;
    assert_ok(vn_ip_parse("10.0.0.7", &ip));
    CAPTURE(vn_log(VN_LOG_WARN, "some_event", VN_KV_STR("s", "a"), VN_KV_U64("u", UINT64_MAX),
                   VN_KV_I64("i", -5), VN_KV_ID("id", &id), VN_KV_IP("ip", &ip),
                   VN_KV_STATUS(VN_ERR_AUTH), VN_KV_ERRNO(ENOENT),
                   VN_KV_FP("key", vn_test_hex("0102030405060708090a")), VN_KV_STR("none", NULL)));
    assert_string_equal(after_time(),
                        "\",\"level\":\"warn\",\"event\":\"some_event\",\"s\":\"a\","
                        "\"u\":18446744073709551615,\"i\":-5,\"id\":\"AAAAAAAAAAAAAAAAAAAAAA\","
                        "\"ip\":\"10.0.0.7\",\"reason\":\"auth\","
                        "\"error\":\"No such file or directory\",\"key\":\"0102030405060708\","
                        "\"none\":\"\"}\n");
}

static void json_escapes(void **state)
{
    (void)state;
    vn_log_setup(VN_LOG_INFO, 1);
    CAPTURE(vn_log(VN_LOG_INFO, "e",
                   VN_KV_STR("s", "q\"b\\n\n\x1b[31m\x7f \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 "
                                  "\xff \xc3 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xc2\x9b")));
    assert_string_equal(
        after_time(), "\",\"level\":\"info\",\"event\":\"e\",\"s\":\"q\\\"b\\\\n\\u000a\\u001b[31m"
                      "\\u007f \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \\ufffd \\ufffd "
                      "\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\\ufffd "
                      "\\ufffd\\ufffd\"}\n");
}

static void text_quotes_only_what_needs_it(void **state)
{
    (void)state;
    vn_log_setup(VN_LOG_INFO, 0);
    CAPTURE(vn_log(VN_LOG_ERROR, "e", VN_KV_STR("a", "plain"), VN_KV_STR("b", "two words"),
                   VN_KV_STR("c", ""), VN_KV_STR("d", "x\x1b]0;y\n"), VN_KV_U64("n", 3)));
    assert_string_equal(after_time(), " error e a=plain b=\"two words\" c=\"\" "
                                      "d=\"x\\u001b]0;y\\u000a\" n=3\n");
    CAPTURE(vn_log(VN_LOG_INFO, "bare"));
    assert_string_equal(after_time(), " info bare\n");
}

static void level_filters(void **state)
{
    (void)state;
    vn_log_setup(VN_LOG_WARN, 0);
    CAPTURE(vn_log(VN_LOG_INFO, "e"));
    assert_string_equal(line, "");
    CAPTURE(vn_log(VN_LOG_WARN, "e"));
    assert_string_not_equal(line, "");
    assert_int_equal(vn_log_level_now(), VN_LOG_WARN);
}

/* Too much for one line: whole fields go, the line stays one well-formed object of at most 4096
 * bytes. */
static void long_lines_stay_well_formed(void **state)
{
    (void)state;
    static char big[2000];
    vn_log_setup(VN_LOG_INFO, 1);
    memset(big, '\n', sizeof(big) - 1); /* six characters each once escaped */
    CAPTURE(vn_log(VN_LOG_INFO, "e", VN_KV_STR("big", big), VN_KV_U64("n", 1)));
    assert_string_equal(after_time(),
                        "\",\"level\":\"info\",\"event\":\"e\",\"n\":1,\"cut\":true}\n");
    for (size_t n = 0; n < sizeof(big); n++) {
        memset(big, 'x', n);
        big[n] = '\0';
        errno = 77;
        CAPTURE(vn_log(VN_LOG_INFO, "e", VN_KV_STR("a", big), VN_KV_STR("b", big),
                       VN_KV_STR("c", big), VN_KV_STR("d", big), VN_KV_STR("e", "end")));
        const size_t len = strlen(line);
        assert_true(len <= 4096);
        assert_memory_equal(line + len - 2, "}\n", 2);
        assert_true(strchr(line, '\n') == line + len - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_every_type),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(text_quotes_only_what_needs_it),
        cmocka_unit_test(level_filters),
        cmocka_unit_test(long_lines_stay_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
