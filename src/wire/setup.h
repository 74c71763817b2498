/*
 * The sealed part of SETUP (DESIGN section 10): for each node on the path after the source one
 * slot, sealed to its KEM key, that says where the circuit goes from there. The blob always has
 * VN_SETUP_SLOTS slots: who opens the first one shifts the rest up and gets a new last one that
 * looks like the others, so neither length nor content tell a position on the path.
 *
 *   slot   = kid8 ‖ ct ‖ AEAD(k_head, nonce 0, aad kid ‖ ct; kind1 time8 id16) tag16
 *   blob   = slot ‖ rest                                 rest: VN_SETUP_SLOTS - 1 slots
 *   next   = (rest ‖ zeros of a slot) XOR stream         stream: AES-256-GCM's for k_rest, nonce 0
 *   k_head 32 ‖ k_rest 32 ‖ k_desc 32 ‖ mark 16 = HKDF(ss, "setup" ‖ H(kid ‖ ct))
 *
 * Only the head is authenticated: a rest that was changed does not open at the next node.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/limits.h"
#include "crypto/suite.h"
#include "wire/envelope.h"

#define VN_SETUP_SLOTS (VN_CIRCUIT_RELAYS_MAX + 1)
#define VN_SETUP_MARK_LEN 16
#define VN_SETUP_SLOT_MAX (VN_KID_LEN + VN_CT_MAX + VN_SETUP_HEAD_LEN + 16)
#define VN_SETUP_BLOB_MAX (VN_SETUP_SLOTS * VN_SETUP_SLOT_MAX)

/** Bytes of a blob in that suite. */
size_t vn_setup_blob_len(const struct vn_suite_info *suite);

enum vn_setup_kind {
    VN_SETUP_END = 0,  /* the circuit ends at who opens it */
    VN_SETUP_NEXT = 1, /* it goes on to a node */
};

/** What a slot shares between the source and who opens it. */
struct vn_setup_keys {
    struct vn_secret32 desc;         /* seals one descriptor, see vn_setup_desc_seal */
    uint8_t mark[VN_SETUP_MARK_LEN]; /* names the slot to its source, and to nobody else */
};

/** One node of the path, in order. */
struct vn_setup_hop {
    struct vn_id node;
    struct vn_span ek; /* its KEM key, borrowed */
};

/**
 * Makes the blob for hops[0], the first node after the source; the last of them is the end.
 *
 * @param count     of hops, 1..VN_SETUP_SLOTS
 * @param time_ms   protocol time
 * @param bind      what BIND will name at the end
 * @param ret       vn_setup_blob_len bytes
 * @param ret_keys  count of them, one for each hop; the caller wipes them
 * @return VN_ERR_ARG, VN_ERR_CRYPTO (a key that does not encapsulate), VN_ERR_NOMEM
 */
VN_MUST_CHECK vn_status vn_setup_seal(const struct vn_suite_info *suite,
                                      const struct vn_setup_hop *hops, size_t count,
                                      uint64_t time_ms, uint32_t bind, uint8_t *ret,
                                      struct vn_setup_keys *ret_keys);

#define VN_SETUP_HEAD_LEN 25

/** What the first slot says. */
struct vn_setup_open {
    enum vn_setup_kind kind;
    uint64_t time_ms;
    struct vn_id next;         /* VN_SETUP_NEXT */
    uint32_t bind;             /* VN_SETUP_END */
    uint8_t nonce[16];         /* H(kid ‖ ct), cut: remembered against replay */
    struct vn_setup_keys keys; /* the caller wipes them */
};
/** kind, time_ms, and next or bind. */
void vn_setup_head_encode(const struct vn_setup_open *o, uint8_t ret[VN_SETUP_HEAD_LEN]);
VN_MUST_CHECK bool vn_setup_head_decode(struct vn_span head, struct vn_setup_open *ret);
/** The kid of the first slot. VN_ERR_MALFORMED: not the length of a blob. */
VN_MUST_CHECK vn_status vn_setup_kid(const struct vn_suite_info *suite, struct vn_span blob,
                                     uint8_t ret[VN_KID_LEN]);
/**
 * Opens the first slot.
 *
 * @param ret_next  vn_setup_blob_len bytes: the blob for the next node, meaningless at the end
 * @return VN_ERR_MALFORMED, VN_ERR_AUTH, VN_ERR_NOMEM
 */
VN_MUST_CHECK vn_status vn_setup_open(const struct vn_suite_info *suite, const struct vn_kem_dk *dk,
                                      struct vn_span blob, uint8_t *ret_next,
                                      struct vn_setup_open *ret);

/** A descriptor sealed for who asked with the slot's mark: in.n + 16 bytes to ret. Once per slot.
 */
VN_MUST_CHECK vn_status vn_setup_desc_seal(const struct vn_setup_keys *k, struct vn_span in,
                                           uint8_t *ret);
/** in.n - 16 bytes to ret. VN_ERR_AUTH, VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_setup_desc_open(const struct vn_setup_keys *k, struct vn_span in,
                                           uint8_t *ret);
