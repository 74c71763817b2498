/*
 * A whole node on its machine: struct vn_node on the caller's loop, data workers on threads
 * of their own, Guardian and Master, the TUN. The loop's thread is the core thread; everything here
 * belongs to it.
 *
 * Life: new (undoes what a crash left) -> start -> online -> stop, or failed -> stopped -> free.
 */
#pragma once

#include "base/country.h"
#include "control/join_token.h"
#include "core/node.h"
#include "ports/tether.h"

struct vn_instance;
struct vn_loop;

enum vn_instance_failure {
    VN_INSTANCE_REFUSED, /* Guardian does not want this node */
    VN_INSTANCE_HOST,    /* the machine cannot be set up: no TUN, no privilege, address in use */
    VN_INSTANCE_INTERNAL,
};

struct vn_instance_config {
    const char *state_dir;
    const char *ifname;   /* NULL: the default */
    const char *not_over; /* interfaces without tethers (base/ifname_list.h); NULL: none */
    uint16_t mtu_bytes;   /* 0: default */
    uint32_t idle_ms;     /* 0: default */
    size_t workers;       /* data workers, at most VN_WORKERS_MAX; 0: one */
    enum vn_candidate_filter candidates;
    uint16_t public_port; /* answer STUN questions of members there; 0: open no port */
    bool no_relay;        /* as in vn_node_config, with the next two */
    const char *via[VN_CIRCUIT_RELAYS_MAX];
    size_t via_count;
    const char *keep_warm[VN_KEEP_WARM_MAX]; /* likewise, with the next */
    size_t keep_warm_count;
    struct vn_countries avoid_countries, prefer_countries; /* likewise */
    struct vn_route_rules relay_rules;                     /* likewise */
    struct vn_id realm;
    unsigned suite;
    const struct vn_guardian_address *guardian;
    const char *conflux_token; /* JWT; copied */

    void *arg;
    /** The node has its addresses and the TUN is up; again when they changed. */
    void (*online)(void *arg, const struct vn_credentials *cred, const char *ifname);
    /** It cannot go on and is stopping; detail is a sentence that names the fix. */
    void (*failed)(void *arg, enum vn_instance_failure why, const char *detail);
    /** A command of Guardian: the node was freed and begins anew with other keys, now. What waited
     * for an answer of the old one gets none. */
    void (*renewed)(void *arg);
    /** Everything is undone; free it, but not inside this call. */
    void (*stopped)(void *arg);
};

/** @param ret_detail  on error: a sentence, 256 bytes */
VN_MUST_CHECK vn_status vn_instance_new(struct vn_loop *loop, const struct vn_instance_config *cfg,
                                        struct vn_instance **ret, char ret_detail[256]);
VN_MUST_CHECK vn_status vn_instance_start(struct vn_instance *i);
/** Tells peers and Guardian; `stopped` follows within 2 s. Harmless when called again. */
void vn_instance_stop(struct vn_instance *i);
/** Not inside a callback. Undoes what stop has not. Returns NULL; NULL is fine. */
struct vn_instance *vn_instance_free(struct vn_instance *i);

/** Other rules, for this node and the one that may follow it (vn_node_set_relay_rules). */
void vn_instance_set_relay_rules(struct vn_instance *i, const struct vn_route_rules *rules);

/** For the local commands. */
struct vn_node *vn_instance_node(struct vn_instance *i);
const struct vn_authority *vn_instance_authority(const struct vn_instance *i);
/** Empty before the TUN is up. */
const char *vn_instance_ifname(const struct vn_instance *i);
const char *vn_instance_guardian_url(const struct vn_instance *i);
