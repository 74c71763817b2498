#include "lib/worker_host.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/secret.h"
#include "core/worker.h"
#include "host/host.h"
#include "lib/adapt.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "loop/worker_thread.h"
#include "transport/transport.h"

/* Beside the messages of core/commands.h, whose numbers are below 256. */
enum { MSG_ATTACH = 256 };

struct attach_msg {
    struct vn_post_msg msg;
    struct vn_host *host;
    struct vn_prefix ranges[4];
    size_t count;
};

struct vn_worker_host {
    /* constant */
    struct vn_worker_host_config cfg;
    struct vn_thread *thread;
    struct vn_mailbox *to_core;
    struct vn_post post; /* the core thread's way in */

    /* worker thread only */
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_random random;
    struct vn_post post_core;
    struct vn_tun_port tun;
    struct vn_host *host; /* NULL until attached */
    struct vn_io_watch *tun_watch;
    struct vn_transport *transport;
    struct vn_worker *worker;
    struct vn_io_timer *timer;
    uint64_t given_back; /* tethers closed when memory was last given back */
};

static void free_msg(void *item)
{
    vn_post_msg_free(item);
}

/* ---- on the worker thread ---- */

static vn_status tun_write(void *self, struct vn_span packet)
{
    struct vn_worker_host *w = self;
    if (!w->host)
        return VN_ERR_AGAIN;
    const struct vn_tun_port *p = vn_host_tun_port(w->host);
    return p->write(p->self, packet);
}

static vn_status tun_write_offload(void *self, const struct vn_span *parts, size_t count,
                                   const struct vn_tun_offload *o)
{
    struct vn_worker_host *w = self;
    if (!w->host)
        return VN_ERR_AGAIN;
    const struct vn_tun_port *p = vn_host_tun_port(w->host);
    return p->write_offload(p->self, parts, count, o);
}

static vn_status send_to_core(void *self, struct vn_post_msg *m)
{
    struct vn_worker_host *w = self;
    const vn_status st = vn_mailbox_send(w->to_core, m);
    if (st != VN_OK)
        vn_post_msg_free(m);
    return st;
}

static void on_tun(void *arg, unsigned events)
{
    struct vn_worker_host *w = arg;
    struct vn_pktbuf *bufs[VN_HOST_TUN_BURST];
    size_t n = 0;
    (void)events;
    const vn_status st = vn_host_tun_read(w->host, bufs, VN_ARRAY_LEN(bufs), &n);
    const uint64_t now = vn_loop_now_us(w->loop);
    for (size_t i = 0; i < n; i++)
        vn_worker_tun_input(w->worker, bufs[i], now);
    if (st == VN_ERR_IO) {
        vn_log(VN_LOG_ERROR, "tun_lost", VN_KV_STATUS(st));
        vn_loop_unwatch(w->tun_watch);
        w->tun_watch = NULL;
    }
}

static void attach(struct vn_worker_host *w, const struct attach_msg *m)
{
    const bool first = w->host == NULL;
    w->host = m->host;
    w->tun.cuts_udp = w->host && vn_host_tun_port(w->host)->cuts_udp;
    vn_status st = vn_transport_exclude(w->transport, m->ranges, m->count);
    if (st == VN_OK && first)
        st =
            vn_loop_watch(w->loop, vn_host_tun_fd(w->host), VN_LOOP_READ, on_tun, w, &w->tun_watch);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "tun_attach_failed", VN_KV_STATUS(st));
}

static void on_item(void *arg, void *item)
{
    struct vn_worker_host *w = arg;
    struct vn_post_msg *m = item;
    if (m->type == MSG_ATTACH) {
        attach(w, (struct attach_msg *)m);
        vn_post_msg_free(m);
    } else {
        vn_worker_command(w->worker, m, vn_loop_now_us(w->loop));
        vn_wipe_stack(); /* it may have brought keys */
    }
}

static void on_deadline(void *arg)
{
    (void)arg; /* the turn's end ticks */
}

static void turn_begin(void *arg)
{
    struct vn_worker_host *w = arg;
    vn_worker_set_now(w->worker, vn_loop_now_us(w->loop));
}

/* After the last tether: what bulk traffic needed goes back to the system, or an idle node would
 * keep it. */
static void give_back(struct vn_worker_host *w)
{
    struct vn_transport_counters c;
    vn_transport_counters(w->transport, &c);
    if (c.tethers_closed == w->given_back || c.tethers_closed != c.tethers_opened)
        return;
    w->given_back = c.tethers_closed;
    malloc_trim(0);
}

static void turn_end(void *arg)
{
    struct vn_worker_host *w = arg;
    const uint64_t now = vn_loop_now_us(w->loop);
    vn_worker_flush(w->worker, now);
    give_back(w);
    if (vn_worker_next_deadline(w->worker) <= now)
        vn_worker_tick(w->worker, now);
    const uint64_t at = vn_worker_next_deadline(w->worker);
    if (at == UINT64_MAX)
        vn_loop_timer_disarm(w->timer);
    else
        vn_loop_timer_arm(w->timer, at > now ? at - now : 0);
}

