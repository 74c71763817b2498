/*
 * Affinity (DESIGN section 4.6): tags that show an identity to its other holders only, and
 * Guardian's signed, complete, numbered list of a node's tags.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/limits.h"
#include "crypto/suite.h"

#define VN_IDENTITY_LABEL_MAX 64
#define VN_TAINTS_MAX 16
#define VN_SCOPES_MAX 16

enum vn_identity_kind { VN_KIND_TAINT = 1, VN_KIND_TEAM = 2, VN_KIND_USER = 3, VN_KIND_OAUTH = 4 };

/** One of the node's own identities with the key K_t that Guardian gives to its holders. */
struct vn_own_identity {
    enum vn_identity_kind kind;
    char label[VN_IDENTITY_LABEL_MAX + 1];
    struct vn_secret32 key;
};

enum vn_access_rule { VN_ACCESS_TAINTS = 1, VN_ACCESS_TEAMS = 2, VN_ACCESS_BOTH = 3 };

#define VN_AFFINITY_TAG_LEN 16
#define VN_STATEMENTS_MAX 16 /* under one signature: each comes with up to 4 hashes of others */
#define VN_STATEMENT_MAX (VN_SIG_MAX + 360 + 32 * VN_AFFINITY_TAG_LEN)

struct vn_affinity_tag {
    uint8_t b[VN_AFFINITY_TAG_LEN];
};

/** Decoded statement. The bytes as signed are kept by whoever sends it on. */
struct vn_statement {
    struct vn_id realm, node;
    struct vn_hash pk_hash; /* H(ML-DSA public key) */
    uint64_t number;
    uint64_t not_after_ms;
    size_t taint_count, scope_count;
    struct vn_affinity_tag taints[16], scopes[16]; /* strictly ascending: sorted and distinct */
};

/** K_t = HMAC(affinity root, generation4 ‖ kind1 ‖ label)[0..32). Guardian only. */
VN_MUST_CHECK vn_status vn_affinity_key(enum vn_hash_alg alg, const struct vn_secret32 *root,
                                        uint32_t generation, enum vn_identity_kind kind,
                                        const char *label, struct vn_secret32 *ret);
/** tag = HMAC(K_t, "anchor-tag-v1" ‖ kind1 ‖ H(pk))[0..16). */
VN_MUST_CHECK vn_status vn_affinity_tag(enum vn_hash_alg alg, const struct vn_secret32 *key,
                                        enum vn_identity_kind kind, const struct vn_hash *pk_hash,
                                        struct vn_affinity_tag *ret);

/**
 * Sorts the tags, encodes, signs with the command key under "anchor-stmt-v1". ret has room for
 * VN_STATEMENT_MAX bytes. VN_ERR_ARG for the same tag twice or a pk_hash of another suite.
 */
VN_MUST_CHECK vn_status vn_statement_issue(struct vn_statement *s,
                                           const struct vn_sig_key *command_key, uint8_t *ret,
                                           size_t *ret_n);
/** The same without the signature, for vn_statements_sign. */
VN_MUST_CHECK vn_status vn_statement_encode(struct vn_statement *s,
                                            const struct vn_suite_info *suite, uint8_t *ret,
                                            size_t *ret_n);
struct vn_statement_out {
    uint8_t *bytes; /* room for VN_STATEMENT_MAX */
    size_t n;       /* as encoded; then as signed */
};
/**
 * Signs 1 to VN_STATEMENTS_MAX of one realm at once: several by one signature of their tree's root,
 * under "anchor-stmts-v1". Any thread. VN_ERR_ARG: too many, not of one realm, or another suite.
 */
VN_MUST_CHECK vn_status vn_statements_sign(const struct vn_sig_key *command_key,
                                           struct vn_statement_out *list, size_t n);
/**
 * Decodes and verifies. VN_ERR_MALFORMED, VN_ERR_AUTH (signature or realm), VN_ERR_EXPIRED. Number,
 * node and pk_hash are the caller's to compare.
 */
VN_MUST_CHECK vn_status vn_statement_check(struct vn_span bytes, const struct vn_sig_pub *command,
                                           const struct vn_suite_info *suite,
                                           const struct vn_id *realm, uint64_t now_ms,
                                           struct vn_statement *ret);
/** Decoding alone; for what was verified before (cache) and for fuzzing. ret_sig: with the place in
 * the tree before it, if there is one. */
VN_MUST_CHECK vn_status vn_statement_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                                            struct vn_statement *ret, struct vn_span *ret_signed,
                                            struct vn_span *ret_sig);

struct vn_affinity_match {
    bool allowed;
    size_t taint_matches, scope_matches;
    size_t count;
    struct vn_affinity_tag matched[32]; /* the sender's tags that matched, ascending */
};

/**
 * The access decision: derives the tags our identities would have under the peer's key, looks for
 * them in the peer's statement. own: our statement (for the lengths). The tags in `matched` are
 * always the initiator's: the responder finds them in the peer's statement, the initiator
 * (own_is_initiator) takes its own for the same identities. An identity counts only when both
 * statements name it, so both ends find the same set.
 */
VN_MUST_CHECK vn_status vn_affinity_decide(const struct vn_suite_info *suite,
                                           enum vn_access_rule rule,
                                           const struct vn_own_identity *identities,
                                           size_t identity_count, const struct vn_statement *own,
                                           const struct vn_statement *peer, bool own_is_initiator,
                                           struct vn_affinity_match *ret);
/** H(sorted tags of the initiator that matched). */
VN_MUST_CHECK vn_status vn_affinity_digest(enum vn_hash_alg alg, const struct vn_affinity_match *m,
                                           struct vn_hash *ret);
