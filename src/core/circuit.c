/*
 * timer            armed by                                disarmed by    fires
 * circuit.timer    out: SETUP sent (500 ms; with a blob    ACCEPT         SETUP again; after 3 s,
 *                  1 s, 2 s, 3 s)                                         with a blob 6 s, failed
 *                  out: its SETUP waits for its turn (6 s) its turn       waits on; relay: the
 *                                                                         circuit failed
 *                  out, source, sealed: no tether (3 s)    it is up       the circuit failed
 *                  in: accepted (30 s)                     BIND           closes: nobody bound a
 *                                                                         stream
 *                  source, retired (2 s; at once if what
 *                  it was to replace is lost)              end            closes
 *                  relay, in: descriptor asked for (3 s)   DESC           refuses
 */
#include "core/circuit.h"

#include "core/node_i.h"

#define BIND_WAIT_MS 30000u
#define TETHER_WAIT_MS 3000u /* of a source, to its first relay */
#define MESSAGE_HEAD 64      /* bytes of a message without its blob, at most */

void vn_circuit_send(struct vn_node *n, const struct vn_hop *h, const struct vn_circuit_msg *m)
{
    size_t cap = MESSAGE_HEAD + m->blob.n;
    uint8_t *buf = malloc(cap);
    if (!buf)
        return;
    struct vn_writer w = vn_writer_of(buf, cap);
    vn_circuit_encode(&w, m);
    if (vn_writer_ok(&w))
        vn_tell_tether_send(n, h->handle, VN_HOP_CIRCUIT, 0, vn_writer_span(&w));
    free(buf);
}

static unsigned setups_max(const struct vn_circuit *c)
{
    return c->sealed ? VN_SETUP_SEALED_SENDS : VN_SETUP_WAIT_MS / VN_SETUP_RESEND_MS;
}

/* The half is of no use any more. tell: its neighbour does not know yet. */
static void circuit_lost(struct vn_node *n, struct vn_circuit *c, bool tell, enum vn_relay_end why,
                         enum vn_circuit_reason reason)
{
    struct vn_stream *s = c->stream;
    bool carried = s && vn_stream_loses(n, s, c, why != VN_RELAY_TORN);
    vn_relay_half_gone(n, c, why, reason);
    vn_circuit_close(n, c, tell);
    if (carried && s->is_tx)
        vn_tx_circuit_lost(n, s);
    else if (carried)
        vn_rx_circuit_lost(n, s);
}

void vn_circuit_its_turn(struct vn_node *n, struct vn_circuit *c)
{
    c->state = VN_CIRCUIT_EXPECT_ACCEPT;
    vn_circuit_send(n, c->hop,
                    &(struct vn_circuit_msg){.type = VN_CIRCUIT_SETUP,
                                             .hops = c->hops,
                                             .request = c->request,
                                             .reverse_label = c->rev,
                                             .blob = vn_buf_span(&c->blob)});
    c->sends++;
    vn_timer_arm(&n->timers, &c->timer,
                 n->now_ms + (c->sealed ? (uint64_t)c->sends * VN_SETUP_SEALED_RESEND_MS
                                        : VN_SETUP_RESEND_MS));
}

/* Now, or at its turn; in vain, if that does not come while its source waits. */
static void send_setup(struct vn_node *n, struct vn_circuit *c)
{
    switch (vn_setup_queue_ask(n, c)) {
    case VN_SETUP_GOES:
        vn_circuit_its_turn(n, c);
        break;
    case VN_SETUP_WAITS:
        vn_timer_arm(&n->timers, &c->timer, n->now_ms + VN_SETUP_SEALED_WAIT_MS);
        break;
    case VN_SETUP_NO_ROOM:
        circuit_lost(n, c, false, VN_RELAY_REFUSED, VN_REFUSE_LIMIT);
        break;
    }
}

void vn_circuit_begin(struct vn_node *n, struct vn_circuit *c)
{
    if (c->hop->state == VN_HOP_UP)
        send_setup(n, c);
    else if (c->path) /* another relay may be reached sooner */
        vn_timer_arm(&n->timers, &c->timer, n->now_ms + TETHER_WAIT_MS);
}

