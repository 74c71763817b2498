#include "control/json_alloc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/secret.h"
#include "control/json_long.h"

static _Thread_local bool exhausted;
static _Thread_local unsigned failures;

static void note(void)
{
    exhausted = true;
    failures++;
}

static void *noting_malloc(size_t n)
{
    void *p = malloc(n);
    if (!p)
        note();
    return p;
}

/* Harmless for what was allocated before: it is the same heap. */
static void replace_malloc(void)
{
    json_set_alloc_funcs(noting_malloc, free);
}

void vn_json_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, replace_malloc);
    exhausted = false;
}

bool vn_json_exhausted(void)
{
    return exhausted;
}

unsigned vn_json_failures(void)
{
    return failures;
}

static json_t *load(struct vn_span text, json_error_t *ret_err)
{
    return json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, ret_err);
}

/* NULL: no JSON, or none that this is for, or exhausted. */
static json_t *load_shortened(struct vn_span text)
{
    struct vn_json_long l;
    const vn_status st = vn_json_long_take(text, &l);
    if (st == VN_ERR_NOMEM)
        note();
    if (st != VN_OK)
        return NULL;
    json_t *j = load(VN_SPAN(l.text, l.text_n), NULL);
    if (j && !vn_json_long_put(&l, j)) {
        json_decref(j);
        j = NULL;
    }
    vn_json_long_done(&l);
    return j;
}

json_t *vn_json_load(struct vn_span text, json_error_t *ret_err)
{
    vn_json_begin();
    json_t *j = load_shortened(text);
    if (!j && !exhausted)
        j = load(text, ret_err); /* which says where it is none */
    if (!exhausted)
        return j;
    json_decref(j); /* texts in it may be cut */
    return NULL;
}

/* ---- writing ---- */

/*
 * jansson looks at every character of a text as a code point, twice the time of a login's client
 * certificate. Texts in a value are UTF-8 already, so only what JSON escapes is looked for. The
 * value bounds the text: no limit of its own.
 */
static bool put(struct vn_buf *b, const void *p, size_t n)
{
    if (vn_buf_append(b, p, n) == VN_OK)
        return true;
    note();
    return false;
}

/* RFC 8259 section 7 */
static bool put_escaped(struct vn_buf *b, unsigned char c)
{
    static const char SHORT[] = "b\bf\fn\nr\rt\t\"\"\\\\";
    char text[8];
    for (const char *s = SHORT; *s; s += 2) {
        if ((unsigned char)s[1] == c) {
            text[0] = '\\';
            text[1] = s[0];
            return put(b, text, 2);
        }
    }
    snprintf(text, sizeof(text), "\\u%04X", c);
    return put(b, text, 6);
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static bool put_text(struct vn_buf *b, const char *p, size_t n)
{
    if (!put(b, "\"", 1))
        return false;
    for (size_t i = 0, from = 0; i <= n; i++) {
        i += vn_json_plain(p + i, n - i);
        if (i < n && plain((unsigned char)p[i]))
            continue;
        if (!put(b, p + from, i - from) || (i < n && !put_escaped(b, (unsigned char)p[i])))
            return false;
        from = i + 1;
    }
    return put(b, "\"", 1);
}

static bool put_value(struct vn_buf *b, const json_t *v);

static bool put_object(struct vn_buf *b, json_t *o)
{
    const char *between = "{";
    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it), between = ",")
        if (!put(b, between, 1) ||
            !put_text(b, json_object_iter_key(it), json_object_iter_key_len(it)) ||
            !put(b, ":", 1) || !put_value(b, json_object_iter_value(it)))
            return false;
    return json_object_size(o) ? put(b, "}", 1) : put(b, "{}", 2);
}

static bool put_array(struct vn_buf *b, const json_t *a)
{
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!put(b, i ? "," : "[", 1) || !put_value(b, json_array_get(a, i)))
            return false;
    return json_array_size(a) ? put(b, "]", 1) : put(b, "[]", 2);
}

/* What is short and rare. */
static bool put_other(struct vn_buf *b, const json_t *v)
{
    char text[64];
    const size_t n = json_dumpb(v, text, sizeof(text), JSON_ENCODE_ANY | JSON_COMPACT);
    return n > 0 && n <= sizeof(text) && put(b, text, n);
}

/* As deep as the value: readers of JSON bound that, and our own are a few levels. */
static bool put_value(struct vn_buf *b, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return put_object(b, (json_t *)(uintptr_t)v); /* jansson's iterators want it so */
    case JSON_ARRAY:
        return put_array(b, v);
    case JSON_STRING:
        return put_text(b, json_string_value(v), json_string_length(v));
    default:
        return put_other(b, v);
    }
}

static char *dump_compact(const json_t *o)
{
    struct vn_buf b;
    vn_buf_init(&b, SIZE_MAX);
    if (put_value(&b, o) && put(&b, "", 1))
        return (char *)b.p;
    vn_buf_wipe(&b);
    return NULL;
}

char *vn_json_dump(const json_t *o, size_t flags)
{
    vn_json_begin();
    const bool ours = flags == JSON_COMPACT && (json_is_object(o) || json_is_array(o));
    char *text = ours ? dump_compact(o) : json_dumps(o, flags);
    if (exhausted)
        vn_secret_strp(&text);
    return text;
}

json_t *vn_json_text_list(const char *const *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++) {
        if (json_array_append_new(a, json_string(list[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}
