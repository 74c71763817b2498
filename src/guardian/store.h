/*
 * The only door to SQL. Loop thread only, but for vn_store_sync (a second process, such as
 * `veilnet-guardian token create`, may work on the same file). Records are copied out. Functions
 * that change something leave no trace when they fail; several changes that belong together stand
 * between vn_store_begin and vn_store_commit.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/country.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/status.h"
#include "crypto/nkey.h"
#include "crypto/suite.h"
#include "guardian/quarantine_rules.h"
#include "guardian/rights.h"
#include "guardian/scopes.h"
#include "guardian/taints.h"
#include "wire/credentials.h"

#define VN_USER_NAME_MAX 64
#define VN_DISPLAY_NAME_MAX 100 /* bytes */
#define VN_PASSWORD_HASH_MAX 160
#define VN_REALM_NAME_MAX 63

struct vn_store;

/** Opens or (create) makes the file with mode 0600 and brings its schema up to date. */
VN_MUST_CHECK vn_status vn_store_open(const char *path, bool create, struct vn_store **ret);
struct vn_store *vn_store_close(struct vn_store *s); /* returns NULL */
void vn_store_closep(struct vn_store **s);

VN_MUST_CHECK vn_status vn_store_begin(struct vn_store *s);
VN_MUST_CHECK vn_status vn_store_commit(struct vn_store *s);
/**
 * From now on a change is in the file when it is committed, so that a killed process loses nothing,
 * but on the disk only after vn_store_sync: many changes for one fsync. A power cut takes whole
 * changes, the latest first. Not undone.
 */
VN_MUST_CHECK vn_status vn_store_defer(struct vn_store *s);
/** Rises with every change committed since vn_store_defer; 0 without that. */
uint64_t vn_store_changes(const struct vn_store *s);
/** When it returns VN_OK, what was committed before the call is on the disk. From any thread.
 * VN_ERR_IO: some of it may never be; so says every later call, from whichever thread. */
VN_MUST_CHECK vn_status vn_store_sync(struct vn_store *s);
/** Harmless when no transaction is open. */
void vn_store_rollback(struct vn_store *s);
/** For VN_CLEANUP: rolls back what was not committed. */
void vn_store_rollbackp(struct vn_store **s);
/** True when another process changed the store since the last call. */
bool vn_store_changed_outside(struct vn_store *s);

/** A place in a list that is sorted by time, then id. */
struct vn_place {
    uint64_t at_ms;
    struct vn_id id;
};
/** Part of a list. Where a function takes one, NULL means all of it. */
struct vn_page {
    struct vn_place after; /* zero: from the beginning */
    unsigned limit;
};

/* ---- settings ---- */

/** *ret malloc'ed with a NUL behind it (not counted). VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_get(struct vn_store *s, const char *name, char **ret,
                                     size_t *ret_n);
VN_MUST_CHECK vn_status vn_store_put(struct vn_store *s, const char *name, struct vn_span value);

/* ---- users ---- */

/** In an organisation. The numbers are in the store; who is more may do more, but an auditor only
 * reads. */
enum vn_role {
    VN_ROLE_NONE,
    VN_ROLE_MEMBER,
    VN_ROLE_AUDITOR,
    VN_ROLE_ADMIN,
    VN_ROLE_OWNER,
    VN_ROLE_SUPERUSER, /* of the installation; in no organisation */
};
/** "member", …; NULL for none. */
const char *vn_role_name(enum vn_role role);

struct vn_user_record {
    struct vn_id id;
    char name[VN_USER_NAME_MAX + 1], display_name[VN_DISPLAY_NAME_MAX + 1];
    char password[VN_PASSWORD_HASH_MAX];
    bool superuser, disabled;
    bool must_change; /* the password */
    uint64_t created_ms;
};
VN_MUST_CHECK vn_status vn_store_user_add(struct vn_store *s, const struct vn_user_record *u);
VN_MUST_CHECK vn_status vn_store_user_by_name(struct vn_store *s, const char *name,
                                              struct vn_user_record *ret);
VN_MUST_CHECK vn_status vn_store_user_get(struct vn_store *s, const struct vn_id *id,
                                          struct vn_user_record *ret);
