/*
 * An ICE agent (RFC 8445, full implementation, trickle RFC 8838) for one stream of one component.
 * Sans-IO: datagrams and the time come in, datagrams go out through `send`, the caller asks for the
 * next deadline and for the state. Local candidates are numbered 0..n-1 in the order they were
 * added; each has a socket of its own.
 *
 * With one component and distinct foundations there is nothing to freeze, so every pair starts
 * waiting (section 6.1.2.6).
 */
#pragma once

#include <stdbool.h>

#include "ports/random.h"
#include "ports/tether.h"

enum vn_ice_state {
    VN_ICE_NEW, /* the peer's credentials are not known; checks are answered and remembered */
    VN_ICE_CHECKING,
    VN_ICE_SELECTED, /* a pair is nominated and valid */
    VN_ICE_FAILED,
};

/** What became of a STUN packet; all but OK are counted by the caller and otherwise silent. */
enum vn_ice_input {
    VN_ICE_OK,
    VN_ICE_DROP_MALFORMED,
    VN_ICE_DROP_AUTH,    /* not for us, or MESSAGE-INTEGRITY is wrong */
    VN_ICE_DROP_UNKNOWN, /* an answer to nothing we asked */
    VN_ICE_DROP_LIMIT,   /* candidates, pairs or remembered checks are full */
};

/** The pair that a restart is to improve on. */
struct vn_ice_than {
    bool set;
    bool relayed;                 /* at either end */
    struct vn_addr local, remote; /* the socket's address, not what the peer sees */
    uint32_t local_priority, remote_priority;
    uint32_t rtt_us;
};

struct vn_ice_config {
    struct vn_ice_params local;
    bool controlling;
    /** If set, nothing is nominated but a direct pair in place of a relayed one, or one that ICE
     * prefers and that is not slower. While controlling; the peer's choice counts otherwise. */
    struct vn_ice_than than;
    uint64_t tie_breaker;
    const struct vn_random *random;
    void *arg;
    /** Sends at once from local candidate `local`; losing it is fine. */
    void (*send)(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram);
};

struct vn_ice_selected {
    size_t local;
    struct vn_addr local_addr, remote_addr;
    enum vn_candidate_type local_type, remote_type;
};

struct vn_ice;

VN_MUST_CHECK vn_status vn_ice_new(const struct vn_ice_config *cfg, struct vn_ice **ret);
struct vn_ice *vn_ice_free(struct vn_ice *ice); /* wipes the passwords; returns NULL */
void vn_ice_freep(struct vn_ice **ice);

/** A host or relayed candidate, at any time; preference orders those of a kind, highest first.
 * VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_ice_add_local(struct vn_ice *ice, enum vn_candidate_type type,
                                         const struct vn_addr *addr, uint16_t preference,
                                         struct vn_candidate *ret);
/** Addresses of the peer's candidates that are known, at most cap; returns how many. */
size_t vn_ice_remotes(const struct vn_ice *ice, struct vn_addr *ret, size_t cap);
/** Of cfg, from now on. */
void vn_ice_set_arg(struct vn_ice *ice, void *arg);
/** The peer's answer (or offer): checks begin. VN_ERR_STATE when called twice, VN_ERR_ARG for
 * credentials of lengths that are not allowed. */
VN_MUST_CHECK vn_status vn_ice_start(struct vn_ice *ice, const struct vn_ice_params *remote,
                                     uint64_t now_us);
/** A candidate the peer signalled, before or after the start; beyond VN_ICE_CANDIDATES_MAX they are
 * ignored. */
void vn_ice_add_remote(struct vn_ice *ice, const struct vn_candidate *c, uint64_t now_us);

/** A STUN packet that arrived at local candidate `local`. */
enum vn_ice_input vn_ice_input(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                               struct vn_span datagram, uint64_t now_us);
/** Does what is due. */
void vn_ice_tick(struct vn_ice *ice, uint64_t now_us);
/** When vn_ice_tick is due next; UINT64_MAX: never. */
uint64_t vn_ice_deadline(const struct vn_ice *ice);

enum vn_ice_state vn_ice_state(const struct vn_ice *ice);
/** False until a pair is selected. */
bool vn_ice_selected(const struct vn_ice *ice, struct vn_ice_selected *ret);
/** Whether this 5-tuple passed a check of ours: only such may carry DTLS. */
bool vn_ice_is_valid(const struct vn_ice *ice, size_t local, const struct vn_addr *from);

/** The selected pair, for the config of a restart; not set if there is none. */
struct vn_ice_than vn_ice_than(const struct vn_ice *ice);
/** Whether there is a pair that ICE would prefer, which did not work or came too late when this one
 * was selected; or nothing but a relayed one. */
bool vn_ice_could_be_better(const struct vn_ice *ice);

/** Sends a check on the selected pair (RFC 7675); its answer shows in vn_ice_last_answer_us. */
void vn_ice_consent_check(struct vn_ice *ice, uint64_t now_us);
/** When the last valid answer to any check on the selected pair came; 0: none. */
uint64_t vn_ice_last_answer_us(const struct vn_ice *ice);
/** When the last authentic STUN packet of any kind came; 0: none. */
uint64_t vn_ice_last_heard_us(const struct vn_ice *ice);
/** Smoothed round-trip time of checks; 0: none yet. */
uint32_t vn_ice_srtt_us(const struct vn_ice *ice);
/** The shortest round-trip time of any check; 0: none yet. */
uint32_t vn_ice_min_rtt_us(const struct vn_ice *ice);
/** Whether a datagram of VN_UDP_PAYLOAD_MAX_BYTES reached the peer whole on the selected pair. */
bool vn_ice_full_size_passes(const struct vn_ice *ice);
