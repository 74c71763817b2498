/* What decoder and encoder of STUN messages share; others use transport/stun.h. */
#pragma once

#include "transport/stun.h"

#define VN_STUN_HEADER_LEN 20
#define VN_STUN_COOKIE 0x2112a442u
#define VN_STUN_SHA1_LEN 20
#define VN_STUN_SHA256_LEN 32
#define VN_STUN_FINGERPRINT_XOR 0x5354554eu /* RFC 8489 section 14.7 */

enum { VN_STUN_FAMILY_IPV4 = 1, VN_STUN_FAMILY_IPV6 = 2 };

/* RFC 8489 section 18.3, RFC 8445 section 20.2, RFC 8656 section 18 */
enum {
    ATTR_MAPPED_ADDRESS = 0x0001,
    ATTR_CHANGE_REQUEST = 0x0003, /* RFC 5780 section 9.1 */
    ATTR_USERNAME = 0x0006,
    ATTR_MESSAGE_INTEGRITY = 0x0008,
    ATTR_ERROR_CODE = 0x0009,
    ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
    ATTR_CHANNEL_NUMBER = 0x000c,
    ATTR_LIFETIME = 0x000d,
    ATTR_XOR_PEER_ADDRESS = 0x0012,
    ATTR_DATA = 0x0013,
    ATTR_REALM = 0x0014,
    ATTR_NONCE = 0x0015,
    ATTR_XOR_RELAYED_ADDRESS = 0x0016,
    ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017,
    ATTR_REQUESTED_TRANSPORT = 0x0019,
    ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    ATTR_PASSWORD_ALGORITHM = 0x001d,
    ATTR_USERHASH = 0x001e,
    ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    ATTR_PRIORITY = 0x0024,
    ATTR_USE_CANDIDATE = 0x0025,
    ATTR_PASSWORD_ALGORITHMS = 0x8002,
    ATTR_FILLER = 0xc061,
    ATTR_FINGERPRINT = 0x8028,
    ATTR_ICE_CONTROLLED = 0x8029,
    ATTR_ICE_CONTROLLING = 0x802a,
};

/** The HMAC of a message whose part before the attribute is `before`: RFC 8489 sections 14.5 and
 * 14.6. */
vn_status vn_stun_mac(enum vn_stun_integrity how, struct vn_span before, struct vn_span key,
                      uint8_t ret[VN_STUN_SHA256_LEN]);
