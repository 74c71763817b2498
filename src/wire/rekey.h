/*
 * The KEM step of a stream's keys (DESIGN section 6), with a ciphertext for a fresh key of the
 * source. The symmetric step is vn_chain_step of wire/frame.h.
 */
#pragma once

#include "base/secret.h"
#include "crypto/kdf.h"

/** Control keys of both directions of a stream. */
struct vn_ctl_keys {
    struct vn_secret32 ir, ri; /* of the source; of the destination */
};
void vn_ctl_keys_wipe(struct vn_ctl_keys *k);

/** What a KEM step mixes in. */
struct vn_kem_step {
    struct vn_secret ss;
    struct vn_hash digest; /* H(ek ‖ ct) */
};
void vn_kem_step_wipe(struct vn_kem_step *s);
VN_MUST_CHECK vn_status vn_kem_step_digest(enum vn_hash_alg alg, struct vn_span ek,
                                           struct vn_span ct, struct vn_hash *ret);
/**
 * ck' 32 ‖ k_ctl_IR 32 ‖ k_ctl_RI 32 = HKDF(ck, ss, "kem" ‖ H(ek ‖ ct)), the salt being ck. ret_ck
 * may be ck; both are untouched on error.
 */
VN_MUST_CHECK vn_status vn_chain_kem(enum vn_hash_alg alg, const struct vn_secret32 *ck,
                                     const struct vn_kem_step *step, struct vn_secret32 *ret_ck,
                                     struct vn_ctl_keys *ret_ctl);
