/*
 * sources:
 * options: --unwind 9 -DCHECK_ONLY
 * proves: replay window of a lane: growing forgets nothing and accepts nothing old
 * bound: none on numbers; from 128 bits to 256
 *
 * The invariant of replay.c, kept.
 */
#include "harness.h"

#undef VN_REPLAY_BITS_MIN
#define VN_REPLAY_BITS_MIN 128u

#include "base/replay.c"

static bool inside(const struct vn_replay *r, uint64_t seq)
{
    return seq < r->next && seq >= r->floor && r->next - seq <= r->bits;
}

static bool holds(const struct vn_replay *r, uint64_t watched, bool committed)
{
    bool bit = *word_of(r, watched) & bit_of(watched);
    if (r->mark_next > r->next || r->floor > r->next)
        return false;
    if (watched >= r->next) /* the rest of the newest word is clear */
        return !committed && (r->next == 0 || watched / 64 != (r->next - 1) / 64 || !bit);
    return !inside(r, watched) || bit == committed;
}

static struct vn_replay any_window(void)
{
    return (struct vn_replay){.next = nondet_u64(),
                              .floor = nondet_u64(),
                              .words = room(2 * VN_REPLAY_BITS_MIN / 8),
                              .bits = VN_REPLAY_BITS_MIN};
}

int main(void)
{
    struct vn_replay r = any_window();
    uint64_t watched = nondet_u64();
    bool committed = nondet_bool();
    __CPROVER_assume(r.next > 0 && holds(&r, watched, committed));
    bool knew = inside(&r, watched);
    grow(&r);
    assert(holds(&r, watched, committed));
    assert(!committed || !vn_replay_check(&r, watched));
    assert(!knew || inside(&r, watched));
    return 0;
}
