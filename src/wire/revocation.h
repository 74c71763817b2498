/*
 * Revocation lists (DESIGN section 4.8): what Guardian signed about nodes that must be cut whether
 * they cooperate or not. A list says everything that is in force among the numbers (after, to], so
 * whoever holds all up to `after` holds all up to `to` with it, wherever it came from.
 */
#pragma once

#include "base/id.h"
#include "base/limits.h"
#include "crypto/suite.h"

enum vn_revocation_kind {
    VN_REVOKE_NODE = 1,      /* this node id, whatever certificate it shows */
    VN_REVOKE_STATEMENTS = 2 /* its statements below a number */
};

#define VN_SERIAL_LEN 16

struct vn_revocation {
    uint64_t number;
    enum vn_revocation_kind kind;
    struct vn_id node;
    uint8_t serial[VN_SERIAL_LEN]; /* of the node's last certificate; zero for statements */
    uint64_t minimum;              /* lowest statement number accepted; 0 for a node */
    uint64_t until_ms;             /* protocol time; its certificates have ended by then */
};

#define VN_REVOCATION_ENTRY_LEN 57
#define VN_REVOCATION_LIST_MAX                                                                     \
    (64 + VN_REVOCATION_ENTRIES_MAX * VN_REVOCATION_ENTRY_LEN + VN_SIG_MAX)

struct vn_revocation_list {
    struct vn_id realm;
    uint64_t after, to;
    size_t count;
    struct vn_revocation entries[VN_REVOCATION_ENTRIES_MAX]; /* numbers ascending */
};

/**
 * Encodes and signs with the command key under "anchor-rev-v1". ret has room for
 * VN_REVOCATION_LIST_MAX bytes. VN_ERR_ARG for entries out of order or outside (after, to].
 */
VN_MUST_CHECK vn_status vn_revocation_list_issue(const struct vn_revocation_list *l,
                                                 const struct vn_sig_key *command_key, uint8_t *ret,
                                                 size_t *ret_n);
/** Decoding alone: before the signature is worth checking, and for fuzzing. VN_ERR_MALFORMED; what
 * ret holds then is undefined, as it is too big to copy. */
VN_MUST_CHECK vn_status vn_revocation_list_decode(struct vn_span bytes,
                                                  const struct vn_suite_info *suite,
                                                  struct vn_revocation_list *ret,
                                                  struct vn_span *ret_signed,
                                                  struct vn_span *ret_sig);
/** Decodes and verifies. VN_ERR_MALFORMED, VN_ERR_AUTH (signature or realm); ret as above. */
VN_MUST_CHECK vn_status vn_revocation_list_check(struct vn_span bytes,
                                                 const struct vn_sig_pub *command,
                                                 const struct vn_suite_info *suite,
                                                 const struct vn_id *realm,
                                                 struct vn_revocation_list *ret);
