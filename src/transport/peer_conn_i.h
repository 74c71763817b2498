/*
 * A peer connection, for its own files: peer_conn.c (life), peer_conn_run.c (states and time),
 * peer_conn_gather.c (sockets and candidates), peer_conn_relay.c (TURN), peer_conn_tx.c and
 * peer_conn_rx.c (datagrams), peer_conn_channel.c (channels and messages), peer_conn_restart.c (ICE
 * restart), peer_conn_better.c (when one is wanted for a better pair).
 */
#pragma once

#include "transport/consent.h"
#include "transport/ice.h"
#include "transport/limits.h"
#include "transport/peer_conn.h"
#include "transport/reflex.h"
#include "transport/relay.h"
#include "transport/sctp.h"
#include "transport/transport_i.h"
#include "transport/udp.h"

enum vn_pc_state {
    VN_PC_EXPECT_START,
    VN_PC_EXPECT_PAIR,
    VN_PC_EXPECT_DTLS,
    VN_PC_EXPECT_SCTP,
    VN_PC_OPEN,
    VN_PC_DOWN,
};

/* A TURN server's way to the peer, or an attempt at one. */
struct vn_pc_relay {
    struct vn_pc *pc;
    struct vn_relay *relay; /* NULL: over */
    size_t local;           /* of the local candidate; SIZE_MAX: none yet */
};

/* Of a local candidate. */
struct vn_pc_socket {
    struct vn_pc *pc;
    size_t index; /* of the local candidate */
    int fd;       /* -1: closed, or a relayed candidate */
    struct vn_io_watch *watch;
    const struct vn_pc_relay *relay; /* NULL: a host candidate */
};

enum vn_pc_channel_state {
    VN_PC_CHANNEL_NONE,
    VN_PC_CHANNEL_EXPECTED, /* the peer's OPEN is awaited */
    VN_PC_CHANNEL_OPEN,     /* OPEN sent or received */
    VN_PC_CHANNEL_CLOSING,  /* what waits is sent, then both ends start their stream anew */
};

struct vn_pc_channel {
    enum vn_pc_channel_state state;
    uint16_t stream;
    struct vn_pc_channel_config cfg;
    struct vn_pktqueue queue; /* accepted, not yet given to SCTP */
    bool blocked;             /* a send was cut short: `writable` is owed */
    bool confirmed; /* the peer knows the channel: unordered messages may go (RFC 8832 section 6) */
    bool reset_asked, reset_by_peer; /* while closing */
};

struct vn_pc {
    struct vn_list link;
    struct vn_list of_waiting; /* transport.waiting */
    struct vn_grave grave;
    struct vn_transport *transport;
    struct vn_pc *next;   /* of an ICE restart; see peer_conn_restart.c */
    struct vn_pc *before; /* this is the `next` of that one */
    struct vn_pc_config cfg;
    char identity[VN_DTLS_IDENTITY_MAX + 1];
    struct vn_pc_handler handler;
    enum vn_pc_state state;
    enum vn_tether_down failure; /* 0: none; reported by the next callback of ours */
    bool announced;              /* candidates were reported */
    bool closed;                 /* by the user */
    bool held;                   /* messages stay in SCTP */
    bool due_now;                /* there may be something to report */
    bool worn;                   /* that was reported */

    struct vn_candidate candidates[VN_ICE_CANDIDATES_MAX];
    struct vn_pc_socket sockets[VN_ICE_CANDIDATES_MAX];
    size_t socket_count, host_count; /* the host candidates come first */
    struct vn_pc_relay relays[VN_RELAYS_MAX];
    size_t relay_count, relay_at; /* of the transport's servers: the next to ask */
    uint64_t relay_next_us;       /* when; UINT64_MAX: none */
    struct vn_reflex reflex;
    struct vn_candidate reflexive[VN_REFLEX_MAX]; /* of which the user knows `told` */
    size_t reflexive_count, reflexive_told;
    struct vn_ice *ice;
    bool has_pair;
    struct vn_ice_selected pair;       /* selected, or the valid one that DTLS came on first */
    bool connected;                    /* the pair's socket has its peer fixed */
    uint64_t better_us, better_gap_us; /* when a better pair is looked for; UINT64_MAX: not */
    struct vn_consent consent;
    uint64_t ice_heard_us, ice_answered_us; /* what consent knows of */

