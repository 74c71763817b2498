/*
 * The hop secret of a tether (DESIGN section 9): a KEM in the signed offer and answer.
 *
 *   psk_i      = HKDF(ss, H(transcript) ‖ "dtls" ‖ i1), one per peer connection
 *   transcript = tether16 ‖ realm16 ‖ generation4 ‖ offerer16 ‖ answerer16 ‖ roles1
 *                ‖ n1 × { u8,ufrag_o ‖ u8,pwd_o ‖ u8,ufrag_a ‖ u8,pwd_a } ‖ u16,ek ‖ u16,ct
 */
#pragma once

#include "base/id.h"
#include "crypto/suite.h"

#define VN_ICE_UFRAG_LEN 8 /* characters of the ice-char alphabet, RFC 8839 section 5.4 */
#define VN_ICE_PWD_LEN 24

/* Others than Conflux nodes choose other lengths: at least 4 and 22 (RFC 8839 section 5.4), and at
 * most 256; these are ours. */
#define VN_ICE_UFRAG_MIN 4
#define VN_ICE_UFRAG_MAX 32
#define VN_ICE_PWD_MIN 22
#define VN_ICE_PWD_MAX 64

/* Peer connections of a tether: 0 for bulk; 1 for real-time and control, which so never wait behind
 * it. */
#define VN_HOP_PCS 2

struct vn_ice_params {
    char ufrag[VN_ICE_UFRAG_MAX + 1];
    char pwd[VN_ICE_PWD_MAX + 1];
};

struct vn_hop_transcript {
    struct vn_id tether, realm, offerer, answerer;
    uint32_t generation;
    uint8_t roles; /* 1: the offerer controls ICE and is DTLS server */
    struct vn_ice_params ice_offerer[VN_HOP_PCS], ice_answerer[VN_HOP_PCS];
    struct vn_span ek, ct;
};
VN_MUST_CHECK vn_status vn_hop_psk(const struct vn_suite_info *suite,
                                   const struct vn_hop_transcript *t, const struct vn_secret *ss,
                                   uint8_t i, struct vn_secret32 *ret);
