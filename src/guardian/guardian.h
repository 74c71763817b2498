/* The running program: what the routes work with. Loop thread only, except where a field says
 * otherwise. */
#pragma once

#include <uv.h>

#include "base/map.h"
#include "guardian/config.h"
#include "guardian/realm.h"
#include "guardian/statedir.h"
#include "guardian/store.h"

struct vn_web;
struct vn_acks;
struct vn_master;
struct vn_links;
struct vn_accounts;
struct vn_revoker;
struct vn_key_changes;
struct vn_signing;
struct vn_ephemerals;
struct vn_commands;
struct vn_providers;
struct vn_oidc_flows;
struct vn_statements;
struct vn_geo;
struct vn_audit_keeper;
struct vn_loop;

/** Counted since the start, for GET /metrics. */
struct vn_metrics {
    uint64_t requests[6]; /* by the first digit of the answer's status */
    uint64_t rate_limited, passwords_refused, jwts_refused, session_logins, session_renewals,
        registrations, revocation_lists, account_messages;
};

struct vn_guardian {
    struct vn_statedir dir;        /* constant */
    struct vn_guardian_config cfg; /* constant: pool threads read it */
    struct vn_loop *loop;
    uv_loop_t *uv; /* the same loop, for libraries with an adapter */
    struct vn_store *store;
    struct vn_map *realms;  /* id → struct vn_realm *, loaded on first use, a reference each */
    struct vn_map *revoked; /* realm's id → struct vn_revoked *, a reference each */
    struct vn_web *http;
    struct vn_acks *acks; /* NULL when starting or stopping */
    struct vn_master *master;
    struct vn_links *links;
    struct vn_accounts *accounts;         /* NULL when stopping */
    struct vn_commands *commands;         /* NULL when stopping, as links */
    struct vn_providers *providers;       /* NULL when stopping */
    struct vn_oidc_flows *oidc_flows;     /* NULL when starting or stopping */
    struct vn_statements *statements;     /* NULL when starting */
    struct vn_revoker *revoker;           /* NULL when stopping */
    struct vn_key_changes *key_changes;   /* NULL when stopping */
    struct vn_signing *signing;           /* NULL when stopping */
    struct vn_ephemerals *ephemerals;     /* NULL when stopping */
    struct vn_audit_keeper *audit_keeper; /* NULL when stopping */
    struct vn_geo *geo;                   /* NULL without a file, and when stopping */
    bool telling_rule;                    /* of a realm: it is being signed */
    bool disk_failed;                     /* we are stopping because of it */
    struct vn_metrics metrics;
    unsigned passwords_running; /* Argon2 under way: each holds 19 MiB */
};

/** Opens store and settings; no loop, no sockets. For `run` and for the commands on the host. */
VN_MUST_CHECK vn_status vn_guardian_open(struct vn_guardian *g, const struct vn_statedir *dir);
void vn_guardian_close(struct vn_guardian *g);

/** Returns a strong reference. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_guardian_realm(struct vn_guardian *g, const struct vn_id *id,
                                          struct vn_realm **ret);
/** Forgets a realm that was deleted. */
void vn_guardian_drop_realm(struct vn_guardian *g, const struct vn_id *id);
/** Audit row and log line; failing to write one fails nothing else. */
void vn_guardian_audit(struct vn_guardian *g, const struct vn_id *realm, const char *actor,
                       const char *action, const char *subject, const char *detail);
