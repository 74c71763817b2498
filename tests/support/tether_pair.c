#include "support/tether_pair.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

static void on_candidate(void *arg, const struct vn_candidate *c)
{
    struct tether_end *e = arg;
    if (e->pair->v4_only && !vn_ip_is_v4(&c->addr.ip))
        return;
    if (e->candidate_count < VN_TETHER_CANDIDATES_MAX)
        e->candidates[e->candidate_count++] = *c;
    if (e->pair->trickle && e->peer->tether)
        e->peer->port->add_remote_candidate(e->peer->tether, c);
}

static void on_gathered(void *arg)
{
    ((struct tether_end *)arg)->gathered = true;
}

static void on_up(void *arg)
{
    struct tether_end *e = arg;
    e->up = true;
    e->up_us = vn_clock_mono_us();
    if (e->when_up)
        e->when_up(e);
    if (e->close_on_up)
        tether_end_close(e);
}

static void on_down(void *arg, enum vn_tether_down why)
{
    struct tether_end *e = arg;
    e->down = why;
    if (e->close_on_down)
        tether_end_close(e);
}

static void on_stranded(void *arg)
{
    ((struct tether_end *)arg)->stranded++;
}

static void on_better(void *arg)
{
    ((struct tether_end *)arg)->better++;
}

static void on_worn(void *arg)
{
    ((struct tether_end *)arg)->worn++;
}

static void on_restarted(void *arg)
{
    ((struct tether_end *)arg)->restarted++;
}

static void on_messages(void *arg, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n)
{
    struct tether_end *e = arg;
    if (!e->up)
        abort(); /* before `up` there are none */
    if (e->close_on_message)
        tether_end_close(e);
    if (e->sink) {
        e->sink(e, cls, bufs, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (e->msg_count == TETHER_END_MSGS) {
            (void)vn_pktbuf_free(bufs[i]);
            continue;
        }
        e->classes[e->msg_count] = cls;
        e->msgs[e->msg_count++] = bufs[i];
    }
}

static void on_given_up(void *arg, enum vn_tether_class cls, const struct vn_pktbuf *b)
{
    ((struct tether_end *)arg)->given_up[cls] += b->len;
}

static void on_writable(void *arg, enum vn_tether_class cls)
{
    ((struct tether_end *)arg)->writable[cls]++;
}

static void fill_params(struct vn_ice_params *p)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t raw[VN_ICE_UFRAG_LEN + VN_ICE_PWD_LEN];
    if (test_random()->fill(NULL, raw, sizeof(raw)) != VN_OK)
        abort();
    for (size_t i = 0; i < VN_ICE_UFRAG_LEN; i++)
        p->ufrag[i] = alphabet[raw[i] % 64];
    for (size_t i = 0; i < VN_ICE_PWD_LEN; i++)
        p->pwd[i] = alphabet[raw[VN_ICE_UFRAG_LEN + i] % 64];
    p->ufrag[VN_ICE_UFRAG_LEN] = p->pwd[VN_ICE_PWD_LEN] = 0;
}

static void open_end(struct tether_pair *p, struct tether_end *e, bool offers,
                     const struct vn_id *id)
{
    const struct vn_transport_config cfg = {.io =
                                                test_io_port(offers || !p->io_b ? p->io : p->io_b),
                                            .random = test_random(),
                                            .allow_loopback = true,
                                            .key_bytes = p->key_bytes};
    const struct vn_tether_handler h = {.arg = e,
                                        .candidate = on_candidate,
                                        .gathered = on_gathered,
                                        .up = on_up,
                                        .down = on_down,
                                        .messages = on_messages,
                                        .writable = on_writable,
                                        .given_up = on_given_up,
                                        .stranded = on_stranded,
                                        .worn = on_worn,
                                        .restarted = on_restarted,
                                        .better = on_better};
    e->pair = p;
    e->peer = offers ? &p->b : &p->a;
    if (!e->transport && vn_transport_new(&cfg, &e->transport) != VN_OK)
        abort();
    e->port = vn_transport_port(e->transport);
    e->cfg =
        (struct vn_tether_config){.tether = *id, .controlling = offers, .dtls_client = !offers};
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        fill_params(&e->cfg.local[i]);
    if (test_random()->fill(NULL, &e->cfg.tie_breaker, 8) != VN_OK ||
        e->port->open(e->port->self, &e->cfg, &h, &e->tether) != VN_OK)
        abort();
}

void tether_pair_open(struct tether_pair *p, struct test_io *io)
{
    struct vn_id id;
    p->io = io;
    p->opened_us = vn_clock_mono_us();
    if (test_random()->fill(NULL, &id, sizeof(id)) != VN_OK ||
        test_random()->fill(NULL, &p->psk, sizeof(p->psk)) != VN_OK)
        abort();
    open_end(p, &p->a, true, &id);
    open_end(p, &p->b, false, &id);
}

void tether_pair_signal(struct tether_end *from)
{
    struct tether_pair *p = from->pair;
    if (p->proxy) {
        for (uint8_t i = 0; i < VN_HOP_PCS; i++) {
            const struct vn_candidate c = {.type = VN_CAND_HOST,
                                           .priority = from->candidates[0].priority,
                                           .foundation = 1,
                                           .addr = p->proxy[2 * i + (from == &p->a)],
                                           .pc = i};
            from->peer->port->add_remote_candidate(from->peer->tether, &c);
        }
        return;
    }
    for (size_t i = 0; i < from->candidate_count; i++)
        from->peer->port->add_remote_candidate(from->peer->tether, &from->candidates[i]);
}