void vn_circuits_tether_up(struct vn_node *n, struct vn_hop *h)
{
    VN_LIST_EACH(it, &h->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_hop);
        if (c->state == VN_CIRCUIT_EXPECT_TETHER)
            send_setup(n, c);
    }
}

void vn_circuit_attach(struct vn_circuit *c, struct vn_stream *s)
{
    c->stream = s;
    vn_list_append(&s->circuits, &c->of_stream);
    s->circuit_count++;
}

void vn_circuit_retire(struct vn_circuit *c, uint64_t after_ms)
{
    c->retired = true;
    vn_timer_arm(&c->node->timers, &c->timer, c->node->now_ms + after_ms);
}

void vn_circuit_detach(struct vn_circuit *c)
{
    if (c->stream) {
        vn_learn_detached(c->stream, c);
        c->stream->circuit_count--;
    }
    c->stream = NULL;
    if (c->successor) { /* whoever misses c makes one of his own */
        c->successor->replaces = NULL;
        vn_circuit_retire(c->successor, 0);
    }
    if (c->replaces)
        c->replaces->successor = NULL;
    c->successor = c->replaces = NULL;
    vn_list_remove(&c->of_stream);
}

static bool may_send(const struct vn_circuit *c)
{
    return c->state == VN_CIRCUIT_EXPECT_TETHER
               ? c->hop->state == VN_HOP_UP
               : c->state == VN_CIRCUIT_EXPECT_ACCEPT && c->sends < setups_max(c);
}

static void on_timer(void *arg)
{
    struct vn_circuit *c = arg;
    struct vn_node *n = c->node;
    if (c->retired) {
        vn_circuit_close(n, c, true);
        return;
    }
    if (vn_setup_queue_has(c) && !c->link) { /* ours: nobody has given it up */
        vn_timer_arm(&n->timers, &c->timer, n->now_ms + VN_SETUP_SEALED_WAIT_MS);
        return;
    }
    if (!vn_setup_queue_has(c) && may_send(c)) {
        send_setup(n, c);
        return;
    }
    if (c->state == VN_CIRCUIT_EXPECT_NEXT)
        vn_circuit_refuse_setup(n, c->hop, c->request, VN_REFUSE_NO_ROUTE);
    circuit_lost(n, c, true, VN_RELAY_REFUSED, VN_REFUSE_NO_ROUTE);
}

/* Requests of the two ends of a tether are chosen apart: some may be the same. */
static void request_key(const struct vn_hop *h, bool out, uint32_t request,
                        uint8_t ret[VN_CIRCUIT_KEY_LEN])
{
    memcpy(ret, &h->handle, sizeof(h->handle));
    memcpy(ret + sizeof(h->handle), &request, sizeof(request));
    ret[VN_CIRCUIT_KEY_LEN - 1] = out;
}

static struct vn_circuit *by_request(const struct vn_node *n, const struct vn_hop *h, bool out,
                                     uint32_t request)
{
    uint8_t key[VN_CIRCUIT_KEY_LEN];
    request_key(h, out, request, key);
    return vn_map_get(n->hops.requests, key);
}

struct vn_circuit *vn_circuit_make(struct vn_node *n, struct vn_hop *h, bool out, uint32_t request)
{
    struct vn_circuit *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->node = n;
    c->hop = h;
    c->out = out;
    c->renewed_ms = n->now_ms;
    c->state = out ? VN_CIRCUIT_EXPECT_TETHER : VN_CIRCUIT_UP;
    vn_timer_init(&c->timer, on_timer, c);
    vn_list_init(&c->of_hop);
    vn_list_init(&c->of_stream);
    vn_list_init(&c->of_queue);
    vn_buf_init(&c->blob, VN_SETUP_BLOB_MAX);
    c->request = out ? vn_next_handle(n) : request;
    uint8_t key[VN_CIRCUIT_KEY_LEN];
    request_key(h, out, c->request, key);
    if (vn_map_put(n->hops.requests, key, c) != VN_OK) {
        free(c);
        return NULL;
    }
    if (vn_label_make(n, c, out ? &c->rev : &c->fwd) != VN_OK) {
        (void)vn_map_take(n->hops.requests, key);
        free(c);
        return NULL;
    }
    vn_list_append(&h->circuits, &c->of_hop);
    h->circuit_count++;
    vn_hop_check_use(n, h);
    return c;
}

