/*
 * A TURN client (RFC 8656): one allocation on one server, for UDP to peers. Sans-IO: messages of
 * the server and the time come in, messages go out through `send`, the caller asks for the next
 * deadline and for the state. Over streams the caller cuts messages (vn_turn_frame_len) and pads.
 *
 *  EXPECT_ALLOCATION  Allocate is out, first without credentials, then with them
 *  ALLOCATED          refreshed before its end; permissions and channels are renewed while wanted
 *  FAILED             refused, lost, or the server is silent; see vn_turn_error
 *
 * ChannelData, RFC 8656 section 12.4:
 *   0                   1                   2                   3
 *  +-------------------------------+-------------------------------+
 *  |  channel 0x4000 to 0x4fff     |  length of the data           |
 *  +-------------------------------+-------------------------------+
 *  |  data; over streams padded to 4 bytes                         |
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "ports/random.h"
#include "transport/dgram.h"
#include "transport/limits.h"

enum vn_turn_state { VN_TURN_EXPECT_ALLOCATION, VN_TURN_ALLOCATED, VN_TURN_FAILED };

/** What became of a message; drops are counted by the caller and otherwise silent. */
enum vn_turn_input {
    VN_TURN_IN_CONTROL, /* ours; the state may have changed */
    VN_TURN_IN_DATA,    /* a peer's datagram */
    VN_TURN_IN_MALFORMED,
    VN_TURN_IN_AUTH,    /* its integrity is missing or wrong */
    VN_TURN_IN_UNKNOWN, /* an answer to nothing we asked, or a channel that is not bound */
};

struct vn_turn_config {
    const char *username, *password; /* copied */
    bool stream;                     /* the way to the server loses nothing: requests go once */
    bool v6;                         /* an IPv6 relayed address, else IPv4 */
    const struct vn_random *random;
    void *arg;
    /** One message for the server; losing it is fine, but over a stream it must go whole. */
    void (*send)(void *arg, struct vn_span message);
};

struct vn_turn;

/** Sends nothing yet: vn_turn_tick does. VN_ERR_ARG: the credentials are not printable. */
VN_MUST_CHECK vn_status vn_turn_new(const struct vn_turn_config *cfg, uint64_t now_us,
                                    struct vn_turn **ret);
/** Gives the allocation back (a Refresh of lifetime 0, without waiting), wipes, frees. Returns
 * NULL. */
struct vn_turn *vn_turn_free(struct vn_turn *t);

enum vn_turn_state vn_turn_state(const struct vn_turn *t);
/** Why it failed: the server's error code (RFC 8656 section 19), 0: silence or nonsense. */
unsigned vn_turn_error(const struct vn_turn *t);
/** The relayed address, once allocated; and what the server says our address is (port 0: nothing).
 */
struct vn_addr vn_turn_relayed(const struct vn_turn *t);
struct vn_addr vn_turn_mapped(const struct vn_turn *t);

/** Lets datagrams of this address come through, whatever port they are from; soon, and as long as
 * the allocation lives. Beyond VN_TURN_PERMISSIONS_MAX it is ignored. */
void vn_turn_permit(struct vn_turn *t, const struct vn_addr *peer, uint64_t now_us);
/** Binds a channel to this peer, and lets its datagrams come through. Then permissions are renewed
 * for peers with channels alone: checks with others are over. */
void vn_turn_bind(struct vn_turn *t, const struct vn_addr *peer, uint64_t now_us);
/** The channel of the peer; 0: none is bound yet. */
uint16_t vn_turn_channel(const struct vn_turn *t, const struct vn_addr *peer);

/** Sends one datagram, by channel or Send indication. */
void vn_turn_send(struct vn_turn *t, const struct vn_addr *peer, struct vn_span datagram);

/**
 * One whole message of the server.
 * @param ret_from  with VN_TURN_IN_DATA: the peer
 * @param ret_data  with VN_TURN_IN_DATA: its datagram, inside `in`
 */
enum vn_turn_input vn_turn_input(struct vn_turn *t, struct vn_dgram in, uint64_t now_us,
                                 struct vn_addr *ret_from, struct vn_dgram *ret_data);
/** Does what is due. */
void vn_turn_tick(struct vn_turn *t, uint64_t now_us);
/** When vn_turn_tick is due next; UINT64_MAX: never. */
uint64_t vn_turn_deadline(const struct vn_turn *t);

/**
 * Bytes of the message that a stream goes on with, padding included, from its first bytes (RFC 8656
 * section 3.2).
 * @return VN_OK; VN_ERR_AGAIN: four bytes are needed; VN_ERR_MALFORMED: neither STUN nor
 * ChannelData
 */
VN_MUST_CHECK vn_status vn_turn_frame_len(struct vn_span in, size_t *ret);
/** Writes the header of ChannelData for n bytes. */
void vn_turn_put_channel_header(uint8_t ret[VN_TURN_CHANNEL_HEADER], uint16_t channel, size_t n);
