#include "anchor.pb-c.h"
#include "core/node_i.h"

/* ---- replay window ---- */

bool vn_ctl_window_new(const struct vn_ctl_window *w, uint64_t seq)
{
    if (seq >= w->next)
        return true;
    if (w->next - seq > VN_STREAM_CTL_WINDOW)
        return false;
    return !(w->bits[seq / 64 % VN_ARRAY_LEN(w->bits)] >> (seq % 64) & 1);
}

void vn_ctl_window_mark(struct vn_ctl_window *w, uint64_t seq)
{
    if (seq >= w->next) {
        if (seq - w->next >= VN_STREAM_CTL_WINDOW) {
            memset(w->bits, 0, sizeof(w->bits));
        } else {
            for (uint64_t i = w->next; i < seq; i++)
                w->bits[i / 64 % VN_ARRAY_LEN(w->bits)] &= ~(1ull << (i % 64));
        }
        w->next = seq + 1;
    }
    w->bits[seq / 64 % VN_ARRAY_LEN(w->bits)] |= 1ull << (seq % 64);
}

/* ---- sending ---- */

void vn_ctl_send(struct vn_node *n, struct vn_stream *s, const Vn__StreamControl *m)
{
    vn_ctl_send_on(n, s, s->circuit, m);
}

void vn_ctl_send_on(struct vn_node *n, struct vn_stream *s, const struct vn_circuit *c,
                    const Vn__StreamControl *m)
{
    if (!s->keyed)
        return;
    struct vn_buf body, packet;
    vn_buf_init(&body, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&packet, VN_CONTROL_PAYLOAD_MAX);
    vn_status st = vn_pb_pack(&m->base, &body);
    if (st == VN_OK)
        st = vn_control_seal(n->suite, s->is_tx ? &s->keys.k_ctl_ir : &s->keys.k_ctl_ri, &s->sid,
                             s->ctl_seq++, vn_buf_span(&body), &packet);
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "control_failed", VN_KV_STATUS(st));
    else if (c && c->state == VN_CIRCUIT_UP)
        vn_tell_tether_send(n, c->hop->handle, VN_HOP_CONTROL, s->is_tx ? c->fwd : c->rev,
                            vn_buf_span(&packet));
    else
        vn_outbox_publish(n, &s->peer->id, NULL, vn_buf_span(&packet));
    vn_buf_done(&body);
    vn_buf_done(&packet);
}

/* ---- BIND and BOUND ---- */

static void send_bound(struct vn_node *n, struct vn_stream *s, const struct vn_circuit *c,
                       uint32_t request)
{
    Vn__Bound b = VN__BOUND__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    b.request = request;
    b.ok = true;
    m.kind_case = VN__STREAM_CONTROL__KIND_BOUND;
    m.bound = &b;
    vn_ctl_send_on(n, s, c, &m);
}

/* The stream comes by c from now on, or may. */
static void bind_to(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c)
{
    vn_circuit_attach(c, s);
    vn_circuit_bound(n, c);
    vn_timer_disarm(&n->timers, &s->timer);
    if (s->state == VN_RX_EXPECT_BIND)
        vn_stream_set_state(s, VN_RX_OPEN);
    vn_stream_opened(n, s);
    s->at_worker = true;
    vn_tell_rx_open(n, s, c);
    vn_route_found(n, s->peer);
    vn_dests_retry_peer(n, s->peer);
}

static void on_bind(struct vn_node *n, struct vn_stream *s, const Vn__Bind *b,
                    const struct vn_ctl_from *from)
{
    struct vn_circuit *c = from->hop ? vn_circuit_by_label(n, from->hop, from->label) : NULL;
    /* The label inside the tag must be the one it came on, or a neighbour could bind a stream where
     * it likes. */
    if (s->is_tx || !c || c->out || c->bind != b->label || (c->stream && c->stream != s) ||
        (!c->stream && s->circuit_count >= VN_STREAM_CIRCUITS_MAX)) {
        vn_drop(n, VN_NDROP_CIRCUIT);
        return;
    }
    if (!c->stream)
        bind_to(n, s, c);
    if (!b->standby || !s->circuit)
        s->circuit = c;
    send_bound(n, s, c, b->request);
}

