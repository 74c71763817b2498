/* A UDP relay between the peer connections of two ends on loopback that loses and delays what it is
 * told to. */
#pragma once

#include "support/test_io.h"
#include "base/id.h"

struct udp_proxy;

struct udp_proxy_rule {
    unsigned lose_per_mille; /* drawn anew for each datagram */
    bool lose_all;
    unsigned deaf;       /* peer connections of which all is lost; bit i: connection i */
    size_t bytes_per_ms; /* a bottleneck: what exceeds it and a bucket of 32 KB is lost, for all
                            together; 0: none */
    bool swap;           /* holds every 16th datagram back behind the next */
    size_t longest;      /* longer datagrams are lost; 0: any */
};

struct udp_proxy *udp_proxy_new(struct test_io *io);
struct udp_proxy *udp_proxy_free(struct udp_proxy *p); /* returns NULL */
/** Where each end sends to: for peer connection i, [2 * i] for end a, [2 * i + 1] for end b. */
const struct vn_addr *udp_proxy_addrs(const struct udp_proxy *p);
/** May be changed at any time. */
struct udp_proxy_rule *udp_proxy_rule(struct udp_proxy *p);
