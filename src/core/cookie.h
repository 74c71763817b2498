/*
 * Load of the responder, and the cookies it asks for meanwhile (DESIGN section 6, step 3): before
 * anything is decapsulated, an initiator must show that what is sent to it arrives there. Nothing
 * is kept for who asks: a cookie is a mac of the asker's id.
 */
#pragma once

#include "wire/handshake.h"

struct vn_node;

struct vn_cookies {
    struct vn_secret32 secret[2]; /* the present one, and the one before */
    unsigned secrets;             /* how many of them there are */
    uint64_t made_ms;             /* the present one */
    bool under_load;
    uint64_t under_load_at_ms;
    uint64_t level_milli; /* thousandths of a handshake over VN_HS_LOAD_RATE */
    uint64_t level_at_ms;
};

void vn_cookies_wipe(struct vn_cookies *c);
/** A handshake is about to be decapsulated. */
void vn_cookies_count(struct vn_node *n);
bool vn_cookies_under_load(struct vn_node *n);
/** mac2 is under one of the cookies that src may hold. */
bool vn_cookie_right(struct vn_node *n, const struct vn_id *src, const struct vn_hs_m1_view *v);
VN_MUST_CHECK vn_status vn_cookie_make(struct vn_node *n, const struct vn_id *src,
                                       uint8_t ret[VN_COOKIE_LEN]);
