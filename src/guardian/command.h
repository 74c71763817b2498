/*
 * Commands to nodes over Master (SPEC G9): signed and sealed on the pool, published on
 * a.adm.<node>, answered on a.in.<gid>.<node> or given up. Loop thread only.
 */
#pragma once

#include "guardian/guardian.h"

struct vn_commands;
typedef struct Vn__Command Vn__Command;
typedef struct Vn__CommandAnswer Vn__CommandAnswer;

enum vn_command_outcome {
    VN_COMMAND_ANSWERED,
    VN_COMMAND_SILENCE, /* VN_COMMAND_WAIT_MS without an answer: the node is not online */
    VN_COMMAND_NOT_SENT /* Guardian's own trouble, or it is stopping */
};

/** Who waits for an answer. */
struct vn_command_wait {
    /** Runs once, later; answer (borrowed) with ANSWERED only. It is the node's: authentic, and
     * otherwise as hostile as a node may be. */
    void (*done)(void *arg, enum vn_command_outcome outcome, const Vn__CommandAnswer *answer);
    void *arg;
    /** An IdentityUpdate goes before, so that the answer tells whether it was taken. */
    bool update;
};

VN_MUST_CHECK vn_status vn_commands_new(struct vn_guardian *g, struct vn_commands **ret);
/** Everybody who waits is told NOT_SENT. Before vn_links_free; NULL is fine. */
void vn_commands_free(struct vn_commands *all);

/** Half of what may be under way is left for administrators. False when stopping. */
bool vn_command_room(const struct vn_guardian *g);
/** A session under way: with another node there is nobody to talk to. */
bool vn_command_reachable(const struct vn_conflux_record *c);
/**
 * Sends m (its id is set here) to the node of c's session. wait NULL: no answer is wanted; else it
 * is copied, and its done runs unless this fails. VN_ERR_LIMIT when too many are under way.
 */
VN_MUST_CHECK vn_status vn_command_send(struct vn_guardian *g, const struct vn_conflux_record *c,
                                        Vn__Command *m, const struct vn_command_wait *wait);
/** The list of c as it is now (quarantine.h). */
VN_MUST_CHECK vn_status vn_command_quarantine(struct vn_guardian *g,
                                              const struct vn_conflux_record *c,
                                              const struct vn_command_wait *wait);

/** A message that came on a.in.<gid>.*. */
void vn_commands_on_message(struct vn_guardian *g, struct vn_realm *realm, const char *subject,
                            struct vn_span payload);

/** What the answer says, by members of docs/api.md. NULL: it makes no sense, or no memory. */
json_t *vn_command_answer_json(const Vn__CommandAnswer *m);
