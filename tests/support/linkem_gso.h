/**
 * Packets as the kernel hands them over with PACKET_VNET_HDR: one may stand for dozens of packets
 * on the wire, with checksums left for later. Here they are counted, and taken apart.
 */
#ifndef VN_TESTS_LINKEM_GSO_H
#define VN_TESTS_LINKEM_GSO_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINKEM_ETH_LEN 14

struct linkem_frame {
    struct virtio_net_hdr vnet;
    const uint8_t *data; /* Ethernet header first; borrowed */
    size_t len;
};

/** What the frame is on the wire. */
struct linkem_wire {
    size_t packets;
    size_t bytes;      /* all packets, Ethernet headers included */
    size_t largest_ip; /* bytes of the largest packet without its Ethernet header */
    size_t header_len; /* Ethernet to transport, repeated in every packet; 0 if not segmentable */
};

/** Never fails: what it does not understand counts as one packet. */
struct linkem_wire linkem_wire_of(const struct linkem_frame *f);

/**
 * Writes packet number i of a frame for which header_len is not 0.
 *
 * @param ret_data  at least header_len + gso_size bytes
 * @param ret       describes the packet in ret_data; its checksum is left to the receiver as before
 */
void linkem_segment(const struct linkem_frame *f, const struct linkem_wire *w, size_t i,
                    uint8_t *ret_data, struct linkem_frame *ret);

#endif
