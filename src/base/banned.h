/**
 * Functions whose use is an error at compile time. Force-included before every file of ours, so the
 * system headers that declare them come first; an attempt to call one names an undeclared
 * identifier that says why. The idea is git's banned.h and curl's checksrc.
 */
#ifndef VN_BASE_BANNED_H
#define VN_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* Write without a bound, or leave out the terminator: use snprintf or vn_writer. */
#undef strcpy
#define strcpy(...) vn_banned_strcpy_use_snprintf
#undef strcat
#define strcat(...) vn_banned_strcat_use_snprintf
#undef strncpy
#define strncpy(...) vn_banned_strncpy_use_snprintf
#undef strncat
#define strncat(...) vn_banned_strncat_use_snprintf
#undef stpcpy
#define stpcpy(...) vn_banned_stpcpy_use_snprintf
#undef sprintf
#define sprintf(...) vn_banned_sprintf_use_snprintf
#undef vsprintf
#define vsprintf(...) vn_banned_vsprintf_use_vsnprintf
#undef gets
#define gets(...) vn_banned_gets_use_fgets

/* Hide the difference between zero and an error: use strtol and check. */
#undef atoi
#define atoi(...) vn_banned_atoi_use_strtol
#undef atol
#define atol(...) vn_banned_atol_use_strtol
#undef atoll
#define atoll(...) vn_banned_atoll_use_strtoll
#undef atof
#define atof(...) vn_banned_atof_use_strtod

/* Predictable: use vn_random (crypto), or a seeded generator of one's own in tests. */
#undef rand
#define rand(...) vn_banned_rand_use_vn_random
#undef srand
#define srand(...) vn_banned_srand_use_vn_random
#undef random
#define random(...) vn_banned_random_use_vn_random
#undef srandom
#define srandom(...) vn_banned_srandom_use_vn_random

/* Keep hidden state that threads share: use the _r forms. */
#undef strtok
#define strtok(...) vn_banned_strtok_use_strtok_r
#undef gmtime
#define gmtime(...) vn_banned_gmtime_use_gmtime_r
#undef localtime
#define localtime(...) vn_banned_localtime_use_localtime_r
#undef ctime
#define ctime(...) vn_banned_ctime_use_strftime
#undef asctime
#define asctime(...) vn_banned_asctime_use_strftime

/* Race between the name and the file: use mkstemp. */
#undef mktemp
#define mktemp(...) vn_banned_mktemp_use_mkstemp
#undef tmpnam
#define tmpnam(...) vn_banned_tmpnam_use_mkstemp

/* We never shell out. */
#undef system
#define system(...) vn_banned_system_never_shell_out
#undef popen
#define popen(...) vn_banned_popen_never_shell_out

#endif
