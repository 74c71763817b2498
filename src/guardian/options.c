#include "guardian/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

#define SAID_MAX 1200 /* bytes of one sentence: of what is longer, its two ends */
#define SAID_HEAD 800

/* Of the character at s, if it is one that shows; 0: it moves the cursor, or is no UTF-8. */
static size_t shown(const unsigned char *s)
{
    const size_t n = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    if (*s < 0x20 || *s == 0x7f || (*s >= 0x80 && *s < 0xc2) || *s > 0xf4 ||
        (*s == 0xc2 && s[1] < 0xa0))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void vn_print_text(FILE *to, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        const size_t n = shown(s);
        if (n)
            fwrite(s, 1, n, to);
        else
            fputc(*s == '\n' || *s == '\t' ? ' ' : '?', to);
        s += n ? n : 1;
    }
}

int vn_die(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    const int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    fputs("veilnet-guardian: ", stderr);
    if (n < 0) {
        fputs("out of memory", stderr);
    } else if (n > SAID_MAX) { /* somebody's words; the end says what to do */
        const char *end = text + n - (SAID_MAX - SAID_HEAD);
        text[SAID_HEAD] = 0;
        vn_print_text(stderr, text);
        fputs(" … ", stderr);
        vn_print_text(stderr, end);
    } else {
        vn_print_text(stderr, text);
    }
    fputc('\n', stderr);
    if (n >= 0)
        free(text);
    return 1;
}

static vn_status bad(const char *what, const char *arg)
{
    vn_die("%s %s; see veilnet-guardian help", what, arg);
    return VN_ERR_ARG;
}

vn_status vn_options_parse(int argc, char **argv, const struct vn_option *options)
{
    for (int i = 1; i < argc; i++) {
        /* One id in 64 begins with a hyphen. */
        struct vn_id id;
        bool word = argv[i][0] != '-' || vn_id_parse(VN_SPAN_STR(argv[i]), &id) == VN_OK;
        size_t n = word ? 0 : strcspn(argv[i], "=");
        const struct vn_option *o = options;
        while (o->name && (strlen(o->name) != n || memcmp(o->name, argv[i], n) != 0))
            o++;
        if (!o->name)
            return bad("unknown argument", argv[i]);
        if (word && *o->value) {
            return bad("one name at a time, not also", argv[i]);
        } else if (word) {
            *o->value = argv[i];
        } else if (o->flag) {
            if (argv[i][n])
                return bad("this option takes no value:", argv[i]);
            *o->flag = true;
        } else if (argv[i][n]) {
            *o->value = argv[i] + n + 1;
        } else if (i + 1 < argc) {
            *o->value = argv[++i];
        } else {
            return bad("a value is missing after", argv[i]);
        }
    }
    return VN_OK;
}

vn_status vn_duration_parse(const char *text, uint64_t *ret_s)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || end == text || text[0] == '-' || text[0] == '+')
        return VN_ERR_ARG;
    uint64_t unit = 1;
    if (*end) {
        static const struct {
            char c;
            uint64_t s;
        } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
        size_t i = 0;
        while (i < VN_ARRAY_LEN(UNITS) && UNITS[i].c != *end)
            i++;
        if (i == VN_ARRAY_LEN(UNITS) || end[1])
            return VN_ERR_ARG;
        unit = UNITS[i].s;
    }
    return vn_ckd_mul(ret_s, (uint64_t)v, unit) ? VN_OK : VN_ERR_ARG;
}
