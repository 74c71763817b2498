/*
 * Tethers over real sockets: implements ports/tether.h with ICE, DTLS, SCTP and DCEP. One object
 * per data worker; it and everything it hands out live on that worker's thread.
 */
#pragma once

#include "ports/io.h"
#include "ports/random.h"
#include "ports/tether.h"

struct vn_transport_config {
    const struct vn_io *io;         /* borrowed, outlives the transport */
    const struct vn_random *random; /* borrowed, outlives the transport */
    uint32_t so_mark;               /* mark of underlay sockets, 0: none */
    const char *exclude_ifname; /* the overlay's own TUN, never a candidate; copied; NULL: none */
    const char *not_over; /* nor are these interfaces (base/ifname_list.h); copied; NULL: none */
    enum vn_candidate_filter filter;
    uint16_t public_port; /* answer members' STUN questions there; 0: no */
    bool allow_loopback;  /* loopback addresses are candidates beside others (tests) */
    bool by_turns;        /* vn_transport_end_turn is called: what is small waits for it */
    uint64_t key_bytes;   /* sealed under one DTLS key; 0: VN_DTLS_BYTES_MAX (tests have less) */
};

/** What was dropped or went wrong, and work done; for status, benches and tests. Since
 * vn_transport_new. */
struct vn_transport_counters {
    uint64_t rx_datagrams, rx_bytes, rx_reads; /* datagrams, and joined reads they came in */
    uint64_t tx_datagrams, tx_bytes, tx_flushes;
    uint64_t drop_stun_malformed, drop_stun_auth, drop_stun_unknown, drop_stun_limit;
    uint64_t drop_stranger; /* DTLS from a 5-tuple that passed no check */
    uint64_t drop_kind;     /* neither STUN nor DTLS (RFC 7983) */
    uint64_t drop_early;    /* DTLS before the association exists */
    uint64_t drop_record;   /* DTLS records that are forged, replayed or cut */
    uint64_t drop_channel;  /* messages on streams or with payload types that mean nothing here */
    uint64_t drop_tx;       /* datagrams the system would not take */
    uint64_t refused;       /* ICMP port unreachable */
    uint64_t tethers_opened, tethers_closed;
};

struct vn_transport;

/** VN_ERR_EXISTS: public_port is taken. */
VN_MUST_CHECK vn_status vn_transport_new(const struct vn_transport_config *cfg,
                                         struct vn_transport **ret);
/** Every tether must be closed. Returns NULL. */
struct vn_transport *vn_transport_free(struct vn_transport *t);
void vn_transport_freep(struct vn_transport **t);
/** Lives as long as the transport. */
const struct vn_tether_port *vn_transport_port(struct vn_transport *t);
/**
 * Addresses inside these prefixes are no candidates, ours or a peer's: the realm's own ranges, so
 * that no tether runs through the overlay. Copied; replaces the former list; counts for tethers
 * opened later. VN_ERR_LIMIT over 8.
 */
VN_MUST_CHECK vn_status vn_transport_exclude(struct vn_transport *t,
                                             const struct vn_prefix *prefixes, size_t count);
/** The loop's turn is over: sends what waited for more, and acknowledgements that nothing carried.
 */
void vn_transport_end_turn(struct vn_transport *t);
void vn_transport_counters(const struct vn_transport *t, struct vn_transport_counters *ret);
