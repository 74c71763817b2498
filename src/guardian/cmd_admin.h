/* What the verbs of administration on Guardian's host share: they open the store themselves, beside
 * a running Guardian or without it. */
#pragma once

#include <jansson.h>

#include "guardian/guardian.h"

/** Options that all of them take, and what is open meanwhile. Zeroed by the caller. */
struct vn_admin {
    const char *dir_option, *realm;
    bool json;
    struct vn_guardian g;
    struct vn_id realm_id;
    unsigned realms; /* counted to find the only one */
    json_t *items;   /* of a list */
};

/**
 * The state folder that an option or the environment names; made: there is a Guardian in it.
 * Returns an exit code after saying what is wrong.
 */
int vn_admin_statedir(const char *option, bool made, struct vn_statedir *ret);
/** Opens, and finds the realm when one is needed. Returns an exit code after saying what is wrong;
 * vn_admin_finish in every case. */
int vn_admin_begin(struct vn_admin *c, bool realm);
void vn_admin_finish(struct vn_admin *c);
/** Prints {"items": …}; returns exit code 0. */
int vn_admin_print_items(struct vn_admin *c);
/** A verb that lists what a realm has: list adds to c->items with --json, prints lines without. */
int vn_admin_list(int argc, char **argv, vn_status (*list)(struct vn_admin *c));
/** Returns exit code 2. */
int vn_admin_usage(const char *what);
const char *vn_admin_explain(vn_status st);

/** The text of a file of at most 64 KB that the option names, or its first line; malloc'ed, to be
 * wiped. Returns an exit code after saying what is wrong. */
int vn_admin_read_file(const char *option, const char *path, bool line, char **ret);

/* cmd_node_order.c */

/** Where the Guardian of this host answers. */
void vn_admin_url(const struct vn_guardian_config *cfg, const char *path, char *ret, size_t n);

/**
 * Calls the running Guardian's HTTP API in the name of its host. *ret: what it answered (NULL for
 * 204), or on VN_ERR_DENIED the reason in why. VN_ERR_AGAIN: no Guardian runs here.
 */
VN_MUST_CHECK vn_status vn_admin_call(struct vn_guardian *g, const char *method, const char *path,
                                      json_t *body, json_t **ret, char *why, size_t why_n);
/** POST /conflux/{id}/commands. Returns an exit code after saying what is wrong. */
int vn_admin_order(struct vn_guardian *g, const struct vn_id *node, json_t *take_body,
                   json_t **ret);
int vn_cmd_node_query(int argc, char **argv);
int vn_cmd_node_sessions(int argc, char **argv);
int vn_cmd_node_routes(int argc, char **argv);
int vn_cmd_node_health(int argc, char **argv);
int vn_cmd_node_quarantine(int argc, char **argv);
int vn_cmd_node_release(int argc, char **argv);
int vn_cmd_node_invalidate(int argc, char **argv);
int vn_cmd_node_shutdown(int argc, char **argv);

/* cmd_print.c */

/** As it is, over several lines. */
void vn_admin_print_json(const json_t *o);
/** "2026-11-20 18:00Z" */
void vn_admin_print_time(uint64_t ms);
/** Prints what it answered: a list as a table, else its members under a title; with --json as it
 * is. */
void vn_admin_print(const struct vn_admin *c, const char *title, json_t *answer);

/** A new array of the ids of nodes, by a comma list of tags and ids. NULL after
 * saying what is wrong. */
json_t *vn_admin_node_ids(struct vn_admin *c, const char *option, const char *list);
/** Likewise of users, by names and ids. */
json_t *vn_admin_user_ids(struct vn_admin *c, const char *option, const char *list);
/** A new array of the words of a comma list, of one at least. NULL after saying what is wrong. */
json_t *vn_admin_words(const char *option, const char *list);

/* cmd_node.c */

struct vn_admin_search {
    struct vn_store *store;
    const char *name; /* tag or id */
    struct vn_conflux_record found;
    unsigned count;
};
/** Opens, and finds the one node that s->name names, with its realm given or not. As
 * vn_admin_begin. */
int vn_admin_find_node(struct vn_admin *c, struct vn_admin_search *s);
/** The same in a store that is open. */
int vn_admin_search(struct vn_admin *c, struct vn_admin_search *s);
