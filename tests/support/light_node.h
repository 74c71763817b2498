/*
 * A node reduced to its keys: what a login proves, and a connection to Master under what it
 * returned. No streams, no core. For programs: light_node_make ends them when something fails.
 */
#pragma once

#include <nats/nats.h>

#include "base/secret.h"
#include "control/guardian_api.h"
#include "crypto/kem.h"
#include "crypto/sig.h"
#include "crypto/suite.h"

struct light_node {
    const struct vn_suite_info *suite; /* this and the realm are the caller's to set */
    struct vn_id realm;
    struct vn_id node;
    struct vn_sig_key *identity, *nkey;
    struct vn_secret32 nkey_seed;
    struct vn_kem_dk *session;
    char *tls_key;
    uint8_t *csr;
    size_t csr_n;
    uint64_t signed_ns; /* of processor, which its ML-DSA signatures for logins took in all */
    size_t signed_n;    /* so many */
};

/** Fresh keys in place of older ones, if any. */
void light_node_make(struct light_node *n);
void light_node_done(struct light_node *n);
/** Borrows from n, which is still there when it is signed. */
struct vn_login_request light_node_login(struct light_node *n, bool renew);
/** Connects once. handlers may be NULL; it adds to the options. */
natsStatus light_node_connect(const struct light_node *n, const struct vn_credentials *cred,
                              void (*handlers)(natsOptions *o, void *arg), void *arg,
                              natsConnection **ret);
