/*
 * Whom Guardian forbids this node to talk to, whatever the statements say (SPEC G9). Decided like
 * affinity, at set-up and on each change, by both ends as far as they cooperate. What binds a node
 * that does not: quarantine from all is a statement without tags and a lowest number
 * (revocation.h), and each node that one is quarantined from has it on its own list.
 */
#pragma once

#include "wire/credentials.h"

struct vn_node;
struct vn_identity;

struct vn_quarantine {
    struct vn_quarantine_list list;
};

void vn_quarantine_done(struct vn_node *n);
/** Takes l->addrs, sorts them, and puts the list in force unless it is not newer than the present
 * one: streams and tethers with who is on it close at both ends. */
void vn_quarantine_set(struct vn_node *n, struct vn_quarantine_list *l);
/** Neither streams nor tethers with the holder of this certificate. */
bool vn_quarantine_refuses(const struct vn_node *n, const struct vn_identity *peer);
