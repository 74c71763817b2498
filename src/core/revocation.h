/*
 * Who must be cut whether it cooperates or not (SPEC A3, DESIGN section 4.8): revoked nodes, and
 * lowest statement numbers. Comes from Guardian at login and on a.rev, from peers under k_ctl when
 * their handshake names a higher list number than ours; Guardian's signature counts, not who
 * brought it.
 */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "core/timer.h"

struct vn_node;
struct vn_map;
struct vn_peer;
struct vn_stream;
typedef struct Vn__Revocations Vn__Revocations;

struct vn_revocations {
    uint64_t number;        /* everything up to here is known */
    struct vn_map *by_node; /* id -> struct vn_revoked */
    struct vn_list order;   /* struct vn_revoked, oldest first */
    struct vn_list lists;   /* struct vn_revocation_held: as signed, for peers; by their end */
    size_t list_count;
    struct vn_timer
        grace; /* armed: by a minimum (1 s); fires: streams of who is still below close */
    struct vn_timer prune; /* armed: by an entry; fires: entries at their end are forgotten */
};

VN_MUST_CHECK vn_status vn_revocations_init(struct vn_node *n);
void vn_revocations_done(struct vn_node *n);

bool vn_revocation_refuses_node(const struct vn_node *n, const struct vn_id *node);
/** A statement with this number is too old to begin anything with. */
bool vn_revocation_refuses_statement(const struct vn_node *n, const struct vn_id *node,
                                     uint64_t number);
/** The peer had its second to show a newer statement than it has shown. */
bool vn_revocation_overdue(const struct vn_node *n, const struct vn_peer *p);

/** The lists of the login answer. */
void vn_revocations_on_login(struct vn_node *n);
/** A message on a.rev. */
void vn_revocations_on_message(struct vn_node *n, struct vn_span bytes);
/** s is keyed, and its handshake said how far the peer's knowledge goes: asks for what we lack. */
void vn_revocations_compare(struct vn_node *n, struct vn_stream *s);
void vn_revocations_on_want(struct vn_node *n, struct vn_stream *s, uint64_t after);
void vn_revocations_on_lists(struct vn_node *n, struct vn_stream *s, const Vn__Revocations *m);
