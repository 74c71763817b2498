/*
 * What the files behind node.h share: the node and the objects it holds. Core thread only; every
 * pointer between them is cleared by whoever frees the target.
 *
 *   peer ── tx (our stream to it) ── out circuit ─┐
 *    │ └─── rx* (its streams to us) ─ in circuit ─┴─ hop (tether to it)
 *    └───── dest* (inner addresses of it that someone here wants)
 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "core/admin.h"
#include "core/affinity.h"
#include "core/bucket.h"
#include "core/circuit.h"
#include "core/cookie.h"
#include "core/delivery.h"
#include "core/dest.h"
#include "core/generation.h"
#include "core/hop.h"
#include "core/inband.h"
#include "core/inbox.h"
#include "core/job.h"
#include "core/learn.h"
#include "core/member_stun.h"
#include "core/node.h"
#include "core/outbox.h"
#include "core/peer.h"
#include "core/places.h"
#include "core/quarantine.h"
#include "core/query.h"
#include "core/race.h"
#include "core/realm_rule.h"
#include "core/relay.h"
#include "core/relay_policy.h"
#include "core/revocation.h"
#include "core/route.h"
#include "core/seen.h"
#include "core/session.h"
#include "core/stream.h"
#include "core/timer.h"
#include "core/to_worker.h"
#include "core/turns.h"
#include "core/warm.h"
#include "wire/control.h"
#include "wire/frame.h"

struct vn_node {
    struct vn_node_config cfg;
    const struct vn_suite_info *suite;
    uint64_t now_ms;
    enum vn_node_state state;
    struct vn_timers timers;
    struct vn_node_ref *ref;
    struct vn_session session;
    struct vn_generations generations;
    struct vn_timer member_stun;
    struct vn_peers peers;
    struct vn_seen seen;
    struct vn_turns turns;
    struct vn_cookies cookies;
    struct vn_jobs jobs;
    struct vn_queries queries;
    struct vn_dests dests;
    struct vn_streams streams;
    struct vn_hops hops;
    struct vn_relaying relaying;
    struct vn_routes routes;
    struct vn_relay_policy policy;
    struct vn_warm warm;
    struct vn_inband_state inband;
    struct vn_places places;
    struct vn_affinity_change change;
    struct vn_revocations revocations;
    struct vn_quarantine quarantine;
    struct vn_admin admin;
    struct vn_list stats_requests; /* oldest first */
    struct vn_timer stats_timer;
    uint32_t last_handle;
    struct vn_timer stop_timer;
    uint64_t drops[VN_NDROP_COUNT];
    uint64_t handshakes_started, handshakes_done, handshakes_answered;
    uint64_t cookies_sent, load_periods;
};

/** Counts what came from outside and was wrong: no answer, no line above debug. */
static inline void vn_drop(struct vn_node *n, enum vn_node_drop why)
{
    n->drops[why]++;
}
/** A handle for the worker: never 0, not used again before all others were. */
static inline uint32_t vn_next_handle(struct vn_node *n)
{
    if (++n->last_handle == 0)
        n->last_handle = 1;
    return n->last_handle;
}
static inline vn_status vn_random_fill(struct vn_node *n, void *ret, size_t len)
{
    return n->cfg.random->fill(n->cfg.random->self, ret, len);
}
/** Guardian's time: all times that others see. */
static inline uint64_t vn_protocol_now(const struct vn_node *n)
{
    const struct vn_session *s = &n->session;
    return s->cred ? s->cred->guardian_time_ms + (n->now_ms - s->cred_at_ms) : 0;
}
/** The node's own time for a protocol time; not before now. */
static inline uint64_t vn_local_time(const struct vn_node *n, uint64_t protocol_ms)
{
    uint64_t p = vn_protocol_now(n);
    return protocol_ms > p ? n->now_ms + (protocol_ms - p) : n->now_ms;
}
/** Full jitter around a delay: 75 % to 125 %. */
uint64_t vn_jitter(struct vn_node *n, uint64_t ms);
/** Stop was done: the shell is told once. */
void vn_node_stopped(struct vn_node *n);
/* status.c */
void vn_node_on_stats(struct vn_node *n, const struct vn_ev_stats *ev);
void vn_node_stats_init(struct vn_node *n);
void vn_node_stats_done(struct vn_node *n);
