#include "support/worker_rig.h"

#include <assert.h>
#include <stdlib.h>

#include "core/worker_i.h"
#include "support/test.h"

static vn_status rig_write(void *self, struct vn_span packet)
{
    struct vn_rig_side *s = self;
    if (s->tun_full)
        return VN_ERR_AGAIN;
    s->written_count++;
    if (!s->count_only)
        vn_pktqueue_push(&s->written, vn_inner_copy(packet));
    return VN_OK;
}

static void list_init(struct vn_rig_list *l)
{
    *l = (struct vn_rig_list){.last = &l->first};
}

static void list_put(struct vn_rig_list *l, struct vn_post_msg *m)
{
    m->next = NULL;
    *l->last = m;
    l->last = &m->next;
}

static struct vn_post_msg *list_take(struct vn_rig_list *l)
{
    struct vn_post_msg *m = l->first;
    if (m && !(l->first = m->next))
        l->last = &l->first;
    return m;
}

static void list_clear(struct vn_rig_list *l)
{
    struct vn_post_msg *m;
    while ((m = list_take(l)))
        vn_post_msg_free(m);
}

static vn_status rig_post(void *self, struct vn_post_msg *m)
{
    struct vn_rig_side *s = self;
    if (s->post_full) {
        vn_post_msg_free(m);
        return VN_ERR_LIMIT;
    }
    if (m->type == VN_EV_RX_REPORT) {
        s->rig->report_count++;
        m->next = s->rig->reports;
        s->rig->reports = m;
        return VN_OK;
    }
    list_put(&s->events, m);
    return VN_OK;
}

/* ---- the crew: messages between its workers take no time ---- */

static vn_status post_to_hand(void *self, struct vn_post_msg *m)
{
    struct vn_rig_hand *h = self;
    list_put(&h->in, m);
    return VN_OK;
}

static vn_status post_to_first(void *self, struct vn_post_msg *m)
{
    struct vn_rig_hand *h = self;
    list_put(&h->out, m);
    return VN_OK;
}

static bool deliver(struct vn_rig_hand *h)
{
    const uint64_t now = h->side->rig->now_us;
    struct vn_post_msg *m;
    bool any = false;
    for (; (m = list_take(&h->in)); any = true)
        vn_worker_command(h->worker, m, now);
    vn_worker_flush(h->worker, now);
    for (; (m = list_take(&h->out)); any = true)
        vn_worker_hand_event(h->side->worker, h->number, m, now);
    return any;
}

static void run_crew(struct vn_rig_side *s)
{
    bool any = s->hand_count > 0 && !s->hands_rest;
    while (any) {
        any = false;
        vn_worker_flush(s->worker, s->rig->now_us);
        for (size_t i = 0; i < s->hand_count; i++)
            any |= deliver(&s->hand[i]);
    }
}

static void make_hand(struct vn_rig_side *s, size_t number)
{
    struct vn_rig_hand *h = &s->hand[number - 1];
    h->side = s;
    h->number = number;
    list_init(&h->in);
    list_init(&h->out);
    h->to_first = (struct vn_post){.self = h, .send = post_to_first};
    s->hand_post[number - 1] = (struct vn_post){.self = h, .send = post_to_hand};
    const struct vn_worker_config cfg = {.number = (uint8_t)number,
                                         .tun = &s->tun,
                                         .to_node = &h->to_first,
                                         .random = &s->rig->random};
    if (vn_worker_new(&cfg, s->rig->now_us, &h->worker) != VN_OK)
        abort();
}

static vn_status rig_random(void *self, void *ret, size_t n)
{
    (void)self;
    vn_test_fill(ret, n);
    return VN_OK;
}

static void *cmd_new(unsigned type, size_t size)
{
    void *m;
    if (vn_post_msg_new(type, size, &m) != VN_OK)
        abort();
    return m;
}

void vn_rig_command(struct vn_rig_side *s, void *cmd)
{
    vn_worker_command(s->worker, cmd, s->rig->now_us);
    run_crew(s);
}

static void set_local(struct vn_rig_side *s, size_t number)
{
    struct vn_cmd_local *c = cmd_new(VN_CMD_LOCAL, sizeof(*c));
    char text[32];
    snprintf(text, sizeof(text), "10.66.0.%zu", number + 1);
    c->addrs[c->addr_count++] = vn_inner_ip(text);
    snprintf(text, sizeof(text), "fd66::%zu", number + 1);
    c->addrs[c->addr_count++] = vn_inner_ip(text);
    if (vn_prefix_parse("10.66.0.0/16", &c->ranges[0]) != VN_OK ||
        vn_prefix_parse("fd66::/64", &c->ranges[1]) != VN_OK)
        abort();
    c->range_count = 2;
    c->mtu_bytes = VN_MTU_DEFAULT;
    c->idle_ms = VN_RIG_IDLE_MS;
    vn_rig_command(s, c);
}

