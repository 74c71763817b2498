/* ICMP echo (RFC 792, RFC 4443), over a datagram socket where the system allows it to this user,
 * else a raw one. */
#pragma once

#include "base/id.h"

struct vn_echo {
    int fd;
    bool v6, raw;
    uint16_t ident;
    uint8_t cookie[8]; /* tells our echoes from others' */
};

/** VN_ERR_DENIED: neither kind of socket is allowed. VN_ERR_IO with errno. */
VN_MUST_CHECK vn_status vn_echo_open(const struct vn_ip *dst, struct vn_echo *ret);
void vn_echo_close(struct vn_echo *e);
/** VN_ERR_IO with errno, such as ENETUNREACH. */
VN_MUST_CHECK vn_status vn_echo_send(struct vn_echo *e, uint16_t seq);
/**
 * One packet, if there is one. VN_ERR_AGAIN: nothing of ours; VN_ERR_NOTFOUND: the network says
 * unreachable.
 */
VN_MUST_CHECK vn_status vn_echo_receive(struct vn_echo *e, uint16_t *ret_seq);