/** All but id, name and time of creation. */
VN_MUST_CHECK vn_status vn_store_user_set(struct vn_store *s, const struct vn_user_record *u);
/** With its memberships, invitations and sign-ins. VN_ERR_STATE while it owns nodes. */
VN_MUST_CHECK vn_status vn_store_user_delete(struct vn_store *s, const struct vn_id *id);
VN_MUST_CHECK vn_status vn_store_user_list(struct vn_store *s, const struct vn_page *page,
                                           bool (*fn)(void *arg, const struct vn_user_record *u),
                                           void *arg);
/** Who may sign in as superuser: never to be none. */
VN_MUST_CHECK vn_status vn_store_superuser_count(struct vn_store *s, unsigned *ret);

/* ---- realms ---- */

/** An identity with a key of its own from this generation on. Kind 0: every identity. */
struct vn_raised_identity {
    int kind;
    char label[VN_IDENTITY_LABEL_MAX + 1];
    uint32_t generation;
};

/** Who may come into a realm. */
struct vn_admission {
    bool approval;       /* new nodes wait for an administrator's */
    bool some_countries; /* only from these: */
    struct vn_countries countries;
    bool refuse_unknown; /* also who is in no country that is known */
    bool show_country;   /* in certificates */
};

struct vn_realm_record {
    struct vn_id id;
    char name[VN_REALM_NAME_MAX + 1];
    enum vn_suite suite;
    enum vn_access_rule access;
    enum vn_relay_rule relay;
    uint64_t rule_number; /* of these two; rises with each change */
    struct vn_prefix range4, range6;
    uint32_t session_lifetime_s;
    struct vn_admission admission;
    uint64_t created_ms;
    struct vn_secret32 root_seed, issuing_seed, command_seed;
    struct vn_blob root_cert, issuing_cert, command_cert, kem_dk;
    struct vn_secret32 affinity_root, hour_root, name_key, address_key;
    uint32_t hour_generation;  /* the one to send with */
    uint32_t other_generation; /* that counts too: while the realm changes keys; 0: none */
    uint64_t other_until_ms;   /* 0: it is the next one; else the one before, until then */
    struct vn_raised_identity *raised;
    size_t raised_n;
    struct vn_secret32 nats_account_seed, nats_signing_seed;
    bool nats_has_next;
    struct vn_secret32 nats_next_seed; /* announced signing key */
    char nats_before[VN_NKEY_TEXT];    /* the signing key before, while it counts; "": none */
    uint64_t nats_changed_ms;          /* last change of these; 0: never */
    uint64_t nats_revoked_to; /* once nothing counts before: revocations that need not be named */
};
void vn_realm_record_done(struct vn_realm_record *r); /* wipes; for VN_CLEANUP too */

/** VN_ERR_EXISTS when the name is taken. */
VN_MUST_CHECK vn_status vn_store_realm_add(struct vn_store *s, const struct vn_realm_record *r);
VN_MUST_CHECK vn_status vn_store_realm_get(struct vn_store *s, const struct vn_id *id,
                                           struct vn_realm_record *ret);
VN_MUST_CHECK vn_status vn_store_realm_by_name(struct vn_store *s, const char *name,
                                               struct vn_id *ret);
/** Sets name, access rule, its number, the sessions' lifetime and the admission. publish: nodes are
 * to be told of the rule. VN_ERR_EXISTS when the name is taken. */
VN_MUST_CHECK vn_status vn_store_realm_set(struct vn_store *s, const struct vn_realm_record *r,
                                           bool publish);
/** Realms whose nodes are to be told of its rule, at most cap. */
VN_MUST_CHECK vn_status vn_store_rule_pending(struct vn_store *s, struct vn_id *ret, size_t cap,
                                              size_t *ret_n);
/** They were, of this one or a later one. */
VN_MUST_CHECK vn_status vn_store_rule_published(struct vn_store *s, const struct vn_id *realm,
                                                uint64_t number);
/** fn returns false to stop. */
VN_MUST_CHECK vn_status vn_store_realm_list(struct vn_store *s, const struct vn_page *page,
                                            bool (*fn)(void *arg, const struct vn_id *id),
                                            void *arg);
/** VN_ERR_STATE while nodes are registered. */
VN_MUST_CHECK vn_status vn_store_realm_delete(struct vn_store *s, const struct vn_id *id);

/* ---- registration tokens ---- */

