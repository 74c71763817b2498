/* Our ends of tethers: commands about them, and what their implementation calls. */
#pragma once

#include "core/worker_i.h"

void vn_end_open(struct vn_worker *w, const struct vn_cmd_tether_open *cmd);
/** One of a hand: up already, and port is taken. NULL without memory. */
struct vn_end *vn_end_made(struct vn_worker *w, uint32_t handle, struct vn_tether *port);
void vn_end_start(struct vn_worker *w, const struct vn_cmd_tether_start *cmd);
void vn_end_restart(struct vn_worker *w, const struct vn_cmd_tether_restart *cmd);
void vn_end_candidate(struct vn_worker *w, const struct vn_cmd_tether_candidate *cmd);
/** Takes cmd->buf. */
void vn_end_send(struct vn_worker *w, struct vn_cmd_tether_send *cmd);
/** On its control channel, hop header included; takes b. What does not fit in the queue is dropped.
 */
void vn_end_control(struct vn_end *end, struct vn_pktbuf *b);
/** What its path takes, as of the last 100 ms. */
const struct vn_path_time *vn_end_path(struct vn_end *end);
void vn_end_close(struct vn_worker *w, struct vn_end *end);
/** Frees ends that went down inside a call to them. */
void vn_end_bury(struct vn_worker *w);
