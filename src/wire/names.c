#include "wire/names.h"

#include "base/text.h"

#define ID_CHARS (VN_ID_TEXT - 1)

static bool name_fits(enum vn_name_kind kind, size_t n)
{
    switch (kind) {
    case VN_NAME_ID:
    case VN_NAME_IP6:
        return n == 16;
    case VN_NAME_IP4:
        return n == 4;
    case VN_NAME_TAG:
    case VN_NAME_TAINT:
    case VN_NAME_TEAM:
        return n > 0;
    }
    return false;
}

vn_status vn_name_hash(enum vn_hash_alg alg, const struct vn_secret32 *name_key,
                       enum vn_name_kind kind, struct vn_span name, struct vn_id *ret)
{
    if (!name_fits(kind, name.n))
        return VN_ERR_ARG;
    const uint8_t head[2] = {(uint8_t)kind, 0};
    return vn_mac16(alg, VN_SPAN_ARRAY(name_key->b), VN_PARTS(VN_SPAN_ARRAY(head), name), ret->b);
}

vn_status vn_name_hash_ip(enum vn_hash_alg alg, const struct vn_secret32 *name_key,
                          const struct vn_ip *ip, struct vn_id *ret)
{
    if (vn_ip_is_v4(ip))
        return vn_name_hash(alg, name_key, VN_NAME_IP4, VN_SPAN(ip->b + 12, 4), ret);
    return vn_name_hash(alg, name_key, VN_NAME_IP6, VN_SPAN_ARRAY(ip->b), ret);
}

/* ---- subjects: a.in.<dst>.<src>  a.own.<h>.<src>  a.grp.<h>.<src>  a.hub.<src>  a.adm.<self>
 * a.rev ---- */

static const struct {
    const char *prefix;
    bool named, sourced;
} shapes[] = {
    [VN_SUBJ_IN] = {"a.in.", true, true},    [VN_SUBJ_OWN] = {"a.own.", true, true},
    [VN_SUBJ_GRP] = {"a.grp.", true, true},  [VN_SUBJ_HUB] = {"a.hub.", false, true},
    [VN_SUBJ_ADM] = {"a.adm.", true, false}, [VN_SUBJ_REV] = {"a.rev", false, false},
};

static void format(enum vn_subject_kind kind, const struct vn_id *name, const char *src,
                   char ret[VN_SUBJECT_MAX])
{
    char text[VN_ID_TEXT] = "";
    if (shapes[kind].named)
        vn_id_format(name, text);
    snprintf(ret, VN_SUBJECT_MAX, "%s%s%s%s", shapes[kind].prefix, text,
             shapes[kind].named && shapes[kind].sourced ? "." : "",
             shapes[kind].sourced ? src : "");
}

void vn_subject_format(const struct vn_subject *s, char ret[VN_SUBJECT_MAX])
{
    char src[VN_ID_TEXT];
    vn_id_format(&s->src, src);
    format(s->kind, &s->name, src, ret);
}

void vn_subject_pattern(enum vn_subject_kind kind, const struct vn_id *name,
                        char ret[VN_SUBJECT_MAX])
{
    format(kind, name, "*", ret);
}

vn_status vn_subject_parse(const char *text, struct vn_subject *ret)
{
    size_t n = strnlen(text, VN_SUBJECT_MAX);
    for (size_t kind = 0; kind < VN_ARRAY_LEN(shapes); kind++) {
        size_t skip = strlen(shapes[kind].prefix);
        if (n < skip || memcmp(text, shapes[kind].prefix, skip) != 0)
            continue;
        struct vn_subject s = {.kind = (enum vn_subject_kind)kind};
        bool named = shapes[kind].named, sourced = shapes[kind].sourced;
        size_t src_at = skip + (named ? ID_CHARS + 1 : 0);
        if (n != (sourced ? src_at + ID_CHARS : named ? src_at - 1 : skip))
            return VN_ERR_MALFORMED;
        if (named && vn_id_parse(VN_SPAN(text + skip, ID_CHARS), &s.name) != VN_OK)
            return VN_ERR_MALFORMED;
        if (sourced && ((named && text[src_at - 1] != '.') ||
                        vn_id_parse(VN_SPAN(text + src_at, ID_CHARS), &s.src) != VN_OK))
            return VN_ERR_MALFORMED;
        *ret = s;
        return VN_OK;
    }
    return VN_ERR_MALFORMED;
}

const char *vn_subject_queue(const struct vn_id *self, enum vn_name_kind kind, char ret[4])
{
    if (kind == VN_NAME_ID || kind == VN_NAME_IP4 || kind == VN_NAME_IP6)
        return NULL;
    /* id mod 8: the id as one big-endian number */
    snprintf(ret, 4, "q%u", self->b[VN_ID_LEN - 1] % 8u);
    return ret;
}
