/**
 * One direction of an emulated link: what happens to each packet, and when it comes out. No I/O and
 * no clock: time is an argument.
 */
#ifndef VN_TESTS_LINKEM_LINK_H
#define VN_TESTS_LINKEM_LINK_H

#include "support/linkem_gso.h"

/** Figures of one direction. Probabilities are of 2^32. */
struct linkem_figures {
    uint64_t delay_ns;
    uint64_t jitter_ns;  /* the delay wanders within +- this, without reordering */
    uint64_t rate_bit_s; /* 0: unlimited; counts Ethernet headers */
    uint64_t queue_ns;   /* what waits longer for the rate is dropped */
    uint64_t loss;
    uint64_t dup;
    uint64_t reorder; /* these packets are held back for reorder_ns */
    uint64_t reorder_ns;
    size_t mtu; /* largest packet without Ethernet header; larger ones vanish; 0: no limit */
};

struct linkem_counters {
    uint64_t received; /* packets on the wire, not frames of the kernel */
    uint64_t delivered;
    uint64_t delivered_bytes;
    uint64_t lost;
    uint64_t duplicated;
    uint64_t reordered;
    uint64_t dropped_queue;
    uint64_t dropped_mtu;
    uint64_t dropped_other;
};

struct linkem_packet {
    uint64_t release_ns;
    uint64_t order;
    struct virtio_net_hdr vnet;
    size_t len;
    size_t wire_packets;
    size_t wire_bytes;
    uint8_t data[];
};

struct linkem_link {
    struct linkem_figures figures;
    struct linkem_counters counters;
    uint64_t rng;
    uint64_t next_free_ns;
    uint64_t last_release_ns;
    uint64_t next_order;
    /* The jitter moves in straight lines between random points. */
    uint64_t jitter_from_ns;
    uint64_t jitter_period_ns;
    int64_t jitter_a;
    int64_t jitter_b;
    struct linkem_packet **heap;
    size_t heap_len;
    size_t heap_cap;
    size_t queued_bytes;
};

void linkem_link_init(struct linkem_link *l, uint64_t seed);
void linkem_link_done(struct linkem_link *l);

/** Takes a frame in at now_ns. */
void linkem_link_input(struct linkem_link *l, const struct linkem_frame *f, uint64_t now_ns);

/** When the next packet is due; UINT64_MAX: none waits. */
uint64_t linkem_link_due(const struct linkem_link *l);

/** Takes the next packet due at now_ns out, for the caller to free; NULL if none is. */
struct linkem_packet *linkem_link_output(struct linkem_link *l, uint64_t now_ns);

#endif
