/* Tallies of a stream that is sent: one for each lane, from the first real-time frame on. */
#include <stdlib.h>

#include "core/crew.h"
#include "core/tx.h"

static size_t count(const struct vn_tx *tx)
{
    return tx->tallies ? 1 + tx->worker->cfg.hand_count : 0;
}

void vn_tx_tally(struct vn_tx *tx, size_t lane, const struct vn_pktbuf *f)
{
    struct vn_e2e_header h;
    struct vn_reader r =
        vn_reader_of(VN_SPAN(f->data + VN_HOP_HEADER_LEN, f->len - VN_HOP_HEADER_LEN));
    if (!tx->tallies)
        tx->tallies = calloc(1 + tx->worker->cfg.hand_count, sizeof(*tx->tallies));
    if (tx->tallies && vn_e2e_decode(&r, &h))
        vn_tally_sent(&tx->tallies[lane], h.seq, tx->worker->now_us);
}

void vn_tx_tally_move(struct vn_tx *tx)
{
    for (size_t i = 0; i < count(tx); i++)
        vn_tally_move(&tx->tallies[i]);
}

void vn_tx_on_tally(struct vn_worker *w, const struct vn_tally_msg *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->handle);
    if (tx && cmd->lane < count(tx))
        vn_tally_came(&tx->tallies[cmd->lane], cmd->next, cmd->frames);
}

void vn_tx_tally_tell(const struct vn_tx *tx, struct vn_ev_sent *ev)
{
    for (size_t i = 0; i < count(tx); i++) {
        const struct vn_tally *t = &tx->tallies[i];
        const uint64_t overdue_ms = vn_tally_overdue_us(t) / 1000;
        ev->tallied += t->told;
        ev->tallied_lost += t->lost;
        ev->overdue_ms =
            (uint32_t)VN_MIN(VN_MAX(overdue_ms, (uint64_t)ev->overdue_ms), (uint64_t)UINT32_MAX);
    }
}

void vn_tx_tally_told(struct vn_tx *tx)
{
    for (size_t i = 0; i < count(tx); i++)
        tx->tallies[i].told = tx->tallies[i].lost = 0;
}

void vn_tx_tally_free(struct vn_tx *tx)
{
    for (size_t i = 0; i < count(tx); i++)
        vn_tally_done(&tx->tallies[i]);
    free(tx->tallies);
    tx->tallies = NULL;
}
