#include "lib/hand_host.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "lib/data_thread.h"
#include "loop/mailbox.h"
#include "loop/worker_thread.h"

struct vn_hand_host {
    /* constant */
    struct vn_hand_host_config cfg;
    struct vn_thread *thread;
    struct vn_mailbox *to_first;
    struct vn_post post_first; /* the hand's way there */

    struct vn_data_thread data; /* the hand's thread only */
};

static void free_msg(void *item)
{
    vn_post_msg_free(item);
}

/* ---- on the hand's thread ---- */

static vn_status send_to_first(void *self, struct vn_post_msg *m)
{
    struct vn_hand_host *h = self;
    const vn_status st = vn_mailbox_send(h->to_first, m);
    if (st != VN_OK)
        vn_post_msg_free(m);
    return st;
}

static void on_item(void *arg, void *item)
{
    struct vn_hand_host *h = arg;
    struct vn_post_msg *m = item;
    if (m->type != VN_MSG_ATTACH) {
        vn_data_thread_command(&h->data, m);
        return;
    }
    const vn_status st = vn_data_thread_attach(&h->data, ((struct vn_msg_attach *)m)->host);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "tun_attach_failed", VN_KV_STATUS(st));
    vn_post_msg_free(m);
}

static vn_status thread_init(void *arg, struct vn_loop *loop)
{
    struct vn_hand_host *h = arg;
    const struct vn_worker_config wc = {.number = h->cfg.number, .to_node = &h->post_first};
    return vn_data_thread_init(&h->data, loop, &wc);
}

static void thread_done(void *arg)
{
    struct vn_hand_host *h = arg;
    vn_data_thread_done(&h->data);
}

/* ---- on the first worker's thread ---- */

static void on_event(void *arg, void *item)
{
    struct vn_hand_host *h = arg;
    h->cfg.event(h->cfg.arg, h->cfg.number, item);
}

static vn_status send_to_hand(void *self, struct vn_post_msg *m)
{
    struct vn_hand_host *h = self;
    const vn_status st = vn_thread_post(h->thread, m);
    if (st != VN_OK)
        vn_post_msg_free(m);
    return st;
}

vn_status vn_hand_host_new(const struct vn_hand_host_config *cfg, struct vn_hand_host **ret)
{
    struct vn_hand_host *h = calloc(1, sizeof(*h));
    if (!h)
        return VN_ERR_NOMEM;
    h->cfg = *cfg;
    h->post_first = (struct vn_post){.self = h, .send = send_to_first};
    const struct vn_mailbox_config mc = {
        .loop = cfg->loop, .max = VN_MAILBOX_MAX, .arg = h, .item = on_event, .drop = free_msg};
    vn_status st = vn_mailbox_new(&mc, &h->to_first);
    if (st == VN_OK) {
        char name[16];
        snprintf(name, sizeof(name), "vn-worker-%u", cfg->number);
        const struct vn_thread_config tc = {
            .name = name,
            .arg = h,
            .init = thread_init,
            .item = on_item,
            .done = thread_done,
            .drop = free_msg,
            .mailbox_max = VN_MAILBOX_MAX,
        };
        st = vn_thread_start(&tc, &h->thread);
    }
    if (st != VN_OK) {
        vn_hand_host_free(h);
        return st;
    }
    *ret = h;
    return VN_OK;
}

struct vn_hand_host *vn_hand_host_free(struct vn_hand_host *h)
{
    if (!h)
        return NULL;
    h->thread = vn_thread_stop(h->thread);
    vn_mailbox_free(h->to_first);
    free(h);
    return NULL;
}

struct vn_post vn_hand_host_post(struct vn_hand_host *h)
{
    return (struct vn_post){.self = h, .send = send_to_hand};
}

vn_status vn_hand_host_attach(struct vn_hand_host *h, struct vn_host *host)
{
    struct vn_msg_attach *m;
    const vn_status st = vn_post_msg_new(VN_MSG_ATTACH, sizeof(*m), &m);
    if (st != VN_OK)
        return st;
    m->host = host;
    return send_to_hand(h, &m->msg);
}
