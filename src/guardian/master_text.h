/* What every nats-server of Master has in its configuration file: the embedded one and those that
 * join it. */
#pragma once

#include "base/buf.h"
#include "guardian/guardian.h"
#include "guardian/master_config.h"

/** Text is collected here; overflow and memory are asked about once, at the end. */
struct vn_conf_text {
    struct vn_buf buf;
    vn_status st;
};
void vn_conf_init(struct vn_conf_text *t);
void vn_conf_done(struct vn_conf_text *t); /* for VN_CLEANUP too */
void vn_conf_add(struct vn_conf_text *t, const char *fmt, ...) VN_PRINTF(2, 3);
/** name: path, as a quoted string of the configuration language. */
void vn_conf_path(struct vn_conf_text *t, const char *name, const char *path);
/** Both ends show a certificate of this authority. */
void vn_conf_tls(struct vn_conf_text *t, const struct vn_master_paths *p, const char *cert,
                 const char *key, const char *ca);

/** Where a server takes others. */
struct vn_master_peer {
    char host[VN_HOST_MAX];
    uint16_t port;
};
struct vn_master_server {
    const char *name;              /* unique in the cluster */
    const char *host;              /* where it listens */
    uint16_t port;                 /* for nodes */
    const char *region;            /* a cluster */
    struct vn_master_peer cluster; /* as others of its region find it; port 0: they do not */
    const struct vn_master_peer *peers;
    size_t peer_count;             /* of its region, it connects to; of a leaf: wherever */
    struct vn_master_peer gateway; /* as those of other regions find it; port 0: they do not */
    struct vn_master_peer here;    /* the gateway of the embedded server; port 0: it is this one */
    struct vn_master_peer leaf;    /* as leaves find it; port 0: they do not */
    const struct vn_id *realms;    /* that a leaf is for */
    size_t realm_count;            /* 0: it is no leaf */
};
/** What the part about other servers begins with; it is the last one. nats-server changes it at a
 * start only. */
#define VN_CONF_OTHERS "\n# Other servers:\n"
/** Adds all but where it logs, with the files at these paths. */
VN_MUST_CHECK vn_status vn_master_text(struct vn_guardian *g, const struct vn_master_paths *p,
                                       const struct vn_master_server *s, struct vn_conf_text *t);

/** The JWT of a realm's account, with the users revoked in it. *ret malloc'ed. */
VN_MUST_CHECK vn_status vn_master_account_jwt(struct vn_guardian *g, const struct vn_realm *r,
                                              char **ret);
