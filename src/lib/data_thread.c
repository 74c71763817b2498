#include "lib/data_thread.h"

#include "base/hot.h"
#include "base/log.h"
#include "base/secret.h"
#include "host/host.h"
#include "lib/adapt.h"
#include "loop/io.h"
#include "loop/loop.h"

#define SLEPT_US 2000 /* longer than turns are when there is much to do */

static vn_status tun_write(void *self, struct vn_span packet)
{
    struct vn_data_thread *d = self;
    if (!d->host)
        return VN_ERR_AGAIN;
    d->wrote = true;
    const struct vn_tun_port *p = vn_host_tun_port(d->host, d->queue);
    return p->write(p->self, packet);
}

static vn_status tun_write_offload(void *self, const struct vn_span *parts, size_t count,
                                   const struct vn_tun_offload *o)
{
    struct vn_data_thread *d = self;
    if (!d->host)
        return VN_ERR_AGAIN;
    d->wrote = true;
    const struct vn_tun_port *p = vn_host_tun_port(d->host, d->queue);
    return p->write_offload(p->self, parts, count, o);
}

/* Takes what was read from *left. True: there may be more. */
static bool read_some(struct vn_data_thread *d, size_t *left)
{
    struct vn_pktbuf *bufs[VN_HOST_TUN_BURST];
    size_t n = 0, bytes = 0;
    const vn_status st = vn_host_tun_read(d->host, d->queue, bufs, *left, &n);
    const uint64_t now = vn_loop_now_us(d->loop);
    for (size_t i = 0; i < n; i++) {
        bytes += bufs[i]->len;
        vn_worker_tun_input(d->worker, bufs[i], now);
    }
    *left -= n;
    if (st == VN_ERR_IO) {
        vn_log(VN_LOG_ERROR, "tun_lost", VN_KV_STATUS(st));
        vn_loop_unwatch(d->tun_watch);
        d->tun_watch = NULL;
    }
    return *left > 0 && bytes >= VN_HOST_TUN_BYTES;
}

static void on_tun(void *arg, unsigned events)
{
    struct vn_data_thread *d = arg;
    size_t left = VN_HOST_TUN_BURST;
    (void)events;
    /* The tether takes what it has room for before the queue has to hold more. */
    while (read_some(d, &left))
        vn_worker_flush(d->worker, vn_loop_now_us(d->loop));
}

vn_status vn_data_thread_attach(struct vn_data_thread *d, struct vn_host *host)
{
    const bool first = d->host == NULL;
    d->host = host;
    d->tun.cuts_udp = vn_host_tun_port(host, d->queue)->cuts_udp;
    const int fd = vn_host_tun_fd(host, d->queue);
    /* Without a queue of its own it writes to the first one, and has nothing to read. */
    if (!first || fd < 0)
        return VN_OK;
    return vn_loop_watch(d->loop, fd, VN_LOOP_READ, on_tun, d, &d->tun_watch);
}

void vn_data_thread_command(struct vn_data_thread *d, struct vn_post_msg *m)
{
    vn_worker_command(d->worker, m, vn_loop_now_us(d->loop));
    vn_wipe_stack(); /* it may have brought keys */
}

static void on_deadline(void *arg)
{
    (void)arg; /* the turn's end ticks */
}

static void turn_begin(void *arg)
{
    struct vn_data_thread *d = arg;
    const uint64_t now = vn_loop_now_us(d->loop);
    if (now - d->turned_us > SLEPT_US)
        vn_hot_fetch();
    d->turned_us = now;
    vn_worker_set_now(d->worker, now);
}

static struct vn_precedence_bytes carried(const struct vn_data_thread *d)
{
    const struct vn_worker_counters *c = vn_worker_counters(d->worker);
    return (struct vn_precedence_bytes){c->tun_rx_bytes + c->tun_tx_bytes, c->bytes_relayed};
}

static void turn_end(void *arg)
{
    struct vn_data_thread *d = arg;
    /* The host answers much of what is written at once: an echo, an acknowledgement. */
    if (d->wrote && d->tun_watch)
        on_tun(d, VN_LOOP_READ);
    d->wrote = false;
    const uint64_t now = vn_loop_now_us(d->loop);
    vn_worker_flush(d->worker, now);
    if (vn_worker_next_deadline(d->worker) <= now)
        vn_worker_tick(d->worker, now);
    if (d->turn_end)
        d->turn_end(d->arg);
    vn_precedence_turn(&d->precedence, carried(d), now);
    const uint64_t at = vn_worker_next_deadline(d->worker);
    if (at == UINT64_MAX)
        vn_loop_timer_disarm(d->timer);
    else
        vn_loop_timer_arm(d->timer, at > now ? at - now : 0);
}

vn_status vn_data_thread_init(struct vn_data_thread *d, struct vn_loop *loop,
                              const struct vn_worker_config *cfg)
{
    d->loop = loop;
    d->queue = cfg->number;
    d->random = vn_adapt_random();
    d->tun =
        (struct vn_tun_port){.self = d, .write = tun_write, .write_offload = tun_write_offload};
    struct vn_worker_config wc = *cfg;
    wc.tun = &d->tun;
    wc.random = &d->random;
    vn_status st = vn_worker_new(&wc, vn_loop_now_us(loop), &d->worker);
    if (st == VN_OK)
        st = vn_loop_timer_new(loop, on_deadline, d, &d->timer);
    if (st != VN_OK) {
        vn_data_thread_done(d);
        return st;
    }
    const struct vn_loop_turn turn = {.arg = d, .begin = turn_begin, .end = turn_end};
    vn_loop_set_turn(loop, &turn);
    vn_precedence_init(&d->precedence, cfg->number + 1u, vn_loop_now_us(loop));
    return VN_OK;
}

void vn_data_thread_done(struct vn_data_thread *d)
{
    if (!d->loop)
        return;
    vn_precedence_done(&d->precedence);
    vn_loop_set_turn(d->loop, NULL);
    vn_loop_unwatch(d->tun_watch);
    d->tun_watch = NULL;
    d->worker = vn_worker_free(d->worker);
    vn_loop_timer_free(d->timer);
    d->timer = NULL;
}
