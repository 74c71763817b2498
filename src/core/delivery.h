/* A destination's reports, as the node passes them on: its worker's out, and its peer's in. */
#pragma once

#include "core/commands.h"

struct vn_node;
struct vn_stream;
typedef struct Vn__Report Vn__Report;

/** VN_EV_RX_REPORT: to the source. */
void vn_delivery_event(struct vn_node *n, struct vn_delivery_msg *ev);
/** From the destination: to the worker. */
void vn_delivery_on_report(struct vn_node *n, struct vn_stream *s, const Vn__Report *r);
