#include "base/replay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GROW_WINDOW_US 1000000

static size_t ring_words(uint32_t bits)
{
    /* The word that is being filled and the word that is being cleared may be the same one: one
     * more than the window needs, rounded up to a power of two. */
    return 2 * (size_t)bits / 64;
}

static uint64_t *word_of(const struct vn_replay *r, uint64_t seq)
{
    return &r->words[(seq / 64) & (ring_words(r->bits) - 1)];
}

static uint64_t bit_of(uint64_t seq)
{
    return UINT64_C(1) << (seq % 64);
}

vn_status vn_replay_init(struct vn_replay *r, uint32_t bits)
{
    assert(bits >= VN_REPLAY_BITS_MIN && bits <= VN_REPLAY_BITS_MAX && (bits & (bits - 1)) == 0);
    uint64_t *words = calloc(ring_words(bits), sizeof(*words));
    if (!words)
        return VN_ERR_NOMEM;
    *r = (struct vn_replay){.words = words, .bits = bits};
    return VN_OK;
}

void vn_replay_done(struct vn_replay *r)
{
    free(r->words);
    *r = (struct vn_replay){0};
}

bool vn_replay_check(const struct vn_replay *r, uint64_t seq)
{
    if (seq == UINT64_MAX)
        return false; /* next would wrap; no sender gets there */
    if (seq >= r->next)
        return true;
    if (seq < r->floor || r->next - seq > r->bits)
        return false;
    return !(*word_of(r, seq) & bit_of(seq));
}

/* Twice the width. What the old window no longer knew stays refused: that is what floor is for. */
static bool grow(struct vn_replay *r)
{
    struct vn_replay wide = *r;
    wide.bits = 2 * r->bits;
    wide.words = calloc(ring_words(wide.bits), sizeof(*wide.words));
    if (!wide.words)
        return false; /* the narrow one goes on working */
    wide.floor = vn_replay_known(r);
    uint64_t first = r->next > r->bits ? r->next - r->bits : 0;
    for (uint64_t word = first / 64; r->next && word <= (r->next - 1) / 64; word++)
        *word_of(&wide, word * 64) = *word_of(r, word * 64);
    free(r->words);
    *r = wide;
    return true;
}

void vn_replay_widen(struct vn_replay *r, uint32_t bits)
{
    while (r->bits < bits && grow(r))
        ;
}

static void watch_rate(struct vn_replay *r, uint64_t now_us)
{
    if (r->next - r->mark_next < r->bits)
        return;
    if (r->mark_us && now_us - r->mark_us < GROW_WINDOW_US && r->bits < VN_REPLAY_BITS_MAX)
        (void)grow(r);
    r->mark_next = r->next;
    r->mark_us = now_us;
}

void vn_replay_commit(struct vn_replay *r, uint64_t seq, uint64_t now_us)
{
    if (seq >= r->next) {
        /* Words between the newest so far and the new one hold what fell out of the window. */
        uint64_t from = r->next ? (r->next - 1) / 64 + 1 : 0;
        uint64_t to = seq / 64;
        size_t ring = ring_words(r->bits);
        if (to >= from && to - from >= ring - 1) {
            memset(r->words, 0, ring * sizeof(*r->words));
        } else {
            for (uint64_t w = from; w <= to; w++)
                r->words[w & (ring - 1)] = 0;
        }
        r->next = seq + 1;
    }
    *word_of(r, seq) |= bit_of(seq);
    watch_rate(r, now_us);
}
