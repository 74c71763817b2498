/*
 * Commands of Guardian (SPEC G9): vn.Command on a.adm, after every check of inbox.h; each is
 * answered by vn.CommandAnswer on a.in.<gid>, sealed to Guardian's KEM key. One that comes twice
 * acts once, because its envelope is remembered.
 */
#pragma once

#include "base/list.h"
#include "core/commands.h"
#include "core/node.h"

struct vn_node;
typedef struct Vn__Command Vn__Command;
typedef struct Vn__CommandAnswer Vn__CommandAnswer;

#define VN_ADMIN_LINKS_MAX 1024 /* that queries look at */

struct vn_admin {
    uint64_t started_ms; /* of this node id, own time */
    struct vn_list asks; /* queries that wait for the worker's counters */
    size_t ask_count;
};

void vn_admin_init(struct vn_node *n);
void vn_admin_done(struct vn_node *n);
void vn_admin_on_command(struct vn_node *n, const void *body);

/* admin_answer.c, admin_routes.c: what a query is answered with. Nothing in m outlives the call of
 * send. */
struct vn_admin_send {
    void *arg;
    void (*send)(void *arg, Vn__CommandAnswer *m);
};
/** Without memory for it. */
void vn_admin_failed(const struct vn_admin_send *to);
void vn_admin_info(struct vn_node *n, const struct vn_admin_send *to);
void vn_admin_networks(struct vn_node *n, const struct vn_admin_send *to);
/** Of streams of ours. */
void vn_admin_routes(struct vn_node *n, size_t offset, const struct vn_admin_send *to);
/** Behind peers that a stream leads to or from: portals. */
void vn_admin_remotes(struct vn_node *n, const struct vn_admin_send *to);
/** stats may be NULL. */
void vn_admin_sessions(struct vn_node *n, const struct vn_ev_stats *stats, size_t offset,
                       const struct vn_admin_send *to);
void vn_admin_health(struct vn_node *n, const struct vn_ev_stats *stats,
                     const struct vn_admin_send *to);
