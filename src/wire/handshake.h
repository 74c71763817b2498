/*
 * The stream handshake (DESIGN section 6): formats and key schedule of M1, M2 and RETRY. No state
 * machine and no policy: core decides, in the order of checks given there. Each step below is one
 * of those costs, so core can stop before it.
 *
 *   head = ver1 suite1 type1 sid16 realm16 gen4 hour4 kid8 (51)
 *   M1   = head ‖ ctS ‖ AEAD_k1(P1 ‖ sig_I) ‖ mac1 ‖ mac2
 *   P1   = ekE ‖ H(cert_I) ‖ u16,[cert_I] ‖ u16,statement_I ‖ TAI64N 12 ‖ revocation list 8
 *          ‖ u16,params
 *   M2   = ver1 suite1 type1 sid16 ‖ ctE ‖ AEAD_k2(P2 ‖ sig_R)
 *   P2   = u16,statement_R ‖ revocation list 8 ‖ u16,params
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/id.h"
#include "crypto/suite.h"
#include "wire/hourkeys.h"
#include "wire/statement.h"
#include "wire/types.h"

#define VN_HS_HEAD_LEN 51
#define VN_COOKIE_LEN 16
#define VN_HS_MODE_PLAIN 0 /* seal three comes with the issue on signed evidence */

/** What both ends know before: of the responder. */
struct vn_hs_responder {
    struct vn_id node;
    struct vn_hash cert_hash;
    struct vn_span eks;
};

/** Secrets of the handshake while it runs. Wiped by vn_hs_state_wipe (for VN_CLEANUP too). */
struct vn_hs_state {
    const struct vn_suite_info *suite;
    struct vn_id sid;
    struct vn_hash ha, hb, hd; /* transcript */
    struct vn_secret k1, k2;
    struct vn_kem_dk *eke; /* initiator's ephemeral key, owned; NULL at the responder */
    uint8_t mac1[VN_MAC_LEN];
    uint8_t sig[VN_SIG_MAX]; /* sig_I, then sig_R: part of the transcript */
};
void vn_hs_state_wipe(struct vn_hs_state *s);
/** Of one on the heap. Returns NULL; NULL is fine. */
struct vn_hs_state *vn_hs_state_free(struct vn_hs_state *s);

/** What comes out: the chain key of epoch 0 and the control keys of both directions. */
struct vn_hs_keys {
    struct vn_secret32 ck0, k_ctl_ir, k_ctl_ri;
};
void vn_hs_keys_wipe(struct vn_hs_keys *k);

/* ---- initiator ---- */

struct vn_hs_m1_args {
    const struct vn_suite_info *suite;
    struct vn_id sid, realm;
    struct vn_hs_responder responder;
    const struct vn_hour_keys *hour_keys;
    uint64_t now_ms;     /* chooses the hour */
    struct vn_span cert; /* own */
    bool include_cert;
    struct vn_span statement; /* own, as signed */
    uint8_t tai64n[12];
    uint64_t revocation_list;
    struct vn_span params; /* protobuf vn.StreamParams */
    const struct vn_sig_key *key;
};
/**
 * Encapsulates to ekS, makes ekE, signs (about 1.2 ms): for the pool. Appends M1 (mac2 zero) to ret
 * and fills s, which the caller wipes; both are untouched on error.
 */
VN_MUST_CHECK vn_status vn_hs_m1_make(const struct vn_hs_m1_args *a, struct vn_hs_state *s,
                                      struct vn_buf *ret);

/** Writes mac2 = HMAC(cookie, head ‖ ctS ‖ mac1) into a finished M1; all else stays as it is. */
VN_MUST_CHECK vn_status vn_hs_m1_set_mac2(const struct vn_suite_info *suite,
                                          const uint8_t cookie[VN_COOKIE_LEN], struct vn_buf *m1);

struct vn_hs_m2_view {
    struct vn_id sid;
    struct vn_span ct, sealed;
};
VN_MUST_CHECK vn_status vn_hs_m2_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                                       struct vn_hs_m2_view *ret);

struct vn_hs_m2_plain {
    struct vn_span statement, params, sig; /* borrow from plain */
    uint64_t revocation_list;
};
/**
 * Decapsulates and opens M2; plain has room for view->sealed.n. The state is unchanged on error, so
 * a forgery costs nothing but time.
 */
VN_MUST_CHECK vn_status vn_hs_m2_open(struct vn_hs_state *s, const struct vn_hs_m2_view *v,
                                      uint8_t *plain, struct vn_hs_m2_plain *ret);
/** sig_R over hd under "anchor-hs-r-v1". */
VN_MUST_CHECK vn_status vn_hs_m2_verify(const struct vn_hs_state *s, const struct vn_hs_m2_plain *p,
                                        const struct vn_sig_pub *responder);

/* ---- responder ---- */

