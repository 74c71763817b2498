/* One tether and the transport it belongs to; not for other layers, they use ports/tether.h and
 * transport/transport.h. */
#pragma once

#include <net/if.h>

#include "base/limits.h"
#include "base/list.h"
#include "transport/consent.h"
#include "transport/dtls.h"
#include "transport/ice.h"
#include "transport/limits.h"
#include "transport/netif.h"
#include "transport/reflex.h"
#include "transport/sctp.h"
#include "transport/transport.h"
#include "transport/udp.h"

#define VN_EXCLUDE_MAX 8
#define VN_TETHER_CLASSES 3

struct vn_transport {
    struct vn_tether_port port;
    const struct vn_io *io;
    const struct vn_random *random;
    uint32_t so_mark;
    bool allow_loopback;
    char exclude_ifname[IF_NAMESIZE];
    struct vn_prefix exclude[VN_EXCLUDE_MAX];
    size_t exclude_count;
    struct vn_addr stun[VN_STUN_SERVERS_MAX];
    size_t stun_count;

    struct vn_dtls_ctx *dtls;
    struct vn_udp_rx *rx; /* while tethers exist */
    struct vn_udp_tx *tx; /* likewise; holds datagrams of tx_owner only */
    struct vn_tether *tx_owner;
    int addr_fd; /* readable when an address came or went; -1: none */
    struct vn_io_watch *addr_watch;
    struct vn_io_timer *addr_timer;
    struct vn_list tethers;
    struct vn_list graves; /* closed while a callback of ours was running */
    unsigned busy;         /* callbacks of ours running, nested */
    struct vn_transport_counters counters;
};

enum vn_tether_state {
    VN_TETHER_EXPECT_START,
    VN_TETHER_EXPECT_PAIR,
    VN_TETHER_EXPECT_DTLS,
    VN_TETHER_EXPECT_SCTP,
    VN_TETHER_EXPECT_CHANNELS,
    VN_TETHER_UP,
    VN_TETHER_DOWN,
};

struct vn_tether_socket {
    struct vn_tether *tether;
    size_t index; /* of the local candidate */
    int fd;       /* -1: closed */
    struct vn_io_watch *watch;
};

struct vn_tether_channel {
    struct vn_pktqueue queue; /* accepted, not yet given to SCTP */
    bool blocked;             /* a send was cut short: `writable` is owed */
    bool open;                /* OPEN sent or received */
    bool confirmed; /* the peer knows the channel: unordered messages may go (RFC 8832 section 6) */
};

struct vn_tether {
    struct vn_list link;
    struct vn_transport *transport;
    struct vn_tether_config cfg;
    struct vn_tether_handler handler;
    enum vn_tether_state state;
    enum vn_tether_down failure; /* 0: none; reported by the next callback of ours */
    bool announced;              /* candidates were reported */
    bool closed;                 /* by the user */

    struct vn_candidate candidates[VN_ICE_CANDIDATES_MAX];
    struct vn_tether_socket sockets[VN_ICE_CANDIDATES_MAX];
    size_t socket_count;
    struct vn_reflex reflex;
    struct vn_candidate reflexive[VN_REFLEX_MAX]; /* of which the user knows `told` */
    size_t reflexive_count, reflexive_told;
    struct vn_ice *ice;
    bool has_pair;
    struct vn_ice_selected pair; /* selected, or the valid one that DTLS came on first */
    bool connected;              /* the pair's socket has its peer fixed */
    struct vn_consent consent;
    uint64_t ice_heard_us, ice_answered_us; /* what consent knows of */

    struct vn_secret32 psk;
    uint64_t started_us;
    struct vn_dtls *dtls;
    struct vn_sctp *sctp;
    struct vn_udp_tx *backlog; /* while the socket is full */
    struct vn_tether_channel channels[VN_TETHER_CLASSES];

    struct vn_io_timer *timer;
    uint64_t due_us; /* UINT64_MAX: not armed */
    uint64_t tx_bytes, rx_bytes, tx_msgs, rx_msgs;
};

vn_status vn_tether_open(void *transport, const struct vn_tether_config *cfg,
                         const struct vn_tether_handler *h, struct vn_tether **ret);
vn_status vn_tether_start(struct vn_tether *t, const struct vn_tether_start *s);
void vn_tether_add_remote_candidate(struct vn_tether *t, const struct vn_candidate *c);
vn_status vn_tether_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                         size_t n, size_t *ret_taken);
void vn_tether_stats(const struct vn_tether *t, struct vn_tether_stats *ret);
void vn_tether_close(struct vn_tether *t);

/** Goes down at once: the address of its pair is gone, and the silence need not be waited for. */
void vn_tether_lost_address(struct vn_tether *t);

/* Of the transport, for its tethers: */

/** Brackets every callback from the loop; the last leave frees what was closed meanwhile. */
void vn_transport_enter(struct vn_transport *tp);
void vn_transport_leave(struct vn_transport *tp);
/** Buffers shared by the tethers. */
vn_status vn_transport_need_buffers(struct vn_transport *tp);
/** Which addresses may be used; borrows from tp. */
struct vn_netif_filter vn_transport_filter(const struct vn_transport *tp);

/** Opens the watch over this machine's addresses, for as long as tethers exist; without it their
 * loss is noticed by silence. */
void vn_roam_watch(struct vn_transport *tp);
void vn_roam_unwatch(struct vn_transport *tp);
/** Calls fn for every tether; callbacks may close any of them. */
void vn_transport_each(struct vn_transport *tp, void (*fn)(struct vn_tether *t));
