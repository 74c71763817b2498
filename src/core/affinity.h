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

/**
 * Decides with our keys and statement of the generation that the peer's statement is of.
 * @param generation  of the two that may count: 0 for whichever fits, which is then written; else
 *                    only that one. May be NULL
 * @param ret         the matches, for the handshake's digest; may be NULL
 */
bool vn_affinity_allows(struct vn_node *n, const struct vn_statement *peer, bool own_is_initiator,
                        uint32_t *generation, struct vn_affinity_match *ret);
/** Sends our own statement to the peer of every stream. */
void vn_affinity_tell_peers(struct vn_node *n);
/** Our own statement changed: tells stream peers, decides every stream anew. same_identities: it is
 * a new one about the same. certificate: that is a new one too. */
void vn_affinity_changed(struct vn_node *n, bool same_identities, bool certificate);
/** Decides every stream anew. */
void vn_affinity_recheck(struct vn_node *n);
/** The peer's statement changed. May close its streams. */
void vn_affinity_recheck_peer(struct vn_node *n, struct vn_peer *p);
/** vn.StatementUpdate from the peer, under k_ctl. */
void vn_affinity_on_statement(struct vn_node *n, struct vn_stream *s, const void *body);
/** vn.IdentityUpdate from Guardian. */
void vn_affinity_on_update(struct vn_node *n, const void *body);