void tether_pair_start_end(struct tether_pair *p, struct tether_end *e,
                           const struct vn_secret32 *psk)
{
    (void)p;
    struct vn_tether_start s;
    memcpy(s.remote, e->peer->cfg.local, sizeof(s.remote));
    for (size_t i = 0; i < VN_HOP_PCS; i++) {
        s.psk[i] = *psk;
        s.psk[i].b[0] ^= (uint8_t)i;
    }
    if (e->port->start(e->tether, &s) != VN_OK)
        abort();
}

void tether_pair_start(struct tether_pair *p)
{
    /* As in life: the answerer knows the offer first. */
    tether_pair_start_end(p, &p->b, &p->psk);
    if (!p->trickle)
        tether_pair_signal(&p->a);
    tether_pair_start_end(p, &p->a, &p->psk);
    if (!p->trickle)
        tether_pair_signal(&p->b);
}

static bool both_gathered(void *arg)
{
    struct tether_pair *p = arg;
    return p->a.gathered && p->b.gathered;
}

static bool both_up(void *arg)
{
    struct tether_pair *p = arg;
    return p->a.up && p->b.up;
}

static bool within(struct tether_pair *p, int max_ms, bool (*done)(void *arg), void *arg)
{
    if (!p->io_b)
        return test_io_within(p->io, max_ms, done, arg);
    uint64_t end = vn_clock_mono_us() + (uint64_t)max_ms * 1000;
    while (!done(arg)) {
        if (vn_clock_mono_us() >= end)
            return false;
        test_io_turn(p->io, 1);
        test_io_turn(p->io_b, 1);
    }
    return true;
}

bool tether_pair_until(struct tether_pair *p, bool (*done)(void *arg), void *arg)
{
    return within(p, TEST_IO_WAIT_MS, done, arg);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void tether_pair_for(struct tether_pair *p, int ms)
{
    (void)within(p, ms, never, NULL);
}

bool tether_pair_up(struct tether_pair *p, struct test_io *io)
{
    tether_pair_open(p, io);
    if (!tether_pair_until(p, both_gathered, p))
        return false;
    tether_pair_start(p);
    return tether_pair_until(p, both_up, p);
}

void tether_end_close(struct tether_end *e)
{
    if (e->tether)
        e->port->close(e->tether);
    e->tether = NULL;
}

static void done_end(struct tether_end *e)
{
    tether_end_close(e);
    e->transport = vn_transport_free(e->transport);
    for (size_t i = 0; i < e->msg_count; i++)
        (void)vn_pktbuf_free(e->msgs[i]);
    e->msg_count = 0;
}

void tether_pair_close(struct tether_pair *p)
{
    done_end(&p->a);
    done_end(&p->b);
}

/* xorshift32: cheap, and every byte depends on the seed */
static uint32_t step(uint32_t x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ (x << 5);
}

struct vn_pktbuf *tether_msg_new(size_t n, uint32_t seed)
{
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(n, &b) != VN_OK)
        abort();
    uint8_t *p = vn_pktbuf_put(b, n);
    uint32_t x = seed * 2 + 1; /* never 0 */
    for (size_t i = 0; i < n; i++) {
        x = step(x);
        p[i] = (uint8_t)x;
    }
    return b;
}

bool tether_msg_holds(const struct vn_pktbuf *b, size_t n, uint32_t seed)
{
    uint32_t x = seed * 2 + 1; /* never 0 */
    if (b->len != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        x = step(x);
        if (b->data[i] != (uint8_t)x)
            return false;
    }
    return true;
}

bool tether_end_send(struct tether_end *e, enum vn_tether_class cls, size_t n, uint32_t seed)
{
    struct vn_pktbuf *b = tether_msg_new(n, seed);
    size_t taken = 0;
    (void)e->port->send(e->tether, cls, &b, 1, &taken);
    if (!taken)
        (void)vn_pktbuf_free(b);
    return taken == 1;
}

void tether_end_restart(struct tether_end *e, bool better)
{
    for (size_t i = 0; i < VN_HOP_PCS; i++)
        fill_params(&e->cfg.local[i]);
    e->candidate_count = 0;
    e->gathered = false;
    if (e->port->restart(e->tether, e->cfg.local, better) != VN_OK)
        abort();
}

bool tether_pair_restart(struct tether_pair *p, bool better)
{
    tether_end_restart(&p->a, better);
    tether_end_restart(&p->b, better);
    if (!tether_pair_until(p, both_gathered, p))
        return false;
    struct tether_end *const ends[] = {&p->a, &p->b};
    for (size_t i = 0; i < 2; i++) {
        if (ends[i]->port->restart_start(ends[i]->tether, ends[i]->peer->cfg.local) != VN_OK)
            abort();
        for (size_t k = 0; k < ends[i]->peer->candidate_count; k++)
            ends[i]->port->add_remote_candidate(ends[i]->tether, &ends[i]->peer->candidates[k]);
    }
    return true;
}
