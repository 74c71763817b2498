/* What a transport shares with its peer connections and tethers; not for other layers, they use
 * transport/transport.h. */
#pragma once

#include <net/if.h>

#include "base/ifname_list.h"
#include "base/limits.h"
#include "base/list.h"
#include "transport/netif.h"
#include "transport/public_stun.h"
#include "transport/transport.h"

#define VN_EXCLUDE_MAX 8

struct vn_pc;

/** Storage whose owner is gone, until no callback of ours that may still look at it is running. */
struct vn_grave {
    struct vn_list link;
    void *storage;
};

struct vn_transport {
    struct vn_tether_port port;
    const struct vn_io *io;
    const struct vn_random *random;
    uint32_t so_mark;
    bool allow_loopback;
    bool by_turns;
    uint64_t key_bytes;
    enum vn_candidate_filter filter;
    char exclude_ifname[IF_NAMESIZE];
    char not_over[VN_IFNAMES_TEXT];
    bool stranded; /* the last peer connection had no socket, and the log has it */
    struct vn_prefix exclude[VN_EXCLUDE_MAX];
    size_t exclude_count;
    struct vn_addr stun[VN_STUN_SERVERS_MAX];
    size_t stun_count;
    struct vn_ice_server turn[VN_ICE_SERVERS_MAX]; /* with their credentials */
    size_t turn_count;
    unsigned turn_failed; /* bit i: the log has it of turn[i] */
    struct vn_addr member_stun[VN_MEMBER_STUN_MAX];
    size_t member_stun_count;
    struct vn_stun_keys member_keys;
    struct vn_public_stun *public; /* NULL: this node is none */

    struct vn_dtls_ctx *dtls;
    struct vn_udp_rx *rx; /* while peer connections exist */
    struct vn_udp_tx *tx; /* likewise; holds datagrams of tx_owner only */
    struct vn_pc *tx_owner;
    int addr_fd; /* readable when an address came or went; -1: none */
    struct vn_io_watch *addr_watch;
    struct vn_io_timer *addr_timer;
    struct vn_addr here[VN_ICE_CANDIDATES_MAX]; /* when one did: those that may be used */
    size_t here_count;
    struct vn_list pcs;
    struct vn_list waiting; /* peer connections, for the end of the turn */
    struct vn_list graves;
    unsigned busy; /* callbacks of ours running, nested */
    struct vn_transport_counters counters;
};

/** Brackets every callback from the loop; the last leave empties the graves. */
void vn_transport_enter(struct vn_transport *tp);
void vn_transport_leave(struct vn_transport *tp);
/** Frees storage, from malloc, with the last leave; g is part of it. Between enter and leave. */
void vn_transport_bury(struct vn_transport *tp, struct vn_grave *g, void *storage);
/** Buffers shared by the peer connections. */
vn_status vn_transport_need_buffers(struct vn_transport *tp);
/** Which addresses may be used; borrows from tp. */
struct vn_netif_filter vn_transport_filter(const struct vn_transport *tp);

/** Opens the watch over this machine's addresses, for as long as peer connections exist; without
 * it their loss is noticed by silence. */
void vn_roam_watch(struct vn_transport *tp);
void vn_roam_unwatch(struct vn_transport *tp);
/** Calls fn for every peer connection; callbacks may close any of them. */
void vn_transport_each(struct vn_transport *tp, void (*fn)(struct vn_pc *pc));
