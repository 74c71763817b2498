#include "control/json_long.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/writer.h"

#define LONG_MIN_BYTES 64 /* what is shorter costs more to find than to read */
#define MARK "\\u0001"    /* then the number of the text */
#define MARK_CHAR 1
#define MARK_MAX (sizeof(MARK) + 2)

_Static_assert(MARK_MAX < LONG_MIN_BYTES && VN_JSON_LONG_MAX <= 100, "the JSON becomes no longer");

#define ONES (UINT64_MAX / 255) /* each byte is 1 */

/* Nonzero if one of eight bytes is below the limit, which is at most 128, or none of ASCII. */
static uint64_t any_below(uint64_t eight, uint8_t limit)
{
    return ((eight - ONES * limit) | eight) & ONES * 128;
}

static bool plain_eight(const char *p)
{
    uint64_t eight;
    memcpy(&eight, p, sizeof(eight));
    return !(any_below(eight, 0x20) | any_below(eight ^ ONES * '"', 1) |
             any_below(eight ^ ONES * '\\', 1));
}

static bool plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

size_t vn_json_plain(const char *p, size_t n)
{
    size_t i = 0;
    while (n - i >= 8 && plain_eight(p + i))
        i += 8;
    while (i < n && plain(p[i]))
        i++;
    return i;
}

/* From inside a string to its closing quote, or beyond n. */
static size_t to_quote(const char *p, size_t i, size_t n)
{
    while (i < n && p[i] != '"')
        i += p[i] == '\\' ? 2 : 1;
    return i;
}

/* What follows the closing quote says it. A mark in its place could be there twice. */
static bool is_name(const char *p, size_t i, size_t n)
{
    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r'))
        i++;
    return i < n && p[i] == ':';
}

static void replace(struct vn_json_long *l, struct vn_writer *w, struct vn_span before,
                    struct vn_span text)
{
    char mark[MARK_MAX + 1];
    snprintf(mark, sizeof(mark), MARK "%zu", l->n);
    vn_write_span(w, before);
    vn_write_span(w, VN_SPAN_STR(mark));
    l->list[l->n++] = text;
}

static void shorten(struct vn_json_long *l, struct vn_writer *w, const char *p, size_t n)
{
    size_t written = 0;
    for (size_t i = 0; i < n && l->n < VN_JSON_LONG_MAX;) {
        const char *quote = memchr(p + i, '"', n - i);
        if (!quote)
            break;
        const size_t begin = (size_t)(quote - p) + 1;
        const size_t end = begin + vn_json_plain(p + begin, n - begin);
        const bool whole = end < n && p[end] == '"';
        if (whole && end - begin >= LONG_MIN_BYTES && !is_name(p, end + 1, n)) {
            replace(l, w, VN_SPAN(p + written, begin - written), VN_SPAN(p + begin, end - begin));
            written = end;
        }
        i = to_quote(p, end, n) + 1;
    }
    vn_write_span(w, VN_SPAN(p + written, n - written));
}

vn_status vn_json_long_take(struct vn_span json, struct vn_json_long *ret)
{
    if (json.n < LONG_MIN_BYTES || memmem(json.p, json.n, MARK, sizeof(MARK) - 1))
        return VN_ERR_NOTFOUND;
    ret->n = 0;
    ret->text = malloc(json.n);
    if (!ret->text)
        return VN_ERR_NOMEM;
    struct vn_writer w = vn_writer_of(ret->text, json.n);
    shorten(ret, &w, (const char *)json.p, json.n);
    ret->text_n = w.len;
    if (ret->n > 0 && vn_writer_ok(&w))
        return VN_OK;
    vn_json_long_done(ret);
    return VN_ERR_NOTFOUND;
}

static bool put_text(const struct vn_json_long *l, json_t *v)
{
    const char *mark = json_string_value(v);
    if (mark[0] != MARK_CHAR)
        return true;
    const size_t number = strtoul(mark + 1, NULL, 10);
    assert(number < l->n);
    return json_string_setn_nocheck(v, (const char *)l->list[number].p, l->list[number].n) == 0;
}

/* As deep as jansson reads, whose own frames are larger. */
bool vn_json_long_put(const struct vn_json_long *l, json_t *v)
{
    bool good = true;
    switch (json_typeof(v)) {
    case JSON_STRING:
        return put_text(l, v);
    case JSON_ARRAY:
        for (size_t i = 0; good && i < json_array_size(v); i++)
            good = vn_json_long_put(l, json_array_get(v, i));
        return good;
    case JSON_OBJECT:
        for (void *it = json_object_iter(v); good && it; it = json_object_iter_next(v, it))
            good = vn_json_long_put(l, json_object_iter_value(it));
        return good;
    default:
        return true;
    }
}

void vn_json_long_done(struct vn_json_long *l)
{
    vn_wipe(l->text, l->text_n); /* short secrets are in it */
    free(l->text);
}
