#include "crypto/x509_ext.h"

#include "base/reader.h"
#include "base/writer.h"

#define EXT_VERSION 1
#define EXT_VERSION_COUNTRY 2
#define RIGHTS_KNOWN (VN_RIGHT_RELAY | VN_RIGHT_CONDUIT | VN_RIGHT_PORTAL | VN_RIGHT_BROWSER)

/* One DNS label (RFC 1035 section 2.3.1, digits first as RFC 1123 allows), lower case only. */
static bool tag_good(const char *tag, size_t n)
{
    if (n == 0)
        return true;
    if (n > VN_TAG_MAX || tag[0] == '-' || tag[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        const char c = tag[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

/* No bit set beyond the length: the prefix contains its own address with those bits cleared. */
static bool prefix_good(const struct vn_prefix *p)
{
    if (p->bits > 128)
        return false;
    for (unsigned bit = p->bits; bit < 128; bit++) {
        if (p->ip.b[bit / 8] & (0x80u >> (bit % 8)))
            return false;
    }
    return true;
}

vn_status vn_x509_ext_encode(const struct vn_identity *id, uint8_t *ret, size_t cap, size_t *ret_n)
{
    const size_t tag_len = strnlen(id->tag, sizeof(id->tag));
    if (!tag_good(id->tag, tag_len) || (id->rights & ~(uint32_t)RIGHTS_KNOWN) ||
        id->prefix_count > VN_CERT_PREFIXES_MAX ||
        (id->country[0] && !vn_country_valid(id->country)))
        return VN_ERR_ARG;
    struct vn_writer w = vn_writer_of(ret, cap);
    vn_write_u8(&w, id->country[0] ? EXT_VERSION_COUNTRY : EXT_VERSION);
    vn_write_u32(&w, id->rights);
    vn_write_block8(&w, VN_SPAN(id->tag, tag_len));
    vn_write_u8(&w, (uint8_t)id->prefix_count);
    for (size_t i = 0; i < id->prefix_count; i++) {
        if (!prefix_good(&id->prefixes[i]))
            return VN_ERR_ARG;
        vn_write_u8(&w, id->prefixes[i].bits);
        vn_write_bytes(&w, id->prefixes[i].ip.b, sizeof(id->prefixes[i].ip.b));
    }
    if (id->country[0])
        vn_write_bytes(&w, id->country, 2);
    if (!vn_writer_ok(&w))
        return VN_ERR_LIMIT;
    *ret_n = w.len;
    return VN_OK;
}

vn_status vn_x509_ext_decode(struct vn_span in, struct vn_identity *ret)
{
    struct vn_reader r = vn_reader_of(in), tag;
    uint8_t version, count;
    uint32_t rights;
    char country[VN_COUNTRY_TEXT] = "";
    struct vn_prefix prefixes[VN_CERT_PREFIXES_MAX];
    if (!vn_read_u8(&r, &version) || version < EXT_VERSION || version > EXT_VERSION_COUNTRY ||
        !vn_read_u32(&r, &rights) || (rights & ~(uint32_t)RIGHTS_KNOWN) ||
        !vn_read_block8(&r, &tag) || !tag_good((const char *)tag.cur, tag.left) ||
        !vn_read_u8(&r, &count) || count > VN_CERT_PREFIXES_MAX)
        return VN_ERR_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        if (!vn_read_u8(&r, &prefixes[i].bits) || !vn_read_copy(&r, prefixes[i].ip.b, 16) ||
            !prefix_good(&prefixes[i]))
            return VN_ERR_MALFORMED;
    }
    if (version == EXT_VERSION_COUNTRY &&
        (!vn_read_copy(&r, country, 2) || !vn_country_valid(country)))
        return VN_ERR_MALFORMED;
    if (!vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    memcpy(ret->country, country, sizeof(country));
    ret->rights = rights;
    memset(ret->tag, 0, sizeof(ret->tag));
    if (tag.left > 0)
        memcpy(ret->tag, tag.cur, tag.left);
    ret->prefix_count = count;
    memcpy(ret->prefixes, prefixes, count * sizeof(prefixes[0]));
    return VN_OK;
}
