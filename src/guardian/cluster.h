/*
 * Master as several nats-servers: those of one region know each other by routes, regions by
 * gateways. Whoever opens either is inside the account of every realm, so another authority than
 * that of nodes vouches for servers, and it signs for nobody else. Leaves are for some realms: a
 * third one vouches for them, so that they open no route.
 */
#pragma once

#include "crypto/x509.h"
#include "guardian/natsjwt.h"
#include "guardian/store.h"

#define VN_CLUSTER_PORT_USUAL 6222 /* of nats-server */
#define VN_GATEWAY_PORT_USUAL 7222 /* likewise */
#define VN_LEAF_PORT_USUAL 7422    /* likewise */
#define VN_REGION_HERE "veilnet"   /* of the embedded server */

struct vn_cluster_config {
    /* Of the embedded server; 0: it has none. Without either there is no authority here. */
    uint16_t port, gateway_port;
    char *ca_cert_pem;
    struct vn_tls_ca *ca;
    uint16_t leaf_port; /* likewise */
    char *leaf_ca_cert_pem;
    struct vn_tls_ca *leaf_ca;
    struct vn_nats_key leaves, leaf_system; /* accounts: guardian/master_leaf.h */
};

/** NULL: as it was; 0: no more. */
struct vn_cluster_ports {
    const uint16_t *routes, *gateway, *leaves;
};
/** Keeps the ports, and makes their authorities with the first one. Those stay. */
VN_MUST_CHECK vn_status vn_cluster_set(struct vn_store *s, const struct vn_cluster_ports *ports,
                                       uint64_t now_ms);
VN_MUST_CHECK vn_status vn_cluster_load(struct vn_store *s, struct vn_cluster_config *ret);
/** Frees. */
void vn_cluster_done(struct vn_cluster_config *c);
