/*
 * Port: where inner packets go. A TUN queue in the daemon, a callback or lwIP when embedded, a list
 * in tests. Data worker thread only. What comes from the TUN is handed to vn_worker_tun_input by
 * the shell.
 */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "base/status.h"
#include "wire/frame.h"

#define VN_TUN_PARTS_MAX (1 + VN_GSO_SEGMENTS_MAX)

/** What the device is to do with a packet. Made by core from its own parse, never from the wire. */
struct vn_tun_offload {
    enum vn_packet_kind kind; /* not NONE */
    uint16_t l4_offset; /* of the TCP or UDP header, whose checksum covers its pseudo header only */
    uint16_t csum_offset; /* of the checksum in it */
    uint16_t header_len;  /* all headers; TCP4, TCP6, UDP_L4 */
    uint16_t gso_size;    /* payload bytes of a segment; 0 for CSUM */
    bool ecn; /* TCP with CWR: only the first segment keeps it (RFC 3168 section 6.1.2) */
};

struct vn_tun_port {
    void *self;
    /** Writes one IP packet; borrowed. VN_ERR_AGAIN when the device is full: drop and count. */
    vn_status (*write)(void *self, struct vn_span packet);
    /**
     * The same with work left to the device; parts follow one another, at most VN_TUN_PARTS_MAX.
     * NULL if it cannot: core then finishes checksums and cuts segments itself.
     */
    vn_status (*write_offload)(void *self, const struct vn_span *parts, size_t count,
                               const struct vn_tun_offload *o);
    bool cuts_udp; /* write_offload takes UDP_L4 (Linux from 6.2) */
};
