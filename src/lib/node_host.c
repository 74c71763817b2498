#include "lib/node_host.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "control/guardian_api.h"
#include "control/nats.h"
#include "host/host.h"
#include "host/networks.h"
#include "lib/adapt.h"
#include "lib/worker_host.h"
#include "loop/boot_timer.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "loop/pool.h"

struct vn_instance {
    struct vn_instance_config cfg;
    char *state_dir, *ifname;
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_random random;
    struct vn_work work;
    struct vn_pool *pool;
    struct vn_guardian_api *guardian;
    struct vn_nats *nats;
    struct vn_worker_host *worker;
    struct vn_host *host;
    struct vn_node_shell shell;
    struct vn_node *node;
    struct vn_loop_boot_timer *timer;
    bool stopping;
    bool renewing, renew_now; /* Guardian commanded new keys; and the node has stopped for it */
};

/* ---- the node's turn ---- */

static void turn_begin(void *arg)
{
    struct vn_instance *i = arg;
    if (i->node)
        vn_node_set_now(i->node, vn_loop_boot_ms(i->loop));
}

static vn_status make_node(struct vn_instance *i);
static void fail(struct vn_instance *i, enum vn_instance_failure why, const char *detail);

/* The same registration, new keys; interface and worker stay. */
static void renew(struct vn_instance *i)
{
    i->renewing = i->renew_now = false;
    i->node = vn_node_free(i->node);
    i->cfg.renewed(i->cfg.arg);
    vn_status st = make_node(i);
    if (st == VN_OK)
        st = vn_node_start(i->node, vn_loop_boot_ms(i->loop));
    if (st != VN_OK)
        fail(i, VN_INSTANCE_INTERNAL, "out of memory");
}

static void turn_end(void *arg)
{
    struct vn_instance *i = arg;
    if (i->renew_now)
        renew(i);
    if (!i->node)
        return;
    const uint64_t now = vn_loop_boot_ms(i->loop);
    if (vn_node_next_deadline(i->node) <= now)
        vn_node_tick(i->node, now);
    vn_loop_boot_timer_set(i->timer, vn_node_next_deadline(i->node));
    vn_wipe_stack();
}

static void on_deadline(void *arg)
{
    (void)arg; /* the turn's end ticks */
}

static void on_event(void *arg, struct vn_post_msg *m)
{
    struct vn_instance *i = arg;
    vn_node_event(i->node, m, vn_loop_boot_ms(i->loop));
}

/* ---- what the node asks of its shell ---- */

static void fail(struct vn_instance *i, enum vn_instance_failure why, const char *detail)
{
    i->cfg.failed(i->cfg.arg, why, detail);
    vn_instance_stop(i);
}

static void shell_online(void *arg, const struct vn_credentials *cred, uint16_t mtu_bytes)
{
    struct vn_instance *i = arg;
    if (i->stopping)
        return;
    const struct vn_ip addrs[] = {cred->ip4, cred->ip6};
    const struct vn_prefix ranges[] = {cred->realm.range4, cred->realm.range6};
    const struct vn_host_config hc = {
        .ifname = i->ifname,
        .queues = i->cfg.workers,
        .mtu_bytes = mtu_bytes,
        .addrs = addrs,
        .addr_count = VN_ARRAY_LEN(addrs),
        .prefixes = ranges,
        .prefix_count = VN_ARRAY_LEN(ranges),
        .state_dir = i->state_dir,
    };
    struct vn_host_error err = {0};
    vn_status st = i->host ? vn_host_update(i->host, &hc, &err) : vn_host_up(&hc, &i->host, &err);
    if (st == VN_OK)
        st = vn_worker_host_attach(i->worker, i->host, ranges, VN_ARRAY_LEN(ranges));
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "host_up_failed",
               VN_KV_STR("reason", err.what[0] ? err.what : vn_status_name(st)));
        fail(i, VN_INSTANCE_HOST,
             err.what[0] ? err.what : "the network interface could not be set up");
        return;
    }
    i->cfg.online(i->cfg.arg, cred, vn_host_ifname(i->host));
}

