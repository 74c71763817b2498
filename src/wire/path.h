/*
 * How nodes tell each other of relays (DESIGN section 10): to a neighbour behind a hop header of
 * type VN_HOP_PATH, to others in an envelope of seal VN_SEAL_MEMBER.
 *
 *   place   (21)  x4 y4 z4 (two's complement) height4 error4 flags1
 *   told    (37)  node16 place21
 *
 *   QUERY   type1 request4 flags1 of16 place21 headroom2   of: whose descriptor; zero: nobody's,
 *                                                          but whom the asked one has near
 *   REPLY   type1 request4 place21 headroom2 count1 ‖ count × told37 ‖ u16,descriptor
 *           ‖ u16,statement
 *   DIGEST  type1 place21 headroom2 count1 ‖ count × told37
 *
 * Numbers of a place are as router/coord.h has them; whether they make sense, the reader decides.
 */
#pragma once

#include "base/id.h"
#include "base/limits.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/writer.h"

#define VN_PLACE_LEN 21
#define VN_PLACE_DIMS 3
#define VN_PATH_TOLD_LEN (VN_ID_LEN + VN_PLACE_LEN)
#define VN_PATH_QUERY_LEN (1 + 4 + 1 + VN_ID_LEN + VN_PLACE_LEN + 2)
#define VN_PATH_DIGEST_LEN(count) (1 + VN_PLACE_LEN + 2 + 1 + (count) * VN_PATH_TOLD_LEN)
/* Without descriptor and statement. */
#define VN_PATH_REPLY_LEN(count) (VN_PATH_DIGEST_LEN(count) + 4 + 2 + 2)

enum vn_place_flag {
    VN_PLACE_RELAYS = 1, /* for others, and neither realm nor settings forbid it */
    VN_PLACE_PUBLIC = 2, /* has an open port */
};

/** Where a node is, as it says itself. */
struct vn_place {
    int32_t x_us[VN_PLACE_DIMS];
    uint32_t height_us, error_q16;
    uint8_t flags; /* enum vn_place_flag */
};

struct vn_told {
    struct vn_id node;
    struct vn_place place;
};

enum vn_path_type { VN_PATH_QUERY = 1, VN_PATH_REPLY = 2, VN_PATH_DIGEST = 3 };

/* QUERY's flags */
#define VN_PATH_STATEMENT 1 /* the statement too */

struct vn_path_msg {
    enum vn_path_type type;
    uint32_t request;      /* QUERY, REPLY: the asker's number */
    uint8_t flags;         /* QUERY */
    struct vn_id of;       /* QUERY */
    struct vn_place place; /* the sender's */
    uint16_t headroom;     /* the sender's, of 65,535 */
    size_t told_count;     /* REPLY, DIGEST */
    struct vn_told told[VN_PATH_TOLD_MAX];
    struct vn_span descriptor, statement; /* REPLY; both borrow, and may be empty */
};

void vn_place_encode(struct vn_writer *w, const struct vn_place *p);
/** VN_ERR_MALFORMED unless bytes are one place. */
VN_MUST_CHECK vn_status vn_place_decode(struct vn_span bytes, struct vn_place *ret);
void vn_path_encode(struct vn_writer *w, const struct vn_path_msg *m);
VN_MUST_CHECK vn_status vn_path_decode(struct vn_span bytes, struct vn_path_msg *ret);
