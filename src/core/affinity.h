/*
 * Who may talk to whom, decided here and now (SPEC A3, A4): at set-up, and again for every live
 * stream when a statement of either end changes.
 */
#pragma once

#include <stdbool.h>

#include "ports/authority.h"
#include "wire/statement.h"

struct vn_node;
struct vn_peer;
struct vn_inbound;
struct vn_stream;

/** A vn_node_change_taints under way. */
struct vn_affinity_change {
    bool pending;
    void (*fn)(void *arg, const struct vn_authority_error *err);
    void *arg;
};

/** @param ret  the matches, for the handshake's digest; may be NULL */
bool vn_affinity_allows(struct vn_node *n, const struct vn_statement *peer, bool own_is_initiator,
                        struct vn_affinity_match *ret);
/** Our own statement or identities changed: tells stream peers, decides every stream anew. */
void vn_affinity_changed(struct vn_node *n);
/** The peer's statement changed. May close its streams. */
void vn_affinity_recheck_peer(struct vn_node *n, struct vn_peer *p);
/** A statement that came from the peer under k_ctl. */
void vn_affinity_on_statement(struct vn_node *n, struct vn_stream *s, struct vn_span bytes);
/** vn.IdentityUpdate from Guardian. */
void vn_affinity_on_update(struct vn_node *n, const void *body);
