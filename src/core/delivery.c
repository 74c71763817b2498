/* Reports of what arrived (DESIGN section 7), between the workers of a stream's two ends. */
#include "core/delivery.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

void vn_delivery_event(struct vn_node *n, struct vn_delivery_msg *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, false);
    Vn__Report r = VN__REPORT__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    if (!s)
        return;
    r.lane = ev->delivery.lane;
    r.known = ev->delivery.known;
    r.next = ev->delivery.next;
    r.after = (ProtobufCBinaryData){ev->delivery.bits_len, ev->delivery.bits};
    m.kind_case = VN__STREAM_CONTROL__KIND_REPORT;
    m.report = &r;
    vn_ctl_send(n, s, &m);
}

void vn_delivery_on_report(struct vn_node *n, struct vn_stream *s, const Vn__Report *r)
{
    struct vn_delivery d = {.known = r->known, .next = r->next, .bits_len = r->after.len};
    if (!s->is_tx || r->lane >= VN_LANES_MAX || d.known > d.next || d.bits_len > sizeof(d.bits)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    d.lane = (uint8_t)r->lane;
    if (d.bits_len > 0)
        memcpy(d.bits, r->after.data, d.bits_len);
    vn_tell_report(n, s, &d);
}

void vn_delivery_event_tally(struct vn_node *n, const struct vn_tally_msg *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, false);
    Vn__Tally t = VN__TALLY__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    if (!s)
        return;
    t.bind = ev->bind;
    t.lane = ev->lane;
    t.next = ev->next;
    t.frames = ev->frames;
    m.kind_case = VN__STREAM_CONTROL__KIND_TALLY;
    m.tally = &t;
    vn_ctl_send(n, s, &m);
}

void vn_delivery_on_tally(struct vn_node *n, struct vn_stream *s, const Vn__Tally *t)
{
    if (!s->is_tx || t->lane >= VN_LANES_MAX || t->frames > t->next) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    /* Others are of copies, or of a path that was left. */
    if (s->circuit && s->circuit->bind == t->bind)
        vn_tell_tally(n, &(struct vn_tally_msg){.handle = s->handle,
                                                .bind = t->bind,
                                                .lane = (uint8_t)t->lane,
                                                .next = t->next,
                                                .frames = t->frames});
}