static void shell_refused(void *arg, vn_status why, const char *detail)
{
    vn_log(VN_LOG_ERROR, "guardian_refused", VN_KV_STATUS(why), VN_KV_STR("detail", detail));
    fail(arg, VN_INSTANCE_REFUSED, detail);
}

static void shell_stopped(void *arg)
{
    struct vn_instance *i = arg;
    if (i->renewing && !i->stopping)
        i->renew_now = true; /* not inside its callback */
    else
        i->cfg.stopped(i->cfg.arg);
}

static void shell_wish(void *arg, enum vn_node_wish wish)
{
    struct vn_instance *i = arg;
    if (i->stopping)
        return;
    if (wish == VN_WISH_STOP) {
        vn_instance_stop(i);
        return;
    }
    i->renewing = true;
    vn_node_stop(i->node, vn_loop_boot_ms(i->loop));
}

static size_t shell_networks(void *arg, struct vn_local_network *ret, size_t cap)
{
    return vn_host_networks(vn_instance_ifname(arg), ret, cap);
}

/* ---- life ---- */

static vn_status make_node(struct vn_instance *i)
{
    i->shell = (struct vn_node_shell){
        .arg = i,
        .online = shell_online,
        .refused = shell_refused,
        .stopped = shell_stopped,
        .wish = shell_wish,
        .networks = shell_networks,
    };
    struct vn_node_config nc = {
        .realm = i->cfg.realm,
        .suite = i->cfg.suite,
        .idle_ms = i->cfg.idle_ms,
        .via = {i->cfg.via[0], i->cfg.via[1], i->cfg.via[2]},
        .via_count = i->cfg.via_count,
        .keep_warm_count = i->cfg.keep_warm_count,
        .no_relay = i->cfg.no_relay,
        .avoid_countries = i->cfg.avoid_countries,
        .prefer_countries = i->cfg.prefer_countries,
        .relay_rules = i->cfg.relay_rules,
        .mtu_bytes = i->cfg.mtu_bytes,
        .public = i->cfg.public_port != 0,
        .authority = vn_guardian_api_port(i->guardian),
        .control = vn_nats_port(i->nats),
        .random = &i->random,
        .work = &i->work,
        .to_worker = vn_worker_host_post(i->worker),
        .shell = &i->shell,
    };
    memcpy(nc.keep_warm, i->cfg.keep_warm, sizeof(nc.keep_warm));
    return vn_node_new(&nc, vn_loop_boot_ms(i->loop), &i->node);
}

static vn_status make_parts(struct vn_instance *i)
{
    vn_status st = vn_pool_new(i->loop, &i->pool);
    if (st != VN_OK)
        return st;
    i->work = vn_adapt_work(i->pool);
    const struct vn_guardian_api_config gc = {
        .io = &i->io,
        .guardian = i->cfg.guardian,
        .conflux_token = i->cfg.conflux_token,
        .so_mark = VN_HOST_MARK,
    };
    st = vn_guardian_api_new(&gc, &i->guardian);
    if (st == VN_OK)
        st = vn_nats_new(&i->io, &i->nats);
    if (st != VN_OK)
        return st;
    const struct vn_worker_host_config wc = {
        .core_loop = i->loop,
        .workers = i->cfg.workers,
        .so_mark = VN_HOST_MARK,
        .public_port = i->cfg.public_port,
        .candidates = i->cfg.candidates,
        .ifname = i->ifname,
        .not_over = i->cfg.not_over,
        .arg = i,
        .event = on_event,
    };
    st = vn_worker_host_new(&wc, &i->worker);
    if (st != VN_OK)
        return st;
    st = make_node(i);
    if (st == VN_OK)
        st = vn_loop_boot_timer_new(i->loop, on_deadline, i, &i->timer);
    return st;
}

