/*
 * Inner addresses that someone on this machine wants to reach, and which peer serves them. Several
 * addresses of one node share its stream.
 */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "base/status.h"

struct vn_node;
struct vn_peer;
struct vn_map;

struct vn_dests {
    struct vn_map *by_ip;
    struct vn_list asking; /* those without a peer yet */
};

VN_MUST_CHECK vn_status vn_dests_init(struct vn_node *n);
void vn_dests_done(struct vn_node *n);

/* what the worker says */
void vn_dest_wanted(struct vn_node *n, const struct vn_ip *ip);
void vn_dest_idle(struct vn_node *n, const struct vn_ip *ip);

/* what queries say */
void vn_dest_unreachable(struct vn_node *n, const struct vn_ip *ip);
/** The question is closed with an answer: makes sure that something came of it. */
void vn_dest_answered(struct vn_node *n, const struct vn_ip *ip);
/** p's descriptor came: addresses of its certificate are its. */
void vn_dests_descriptor(struct vn_node *n, struct vn_peer *p);

/* what the peer's stream says */
void vn_dests_use(struct vn_node *n, struct vn_peer *p);  /* it is open */
void vn_dests_wait(struct vn_node *n, struct vn_peer *p); /* it is being made anew */
void vn_dests_forget(struct vn_node *n,
                     struct vn_peer *p); /* it is gone; the next packet asks again */
void vn_dests_reject(struct vn_node *n, struct vn_peer *p); /* it cannot be made */
/** The search for a way goes on, but what waits is answered with host unreachable. */
void vn_dests_refuse(struct vn_node *n, struct vn_peer *p);
/** Our own identities changed, or the control channel is back: who was unreachable may be no more.
 */
void vn_dests_retry(struct vn_node *n);
/** The peer speaks to us, so that it was unreachable before means nothing. */
void vn_dests_retry_peer(struct vn_node *n, const struct vn_peer *p);
/** Asks anew who owns the peer's addresses that are wanted. */
void vn_dests_refresh(struct vn_node *n, struct vn_peer *p);
/** The addresses belong to another node now. */
void vn_dests_move(struct vn_node *n, struct vn_peer *from, struct vn_peer *to);