    struct vn_pc_keys keys;
    uint64_t started_us;
    struct vn_dtls *dtls;
    struct vn_sctp *sctp;
    struct vn_udp_tx *backlog; /* while the socket is full */
    uint8_t *room;             /* where the sink's next datagram is, of a relayed pair */
    uint8_t relay_room[VN_UDP_PAYLOAD_MAX_BYTES];
    struct vn_pc_channel *channels; /* cfg.streams, by stream */
    uint16_t *order;                /* streams with a channel, the highest priority first */
    size_t channel_count, closing_count;
    size_t send_max; /* bytes of the longest message the peer takes */
    bool expects;    /* channels of the peer's, */
    bool channel_up; /* and one of them, or of ours, is open */

    struct vn_io_timer *timer;
    uint64_t due_us; /* UINT64_MAX: not armed */
    uint64_t tx_bytes, rx_bytes, tx_msgs, rx_msgs;
};

static inline uint64_t vn_pc_now(const struct vn_pc *pc)
{
    return pc->transport->io->now_us(pc->transport->io->self);
}

static inline bool vn_pc_is_live(const struct vn_pc *pc)
{
    return pc->state != VN_PC_DOWN && !pc->closed;
}

/* ---- peer_conn.c ---- */

/** Ends what the layers have, telling the peer; the storage stays. */
void vn_pc_release(struct vn_pc *pc);

/* ---- peer_conn_run.c ---- */

void vn_pc_set_state(struct vn_pc *pc, enum vn_pc_state state);
/** Callback of the timer. */
void vn_pc_on_timer(void *arg);
/** Goes down with the next callback; the first reason counts. */
void vn_pc_fail(struct vn_pc *pc, enum vn_tether_down why);
bool vn_pc_is_connecting(const struct vn_pc *pc);
/** Arms the timer for what is due next. */
void vn_pc_arm(struct vn_pc *pc);
/** Looks at every layer from the bottom up. May call the user; the connection may be closed or down
 * afterwards. */
void vn_pc_progress(struct vn_pc *pc);
void vn_pc_follow_ice(struct vn_pc *pc);
void vn_pc_follow_dtls(struct vn_pc *pc);
void vn_pc_follow_sctp(struct vn_pc *pc);
/** Sets what depends on the round trip: SCTP's window, and how long messages wait in turn. */
void vn_pc_fit_to_path(struct vn_pc *pc);
/** The handshake's beginning, on the pair. */
void vn_pc_make_dtls(struct vn_pc *pc);
/** The address of its pair is gone, and the silence need not be waited for: the user is told that
 * it wants a restart. Where there can be none it fails, with the next callback. */
void vn_pc_lose_pair(struct vn_pc *pc);

/* ---- peer_conn_better.c ---- */

/** A pair was selected: says when to look for a better one, if there may be one. */
void vn_pc_plan_better(struct vn_pc *pc);
/** This machine's addresses have changed: looks soon if there are others than were tried. */
void vn_pc_hurry_better(struct vn_pc *pc);
/** Likewise while there is no pair yet, after VN_BETTER_CHANGE_US: goes down, to be made anew with
 * the candidates of now. May call the user. */
void vn_pc_hurry_first(struct vn_pc *pc);
/** May call the user. */
void vn_pc_tick_better(struct vn_pc *pc, uint64_t now_us);

/* ---- peer_conn_restart.c ---- */

/** A restart is under way that the connection needs: not one for a better pair. */
bool vn_pc_is_moving(const struct vn_pc *pc);

/** A pair of `next` is selected: the connection before it takes over, and `next` is closed. */
void vn_pc_adopt(struct vn_pc *next);

/* ---- peer_conn_gather.c ---- */

