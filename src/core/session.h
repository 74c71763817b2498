/*
 * The node's own keys and its session with Guardian: login and renewal, the realm's authorities,
 * own descriptor, the names it answers to (DESIGN sections 4 and 5).
 */
#pragma once

#include "core/timer.h"
#include "crypto/x509.h"
#include "ports/authority.h"
#include "ports/control.h"
#include "wire/envelope.h"
#include "wire/names.h"

struct vn_node;

/** A semi-static KEM key, with the certificate it was announced with: both are in the transcript.
 */
struct vn_eks {
    struct vn_kem_dk *dk;
    uint8_t kid[VN_KID_LEN];
    struct vn_hash cert_hash;
};

struct vn_own_name {
    enum vn_subject_kind kind; /* OWN, GRP */
    enum vn_name_kind name;
    struct vn_id h;
};
#define VN_OWN_NAMES_MAX (8 + VN_TAINTS_MAX + VN_SCOPES_MAX)

struct vn_session {
    struct vn_id self;
    struct vn_sig_key *nkey;
    char *tls_key_pem;
    uint8_t *csr;
    size_t csr_len;
    struct vn_kem_dk *session_dk;
    uint8_t session_kid[VN_KID_LEN];

    bool refused;                /* Guardian will have nothing more of it */
    struct vn_credentials *cred; /* NULL before the first login */
    uint64_t cred_at_ms;         /* when they came, own time */
    struct vn_hour_macs macs;    /* of the hour keys in cred */
    struct vn_identity *own;     /* decoded certificate */
    struct vn_hash cert_hash;
    struct vn_statement statement;
    struct vn_sig_pub *issuing, *command;

    struct vn_eks eks[2];       /* [0] announced, [1] the one before */
    struct vn_eks eks_next;     /* its descriptor is being signed */
    struct vn_buf descriptor;   /* empty until the first was signed */
    uint64_t descriptor_serial; /* tells an overtaken signature */

    struct vn_own_name names[VN_OWN_NAMES_MAX];
    size_t name_count;
    bool subscribed;
    bool hub; /* subscribed for questions about relays */

    bool login_pending, logged_out;
    unsigned failures;
    uint64_t renew_at_ms;
    char error[256];
    struct vn_timer login_timer;  /* armed: at start, by a failure (back-off), by success (renewal);
                                     fires: login */
    struct vn_timer rotate_timer; /* armed: by a new descriptor; fires: new ekS */

    enum vn_control_state control;
    char control_reason[128];
    bool was_up; /* the control channel, in this life */
};

VN_MUST_CHECK vn_status vn_session_init(struct vn_node *n);
void vn_session_done(struct vn_node *n);
void vn_session_login(struct vn_node *n);
/** The control channel is up: what Guardian pushed while it was down comes by a renewal. */
void vn_session_control_up(struct vn_node *n);
/** A renewal within seconds, not hours. */
void vn_session_renew_soon(struct vn_node *n);
/** A renewal at a random moment within ms, unless one comes earlier. */
void vn_session_renew_within(struct vn_node *n, uint64_t ms);
/** What a node says that was revoked, whoever told it. */
#define VN_SESSION_OVER                                                                            \
    "this node was revoked: its registration was removed, or another node logged in with its "     \
    "conflux token. If that was you, start it again; else register it again with a new "           \
    "registration token"
/** Guardian refused for good. */
void vn_session_refused(struct vn_node *n, vn_status why, const char *detail);
/** Connects the control channel with the credentials at hand. */
void vn_session_connect(struct vn_node *n);

/* own.c: what this node announces */

/** Forgets whom it cannot meet again; then a new semi-static key, and a descriptor with it, signed
 * by the pool. */
void vn_own_rotate(struct vn_node *n);
/** Subscribes to what the node owns now, and leaves the rest. */
void vn_own_subscribe(struct vn_node *n);
/** Leaves all of it. */
void vn_own_unsubscribe(struct vn_node *n);
/** True if h is a name of ours. */
bool vn_own_has_name(const struct vn_node *n, enum vn_subject_kind kind, const struct vn_id *h);
/** The key that kid names, or NULL. */
const struct vn_eks *vn_own_eks(const struct vn_node *n, const uint8_t kid[VN_KID_LEN]);
void vn_eks_done(struct vn_eks *e);