vn_status vn_instance_new(struct vn_loop *loop, const struct vn_instance_config *cfg,
                          struct vn_instance **ret, char ret_detail[256])
{
    struct vn_host_error err = {0};
    size_t undone = 0;
    vn_status st = vn_host_recover(cfg->state_dir, &undone, &err);
    if (st != VN_OK) {
        snprintf(ret_detail, 256, "%s",
                 err.what[0] ? err.what : "what a crash left behind could not be undone");
        return st;
    }
    if (undone)
        vn_log(VN_LOG_WARN, "host_recovered", VN_KV_U64("changes", undone));
    snprintf(ret_detail, 256, "out of memory");
    struct vn_instance *i = calloc(1, sizeof(*i));
    if (!i)
        return VN_ERR_NOMEM;
    i->cfg = *cfg;
    i->loop = loop;
    i->io = vn_adapt_io(loop);
    i->random = vn_adapt_random();
    i->state_dir = strdup(cfg->state_dir);
    i->ifname = strdup(cfg->ifname ? cfg->ifname : VN_HOST_IFNAME);
    st = i->state_dir && i->ifname ? make_parts(i) : VN_ERR_NOMEM;
    /* Borrowed from the caller for this call only. */
    i->cfg.conflux_token = NULL;
    i->cfg.guardian = NULL;
    i->cfg.not_over = NULL;
    if (st != VN_OK) {
        if (st == VN_ERR_EXISTS)
            snprintf(ret_detail, 256,
                     "another program uses UDP port %u: stop it, or register with another one "
                     "(register --public :PORT)",
                     cfg->public_port);
        else
            snprintf(ret_detail, 256, "the node could not be made (%s)", vn_status_name(st));
        vn_instance_free(i);
        return st;
    }
    const struct vn_loop_turn turn = {.arg = i, .begin = turn_begin, .end = turn_end};
    vn_loop_set_turn(loop, &turn);
    *ret = i;
    return VN_OK;
}

vn_status vn_instance_start(struct vn_instance *i)
{
    return vn_node_start(i->node, vn_loop_boot_ms(i->loop));
}

void vn_instance_stop(struct vn_instance *i)
{
    if (i->stopping)
        return;
    i->stopping = true;
    if (i->renewing) { /* the node is stopping, or has stopped */
        i->renewing = false;
        if (!i->renew_now)
            return;
        i->renew_now = false;
        i->cfg.stopped(i->cfg.arg);
        return;
    }
    if (i->node)
        vn_node_stop(i->node, vn_loop_boot_ms(i->loop));
    else
        i->cfg.stopped(i->cfg.arg);
}

struct vn_instance *vn_instance_free(struct vn_instance *i)
{
    if (!i)
        return NULL;
    vn_loop_set_turn(i->loop, NULL);
    i->timer = vn_loop_boot_timer_free(i->timer);
    i->stopping = true;
    /* Answers of work under way still go to the node. */
    vn_pool_free(i->pool);
    vn_node_free(i->node);
    vn_worker_host_free(i->worker);
    vn_host_down(i->host);
    vn_nats_free(i->nats);
    vn_guardian_api_free(i->guardian);
    free(i->state_dir);
    free(i->ifname);
    free(i);
    return NULL;
}

void vn_instance_set_relay_rules(struct vn_instance *i, const struct vn_route_rules *rules)
{
    i->cfg.relay_rules = *rules;
    vn_node_set_relay_rules(i->node, rules);
}

struct vn_node *vn_instance_node(struct vn_instance *i)
{
    return i->node;
}

const struct vn_authority *vn_instance_authority(const struct vn_instance *i)
{
    return vn_guardian_api_port(i->guardian);
}

const char *vn_instance_ifname(const struct vn_instance *i)
{
    return i->host ? vn_host_ifname(i->host) : "";
}

const char *vn_instance_guardian_url(const struct vn_instance *i)
{
    return vn_guardian_api_url(i->guardian);
}