struct vn_token_record {
    struct vn_id id, realm, owner;
    uint8_t hash[32];
    uint64_t created_ms, expires_ms;
    int64_t uses_left; /* -1: any number */
    struct vn_taint_set taints;
    struct vn_allowed_taints allowed;
    bool revoked;
    bool ephemeral;          /* its nodes are */
    bool needs_jwt;          /* of an issuer of the realm, besides */
    bool approval;           /* its nodes wait for one */
    struct vn_rights rights; /* of its nodes */
};
VN_MUST_CHECK vn_status vn_store_token_add(struct vn_store *s, const struct vn_token_record *t);
VN_MUST_CHECK vn_status vn_store_token_get(struct vn_store *s, const struct vn_id *id,
                                           struct vn_token_record *ret);
VN_MUST_CHECK vn_status vn_store_token_list(struct vn_store *s, const struct vn_id *realm,
                                            const struct vn_page *page,
                                            bool (*fn)(void *arg, const struct vn_token_record *t),
                                            void *arg);
VN_MUST_CHECK vn_status vn_store_token_revoke(struct vn_store *s, const struct vn_id *id);
/** Takes one use, if there is one: VN_ERR_EXPIRED, VN_ERR_DENIED (revoked), VN_ERR_LIMIT (none
 * left). Atomic. */
VN_MUST_CHECK vn_status vn_store_token_use(struct vn_store *s, const struct vn_id *id,
                                           uint64_t now_ms);

/* ---- nodes ---- */

struct vn_session_record {
    struct vn_id node;
    uint8_t sig_pk[VN_PK_MAX];
    size_t sig_pk_n;
    uint8_t session_ek[VN_EK_MAX];
    size_t session_ek_n;
    uint8_t nkey[32];
    uint8_t serial[16];
    uint64_t not_after_ms;
    uint64_t login_ms;
    uint32_t generation;           /* the newest one it was given */
    char country[VN_COUNTRY_TEXT]; /* of the login; "": not known */
};

/** Ids of teams that a node carries. */
#define VN_NODE_TEAMS_TEXT (VN_NODE_TEAMS_MAX * VN_ID_TEXT)
struct vn_team_set {
    struct vn_id t[VN_NODE_TEAMS_MAX];
    size_t n;
};
bool vn_team_set_has(const struct vn_team_set *s, const struct vn_id *team);
/** VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_team_set_add(struct vn_team_set *s, const struct vn_id *team);
void vn_team_set_remove(struct vn_team_set *s, const struct vn_id *team);
json_t *vn_team_set_json(const struct vn_team_set *s);

struct vn_conflux_record {
    struct vn_id id, realm, token, owner;
    struct vn_allowed_taints allowed;
    char tag[64];
    uint32_t ip4; /* host order */
    struct vn_ip ip6;
    struct vn_taint_set taints;
    struct vn_team_set teams;
    struct vn_scope_set scopes; /* by claims */
    uint64_t created_ms;
    bool ephemeral; /* removed at logout, and when its session ends */
    bool waiting;   /* for an administrator's approval */
    struct vn_rights rights;
    uint64_t statement_number;
    struct vn_quarantine_rules quarantine;
    uint64_t quarantine_number; /* of its list of addresses */
    bool public;                /* at a login only: members find it at an address of its own */
    bool has_session;
    struct vn_session_record session; /* not_after_ms, login_ms, country also without one */
};
VN_MUST_CHECK vn_status vn_store_conflux_add(struct vn_store *s, const struct vn_conflux_record *c);
VN_MUST_CHECK vn_status vn_store_conflux_get(struct vn_store *s, const struct vn_id *id,
                                             struct vn_conflux_record *ret);
VN_MUST_CHECK vn_status vn_store_conflux_set_rights(struct vn_store *s, const struct vn_id *id,
                                                    const struct vn_rights *rights);
VN_MUST_CHECK vn_status vn_store_conflux_approve(struct vn_store *s, const struct vn_id *id);
/** Which nodes of a realm. */
struct vn_conflux_filter {
    struct vn_id realm;
    const struct vn_id *owner; /* NULL: of everybody */
    enum { VN_ALL_NODES, VN_NODES_APPROVED, VN_NODES_WAITING } which;
};
VN_MUST_CHECK vn_status vn_store_conflux_list(
    struct vn_store *s, const struct vn_conflux_filter *f, const struct vn_page *page,
    bool (*fn)(void *arg, const struct vn_conflux_record *c), void *arg);
/** Also gives up its address: free again at its certificate's end. */
VN_MUST_CHECK vn_status vn_store_conflux_delete(struct vn_store *s,
                                                const struct vn_conflux_record *c, uint64_t now_ms);
/** Nodes to be removed, at most cap of them: ephemeral ones without a session that lasts (those
 * that never logged in are given grace_ms), and those that have waited for approval for waiting_ms.
 */
