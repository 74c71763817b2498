/*
 * A Guardian without sockets, files and Master: its store in memory, with the realm "home" of an
 * organisation "acme", and requests that are dispatched as if a connection had brought them.
 */
#pragma once

#include <sqlite3.h>
#include <uv.h>

#include "guardian/dispatch.h"

#define VN_WORLD_PASSWORD "correct horse battery"

struct vn_guardian_world {
    struct vn_guardian g;
    uv_loop_t loop;
    struct vn_rates *rates;
    struct vn_web_conn conn;
    sqlite3 *saved;
    struct vn_id org, realm, user, node, team;
    char *access, *registration, *conflux; /* tokens */
    /* of the last request */
    unsigned answers, status;
    char *text;
};

/** Fails the test when something does not work. */
void vn_guardian_world_init(struct vn_guardian_world *w);
void vn_guardian_world_done(struct vn_guardian_world *w);
/** Keeps what the store holds, … */
void vn_guardian_world_save(struct vn_guardian_world *w);
/** … and has it again, with nothing cached and nobody's rate used up. */
void vn_guardian_world_restore(struct vn_guardian_world *w);
/** One request, until it is answered; path with its query. body NULL: none. */
void vn_guardian_world_ask(struct vn_guardian_world *w, enum vn_web_method method, const char *path,
                           const char *bearer, const char *body);
/** The same as far as it goes by itself: w->answers tells whether it was answered. */
void vn_guardian_world_start(struct vn_guardian_world *w, enum vn_web_method method,
                             const char *path, const char *bearer, const char *body);
/** Another value for another content of the store, the audit apart. */
uint64_t vn_guardian_world_content(struct vn_guardian_world *w);
/** Another value for another number of rows in a table, the audit apart. */
uint64_t vn_guardian_world_shape(struct vn_guardian_world *w);

/** Members of an object or a list and of all in it, empty texts left out. */
size_t vn_json_parts(json_t *j);
