/*
 * sources:
 * part: core/ctl.c | ---- replay window ---- | ---- sending ----
 * options: --unwind 5
 * proves: replay window of control packets: no number twice, no fresh one refused inside the window
 * bound: any number of marks (induction); numbers to 8,192, window scaled to 128 bits, steps below
 * bound: 4 or above 127
 *
 * One number, any, is watched, as in replay.c.
 */
#include "harness.h"

#undef VN_STREAM_CTL_WINDOW
#define VN_STREAM_CTL_WINDOW 128

#include "core/stream.h"
#include "part.h"

static bool holds(const struct vn_ctl_window *w, uint64_t watched, bool marked)
{
    if (watched >= w->next)
        return !marked;
    if (w->next - watched > VN_STREAM_CTL_WINDOW)
        return true;
    return marked == (w->bits[watched / 64 % VN_ARRAY_LEN(w->bits)] >> (watched % 64) & 1);
}

struct vn_ctl_window nondet_window(void);

int main(void)
{
    struct vn_ctl_window w = {0};
    uint64_t watched = nondet_u64(), seq = nondet_u64();
    assert(holds(&w, watched, false));

    w = nondet_window();
    bool marked = nondet_bool();
    __CPROVER_assume(w.next <= 8192 && watched <= 8192 && seq <= 8192);
    __CPROVER_assume(holds(&w, watched, marked));
    bool accepted = vn_ctl_window_new(&w, watched);
    assert(!(marked && accepted));
    if (!marked && (watched >= w.next || w.next - watched <= VN_STREAM_CTL_WINDOW))
        assert(accepted);

    if (!vn_ctl_window_new(&w, seq))
        return 0;
    __CPROVER_assume(seq < w.next || seq - w.next < 4 || seq - w.next >= VN_STREAM_CTL_WINDOW);
    vn_ctl_window_mark(&w, seq);
    assert(holds(&w, watched, marked || seq == watched));
    return 0;
}
