/* The numbered .sql files of migrations/, in order, NULL at the end. */
#pragma once

#include <stddef.h>

extern const char *const vn_migrations[];