void vn_rig_init(struct vn_rig *r, const struct vn_mem_net_config *net)
{
    vn_rig_init_crews(r, net, (const size_t[VN_RIG_SIDES]){0});
}

void vn_rig_init_crews(struct vn_rig *r, const struct vn_mem_net_config *net,
                       const size_t workers[VN_RIG_SIDES])
{
    *r = (struct vn_rig){.now_us = 1000000};
    r->random = (struct vn_random){.fill = rig_random};
    if (vn_mem_net_new(net, r->now_us, &r->net) != VN_OK)
        abort();
    for (size_t i = 0; i < VN_RIG_SIDES; i++) {
        struct vn_rig_side *s = &r->side[i];
        s->rig = r;
        list_init(&s->events);
        s->tun = (struct vn_tun_port){.self = s, .write = rig_write};
        s->post = (struct vn_post){.self = s, .send = rig_post};
        for (size_t k = 1; k < workers[i]; k++)
            make_hand(s, ++s->hand_count);
        struct vn_worker_config cfg = {.tether = vn_mem_net_port(r->net),
                                       .tun = &s->tun,
                                       .to_node = &s->post,
                                       .hands = s->hand_post,
                                       .hand_count = s->hand_count,
                                       .random = &r->random};
        if (vn_worker_new(&cfg, r->now_us, &s->worker) != VN_OK)
            abort();
        set_local(s, i);
    }
}

/* The label that credit comes on. */
static uint32_t reverse_of(const struct vn_rig_side *s, uint32_t label)
{
    return s->rig->relayed ? 1000 + label : 0;
}

static void pass_reports(struct vn_rig *r)
{
    struct vn_post_msg *m;
    while ((m = r->reports)) {
        const struct vn_delivery_msg *ev = (const struct vn_delivery_msg *)m;
        r->reports = m->next;
        for (size_t i = 0; i < VN_RIG_SIDES && !r->lose_reports; i++) {
            struct vn_delivery_msg *c = cmd_new(VN_CMD_TX_REPORT, sizeof(*c));
            c->handle = ev->handle - 1;
            c->delivery = ev->delivery;
            vn_rig_command(&r->side[i], c);
        }
        vn_post_msg_free(m);
    }
}

void vn_rig_done(struct vn_rig *r)
{
    for (size_t i = 0; i < VN_RIG_SIDES; i++) {
        struct vn_rig_side *s = &r->side[i];
        for (size_t k = 0; k < s->hand_count; k++) {
            vn_worker_free(s->hand[k].worker);
            list_clear(&s->hand[k].in);
            list_clear(&s->hand[k].out);
        }
        s->worker = vn_worker_free(s->worker);
        vn_rig_clear(s);
        vn_pktqueue_clear(&s->written);
    }
    r->lose_reports = true;
    pass_reports(r);
    r->net = vn_mem_net_free(r->net);
}

void vn_rig_run(struct vn_rig *r, uint64_t us)
{
    uint64_t end = r->now_us + us;
    for (;;) {
        pass_reports(r);
        for (size_t i = 0; i < VN_RIG_SIDES; i++) {
            struct vn_worker *w = r->side[i].worker;
            vn_worker_tick(w, r->now_us);
            for (size_t k = 0; k < r->side[i].hand_count; k++)
                vn_worker_tick(r->side[i].hand[k].worker, r->now_us);
            vn_worker_flush(w, r->now_us);
            run_crew(&r->side[i]);
        }
        uint64_t next = vn_mem_net_next(r->net);
        for (size_t i = 0; i < VN_RIG_SIDES; i++) {
            next = VN_MIN(next, vn_worker_next_deadline(r->side[i].worker));
            for (size_t k = 0; k < r->side[i].hand_count; k++)
                next = VN_MIN(next, vn_worker_next_deadline(r->side[i].hand[k].worker));
        }
        if (next > end)
            break;
        r->now_us = VN_MAX(next, r->now_us);
        for (size_t i = 0; i < VN_RIG_SIDES; i++)
            vn_worker_set_now(r->side[i].worker, r->now_us);
        vn_mem_net_run(r->net, r->now_us);
    }
    r->now_us = end;
    for (size_t i = 0; i < VN_RIG_SIDES; i++)
        vn_worker_set_now(r->side[i].worker, r->now_us);
    vn_mem_net_run(r->net, r->now_us);
    pass_reports(r);
}

