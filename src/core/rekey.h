/*
 * KEM steps of a stream (DESIGN section 6), between the nodes: the source's fresh key and the
 * destination's ciphertext under the control keys, and the change of these keys. The chain key is
 * the worker's alone: it asks for a step, mixes it in, and tells the control keys that come out.
 * Symmetric steps never get here.
 */
#pragma once

#include "base/buf.h"
#include "core/timer.h"
#include "wire/rekey.h"

struct vn_node;
struct vn_stream;
struct vn_kem_dk;
struct vn_ev_epoch;
struct vn_ev_kem;
typedef struct Vn__RekeyOffer Vn__RekeyOffer;
typedef struct Vn__RekeyAnswer Vn__RekeyAnswer;

struct vn_rekey {
    uint32_t epoch; /* that begins with the last step offered; 0: none yet */

    /* tx */
    struct vn_kem_dk *dk; /* of the offer that awaits its answer; NULL: none */
    unsigned sends;
    struct vn_timer timer;

    /* rx */
    struct vn_hash ek_hash; /* of that offer */
    struct vn_buf ct;
    uint32_t request; /* to the worker */
    uint32_t taken;   /* epoch of the last step that the source showed to have taken */
    bool answered;    /* the worker is ready, the answer was sent */
    uint64_t offered_ms;
    struct vn_ctl_keys next; /* after that step, until the source shows that it took it */
    bool has_next;

    /* Control packets of before the last step may still arrive. */
    struct vn_ctl_keys old;
    bool has_old;
    struct vn_timer old_timer;
};

void vn_rekey_init(struct vn_rekey *r, struct vn_stream *s);
/** Wipes. */
void vn_rekey_done(struct vn_node *n, struct vn_rekey *r);
/** Opens a control packet with the keys that may have sealed it. VN_ERR_AUTH. */
VN_MUST_CHECK vn_status vn_rekey_ctl_open(struct vn_node *n, struct vn_stream *s,
                                          struct vn_span bytes, uint8_t *plain, size_t *ret_n);

void vn_rekey_on_offer(struct vn_node *n, struct vn_stream *s, const Vn__RekeyOffer *m);
void vn_rekey_on_answer(struct vn_node *n, struct vn_stream *s, const Vn__RekeyAnswer *m);
void vn_rekey_event_due(struct vn_node *n, const struct vn_ev_epoch *ev);
void vn_rekey_event_tx(struct vn_node *n, const struct vn_ev_kem *ev);
void vn_rekey_event_rx(struct vn_node *n, const struct vn_ev_kem *ev);
void vn_rekey_event_begun(struct vn_node *n, const struct vn_ev_epoch *ev);
