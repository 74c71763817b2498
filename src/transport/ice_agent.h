/* What the files of the ICE agent share; others use transport/ice.h. */
#pragma once

#include "transport/ice.h"
#include "transport/limits.h"
#include "transport/stun.h"

/* RFC 8445 section 5.1.2.2 */
enum { VN_ICE_PREF_HOST = 126, VN_ICE_PREF_PRFLX = 110, VN_ICE_PREF_RELAY = 0 };
#define VN_ICE_REMOTES_MAX (VN_ICE_CANDIDATES_MAX + VN_ICE_PRFLX_MAX)

enum vn_ice_pair_state {
    VN_ICE_PAIR_WAITING,
    VN_ICE_PAIR_IN_PROGRESS,
    VN_ICE_PAIR_SUCCEEDED,
    VN_ICE_PAIR_FAILED
};

struct vn_ice_pair {
    uint8_t local, remote; /* indices */
    enum vn_ice_pair_state state;
    uint64_t priority;
    bool valid;             /* a check of ours succeeded once */
    bool triggered;         /* waits in the triggered-check queue */
    uint64_t triggered_seq; /* its place there */
    bool nominating;        /* our checks carry USE-CANDIDATE, or the peer's did */
    bool mapped_differs;    /* the peer saw another address than ours: the local candidate is
                               peer-reflexive */
    unsigned sent;          /* transmissions of the present check */
    uint64_t sent_us;       /* the last */
    uint64_t next_us;       /* the next retransmission, or when the check has failed */
    struct vn_stun_txid txid,
        txid_before; /* the check a triggered one replaced may still be answered */
    bool with_use_candidate, as_controlling; /* what the check said */
    bool resent;                             /* so its answer tells no round-trip time (Karn) */
    uint32_t rtt_us;                         /* of the last check that told one; 0: none */
    struct vn_addr mapped;
};

struct vn_ice_early {
    uint8_t local;
    bool use_candidate;
    uint32_t priority;
    struct vn_addr from;
    char ufrag[VN_ICE_UFRAG_MAX + 1]; /* the peer's, as it said */
};

struct vn_ice_sent {
    struct vn_stun_txid txid;
    uint64_t at_us;
    bool full_size;
};

struct vn_ice {
    struct vn_ice_config cfg;
    struct vn_ice_params remote_params;
    bool started;
    bool controlling;
    uint64_t tie_breaker;
    enum vn_ice_state state;
    uint64_t started_us;
    uint64_t first_valid_us; /* 0: none */
    uint64_t next_pace_us;   /* earliest time of the next new check */
    uint64_t nominate_us;    /* when nomination waits no longer; UINT64_MAX: it does not wait */
    uint64_t triggered_seq;

    struct vn_candidate locals[VN_ICE_CANDIDATES_MAX];
    size_t local_count;
    struct vn_candidate remotes[VN_ICE_REMOTES_MAX];
    size_t remote_count, prflx_count;
    struct vn_ice_pair pairs[VN_ICE_PAIRS_MAX];
    size_t pair_count;
    struct vn_ice_early early[VN_ICE_EARLY_MAX];
    size_t early_count;

    struct vn_ice_pair *selected;
    struct vn_ice_sent checks[VN_CONSENT_TXIDS]; /* consent checks and probes, a ring */
    size_t check_at;
    unsigned probes_left;
    uint64_t next_probe_us;
    bool full_size_passes;
    uint64_t last_answer_us, last_heard_us;
    uint32_t srtt_us, min_rtt_us;
};

/* ---- ice.c ---- */

void vn_ice_set_state(struct vn_ice *ice, enum vn_ice_state state);

/* ---- ice_pairs.c ---- */

/** Of a candidate; RFC 8445 section 5.1.2.1. */
uint32_t vn_ice_priority(unsigned type_pref, uint16_t local_pref);
/** Whether a pair is better than that of the config, if there is one. */
bool vn_ice_is_better(const struct vn_ice *ice, const struct vn_ice_pair *p);
/** Whether its round trip decides that, and no answer has told it yet. */
bool vn_ice_wants_rtt(const struct vn_ice *ice, const struct vn_ice_pair *p);
bool vn_ice_is_relayed(const struct vn_ice *ice, const struct vn_ice_pair *p);
/** The index of a remote candidate, or -1. */
int vn_ice_find_remote(const struct vn_ice *ice, const struct vn_addr *addr);
/** Where checks of the pair go. */
struct vn_addr vn_ice_remote_addr(const struct vn_ice *ice, const struct vn_ice_pair *p);
bool vn_ice_can_pair(const struct vn_addr *a, const struct vn_addr *b);
/** The pair of the two, new or old; NULL: no room. */
struct vn_ice_pair *vn_ice_pair_add(struct vn_ice *ice, size_t local, size_t remote);
/** Pairs a remote candidate with every local one that it can be paired with. */
void vn_ice_pair_remote(struct vn_ice *ice, size_t remote);
/** At the end of the triggered-check queue, if it is not in there. */
void vn_ice_trigger(struct vn_ice *ice, struct vn_ice_pair *p);
/** Takes a role, and orders the pairs anew. */
void vn_ice_set_controlling(struct vn_ice *ice, bool controlling);

/* ---- ice_check.c ---- */

void vn_ice_select(struct vn_ice *ice, struct vn_ice_pair *p, uint64_t now_us);

/* ---- ice_input.c ---- */

/** Sections 7.3.1.3 to 7.3.1.5: peer-reflexive candidate, triggered check, nomination by the
 * controlling side. */
enum vn_ice_input vn_ice_take_check(struct vn_ice *ice, size_t local, const struct vn_addr *from,
                                    uint32_t priority, bool use_candidate, uint64_t now_us);
