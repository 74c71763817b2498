#include "conflux/last_words.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "conflux/config.h"

#define FILE_NAME "ended"

void vn_last_words_save(const char *state_dir, const char *text)
{
    char path[VN_PATH_MAX];
    if (vn_state_path(state_dir, FILE_NAME, path))
        (void)!vn_file_write_atomic(path, VN_SPAN(text, strnlen(text, VN_LAST_WORDS_MAX - 1)),
                                    0600);
}

void vn_last_words_clear(const char *state_dir)
{
    char path[VN_PATH_MAX];
    if (vn_state_path(state_dir, FILE_NAME, path))
        (void)unlink(path);
}

void vn_last_words_load(const char *state_dir, char ret[VN_LAST_WORDS_MAX])
{
    char path[VN_PATH_MAX];
    struct vn_buf text;
    vn_buf_init(&text, VN_LAST_WORDS_MAX - 1);
    ret[0] = 0;
    if (vn_state_path(state_dir, FILE_NAME, path) && vn_file_read(path, &text) == VN_OK)
        snprintf(ret, VN_LAST_WORDS_MAX, "%.*s", (int)text.len, (const char *)text.p);
    vn_buf_done(&text);
}
