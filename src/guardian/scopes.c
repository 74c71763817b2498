#include "guardian/scopes.h"

#include <stdio.h>
#include <string.h>

bool vn_scope_set_has(const struct vn_scope_set *s, const char *label)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->s[i], label) == 0)
            return true;
    return false;
}

vn_status vn_scope_set_add(struct vn_scope_set *s, const char *label)
{
    const size_t n = strnlen(label, VN_IDENTITY_LABEL_MAX + 1);
    if (n < 1 || n > VN_IDENTITY_LABEL_MAX || strchr(label, '\n'))
        return VN_ERR_MALFORMED;
    if (vn_scope_set_has(s, label))
        return VN_OK;
    if (s->n == VN_NODE_SCOPES_MAX)
        return VN_ERR_LIMIT;
    memcpy(s->s[s->n++], label, n + 1);
    return VN_OK;
}

json_t *vn_scope_set_json(const struct vn_scope_set *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(list, json_string(s->s[i]));
    return list;
}

void vn_scope_set_format(const struct vn_scope_set *s, char ret[VN_NODE_SCOPES_TEXT])
{
    size_t n = 0;
    ret[0] = 0;
    for (size_t i = 0; i < s->n; i++)
        n += (size_t)snprintf(ret + n, VN_NODE_SCOPES_TEXT - n, "%s\n", s->s[i]);
}

vn_status vn_scope_set_parse(const char *text, struct vn_scope_set *ret)
{
    *ret = (struct vn_scope_set){.n = 0};
    while (*text) {
        char label[VN_IDENTITY_LABEL_MAX + 1];
        const size_t n = strcspn(text, "\n");
        if (n >= sizeof(label) || text[n] != '\n')
            return VN_ERR_MALFORMED;
        memcpy(label, text, n);
        label[n] = 0;
        vn_status st = vn_scope_set_add(ret, label);
        if (st != VN_OK)
            return st;
        text += n + 1;
    }
    return VN_OK;
}
