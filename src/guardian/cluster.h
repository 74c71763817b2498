/*
 * Master as several nats-servers: those of one region know each other by routes, regions by
 * gateways. Whoever opens either is inside the account of every realm, so another authority than
 * that of nodes vouches for servers, and it signs for nobody else.
 */
#pragma once

#include "crypto/x509.h"
#include "guardian/store.h"

#define VN_CLUSTER_PORT_USUAL 6222 /* of nats-server */
#define VN_GATEWAY_PORT_USUAL 7222 /* likewise */
#define VN_REGION_HERE "veilnet"   /* of the embedded server */

struct vn_cluster_config {
    /* Of the embedded server; 0: it has none. Without either there is no authority here. */
    uint16_t port, gateway_port;
    char *ca_cert_pem;
    struct vn_tls_ca *ca;
};

/** Keeps the ports, and makes the authority with the first one. NULL: as it was; 0: no more, while
 * the authority stays. */
VN_MUST_CHECK vn_status vn_cluster_set(struct vn_store *s, const uint16_t *port,
                                       const uint16_t *gateway_port, uint64_t now_ms);
VN_MUST_CHECK vn_status vn_cluster_load(struct vn_store *s, struct vn_cluster_config *ret);
/** Frees. */
void vn_cluster_done(struct vn_cluster_config *c);
