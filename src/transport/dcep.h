/*
 * The Data Channel Establishment Protocol (RFC 8832).
 *
 *   DATA_CHANNEL_OPEN                                       DATA_CHANNEL_ACK
 *  | type 3  8 | channel type 8 | priority 16 |            | type 2  8 |
 *  |      reliability parameter 32            |
 *  | label length 16     | protocol length 16 |
 *  | label ... | protocol ...                 |
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "base/status.h"
#include "base/writer.h"

#define VN_DCEP_PPID 50   /* RFC 8832 section 8.1 */
#define VN_STRING_PPID 51 /* RFC 8831 section 8: WebRTC String, Binary, and both empty */
#define VN_BINARY_PPID 53
#define VN_STRING_EMPTY_PPID 56
#define VN_BINARY_EMPTY_PPID 57

enum vn_dcep_type { VN_DCEP_ACK = 2, VN_DCEP_OPEN = 3 };

/** Section 5.1; the high bit means unordered. */
enum vn_dcep_channel {
    VN_DCEP_RELIABLE = 0x00,
    VN_DCEP_RETRANSMITS = 0x01,
    VN_DCEP_TIMED = 0x02,
    VN_DCEP_UNORDERED = 0x80,
};

struct vn_dcep_msg {
    enum vn_dcep_type type;
    uint8_t channel; /* enum vn_dcep_channel */
    uint16_t priority;
    uint32_t reliability;           /* retransmissions or milliseconds */
    struct vn_span label, protocol; /* point into the input */
};

VN_MUST_CHECK vn_status vn_dcep_decode(struct vn_span in, struct vn_dcep_msg *ret);
void vn_dcep_encode(struct vn_writer *w, const struct vn_dcep_msg *m);
