#include "control/json_read.h"

#include <stdlib.h>

#include "base/text.h"
#include "control/json_alloc.h"

static _Thread_local bool short_of_memory; /* since the last vn_jread_parse */

void *vn_jread_noted(void *p)
{
    short_of_memory |= p == NULL;
    return p;
}

vn_status vn_jread_why(void)
{
    return short_of_memory || vn_json_exhausted() ? VN_ERR_NOMEM : VN_ERR_MALFORMED;
}

json_t *vn_jread_parse(struct vn_span text)
{
    json_t *j = vn_json_load(text, NULL);
    short_of_memory = false;
    if (json_is_object(j))
        return j;
    json_decref(j);
    return NULL;
}

void vn_jread_freep(json_t **j)
{
    json_decref(*j);
}

static bool text_of(const json_t *o, const char *name, struct vn_span *ret)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_string(v))
        return false;
    *ret = VN_SPAN(json_string_value(v), json_string_length(v));
    return ret->n == 0 || memchr(ret->p, 0, ret->n) == NULL;
}

bool vn_jread_text(const json_t *o, const char *name, char *ret, size_t cap)
{
    struct vn_span s;
    if (!text_of(o, name, &s) || s.n >= cap)
        return false;
    memcpy(ret, s.p, s.n);
    ret[s.n] = 0;
    return true;
}

bool vn_jread_text_dup(const json_t *o, const char *name, size_t max, char **ret)
{
    struct vn_span s;
    if (!text_of(o, name, &s) || s.n > max)
        return false;
    *ret = vn_jread_noted(strndup((const char *)s.p, s.n));
    return *ret != NULL;
}

bool vn_jread_bytes(const json_t *o, const char *name, void *ret, size_t n)
{
    struct vn_span s;
    size_t got;
    return text_of(o, name, &s) && vn_b64url_decode(s, ret, n, &got) == VN_OK && got == n;
}

bool vn_jread_blob(const json_t *o, const char *name, size_t max, struct vn_blob *ret)
{
    struct vn_span s;
    if (!text_of(o, name, &s) || s.n == 0 || s.n > VN_B64URL_LEN(max))
        return false;
    uint8_t *p = vn_jread_noted(malloc(s.n));
    size_t n;
    if (!p)
        return false;
    if (vn_b64url_decode(s, p, s.n, &n) != VN_OK || n == 0) {
        free(p);
        return false;
    }
    *ret = (struct vn_blob){p, n};
    return true;
}

bool vn_jread_id(const json_t *o, const char *name, struct vn_id *ret)
{
    struct vn_span s;
    return text_of(o, name, &s) && vn_id_parse(s, ret) == VN_OK;
}

bool vn_jread_ip(const json_t *o, const char *name, struct vn_ip *ret)
{
    char text[VN_IP_TEXT];
    return vn_jread_text(o, name, text, sizeof(text)) && vn_ip_parse(text, ret) == VN_OK;
}

bool vn_jread_prefix(const json_t *o, const char *name, struct vn_prefix *ret)
{
    char text[VN_PREFIX_TEXT];
    return vn_jread_text(o, name, text, sizeof(text)) && vn_prefix_parse(text, ret) == VN_OK;
}

bool vn_jread_u64(const json_t *o, const char *name, uint64_t max, uint64_t *ret)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}
