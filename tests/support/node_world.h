/*
 * Whole nodes in one process and in virtual time: vn_node and a real vn_worker each, over an
 * authority, a broker and tethers in memory, with lists in place of TUN devices.
 */
#pragma once

#include "core/node.h"
#include "core/worker.h"
#include "support/inner.h"
#include "support/mem_authority.h"
#include "support/mem_control.h"
#include "support/mem_tether.h"
#include "wire/circuit.h"

#define VN_WORLD_NODES 18
#define VN_WORLD_IDLE_MS 5000

struct vn_world;

struct vn_world_node {
    struct vn_world *world;
    size_t member;
    struct vn_node *node;
    struct vn_worker *worker;
    struct vn_mem_client *client;
    struct vn_tun_port tun;
    struct vn_post to_worker, to_node;
    struct vn_node_shell shell;
    struct vn_control control; /* these two stand before the real ports: see `guarded` in the .c */
    struct vn_control_handler handler;
    struct vn_authority authority;
    void (*on_login)(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err);
    void (*on_taints)(void *arg, const struct vn_taint_result *res,
                      const struct vn_authority_error *err);
    void (*on_logout)(void *arg, const struct vn_authority_error *err);
    struct vn_post_msg *commands, **commands_last;
    struct vn_post_msg *events, **events_last;
    struct vn_pktqueue written; /* to the TUN */
    size_t unreachables;        /* ICMP errors among them, not kept */
    unsigned online, stopped, refused;
    bool wants_stop, wants_new_keys;        /* as Guardian commanded */
    const char *via[VN_CIRCUIT_RELAYS_MAX]; /* its settings */
    size_t via_count;
    const char *keep_warm[VN_KEEP_WARM_MAX];
    size_t keep_warm_count;
    bool no_relay;
    uint8_t dscp;                      /* of what vn_world_send makes of it */
    struct vn_countries avoid, prefer; /* of relays */
    struct vn_route_rules rules;
    bool deaf; /* killed: neither worker nor node run any more */
};

struct vn_world_job {
    struct vn_world_job *next;
    void (*done)(void *arg, bool cancelled);
    void *arg;
};

struct vn_world {
    uint64_t now_us;
    struct vn_mem_authority *authority;
    struct vn_mem_broker *broker;
    struct vn_mem_net *net;
    struct vn_random random;
    struct vn_work work;
    struct vn_world_job *jobs, **jobs_last;
    bool hold_jobs; /* signatures take for ever */
    struct vn_world_node nodes[VN_WORLD_NODES];
    size_t count;
};

void vn_world_init(struct vn_world *w, enum vn_suite suite);
/** The same, on such tethers. */
void vn_world_init_net(struct vn_world *w, enum vn_suite suite,
                       const struct vn_mem_net_config *net);
/** Hooks need not outlive the test. */
void vn_world_done(struct vn_world *w);
/** The first with two members, alice and bob, of these taints. */
void vn_world_pair(struct vn_world *w, enum vn_suite suite, const char *taints,
                   struct vn_world_node **ret_a, struct vn_world_node **ret_b);
/** What tests in such a world begin with and leave behind: *state is the world, its nodes 0 and 1
 * are alice and bob. Of "home", or of the taints that *state was before. */
int vn_world_setup(void **state);
/** Of that, or of whatever malloc gave that begins with its world. */
int vn_world_teardown(void **state);
/** Registers a member, starts its node, waits until it is online. Node i has 10.66.0.(i+1) and
 * fd66::(i+1). */
struct vn_world_node *vn_world_add(struct vn_world *w, const char *tag, const char *taints);
/** The same for a node whose streams go through these relays, in this order, NULL behind the last.
 */
struct vn_world_node *vn_world_add_via(struct vn_world *w, const char *tag, const char *taints,
                                       const char *const *via);
/** A new life of a node with its settings as they are now. */
void vn_world_restart(struct vn_world_node *n);
/** Kills a node without a word, as SIGKILL does; its sockets go silent. */
void vn_world_kill(struct vn_world_node *n);
/** A new life of a killed node, with the same registration. */
void vn_world_revive(struct vn_world_node *n);
/** A second node with the same registration, as a copied token makes. */
struct vn_world_node *vn_world_clone(struct vn_world_node *n);
/** The owner of its tethers in the network. */
unsigned vn_world_owner(const struct vn_world_node *n);
/** No tether between the two comes up or lives. */
void vn_world_cut(struct vn_world_node *a, struct vn_world_node *b, bool cut);
void vn_world_run(struct vn_world *w, uint64_t ms);
/** Runs until fn says so; false after at_most_ms. */
bool vn_world_until(struct vn_world *w, bool (*fn)(void *arg), void *arg, uint64_t at_most_ms);

/** A UDP packet with this number into the TUN of from. v6: over IPv6. */
void vn_world_send(struct vn_world_node *from, const struct vn_world_node *to, bool v6,
                   uint32_t number);
/** True if that packet was written to its TUN; takes out what came before it. */
bool vn_world_received(struct vn_world_node *n, uint32_t number);
/** Sends and runs until it arrives: virtual milliseconds it took, or UINT64_MAX. */
uint64_t vn_world_ping(struct vn_world_node *from, struct vn_world_node *to, bool v6,
                       uint64_t at_most_ms);
struct vn_node_status vn_world_status(const struct vn_world_node *n);
/** All drops of the node, summed. */
uint64_t vn_world_drops(const struct vn_world_node *n);
/** Those of one kind. */
uint64_t vn_world_drops_of(const struct vn_world_node *n, enum vn_node_drop why);
/** The node's id in its present life. */
struct vn_id vn_world_id(const struct vn_world_node *n);
/** What n knows of the other; NULL: nothing. */
struct vn_peer *vn_world_peer(const struct vn_world_node *n, const struct vn_world_node *other);
/** Counters of its worker. */
struct vn_worker_counters vn_world_counters(struct vn_world_node *n);
/** vn_node_change_taints, and runs until it is done. NULL: neither. */
void vn_world_taints(struct vn_world_node *n, const char *add, const char *remove);
/** Counters of node and worker to standard error. */
void vn_world_print(struct vn_world_node *n);

/** For a filter of tethers: whether that is a message about circuits; what it says. */
bool vn_world_is_circuit_msg(enum vn_tether_class cls, const struct vn_pktbuf *b,
                             struct vn_circuit_msg *ret);
