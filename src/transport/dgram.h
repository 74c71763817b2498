/* A datagram in storage that may be written over, and where datagrams go: what DTLS and SCTP share.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vn_dgram {
    uint8_t *p;
    size_t n;
};

/** Takes datagrams one after the other without copying twice. */
struct vn_dgram_sink {
    void *arg;
    /** Room for a datagram of at most n bytes; NULL: it is to be dropped. */
    uint8_t *(*room)(void *arg, size_t n);
    /** The first n bytes of the room just given are a datagram. */
    void (*keep)(void *arg, size_t n);
};
