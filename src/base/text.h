/* Text forms of bytes: hexadecimal and base64url (RFC 4648 section 5, without padding). */
#pragma once

#include "base/span.h"
#include "base/status.h"

#define VN_B64URL_LEN(n) (((n) * 4 + 2) / 3)

/** Writes VN_B64URL_LEN(in.n) characters and a NUL; ret must hold them. */
void vn_b64url_encode(struct vn_span in, char *ret);
/** Strict: no padding, no other characters, no non-zero left-over bits. VN_ERR_MALFORMED;
 * VN_ERR_LIMIT if over cap. */
VN_MUST_CHECK vn_status vn_b64url_decode(struct vn_span text, uint8_t *ret, size_t cap,
                                         size_t *ret_n);
/** Standard alphabet with padding (RFC 4648 section 4), as PEM uses it. ret holds (n+2)/3*4 + 1. */
void vn_b64_encode(struct vn_span in, char *ret);
void vn_hex_encode(struct vn_span in, char *ret);
VN_MUST_CHECK vn_status vn_hex_decode(struct vn_span text, uint8_t *ret, size_t cap, size_t *ret_n);
/** RFC 4648 section 6 base32 without padding, as NATS keys use it. ret holds (n*8+4)/5 + 1. */
void vn_base32_encode(struct vn_span in, char *ret);
VN_MUST_CHECK vn_status vn_base32_decode(struct vn_span text, uint8_t *ret, size_t cap,
                                         size_t *ret_n);
