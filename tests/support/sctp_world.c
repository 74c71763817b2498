#include "support/sctp_world.h"

#include <stdlib.h>

#include "support/test.h"
#include "support/test_io.h"
#include "transport/limits.h"

enum { BATCH = 64 };

struct sctp_flight {
    uint64_t due_us, order;
    unsigned to;
    size_t n;
    uint8_t p[];
};

/* ---- packets on their way: a binary heap by time ---- */

static bool is_earlier(const struct sctp_flight *a, const struct sctp_flight *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void put(struct sctp_world *w, unsigned to, uint64_t due_us, const uint8_t *p, size_t n)
{
    struct sctp_flight *f = malloc(sizeof(*f) + n);
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap ? w->heap_cap * 2 : 256;
        void *grown = realloc(w->heap, w->heap_cap * sizeof(struct sctp_flight *));
        if (!grown)
            abort();
        w->heap = grown;
    }
    if (!f)
        abort();
    f->due_us = due_us;
    f->order = w->order++;
    f->to = to;
    f->n = n;
    memcpy(f->p, p, n);
    size_t i = w->heap_count++;
    for (; i > 0 && is_earlier(f, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = f;
}

static struct sctp_flight *take(struct sctp_world *w)
{
    struct sctp_flight *first = w->heap[0], *last = w->heap[--w->heap_count];
    size_t i = 0;
    for (size_t k; (k = 2 * i + 1) < w->heap_count; i = k) {
        if (k + 1 < w->heap_count && is_earlier(w->heap[k + 1], w->heap[k]))
            k++;
        if (!is_earlier(w->heap[k], last))
            break;
        w->heap[i] = w->heap[k];
    }
    if (w->heap_count > 0)
        w->heap[i] = last;
    return first;
}

static bool happens(unsigned per_10000)
{
    return per_10000 && vn_test_below(10000) < per_10000;
}

uint64_t sctp_path_pass(struct sctp_path *path, size_t n, uint64_t now_us)
{
    path->packets++;
    path->bytes += n;
    if (path->down || happens(path->loss)) {
        path->dropped++;
        return 0;
    }
    if (!path->rate)
        return now_us + path->delay_us;
    const uint64_t now_ns = now_us * 1000;
    path->free_ns = VN_MAX(path->free_ns, now_ns);
    if ((path->free_ns - now_ns) * (path->rate / 1000) / 1000000 + n > path->queue_bytes) {
        path->dropped++;
        return 0;
    }
    path->free_ns += n * 1000000000 / path->rate;
    return path->free_ns / 1000 + path->delay_us;
}

static void carry(struct sctp_world *w, unsigned from, const uint8_t *p, size_t n)
{
    struct sctp_path *path = &w->path[from];
    if (path->drops && path->drops(path->drops_arg, p, n))
        return;
    uint64_t due_us = sctp_path_pass(path, n, w->now_us);
    if (!due_us)
        return;
    if (happens(path->reorder))
        due_us += path->reorder_us;
    put(w, !from, due_us, p, n);
    if (happens(path->dup))
        put(w, !from, due_us + 1, p, n);
}

static void on_output(void *arg, const struct vn_dgram *packets, size_t n)
{
    struct sctp_end *e = arg;
    for (size_t i = 0; i < n; i++)
        carry(e->world, e->side, packets[i].p, packets[i].n);
}

static void on_given_up(void *arg, uint16_t stream, const struct vn_pktbuf *msg)
{
    struct sctp_end *e = arg;
    (void)stream;
    e->given_up++;
    e->given_up_bytes += msg->len;
}

/* ---- ends ---- */

static void keep(struct sctp_end *e, const struct vn_sctp_msg *m)
{
    if (e->count == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 64;
        void *grown = realloc(e->msgs, e->cap * sizeof(*e->msgs));
        if (!grown)
            abort();
        e->msgs = grown;
    }
    e->msgs[e->count++] = *m;
}

static void collect(struct sctp_end *e)
{
    struct vn_sctp_msg got[BATCH];
    size_t n;
    if (!e->own && !e->foreign)
        return; /* freed by the test */
    while ((n = e->own ? vn_sctp_receive(e->own, got, BATCH)
                       : usrsctp_peer_receive(e->foreign, got, BATCH)) > 0)
        for (size_t i = 0; i < n; i++) {
            if (!got[i].buf)
                e->resets++;
            else if (e->on_message)
                e->on_message(e, &got[i]);
            else
                keep(e, &got[i]);
        }
}

void sctp_end_clear(struct sctp_end *e)
{
    for (size_t i = 0; i < e->count; i++)
        (void)vn_pktbuf_free(e->msgs[i].buf);
    e->count = 0;
}

void sctp_world_init(struct sctp_world *w, const struct sctp_world_config *cfg)
{
    *w = (struct sctp_world){.now_us = 1000000};
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_end *e = &w->end[i];
        e->world = w;
        e->side = i;
        w->path[i].delay_us = 1000;
        w->path[i].queue_bytes = 1000000;
        const size_t mtu = cfg->mtu ? cfg->mtu : 1400;
        const size_t message_max = cfg->message_max ? cfg->message_max : 262144;
        const struct vn_sctp_config own = {.arg = e,
                                           .output = on_output,
                                           .given_up = on_given_up,
                                           .random = test_random(),
                                           .mtu = mtu,
                                           .mtu_base = cfg->mtu_base,
                                           .mtu_max = cfg->mtu_max,
                                           .by_turns = cfg->by_turns,
                                           .message_max = message_max,
                                           .streams = cfg->streams,
                                           .foreign = cfg->foreign[!i]};
        const struct usrsctp_peer_config foreign = {e, on_output, mtu, message_max, cfg->streams};
        if (cfg->foreign[i])
            e->foreign = usrsctp_peer_new(&foreign, w->now_us);
        else
            assert_ok(vn_sctp_new(&own, w->now_us, &e->own));
    }
}

void sctp_world_done(struct sctp_world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_end *e = &w->end[i];
        e->own = vn_sctp_free(e->own);
        e->foreign = usrsctp_peer_free(e->foreign);
        sctp_end_clear(e);
        free(e->msgs);
    }
    while (w->heap_count > 0)
        free(take(w));
    free(w->heap);
    *w = (struct sctp_world){0};
    usrsctp_peer_finish();
}

