#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* One line, at most: PIPE_BUF, so that lines of several processes on one pipe do not mix. */
#define LINE_MAX_BYTES 4096
#define VALUE_MAX_BYTES 1024 /* of one string before escaping; the rest is cut */
#define TAIL_ROOM 24         /* for the mark of a cut line, the brace and the newline */

static _Atomic enum vn_log_level level_now = VN_LOG_INFO;
static atomic_int json_now = -1;

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool full; /* something was left out */
};

static const char *const LEVEL_NAMES[] = {"error", "warn", "info", "debug"};

enum vn_log_level vn_log_level_now(void)
{
    return atomic_load_explicit(&level_now, memory_order_relaxed);
}

void vn_log_setup(enum vn_log_level level, int json)
{
    atomic_store(&level_now, level);
    atomic_store(&json_now, json < 0 ? !isatty(STDERR_FILENO) : json != 0);
}

static bool put(struct line *l, const char *p, size_t n)
{
    if (n > sizeof(l->text) - TAIL_ROOM - l->len) {
        l->full = true;
        return false;
    }
    memcpy(l->text + l->len, p, n);
    l->len += n;
    return true;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/*
 * Length of the well-formed UTF-8 sequence at p, 0 if there is none (Unicode 15, table 3-7); C1
 * controls count as malformed, because some terminals obey them.
 */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    const size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    const bool over_long = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    const bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    const bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    const bool c1 = p[0] == 0xc2 && p[1] < 0xa0;
    return over_long || surrogate || beyond || c1 ? 0 : len;
}

/* The characters between quotes, valid as a JSON string (RFC 8259 section 7) and harmless on a
 * terminal. */
static void put_escaped(struct line *l, const char *s)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t left = strnlen(s, VALUE_MAX_BYTES);
    while (left > 0) {
        const size_t n = utf8_len(p, left);
        char esc[8];
        if (n == 0)
            put_str(l, "\\ufffd");
        else if (*p == '"' || *p == '\\')
            put(l, (char[]){'\\', (char)*p}, 2);
        else if (*p < 0x20 || *p == 0x7f)
            put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", *p));
        else
            put(l, (const char *)p, n);
        p += n ? n : 1;
        left -= n ? n : 1;
    }
}

static bool needs_quotes(const char *s)
{
    if (!*s)
        return true;
    for (; *s; s++) {
        if (*s <= ' ' || *s == '"' || *s == '\\' || *s == '=' || *s == 0x7f)
            return true; /* bytes from 0x80 are negative here: quoted as well */
    }
    return false;
}

static void put_string(struct line *l, bool json, const char *s)
{
    if (!s)
        s = "";
    const bool quotes = json || needs_quotes(s);
    if (quotes)
        put_str(l, "\"");
    put_escaped(l, s);
    if (quotes)
        put_str(l, "\"");
}

static void put_value(struct line *l, bool json, const struct vn_kv *kv)
{
    char text[VN_IP_TEXT > 32 ? VN_IP_TEXT : 32];
    switch (kv->type) {
    case VN_KV_T_U64:
        snprintf(text, sizeof(text), "%" PRIu64, kv->u);
        put_str(l, text);
        return;
    case VN_KV_T_I64:
        snprintf(text, sizeof(text), "%" PRId64, kv->i);
        put_str(l, text);
        return;
    case VN_KV_T_ID:
        vn_id_format(kv->id, text);
        put_string(l, json, text);
        return;
    case VN_KV_T_IP:
        vn_ip_format(kv->ip, text);
        put_string(l, json, text);
        return;
    case VN_KV_T_STATUS:
        put_string(l, json, vn_status_name((vn_status)kv->i));
        return;
    case VN_KV_T_FP:
        vn_hex_encode(VN_SPAN(kv->fp.p, VN_MIN(kv->fp.n, (size_t)8)), text);
        put_string(l, json, text);
        return;
    case VN_KV_T_STR:
    case VN_KV_T_END:
        put_string(l, json, kv->s);
        return;
    }
}

static void put_field(struct line *l, bool json, const struct vn_kv *kv)
{
    const size_t start = l->len;
    const bool was_full = l->full;
    l->full = false;
    put_str(l, json ? ",\"" : " ");
    put_escaped(l, kv->name);
    put_str(l, json ? "\":" : "=");
    put_value(l, json, kv);
    if (l->full)
        l->len = start; /* a field is whole or missing, so the line stays well-formed */
    l->full |= was_full;
}

static void put_time(struct line *l)
{
    struct timespec ts = {0};
    struct tm tm = {0};
    char text[40];
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    (void)gmtime_r(&ts.tv_sec, &tm);
    const size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(ts.tv_nsec / 1000000) % 1000u);
    put_str(l, text);
}

void vn_log_write(enum vn_log_level level, const char *event, const struct vn_kv *kv)
{
    const int saved = errno;
    int json = atomic_load(&json_now);
    if (json < 0)
        json = !isatty(STDERR_FILENO);
    struct line l;
    l.len = 0;
    l.full = false;

    if (json)
        put_str(&l, "{\"time\":\"");
    put_time(&l);
    put_str(&l, json ? "\",\"level\":\"" : " ");
    put_str(&l, LEVEL_NAMES[level]);
    put_str(&l, json ? "\",\"event\":\"" : " ");
    put_escaped(&l, event);
    if (json)
        put_str(&l, "\"");
    for (; kv->type != VN_KV_T_END; kv++)
        put_field(&l, json, kv);

    const char *cut = !l.full ? "" : json ? ",\"cut\":true" : " cut=true";
    const int n = snprintf(l.text + l.len, sizeof(l.text) - l.len, "%s%s\n", cut, json ? "}" : "");
    l.len += (size_t)n; /* TAIL_ROOM was kept for it */
    /* A log that cannot be written has nobody to tell. */
    const ssize_t VN_UNUSED written = write(STDERR_FILENO, l.text, l.len);
    errno = saved;
}