struct vn_hs_m1_view {
    uint8_t suite;
    struct vn_id sid, realm;
    uint32_t generation, hour;
    uint8_t kid[8];
    struct vn_span bytes, head, ct, sealed, mac1, mac2;
};
/** Lengths, version, suite, realm. */
VN_MUST_CHECK vn_status vn_hs_m1_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                                       const struct vn_id *realm, struct vn_hs_m1_view *ret);
/** mac1 under the hour key of macs->self. VN_ERR_AUTH, VN_ERR_EXPIRED. */
VN_MUST_CHECK vn_status vn_hs_m1_check_mac1(const struct vn_hs_m1_view *v,
                                            const struct vn_suite_info *suite,
                                            struct vn_hour_macs *macs, uint64_t now_ms);
/** Step 3: mac2 under the cookie that src was given. VN_ERR_AUTH. */
VN_MUST_CHECK vn_status vn_hs_m1_check_mac2(const struct vn_hs_m1_view *v,
                                            const struct vn_suite_info *suite,
                                            const uint8_t cookie[VN_COOKIE_LEN]);

struct vn_hs_m1_plain {
    struct vn_span ek, cert, statement, params, sig; /* borrow from plain; cert empty when absent */
    struct vn_hash cert_hash;
    uint8_t tai64n[12];
    uint64_t revocation_list;
};
/**
 * Step 5: decapsulates with the key that kid names, opens. self: our own identity as responder,
 * with that key's ek. plain has room for v->sealed.n. s is untouched on error, else the caller
 * wipes it; its sig and sid are copies, so s may go to the pool without plain.
 */
VN_MUST_CHECK vn_status vn_hs_m1_open(const struct vn_hs_m1_view *v,
                                      const struct vn_suite_info *suite,
                                      const struct vn_hs_responder *self,
                                      const struct vn_kem_dk *dk, uint8_t *plain,
                                      struct vn_hs_state *s, struct vn_hs_m1_plain *ret);
/** Step 9: sig_I over hb under "anchor-hs-i-v1". */
VN_MUST_CHECK vn_status vn_hs_m1_verify(struct vn_hs_state *s, const struct vn_hs_m1_plain *p,
                                        const struct vn_sig_pub *initiator);
/** Step 11: encapsulates to ekE, signs (1 ms): for the pool. Appends M2 to ret. */
VN_MUST_CHECK vn_status vn_hs_m2_make(struct vn_hs_state *s, struct vn_span ek_initiator,
                                      struct vn_span statement, uint64_t revocation_list,
                                      struct vn_span params, const struct vn_sig_key *key,
                                      struct vn_buf *ret);

/* ---- both ---- */

/**
 * ck0, k_ctl_IR, k_ctl_RI = HKDF(H(hd ‖ sig_R), k2, "stream" ‖ matched digest ‖ mode1). Wipes k1
 * and k2, so it works once.
 */
VN_MUST_CHECK vn_status vn_hs_finish(struct vn_hs_state *s, const struct vn_hash *matched,
                                     uint8_t mode, struct vn_hs_keys *ret);

/* ---- cookie and RETRY ---- */

/**
 * Cookie = HMAC(secret of the responder, src)[0..16), with src as the broker's subject names it: so
 * it is worth nothing to another node, and nothing is kept for those who ask.
 */
VN_MUST_CHECK vn_status vn_hs_cookie(const struct vn_suite_info *suite,
                                     const struct vn_secret32 *secret, const struct vn_id *src,
                                     uint8_t ret[VN_COOKIE_LEN]);

enum vn_retry_kind { VN_RETRY_COOKIE = 1, VN_RETRY_STALE_KID = 2, VN_RETRY_NEED_CERT = 3 };
struct vn_hs_retry {
    enum vn_retry_kind kind;
    struct vn_span data; /* the cookie; the descriptor; empty */
};
/**
 * RETRY = ver1 suite1 type1 sid16 gen4 hour4 nonce12 ‖ AEAD_k(kind1 ‖ u16,data), with
 * k = HKDF(K(g,e), "retry" ‖ id_R) and aad mac1. The cookie has 16 bytes, the descriptor at least
 * one, NEED_CERT none: VN_ERR_ARG here, VN_ERR_MALFORMED at the other end.
 */
VN_MUST_CHECK vn_status vn_hs_retry_make(const struct vn_hs_m1_view *m1,
                                         const struct vn_suite_info *suite,
                                         const struct vn_hour_keys *keys, const struct vn_id *self,
                                         uint64_t now_ms, const uint8_t nonce[12],
                                         const struct vn_hs_retry *r, struct vn_buf *ret);
/** plain has room for bytes.n. */
VN_MUST_CHECK vn_status vn_hs_retry_open(struct vn_span bytes, const struct vn_suite_info *suite,
                                         const struct vn_hour_keys *keys,
                                         const struct vn_id *responder,
                                         const uint8_t mac1[VN_MAC_LEN], uint64_t now_ms,
                                         uint8_t *plain, struct vn_id *ret_sid,
                                         struct vn_hs_retry *ret);
/** sid of an M2 or RETRY, to find the handshake it belongs to. */
VN_MUST_CHECK vn_status vn_hs_peek_sid(struct vn_span bytes, struct vn_id *ret);
