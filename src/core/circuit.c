/*
 * timer            armed by                                disarmed by    fires
 * circuit.timer    out: SETUP sent (500 ms)                ACCEPT         SETUP again; after 3 s
 * the circuit failed in: accepted (30 s)                     BIND           closes: nobody bound a
 * stream
 */
#include "core/circuit.h"

#include "core/node_i.h"
#include "wire/circuit.h"

#define BIND_WAIT_MS 30000u
#define WORKER 0u /* one data worker so far; its number is in the upper four bits */

struct vn_label {
    uint8_t key[2 * sizeof(uint32_t)]; /* tether handle, label */
    struct vn_circuit *circuit;        /* NULL: retired */
    uint64_t reuse_ms;
    struct vn_list retired;
};

/* ---- labels of packets that arrive here ---- */

static void label_key(uint32_t tether, uint32_t label, uint8_t ret[8])
{
    memcpy(ret, &tether, sizeof(tether));
    memcpy(ret + sizeof(tether), &label, sizeof(label));
}

static void label_free(struct vn_node *n, struct vn_label *l)
{
    (void)vn_map_take(n->hops.labels, l->key);
    vn_list_remove(&l->retired);
    free(l);
}

static void forget_retired(struct vn_node *n)
{
    while (!vn_list_empty(&n->hops.retired)) {
        struct vn_label *l = VN_LIST_ENTRY(n->hops.retired.next, struct vn_label, retired);
        if (l->reuse_ms > n->now_ms)
            break;
        label_free(n, l);
    }
}

static vn_status label_make(struct vn_node *n, struct vn_circuit *c, uint32_t *ret)
{
    forget_retired(n);
    struct vn_label *l = calloc(1, sizeof(*l));
    if (!l)
        return VN_ERR_NOMEM;
    uint32_t label;
    do {
        vn_status st = vn_random_fill(n, &label, sizeof(label));
        if (st != VN_OK) {
            free(l);
            return st;
        }
        label = (label & 0x0fffffffu) | WORKER << 28;
        label_key(c->hop->handle, label, l->key);
    } while (label == 0 || vn_map_get(n->hops.labels, l->key));
    l->circuit = c;
    vn_list_init(&l->retired);
    vn_status st = vn_map_put(n->hops.labels, l->key, l);
    if (st != VN_OK) {
        free(l);
        return st;
    }
    *ret = label;
    return VN_OK;
}

static void label_retire(struct vn_node *n, uint32_t tether, uint32_t label)
{
    uint8_t key[8];
    label_key(tether, label, key);
    struct vn_label *l = vn_map_get(n->hops.labels, key);
    if (!l)
        return;
    l->circuit = NULL;
    l->reuse_ms = n->now_ms + VN_LABEL_REUSE_MS;
    vn_list_append(&n->hops.retired, &l->retired);
}

void vn_labels_done(struct vn_node *n)
{
    while (n->hops.labels && !vn_list_empty(&n->hops.retired))
        label_free(n, VN_LIST_ENTRY(n->hops.retired.next, struct vn_label, retired));
}

struct vn_circuit *vn_circuit_by_label(struct vn_node *n, const struct vn_hop *h, uint32_t label)
{
    uint8_t key[8];
    label_key(h->handle, label, key);
    const struct vn_label *l = vn_map_get(n->hops.labels, key);
    return l ? l->circuit : NULL;
}

/* ---- */

static void send_msg(struct vn_node *n, const struct vn_hop *h, const struct vn_circuit_msg *m)
{
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_circuit_encode(&w, m);
    if (vn_writer_ok(&w))
        vn_tell_tether_send(n, h->handle, VN_HOP_CIRCUIT, 0, vn_writer_span(&w));
}

static void send_setup(struct vn_node *n, struct vn_circuit *c)
{
    uint8_t hops = 0;
    /* The budget starts at a random value, so that a position on the path does not show. */
    if (vn_random_fill(n, &hops, 1) != VN_OK)
        hops = 0;
    send_msg(n, c->hop,
             &(struct vn_circuit_msg){.type = VN_CIRCUIT_SETUP,
                                      .hops = (uint8_t)(1 + hops % 8),
                                      .request = c->request,
                                      .reverse_label = c->rev});
    c->sends++;
    vn_timer_arm(&n->timers, &c->timer, n->now_ms + VN_SETUP_RESEND_MS);
}

static void circuit_lost(struct vn_node *n, struct vn_circuit *c, bool tell)
{
    struct vn_stream *s = c->stream;
    c->stream = NULL;
    vn_circuit_close(n, c, tell);
    if (!s)
        return;
    s->circuit = NULL;
    if (s->is_tx)
        vn_tx_circuit_lost(n, s);
    else
        vn_rx_circuit_lost(n, s);
}

static void on_timer(void *arg)
{
    struct vn_circuit *c = arg;
    if (c->out && c->state == VN_CIRCUIT_EXPECT_ACCEPT &&
        c->sends < VN_SETUP_WAIT_MS / VN_SETUP_RESEND_MS)
        send_setup(c->node, c);
    else
        circuit_lost(c->node, c, true);
}

