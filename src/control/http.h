/*
 * HTTPS client over libcurl: for Guardian's API, and for what Guardian asks of identity providers.
 * TLS 1.3 only (of others 1.2 where they have no more), no redirects, no proxies (login binds the
 * connection, so nothing may stand between), bounded sizes and times. One owner thread; nothing
 * here logs a bearer token.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/span.h"
#include "base/status.h"
#include "ports/io.h"

#define VN_HTTP_BODY_MAX                                                                           \
    1048576 /* bytes of an answer; a login answer of a cnsa realm has about 60 KB, and with as     \
               many revocations as nodes remember 880 KB */
#define VN_HTTP_BODY_FIRST 65536 /* has room from the beginning */
#define VN_HTTP_CONNECT_MS 5000  /* TCP and TLS */
#define VN_HTTP_TIMEOUT_MS 15000 /* a whole request */
#define VN_HTTP_DEAD_MS 6000     /* unacknowledged for so long: the connection is dead */
#define VN_HTTP_IDLE_MS                                                                            \
    5000 /* connections are closed, memory given back so long after the last request */
#define VN_HTTP_DETAIL 400

struct vn_http_config {
    bool pinned;     /* trust exactly the key with this pin, whatever its certificate says; else the
                        system's CAs */
    uint8_t pin[32]; /* SHA-256 of the DER SubjectPublicKeyInfo */
    uint32_t so_mark; /* 0: none */
    /* For servers that are not Guardian. Each zero: as with Guardian. */
    bool tls12;
    const char *ca_pem; /* in place of the system's CAs; outlives the client */
    size_t body_max;
    uint32_t timeout_ms;
    /** Asked before each connection, with the address that it goes to: what a name stands for may
     * change between a look and a connection. May be NULL. */
    bool (*may_connect)(void *arg, const struct vn_ip *ip);
    void *may_connect_arg;
};

struct vn_http_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *url;
    const char *bearer;  /* NULL: none; a secret */
    const char *basic;   /* "user:password" (RFC 7617), likewise */
    bool form;           /* the body is a form, no JSON */
    const char *api_key; /* the header apikey, likewise a secret; NULL: none */
    struct vn_span body; /* JSON; may be empty */
    bool want_binding;   /* fill in `binding` of the response */
};

struct vn_http_response {
    /**
     * OK: there is an HTTP answer, whatever its code. AGAIN: not reachable. AUTH: the server is not
     * who it should be. LIMIT: the answer is too large. DENIED: may_connect refused all its
     * addresses.
     */
    vn_status status;
    char detail[VN_HTTP_DETAIL]; /* one sentence, when status is not OK */
    long code;
    struct vn_span body; /* borrowed for the callback; wiped afterwards */
    int64_t max_age_s;   /* of Cache-Control; -1: it says nothing */
    bool has_binding;
    uint8_t binding[32]; /* vn_tls_binding of the connection */
    int64_t connection;  /* which connection carried it; compare, nothing else */
};

struct vn_http;
struct vn_http_call;

/** Before any thread is started: libcurl's global state. Harmless when called again. */
VN_MUST_CHECK vn_status vn_http_global_init(void);

/** io outlives the client. */
VN_MUST_CHECK vn_status vn_http_new(const struct vn_io *io, const struct vn_http_config *cfg,
                                    struct vn_http **ret);
/** Not inside a callback. Calls under way are abandoned. Returns NULL; NULL is fine. */
struct vn_http *vn_http_free(struct vn_http *h);
/**
 * Everything in req is copied. fn runs once, later, unless the call is cancelled.
 * @param ret  for vn_http_cancel; valid until fn runs
 */
VN_MUST_CHECK vn_status vn_http_start(struct vn_http *h, const struct vn_http_request *req,
                                      void (*fn)(void *arg, const struct vn_http_response *res),
                                      void *arg, struct vn_http_call **ret);
/** fn will not run. NULL is fine. */
void vn_http_cancel(struct vn_http_call *c);

/** The same, blocking; for command lines. body receives the answer: reserved by this call, to be
 * wiped by the caller. */
void vn_http_perform(const struct vn_http_config *cfg, const struct vn_http_request *req,
                     struct vn_http_response *ret, struct vn_buf *body);
