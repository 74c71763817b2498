/* What netcheck asks over TCP. Blocking, VN_NETCHECK_CONNECT_MS at most for each step. */
#pragma once

#include <sys/socket.h>

#include "conflux/netcheck.h"

#define VN_NETCHECK_CONNECT_MS 3000

/** A connection, non-blocking, which the caller closes. False: errno says why not. */
bool vn_netcheck_connect(const struct sockaddr *to, socklen_t n, uint32_t so_mark, int *ret_fd);
/**
 * Asks a TURN server of kind TCP or TLS for our outer address, which needs no credentials (RFC 8489
 * section 6.2.2); a refusal is an answer too. Fills in the results.
 */
void vn_netcheck_ask_stream(struct vn_netcheck_server *s, uint32_t so_mark);