static struct vn_circuit *circuit_make(struct vn_node *n, struct vn_hop *h, bool out)
{
    struct vn_circuit *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->node = n;
    c->hop = h;
    c->out = out;
    c->state = out ? VN_CIRCUIT_EXPECT_ACCEPT : VN_CIRCUIT_UP;
    vn_timer_init(&c->timer, on_timer, c);
    vn_list_init(&c->of_hop);
    if (label_make(n, c, out ? &c->rev : &c->fwd) != VN_OK) {
        free(c);
        return NULL;
    }
    vn_list_append(&h->circuits, &c->of_hop);
    h->circuit_count++;
    vn_hop_check_use(n, h);
    return c;
}

vn_status vn_circuit_open(struct vn_node *n, struct vn_hop *h, struct vn_stream *s)
{
    if (h->circuit_count >= VN_LABELS_PER_NEIGHBOUR_MAX)
        return VN_ERR_LIMIT;
    struct vn_circuit *c = circuit_make(n, h, true);
    if (!c)
        return VN_ERR_NOMEM;
    c->request = vn_next_handle(n);
    c->stream = s;
    s->circuit = c;
    send_setup(n, c);
    return VN_OK;
}

void vn_circuit_close(struct vn_node *n, struct vn_circuit *c, bool tell)
{
    struct vn_hop *h = c->hop;
    if (tell && c->state == VN_CIRCUIT_UP)
        send_msg(n, h,
                 &(struct vn_circuit_msg){.type = VN_CIRCUIT_TEARDOWN,
                                          .label = c->out ? c->fwd : c->rev});
    label_retire(n, h->handle, c->out ? c->rev : c->fwd);
    vn_timer_disarm(&n->timers, &c->timer);
    vn_list_remove(&c->of_hop);
    h->circuit_count--;
    free(c);
    vn_hop_check_use(n, h);
}

void vn_circuit_refuse(struct vn_node *n, struct vn_hop *h, uint32_t label)
{
    struct vn_circuit *c = vn_circuit_by_label(n, h, label);
    if (c && !c->out && !c->stream)
        vn_circuit_close(n, c, true);
}

void vn_circuit_bound(struct vn_node *n, struct vn_circuit *c)
{
    vn_timer_disarm(&n->timers, &c->timer);
}

/* ---- the neighbour's messages ---- */

static void refuse(struct vn_node *n, const struct vn_hop *h, uint32_t request,
                   enum vn_circuit_reason why)
{
    vn_drop(n, VN_NDROP_CIRCUIT);
    send_msg(n, h,
             &(struct vn_circuit_msg){
                 .type = VN_CIRCUIT_REFUSE, .request = request, .reason = (uint8_t)why});
}

static struct vn_circuit *by_request(const struct vn_hop *h, bool out, uint32_t request)
{
    VN_LIST_EACH(it, &h->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_hop);
        if (c->out == out && c->request == request)
            return c;
    }
    return NULL;
}

static void on_setup(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    if (!vn_bucket_take(&h->setups, VN_SETUP_RATE, VN_SETUP_BURST, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    if (m->blob.n || m->reverse_label == 0) {
        refuse(n, h, m->request, VN_REFUSE_NO_ROUTE);
        return;
    }
    struct vn_circuit *c = by_request(h, false, m->request);
    if (!c && h->circuit_count >= VN_LABELS_PER_NEIGHBOUR_MAX) {
        refuse(n, h, m->request, VN_REFUSE_LIMIT);
        return;
    }
    if (!c) {
        c = circuit_make(n, h, false);
        if (!c) {
            refuse(n, h, m->request, VN_REFUSE_LIMIT);
            return;
        }
        c->request = m->request;
        c->rev = m->reverse_label;
        vn_timer_arm(&n->timers, &c->timer, n->now_ms + BIND_WAIT_MS);
    }
    send_msg(n, h,
             &(struct vn_circuit_msg){
                 .type = VN_CIRCUIT_ACCEPT, .request = c->request, .label = c->fwd});
}

static void on_accept(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m)
{
    struct vn_circuit *c = by_request(h, true, m->request);
    if (!c) {
        /* Given up meanwhile: the other end's half goes too. */
        send_msg(n, h, &(struct vn_circuit_msg){.type = VN_CIRCUIT_TEARDOWN, .label = m->label});
        return;
    }
    if (c->state != VN_CIRCUIT_EXPECT_ACCEPT || m->label == 0)
        return;
    vn_timer_disarm(&n->timers, &c->timer);
    c->fwd = m->label;
    c->state = VN_CIRCUIT_UP;
    vn_tx_advance(n, c->stream);
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
        c = by_request(h, true, m.request);
        if (c && c->state == VN_CIRCUIT_EXPECT_ACCEPT)
            circuit_lost(n, c, false);
        else
            vn_drop(n, VN_NDROP_CIRCUIT);
        break;
    case VN_CIRCUIT_TEARDOWN:
        c = vn_circuit_by_label(n, h, m.label);
        if (c)
            circuit_lost(n, c, false);
        break; /* unknown: both ends tore it down at once */
    }
}
