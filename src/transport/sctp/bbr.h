/*
 * Congestion control after BBR version 3 (draft-ietf-ccwg-bbr): a model of the path made of the
 * highest rate seen delivered, the shortest round-trip time, and how much in flight made loss
 * exceed 2 %; from it a pacing rate and a bound on what is in flight. Loss alone does not slow it
 * down, so paths that lose packets at random stay full. Integers only: bytes, microseconds, bytes
 * per second; gains in percent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vn_bbr_mode {
    VN_BBR_STARTUP,
    VN_BBR_DRAIN,
    VN_BBR_DOWN, /* of ProbeBW, as the next three */
    VN_BBR_CRUISE,
    VN_BBR_REFILL,
    VN_BBR_UP,
    VN_BBR_PROBE_RTT,
};

/** What one SACK tells; of the newest packet it acknowledges, where it says "sample". */
struct vn_bbr_ack {
    uint64_t now_us;
    uint64_t delivered;       /* bytes of the association acknowledged so far */
    uint64_t prior_delivered; /* the same when the sample was sent */
    uint64_t interval_us;     /* time in which the sample's bytes were delivered; 0: no sample */
    uint64_t lost;            /* bytes marked lost since the sample was sent */
    uint64_t tx_in_flight;    /* bytes in flight when the sample was sent */
    bool app_limited;         /* the sample was sent for want of data, not of a window */
    uint64_t newly_acked, newly_lost;
    uint64_t in_flight; /* now */
    uint64_t rtt_us;    /* 0: none */
};

struct vn_bbr {
    enum vn_bbr_mode mode;
    uint64_t mss;

    /* outputs */
    uint64_t pacing_rate; /* bytes per second */
    uint64_t cwnd;        /* bytes */
    uint64_t quantum;     /* bytes to send at once */

    /* rounds */
    uint64_t next_round_delivered, rounds;
    bool round_start;

    /* the model */
    uint64_t max_bw[2]; /* of this cycle and the one before */
    uint64_t min_rtt_us, min_rtt_at_us;
    uint64_t probe_rtt_min_us, probe_rtt_min_at_us, probe_rtt_done_us;
    bool probe_rtt_round_done;
    uint64_t extra_acked[2], extra_acked_rounds, extra_from_us, extra_bytes;

    /* lower bounds, of loss seen while not probing; UINT64_MAX: none */
    uint64_t bw_lo, inflight_lo, bw_latest, inflight_latest, loss_round_delivered;
    uint64_t loss_in_round; /* bytes */
    unsigned loss_events;   /* SACKs that told of loss in this round */
    /* upper bound, of loss seen while probing; UINT64_MAX: none */
    uint64_t inflight_hi, up_acked, up_step;
    unsigned up_rounds;

    bool full_bw_reached;
    uint64_t full_bw;
    unsigned full_bw_rounds;

    uint64_t cycle_at_us, probe_wait_us, rounds_since_probe;
    bool probe_samples;  /* samples come from probing for bandwidth */
    bool probe_feedback; /* of the last probe, one more round */
    uint64_t prior_cwnd; /* before PROBE_RTT or a timeout */
    bool cwnd_limited;   /* what was sent last stopped at cwnd */
    uint32_t random;
};

/** mss: bytes of a full packet's data; seed spreads the probes of several flows. */
void vn_bbr_init(struct vn_bbr *b, uint64_t mss, uint64_t cwnd, uint32_t seed, uint64_t now_us);
void vn_bbr_on_ack(struct vn_bbr *b, const struct vn_bbr_ack *a);
/** Nothing was acknowledged for a whole timeout; all is taken for lost. */
void vn_bbr_on_timeout(struct vn_bbr *b);
/** Something is sent after a pause with nothing in flight. */
void vn_bbr_on_restart(struct vn_bbr *b, uint64_t now_us);
uint64_t vn_bbr_bandwidth(const struct vn_bbr *b);
