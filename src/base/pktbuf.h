/*
 * A packet buffer with head and tail room, so sealing moves no payload. One owner at a time, who
 * may write to it; queues link through `next`. Who only reads it may share it with the owner, on
 * the owner's thread.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "base/status.h"

struct vn_pktbuf {
    struct vn_pktbuf *next; /* for the queue that owns it */
    uint8_t *data;          /* start of the content, inside storage */
    size_t len;             /* length of the content */
    size_t cap;             /* size of storage */
    uint64_t stamp_us;      /* monotonic time, set by whoever queues it */
    uint32_t shares;        /* of others than the owner */
    /* What is left to do for an inner packet, in the words of wire/frame.h; all 0: nothing. */
    uint16_t gso_size, l4_offset;
    uint8_t kind;
    bool text; /* a message of a data channel that is a string (RFC 8831 section 6.6) */
    uint8_t storage[];
};

#define VN_PKTBUF_HEAD 128 /* room for every header below: hop, e2e, SCTP, DTLS */
#define VN_PKTBUF_TAIL 64  /* room for every tag */

/** A buffer with VN_PKTBUF_HEAD of head room and space for size bytes of content plus
 * VN_PKTBUF_TAIL. len = 0. */
VN_MUST_CHECK vn_status vn_pktbuf_new(size_t size, struct vn_pktbuf **ret);
/**
 * Another share: it ends by vn_pktbuf_free as the owner's does, and the buffer with the last of
 * them. While there are several nobody writes to the content, and `next` is the owner's.
 */
static inline struct vn_pktbuf *vn_pktbuf_share(struct vn_pktbuf *b)
{
    b->shares++;
    return b;
}
static inline bool vn_pktbuf_is_shared(const struct vn_pktbuf *b)
{
    return b->shares > 0;
}
/** Takes b, and gives one with the same content that nobody else has: b itself, or a copy.
 * VN_ERR_NOMEM: b is the caller's still. */
VN_MUST_CHECK vn_status vn_pktbuf_unshare(struct vn_pktbuf *b, struct vn_pktbuf **ret);
/** Returns NULL. The thread that frees a buffer keeps a few for its next vn_pktbuf_new. */
struct vn_pktbuf *vn_pktbuf_free(struct vn_pktbuf *b);
/** Gives back what this thread keeps: when it goes idle, and before it ends. */
void vn_pktbuf_trim(void);
void vn_pktbuf_freep(struct vn_pktbuf **b);
size_t vn_pktbuf_headroom(const struct vn_pktbuf *b);
size_t vn_pktbuf_tailroom(const struct vn_pktbuf *b);
/** Grows the content by n in front; asserts the room is there (a bug, never a peer's doing). */
uint8_t *vn_pktbuf_push(struct vn_pktbuf *b, size_t n);
/** Grows the content by n at the end; asserts the room. */
uint8_t *vn_pktbuf_put(struct vn_pktbuf *b, size_t n);
static inline struct vn_span vn_pktbuf_span(const struct vn_pktbuf *b)
{
    return (struct vn_span){b->data, b->len};
}

/** First-in first-out list of buffers it owns. */
struct vn_pktqueue {
    struct vn_pktbuf *head, *tail;
    size_t count;
    size_t bytes;
};
void vn_pktqueue_push(struct vn_pktqueue *q, struct vn_pktbuf *b);
/** NULL when empty. Ownership passes to the caller. */
struct vn_pktbuf *vn_pktqueue_pop(struct vn_pktqueue *q);
/** Back in front: undoes the last pop. */
void vn_pktqueue_unpop(struct vn_pktqueue *q, struct vn_pktbuf *b);
void vn_pktqueue_clear(struct vn_pktqueue *q);
