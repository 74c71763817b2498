/*
 * The handshake, for its own files: handshake_m1.c, handshake_m2.c and handshake_retry.c each have
 * one message with its keys; handshake.c what they share.
 */
#pragma once

#include "wire/handshake.h"

struct vn_reader;
struct vn_writer;

#define VN_HS_SHORT_HEAD_LEN 19 /* ver1 suite1 type1 sid16, of M2 and RETRY */

void vn_hs_write_short_head(struct vn_writer *w, const struct vn_suite_info *suite, uint8_t type,
                            const struct vn_id *sid);
/** False: it is cut, or of another version. */
bool vn_hs_read_short_head(struct vn_reader *r, uint8_t *ret_suite, uint8_t *ret_type,
                           struct vn_id *ret_sid);

/** k1 and k2 seal one message each, under nonce 0. The caller wipes it. */
static inline struct vn_secret32 vn_hs_once_key(const struct vn_secret *k)
{
    struct vn_secret32 key;
    memcpy(key.b, k->b, sizeof(key.b));
    return key;
}
