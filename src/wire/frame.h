/*
 * Frames (DESIGN section 7): IP packets bundled and sealed once, carried by a label.
 *
 *   hop header   8  version|type u8, flags u8, reserved u16, label u32
 *   e2e header  20  epoch u32, batch u32, idx u16, lane u8, class u8, seq u64              (AAD)
 *   ciphertext      count u16, then count × { length u24, kind u8, [gso_size u16, l4 offset u8],
 *                   packet }                                                              tag 16
 *
 * length counts the packet alone; the bracket is there for every kind but NONE.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"

#define VN_HOP_HEADER_LEN 8
#define VN_E2E_HEADER_LEN 20
#define VN_FRAME_OVERHEAD (VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN + 2 + VN_AEAD_TAG_LEN)
#define VN_FRAME_PACKET_OVERHEAD 4
/* More, of kinds that leave something to do: gso_size2, l4_offset1 */
#define VN_FRAME_OFFLOAD_OVERHEAD 3

enum vn_hop_type {
    VN_HOP_FRAME = 1,   /* e2e header and ciphertext follow */
    VN_HOP_CONTROL = 2, /* a stream control packet (wire/control.h) follows */
    VN_HOP_CIRCUIT = 3, /* label 0: a circuit message (wire/circuit.h) for the neighbour itself */
    VN_HOP_CREDIT = 4,  /* a grant (wire/circuit.h) for who sends frames on a circuit */
    VN_HOP_SIGNAL = 5,  /* label 0: a message of the control channel (wire/inband.h) */
    VN_HOP_PATH = 6,    /* label 0: of relays (wire/path.h), for the neighbour itself */
};
struct vn_hop_header {
    enum vn_hop_type type;
    uint8_t flags;
    uint32_t label;
};
void vn_hop_encode(struct vn_writer *w, const struct vn_hop_header *h);
/** Another label in the header, of VN_HOP_HEADER_LEN bytes, that is there. */
void vn_hop_relabel(uint8_t *hop, uint32_t label);
/** Whether the neighbour itself is meant: the label is 0. */
static inline bool vn_hop_to_neighbour(enum vn_hop_type type)
{
    return type == VN_HOP_CIRCUIT || type == VN_HOP_SIGNAL || type == VN_HOP_PATH;
}
/** Version must be ours, reserved zero, type known; label 0 if and only if it is for the neighbour.
 */
VN_MUST_CHECK bool vn_hop_decode(struct vn_reader *r, struct vn_hop_header *ret);

struct vn_e2e_header {
    uint32_t epoch, batch;
    uint16_t idx;
    uint8_t lane, cls;
    uint64_t seq;
};
void vn_e2e_encode(struct vn_writer *w, const struct vn_e2e_header *h);
VN_MUST_CHECK bool vn_e2e_decode(struct vn_reader *r, struct vn_e2e_header *ret);

/** Low four bits of the packet's kind byte; the ECN verdict of the egresser is in bits 4..5. */
enum vn_packet_kind {
    VN_PKT_NONE = 0,
    VN_PKT_CSUM = 1,
    VN_PKT_TCP4 = 2,
    VN_PKT_TCP6 = 3,
    VN_PKT_UDP_L4 = 4
};
struct vn_frame_packet {
    enum vn_packet_kind kind;
    uint8_t ecn;
    uint16_t gso_size; /* TCP4, TCP6, UDP_L4: not 0; CSUM: 0 */
    uint8_t l4_offset; /* CSUM and the three above */
    struct vn_span packet;
};
/** Appends what stands before the packet itself; the caller puts the packet behind it. */
void vn_frame_put_header(struct vn_writer *w, const struct vn_frame_packet *p);
/** Appends one packet to the plaintext after the count; w remembers overflow, or an empty packet.
 */
void vn_frame_put_packet(struct vn_writer *w, const struct vn_frame_packet *p);
/** Next packet of the plaintext after the count. False at a malformed one. */
VN_MUST_CHECK bool vn_frame_next_packet(struct vn_reader *r, struct vn_frame_packet *ret);
/**
 * Walks a whole plaintext first: the count, 1..VN_FRAME_PACKETS_MAX, so many well-formed packets
 * and nothing after them. ret then stands at the first packet, and vn_frame_next_packet succeeds
 * *ret_count times. What kind, gso_size and l4_offset say about the packet is not judged here.
 */
VN_MUST_CHECK bool vn_frame_open(struct vn_span plaintext, struct vn_reader *ret,
                                 size_t *ret_count);

/** The AEAD key and iv of one (stream, epoch, lane). */
struct vn_lane_keys {
    struct vn_secret32 key;
    uint8_t iv[12];
};
/** key ‖ iv = HKDF-Expand(ck_epoch, "frame" ‖ lane1), 44 bytes. */
VN_MUST_CHECK vn_status vn_lane_keys_derive(enum vn_hash_alg alg, const struct vn_secret32 *ck,
                                            uint8_t lane, struct vn_lane_keys *ret);
/** nonce = iv XOR (0^4 ‖ seq8). */
void vn_lane_nonce(const uint8_t iv[12], uint64_t seq, uint8_t ret[12]);
/** ck' = HKDF(ck, "step"). */
VN_MUST_CHECK vn_status vn_chain_step(enum vn_hash_alg alg, const struct vn_secret32 *ck,
                                      struct vn_secret32 *ret);
