/*
 * sources:
 * options: --unwind 9 -DCHECK_ONLY
 * proves: replay window of a lane: no number twice, no fresh one refused inside the window
 * bound: none on numbers and commits (induction); window scaled to 128 bits
 *
 * One number, any, is watched. What the window must know of it is shown to hold at first and,
 * from whatever state it holds in, to hold again after a commit of whatever number.
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

static void first(void)
{
    struct vn_replay r;
    if (vn_replay_init(&r, VN_REPLAY_BITS_MIN) != VN_OK)
        return;
    assert(holds(&r, nondet_u64(), false));
    vn_replay_done(&r);
}

static struct vn_replay any_window(void)
{
    return (struct vn_replay){.next = nondet_u64(),
                              .floor = nondet_u64(),
                              .words = room(2 * VN_REPLAY_BITS_MIN / 8),
                              .bits = VN_REPLAY_BITS_MIN};
}

static void commit(void)
{
    struct vn_replay r = any_window();
    uint64_t watched = nondet_u64(), seq = nondet_u64();
    bool committed = nondet_bool();
    __CPROVER_assume(holds(&r, watched, committed));

    bool accepted = vn_replay_check(&r, watched);
    assert(!(committed && accepted));
    if (!committed && watched != UINT64_MAX && (watched >= r.next || inside(&r, watched)))
        assert(accepted);

    if (!vn_replay_check(&r, seq))
        return;
    vn_replay_commit(&r, seq, nondet_u64()); /* mark_us is 0: does not grow */
    assert(r.next > seq && holds(&r, watched, committed || seq == watched));
}

int main(void)
{
    first();
    commit();
    return 0;
}
