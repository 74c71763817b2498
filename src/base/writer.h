/*
 * The only way from values to bytes we send. Integers are big-endian. The writer remembers
 * overflow, so an encoder reads as a straight list and checks once, with vn_writer_ok.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct vn_writer {
    uint8_t *buf;
    size_t len;
    size_t cap;
    bool overflow;
};

static inline struct vn_writer vn_writer_of(void *buf, size_t cap)
{
    return (struct vn_writer){.buf = (uint8_t *)buf, .cap = cap};
}
static inline bool vn_writer_ok(const struct vn_writer *w)
{
    return !w->overflow;
}
/** What was written so far; empty after overflow. */
static inline struct vn_span vn_writer_span(const struct vn_writer *w)
{
    return w->overflow ? (struct vn_span){NULL, 0} : (struct vn_span){w->buf, w->len};
}

/* Inline, and integers byte by byte without a loop, which compilers make one store: what follows
 * may read them as one. */

/** Room of n bytes to be filled by the caller; NULL on overflow. */
static inline uint8_t *vn_write_room(struct vn_writer *w, size_t n)
{
    if (w->overflow || n > w->cap - w->len) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *room = w->buf + w->len;
    w->len += n;
    return room;
}
static inline void vn_write_u8(struct vn_writer *w, uint8_t v)
{
    uint8_t *room = vn_write_room(w, 1);
    if (room)
        room[0] = v;
}
static inline void vn_write_u16(struct vn_writer *w, uint16_t v)
{
    uint8_t *room = vn_write_room(w, 2);
    if (!room)
        return;
    room[0] = (uint8_t)(v >> 8);
    room[1] = (uint8_t)v;
}
static inline void vn_write_u32(struct vn_writer *w, uint32_t v)
{
    uint8_t *room = vn_write_room(w, 4);
    if (!room)
        return;
    room[0] = (uint8_t)(v >> 24);
    room[1] = (uint8_t)(v >> 16);
    room[2] = (uint8_t)(v >> 8);
    room[3] = (uint8_t)v;
}
static inline void vn_write_u64(struct vn_writer *w, uint64_t v)
{
    uint8_t *room = vn_write_room(w, 8);
    if (!room)
        return;
    room[0] = (uint8_t)(v >> 56);
    room[1] = (uint8_t)(v >> 48);
    room[2] = (uint8_t)(v >> 40);
    room[3] = (uint8_t)(v >> 32);
    room[4] = (uint8_t)(v >> 24);
    room[5] = (uint8_t)(v >> 16);
    room[6] = (uint8_t)(v >> 8);
    room[7] = (uint8_t)v;
}
void vn_write_u24(struct vn_writer *w, uint32_t v);
void vn_write_bytes(struct vn_writer *w, const void *p, size_t n);
void vn_write_span(struct vn_writer *w, struct vn_span s);
/** u8, u16 or u24 length, then the bytes; a longer span is an overflow. */
void vn_write_block8(struct vn_writer *w, struct vn_span s);
void vn_write_block16(struct vn_writer *w, struct vn_span s);
void vn_write_block24(struct vn_writer *w, struct vn_span s);