static void on_bound(struct vn_node *n, struct vn_stream *s, const Vn__Bound *b,
                     const struct vn_ctl_from *from)
{
    struct vn_circuit *c = from->hop ? vn_circuit_by_label(n, from->hop, from->label) : NULL;
    uint64_t sent_ms =
        s->is_tx && c && c->out && c->stream == s ? vn_bind_answered(c, b->request) : 0;
    if (!sent_ms) {
        vn_drop(n, VN_NDROP_CIRCUIT);
        return;
    }
    if (c->replaces)
        vn_circuit_succeed(n, c);
    if (s->state != VN_TX_EXPECT_BOUND || c != s->circuit) {
        vn_learn_answered(n, s, c, sent_ms);
        return;
    }
    vn_timer_disarm(&n->timers, &s->timer);
    vn_stream_set_state(s, VN_TX_OPEN);
    s->peer->losses = 0;
    s->peer->lost_ms = 0;
    vn_route_found(n, s->peer);
    s->at_worker = true;
    vn_tell_tx_open(n, s);
    vn_dests_use(n, s->peer);
    vn_route_took(n, s);
    vn_learn_answered(n, s, c, sent_ms);
}

/* ---- the end, as told by the other end ---- */

static void on_close(struct vn_node *n, struct vn_stream *s, uint32_t reason)
{
    struct vn_peer *p = s->peer;
    if (!s->is_tx) {
        vn_stream_close(n, s, VN_CLOSE_IDLE, false);
        return;
    }
    if (reason != VN_CLOSE_NOT_ALLOWED && reason != VN_CLOSE_STOPPING) {
        vn_tx_renew(n, s, VN_CLOSE_LOST, false);
        return;
    }
    /* Whoever still sends asks first, and the answer to that tells whether we may. */
    vn_peer_drop_descriptor(p);
    vn_dests_forget(n, p);
    vn_stream_close(n, s, VN_CLOSE_LOST, false);
}

/* ---- receiving ---- */

static void dispatch(struct vn_node *n, struct vn_stream *s, const Vn__StreamControl *m,
                     const struct vn_ctl_from *from)
{
    switch (m->kind_case) {
    case VN__STREAM_CONTROL__KIND_BIND:
        on_bind(n, s, m->bind, from);
        break;
    case VN__STREAM_CONTROL__KIND_BOUND:
        on_bound(n, s, m->bound, from);
        break;
    case VN__STREAM_CONTROL__KIND_STATEMENT:
        vn_affinity_on_statement(n, s, m->statement);
        break;
    case VN__STREAM_CONTROL__KIND_CLOSE:
        on_close(n, s, m->close->reason);
        break;
    case VN__STREAM_CONTROL__KIND_REKEY_OFFER:
        vn_rekey_on_offer(n, s, m->rekey_offer);
        break;
    case VN__STREAM_CONTROL__KIND_REKEY_ANSWER:
        vn_rekey_on_answer(n, s, m->rekey_answer);
        break;
    case VN__STREAM_CONTROL__KIND_REPORT:
        vn_delivery_on_report(n, s, m->report);
        break;
    case VN__STREAM_CONTROL__KIND_TALLY:
        vn_delivery_on_tally(n, s, m->tally);
        break;
    case VN__STREAM_CONTROL__KIND_REVOCATION_WANT:
        vn_revocations_on_want(n, s, m->revocation_want->after);
        break;
    case VN__STREAM_CONTROL__KIND_REVOCATIONS:
        vn_revocations_on_lists(n, s, m->revocations);
        break;
    default:
        vn_drop(n, VN_NDROP_BODY);
    }
}

void vn_ctl_input(struct vn_node *n, struct vn_span bytes, const struct vn_ctl_from *from)
{
    struct vn_id sid;
    uint64_t seq;
    if (vn_control_peek(bytes, n->suite, &sid, &seq) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    struct vn_stream *s = vn_stream_by_sid(n, &sid);
    if (!s && from->hop)
        vn_circuit_refuse(n, from->hop, from->label);
    /* In-band it may come through relays: the key tells whose it is. */
    if (!s || !s->keyed || (!from->hop && !vn_id_equal(&s->peer->id, &from->node)) ||
        !vn_ctl_window_new(&s->ctl_window, seq)) {
        vn_drop(n, VN_NDROP_CONTROL);
        return;
    }
    uint8_t *plain = malloc(bytes.n);
    size_t len = 0;
    if (!plain || vn_rekey_ctl_open(n, s, bytes, plain, &len) != VN_OK) {
        vn_drop(n, VN_NDROP_CONTROL);
        free(plain);
        return;
    }
    vn_ctl_window_mark(&s->ctl_window, seq);
    Vn__StreamControl *m = vn__stream_control__unpack(NULL, len, plain);
    if (m)
        dispatch(n, s, m, from);
    else
        vn_drop(n, VN_NDROP_BODY);
    if (m)
        vn__stream_control__free_unpacked(m, NULL);
    free(plain);
}
