/*
 * NATS JWTs, claims version 2 with the header {"typ":"JWT","alg":"ed25519-nkey"}, as an unmodified
 * nats-server reads them (nats-io/jwt v2). The issuer is named by its public nkey; there is no
 * other trust path.
 */
#pragma once

#include <jansson.h>

#include "base/status.h"
#include "crypto/nkey.h"
#include "crypto/sig.h"

/** An Ed25519 key with its nkey text form. */
struct vn_nats_key {
    struct vn_sig_key *key;
    enum vn_nkey_kind kind;
    char public[VN_NKEY_TEXT];
};
VN_MUST_CHECK vn_status vn_nats_key_init(struct vn_nats_key *k, enum vn_nkey_kind kind,
                                         const struct vn_secret32 *seed);
void vn_nats_key_done(struct vn_nats_key *k);

/** Signs complete claims with iss, iat and jti added. *ret malloc'ed. Takes no reference. */
VN_MUST_CHECK vn_status vn_natsjwt_encode(const struct vn_nats_key *issuer, json_t *claims,
                                          uint64_t now_ms, char **ret);
/** Self-signed operator that names its system account. */
VN_MUST_CHECK vn_status vn_natsjwt_operator(const struct vn_nats_key *operator_key,
                                            const char *name, const char *system_account,
                                            uint64_t now_ms, char **ret);
/** signing: public keys that may sign JWTs of its users beside the account's own. revoked: user
 * nkey -> seconds, whose JWTs issued until then are refused; borrowed, NULL for none. Of two
 * the one with the later now_ms is in force, wherever servers compare theirs. */
VN_MUST_CHECK vn_status vn_natsjwt_account(const struct vn_nats_key *operator_key,
                                           const char *account, const char *const *signing,
                                           size_t signing_n, const char *name,
                                           const json_t *revoked, uint64_t now_ms, char **ret);

/** An account that shares with others. what: "exports" or "imports"; shared: the list of them as
 * nats-io/jwt has it, borrowed. */
VN_MUST_CHECK vn_status vn_natsjwt_sharing(const struct vn_nats_key *operator_key,
                                           const char *account, const char *name, const char *what,
                                           json_t *shared, uint64_t now_ms, char **ret);

struct vn_nats_user {
    const char *user; /* "U..." */
    const char
        *account; /* "A...": whose signing key signs; NULL when the account key itself does */
    const char *name;
    bool leaf;             /* a server that connects as a leaf; else a client, and nothing else */
    json_t *pub, *sub;     /* arrays of permitted subjects, borrowed; NULL: everything */
    int64_t subs, payload; /* limits, -1 for none */
    uint64_t expires_ms;   /* 0: never */
};
VN_MUST_CHECK vn_status vn_natsjwt_user(const struct vn_nats_key *signer,
                                        const struct vn_nats_user *u, uint64_t now_ms, char **ret);
