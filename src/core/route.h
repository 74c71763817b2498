/*
 * Which way streams of ours go (SPEC R3): through the relays that the node's settings name; else
 * the direct tether, and when that does not come up, one of the relays that it has heard of.
 */
#pragma once

#include "base/id.h"
#include "base/limits.h"
#include "core/bucket.h"
#include "core/node.h"
#include "router/ccx.h"

struct vn_stream;
struct vn_peer;
struct vn_circuit;

struct vn_route_pin {
    struct vn_node *node;
    char name[VN_VIA_NAME_MAX]; /* as the setting has it */
    struct vn_id id;
    bool known; /* id is there */
    bool good;  /* found, and nothing has failed since */
    bool asking;
};

struct vn_routes {
    struct vn_route_pin pins[VN_CIRCUIT_RELAYS_MAX]; /* in the order of the path */
    size_t pin_count;
    struct vn_ccx_budget budget; /* of probes, for all learners; sharers: those that are active */
    struct vn_bucket races;      /* relays that are tried beside another */
    uint64_t probes, heartbeats, moves, failovers; /* ever */
};

void vn_routes_init(struct vn_node *n);
/**
 * The next step to a circuit for s, which has none: a question, a tether, a SETUP. What it waits
 * for calls vn_tx_advance. VN_ERR_NOTFOUND: the descriptor of its peer is missing.
 */
VN_MUST_CHECK vn_status vn_route_begin(struct vn_node *n, struct vn_stream *s);
/** s waits for the tether to its peer: through a relay, if that takes long. */
void vn_route_wait(struct vn_node *n, struct vn_stream *s);
/** s is open on s->circuit. */
void vn_route_took(struct vn_node *n, struct vn_stream *s);
/** The descriptor of a relay came: streams that wait for one go on. */
void vn_route_relay_known(struct vn_node *n);
/** There are relays for streams to that node that have not failed lately, ready to be used. */
bool vn_route_may_go_on(struct vn_node *n, const struct vn_peer *to);
/** A circuit of ours through this relay was lost or refused. */
void vn_route_failed(struct vn_node *n, const struct vn_id *relay);
/** The settings allow the first relay of c's path. */
bool vn_route_wants(struct vn_node *n, const struct vn_circuit *c);
/** Streams of ours whose relay the settings do not want any more go elsewhere, now. */
void vn_routes_leave_unwanted(struct vn_node *n);
void vn_route_on_timer(void *stream);

/** s has no way at present, though its peer may be well: counting begins, or goes on. */
void vn_route_no_way(struct vn_node *n, struct vn_stream *s);
/** s is new; there was none before it began. */
void vn_route_no_way_goes_on(struct vn_node *n, struct vn_stream *s);
/** Every way to the peer was tried, in vain. */
void vn_route_gave_up(struct vn_node *n, struct vn_peer *p);
/** There is a way to the peer, or it is away itself. */
void vn_route_found(struct vn_node *n, struct vn_peer *p);
/** For VN_NO_WAY_MS there was none, as was seen lately. */
bool vn_route_is_parted(const struct vn_node *n, const struct vn_peer *p);
void vn_route_on_no_way(void *stream);

/** A circuit of it was lost or refused: relays and its peer are looked for anew. */
void vn_route_lost(struct vn_node *n, struct vn_stream *s);
/** Its stream to p does without the tether to it. */
bool vn_route_pinned(const struct vn_node *n, const struct vn_id *peer);
