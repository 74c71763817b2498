/*
 * HTTPS by libwebsockets on Guardian's libuv loop. Reads a request whole (bounded in bytes and
 * time), finds its route and hands it over (dispatch.h), which authenticates, checks the body and
 * calls the handler. A handler answers exactly once, at once or later.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guardian/guardian.h"
#include "guardian/json.h"
#include "guardian/rate.h"
#include "guardian/store_orgs.h"
#include "guardian/token.h"

#define VN_WEB_BODY_USUAL 4096
#define VN_WEB_BODY_MAX 32768 /* of any route */
#define VN_WEB_QUERY_MAX 512
#define VN_PAGE_DEFAULT 100
#define VN_PAGE_MAX 1000
#define VN_WEB_REQUEST_MS 15000 /* a request must have arrived whole by then */
#define VN_WEB_ANSWER_S 30      /* and be answered */
#define VN_NONCE_LIFE_MS 60000

/* Who may call. From MEMBER on a role in what the route is on (below); who is more may do it too,
 * but an auditor only reads. */
enum vn_web_role {
    VN_WEB_PUBLIC,
    VN_WEB_REGISTRATION, /* registration token */
    VN_WEB_CONFLUX,      /* conflux token */
    VN_WEB_USER,         /* whoever is signed in */
    VN_WEB_MEMBER,
    VN_WEB_HOLDER, /* a member whose node it is; auditors (to read) and administrators in any case
                    */
    VN_WEB_AUDITOR,
    VN_WEB_ADMIN,
    VN_WEB_OWNER,
    VN_WEB_SUPERUSER,
    VN_WEB_METRICS, /* a superuser, or an API token of that scope */
};
/* In which thing a caller must have that role. It is loaded into the request, or 404. */
enum vn_web_on {
    VN_ON_NOTHING,
    VN_ON_REALM,       /* {id} */
    VN_ON_REALM_QUERY, /* ?realm= */
    VN_ON_REALM_BODY,  /* "realm" */
    VN_ON_TOKEN,       /* {id}: registration token */
    VN_ON_NODE,        /* {id}: conflux id */
    VN_ON_ORG,         /* {id} */
    VN_ON_TEAM,        /* {id} */
};
/** "public", "user", … */
const char *vn_web_role_name(enum vn_web_role role);
enum vn_web_method { VN_WEB_GET = 1, VN_WEB_POST = 2, VN_WEB_DELETE = 3 };

struct vn_request;

/** What may stand behind the "?" of a path. */
struct vn_query_param {
    const char *name; /* NULL ends a list */
    bool required;
    bool number;
    const char *summary;
};

/** One row declares everything about an endpoint; rows live in routes.c. */
struct vn_route {
    enum vn_web_method method;
    const char *path; /* "{id}" and one more in braces stand for a segment, an id */
    enum vn_web_role role;
    enum vn_web_on on;
    enum vn_rate rate;
    unsigned status;                    /* when all is well */
    const struct vn_query_param *query; /* NULL: none */
    const struct vn_schema *body;       /* NULL: none */
    const struct vn_schema *answer;     /* NULL: none, status is 204 */
    const char *media;                  /* of the answer, when it is no JSON */
    size_t body_max;                    /* bytes; 0: VN_WEB_BODY_USUAL */
    void (*handle)(struct vn_request *r);
    const char *summary;
};
extern const struct vn_route vn_routes[];
extern const size_t vn_route_count;

struct vn_web_conn;

struct vn_request {
    struct vn_guardian *g;
    struct vn_web_conn *conn; /* NULL once the connection is gone */
    const struct vn_route *route;
    uint64_t now_ms; /* wall clock at arrival */
    uint64_t number; /* in the log, and in the answer as x-request-id */
    struct vn_id path_id[2];
    char query[VN_WEB_QUERY_MAX]; /* "name=value", each with a NUL behind it, then one more */
    json_t *body;
    /* Who calls, by the route's role; or what it is on: */
    struct vn_user_record user;
    struct vn_id session;    /* of the user; zero: Guardian's own host, or an API token */
    struct vn_api_token api; /* scopes 0: a sign-in, which may all that its user may */
    struct vn_token_record registration;
    struct vn_conflux_record conflux;
    struct vn_id realm, org;
    struct vn_team_record team;
    enum vn_role role;      /* of the user there */
    uint8_t token_hash[32]; /* of the bearer token */
    /* jansson leaves out what finds no memory: */
    unsigned json_failures; /* vn_json_failures when the handler began, or began again */
    bool json_lost;         /* on the pool */
};