void sctp_end_connect(struct sctp_end *e)
{
    if (e->own)
        assert_ok(vn_sctp_connect(e->own, e->world->now_us));
    else
        usrsctp_peer_connect(e->foreign);
}

enum vn_sctp_state sctp_end_state(const struct sctp_end *e)
{
    return e->own ? vn_sctp_state(e->own) : usrsctp_peer_state(e->foreign);
}

static uint8_t byte_at(size_t i, uint32_t seed)
{
    return (uint8_t)(seed + i * 31 + i / 251);
}

bool sctp_end_send(struct sctp_end *e, uint16_t stream, const struct vn_sctp_how *how, size_t n,
                   uint32_t seed)
{
    struct vn_pktbuf *b;
    assert_ok(vn_pktbuf_new(n, &b));
    uint8_t *p = vn_pktbuf_put(b, n);
    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(i, seed);
    if (e->own) {
        if (vn_sctp_send(e->own, stream, seed, how, b, e->world->now_us) == VN_OK) {
            vn_sctp_flush(e->own, e->world->now_us);
            return true;
        }
        (void)vn_pktbuf_free(b);
        return false;
    }
    const bool sent = usrsctp_peer_send(e->foreign, stream, seed, how, vn_pktbuf_span(b));
    (void)vn_pktbuf_free(b);
    return sent;
}

bool sctp_msg_holds(const struct vn_sctp_msg *m, size_t n, uint32_t seed)
{
    bool same = m->buf->len == n && m->ppid == seed;
    for (size_t i = 0; same && i < n; i++)
        same = m->buf->data[i] == byte_at(i, seed);
    return same;
}

/* ---- time ---- */

void sctp_world_forge(struct sctp_world *w, unsigned to, struct vn_span packet)
{
    put(w, to, w->now_us, packet.p, packet.n);
}

static void deliver(struct sctp_world *w)
{
    struct sctp_flight *f[BATCH];
    struct vn_dgram d[BATCH];
    size_t n = 0;
    do {
        f[n] = take(w);
        d[n] = (struct vn_dgram){f[n]->p, f[n]->n};
        n++;
    } while (n < BATCH && w->heap_count > 0 && w->heap[0]->due_us <= w->now_us &&
             w->heap[0]->to == f[0]->to);
    struct sctp_end *e = &w->end[f[0]->to];
    if (e->own)
        vn_sctp_input(e->own, d, n, w->now_us);
    for (size_t i = 0; i < n; i++) {
        if (e->foreign)
            usrsctp_peer_input(e->foreign, d[i]);
        free(f[i]);
    }
    collect(e);
}

bool sctp_world_step(struct sctp_world *w, uint64_t until_us)
{
    uint64_t due = w->heap_count > 0 ? w->heap[0]->due_us : UINT64_MAX;
    for (unsigned i = 0; i < 2; i++) {
        if (w->end[i].own)
            due = VN_MIN(due, vn_sctp_due_us(w->end[i].own));
        else if (w->end[i].foreign)
            due = VN_MIN(due, w->now_us + 10000);
    }
    const bool event = due <= until_us;
    w->now_us = VN_MAX(w->now_us, VN_MIN(due, until_us));
    usrsctp_peer_advance(w->now_us);
    if (event && w->heap_count > 0 && w->heap[0]->due_us <= w->now_us)
        deliver(w);
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_end *e = &w->end[i];
        if (e->own && vn_sctp_due_us(e->own) <= w->now_us)
            vn_sctp_tick(e->own, w->now_us);
        collect(e);
    }
    return event;
}

void sctp_world_run(struct sctp_world *w, uint64_t us)
{
    const uint64_t until_us = w->now_us + us;
    while (sctp_world_step(w, until_us)) {
    }
}

bool sctp_world_until(struct sctp_world *w, bool (*done)(void *arg), void *arg, uint64_t max_us)
{
    const uint64_t until_us = w->now_us + max_us;
    while (!done(arg))
        if (!sctp_world_step(w, until_us))
            return done(arg);
    return true;
}

static bool both_open(void *arg)
{
    const struct sctp_world *w = arg;
    return sctp_end_state(&w->end[0]) == VN_SCTP_OPEN && sctp_end_state(&w->end[1]) == VN_SCTP_OPEN;
}

bool sctp_world_open(struct sctp_world *w, unsigned who, uint64_t max_us)
{
    for (unsigned i = 0; i < 2; i++)
        if (who >> i & 1)
            sctp_end_connect(&w->end[i]);
    return sctp_world_until(w, both_open, w, max_us);
}
