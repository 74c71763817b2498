#include "guardian/taints.h"

bool vn_taint_valid(const char *label)
{
    size_t n = strnlen(label, VN_IDENTITY_LABEL_MAX + 1);
    return n >= 1 && n <= VN_IDENTITY_LABEL_MAX &&
           strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

bool vn_taints_contain(const struct vn_taint_set *s, const char *label)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->t[i], label) == 0)
            return true;
    return false;
}

vn_status vn_taints_add(struct vn_taint_set *s, const char *label)
{
    if (!vn_taint_valid(label))
        return VN_ERR_MALFORMED;
    if (vn_taints_contain(s, label))
        return VN_OK;
    if (s->n == VN_TAINTS_MAX)
        return VN_ERR_LIMIT;
    size_t at = 0;
    while (at < s->n && strcmp(s->t[at], label) < 0)
        at++;
    memmove(s->t[at + 1], s->t[at], (s->n - at) * sizeof(s->t[0]));
    memset(s->t[at], 0, sizeof(s->t[at]));
    memcpy(s->t[at], label, strlen(label));
    s->n++;
    return VN_OK;
}

void vn_taints_remove(struct vn_taint_set *s, const char *label)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->t[i], label) == 0) {
            memmove(s->t[i], s->t[i + 1], (s->n - i - 1) * sizeof(s->t[0]));
            s->n--;
            return;
        }
    }
}

bool vn_taints_subset(const struct vn_taint_set *a, const struct vn_taint_set *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!vn_taints_contain(b, a->t[i]))
            return false;
    return true;
}

bool vn_taints_equal(const struct vn_taint_set *a, const struct vn_taint_set *b)
{
    return a->n == b->n && vn_taints_subset(a, b);
}

void vn_taints_format(const struct vn_taint_set *s, char ret[VN_TAINTS_TEXT])
{
    size_t at = 0;
    ret[0] = 0;
    for (size_t i = 0; i < s->n; i++)
        at += (size_t)snprintf(ret + at, VN_TAINTS_TEXT - at, "%s%s", i ? "," : "", s->t[i]);
}

vn_status vn_taints_parse(const char *text, struct vn_taint_set *ret)
{
    struct vn_taint_set s = {0};
    while (*text) {
        size_t n = strcspn(text, ",");
        char label[VN_IDENTITY_LABEL_MAX + 1] = {0};
        if (n >= sizeof(label))
            return VN_ERR_MALFORMED;
        memcpy(label, text, n);
        vn_status st = vn_taints_add(&s, label);
        if (st != VN_OK)
            return st;
        text += n;
        if (*text == ',') {
            text++;
            if (!*text)
                return VN_ERR_MALFORMED;
        }
    }
    *ret = s;
    return VN_OK;
}

vn_status vn_taints_from_json(const json_t *array, struct vn_taint_set *ret)
{
    struct vn_taint_set s = {0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *v = json_array_get(array, i);
        if (!json_is_string(v) || json_string_length(v) != strlen(json_string_value(v)))
            return VN_ERR_MALFORMED;
        vn_status st = vn_taints_add(&s, json_string_value(v));
        if (st != VN_OK)
            return st;
    }
    *ret = s;
    return VN_OK;
}

json_t *vn_taints_to_json(const struct vn_taint_set *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->n; i++) {
        if (json_array_append_new(a, json_string(s->t[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

void vn_allowed_format(const struct vn_allowed_taints *a, char ret[VN_TAINTS_TEXT])
{
    if (a->any)
        snprintf(ret, VN_TAINTS_TEXT, "*");
    else
        vn_taints_format(&a->set, ret);
}

vn_status vn_allowed_parse(const char *text, struct vn_allowed_taints *ret)
{
    if (strcmp(text, "*") == 0) {
        *ret = (struct vn_allowed_taints){.any = true};
        return VN_OK;
    }
    ret->any = false;
    return vn_taints_parse(text, &ret->set);
}

json_t *vn_allowed_to_json(const struct vn_allowed_taints *a)
{
    return a->any ? json_string("*") : vn_taints_to_json(&a->set);
}

const char *vn_allowed_refuses(const struct vn_allowed_taints *a, const struct vn_taint_set *s)
{
    for (size_t i = 0; !a->any && i < s->n; i++)
        if (!vn_taints_contain(&a->set, s->t[i]))
            return s->t[i];
    return NULL;
}
