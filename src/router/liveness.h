/*
 * When a silent next hop is dead [A11]: after clamp(1.5 srtt, 60 ms, 200 ms) of silence while
 * something is under way, counted from the later of the last packet that came back and the moment
 * by which the oldest unacknowledged one should have been answered (RFC 6298: srtt + 4 rttvar). At
 * half of it a HEARTBEAT asks. If our own loop was late, the silence was ours, and counting starts
 * again. Pure: times are of one monotonic clock, in microseconds; 0 is no time. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VN_LIVENESS_MIN_US 60000
#define VN_LIVENESS_MAX_US 200000
#define VN_LIVENESS_LATE_US 20000 /* a loop this late may have packets waiting */

struct vn_liveness {
    uint32_t srtt_us, rttvar_us; /* 0: no sample yet */
    uint64_t heard_us;           /* last packet that came back */
    uint64_t oldest_us;          /* sent and not acknowledged; 0: nothing is */
    uint64_t asked_us;           /* HEARTBEAT of this silence; 0: none */
    uint64_t restart_us;         /* our loop was late then */
};

enum vn_liveness_verdict { VN_ALIVE, VN_ASK, VN_SILENT };

/** A round trip, of a packet that was sent once (Karn's algorithm). RFC 6298 section 2. */
void vn_liveness_rtt(struct vn_liveness *l, uint32_t rtt_us);
void vn_liveness_heard(struct vn_liveness *l, uint64_t now_us);
/** When the oldest packet that is still unacknowledged was sent; 0: nothing is under way. */
void vn_liveness_unacked(struct vn_liveness *l, uint64_t oldest_us);
/** The loop runs, so late after it should have. */
void vn_liveness_loop(struct vn_liveness *l, uint64_t now_us, uint64_t late_us);
/** Silence that is borne. */
uint32_t vn_liveness_window_us(const struct vn_liveness *l);
/** VN_ASK: send a HEARTBEAT now; said once in a silence. */
enum vn_liveness_verdict vn_liveness_check(struct vn_liveness *l, uint64_t now_us);
/** When to check again; 0: not before something is sent. */
uint64_t vn_liveness_deadline_us(const struct vn_liveness *l);
