#include "guardian/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

#include "base/id.h"

int vn_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("veilnet-guardian: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
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
        if (word) {
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
