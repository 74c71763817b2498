/*
 * Port: Guardian as a node sees it (DESIGN section 4). Asynchronous; core thread only; one request
 * of each kind at a time. Results passed to a callback are borrowed for the call, except where
 * "takes" is said.
 */
#pragma once

#include <stdbool.h>

#include "wire/credentials.h"

/** What the node presents at login. Borrowed until the callback. */
struct vn_login_request {
    bool renew;                /* same keys again: does not supersede */
    struct vn_span sig_pk;     /* ML-DSA identity key */
    struct vn_span session_ek; /* session KEM key */
    uint8_t nkey_pk[32];
    struct vn_span csr; /* PKCS#10, DER */
    /**
     * Signs the proof of possession. nonce and binding are the connection's. Writes the ML-DSA
     * signature (context "anchor-pop-v1") and the Ed25519 signature over
     *   nonce32 ‖ binding32 ‖ SHA-256(conflux token)32 ‖ realm16 ‖ u16,sig_pk ‖ u16,session_ek
     *   ‖ nkey32 ‖ u16,csr
     */
    vn_status (*sign)(void *arg, const uint8_t nonce[32], const uint8_t binding[32],
                      const uint8_t token_hash[32], uint8_t *ret_sig, size_t *ret_sig_n,
                      uint8_t ret_nkey_sig[64]);
    void *sign_arg;
};

/** Why Guardian did not answer well; detail is Guardian's own sentence or the transport's. */
struct vn_authority_error {
    vn_status status; /* AGAIN: could not be reached; AUTH, DENIED, EXPIRED: refused; MALFORMED */
    const char *detail;
};

struct vn_taint_result {
    struct vn_blob statement; /* borrowed */
    const struct vn_own_identity *identities;
    size_t identity_count;
    const char *nats_jwt;      /* new permissions, or NULL when unchanged */
    uint32_t generation;       /* of the identities' keys and the statement's tags */
    struct vn_blob other_keys; /* as in struct vn_credentials; borrowed */
};

struct vn_peer_entry {
    char tag[64];
    struct vn_ip ip4, ip6;
    struct vn_id conflux_id;
};

struct vn_authority {
    void *self;
    /** cred is taken by the callback (free it with vn_credentials_free); NULL on error. */
    vn_status (*login)(void *self, const struct vn_login_request *req,
                       void (*fn)(void *arg, struct vn_credentials *cred,
                                  const struct vn_authority_error *err),
                       void *arg);
    /** Ends this node's session, and none that another login made since. */
    vn_status (*logout)(void *self, const struct vn_id *node,
                        void (*fn)(void *arg, const struct vn_authority_error *err), void *arg);
    vn_status (*change_taints)(void *self, const char *const *add, size_t add_count,
                               const char *const *remove, size_t remove_count,
                               void (*fn)(void *arg, const struct vn_taint_result *res,
                                          const struct vn_authority_error *err),
                               void *arg);
    /** Whom this node may reach, from registrations and policy. */
    vn_status (*peers)(void *self,
                       void (*fn)(void *arg, const struct vn_peer_entry *list, size_t count,
                                  const struct vn_authority_error *err),
                       void *arg);
    /** Abandons every request under way; their callbacks do not run. */
    void (*cancel)(void *self);
};
