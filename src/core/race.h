/*
 * Ways of one stream that are set up beside each other. A relay that was drawn by lot may not reach
 * the end, which shows only after VN_SETUP_SEALED_WAIT_MS, or accept by itself and pass nothing on.
 * So while the end is silent others are tried as well, and the first by which it answers is the
 * way. The rest go on, for the learner.
 *
 * The circuits of a stream that are in it have `racing`; s->circuit is one of them.
 */
#pragma once

#include <stdbool.h>

struct vn_node;
struct vn_stream;
struct vn_circuit;

/** s waits for a circuit: a relay is drawn and tried, beside those that are tried already. */
void vn_race_join(struct vn_node *n, struct vn_stream *s);
/** What s waits for is still silent: another circuit, if it is time. */
void vn_race_on_timer(struct vn_node *n, struct vn_stream *s);
/** s waits for its circuit: if another one was faster, s has that. */
void vn_race_advance(struct vn_node *n, struct vn_stream *s);
/** s waits for the end's answer: it is asked for on those that are up besides. */
void vn_race_bind(struct vn_node *n, struct vn_stream *s);
/** The end answered on c: a stream that waits for that goes there. */
void vn_race_bound(struct vn_circuit *c);
/** s has lost the circuit that it waited for. True: it has another one, and may be closed by now.
 */
bool vn_race_goes_on(struct vn_node *n, struct vn_stream *s);
/** c of s, which has another circuit, is lost. */
void vn_race_lost(struct vn_node *n, struct vn_stream *s, const struct vn_circuit *c);
/** The settings do not want this relay any more. */
void vn_race_leave_unwanted(struct vn_node *n, struct vn_stream *s);
/** s is open. */
void vn_race_over(struct vn_node *n, struct vn_stream *s);
