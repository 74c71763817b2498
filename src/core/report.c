/* Failure reports: one message to a neighbour with all its circuits that a lost tether took. */
#include "core/node_i.h"

void vn_hop_on_report(void *arg)
{
    struct vn_hop *h = arg;
    vn_circuit_send(
        h->node, h,
        &(struct vn_circuit_msg){.type = VN_CIRCUIT_FAILED, .blob = vn_buf_span(&h->failed)});
    vn_buf_done(&h->failed);
    h->reported_ms = h->node->now_ms;
}

void vn_hop_report(struct vn_node *n, struct vn_hop *h, uint32_t label)
{
    uint8_t bytes[sizeof(label)];
    struct vn_writer w = vn_writer_of(bytes, sizeof(bytes));
    vn_write_u32(&w, label);
    if (vn_buf_append(&h->failed, bytes, sizeof(bytes)) != VN_OK)
        return; /* its circuit is idle from now on, and ends by that */
    if (!h->report.armed)
        vn_timer_arm(&n->timers, &h->report,
                     VN_MAX(n->now_ms, h->reported_ms + VN_FAILED_EVERY_MS));
}
