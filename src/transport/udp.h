/*
 * UDP sockets of one local address each, read and written in batches: UDP_GRO joins what arrives
 * together, UDP_SEGMENT sends runs of equal size in one call (DESIGN section 9).
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/id.h"
#include "base/status.h"

/** False for families other than IPv4 and IPv6. */
bool vn_addr_from_sockaddr(const struct sockaddr *sa, struct vn_addr *ret);
/** Returns the length used in ret. */
socklen_t vn_addr_to_sockaddr(const struct vn_addr *a, struct sockaddr_storage *ret);
/** Address and port; scope only matters to sockets. */
static inline bool vn_addr_equal(const struct vn_addr *a, const struct vn_addr *b)
{
    return a->port == b->port && vn_ip_equal(&a->ip, &b->ip);
}

/**
 * Opens a non-blocking socket bound to *addr and fills in the port it got. so_mark 0: none.
 * VN_ERR_IO: the address cannot be bound (tentative, gone) or the mark needs a privilege.
 */
VN_MUST_CHECK vn_status vn_udp_open(struct vn_addr *addr, uint32_t so_mark, int *ret_fd);
/** Fixes the peer, so the kernel drops strangers and reports ICMP errors. */
VN_MUST_CHECK vn_status vn_udp_connect(int fd, const struct vn_addr *peer);

/**
 * The address this machine would send from to that peer, by its routes. so_mark as above.
 * VN_ERR_IO: there is no route, or the mark needs a privilege.
 */
VN_MUST_CHECK vn_status vn_udp_source_of(const struct vn_addr *peer, uint32_t so_mark,
                                         struct vn_addr *ret);

/* ---- receiving ---- */

/** Datagrams of one sender that arrived together: p[0..n) is cut every seg bytes, the last may be
 * shorter. */
struct vn_udp_run {
    uint8_t *p;
    size_t n;
    size_t seg;
    struct vn_addr from;
};

/** Storage of one read, shared by all sockets of a thread. */
struct vn_udp_rx;
VN_MUST_CHECK vn_status vn_udp_rx_new(struct vn_udp_rx **ret);
struct vn_udp_rx *vn_udp_rx_free(struct vn_udp_rx *rx); /* returns NULL */

/**
 * Reads what is there, at most VN_UDP_READ_SINGLES runs; valid until the next read.
 * @return VN_OK; VN_ERR_AGAIN: nothing there; VN_ERR_IO with *ret_errno (ECONNREFUSED: the peer's
 * port is closed)
 */
VN_MUST_CHECK vn_status vn_udp_read(int fd, struct vn_udp_rx *rx, const struct vn_udp_run **ret,
                                    size_t *ret_count, int *ret_errno);
/** Whether the last read had all that it asked for, so that there may be more. */
bool vn_udp_more(const struct vn_udp_rx *rx);

/* ---- sending ---- */

/** Datagrams for one destination, gathered until the flush. */
struct vn_udp_tx;
VN_MUST_CHECK vn_status vn_udp_tx_new(struct vn_udp_tx **ret);
struct vn_udp_tx *vn_udp_tx_free(struct vn_udp_tx *tx); /* returns NULL */
/** Room for a datagram of at most n bytes, or NULL when a flush is needed first. */
uint8_t *vn_udp_tx_room(struct vn_udp_tx *tx, size_t n);
/** Keeps the first n bytes of the room just given. */
void vn_udp_tx_keep(struct vn_udp_tx *tx, size_t n);
bool vn_udp_tx_empty(const struct vn_udp_tx *tx);
/** Forgets everything unsent; returns how many datagrams that were. */
size_t vn_udp_tx_clear(struct vn_udp_tx *tx);

/**
 * Sends in order. to NULL: the connected peer.
 * @return VN_OK: all sent (or refused for good by the system and dropped: *ret_dropped);
 * VN_ERR_AGAIN: the socket is full and the rest stays for a later flush; VN_ERR_IO with *ret_errno:
 * the rest was dropped. *ret_errno is ECONNREFUSED with VN_OK, too, when the peer's port was found
 * closed; else 0
 */
VN_MUST_CHECK vn_status vn_udp_flush(int fd, struct vn_udp_tx *tx, const struct vn_addr *to,
                                     size_t *ret_dropped, int *ret_errno);
/** One datagram at once, for STUN. */
VN_MUST_CHECK vn_status vn_udp_send(int fd, struct vn_span datagram, const struct vn_addr *to,
                                    int *ret_errno);
