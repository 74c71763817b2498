/* What a login brings to a node (DESIGN section 4.3). */
#pragma once

#include "base/limits.h"
#include "wire/hourkeys.h"
#include "wire/ice_server.h"
#include "wire/realm_rule.h"
#include "wire/statement.h"

struct vn_blob {
    uint8_t *p; /* malloc'ed */
    size_t n;
};

/** The realm descriptor of the login answer. */
struct vn_realm_info {
    struct vn_id id;
    char name[64];
    unsigned suite; /* enum vn_suite */
    enum vn_access_rule access;
    enum vn_relay_rule relay;
    uint64_t rule_number; /* of that rule; higher ones replace lower ones */
    struct vn_prefix range4, range6;
    struct vn_secret32 name_key;
    struct vn_id gid; /* Guardian's id: SHA3-256(command public key)[0..16) */
    struct vn_blob guardian_ek;
    struct vn_blob root_cert, issuing_cert, command_cert; /* DER */
    char *master_urls[8];
    size_t master_url_count;
    char *master_ca_pem;
    struct vn_ice_server ice[VN_ICE_SERVERS_MAX]; /* that tell a node its outer address, or relay */
    size_t ice_count;
    struct vn_addr member_stun[VN_MEMBER_STUN_MAX]; /* public nodes of the realm that do, too */
    size_t member_stun_count;
};

/** Whom a node may not talk to, whatever the statements say. */
struct vn_quarantine_list {
    uint64_t number; /* higher ones replace lower ones */
    bool all;
    struct vn_ip *addrs; /* malloc'ed; inner addresses of the others */
    size_t count;        /* at most VN_QUARANTINE_ADDRS_MAX */
};

/** What a login or renewal brings. Heap object; vn_credentials_free wipes and frees. */
struct vn_credentials {
    uint64_t guardian_time_ms; /* 1970-based, taken just before the answer was sent */
    uint64_t expires_ms;       /* end of the certificate */
    struct vn_id conflux_id;
    char tag[64];
    struct vn_ip ip4, ip6;
    struct vn_blob certificate; /* identity certificate, DER */
    struct vn_blob statement;   /* affinity statement as signed */
    struct vn_own_identity identities[VN_TAINTS_MAX + VN_SCOPES_MAX];
    size_t identity_count;
    char *mtls_cert_pem;
    char *nats_jwt;
    struct vn_hour_keys hour_keys;
    struct vn_blob other_keys; /* struct vn_key_set as encoded: while the realm changes keys */
    struct vn_realm_info realm;
    struct vn_blob revocations[VN_REVOCATION_LOGIN_MAX]; /* signed lists, oldest first */
    size_t revocation_count;
    struct vn_quarantine_list quarantine;
};

struct vn_credentials *vn_credentials_free(struct vn_credentials *c); /* returns NULL */
void vn_credentials_freep(struct vn_credentials **c);
