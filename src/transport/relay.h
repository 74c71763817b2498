/*
 * A TURN server as a way to peers: socket, stream or TLS where it needs one, and the allocation
 * (turn.h). On the thread of its loop; it calls nobody on its own account: the owner hands it the
 * loop's events and the time, and looks at its state afterwards.
 */
#pragma once

#include "ports/io.h"
#include "transport/turn.h"
#include "transport/udp.h"
#include "wire/ice_server.h"

enum vn_relay_state {
    VN_RELAY_CONNECTING, /* the socket, TLS, or the allocation */
    VN_RELAY_READY,
    VN_RELAY_FAILED,
};

struct vn_relay_config {
    const struct vn_io *io;         /* borrowed */
    const struct vn_random *random; /* borrowed */
    uint32_t so_mark;
    const struct vn_ice_server *server; /* what is needed of it is copied */
    void *arg;
    /** The loop's event: calls vn_relay_input. */
    void (*on_ready)(void *arg, unsigned events);
};

struct vn_relay;

/** VN_ERR_IO: there is no way to the server; VN_ERR_NOMEM, VN_ERR_CRYPTO. */
VN_MUST_CHECK vn_status vn_relay_open(const struct vn_relay_config *cfg, struct vn_relay **ret);
/** Gives the allocation back as far as that goes without waiting. Returns NULL. */
struct vn_relay *vn_relay_close(struct vn_relay *r);

/** Another owner's from now on: arg is that of vn_relay_config. Also from inside its own event,
 * once vn_relay_input has returned. VN_ERR_NOMEM, VN_ERR_IO: no events will come; close it. */
VN_MUST_CHECK vn_status vn_relay_hand_over(struct vn_relay *r, void *arg);

enum vn_relay_state vn_relay_state(const struct vn_relay *r);
/** Why it failed: a short static text, and the server's error code, 0: none. */
const char *vn_relay_why(const struct vn_relay *r, unsigned *ret_code);
/** The relayed address; once READY. */
struct vn_addr vn_relay_addr(const struct vn_relay *r);
const struct vn_addr *vn_relay_server(const struct vn_relay *r);
/** Its socket, for whoever looks at its address. */
int vn_relay_fd(const struct vn_relay *r);
/** Datagrams go as they are, so several may be sent in one call; else it is a stream. */
bool vn_relay_is_udp(const struct vn_relay *r);

/** See turn.h. */
void vn_relay_permit(struct vn_relay *r, const struct vn_addr *peer);
void vn_relay_bind(struct vn_relay *r, const struct vn_addr *peer);
uint16_t vn_relay_channel(const struct vn_relay *r, const struct vn_addr *peer);

/** Sends one datagram to the peer, or drops it. False: dropped, for want of room. */
bool vn_relay_send(struct vn_relay *r, const struct vn_addr *peer, struct vn_span datagram);
/** Bytes that wait for the stream. */
size_t vn_relay_waiting(const struct vn_relay *r);
/** Whether the loop tells when the socket takes more; for what the owner itself sends over UDP. */
void vn_relay_watch_write(struct vn_relay *r, bool on);

/** What arrived for the owner. d[0..n) are datagrams of one peer; may be written over. */
struct vn_relay_sink {
    void *arg;
    void (*take)(void *arg, const struct vn_addr *from, const struct vn_dgram *d, size_t n);
    /** The messages of the server that were dropped: counted by what turn.h says of them. */
    void (*drop)(void *arg, enum vn_turn_input why);
};

/** The loop's event. The sink must not close the relay. */
void vn_relay_input(struct vn_relay *r, unsigned events, struct vn_udp_rx *rx,
                    const struct vn_relay_sink *sink);
/** Does what is due. */
void vn_relay_tick(struct vn_relay *r);
/** When vn_relay_tick is due next, in the loop's microseconds; UINT64_MAX: never. */
uint64_t vn_relay_deadline(const struct vn_relay *r);