struct vn_post_msg *vn_rig_event(struct vn_rig_side *s)
{
    return list_take(&s->events);
}

struct vn_post_msg *vn_rig_event_of(struct vn_rig_side *s, unsigned type)
{
    struct vn_post_msg *m;
    while ((m = vn_rig_event(s)) && m->type != type)
        vn_post_msg_free(m);
    return m;
}

size_t vn_rig_events(struct vn_rig_side *s, unsigned type)
{
    size_t n = 0;
    struct vn_post_msg *m;
    while ((m = vn_rig_event(s))) {
        n += m->type == type;
        vn_post_msg_free(m);
    }
    return n;
}

void vn_rig_clear(struct vn_rig_side *s)
{
    vn_rig_events(s, 0);
}

struct vn_id vn_rig_tether_id(uint32_t tether)
{
    struct vn_id id;
    for (size_t i = 0; i < sizeof(id.b); i++)
        id.b[i] = (uint8_t)(tether >> (8 * (i % 4)));
    return id;
}

static void set_ice(struct vn_ice_params p[VN_HOP_PCS], uint32_t tether, size_t side)
{
    for (size_t i = 0; i < VN_HOP_PCS; i++) {
        snprintf(p[i].ufrag, sizeof(p[i].ufrag), "%zu%zu%06x", i % 10, side % 10,
                 tether & 0xffffff);
        snprintf(p[i].pwd, sizeof(p[i].pwd), "%zu%zu%022x", i % 10, side % 10, tether);
    }
}

static void open_end(struct vn_rig *r, size_t a, size_t b, uint32_t tether)
{
    struct vn_cmd_tether_open *o = cmd_new(VN_CMD_TETHER_OPEN, sizeof(*o));
    o->tether = tether;
    o->config.tether = vn_rig_tether_id(tether);
    o->config.controlling = a < b;
    o->config.dtls_client = a > b;
    set_ice(o->config.local, tether, a);
    vn_rig_command(&r->side[a], o);
    struct vn_cmd_tether_start *s = cmd_new(VN_CMD_TETHER_START, sizeof(*s));
    s->tether = tether;
    set_ice(s->start.remote, tether, b);
    s->start.psk[0].b[0] = 7;
    vn_rig_command(&r->side[a], s);
}

static void pass_candidate(struct vn_rig *r, size_t a, size_t b)
{
    struct vn_ev_tether_candidate *ev =
        (struct vn_ev_tether_candidate *)vn_rig_event_of(&r->side[a], VN_EV_TETHER_CANDIDATE);
    assert(ev);
    struct vn_cmd_tether_candidate *c = cmd_new(VN_CMD_TETHER_CANDIDATE, sizeof(*c));
    c->tether = ev->tether;
    c->candidate = ev->candidate;
    vn_post_msg_free(&ev->msg);
    vn_rig_command(&r->side[b], c);
}

void vn_rig_connect(struct vn_rig *r, size_t a, size_t b, uint32_t tether)
{
    open_end(r, a, b, tether);
    open_end(r, b, a, tether);
    vn_rig_run(r, 10);
    pass_candidate(r, a, b);
    pass_candidate(r, b, a);
    vn_rig_run(r, 1000000);
    assert_int_equal(1, vn_rig_events(&r->side[a], VN_EV_TETHER_UP));
    assert_int_equal(1, vn_rig_events(&r->side[b], VN_EV_TETHER_UP));
}

void vn_rig_cut(struct vn_rig *r, size_t a, size_t b, uint32_t tether)
{
    vn_rig_handle(&r->side[a], VN_CMD_TETHER_CLOSE, tether);
    vn_rig_handle(&r->side[b], VN_CMD_TETHER_CLOSE, tether);
}

static struct vn_secret32 chain_key(uint32_t epoch)
{
    struct vn_secret32 ck;
    for (size_t i = 0; i < sizeof(ck.b); i++)
        ck.b[i] = (uint8_t)(i + epoch);
    return ck;
}

