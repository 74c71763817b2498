/*
 * Sealed, signed envelopes of the control channel (DESIGN section 5).
 *
 *   header (100): ver1 suite1 type1 seal1 realm16 gen4 hour4 kid8 src16 dst16 tai12 nonce16 len4
 *   then [ct] ‖ AEAD(plaintext) ‖ mac16     ct with seal 1 only; len counts all after the header
 *   plaintext: H(cert_src) ‖ u16,[cert_src] ‖ u16,body ‖ signature(header ‖ H(cert_src) ‖ body)
 *              body alone with seal 2, which shows that its sender is a member and no more
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/id.h"
#include "crypto/suite.h"
#include "wire/hourkeys.h"
#include "wire/types.h"

#define VN_ENVELOPE_HEADER_LEN 100
#define VN_KID_LEN 8

enum vn_seal { VN_SEAL_HOUR = 0, VN_SEAL_NODE = 1, VN_SEAL_MEMBER = 2 };

struct vn_envelope_header {
    uint8_t version, suite, type, seal;
    struct vn_id realm;
    uint32_t generation, hour;
    uint8_t kid[VN_KID_LEN]; /* H(ekS)[0..8) of the recipient with seal 1, else zero */
    struct vn_id src, dst;   /* dst zero on a.own: whoever owns the name */
    uint8_t tai64n[12];
    uint8_t nonce[16];
    uint32_t len;
};

/** TAI64N label of protocol time: 2^62 + 10 + seconds, then nanoseconds. */
void vn_tai64n(uint64_t now_ms, uint8_t ret[12]);
/** Its milliseconds; VN_ERR_MALFORMED outside 1970..2262. */
VN_MUST_CHECK vn_status vn_tai64n_ms(const uint8_t tai64n[12], uint64_t *ret_ms);

struct vn_envelope_send {
    const struct vn_suite_info *suite;
    uint8_t type;
    struct vn_id realm, src, dst;
    const struct vn_hour_keys
        *hour_keys; /* NULL when src is Guardian: then the mac is zero and seal must be NODE */
    uint64_t now_ms;
    struct vn_span recipient_ek; /* empty: seal 0, or 2 */
    struct vn_span cert;         /* cert_src, DER; hashed always */
    bool include_cert;
    const struct vn_sig_key *key; /* NULL: seal 2, of a type that is not signed; no certificate */
    const char *context;          /* "anchor-env-v1", Guardian "anchor-cmd-v1" */
    struct vn_span body;
};
/** Messages of this type have seal 2, and no others have: nothing hangs on who sent them. */
static inline bool vn_envelope_is_unsigned(uint8_t type)
{
    return type == VN_T_PATH;
}
/**
 * Appends the envelope to ret. About 1 ms if it signs, else 20 µs. VN_ERR_LIMIT beyond
 * VN_CONTROL_PAYLOAD_MAX, VN_ERR_EXPIRED when the present hour's key is not held.
 */
VN_MUST_CHECK vn_status vn_envelope_seal(const struct vn_envelope_send *s, const uint8_t nonce[16],
                                         struct vn_buf *ret);

/* Opening goes in the steps that DESIGN section 5 orders, so that a stranger's message costs
 * little. */

/** Step 1: length, version, suite, realm, dst = self or zero. Borrowed parts. */
struct vn_envelope_view {
    struct vn_envelope_header h;
    struct vn_span bytes;  /* all */
    struct vn_span ct;     /* empty with seal 0 */
    struct vn_span sealed; /* ciphertext with its tag */
    struct vn_span mac;
};
VN_MUST_CHECK vn_status vn_envelope_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                                          const struct vn_id *realm, const struct vn_id *self,
                                          struct vn_envelope_view *ret);
/**
 * Step 2: the hour MAC. VN_ERR_AUTH; VN_ERR_EXPIRED when the hour or generation is not held. keys
 * NULL: the message claims to be Guardian's, whose mac must be zero.
 */
VN_MUST_CHECK vn_status vn_envelope_check_mac(const struct vn_envelope_view *v,
                                              const struct vn_suite_info *suite,
                                              struct vn_hour_macs *macs, uint64_t now_ms);

struct vn_envelope_plain {
    struct vn_hash cert_hash; /* none with seal 2 */
    struct vn_span cert;      /* empty when absent; its hash was checked */
    struct vn_span body;
    struct vn_span sig; /* none with seal 2 */
};
/**
 * Step 5: opens. dk: the key whose kid matched (seal 1), else NULL. plain must have room for
 * v->sealed.n bytes and holds what ret borrows. VN_ERR_AUTH, VN_ERR_MALFORMED.
 */
VN_MUST_CHECK vn_status vn_envelope_open(const struct vn_envelope_view *v,
                                         const struct vn_suite_info *suite,
                                         const struct vn_hour_keys *keys,
                                         const struct vn_kem_dk *dk, uint64_t now_ms,
                                         uint8_t *plain, struct vn_envelope_plain *ret);
/** Step 7: the signature over header ‖ H(cert) ‖ body. VN_ERR_AUTH with seal 2. */
VN_MUST_CHECK vn_status vn_envelope_verify(const struct vn_envelope_view *v,
                                           const struct vn_envelope_plain *p,
                                           const struct vn_sig_pub *pub, const char *context);

VN_MUST_CHECK vn_status vn_kid(enum vn_hash_alg alg, struct vn_span ek, uint8_t ret[VN_KID_LEN]);
