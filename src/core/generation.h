/*
 * Generations of hour keys and identity keys (DESIGN sections 4.6 to 4.8). A node sends with the
 * present generation, and while its realm changes keys it holds another one, which counts too: the
 * next, until Guardian says that it is in force, then the one before, until its end.
 */
#pragma once

#include "core/timer.h"
#include "wire/bundle.h"

struct vn_node;
struct vn_peer;

/** What belongs to the present generation is in the credentials. */
struct vn_generations {
    bool other;
    uint64_t until_ms; /* protocol time; 0: the other one is to come */
    struct vn_hour_keys hours;
    struct vn_own_identity identities[VN_TAINTS_MAX + VN_SCOPES_MAX];
    size_t identity_count;
    struct vn_blob statement_bytes;
    struct vn_statement statement;
    uint64_t asked_ms; /* own time: a renewal was asked for because somebody is ahead; 0: never */
    struct vn_timer timer; /* armed: the other one's end; fires: it is forgotten */
    struct vn_timer judge; /* armed: own identities changed, and a peer's statement is of a
                              generation that is over (1 s); fires: streams are decided anew */
};

void vn_generations_init(struct vn_node *n);
void vn_generations_done(struct vn_node *n);

/** The other generation as a login, or a change of taints, brings it; empty: there is none. */
void vn_generations_install(struct vn_node *n, struct vn_span set);
/** A bundle on a.adm. */
void vn_generations_on_bundle(struct vn_node *n, struct vn_span bytes);
/** Guardian's word on a.rev. */
void vn_generations_on_now(struct vn_node *n, struct vn_span bytes);
/** Somebody uses this generation; proven: a mac or key of it showed that he holds it. Who is
 * behind asks Guardian. */
void vn_generations_seen(struct vn_node *n, uint32_t generation, bool proven);

bool vn_generation_held(const struct vn_node *n, uint32_t generation);
/** The present one. */
uint32_t vn_generation_now(const struct vn_node *n);
/** What to send to p with (NULL: to somebody): the one before, where p was last heard under it. */
uint32_t vn_generation_for(const struct vn_node *n, const struct vn_peer *p);
/** The one before while it may still be sent with, else the present one. */
uint32_t vn_generation_before(const struct vn_node *n);
/** Ours of a generation that is held, for sending. The caller wipes it. */
void vn_generation_hours(const struct vn_node *n, uint32_t generation, struct vn_hour_keys *ret);
struct vn_span vn_generation_statement(const struct vn_node *n, uint32_t generation);
