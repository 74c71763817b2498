/*
 * What the network lets this machine do: STUN questions from sockets of its own, as RFC 5780 asks
 * them, against the servers that the running node knows. Blocking, some seconds; for the command
 * line.
 */
#pragma once

#include "base/id.h"
#include "base/limits.h"
#include "wire/ice_server.h"
#include "wire/member_stun.h"

#define VN_NETCHECK_SERVERS_MAX (VN_ICE_SERVERS_MAX + VN_MEMBER_STUN_MAX)

/** How a NAT chooses the outer port (RFC 4787 section 4.1). */
enum vn_nat_mapping {
    VN_NAT_UNKNOWN, /* no answer, or of one address only */
    VN_NAT_NONE,    /* the outer address is the machine's own */
    VN_NAT_ENDPOINT_INDEPENDENT,
    VN_NAT_ADDRESS_DEPENDENT,
    VN_NAT_ADDRESS_AND_PORT_DEPENDENT,
    VN_NAT_DEPENDENT, /* one of the two before: no server answered on two ports */
};

/** Whom a NAT lets in (RFC 4787 section 5). */
enum vn_nat_filtering {
    VN_FILTER_UNKNOWN,
    VN_FILTER_NOT_BY_PORT, /* endpoint-independent or address-dependent */
    VN_FILTER_BY_PORT,     /* address-and-port-dependent */
};

enum vn_nat_hairpin { VN_HAIRPIN_UNKNOWN, VN_HAIRPIN_NO, VN_HAIRPIN_YES };

/** What one server said to one socket. */
struct vn_nat_answer {
    struct vn_addr server, mapped;
};

struct vn_netcheck_server {
    struct vn_addr addr;
    bool member; /* a public node: it answers under the realm's key, on the port above too */
    enum vn_ice_server_kind kind; /* STUN for a member */
    /* of TLS, as in struct vn_ice_server */
    char host[VN_ICE_HOST_MAX];
    bool pinned;
    uint8_t pin[32];
    /* results */
    bool answered;
    uint32_t rtt_us;
    struct vn_addr mapped; /* port 0: it did not say */
    const char *why;       /* TCP and TLS: why it did not answer; valid until the next one fails */
};

struct vn_netcheck {
    struct vn_netcheck_server servers[VN_NETCHECK_SERVERS_MAX];
    size_t count;
    bool has_key;
    struct vn_stun_key key; /* of members */
    uint32_t so_mark;
    /* results, of IPv4 */
    enum vn_nat_mapping mapping;
    enum vn_nat_filtering filtering;
    enum vn_nat_hairpin hairpin;
    /* and of IPv6: somebody answered */
    bool ipv6_answered;
};

/** Asked by datagrams, so that it tells of the NAT. */
bool vn_netcheck_is_udp(const struct vn_netcheck_server *s);

/** Asks. Servers, key and mark are set; fills in the results. */
void vn_netcheck_run(struct vn_netcheck *c);

/** What answers to one socket tell; local: its own address. */
enum vn_nat_mapping vn_nat_mapping_of(const struct vn_addr *local, const struct vn_nat_answer *all,
                                      size_t n);
const char *vn_nat_mapping_name(enum vn_nat_mapping m);
const char *vn_nat_filtering_name(enum vn_nat_filtering f);
