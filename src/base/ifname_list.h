/* Lists of interface names, such as "wg0,docker*": shell patterns (fnmatch(3)), comma between. */
#pragma once

#include <stdbool.h>

#define VN_IFNAMES_TEXT 128 /* a list, with its NUL */

/** Whether it is a list; the empty one is. */
bool vn_ifnames_valid(const char *list);
/** Whether one of the patterns is that name's. list is valid. */
bool vn_ifnames_has(const char *list, const char *name);
