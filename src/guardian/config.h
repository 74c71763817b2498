/* What the installation is: settings and secrets of `init`, read once at start. Constant
 * afterwards. */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/secret.h"
#include "guardian/address.h"
#include "guardian/cluster.h"
#include "guardian/natsjwt.h"
#include "guardian/store.h"
#include "guardian/token.h"
#include "guardian/turn.h"

#define VN_PROVIDER_NETWORKS_MAX 8

/** Where identity providers may be, besides public addresses, and who vouches for them. */
struct vn_provider_config {
    struct vn_prefix networks[VN_PROVIDER_NETWORKS_MAX];
    size_t network_count;
    char *ca_pem; /* NULL: the system's CAs */
};
#define VN_AUDIT_AGE_DEFAULT_S (400ull * 86400) /* a year, and the time to look at it */
#define VN_AUDIT_ENTRIES_DEFAULT 1000000u
#define VN_AUDIT_AGE_MAX_S (100ull * 365 * 86400)

struct vn_guardian_config {
    char public_host[VN_HOST_MAX]; /* what nodes connect to */
    uint16_t public_port; /* of HTTPS there; differs from listen_port behind a port forward */
    char listen_host[VN_HOST_MAX]; /* "*" for every address */
    uint16_t listen_port;
    uint16_t master_port;
    char *https_key_pem, *https_cert_pem;
    bool pinned; /* join tokens carry the key's pin; false with --tls-cert */
    uint8_t pin[32];
    struct vn_token_keys token_keys;
    char *ca_cert_pem;    /* of Master's and clients' certificates */
    struct vn_tls_ca *ca; /* the same, to sign with */
    struct vn_nats_key nats_operator, nats_system;
    struct vn_addr stun[VN_STUN_SERVERS_MAX]; /* told to nodes */
    size_t stun_count;
    struct vn_turn_config turn; /* likewise */
    struct vn_cluster_config cluster;
    struct vn_provider_config providers;
    char *geo_path;                      /* MaxMind DB file; NULL: none */
    uint64_t audit_age_s, audit_entries; /* that are kept */
};

struct vn_config_init {
    const char *public_host;
    uint16_t public_port;
    const char *listen_host;
    uint16_t listen_port, master_port;
    const char *tls_cert_pem, *tls_key_pem; /* NULL: made, and pinned */
};

/** Makes keys and certificates and puts all of it into the store (inside the caller's transaction).
 */
VN_MUST_CHECK vn_status vn_config_create(struct vn_store *store, const struct vn_config_init *init,
                                         uint64_t now_ms);
/** The list as it was given, such as "203.0.113.5,[2001:db8::5]:3479"; "" or "none": no server.
 * VN_ERR_ARG: it is no such list, or too long. */
VN_MUST_CHECK vn_status vn_config_set_stun(struct vn_store *store, const char *list);
/** A comma list of prefixes; "" or "none": public addresses only. VN_ERR_ARG. */
VN_MUST_CHECK vn_status vn_config_set_provider_networks(struct vn_store *store, const char *list);
/** PEM, in place of the system's CAs; "" or "none": those. VN_ERR_ARG: there is no certificate in
 * it. */
VN_MUST_CHECK vn_status vn_config_set_provider_ca(struct vn_store *store, const char *pem);
/** Absolute path of a MaxMind DB file; "none": no file. VN_ERR_ARG. */
VN_MUST_CHECK vn_status vn_config_set_geo(struct vn_store *store, const char *path);
/** How much of the audit is kept; NULL: as before. */
VN_MUST_CHECK vn_status vn_config_set_audit(struct vn_store *store, const uint64_t *age_s,
                                            const uint64_t *entries);
VN_MUST_CHECK vn_status vn_config_load(struct vn_store *store, struct vn_guardian_config *ret);
/** Wipes. For VN_CLEANUP too. */
void vn_config_done(struct vn_guardian_config *c);

/** "https://host:port" */
#define VN_URL_MAX (VN_HOST_MAX + 24)
void vn_config_url(const struct vn_guardian_config *c, char ret[VN_URL_MAX]);
/** "tls://host:port" of the embedded Master. */
void vn_config_master_url(const struct vn_guardian_config *c, char ret[VN_URL_MAX]);
