/*
 * Changes of key generation (DESIGN section 4.8): the keys of one generation that are a node's, how
 * Guardian hands them to each (a bundle on a.adm, many under one signature), and the word on a.rev
 * that puts a generation in force.
 */
#pragma once

#include "base/buf.h"
#include "crypto/sig.h"
#include "wire/credentials.h"
#include "wire/envelope.h"
#include "wire/merkle.h"
#include "wire/notice.h"

/* ---- the keys of one generation ---- */

struct vn_key_set {
    uint64_t until_ms; /* 0: the generation to come; else the one before, which counts until then */
    struct vn_hour_keys hours;
    struct vn_own_identity identities[VN_TAINTS_MAX + VN_SCOPES_MAX];
    size_t identity_count;
    struct vn_span statement; /* the node's, with the tags of this generation; borrowed */
};

#define VN_KEY_SET_MAX                                                                             \
    (32 + VN_HOURS_MAX * 32 + (VN_TAINTS_MAX + VN_SCOPES_MAX) * (34 + VN_IDENTITY_LABEL_MAX) +     \
     VN_STATEMENT_MAX)

void vn_key_set_wipe(struct vn_key_set *s);
/** ret: VN_KEY_SET_MAX bytes. VN_ERR_ARG for counts beyond their limits. */
VN_MUST_CHECK vn_status vn_key_set_encode(const struct vn_key_set *s, uint8_t *ret, size_t *ret_n);
/** VN_ERR_MALFORMED; ret is then wiped. The statement borrows from bytes and is not verified. */
VN_MUST_CHECK vn_status vn_key_set_decode(struct vn_span bytes, struct vn_key_set *ret);

/* ---- bundles ---- */

#define VN_BUNDLE_HEADER_LEN 47
#define VN_BUNDLES_MAX VN_MERKLE_LEAVES_MAX

/** One receiver of many. */
struct vn_bundle_to {
    struct vn_id node;
    struct vn_span ek; /* its session KEM key */
    struct vn_span set;
    struct vn_buf ret; /* initialised by the caller with VN_CONTROL_PAYLOAD_MAX */
};
/**
 * Seals each set to its node and signs them all, with one signature under "anchor-keys-v1". 0.1 ms
 * each: for the pool. VN_ERR_ARG for none, more than VN_BUNDLES_MAX or a key of another suite. A
 * receiver whose ek does not encapsulate gets an empty one.
 */
VN_MUST_CHECK vn_status vn_bundles_make(const struct vn_suite_info *suite,
                                        const struct vn_id *realm, uint32_t generation,
                                        const struct vn_sig_key *command_key,
                                        struct vn_bundle_to *list, size_t n);

struct vn_bundle_view {
    struct vn_span bytes, leaf; /* leaf: what the tree covers */
    struct vn_id realm, node;
    uint8_t kid[VN_KID_LEN];
    uint32_t generation;
    struct vn_span ct, sealed;
    struct vn_merkle_place place;
    struct vn_span sig;
};
VN_MUST_CHECK vn_status vn_bundle_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                                        struct vn_bundle_view *ret);
/** The signature, over the root that the bundle's path leads to. VN_ERR_AUTH. */
VN_MUST_CHECK vn_status vn_bundle_verify(const struct vn_bundle_view *v,
                                         const struct vn_suite_info *suite,
                                         const struct vn_sig_pub *command);
/** plain: room for v->sealed.n bytes; the caller wipes it. *ret_set lies in it. */
VN_MUST_CHECK vn_status vn_bundle_open(const struct vn_bundle_view *v,
                                       const struct vn_suite_info *suite,
                                       const struct vn_kem_dk *dk, uint8_t *plain,
                                       struct vn_span *ret_set);

/* ---- in force ---- */

/** On a.rev: this generation is the one to send with; the one before counts until then. */
struct vn_keys_now {
    struct vn_id realm;
    uint32_t generation;
    uint64_t until_ms;
};
#define VN_KEYS_NOW_BODY 12
#define VN_KEYS_NOW_MAX VN_NOTICE_MAX(VN_KEYS_NOW_BODY)
/** Signs with the command key under "anchor-keys-v1". ret: VN_KEYS_NOW_MAX bytes. */
VN_MUST_CHECK vn_status vn_keys_now_issue(const struct vn_suite_info *suite,
                                          const struct vn_keys_now *k,
                                          const struct vn_sig_key *command_key, uint8_t *ret,
                                          size_t *ret_n);
VN_MUST_CHECK vn_status vn_keys_now_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                                           struct vn_keys_now *ret);
/** VN_ERR_MALFORMED, VN_ERR_AUTH (signature or realm). */
VN_MUST_CHECK vn_status vn_keys_now_check(struct vn_span bytes, const struct vn_sig_pub *command,
                                          const struct vn_suite_info *suite,
                                          const struct vn_id *realm, struct vn_keys_now *ret);
