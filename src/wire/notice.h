/*
 * What Guardian says to every node of a realm on a.rev, in few bytes: signed with the command key,
 * not sealed, since it must reach everybody.
 *
 *   0 version1   1 suite1   2 type1   3 realm16   19 body, of a length that the type fixes
 *   then signature var16, over all before
 */
#pragma once

#include "base/id.h"
#include "crypto/sig.h"
#include "crypto/suite.h"
#include "wire/types.h"

#define VN_NOTICE_MAX(body_n) (19 + (body_n) + 2 + VN_SIG_MAX)

/** What kind it is, and how it is signed. */
struct vn_notice_kind {
    uint8_t type; /* VN_T_… */
    size_t body_n;
    const char *context; /* of the signature */
};

/** ret: VN_NOTICE_MAX(k->body_n) bytes. VN_ERR_ARG: a key of another suite, or a body of another
 * length. */
VN_MUST_CHECK vn_status vn_notice_issue(const struct vn_suite_info *suite,
                                        const struct vn_notice_kind *k, const struct vn_id *realm,
                                        struct vn_span body, const struct vn_sig_key *command_key,
                                        uint8_t *ret, size_t *ret_n);

struct vn_notice {
    struct vn_id realm;
    struct vn_span body, signed_part, sig; /* borrowed from the bytes */
};
/** Decoding alone: before the signature is worth checking, and for fuzzing. VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_notice_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                                         const struct vn_notice_kind *k, struct vn_notice *ret);
/** Decodes and verifies. VN_ERR_MALFORMED, VN_ERR_AUTH (signature or realm). */
VN_MUST_CHECK vn_status vn_notice_check(struct vn_span bytes, const struct vn_suite_info *suite,
                                        const struct vn_notice_kind *k,
                                        const struct vn_sig_pub *command, const struct vn_id *realm,
                                        struct vn_notice *ret);
