/*
 * SCTP on the wire (RFC 9260 section 3): packets are a common header and chunks, chunks carry
 * parameters; both are type, length and value, padded to 4 bytes.
 *
 *  | source port 16 | destination port 16 |      | type 8 | flags 8 | length 16 |
 *  | verification tag 32                  |      | value ...                    |
 *  | CRC32c 32                            |
 */
#pragma once

#include <stdbool.h>

#include "base/reader.h"
#include "base/writer.h"

#define VN_SCTP_HEADER_LEN 12
#define VN_SCTP_CHUNK_LEN 4
#define VN_SCTP_DATA_LEN 16 /* section 3.3.1, with the chunk header */
#define VN_SCTP_SACK_LEN 16 /* section 3.3.4, likewise, without gaps and duplicates */

enum vn_sctp_type {
    VN_SCTP_DATA = 0,
    VN_SCTP_INIT = 1,
    VN_SCTP_INIT_ACK = 2,
    VN_SCTP_SACK = 3,
    VN_SCTP_HEARTBEAT = 4,
    VN_SCTP_HEARTBEAT_ACK = 5,
    VN_SCTP_ABORT = 6,
    VN_SCTP_SHUTDOWN = 7,
    VN_SCTP_SHUTDOWN_ACK = 8,
    VN_SCTP_ERROR = 9,
    VN_SCTP_COOKIE_ECHO = 10,
    VN_SCTP_COOKIE_ACK = 11,
    VN_SCTP_SHUTDOWN_COMPLETE = 14,
    VN_SCTP_RECONFIG = 130,    /* RFC 6525 */
    VN_SCTP_PAD = 132,         /* RFC 4820 */
    VN_SCTP_FORWARD_TSN = 192, /* RFC 3758 */
};

enum { /* flags of DATA */
       VN_SCTP_FLAG_END = 1,
       VN_SCTP_FLAG_BEGIN = 2,
       VN_SCTP_FLAG_UNORDERED = 4,
       VN_SCTP_FLAG_IMMEDIATE = 8, /* RFC 7053 */
       /* of ABORT and SHUTDOWN COMPLETE: the tag is the sender's own */
       VN_SCTP_FLAG_REFLECTED = 1,
};

enum vn_sctp_param {
    VN_SCTP_P_HEARTBEAT = 1,
    VN_SCTP_P_COOKIE = 7,
    VN_SCTP_P_UNRECOGNIZED = 8,
    VN_SCTP_P_HOST_NAME = 11,
    VN_SCTP_P_RESET_OUT = 13, /* RFC 6525 section 4 */
    VN_SCTP_P_RESET_IN = 14,
    VN_SCTP_P_RESET_TSN = 15,
    VN_SCTP_P_RESET_RESPONSE = 16,
    VN_SCTP_P_ADD_OUT = 17,
    VN_SCTP_P_ADD_IN = 18,
    VN_SCTP_P_ZERO_CHECKSUM = 0x8001, /* RFC 9653 */
    VN_SCTP_P_EXTENSIONS = 0x8008,    /* RFC 5061 */
    VN_SCTP_P_FORWARD_TSN = 0xc000,   /* RFC 3758 */
};

enum vn_sctp_cause {
    VN_SCTP_C_INVALID_STREAM = 1,
    VN_SCTP_C_MISSING_PARAM = 2,
    VN_SCTP_C_STALE_COOKIE = 3,
    VN_SCTP_C_OUT_OF_RESOURCE = 4,
    VN_SCTP_C_UNRESOLVABLE = 5,
    VN_SCTP_C_UNRECOGNIZED_CHUNK = 6,
    VN_SCTP_C_UNRECOGNIZED_PARAM = 8,
    VN_SCTP_C_NO_USER_DATA = 9,
    VN_SCTP_C_USER_ABORT = 12,
    VN_SCTP_C_PROTOCOL = 13,
};

/** RFC 9653 section 6: DTLS protects the packets. */
#define VN_SCTP_EDM_DTLS 1

struct vn_sctp_header {
    uint32_t ports; /* source and destination */
    uint32_t tag;
    uint32_t checksum; /* as on the wire: least significant byte first, read here as a number */
};

/** A chunk, parameter or cause. */
struct vn_sctp_tlv {
    uint16_t type; /* 8 bits in chunks */
    uint8_t flags; /* chunks only */
    struct vn_reader value;
    struct vn_span whole; /* with its header, without padding */
};

VN_MUST_CHECK bool vn_sctp_read_header(struct vn_reader *r, struct vn_sctp_header *ret);
/** False at the end, and for one that is cut; a last one may lack its padding. */
VN_MUST_CHECK bool vn_sctp_read_chunk(struct vn_reader *r, struct vn_sctp_tlv *ret);
VN_MUST_CHECK bool vn_sctp_read_param(struct vn_reader *r, struct vn_sctp_tlv *ret);

/** Whether the checksum is that of the packet; p is written over and restored. */
bool vn_sctp_checksum_holds(uint8_t *p, size_t n);
/** Writes the checksum, zero if so agreed, into a packet that is complete. */
void vn_sctp_seal(uint8_t *p, size_t n, bool zero);

void vn_sctp_write_header(struct vn_writer *w, uint32_t tag);
/** Opens a chunk; vn_sctp_end_chunk fills in its length and pads. */
size_t vn_sctp_begin_chunk(struct vn_writer *w, uint8_t type, uint8_t flags);
void vn_sctp_end_chunk(struct vn_writer *w, size_t at);
/** The same for a parameter or a cause. */
size_t vn_sctp_begin_param(struct vn_writer *w, uint16_t type);

/** What the bits of a type ask of who does not know it (sections 3.2, 3.2.1). */
static inline bool vn_sctp_unknown_goes_on(uint16_t type, unsigned bits)
{
    return type >> (bits - 1) & 1;
}
static inline bool vn_sctp_unknown_reports(uint16_t type, unsigned bits)
{
    return type >> (bits - 2) & 1;
}

/** A number of the wire as the one of all 2^64 that is closest to near. */
static inline uint64_t vn_sctp_unwrap(uint64_t near, uint32_t v)
{
    return near + (uint64_t)(int64_t)(int32_t)(v - (uint32_t)near);
}