/* The budget starts at a random value, so that a position on the path does not show. */
uint8_t vn_circuit_random_hops(struct vn_node *n)
{
    uint8_t hops = 0;
    if (vn_random_fill(n, &hops, 1) != VN_OK)
        hops = 0;
    return (uint8_t)(VN_SETUP_SLOTS + hops % 8);
}

vn_status vn_circuit_open(struct vn_node *n, struct vn_hop *h, struct vn_stream *s,
                          struct vn_circuit **slot)
{
    if (h->circuit_count >= VN_LABELS_PER_NEIGHBOUR_MAX)
        return VN_ERR_LIMIT;
    struct vn_circuit *c = vn_circuit_make(n, h, true, 0);
    if (!c)
        return VN_ERR_NOMEM;
    c->hops = vn_circuit_random_hops(n);
    vn_circuit_attach(c, s);
    *slot = c;
    vn_circuit_begin(n, c);
    return VN_OK;
}

/* ---- the end ---- */

void vn_circuit_close(struct vn_node *n, struct vn_circuit *c, bool tell)
{
    struct vn_hop *h = c->hop;
    assert(!c->link);
    vn_circuit_detach(c);
    if (c->at_worker)
        vn_tell_label_close(n, h->handle, c->out ? c->rev : c->fwd);
    if (tell && c->state == VN_CIRCUIT_UP)
        vn_circuit_send(n, h,
                        &(struct vn_circuit_msg){.type = VN_CIRCUIT_TEARDOWN,
                                                 .label = c->out ? c->fwd : c->rev});
    vn_label_retire(n, h->handle, c->out ? c->rev : c->fwd);
    uint8_t key[VN_CIRCUIT_KEY_LEN];
    request_key(h, c->out, c->request, key);
    (void)vn_map_take(n->hops.requests, key);
    vn_timer_disarm(&n->timers, &c->timer);
    vn_list_remove(&c->of_hop);
    vn_setup_queue_leave(c);
    h->circuit_count--;
    vn_buf_done(&c->blob);
    c->path = vn_path_free(c->path);
    free(c);
    vn_hop_check_use(n, h);
}

void vn_circuit_refuse(struct vn_node *n, struct vn_hop *h, uint32_t label)
{
    struct vn_circuit *c = vn_circuit_by_label(n, h, label);
    if (c && !c->out && !c->stream && !c->link && !c->onward)
        vn_circuit_close(n, c, true);
}

void vn_circuit_bound(struct vn_node *n, struct vn_circuit *c)
{
    vn_timer_disarm(&n->timers, &c->timer);
}

/* ---- the neighbour's messages ---- */

void vn_circuit_refuse_setup(struct vn_node *n, const struct vn_hop *h, uint32_t request,
                             enum vn_circuit_reason why)
{
    vn_drop(n, VN_NDROP_CIRCUIT);
    vn_circuit_send(n, h,
                    &(struct vn_circuit_msg){
                        .type = VN_CIRCUIT_REFUSE, .request = request, .reason = (uint8_t)why});
}

static void send_accept(struct vn_node *n, const struct vn_circuit *c)
{
    vn_circuit_send(n, c->hop,
                    &(struct vn_circuit_msg){
                        .type = VN_CIRCUIT_ACCEPT, .request = c->request, .label = c->fwd});
}

void vn_circuit_accept(struct vn_node *n, struct vn_circuit *c)
{
    c->state = VN_CIRCUIT_UP;
    if (!c->link)
        vn_timer_arm(&n->timers, &c->timer, n->now_ms + BIND_WAIT_MS);
    send_accept(n, c);
}

