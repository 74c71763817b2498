#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conflux/client.h"
#include "conflux/last_words.h"
#include "support/test.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/last-words-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    vn_last_words_clear(dir);
    return rmdir(dir);
}

/* What the command line says of a node that does not run. */
static const char *said(void)
{
    static struct vn_client_error err;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    Vn__Local__Response *r = NULL;
    assert_status(VN_ERR_NOTFOUND, vn_client_ask(dir, &rq, 100, &r, &err));
    assert_int_equal(VN_EXIT_NOT_RUNNING, err.exit);
    return err.text;
}

static void nothing_was_said(void **state)
{
    (void)state;
    char text[VN_LAST_WORDS_MAX] = "x";
    vn_last_words_load(dir, text);
    assert_string_equal("", text);
    assert_non_null(strstr(said(), "is not running: start it with"));
}

static void who_asks_is_told(void **state)
{
    (void)state;
    char text[VN_LAST_WORDS_MAX];
    vn_last_words_save(dir, "this node was revoked: start it again");
    vn_last_words_load(dir, text);
    assert_string_equal("this node was revoked: start it again", text);
    assert_non_null(strstr(said(), "is not running"));
    assert_non_null(strstr(said(), "it ended: this node was revoked: start it again"));
    vn_last_words_clear(dir);
    assert_null(strstr(said(), "revoked"));
}

static void long_words_are_cut(void **state)
{
    (void)state;
    char words[VN_LAST_WORDS_MAX + 100], text[VN_LAST_WORDS_MAX];
    memset(words, 'w', sizeof(words) - 1);
    words[sizeof(words) - 1] = 0;
    vn_last_words_save(dir, words);
    vn_last_words_load(dir, text);
    assert_int_equal(VN_LAST_WORDS_MAX - 1, strlen(text));
    assert_true(strlen(said()) > VN_LAST_WORDS_MAX);
}

static void a_folder_that_is_not_there(void **state)
{
    (void)state;
    char text[VN_LAST_WORDS_MAX];
    vn_last_words_save("/nonexistent/folder", "words");
    vn_last_words_load("/nonexistent/folder", text);
    assert_string_equal("", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_was_said, setup, teardown),
        cmocka_unit_test_setup_teardown(who_asks_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(long_words_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
