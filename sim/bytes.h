/*
 * Bytes of messages on the wire, by the constants of those who encode them; tests/unit/
 * test_node_bytes.c compares them with what nodes send. Suite `default`.
 */
#pragma once

#include "wire/circuit.h"
#include "wire/control.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/path.h"
#include "wire/setup.h"

/* IPv4 and UDP, DTLS record, SCTP packet and DATA chunk; a SACK for what came before. */
#define SIM_PACKET_BYTES (28 + 37 + 12 + 16)
#define SIM_SACK_BYTES 16
#define SIM_IN_TETHER(n) (SIM_PACKET_BYTES + VN_HOP_HEADER_LEN + (n) + SIM_SACK_BYTES)
/* TCP and IPv4, TLS record, NATS' PUB with a subject of 50 and a length of 3 digits. */
#define SIM_OVER_MASTER(n)                                                                         \
    (52 + 22 + 4 + 50 + 1 + 3 + 2 + 2 + VN_ENVELOPE_HEADER_LEN + (n) + VN_AEAD_TAG_LEN + VN_MAC_LEN)

/* A probe is a control packet with BIND, answered by one with BOUND (docs/protocol.md, 6). */
#define SIM_BIND_BODY 14
#define SIM_BOUND_BODY 9
#define SIM_CONTROL_BYTES(body) SIM_IN_TETHER(VN_CONTROL_HEAD_LEN + (body) + VN_AEAD_TAG_LEN)
#define SIM_PROBE_BYTES SIM_CONTROL_BYTES(SIM_BIND_BODY)
#define SIM_ANSWER_BYTES SIM_CONTROL_BYTES(SIM_BOUND_BODY)

/* QUERY and REPLY, in a tether and over Master; a descriptor in a tether, in packets of 1,200. */
#define SIM_ASK_BYTES SIM_IN_TETHER(VN_PATH_QUERY_LEN)
#define SIM_TELL_BYTES SIM_IN_TETHER(VN_PATH_REPLY_LEN(VN_PATH_TOLD_MAX))
#define SIM_HUB_BYTES SIM_OVER_MASTER(VN_PATH_QUERY_LEN)
#define SIM_HUB_REPLY_BYTES SIM_OVER_MASTER(VN_PATH_REPLY_LEN(VN_PATH_TOLD_MAX))

#define SIM_DESCRIPTOR 10500 /* with its certificate */
#define SIM_DESCRIPTOR_BYTES                                                                       \
    (SIM_IN_TETHER(VN_PATH_REPLY_LEN(0) + SIM_DESCRIPTOR) + 8 * SIM_PACKET_BYTES)

/* SETUP with its blob, in packets of 1,200, to a relay and on; ACCEPT back. */
#define SIM_SETUP_MESSAGE (12 + VN_SETUP_SLOTS * (VN_KID_LEN + 1120 + VN_SETUP_HEAD_LEN + 16))
#define SIM_SETUP_BYTES (SIM_IN_TETHER(SIM_SETUP_MESSAGE) + 3 * SIM_PACKET_BYTES)
#define SIM_ACCEPT_BYTES SIM_IN_TETHER(9)

/* Master's PING every 20 s and its PONG, a TLS record each, acknowledged; a renewal in 5 h. */
#define SIM_PRESENCE_BYTES_S ((80 + 52) / 20.0 + 12000 / 18000.0)
