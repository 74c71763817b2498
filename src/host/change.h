/* One change to the host: how it is made, undone, and written down. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/span.h"
#include "host/netlink.h"

enum vn_change_kind { VN_CHANGE_ADDR = 1, VN_CHANGE_ROUTE = 2, VN_CHANGE_RULE = 3 };

struct vn_change {
    enum vn_change_kind kind;
    uint32_t ifindex;        /* ADDR, ROUTE */
    char ifname[16];         /* ADDR, ROUTE */
    struct vn_prefix prefix; /* ADDR: all 128 bits; ROUTE */
    struct vn_ip src;        /* ROUTE: preferred source; all zero: none. Not written down */
    bool ip6;                /* RULE */
    uint32_t table;          /* ROUTE, RULE */
    uint32_t priority, mark; /* RULE */
};

#define VN_CHANGE_TEXT 160 /* with NUL */

void vn_change_encode(const struct vn_change *c, char ret[VN_CHANGE_TEXT]);
/** Strict: exactly what encode writes. VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_change_decode(struct vn_span text, struct vn_change *ret);
bool vn_change_equal(const struct vn_change *a, const struct vn_change *b);

/** What is already there is fine. */
VN_MUST_CHECK vn_status vn_change_make(struct vn_netlink *nl, const struct vn_change *c);
/** What is already gone is fine, and what belongs to another interface of the same number is left.
 */
VN_MUST_CHECK vn_status vn_change_undo(struct vn_netlink *nl, const struct vn_change *c);
