/*
 * Labels of a worker's tethers, as what arrives names them (label.h has the node's). Frames that
 * come before a stream is bound to theirs (VN_CMD_RX_OPEN) are held, a few per label and for a
 * short time.
 */
#pragma once

#include "base/writer.h"
#include "core/credit.h"
#include "core/turn.h"
#include "core/worker_i.h"

struct vn_forward;
struct vn_rx;

/* Held frames of one tether: a neighbour need not be a friend. */
#define VN_EARLY_LABELS_MAX 64
#define VN_EARLY_BYTES_MAX (2u << 20)

/** A label of a tether: bound to a stream, or with frames that wait for that; or a circuit's that
 * passes through; or where credit comes on. */
struct vn_label {
    uint8_t key[8]; /* tether4 label4 */
    struct vn_end *end;
    struct vn_list of_end; /* end.labels */
    struct vn_rx *rx;      /* NULL: early */
    struct vn_list of_rx;
    uint32_t bind;              /* of rx: what its source calls the circuit */
    struct vn_meter meter;      /* of frames for rx, on circuits with credit */
    struct vn_forward *forward; /* who frees it before */
    uint32_t fwd;               /* what the frames have that need the credit; 0: none do */
    struct vn_turn *turn;       /* gets the credit */
    struct vn_label **owner;    /* cleared when the tether is gone; may be NULL */
    bool kept;                  /* its stream sends elsewhere and may come back */
    struct vn_purse purse;      /* meanwhile */
    struct vn_pktqueue early;
    uint64_t early_until_us;
};

/** What worker.label_by_key has it by. */
static inline void vn_label_key(uint32_t tether, uint32_t label, uint8_t ret[8])
{
    struct vn_writer w = vn_writer_of(ret, 8);
    vn_write_u32(&w, tether);
    vn_write_u32(&w, label);
}
/** NULL: not known. */
static inline struct vn_label *vn_label_find(const struct vn_end *end, uint32_t label)
{
    uint8_t key[8];
    vn_label_key(end->handle, label, key);
    return vn_map_get(end->worker->label_by_key, key);
}
/** For a stream; NULL without memory. */
struct vn_label *vn_label_new(struct vn_end *end, uint32_t label);
/** For what is no stream to us; frames that came before are dropped. NULL without memory. */
struct vn_label *vn_label_claim(struct vn_end *end, uint32_t label);
void vn_label_release(struct vn_label *l);
/** A circuit of a stream is gone. */
void vn_label_close(struct vn_worker *w, const struct vn_cmd_label *cmd);

/** A frame that nobody waits for yet: holds it, or drops it; takes ownership. l: NULL, not known.
 */
void vn_label_hold(struct vn_end *end, uint32_t label, struct vn_label *l, struct vn_pktbuf *b);
/** The held frames, which are the caller's from now on. */
struct vn_pktqueue vn_label_take_early(struct vn_label *l);
/** Lets held frames go whose time is over; returns when to look again. */
uint64_t vn_label_tick(struct vn_worker *w);

/** From now on that turn sends there, with the credit that comes on rev; 0: none is needed. What it
 * had there before it has again. */
void vn_label_credit(struct vn_label **owner, struct vn_turn *turn, struct vn_end *end,
                     uint32_t fwd, uint32_t rev);
/** The turn leaves a circuit and may come back: both ends count its credit from SETUP on. */
void vn_label_keep(struct vn_label **owner, const struct vn_turn *turn);
