#include "wire/path.h"

#define FLAGS (VN_PLACE_RELAYS | VN_PLACE_PUBLIC)

void vn_place_encode(struct vn_writer *w, const struct vn_place *p)
{
    for (int i = 0; i < VN_PLACE_DIMS; i++)
        vn_write_u32(w, (uint32_t)p->x_us[i]);
    vn_write_u32(w, p->height_us);
    vn_write_u32(w, p->error_q16);
    vn_write_u8(w, p->flags);
}

static bool read_signed(struct vn_reader *r, int32_t *ret)
{
    uint32_t v;
    if (!vn_read_u32(r, &v))
        return false;
    *ret = (int32_t)v; /* two's complement, as gcc and clang convert */
    return true;
}

static bool read_place(struct vn_reader *r, struct vn_place *ret)
{
    for (int i = 0; i < VN_PLACE_DIMS; i++)
        if (!read_signed(r, &ret->x_us[i]))
            return false;
    return vn_read_u32(r, &ret->height_us) && vn_read_u32(r, &ret->error_q16) &&
           vn_read_u8(r, &ret->flags) && (ret->flags & ~FLAGS) == 0;
}

vn_status vn_place_decode(struct vn_span bytes, struct vn_place *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_place p;
    if (!read_place(&r, &p) || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    *ret = p;
    return VN_OK;
}

/*
 *   QUERY      0 type1   1 request4    5 flags1     6 of16         22 place21  43 headroom2
 *   REPLY      0 type1   1 request4    5 place21   26 headroom2    28 count1   29 told37 each
 *              then descriptor length2, descriptor, statement length2, statement
 *   DIGEST     0 type1   1 place21    22 headroom2 24 count1       25 told37 each
 */

static void write_told(struct vn_writer *w, const struct vn_path_msg *m)
{
    vn_write_u8(w, (uint8_t)m->told_count);
    for (size_t i = 0; i < m->told_count; i++) {
        vn_write_bytes(w, m->told[i].node.b, VN_ID_LEN);
        vn_place_encode(w, &m->told[i].place);
    }
}

void vn_path_encode(struct vn_writer *w, const struct vn_path_msg *m)
{
    vn_write_u8(w, (uint8_t)m->type);
    if (m->type != VN_PATH_DIGEST)
        vn_write_u32(w, m->request);
    if (m->type == VN_PATH_QUERY) {
        vn_write_u8(w, m->flags);
        vn_write_bytes(w, m->of.b, VN_ID_LEN);
    }
    vn_place_encode(w, &m->place);
    vn_write_u16(w, m->headroom);
    if (m->type != VN_PATH_QUERY)
        write_told(w, m);
    if (m->type == VN_PATH_REPLY) {
        vn_write_block16(w, m->descriptor);
        vn_write_block16(w, m->statement);
    }
}

static bool read_sender(struct vn_reader *r, struct vn_path_msg *m)
{
    return read_place(r, &m->place) && vn_read_u16(r, &m->headroom);
}

static bool read_told(struct vn_reader *r, struct vn_path_msg *m)
{
    uint8_t count;
    if (!vn_read_u8(r, &count) || count > VN_PATH_TOLD_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!vn_read_copy(r, m->told[i].node.b, VN_ID_LEN) || !read_place(r, &m->told[i].place))
            return false;
    m->told_count = count;
    return true;
}

vn_status vn_path_decode(struct vn_span bytes, struct vn_path_msg *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_path_msg m = {0};
    uint8_t type = 0; /* of no message */
    bool ok = vn_read_u8(&r, &type);
    switch (type) {
    case VN_PATH_QUERY:
        ok = vn_read_u32(&r, &m.request) && vn_read_u8(&r, &m.flags) &&
             (m.flags & ~VN_PATH_STATEMENT) == 0 && vn_read_copy(&r, m.of.b, VN_ID_LEN) &&
             read_sender(&r, &m);
        break;
    case VN_PATH_REPLY:
        ok = vn_read_u32(&r, &m.request) && read_sender(&r, &m) && read_told(&r, &m) &&
             vn_read_span16(&r, &m.descriptor) && vn_read_span16(&r, &m.statement);
        break;
    case VN_PATH_DIGEST:
        ok = read_sender(&r, &m) && read_told(&r, &m);
        break;
    default:
        ok = false;
        break;
    }
    if (!ok || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    m.type = (enum vn_path_type)type;
    *ret = m;
    return VN_OK;
}
