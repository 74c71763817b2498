/*
 * Why the daemon of a state folder ended by itself: a file there that the command line shows to who
 * asks for a node that does not run. It is gone with the next start.
 */
#pragma once

#include "base/attr.h"

#define VN_LAST_WORDS_MAX 512

/** Best effort: a disk that is full keeps nobody from ending. */
void vn_last_words_save(const char *state_dir, const char *text);
void vn_last_words_clear(const char *state_dir);
/** Empty when there are none. */
void vn_last_words_load(const char *state_dir, char ret[VN_LAST_WORDS_MAX]);