static void on_setup(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    if (!vn_bucket_take(&h->setups, VN_SETUP_RATE, VN_SETUP_BURST, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    struct vn_circuit *c = by_request(n, h, false, m->request);
    if (c) {
        if (c->state == VN_CIRCUIT_UP)
            send_accept(n, c);
        return;
    }
    if (h->circuit_count >= VN_LABELS_PER_NEIGHBOUR_MAX) {
        vn_circuit_refuse_setup(n, h, m->request, VN_REFUSE_LIMIT);
        return;
    }
    if (m->blob.n) {
        vn_relay_on_setup(n, h, m);
        return;
    }
    c = vn_circuit_make(n, h, false, m->request);
    if (!c) {
        vn_circuit_refuse_setup(n, h, m->request, VN_REFUSE_LIMIT);
        return;
    }
    c->rev = m->reverse_label;
    c->bind = c->fwd;
    vn_circuit_accept(n, c);
}

static void on_accept(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    struct vn_circuit *c = by_request(n, h, true, m->request);
    if (!c || c->retired) {
        /* Given up meanwhile: the other end's half goes too. */
        vn_circuit_send(n, h,
                        &(struct vn_circuit_msg){.type = VN_CIRCUIT_TEARDOWN, .label = m->label});
        return;
    }
    if (c->state != VN_CIRCUIT_EXPECT_ACCEPT)
        return;
    vn_timer_disarm(&n->timers, &c->timer);
    vn_setup_queue_leave(c);
    vn_buf_done(&c->blob);
    c->fwd = m->label;
    c->state = VN_CIRCUIT_UP;
    if (!c->sealed)
        c->bind = c->fwd;
    if (c->link) {
        vn_relay_on_accept(n, c);
        return;
    }
    if (c->replaces)
        vn_circuit_successor_up(n, c);
    vn_tx_advance(n, c->stream);
}

static void on_refuse(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    struct vn_circuit *c = by_request(n, h, true, m->request);
    if (c && c->state == VN_CIRCUIT_EXPECT_ACCEPT)
        circuit_lost(n, c, false, VN_RELAY_REFUSED, (enum vn_circuit_reason)m->reason);
    else
        vn_drop(n, VN_NDROP_CIRCUIT);
}

static void on_failed(struct vn_node *n, struct vn_hop *h, struct vn_span labels)
{
    struct vn_reader r = vn_reader_of(labels);
    uint32_t label;
    while (vn_circuit_next_label(&r, &label)) {
        struct vn_circuit *c = vn_circuit_by_label(n, h, label);
        if (c)
            circuit_lost(n, c, false, VN_RELAY_FAILED, VN_REFUSE_NO_ROUTE);
    }
}

static void on_desc_message(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    bool wanted = m->type == VN_CIRCUIT_NEED_DESC;
    struct vn_circuit *c = by_request(n, h, wanted, m->request);
    if (!c)
        vn_drop(n, VN_NDROP_CIRCUIT);
    else if (!wanted)
        vn_relay_on_desc(n, c, m);
    else if (c->link)
        vn_relay_on_need_desc(n, c, m);
    else
        vn_source_on_need_desc(n, c, m);
}

void vn_circuit_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes)
{
    struct vn_circuit_msg m;
    struct vn_circuit *c;
    if (vn_circuit_decode(bytes, &m) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    switch (m.type) {
    case VN_CIRCUIT_SETUP:
        on_setup(n, h, &m);
        break;
    case VN_CIRCUIT_ACCEPT:
        on_accept(n, h, &m);
        break;
    case VN_CIRCUIT_REFUSE:
        on_refuse(n, h, &m);
        break;
    case VN_CIRCUIT_TEARDOWN:
        c = vn_circuit_by_label(n, h, m.label);
        if (c)
            circuit_lost(n, c, false, VN_RELAY_TORN, VN_REFUSE_NO_ROUTE);
        break; /* unknown: both ends tore it down at once */
    case VN_CIRCUIT_WORN:
        c = vn_circuit_by_label(n, h, m.label);
        if (c)
            vn_circuit_renew(n, c);
        break;
    case VN_CIRCUIT_FAILED:
        on_failed(n, h, m.blob);
        break;
    case VN_CIRCUIT_NEED_DESC:
    case VN_CIRCUIT_DESC:
        on_desc_message(n, h, &m);
        break;
    }
}
