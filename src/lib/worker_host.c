#include "lib/worker_host.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "lib/adapt.h"
#include "lib/data_thread.h"
#include "lib/hand_host.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "loop/worker_thread.h"
#include "transport/transport.h"

struct vn_worker_host {
    /* constant */
    struct vn_worker_host_config cfg;
    struct vn_thread *thread;
    struct vn_mailbox *to_core;
    struct vn_post post; /* the core thread's way in */

    /* worker thread only */
    struct vn_data_thread data;
    struct vn_io io;
    struct vn_post post_core;
    struct vn_transport *transport;
    struct vn_hand_host *hands[VN_WORKERS_MAX - 1];
    struct vn_post post_hands[VN_WORKERS_MAX - 1];
    size_t hand_count;
    uint64_t given_back; /* tethers closed when memory was last given back */
};

static void free_msg(void *item)
{
    vn_post_msg_free(item);
}

/* ---- on the worker thread ---- */

static vn_status send_to_core(void *self, struct vn_post_msg *m)
{
    struct vn_worker_host *w = self;
    const vn_status st = vn_mailbox_send(w->to_core, m);
    if (st != VN_OK)
        vn_post_msg_free(m);
    return st;
}

static void attach(struct vn_worker_host *w, const struct vn_msg_attach *m)
{
    vn_status st = vn_transport_exclude(w->transport, m->ranges, m->count);
    if (st == VN_OK)
        st = vn_data_thread_attach(&w->data, m->host);
    for (size_t i = 0; i < w->hand_count && st == VN_OK; i++)
        st = vn_hand_host_attach(w->hands[i], m->host);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "tun_attach_failed", VN_KV_STATUS(st));
}

static void on_item(void *arg, void *item)
{
    struct vn_worker_host *w = arg;
    struct vn_post_msg *m = item;
    if (m->type == VN_MSG_ATTACH) {
        attach(w, (struct vn_msg_attach *)m);
        vn_post_msg_free(m);
    } else {
        vn_data_thread_command(&w->data, m);
    }
}

static void on_hand(void *arg, size_t number, struct vn_post_msg *m)
{
    struct vn_worker_host *w = arg;
    vn_worker_hand_event(w->data.worker, number, m, vn_loop_now_us(w->data.loop));
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

static void on_turn_end(void *arg)
{
    struct vn_worker_host *w = arg;
    vn_transport_end_turn(w->transport);
    give_back(w);
}

static void thread_done(void *arg)
{
    struct vn_worker_host *w = arg;
    while (w->hand_count)
        vn_hand_host_free(w->hands[--w->hand_count]);
    vn_data_thread_done(&w->data);
    w->transport = vn_transport_free(w->transport);
}

static vn_status make_hands(struct vn_worker_host *w, struct vn_loop *loop)
{
    while (w->hand_count + 1 < w->cfg.workers) {
        const struct vn_hand_host_config hc = {
            .loop = loop, .number = (uint8_t)(w->hand_count + 1), .arg = w, .event = on_hand};
        const vn_status st = vn_hand_host_new(&hc, &w->hands[w->hand_count]);
        if (st != VN_OK)
            return st;
        w->post_hands[w->hand_count] = vn_hand_host_post(w->hands[w->hand_count]);
        w->hand_count++;
    }
    return VN_OK;
}

static vn_status thread_init(void *arg, struct vn_loop *loop)
{
    struct vn_worker_host *w = arg;
    w->io = vn_adapt_io(loop);
    w->data.random = vn_adapt_random();
    w->post_core = (struct vn_post){.self = w, .send = send_to_core};
    const struct vn_transport_config tc = {
        .io = &w->io,
        .random = &w->data.random,
        .so_mark = w->cfg.so_mark,
        .exclude_ifname = w->cfg.ifname,
        .not_over = w->cfg.not_over,
        .filter = w->cfg.candidates,
        .public_port = w->cfg.public_port,
        .by_turns = true,
    };
    vn_status st = vn_transport_new(&tc, &w->transport);
    if (st == VN_OK)
        st = make_hands(w, loop);
    if (st == VN_OK) {
        const struct vn_worker_config wc = {
            .tether = vn_transport_port(w->transport),
            .to_node = &w->post_core,
            .hands = w->post_hands,
            .hand_count = w->hand_count,
        };
        w->data.turn_end = on_turn_end;
        w->data.arg = w;
        st = vn_data_thread_init(&w->data, loop, &wc);
    }
    if (st != VN_OK)
        thread_done(w);
    return st;
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
    if (cfg->workers > VN_WORKERS_MAX)
        return VN_ERR_ARG;
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
    struct vn_msg_attach *m;
    if (count > VN_ARRAY_LEN(m->ranges))
        return VN_ERR_LIMIT;
    const vn_status st = vn_post_msg_new(VN_MSG_ATTACH, sizeof(*m), &m);
    if (st != VN_OK)
        return st;
    m->host = host;
    memcpy(m->ranges, ranges, count * sizeof(*ranges));
    m->count = count;
    return send_to_worker(w, &m->msg);
}
