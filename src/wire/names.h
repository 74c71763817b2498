/* Names on the control channel and the subjects made of them (DESIGN section 5). */
#pragma once

#include "base/id.h"
#include "crypto/suite.h"

#define VN_SUBJECT_MAX 80 /* bytes with the NUL */

enum vn_name_kind {
    VN_NAME_ID = 1,
    VN_NAME_IP4 = 2,
    VN_NAME_IP6 = 3,
    VN_NAME_TAG = 4,
    VN_NAME_TAINT = 5,
    VN_NAME_TEAM = 6
};

/** h = HMAC(name key, kind1 ‖ 0x00 ‖ name)[0..16). name: 16 id, 4 or 16 address bytes, or text. */
VN_MUST_CHECK vn_status vn_name_hash(enum vn_hash_alg alg, const struct vn_secret32 *name_key,
                                     enum vn_name_kind kind, struct vn_span name,
                                     struct vn_id *ret);
/** The same for an address of either family. */
VN_MUST_CHECK vn_status vn_name_hash_ip(enum vn_hash_alg alg, const struct vn_secret32 *name_key,
                                        const struct vn_ip *ip, struct vn_id *ret);

enum vn_subject_kind {
    VN_SUBJ_IN,
    VN_SUBJ_OWN,
    VN_SUBJ_GRP,
    VN_SUBJ_HUB,
    VN_SUBJ_ADM,
    VN_SUBJ_REV
};
/** Those who relay subscribe to VN_SUBJ_HUB in this queue group: Master draws one. */
#define VN_HUB_QUEUE "hub"

struct vn_subject {
    enum vn_subject_kind kind;
    struct vn_id name; /* destination node for IN and ADM, h for OWN and GRP, else zero */
    struct vn_id src;  /* zero for ADM and REV: only Guardian publishes there */
    struct vn_id via; /* no part of the text: the neighbour that brought it in-band; zero: Master */
};

/** "a.in.<dst>.<src>" and the like. */
void vn_subject_format(const struct vn_subject *s, char ret[VN_SUBJECT_MAX]);
/** Strict inverse. VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_subject_parse(const char *text, struct vn_subject *ret);
/** Subscription patterns: "a.in.<self>.*", "a.own.<h>.*", "a.hub.*". */
void vn_subject_pattern(enum vn_subject_kind kind, const struct vn_id *name,
                        char ret[VN_SUBJECT_MAX]);
/**
 * The queue group to subscribe in: "q0".."q7" by id mod 8 for names that many may hold, so that a
 * query reaches at most eight. NULL for an id or an address: it has one owner, and a connection of
 * his that is dead and not noticed yet must not take a share of his queries.
 */
const char *vn_subject_queue(const struct vn_id *self, enum vn_name_kind kind, char ret[4]);
