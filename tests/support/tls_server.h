/* A small HTTPS server for tests: one thread, TLS 1.3 (or 1.2 only), each request answered by a
 * function. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct tls_server;

struct tls_answer {
    int code;
    const char *body;
    const char *location; /* a Location header; NULL: none */
    const char *cache;    /* Cache-Control, likewise */
    unsigned wait_ms;     /* before it */
    bool close;           /* end the connection afterwards */
    bool hang_up;         /* end it instead of answering */
};

struct tls_request {
    char method[8], path[128], authorization[256];
    const char *body;
    unsigned connection; /* counts from 1 */
    unsigned number;     /* of requests in all, from 1 */
    unsigned char binding[32];
};

/** Listens on 127.0.0.1; answer runs on the server's thread. key and cert are PEM. */
struct tls_server *
tls_server_new(const char *key_pem, const char *cert_pem, bool tls12_only,
               struct tls_answer (*answer)(void *arg, const struct tls_request *rq), void *arg);
struct tls_server *tls_server_free(struct tls_server *s);
/** "https://127.0.0.1:port" */
const char *tls_server_url(const struct tls_server *s);
