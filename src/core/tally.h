/*
 * Real-time frames of one lane that went by the path in use, and what the destination says came of
 * them by that path. Tethers do not repeat them and nobody keeps them: this is how loss behind the
 * first tether shows. Copies by a second path count for nothing here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

/** Zeroed: empty. */
struct vn_tally {
    uint64_t *seqs;      /* of the newest VN_TALLY_SENT, by their count; NULL: none yet */
    uint64_t sent;       /* by the present path */
    bool begun;          /* word has come; what it says of more is judged by what it said first: */
    uint64_t base_sent;  /* of so many */
    uint64_t base_came;  /* so many, by some former use of the path too */
    uint64_t judged;     /* of `sent`: up to where word has come */
    uint64_t missing;    /* from base on; the most there ever were */
    uint64_t told, lost; /* of those that word came of; the owner takes them */
    bool news;           /* something has come since the last frame */
    uint64_t last_us, waited_us; /* the last frame; and see vn_tally_overdue_us */
};

void vn_tally_done(struct vn_tally *t);
/** A frame goes, its number above all before. */
void vn_tally_sent(struct vn_tally *t, uint64_t seq, uint64_t now_us);
/** The destination: of those below next so many came, ever. */
void vn_tally_came(struct vn_tally *t, uint64_t next, uint64_t frames);
/** How long frames have been sent and nothing new came of; see vn_retain_overdue_us. */
uint64_t vn_tally_overdue_us(const struct vn_tally *t);
/** Another path. */
void vn_tally_move(struct vn_tally *t);
