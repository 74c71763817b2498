#include "core/tally.h"

#include <stdlib.h>

#include "base/attr.h"

void vn_tally_done(struct vn_tally *t)
{
    free(t->seqs);
    *t = (struct vn_tally){0};
}

void vn_tally_sent(struct vn_tally *t, uint64_t seq, uint64_t now_us)
{
    if (!t->seqs && !(t->seqs = calloc(VN_TALLY_SENT, sizeof(*t->seqs))))
        return;
    if (t->sent == 0 || t->news)
        t->waited_us = 0;
    else
        t->waited_us += VN_MIN(now_us - t->last_us, VN_OVERDUE_PAUSE_US);
    t->news = false;
    t->last_us = now_us;
    t->seqs[t->sent++ % VN_TALLY_SENT] = seq;
}

/* How many there were; 0: none, or too many after them. */
static uint64_t sent_below(const struct vn_tally *t, uint64_t next)
{
    const uint64_t first = t->sent > VN_TALLY_SENT ? t->sent - VN_TALLY_SENT : 0;
    uint64_t from = first, to = t->sent;
    while (from < to) {
        const uint64_t mid = from + (to - from) / 2;
        if (t->seqs[mid % VN_TALLY_SENT] < next)
            from = mid + 1;
        else
            to = mid;
    }
    return from > first ? from : 0;
}

void vn_tally_came(struct vn_tally *t, uint64_t next, uint64_t frames)
{
    const uint64_t sent = sent_below(t, next);
    if (sent <= t->judged)
        return;
    t->news = true;
    if (!t->begun || frames < t->base_came) {
        t->begun = true;
        t->base_sent = t->judged = sent;
        t->base_came = frames;
        t->missing = 0;
        return;
    }
    const uint64_t should = sent - t->base_sent, came = frames - t->base_came;
    t->told += sent - t->judged;
    t->judged = sent;
    if (should > came && should - came > t->missing) {
        t->lost += should - came - t->missing;
        t->missing = should - came;
    }
}

uint64_t vn_tally_overdue_us(const struct vn_tally *t)
{
    return t->sent == 0 || t->news ? 0 : t->waited_us;
}

void vn_tally_move(struct vn_tally *t)
{
    *t = (struct vn_tally){.seqs = t->seqs};
}
