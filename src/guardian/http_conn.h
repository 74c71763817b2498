/* One connection of HTTPS, between http.c, which reads its requests, and http_answer.c. */
#pragma once

#include <libwebsockets.h>

#include "base/buf.h"
#include "guardian/dispatch.h"

#define VN_HTTP_CHUNK 16384 /* a whole TLS record */

/* Lives as long as the TLS connection, over all its requests. Loop thread only. */
struct vn_http_conn {
    struct vn_web_conn web;
    struct lws *wsi;
    struct vn_metrics *metrics; /* Guardian's */

    /* the request at hand */
    bool receiving;
    bool close_after;
    bool too_large; /* the body is read to its end, so that the refusal arrives, but not kept */
    struct vn_buf body;
    const struct vn_route *route; /* NULL: none of ours */
    uint64_t began_us;            /* monotonic */
    struct vn_id path_id[2];
    char bearer[4096], query[VN_WEB_QUERY_MAX];

    /* the answer */
    unsigned status, retry_after_s;
    const char *type; /* constant text */
    uint8_t *out;     /* room for libwebsockets, room of which the head takes the end, the body */
    size_t body_n, out_sent;
    bool head_made;
};

/** What is behind vn_web_conn.answer: from here on vn_http_write is called. Takes the text. */
void vn_http_answer(struct vn_web_conn *web, const struct vn_answer *take);
/** The same, and the connection ends after it. */
void vn_http_refuse(struct vn_http_conn *c, unsigned status, const char *detail);
/** There is room. Returns nonzero when the connection shall end. */
VN_MUST_CHECK int vn_http_write(struct vn_http_conn *c);
