/* The open ports of a public node: STUN for members (stun_server.h) over UDP, IPv4 and IPv6, on the
 * port it was told and on the one above. An answer leaves from the address its question came to. */
#pragma once

#include "ports/io.h"
#include "transport/stun_server.h"

struct vn_public_stun;

struct vn_public_stun_counters {
    uint64_t answered, stranger, rate;
    uint64_t failed; /* answers that the system would not take */
};

/** VN_ERR_EXISTS: the port is taken; VN_ERR_IO. The port above is done without when it is taken. */
VN_MUST_CHECK vn_status vn_public_stun_new(const struct vn_io *io, const struct vn_random *random,
                                           uint32_t so_mark, uint16_t port,
                                           struct vn_public_stun **ret);
struct vn_public_stun *vn_public_stun_free(struct vn_public_stun *p); /* returns NULL */
/** Copied. */
void vn_public_stun_set_keys(struct vn_public_stun *p, const struct vn_stun_keys *keys);
const struct vn_public_stun_counters *vn_public_stun_counters(const struct vn_public_stun *p);
