#include "guardian/json.h"

#include "base/text.h"

void vn_json_freep(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

void vn_json_strp(char **s)
{
    free(*s);
    *s = NULL;
}

json_t *vn_json_b64(struct vn_span bytes)
{
    const size_t n = VN_B64URL_LEN(bytes.n);
    char *text = malloc(n + 1);
    if (!text)
        return NULL;
    vn_b64url_encode(bytes, text);
    json_t *j = json_stringn_nocheck(text, n); /* UTF-8 it is */
    free(text);
    return j;
}

json_t *vn_json_id(const struct vn_id *id)
{
    char text[VN_ID_TEXT];
    vn_id_format(id, text);
    return json_string(text);
}

json_t *vn_json_ip(const struct vn_ip *ip)
{
    char text[VN_IP_TEXT];
    vn_ip_format(ip, text);
    return json_string(text);
}

bool vn_json_text_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
            return false;
    return true;
}

void vn_json_text_whole(char *text)
{
    char *to = text;
    for (const char *p = text; *p;) {
        const unsigned char lead = (unsigned char)*p;
        const size_t want = lead < 0xc2 || lead > 0xf4 ? 1
                            : lead >= 0xf0             ? 4
                            : lead >= 0xe0             ? 3
                                                       : 2;
        size_t n = 1;
        while (n < want && ((unsigned char)p[n] & 0xc0) == 0x80)
            n++;
        if (n == want) {
            memmove(to, p, n);
            to += n;
        }
        p += n;
    }
    *to = 0;
}

vn_status vn_json_get_bytes(const json_t *o, const char *name, uint8_t *ret, size_t cap,
                            size_t *ret_n)
{
    const json_t *v = json_object_get(o, name);
    if (!v)
        return VN_ERR_NOTFOUND;
    if (!json_is_string(v) || vn_b64url_decode(VN_SPAN(json_string_value(v), json_string_length(v)),
                                               ret, cap, ret_n) != VN_OK)
        return VN_ERR_MALFORMED;
    return VN_OK;
}

static bool is_strings(const json_t *v)
{
    if (!json_is_array(v))
        return false;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i)))
            return false;
    return true;
}

static const char *type_problem(const json_t *v, enum vn_member_type type)
{
    switch (type) {
    case VN_MEMBER_STRING:
        return json_is_string(v) ? NULL : "a string";
    case VN_MEMBER_INTEGER:
        return json_is_integer(v) && json_integer_value(v) >= 0 ? NULL : "a number, 0 or more";
    case VN_MEMBER_BOOLEAN:
        return json_is_boolean(v) ? NULL : "true or false";
    case VN_MEMBER_STRINGS:
        return is_strings(v) ? NULL : "a list of strings";
    case VN_MEMBER_STRINGS_STAR:
        if (json_is_string(v) && strcmp(json_string_value(v), "*") == 0)
            return NULL;
        return is_strings(v) ? NULL : "a list of strings, or \"*\"";
    case VN_MEMBER_OBJECT:
    case VN_MEMBER_OBJECTS:
        break;
    }
    return "something else";
}

static bool one_of(const char *values, const char *v)
{
    size_t n = strlen(v);
    for (const char *p = values; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strncmp(p, v, n) == 0 && (p[n] == '|' || !p[n]))
            return true;
    return false;
}

static vn_status check_member(const struct vn_member *m, const json_t *v, char *why, size_t why_n)
{
    if (m->nullable && json_is_null(v))
        return VN_OK;
    const char *must_be = type_problem(v, m->type);
    if (must_be) {
        snprintf(why, why_n, "member \"%s\" must be %s", m->name, must_be);
        return VN_ERR_MALFORMED;
    }
    if (m->values && !one_of(m->values, json_string_value(v))) {
        snprintf(why, why_n, "member \"%s\" must be one of %s", m->name, m->values);
        return VN_ERR_MALFORMED;
    }
    return VN_OK;
}

vn_status vn_json_check(const json_t *o, const struct vn_schema *schema, char *why, size_t why_n)
{
    if (!json_is_object(o)) {
        snprintf(why, why_n, "the body must be one JSON object");
        return VN_ERR_MALFORMED;
    }
    for (void *it = json_object_iter((json_t *)o); it;
         it = json_object_iter_next((json_t *)o, it)) {
        const char *name = json_object_iter_key(it);
        const struct vn_member *m = schema->members;
        while (m->name && strcmp(m->name, name) != 0)
            m++;
        if (!m->name) {
            snprintf(why, why_n, "unknown member \"%.40s\": remove it or correct its name", name);
            return VN_ERR_MALFORMED;
        }
        vn_status st = check_member(m, json_object_iter_value(it), why, why_n);
        if (st != VN_OK)
            return st;
    }
    for (const struct vn_member *m = schema->members; m->name; m++) {
        if (m->required && !json_object_get(o, m->name)) {
            snprintf(why, why_n, "member \"%s\" is missing: add it", m->name);
            return VN_ERR_MALFORMED;
        }
    }
    return VN_OK;
}