VN_MUST_CHECK vn_status vn_store_conflux_over(struct vn_store *s, uint64_t now_ms,
                                              uint64_t grace_ms, uint64_t waiting_ms,
                                              struct vn_id *ret, size_t cap, size_t *ret_n);
/** How many of a realm wait for approval. */
VN_MUST_CHECK vn_status vn_store_conflux_waiting(struct vn_store *s, const struct vn_id *realm,
                                                 size_t *ret);
/** Sets taints and statement number. */
VN_MUST_CHECK vn_status vn_store_conflux_set_taints(struct vn_store *s, const struct vn_id *id,
                                                    const struct vn_taint_set *taints,
                                                    uint64_t statement_number);
VN_MUST_CHECK vn_status vn_store_conflux_set_session(struct vn_store *s, const struct vn_id *id,
                                                     const struct vn_session_record *session,
                                                     uint64_t statement_number);
/** Logout; the last certificate's end stays known. */
VN_MUST_CHECK vn_status vn_store_conflux_end_session(struct vn_store *s, const struct vn_id *id);
/** True when a node of another owner and another registration token has this tag. */
VN_MUST_CHECK vn_status vn_store_tag_foreign(struct vn_store *s, const struct vn_id *realm,
                                             const char *tag, const struct vn_id *owner,
                                             const struct vn_id *token, bool *ret);

/** Members find this node there. Once for a node. */
VN_MUST_CHECK vn_status vn_store_public_set(struct vn_store *s, const struct vn_id *conflux,
                                            const struct vn_addr *addr);
/** Whether it is one. */
VN_MUST_CHECK vn_status vn_store_public_has(struct vn_store *s, const struct vn_id *conflux,
                                            bool *ret);
/** Public nodes of the asker's realm, without itself, that have a session; latest login first. */
VN_MUST_CHECK vn_status vn_store_public_list(struct vn_store *s,
                                             const struct vn_conflux_record *asker,
                                             struct vn_addr *ret, size_t cap, size_t *ret_count);

/** Sets the rules and the statement number of the record. */
VN_MUST_CHECK vn_status vn_store_quarantine_set(struct vn_store *s,
                                                const struct vn_conflux_record *c);
/** The nodes that have rules of their own. */
VN_MUST_CHECK vn_status vn_store_quarantine_list(struct vn_store *s, const struct vn_id *realm,
                                                 bool (*fn)(void *arg,
                                                            const struct vn_conflux_record *c),
                                                 void *arg);
/** Its list changed: a new number, above the last one and not below the clock. push: it is to be
 * told. */
VN_MUST_CHECK vn_status vn_store_quarantine_bump(struct vn_store *s, const struct vn_id *conflux,
                                                 uint64_t now_ms, bool push);
/** Takes one that is to be told. VN_ERR_NOTFOUND when there is none. */
VN_MUST_CHECK vn_status vn_store_quarantine_take(struct vn_store *s, struct vn_id *ret);

/** Marks a node that the running Guardian shall tell of its new statement. */
VN_MUST_CHECK vn_status vn_store_outbox_add(struct vn_store *s, const struct vn_id *conflux);
/** Marks all nodes of a realm that have a session, each for another moment of the next spread_ms.
 */
VN_MUST_CHECK vn_status vn_store_outbox_spread(struct vn_store *s, const struct vn_id *realm,
                                               uint64_t now_ms, uint64_t spread_ms);
/** Takes one mark whose moment has come. VN_ERR_NOTFOUND when there is none. */
VN_MUST_CHECK vn_status vn_store_outbox_take(struct vn_store *s, uint64_t now_ms,
                                             struct vn_id *ret);

/* ---- address leases ---- */

/** Lowest free address in [first, last]. VN_ERR_LIMIT when there is none. */
VN_MUST_CHECK vn_status vn_store_lease_find(struct vn_store *s, const struct vn_id *realm,
                                            uint32_t first, uint32_t last, uint64_t now_ms,
                                            uint32_t *ret);
/** VN_ERR_EXISTS with the holder's tag, and when it becomes free (0: when that node unregisters).
 */
VN_MUST_CHECK vn_status vn_store_lease_take(struct vn_store *s, const struct vn_id *realm,
                                            uint32_t ip4, const struct vn_id *conflux,
                                            const char *tag, uint64_t now_ms, char ret_holder[64],
                                            uint64_t *ret_until_ms);
