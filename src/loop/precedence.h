/*
 * Precedence of a thread that carries packets: SCHED_RR (sched(7)). Woken by a packet it runs at
 * once, where it would else wait until the programs that it carries packets for have had their
 * share of the core; each packet waits for two such threads on its way there, and two on the way
 * back.
 *
 * It lasts while the thread sleeps now and then. After 100 ms without a sleep (a flood, or a
 * program here that sends without an end) the thread is as all others are for 20 ms: so of a core
 * that others want as well it takes nine tenths at most. Nor does it last while the thread carries
 * others' bytes for the most part: what a machine does for other members does not go before its own
 * programs, and a relay that waits its turn takes more at a time, which costs it less. A core
 * without a thread of these is always left: on a machine of one core nothing is done. Nor is it
 * without CAP_SYS_NICE, or where the system refuses.
 *
 * All functions: on the thread concerned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/** Of this machine's programs, both ways, and of other members, passed on; so far. */
struct vn_precedence_bytes {
    uint64_t own, relayed;
};

struct vn_precedence {
    bool wanted, has;
    uint64_t looked_us;
    uint64_t since_us; /* has: it slept last; else: there was a reason to have none */
    /* so far, when it was looked at */
    long sleeps;
    struct vn_precedence_bytes carried;
};

/** threads: of these so far, with this one. What the thread begins has no precedence. */
void vn_precedence_init(struct vn_precedence *p, unsigned threads, uint64_t now_us);
/** At the end of each turn of the thread's loop. */
void vn_precedence_turn(struct vn_precedence *p, struct vn_precedence_bytes carried,
                        uint64_t now_us);
/** The thread is as all others are. */
void vn_precedence_done(struct vn_precedence *p);
