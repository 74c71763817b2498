/*
 * A TURN client, for its own files: turn.c (the allocation, permissions and channels: what is asked
 * of the server) and turn_data.c (datagrams of peers).
 */
#pragma once

#include "transport/stun.h"
#include "transport/turn.h"
#include "transport/turn_auth.h"

struct vn_turn_request {
    bool active;
    uint16_t method;
    struct vn_stun_txid txid;
    unsigned sent;  /* transmissions */
    unsigned stale; /* nonces in a row that were */
    uint64_t next_us;
};

/* What an allocation asks of its server, each thing with one request at a time. */
struct vn_turn_item {
    struct vn_turn_request rq;
    uint64_t renew_us; /* UINT64_MAX: not again */
    struct vn_addr peer;
    uint16_t channel; /* 0: a permission */
    bool done;        /* the server agreed */
};

struct vn_turn {
    struct vn_turn_auth auth;
    struct vn_turn_config cfg; /* without the credentials */
    enum vn_turn_state state;
    unsigned error;
    struct vn_addr relayed, mapped;
    struct vn_turn_item allocation;
    struct vn_turn_item permissions[VN_TURN_PERMISSIONS_MAX];
    size_t permission_count;
    struct vn_turn_item channels[VN_TURN_CHANNELS_MAX];
    size_t channel_count;
    bool settled; /* a channel was asked for */
};

/** Of the family that the relayed address has. */
static inline bool vn_turn_is_family(const struct vn_turn *t, const struct vn_addr *peer)
{
    return vn_ip_is_v4(&peer->ip) != t->cfg.v6;
}

/** A STUN message of the server; a Data indication brings a datagram. As vn_turn_input. */
enum vn_turn_input vn_turn_take_stun(struct vn_turn *t, struct vn_dgram in, uint64_t now_us,
                                     struct vn_addr *ret_from, struct vn_dgram *ret_data);