static void thread_done(void *arg)
{
    struct vn_worker_host *w = arg;
    vn_loop_set_turn(w->loop, NULL);
    vn_loop_unwatch(w->tun_watch);
    w->worker = vn_worker_free(w->worker);
    w->transport = vn_transport_free(w->transport);
    vn_loop_timer_free(w->timer);
}

static vn_status thread_init(void *arg, struct vn_loop *loop)
{
    struct vn_worker_host *w = arg;
    w->loop = loop;
    w->io = vn_adapt_io(loop);
    w->random = vn_adapt_random();
    w->tun =
        (struct vn_tun_port){.self = w, .write = tun_write, .write_offload = tun_write_offload};
    w->post_core = (struct vn_post){.self = w, .send = send_to_core};
    const struct vn_transport_config tc = {
        .io = &w->io,
        .random = &w->random,
        .so_mark = w->cfg.so_mark,
        .exclude_ifname = w->cfg.ifname,
        .filter = w->cfg.candidates,
        .public_port = w->cfg.number == 0 ? w->cfg.public_port : 0,
    };
    vn_status st = vn_transport_new(&tc, &w->transport);
    if (st != VN_OK)
        return st;
    const struct vn_worker_config wc = {
        .number = w->cfg.number,
        .tether = vn_transport_port(w->transport),
        .tun = &w->tun,
        .to_node = &w->post_core,
        .random = &w->random,
    };
    st = vn_worker_new(&wc, vn_loop_now_us(loop), &w->worker);
    if (st == VN_OK)
        st = vn_loop_timer_new(loop, on_deadline, w, &w->timer);
    if (st != VN_OK) {
        w->worker = vn_worker_free(w->worker);
        w->transport = vn_transport_free(w->transport);
        return st;
    }
    const struct vn_loop_turn turn = {.arg = w, .begin = turn_begin, .end = turn_end};
    vn_loop_set_turn(loop, &turn);
    return VN_OK;
}

/* ---- on the core thread ---- */

static void on_event(void *arg, void *item)
{
    struct vn_worker_host *w = arg;
    w->cfg.event(w->cfg.arg, item);
}

static vn_status send_to_worker(void *self, struct vn_post_msg *m)
{
    struct vn_worker_host *w = self;
    const vn_status st = w->thread ? vn_thread_post(w->thread, m) : VN_ERR_STATE;
    if (st != VN_OK)
        vn_post_msg_free(m);
    return st;
}

vn_status vn_worker_host_new(const struct vn_worker_host_config *cfg, struct vn_worker_host **ret)
{
    struct vn_worker_host *w = calloc(1, sizeof(*w));
    if (!w)
        return VN_ERR_NOMEM;
    w->cfg = *cfg;
    w->post = (struct vn_post){.self = w, .send = send_to_worker};
    const struct vn_mailbox_config mc = {.loop = cfg->core_loop,
                                         .max = VN_MAILBOX_MAX,
                                         .arg = w,
                                         .item = on_event,
                                         .drop = free_msg};
    vn_status st = vn_mailbox_new(&mc, &w->to_core);
    if (st == VN_OK) {
        const struct vn_thread_config tc = {
            .name = "vn-worker",
            .arg = w,
            .init = thread_init,
            .item = on_item,
            .done = thread_done,
            .drop = free_msg,
            .mailbox_max = VN_MAILBOX_MAX,
        };
        st = vn_thread_start(&tc, &w->thread);
    }
    if (st != VN_OK) {
        vn_worker_host_free(w);
        return st;
    }
    *ret = w;
    return VN_OK;
}

struct vn_worker_host *vn_worker_host_free(struct vn_worker_host *w)
{
    if (!w)
        return NULL;
    if (w->thread)
        w->thread = vn_thread_stop(w->thread);
    vn_mailbox_free(w->to_core);
    free(w);
    return NULL;
}

const struct vn_post *vn_worker_host_post(struct vn_worker_host *w)
{
    return &w->post;
}

vn_status vn_worker_host_attach(struct vn_worker_host *w, struct vn_host *host,
                                const struct vn_prefix *ranges, size_t count)
{
    struct attach_msg *m;
    if (count > VN_ARRAY_LEN(m->ranges))
        return VN_ERR_LIMIT;
    const vn_status st = vn_post_msg_new(MSG_ATTACH, sizeof(*m), &m);
    if (st != VN_OK)
        return st;
    m->host = host;
    memcpy(m->ranges, ranges, count * sizeof(*ranges));
    m->count = count;
    return send_to_worker(w, &m->msg);
}
