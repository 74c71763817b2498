/* Commands to the data worker (core/commands.h), made and sent. Without memory a command is lost
 * and logged. */
#pragma once

#include "core/commands.h"
#include "wire/frame.h"

struct vn_node;
struct vn_circuit;
struct vn_stream;

void vn_tell_handle(struct vn_node *n, enum vn_cmd_type type, uint32_t handle);
void vn_tell_dest(struct vn_node *n, const struct vn_ip *ip, enum vn_dest_verdict verdict,
                  uint32_t tx, uint32_t for_ms);
void vn_tell_local(struct vn_node *n);
/** Public nodes of the realm, and these keys. */
void vn_tell_member_stun(struct vn_node *n, const struct vn_stun_keys *keys);
void vn_tell_tether_open(struct vn_node *n, uint32_t tether, const struct vn_tether_config *cfg);
void vn_tell_tether_start(struct vn_node *n, uint32_t tether, const struct vn_tether_start *start);
/** Our own parameters, which begin a restart; better: for none but a better pair. */
void vn_tell_tether_restart(struct vn_node *n, uint32_t tether, bool better,
                            const struct vn_ice_params local[VN_HOP_PCS]);
/** The peer's for it. */
void vn_tell_tether_restart_start(struct vn_node *n, uint32_t tether,
                                  const struct vn_ice_params remote[VN_HOP_PCS]);
void vn_tell_tether_candidate(struct vn_node *n, uint32_t tether, const struct vn_candidate *c);
/** body is copied. */
void vn_tell_tether_send(struct vn_node *n, uint32_t tether, enum vn_hop_type type, uint32_t label,
                         struct vn_span body);
/* The first of each for a stream takes its chain key along: the node keeps none. */
void vn_tell_tx_open(struct vn_node *n, struct vn_stream *s);
/** c: one that the stream is bound to. */
void vn_tell_rx_open(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c);
/** c: NULL for none. */
void vn_tell_tx_aside(struct vn_node *n, uint32_t tx, const struct vn_circuit *c);
/** Ways of bulk flows: circuits beside the stream's own, which is way 0; NULL: none. */
struct vn_tell_ways {
    uint32_t gap_us;
    struct vn_circuit *circuit[VN_WAYS_MAX]; /* of 0: NULL */
    uint32_t share[VN_WAYS_MAX];
};
/** again: see struct vn_cmd_tx_spread. */
void vn_tell_tx_spread(struct vn_node *n, uint32_t tx, const struct vn_tell_ways *ways, bool again);
void vn_tell_tx_watch(struct vn_node *n, uint32_t tx, uint32_t after_ms);
void vn_tell_label_close(struct vn_node *n, uint32_t tether, uint32_t label);
/** in: the half towards the source; both have their labels. */
void vn_tell_relay_open(struct vn_node *n, const struct vn_circuit *in);
void vn_tell_tally(struct vn_node *n, const struct vn_tally_msg *tally);
void vn_tell_report(struct vn_node *n, const struct vn_stream *s, const struct vn_delivery *d);
/** The KEM step that begins s->rekey.epoch; tx: NULL when it was not answered. */
void vn_tell_kem(struct vn_node *n, const struct vn_stream *s, uint32_t request,
                 const struct vn_kem_step *step);
