/*
 * Asks STUN servers from where the datagrams of a tether's sockets seem to come: server-reflexive
 * candidates (RFC 8445 section 5.1.1.2, RFC 8489). Sans-IO, as ice.h. What a server says is no more
 * than a place where the peer may try: checks tell what is behind it.
 */
#pragma once

#include "ports/random.h"
#include "transport/limits.h"
#include "transport/stun.h"
#include "wire/member_stun.h"

struct vn_reflex_query {
    size_t local; /* candidate whose socket asks */
    struct vn_addr server;
    struct vn_stun_txid txid;
    unsigned sent;    /* transmissions */
    uint64_t next_us; /* the next one, or when the query is given up */
    bool over;
    bool member; /* key: of the question and its answer */
    struct vn_stun_key key;
};

/** Zeroed: nothing is asked. */
struct vn_reflex {
    struct vn_reflex_query queries[VN_REFLEX_QUERIES_MAX];
    size_t count;
};

/** Asks this server from that socket, with the next tick; not across families, not from link-local
 * addresses. Beyond VN_REFLEX_QUERIES_MAX it is ignored. key: of a member's server; NULL:
 * anybody's. */
void vn_reflex_ask(struct vn_reflex *r, const struct vn_random *random, size_t local,
                   const struct vn_addr *local_addr, const struct vn_addr *server,
                   const struct vn_stun_key *key, uint64_t now_us);
/** Forgets all questions and their keys. */
void vn_reflex_wipe(struct vn_reflex *r);
/** Sends what is due. */
void vn_reflex_tick(struct vn_reflex *r, uint64_t now_us, void *arg,
                    void (*send)(void *arg, size_t local, const struct vn_addr *to,
                                 struct vn_span datagram));
/** When vn_reflex_tick is due next; UINT64_MAX: never. */
uint64_t vn_reflex_deadline(const struct vn_reflex *r);
/**
 * A STUN packet that arrived at local candidate `local`.
 * @return true: it answers a query; then *ret_mapped is what the server saw, port 0 if it did not
 * say. False: it is none of ours
 */
VN_MUST_CHECK bool vn_reflex_input(struct vn_reflex *r, size_t local, const struct vn_addr *from,
                                   struct vn_span datagram, struct vn_addr *ret_mapped);
