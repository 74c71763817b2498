#include "base/writer.h"

static void write_be(struct vn_writer *w, size_t n, uint64_t v)
{
    uint8_t *room = vn_write_room(w, n);
    if (!room)
        return;
    for (size_t i = n; i-- > 0; v >>= 8)
        room[i] = (uint8_t)v;
}

void vn_write_u24(struct vn_writer *w, uint32_t v)
{
    if (v > 0xffffff)
        w->overflow = true;
    write_be(w, 3, v);
}

void vn_write_bytes(struct vn_writer *w, const void *p, size_t n)
{
    if (n == 0)
        return;
    uint8_t *room = vn_write_room(w, n);
    if (room)
        memcpy(room, p, n);
}

void vn_write_span(struct vn_writer *w, struct vn_span s)
{
    vn_write_bytes(w, s.p, s.n);
}

static void write_block(struct vn_writer *w, size_t prefix, struct vn_span s)
{
    if (s.n >> (8 * prefix) != 0) {
        w->overflow = true;
        return;
    }
    write_be(w, prefix, s.n);
    vn_write_span(w, s);
}

void vn_write_block8(struct vn_writer *w, struct vn_span s)
{
    write_block(w, 1, s);
}

void vn_write_block16(struct vn_writer *w, struct vn_span s)
{
    write_block(w, 2, s);
}

void vn_write_block24(struct vn_writer *w, struct vn_span s)
{
    write_block(w, 3, s);
}
