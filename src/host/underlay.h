/*
 * Underlay traffic never loops into the overlay (SPEC C6). The routes of the overlay are in a table
 * of their own, which only packets without the mark look up:
 *
 *   ip rule add not fwmark MARK lookup TABLE pref VN_UNDERLAY_PRIORITY        (IPv4 and IPv6)
 *
 * Every node of a machine uses one mark, so none runs through another's overlay; the table is the
 * interface's own.
 */
#pragma once

#include "host/change.h"

#define VN_UNDERLAY_PRIORITY 5180 /* before `main` (32766), after `local` (0) */
#define VN_UNDERLAY_TABLE 7660000 /* plus the interface's number */

uint32_t vn_underlay_table(uint32_t ifindex);
struct vn_change vn_underlay_rule(bool ip6, uint32_t mark, uint32_t ifindex);
/** SO_MARK on a socket. VN_ERR_DENIED without CAP_NET_ADMIN, VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_underlay_mark_socket(int fd, uint32_t mark);
