/* CRC-32 (ISO-HDLC, for STUN's FINGERPRINT) and CRC-32C (Castagnoli, for SCTP). */
#pragma once

#include "base/span.h"

/** RFC 8489 section 14.7 before its XOR. */
uint32_t vn_crc32(struct vn_span in);
/** RFC 9260 appendix A. Uses SSE4.2 where the machine has it. */
uint32_t vn_crc32c(struct vn_span in);
