/*
 * Whether the peer is still there: consent (RFC 7675) when idle, liveness while sending. A decision
 * table without I/O; the tether tells it what happens and asks what to do.
 *
 * Checks go out
 *   - at random every 4 to 6 s, and 1 s after one that was not answered;
 *   - while something was sent or is unacknowledged and nothing came for 500 ms: every 500 ms.
 * The peer is gone
 *   - 15 s after the last answer to a check;
 *   - after 3 s of silence while sending;
 *   - when the system reported its port closed after each of two checks in a row.
 * If our own loop was late by 500 ms (suspend, SIGSTOP), silence is counted anew.
 */
#pragma once

#include <stdbool.h>

#include "ports/random.h"

enum vn_consent_verdict { VN_CONSENT_WAIT, VN_CONSENT_CHECK, VN_CONSENT_LOST };

struct vn_consent {
    const struct vn_random *random;
    uint64_t answered_us;  /* last answer to a check */
    uint64_t heard_us;     /* last authentic packet */
    uint64_t sending_us;   /* since when we send without hearing; 0: not */
    uint64_t next_us;      /* next routine check */
    uint64_t next_live_us; /* next liveness check */
    uint64_t due_us;       /* what the last deadline said, to notice a late loop */
    unsigned refused;
    bool refused_since_check;
};

void vn_consent_init(struct vn_consent *c, const struct vn_random *random, uint64_t now_us);
/** Data was sent, or is still unacknowledged. */
void vn_consent_sending(struct vn_consent *c, uint64_t now_us);
/** An authentic packet came. */
void vn_consent_heard(struct vn_consent *c, uint64_t now_us);
/** A check was answered. */
void vn_consent_answered(struct vn_consent *c, uint64_t now_us);
/** The system says the peer's port is closed. */
void vn_consent_refused(struct vn_consent *c);

/** Decides, and counts a CHECK as sent. outstanding: data is unacknowledged now. */
enum vn_consent_verdict vn_consent_tick(struct vn_consent *c, bool outstanding, uint64_t now_us);
uint64_t vn_consent_deadline(struct vn_consent *c);
