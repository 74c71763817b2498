/* A destination's reports and tallies, as the node passes them on: its worker's out, its peer's in.
 */
#pragma once

#include "core/commands.h"

struct vn_node;
struct vn_stream;
typedef struct Vn__Report Vn__Report;
typedef struct Vn__Tally Vn__Tally;

/** VN_EV_RX_REPORT: to the source. */
void vn_delivery_event(struct vn_node *n, struct vn_delivery_msg *ev);
/** From the destination: to the worker. */
void vn_delivery_on_report(struct vn_node *n, struct vn_stream *s, const Vn__Report *r);
/** VN_EV_RX_TALLY: to the source. */
void vn_delivery_event_tally(struct vn_node *n, const struct vn_tally_msg *ev);
/** From the destination: to the worker, if it is about the circuit in use. */
void vn_delivery_on_tally(struct vn_node *n, struct vn_stream *s, const Vn__Tally *t);
