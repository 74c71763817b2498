/*
 * CCX, capped cooperative exploration (DESIGN section 10): how a node chooses, for one destination,
 * among its arms: the direct path, or one through a relay. Each node learns alone, from what it
 * measured itself; exploration is by probes, never by a user's packets.
 *
 * Pure: integers, no clock, no I/O, no allocation. The same inputs and seed give the same choices.
 * One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "router/fixed.h"

#define VN_CCX_ARMS_MAX 19 /* direct, 6 near the source, 6 near the destination, 6 hubs */
#define VN_CCX_PROBES_MAX 2
#define VN_CCX_STANDBYS_MAX 2
#define VN_CCX_TICK_MS 2000

/** What was measured of a path. */
struct vn_ccx_sample {
    uint32_t delay_us;       /* one way, or half of the round trip */
    uint32_t jitter_us;      /* mean deviation of it */
    uint32_t loss_q16;       /* share of packets lost */
    uint32_t available_kbps; /* 0: unknown */
};

/** What a packet of size bytes costs on such a path, in microseconds of delay. */
uint32_t vn_ccx_cost(const struct vn_ccx_sample *s, uint32_t size);

enum vn_ccx_state {
    VN_CCX_UNKNOWN, /* not measured yet */
    VN_CCX_LIVE,
    VN_CCX_DEAD, /* the last thing heard of it was its end */
};

struct vn_ccx_arm {
    uint64_t key; /* the caller's name of the path */
    enum vn_ccx_state state;
    bool excluded;         /* by policy: neither used nor probed */
    uint32_t cost_us;      /* smoothed */
    uint32_t loss_q16;     /* L, the learner's discounted sum of losses */
    uint32_t weight_q16;   /* exp(-1.2 (L - min L)) */
    uint32_t headroom_q16; /* of its relay, 0 to 1; 1 for the direct path */
    uint32_t age;          /* ticks since the last measurement */
    uint32_t waits;        /* ticks since it was last measured or asked for */
    bool asked;            /* ever: it is no news any more */
    uint16_t hold;         /* ticks for which answers to probes do not revive it */
    uint8_t faults, sound; /* ends under traffic; ticks alive since, towards forgiving one */
};

struct vn_ccx {
    struct vn_dice dice;
    size_t count;
    size_t current;  /* index of the arm in use; only valid with count > 0 */
    uint64_t pinned; /* its key, if is_pinned */
    uint64_t home;   /* if has_home: the direct path's key */
    bool is_pinned, has_home;
    struct vn_ccx_arm arms[VN_CCX_ARMS_MAX];
};

/** Probes that a node may still send, over all its destinations: 7 a second. */
struct vn_ccx_budget {
    uint32_t sharers; /* active destinations; the owner sets it */
    uint32_t tokens_q16;
    uint64_t at_ms;
};

/** What a tick decided. Pointers are into the learner, valid until an arm is removed. */
struct vn_ccx_plan {
    const struct vn_ccx_arm *current; /* NULL: there is no arm to use */
    bool switched;
    const struct vn_ccx_arm *probes[VN_CCX_PROBES_MAX];
    size_t probe_count;
    const struct vn_ccx_arm *standbys[VN_CCX_STANDBYS_MAX]; /* best first: keep them warm */
    size_t standby_count;
};

void vn_ccx_init(struct vn_ccx *c, uint64_t seed);
/** A new arm; the first one is in use at once. VN_ERR_LIMIT, VN_ERR_EXISTS. */
VN_MUST_CHECK vn_status vn_ccx_add(struct vn_ccx *c, uint64_t key);
/** When the arm in use goes, the best of the others takes over. Unknown keys are ignored. */
void vn_ccx_remove(struct vn_ccx *c, uint64_t key);
const struct vn_ccx_arm *vn_ccx_find(const struct vn_ccx *c, uint64_t key);

/** A measurement, of the traffic or of a probe: of cost_us as vn_ccx_cost says. */
void vn_ccx_measured(struct vn_ccx *c, uint64_t key, uint32_t cost_us);
/**
 * The path ended. The arm in use is replaced at once, by a live one drawn from the standbys, and
 * for 2, 4, 8, ... ticks answers to probes do not revive it: a relay that passes probes and drops
 * traffic is not believed again and again.
 */
void vn_ccx_died(struct vn_ccx *c, uint64_t key);
/** The caller has taken that path by itself: it is in use. */
void vn_ccx_use(struct vn_ccx *c, uint64_t key);
/** The arm in use; NULL: there is none. */
const struct vn_ccx_arm *vn_ccx_current(const struct vn_ccx *c);
/** The live arms that did best over time, without the one in use, best first. */
size_t vn_ccx_standbys(const struct vn_ccx *c, const struct vn_ccx_arm *ret[VN_CCX_STANDBYS_MAX]);
/** In use, a standby or pinned: not to be removed for the sake of another. */
bool vn_ccx_is_kept(const struct vn_ccx *c, uint64_t key);
/** Whether going from a path that costs now_us to one that costs then_us is worth a switch. */
bool vn_ccx_is_worth_it(uint32_t now_us, uint32_t then_us);
/** How much room its relay says it has. It only delays moving there, it never attracts. */
void vn_ccx_headroom(struct vn_ccx *c, uint64_t key, uint32_t headroom_q16);
void vn_ccx_exclude(struct vn_ccx *c, uint64_t key, bool excluded);
/** Stays on that arm while it lives and is not excluded. */
void vn_ccx_pin(struct vn_ccx *c, uint64_t key);
/** That arm is the direct path: a relay is left for it as soon as it saves nothing. */
void vn_ccx_set_home(struct vn_ccx *c, uint64_t key);
void vn_ccx_unpin(struct vn_ccx *c);

void vn_ccx_budget_init(struct vn_ccx_budget *b, uint64_t now_ms);
/** To be called every VN_CCX_TICK_MS while the destination is active. */
struct vn_ccx_plan vn_ccx_tick(struct vn_ccx *c, struct vn_ccx_budget *b, uint64_t now_ms);