/** Sends a problem (RFC 9457) or the object; both end the request: do not touch r afterwards. */
void vn_request_error(struct vn_request *r, unsigned status, const char *fmt, ...) VN_PRINTF(3, 4);
/** Takes body (NULL with 204). Without it, or where it lacks a part because jansson was short of
 * memory since the request began, the answer is vn_request_fail's. */
void vn_request_reply(struct vn_request *r, unsigned status, json_t *take_body);
/** The same with the seconds after which to ask again. */
void vn_request_later(struct vn_request *r, unsigned retry_after_s, const char *detail);
/** Finds out who calls, by the route's role (authorize.c). Returns false after answering. */
bool vn_request_authenticate(struct vn_request *r, const char *bearer);
/** Loads what the route is on, and looks whether the caller may. Returns false after answering. */
bool vn_request_authorize(struct vn_request *r);
/** A string member of the body; NULL when absent. Borrowed from r. */
const char *vn_request_text(const struct vn_request *r, const char *name);
/** An id in the body. Returns false after answering. */
bool vn_request_body_id(struct vn_request *r, const char *name, struct vn_id *ret);
/** Answers 200 with text, malloc'ed, of the route's media type. */
void vn_request_reply_text(struct vn_request *r, char *take_text);
/** 500, or what the status stands for, for failures that are not the caller's doing. */
void vn_request_fail(struct vn_request *r, vn_status st, const char *what);
/** Value of a query parameter, or NULL. Borrowed from r. */
const char *vn_request_query(const struct vn_request *r, const char *name);

/** A list on its way into an answer: one page of it. */
struct vn_items {
    json_t *items;
    struct vn_page page; /* for the store: one more than wanted, to see whether there are more */
    struct vn_place last;
    bool more;
    bool short_of_memory;
};
/** Reads ?limit= and ?after=. Returns false after answering. */
bool vn_items_begin(struct vn_request *r, struct vn_items *ret);
/** Takes item, which stands at this place. Returns false when the store may stop. */
bool vn_items_add(struct vn_items *l, json_t *take_item, uint64_t at_ms, const struct vn_id *id);
/** Answers {"items", "next"?}, or fails; what is for the log. */
void vn_items_reply(struct vn_request *r, struct vn_items *l, vn_status st, const char *what);

/** What the log calls the caller. Borrowed from r. */
const char *vn_request_actor(const struct vn_request *r, char ret[VN_USER_NAME_MAX + 8]);

/**
 * Runs work(arg) on the pool, then done(r, arg) on the loop, also when the connection is gone
 * meanwhile (answers then go nowhere). Answers 503 and frees arg by free_fn when the pool refuses.
 */
void vn_request_work(struct vn_request *r, void (*work)(void *arg),
                     void (*done)(struct vn_request *r, void *arg), void (*free_fn)(void *arg),
                     void *arg);

/** A fresh nonce for this connection, replacing an older one. */
VN_MUST_CHECK vn_status vn_request_nonce_new(struct vn_request *r, uint8_t ret[32]);
/** Uses up the connection's nonce and tells whether it was this one. */
bool vn_request_nonce_take(struct vn_request *r, const uint8_t nonce[32]);
/** The address that the caller has here. VN_ERR_STATE: the connection is gone, as it may be where a
 * request is answered later. */
VN_MUST_CHECK vn_status vn_request_peer(struct vn_request *r, struct vn_ip *ret);
/** The TLS exporter of the connection. */
VN_MUST_CHECK vn_status vn_request_binding(struct vn_request *r, uint8_t ret[32]);

/** Listens. VN_ERR_EXISTS: the port is taken. */
VN_MUST_CHECK vn_status vn_web_open(struct vn_guardian *g, struct vn_web **ret);
/** Stops listening and closes connections; the loop must then run until it is idle, before
 * vn_web_free. */
void vn_web_close(struct vn_web *h);
void vn_web_free(struct vn_web *h);

/** The OpenAPI 3.1 document of the table; NULL when out of memory. For tests too. */
json_t *vn_openapi(void);
/** Finds the route of a path; *ret_allowed is a bit per method when only the method does not fit.
 * For tests too. */
const struct vn_route *vn_route_find(enum vn_web_method method, const char *path,
                                     struct vn_id ret_ids[2], unsigned *ret_allowed);
