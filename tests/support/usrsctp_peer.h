/*
 * The other end of interoperability tests: an association of libusrsctp, in virtual time. The
 * library keeps its state per process, so all of them live on one thread.
 */
#pragma once

#include "transport/sctp.h"

struct usrsctp_peer;

struct usrsctp_peer_config {
    void *arg;
    void (*output)(void *arg, const struct vn_dgram *packets, size_t n);
    size_t mtu, message_max;
    uint16_t streams; /* each way; 0: VN_SCTP_STREAMS */
};

/** The first one sets the library up; between tests usrsctp_peer_finish tears it down. */
struct usrsctp_peer *usrsctp_peer_new(const struct usrsctp_peer_config *cfg, uint64_t now_us);
/** Sends ABORT. Returns NULL. */
struct usrsctp_peer *usrsctp_peer_free(struct usrsctp_peer *s);
void usrsctp_peer_finish(void);

void usrsctp_peer_connect(struct usrsctp_peer *s);
void usrsctp_peer_shutdown(struct usrsctp_peer *s);
void usrsctp_peer_reset(struct usrsctp_peer *s, uint16_t stream);
enum vn_sctp_state usrsctp_peer_state(const struct usrsctp_peer *s);
void usrsctp_peer_input(struct usrsctp_peer *s, struct vn_dgram packet);
size_t usrsctp_peer_receive(struct usrsctp_peer *s, struct vn_sctp_msg *ret, size_t cap);
/** False: its buffer is full. */
bool usrsctp_peer_send(struct usrsctp_peer *s, uint16_t stream, uint32_t ppid,
                       const struct vn_sctp_how *how, struct vn_span msg);
/** Streams this end saw reset by its peer. */
uint32_t usrsctp_peer_resets(const struct usrsctp_peer *s);
/** Lets the library's time go on, for all associations. */
void usrsctp_peer_advance(uint64_t now_us);
