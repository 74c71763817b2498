/*
 * From a request that has arrived to its answer: who calls, what the body says, the handler. Knows
 * nothing of sockets: the connection is http.c's, or a test's.
 */
#pragma once

#include "guardian/http.h"

struct vn_answer {
    unsigned status;
    const char *type; /* constant text */
    char *text;       /* malloc'ed; NULL: no content */
    unsigned retry_after_s;
};

/** What requests need of their connection. Whoever makes one sets the functions. */
struct vn_web_conn {
    /** Sends it, and takes the text. */
    void (*answer)(struct vn_web_conn *c, const struct vn_answer *take);
    vn_status (*peer)(struct vn_web_conn *c, struct vn_ip *ret);
    /** The TLS exporter. */
    vn_status (*binding)(struct vn_web_conn *c, uint8_t ret[32]);

    uint64_t number;        /* of the request at hand, since the start */
    struct vn_request *req; /* from dispatch to answer */
    bool has_nonce;
    uint8_t nonce[32];
    uint64_t nonce_until_ms; /* monotonic */
};

/** A request that has arrived whole. All borrowed. */
struct vn_web_call {
    const struct vn_route *route;
    const struct vn_id *path_id; /* two */
    const char *query;           /* as in struct vn_request, VN_WEB_QUERY_MAX bytes */
    const char *bearer;          /* "": none */
    struct vn_span body;
};
/** Answers by c, at once or later. */
void vn_web_dispatch(struct vn_guardian *g, struct vn_rates *rates, struct vn_web_conn *c,
                     const struct vn_web_call *call);
/**
 * A part of a request, by the same caller: handle gets a request of its own on that node, with this
 * body, and answers by c. For what does to many what another route does to one.
 */
void vn_web_dispatch_part(struct vn_request *whole, struct vn_web_conn *c,
                          const struct vn_conflux_record *node, json_t *body,
                          void (*handle)(struct vn_request *r));
/** The connection is gone: a request under way ends without it. */
void vn_web_forget(struct vn_web_conn *c);
/** A problem (RFC 9457). Its text is NULL when out of memory, or detail is no UTF-8. */
struct vn_answer vn_web_problem(unsigned status, const char *detail);
