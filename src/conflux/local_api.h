/* Server of the local API: accepts, frames, decodes, hands requests on, writes answers. Core
 * thread. */
#pragma once

#include "conflux/local_frame.h"
#include "ports/io.h"

#define VN_LOCAL_CLIENTS_MAX 32
#define VN_LOCAL_CALLS_MAX 8 /* requests under way on one connection; more wait unread */

struct vn_local_api;
struct vn_local_call; /* one request that has no answer yet */

struct vn_local_api_config {
    const struct vn_io *io;
    int fd; /* listening; taken over */
    void *arg;
    /** r is borrowed for the call. Must lead to vn_local_answer, now or later. */
    void (*request)(void *arg, struct vn_local_call *call, const Vn__Local__Request *r);
};

VN_MUST_CHECK vn_status vn_local_api_new(const struct vn_local_api_config *cfg,
                                         struct vn_local_api **ret);
/** Calls without answer may still be answered afterwards; that frees them. Returns NULL; NULL is
 * fine. */
struct vn_local_api *vn_local_api_free(struct vn_local_api *a);

/** Sends r with the request's id (set here) and frees the call. A client that is gone does not
 * matter. */
void vn_local_answer(struct vn_local_call *call, Vn__Local__Response *r);
/** An error answer. */
void vn_local_answer_error(struct vn_local_call *call, unsigned exit_code, const char *text);
