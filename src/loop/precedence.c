#include "loop/precedence.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include "base/log.h"

#define LOOK_US 10000
#define BUSY_US 100000
#define REST_US 20000
#define RELAYS_BYTES 65536 /* between two looks: less passes at once, and costs little */
#define RELAYS_PARTS 8     /* for each part of its own */

static bool set(bool high)
{
    const struct sched_param param = {.sched_priority =
                                          high ? sched_get_priority_min(SCHED_RR) : 0};
    /* Zero: the calling thread. */
    return sched_setscheduler(0, high ? SCHED_RR | SCHED_RESET_ON_FORK : SCHED_OTHER, &param) == 0;
}

static long sleeps(void)
{
    struct rusage u;
    return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nvcsw : 0;
}

static unsigned cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void raise_it(struct vn_precedence *p, uint64_t now_us)
{
    p->has = p->wanted = set(true);
    p->since_us = now_us;
}

void vn_precedence_init(struct vn_precedence *p, unsigned threads, uint64_t now_us)
{
    *p = (struct vn_precedence){.looked_us = now_us, .sleeps = sleeps()};
    if (cores() <= threads)
        return;
    raise_it(p, now_us);
    if (p->has)
        vn_log(VN_LOG_INFO, "worker_precedence");
    else
        vn_log(VN_LOG_INFO, "worker_without_precedence", VN_KV_ERRNO(errno),
               VN_KV_STR("hint", "packets wait for other programs: give it CAP_SYS_NICE"));
}

static bool relays(const struct vn_precedence *p, struct vn_precedence_bytes carried)
{
    const uint64_t relayed = carried.relayed - p->carried.relayed;
    const uint64_t own = carried.own - p->carried.own;
    return relayed >= RELAYS_BYTES && relayed / RELAYS_PARTS >= own;
}

void vn_precedence_turn(struct vn_precedence *p, struct vn_precedence_bytes carried,
                        uint64_t now_us)
{
    if (!p->wanted || now_us - p->looked_us < LOOK_US)
        return;
    const long before = p->sleeps;
    const bool for_others = relays(p, carried);
    p->sleeps = sleeps();
    p->carried = carried;
    p->looked_us = now_us;
    const bool slept = p->sleeps != before;
    if (p->has && (for_others || (!slept && now_us - p->since_us >= BUSY_US))) {
        p->has = !set(false);
        p->since_us = now_us;
    } else if (p->has ? slept : for_others) {
        p->since_us = now_us;
    } else if (!p->has && now_us - p->since_us >= REST_US) {
        raise_it(p, now_us);
    }
}

void vn_precedence_done(struct vn_precedence *p)
{
    if (p->has)
        (void)set(false);
    *p = (struct vn_precedence){0};
}
