/* Sends: envelopes, sealed and signed by the pool and then published; and bytes that need no
 * envelope. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/span.h"
#include "wire/types.h"

struct vn_node;
struct vn_peer;

struct vn_outgoing {
    enum vn_wire_type type;
    struct vn_id dst;             /* node, for a.in; ignored with own_name */
    const struct vn_id *own_name; /* h: publish on a.own.<h> to whoever owns it */
    struct vn_span ek;            /* the recipient's ekS; empty: seal 0, under the hour key */
    bool include_cert;
    uint32_t generation; /* of the hour key; 0: what dst was last heard under, or the present one */
    const ProtobufCMessage *body;
    /** NULL, or runs once it was published or never will be; not when vn_outbox_send fails. */
    void (*sent)(struct vn_node *n);
};
/** VN_ERR_AGAIN without credentials. What gets lost later is asked for again by timers. */
VN_MUST_CHECK vn_status vn_outbox_send(struct vn_node *n, const struct vn_outgoing *o);
/**
 * Sealed under the hour key and not signed, to dst or, NULL, to the hub that Master draws. At once,
 * and over Master alone: who else brings it could name any sender. VN_ERR_AGAIN without
 * credentials.
 */
VN_MUST_CHECK vn_status vn_outbox_member(struct vn_node *n, enum vn_wire_type type,
                                         const struct vn_id *dst, struct vn_span body);
/**
 * On a.in.<dst>.<self>: handshakes, control packets.
 *
 * @param via  the neighbour that brought, in-band, what this answers: zero where Master did, NULL
 *             where it answers nothing
 */
void vn_outbox_publish(struct vn_node *n, const struct vn_id *dst, const struct vn_id *via,
                       struct vn_span bytes);
/** Appends the encoding of m. */
VN_MUST_CHECK vn_status vn_pb_pack(const ProtobufCMessage *m, struct vn_buf *ret);