void vn_rig_tx_open(struct vn_rig_side *s, uint32_t tx, uint32_t tether, uint32_t label,
                    uint32_t epoch)
{
    struct vn_cmd_tx_open *c = cmd_new(VN_CMD_TX_OPEN, sizeof(*c));
    c->tx = tx;
    c->tether = tether;
    c->label = label;
    c->rev = reverse_of(s, label);
    c->hash_alg = VN_SHA256;
    c->epoch = epoch;
    c->keyed = true;
    c->ck = chain_key(epoch);
    vn_rig_command(s, c);
}

void vn_rig_rx_open(struct vn_rig_side *s, uint32_t rx, uint32_t tether, uint32_t label,
                    uint32_t epoch, size_t from)
{
    struct vn_cmd_rx_open *c = cmd_new(VN_CMD_RX_OPEN, sizeof(*c));
    char text[32];
    c->rx = rx;
    c->tether = tether;
    c->label = label;
    c->rev = reverse_of(s, label);
    c->bind = label;
    c->hash_alg = VN_SHA256;
    c->epoch = epoch;
    c->keyed = true;
    c->ck = chain_key(epoch);
    snprintf(text, sizeof(text), "10.66.0.%zu", from + 1);
    c->addrs[c->addr_count++] = vn_inner_ip(text);
    snprintf(text, sizeof(text), "fd66::%zu", from + 1);
    c->addrs[c->addr_count++] = vn_inner_ip(text);
    vn_rig_command(s, c);
}

struct vn_tx *vn_rig_tx(const struct vn_rig_side *s, uint32_t tx)
{
    return vn_map_get(s->worker->tx_by_handle, &tx);
}

struct vn_rx *vn_rig_rx(const struct vn_rig_side *s, uint32_t rx)
{
    return vn_map_get(s->worker->rx_by_handle, &rx);
}

void vn_rig_handle(struct vn_rig_side *s, unsigned type, uint32_t handle)
{
    struct vn_cmd_handle *c = cmd_new(type, sizeof(*c));
    c->handle = handle;
    vn_rig_command(s, c);
}

void vn_rig_dest(struct vn_rig_side *s, const char *ip, enum vn_dest_verdict verdict, uint32_t tx,
                 uint32_t for_ms)
{
    struct vn_cmd_dest *c = cmd_new(VN_CMD_DEST, sizeof(*c));
    c->ip = vn_inner_ip(ip);
    c->verdict = verdict;
    c->tx = tx;
    c->for_ms = for_ms;
    vn_rig_command(s, c);
}

void vn_rig_packet_at(struct vn_rig_side *s, size_t number, const struct vn_inner *i)
{
    struct vn_worker *w = number ? s->hand[number - 1].worker : s->worker;
    vn_worker_tun_input(w, vn_inner_new(i), s->rig->now_us);
}

void vn_rig_packet(struct vn_rig_side *s, const struct vn_inner *i)
{
    vn_rig_packet_at(s, 0, i);
}

void vn_rig_flush(struct vn_rig_side *s)
{
    vn_worker_flush(s->worker, s->rig->now_us);
}

void vn_rig_all_came_once(const struct vn_rig_side *s, size_t count)
{
    uint8_t *seen = calloc(count, 1);
    assert_non_null(seen);
    assert_int_equal(count, s->written_count);
    for (const struct vn_pktbuf *b = s->written.head; b; b = b->next) {
        const uint32_t number = vn_inner_number(vn_pktbuf_span(b));
        assert_in_range(number, 0, count - 1);
        seen[number]++;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(1, seen[i]);
    free(seen);
}

struct vn_ev_stats *vn_rig_stats(struct vn_rig_side *s)
{
    vn_rig_handle(s, VN_CMD_STATS, 99);
    struct vn_ev_stats *ev = (struct vn_ev_stats *)vn_rig_event_of(s, VN_EV_STATS);
    assert_non_null(ev);
    return ev;
}

struct vn_worker_counters vn_rig_counters(struct vn_rig_side *s)
{
    struct vn_ev_stats *ev = vn_rig_stats(s);
    struct vn_worker_counters c = ev->counters;
    vn_post_msg_free(&ev->msg);
    return c;
}

void vn_rig_stream(struct vn_rig *r)
{
    vn_rig_connect(r, 0, 1, 1);
    vn_rig_tx_open(&r->side[0], 11, 1, 21, 0);
    vn_rig_rx_open(&r->side[1], 12, 1, 21, 0, 0);
    vn_rig_dest(&r->side[0], "10.66.0.2", VN_DEST_USE, 11, 0);
    vn_rig_dest(&r->side[0], "fd66::2", VN_DEST_USE, 11, 0);
}