vn_status vn_pc_gather(struct vn_pc *pc);
/** Reports the host candidates. */
void vn_pc_announce(struct vn_pc *pc);
/** A server saw that socket's datagrams come from there. */
void vn_pc_take_mapped(struct vn_pc *pc, size_t local, const struct vn_addr *mapped);
/** Reports server-reflexive candidates that the user does not know. */
void vn_pc_tell_reflexive(struct vn_pc *pc);
/** Whether the peer is told of this local candidate. */
bool vn_pc_may_tell(const struct vn_pc *pc, enum vn_candidate_type type);
/** The pair is final: strangers end in the kernel, ICMP errors arrive, other sockets go. */
void vn_pc_settle(struct vn_pc *pc);
void vn_pc_close_sockets(struct vn_pc *pc);

/* ---- peer_conn_relay.c ---- */

/** Says when the first TURN server is asked. */
void vn_pc_plan_relays(struct vn_pc *pc);
/** Whether there may be relayed candidates still, or are already. */
bool vn_pc_may_relay(const struct vn_pc *pc);
bool vn_pc_has_relay(const struct vn_pc *pc);
/** Looks what has become of them: candidates that came, servers that failed. */
void vn_pc_follow_relays(struct vn_pc *pc);
void vn_pc_tick_relays(struct vn_pc *pc, uint64_t now_us);
uint64_t vn_pc_relays_deadline(const struct vn_pc *pc);
/** Lets the peer's checks through. */
void vn_pc_permit(struct vn_pc *pc, const struct vn_addr *peer);
/** Of a local candidate; NULL: it is none of a relay, or that is over. */
struct vn_relay *vn_pc_relay_of(const struct vn_pc *pc, size_t local);
/** The pair is final: gives back all that it does not use. */
void vn_pc_settle_relays(struct vn_pc *pc);
/** Takes over those of `from`, in place of its own. */
VN_MUST_CHECK vn_status vn_pc_move_relays(struct vn_pc *pc, struct vn_pc *from);
void vn_pc_close_relays(struct vn_pc *pc);

/* ---- peer_conn_tx.c ---- */

/** Of the pair, where it goes through a relay; else NULL. */
struct vn_relay *vn_pc_pair_relay(const struct vn_pc *pc);

/** The system said that the peer's port is closed. */
void vn_pc_refused(struct vn_pc *pc);
/** Where DTLS writes its datagrams. */
struct vn_dgram_sink vn_pc_sink(struct vn_pc *pc);
/** As vn_ice_config.send wants it. */
void vn_pc_send_stun(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram);
/** Ends a batch: nothing stays in the shared buffer. */
void vn_pc_flush(struct vn_pc *pc);
void vn_pc_drain_backlog(struct vn_pc *pc);

/* ---- peer_conn_rx.c ---- */

/** n datagrams of one peer at one local candidate; they may be written over. */
void vn_pc_take(struct vn_pc *pc, size_t local, const struct vn_addr *from,
                const struct vn_dgram *d, size_t n, uint64_t now_us);
/** Callback of a socket's watch. */
void vn_pc_on_socket(void *arg, unsigned events);

/* ---- peer_conn_channel.c ---- */

/** Hands up what arrived. */
void vn_pc_receive(struct vn_pc *pc);
/** Gives SCTP what it takes. */
void vn_pc_pump(struct vn_pc *pc);
void vn_pc_report_writable(struct vn_pc *pc);
/** Arms the timer, or leaves that and what SCTP still has to vn_transport_end_turn. */
void vn_pc_settle_turn(struct vn_pc *pc);
/** Sends what waited. May call the user. */
void vn_pc_end_turn(struct vn_pc *pc);
/** Messages that wait for SCTP, of all channels. */
size_t vn_pc_queued(const struct vn_pc *pc);
/** Ends what both ends have closed. */
void vn_pc_end_channels(struct vn_pc *pc);
/** Forgets all that waits. */
void vn_pc_clear_channels(struct vn_pc *pc);
