/*
 * Master as several nats-servers that know each other by routes. Whoever opens a route is inside
 * the account of every realm, so another authority than that of nodes vouches for servers, and it
 * signs for nobody else.
 */
#pragma once

#include "crypto/x509.h"
#include "guardian/store.h"

#define VN_CLUSTER_PORT_USUAL 6222 /* of nats-server */

struct vn_cluster_config {
    uint16_t port; /* of routes to the embedded server; 0: it is alone, and there is no authority */
    char *ca_cert_pem;
    struct vn_tls_ca *ca;
};

/** Keeps the port, and makes the authority with the first one; 0: no routes any more, while the
 * authority stays. */
VN_MUST_CHECK vn_status vn_cluster_set(struct vn_store *s, uint16_t port, uint64_t now_ms);
VN_MUST_CHECK vn_status vn_cluster_load(struct vn_store *s, struct vn_cluster_config *ret);
/** Frees. */
void vn_cluster_done(struct vn_cluster_config *c);
