/* One tether: a group of peer connections to one peer, with the classes of ports/tether.h mapped to
 * their channels. Not for other layers, they use ports/tether.h and transport/transport.h. */
#pragma once

#include "transport/peer_conn.h"
#include "transport/transport_i.h"

#define VN_TETHER_CLASSES 3

enum vn_tether_state {
    VN_TETHER_EXPECT_START,
    VN_TETHER_EXPECT_CONNECTIONS,
    VN_TETHER_UP,
    VN_TETHER_DOWN,
};

/** One peer connection of a tether. */
struct vn_tether_member {
    struct vn_tether *tether;
    struct vn_pc *pc;
    bool gathered;
    bool restarting; /* ICE */
    bool moved;      /* by that */
    bool up;         /* a channel is open, so messages may come */
};

struct vn_tether {
    struct vn_grave grave;
    struct vn_transport *transport;
    struct vn_id id;
    bool dtls_client;
    struct vn_tether_handler handler;
    enum vn_tether_state state;
    bool closed; /* by the user */
    bool worn;   /* told */
    struct vn_tether_member members[VN_HOP_PCS];
    uint64_t started_us;
    struct vn_tether_stats last; /* of connections that are closed */
};

vn_status vn_tether_open(void *transport, const struct vn_tether_config *cfg,
                         const struct vn_tether_handler *h, struct vn_tether **ret);
vn_status vn_tether_start(struct vn_tether *t, const struct vn_tether_start *s);
vn_status vn_tether_restart(struct vn_tether *t, const struct vn_ice_params local[VN_HOP_PCS],
                            bool better);
vn_status vn_tether_restart_start(struct vn_tether *t,
                                  const struct vn_ice_params remote[VN_HOP_PCS]);
void vn_tether_add_remote_candidate(struct vn_tether *t, const struct vn_candidate *c);
vn_status vn_tether_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                         size_t n, size_t *ret_taken);
void vn_tether_stats(const struct vn_tether *t, struct vn_tether_stats *ret);
void vn_tether_close(struct vn_tether *t);
