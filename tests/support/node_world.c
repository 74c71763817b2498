#include "support/node_world.h"

#include <stdlib.h>

#include "core/node_i.h"
#include "crypto/rng.h"
#include "support/test.h"

#define DELAY_US 1000

/* ---- what runs now: the node, or this world around it ---- */

/* Of support/oom.h, in tests that link it: only allocations inside nodes are to fail. */
__attribute__((weak)) void vn_oom_pause(bool paused);

static bool inside;

static bool enter(bool in)
{
    bool was = inside;
    inside = in;
    if (vn_oom_pause)
        vn_oom_pause(!in);
    return was;
}

/* ---- guarded ports: every call between node and world passes here ---- */

static const struct vn_control *real_control(const struct vn_world_node *n)
{
    return vn_mem_client_port(n->client);
}

static void guarded_message(void *arg, const char *subject, struct vn_span payload)
{
    struct vn_world_node *n = arg;
    bool was = enter(true);
    n->handler.message(n->handler.arg, subject, payload);
    enter(was);
}

static void guarded_state(void *arg, enum vn_control_state state, const char *reason)
{
    struct vn_world_node *n = arg;
    bool was = enter(true);
    n->handler.state(n->handler.arg, state, reason);
    enter(was);
}

static void guarded_set_handler(void *self, const struct vn_control_handler *h)
{
    struct vn_world_node *n = self;
    n->handler = *h;
    const struct vn_control *c = real_control(n);
    c->set_handler(c->self, &(struct vn_control_handler){
                                .arg = n, .message = guarded_message, .state = guarded_state});
}

static vn_status guarded_connect(void *self, const struct vn_control_credentials *cred)
{
    const struct vn_control *c = real_control(self);
    bool was = enter(false);
    vn_status st = c->connect(c->self, cred);
    enter(was);
    return st;
}

static void guarded_disconnect(void *self)
{
    const struct vn_control *c = real_control(self);
    c->disconnect(c->self);
}

static vn_status guarded_subscribe(void *self, const char *subject, const char *queue)
{
    const struct vn_control *c = real_control(self);
    return c->subscribe(c->self, subject, queue);
}

static void guarded_unsubscribe(void *self, const char *subject)
{
    const struct vn_control *c = real_control(self);
    c->unsubscribe(c->self, subject);
}

static vn_status guarded_publish(void *self, const char *subject, struct vn_span payload)
{
    const struct vn_control *c = real_control(self);
    bool was = enter(false);
    vn_status st = c->publish(c->self, subject, payload);
    enter(was);
    return st;
}

static const struct vn_authority *real_authority(const struct vn_world_node *n)
{
    return vn_mem_authority_port(n->world->authority, n->member);
}

static void guarded_on_login(void *arg, struct vn_credentials *cred,
                             const struct vn_authority_error *err)
{
    struct vn_world_node *n = arg;
    bool was = enter(true);
    n->on_login(n->node, cred, err);
    enter(was);
}

static void guarded_on_taints(void *arg, const struct vn_taint_result *res,
                              const struct vn_authority_error *err)
{
    struct vn_world_node *n = arg;
    bool was = enter(true);
    n->on_taints(n->node, res, err);
    enter(was);
}

static void guarded_on_logout(void *arg, const struct vn_authority_error *err)
{
    struct vn_world_node *n = arg;
    bool was = enter(true);
    n->on_logout(n->node, err);
    enter(was);
}

/* The node passes itself as arg to each of them. */
static vn_status guarded_login(void *self, const struct vn_login_request *req,
                               void (*fn)(void *arg, struct vn_credentials *cred,
                                          const struct vn_authority_error *err),
                               void *arg)
{
    struct vn_world_node *n = self;
    const struct vn_authority *a = real_authority(n);
    bool was = enter(false);
    n->on_login = fn;
    n->node = arg;
    vn_status st = a->login(a->self, req, guarded_on_login, n);
    enter(was);
    return st;
}

static vn_status guarded_logout(void *self, const struct vn_id *node,
                                void (*fn)(void *arg, const struct vn_authority_error *err),
                                void *arg)
{
    struct vn_world_node *n = self;
    const struct vn_authority *a = real_authority(n);
    (void)arg;
    n->on_logout = fn;
    return a->logout(a->self, node, guarded_on_logout, n);
}

static vn_status guarded_change_taints(void *self, const char *const *add, size_t add_count,
                                       const char *const *remove, size_t remove_count,
                                       void (*fn)(void *arg, const struct vn_taint_result *res,
                                                  const struct vn_authority_error *err),
                                       void *arg)
{
    struct vn_world_node *n = self;
    const struct vn_authority *a = real_authority(n);
    (void)arg;
    n->on_taints = fn;
    return a->change_taints(a->self, add, add_count, remove, remove_count, guarded_on_taints, n);
}

static vn_status guarded_peers(void *self,
                               void (*fn)(void *arg, const struct vn_peer_entry *list, size_t count,
                                          const struct vn_authority_error *err),
                               void *arg)
{
    const struct vn_authority *a = real_authority(self);
    return a->peers(a->self, fn, arg);
}

static void guarded_cancel(void *self)
{
    const struct vn_authority *a = real_authority(self);
    a->cancel(a->self);
}

static void make_guards(struct vn_world_node *n)
{
    n->control = (struct vn_control){.self = n,
                                     .set_handler = guarded_set_handler,
                                     .connect = guarded_connect,
                                     .disconnect = guarded_disconnect,
                                     .subscribe = guarded_subscribe,
                                     .unsubscribe = guarded_unsubscribe,
                                     .publish = guarded_publish};
    n->authority = (struct vn_authority){.self = n,
                                         .login = guarded_login,
                                         .logout = guarded_logout,
                                         .change_taints = guarded_change_taints,
                                         .peers = guarded_peers,
                                         .cancel = guarded_cancel};
}

/* ---- ports ---- */

static vn_status fill(void *self, void *ret, size_t n)
{
    (void)self;
    return vn_rng_bytes(ret, n);
}

static vn_status submit(void *self, void (*fn)(void *arg), void (*done)(void *arg, bool cancelled),
                        void *arg)
{
    struct vn_world *w = self;
    bool was = enter(false);
    struct vn_world_job *j = calloc(1, sizeof(*j));
    if (!j)
        abort();
    enter(true);
    fn(arg);
    enter(was);
    j->done = done;
    j->arg = arg;
    *w->jobs_last = j;
    w->jobs_last = &j->next;
    return VN_OK;
}

static vn_status post_command(void *self, struct vn_post_msg *m)
{
    struct vn_world_node *n = self;
    m->next = NULL;
    *n->commands_last = m;
    n->commands_last = &m->next;
    return VN_OK;
}

static vn_status post_event(void *self, struct vn_post_msg *m)
{
    struct vn_world_node *n = self;
    m->next = NULL;
    *n->events_last = m;
    n->events_last = &m->next;
    return VN_OK;
}

static bool is_unreachable(struct vn_span p)
{
    bool v4 = p.n > 20 && p.p[0] >> 4 == 4;
    return v4 ? p.p[9] == 1 && p.p[20] == 3 : p.n > 40 && p.p[6] == 58 && p.p[40] == 1;
}

static vn_status tun_write(void *self, struct vn_span packet)
{
    struct vn_world_node *n = self;
    if (is_unreachable(packet))
        n->unreachables++;
    else
        vn_pktqueue_push(&n->written, vn_inner_copy(packet));
    return VN_OK;
}

static void on_online(void *arg, const struct vn_credentials *cred, uint16_t mtu_bytes)
{
    (void)cred;
    (void)mtu_bytes;
    ((struct vn_world_node *)arg)->online++;
}

static void on_refused(void *arg, vn_status why, const char *detail)
{
    (void)why;
    (void)detail;
    ((struct vn_world_node *)arg)->refused++;
}

static void on_stopped(void *arg)
{
    ((struct vn_world_node *)arg)->stopped++;
}

static void on_wish(void *arg, enum vn_node_wish wish)
{
    struct vn_world_node *n = arg;
    n->wants_stop = n->wants_stop || wish == VN_WISH_STOP;
    n->wants_new_keys = n->wants_new_keys || wish == VN_WISH_NEW_KEYS;
    vn_node_stop(n->node, n->world->now_us / 1000);
}

static size_t on_networks(void *arg, struct vn_local_network *ret, size_t cap)
{
    (void)arg;
    (void)cap;
    ret[0] = (struct vn_local_network){.interface = "eth0"};
    assert_ok(vn_prefix_parse("192.0.2.0/24", &ret[0].net));
    return 1;
}

/* ---- life ---- */

static uint64_t now_ms(const struct vn_world *w)
{
    return w->now_us / 1000;
}

void vn_world_init_net(struct vn_world *w, enum vn_suite suite, const struct vn_mem_net_config *net)
{
    *w = (struct vn_world){.now_us = 1000000};
    w->jobs_last = &w->jobs;
    w->random.fill = fill;
    w->work = (struct vn_work){.self = w, .submit = submit};
    w->authority = vn_mem_authority_new(suite);
    w->broker = vn_mem_broker_new();
    assert_ok(vn_mem_net_new(net, w->now_us, &w->net));
}

void vn_world_init(struct vn_world *w, enum vn_suite suite)
{
    vn_world_init_net(w, suite, &(struct vn_mem_net_config){.seed = 1, .delay_us = DELAY_US});
}

static void messages_free(struct vn_post_msg **list)
{
    while (*list) {
        struct vn_post_msg *m = *list;
        *list = m->next;
        vn_post_msg_free(m);
    }
}

static void node_stop(struct vn_world_node *n)
{
    n->node = vn_node_free(n->node);
    n->worker = vn_worker_free(n->worker);
    n->client = vn_mem_client_free(n->client);
    messages_free(&n->commands);
    messages_free(&n->events);
}

static void jobs_run(struct vn_world *w, bool cancelled)
{
    while (w->jobs) {
        struct vn_world_job *j = w->jobs;
        w->jobs = j->next;
        if (!w->jobs)
            w->jobs_last = &w->jobs;
        bool was = enter(true);
        j->done(j->arg, cancelled);
        enter(was);
        free(j);
    }
}

void vn_world_done(struct vn_world *w)
{
    vn_mem_broker_hook(w->broker, NULL, NULL);
    for (size_t i = 0; i < w->count; i++) {
        node_stop(&w->nodes[i]);
        vn_pktqueue_clear(&w->nodes[i].written);
    }
    jobs_run(w, true);
    w->authority = vn_mem_authority_free(w->authority);
    w->broker = vn_mem_broker_free(w->broker);
    w->net = vn_mem_net_free(w->net);
}

/* The node itself, on worker and ports that are there. */
static void core_start(struct vn_world_node *n)
{
    struct vn_world *w = n->world;
    const struct test_realm *r = vn_mem_authority_realm(w->authority);
    struct vn_node_config nc = {.realm = r->id,
                                .suite = r->suite->id,
                                .idle_ms = VN_WORLD_IDLE_MS,
                                .authority = &n->authority,
                                .control = &n->control,
                                .random = &w->random,
                                .work = &w->work,
                                .to_worker = &n->to_worker,
                                .shell = &n->shell,
                                .via = {n->via[0], n->via[1], n->via[2]},
                                .via_count = n->via_count,
                                .no_relay = n->no_relay,
                                .relay_rules = n->rules,
                                .avoid_countries = n->avoid,
                                .prefer_countries = n->prefer,
                                .keep_warm_count = n->keep_warm_count};
    memcpy(nc.keep_warm, n->keep_warm, sizeof(nc.keep_warm));
    assert_ok(vn_node_new(&nc, now_ms(w), &n->node));
    assert_ok(vn_node_start(n->node, now_ms(w)));
}

unsigned vn_world_owner(const struct vn_world_node *n)
{
    return (unsigned)(n - n->world->nodes) + 1;
}

void vn_world_cut(struct vn_world_node *a, struct vn_world_node *b, bool cut)
{
    vn_mem_net_cut(a->world->net, vn_world_owner(a), vn_world_owner(b), cut);
}

static void node_start(struct vn_world_node *n)
{
    struct vn_world *w = n->world;
    n->commands_last = &n->commands;
    n->events_last = &n->events;
    n->client = vn_mem_client_new(w->broker);
    make_guards(n);
    n->tun = (struct vn_tun_port){.self = n, .write = tun_write};
    n->to_worker = (struct vn_post){.self = n, .send = post_command};
    n->to_node = (struct vn_post){.self = n, .send = post_event};
    n->shell = (struct vn_node_shell){.arg = n,
                                      .online = on_online,
                                      .refused = on_refused,
                                      .stopped = on_stopped,
                                      .wish = on_wish,
                                      .networks = on_networks};
    const struct vn_worker_config wc = {.tether = vn_mem_net_port_of(w->net, vn_world_owner(n)),
                                        .tun = &n->tun,
                                        .to_node = &n->to_node,
                                        .random = &w->random};
    assert_ok(vn_worker_new(&wc, w->now_us, &n->worker));
    core_start(n);
    n->deaf = false;
}

static bool is_up(void *arg)
{
    const struct vn_world_node *n = arg;
    return n->online && vn_world_status(n).control == VN_CONTROL_UP;
}

void vn_world_pair(struct vn_world *w, enum vn_suite suite, const char *taints,
                   struct vn_world_node **ret_a, struct vn_world_node **ret_b)
{
    vn_world_init(w, suite);
    *ret_a = vn_world_add(w, "alice", taints);
    *ret_b = vn_world_add(w, "bob", taints);
}

int vn_world_setup(void **state)
{
    struct vn_world *w = calloc(1, sizeof(*w));
    struct vn_world_node *a, *b;
    assert_non_null(w);
    vn_world_pair(w, VN_SUITE_DEFAULT, *state ? *state : "home", &a, &b);
    *state = w;
    return 0;
}

int vn_world_teardown(void **state)
{
    vn_world_done(*state);
    free(*state);
    return 0;
}

struct vn_world_node *vn_world_add(struct vn_world *w, const char *tag, const char *taints)
{
    struct vn_world_node *n = &w->nodes[w->count++];
    n->world = w;
    n->member = vn_mem_authority_register(w->authority, tag, taints);
    node_start(n);
    assert_true(vn_world_until(w, is_up, n, 1000));
    return n;
}

struct vn_world_node *vn_world_add_via(struct vn_world *w, const char *tag, const char *taints,
                                       const char *const *via)
{
    struct vn_world_node *n = &w->nodes[w->count];
    while (via[n->via_count]) {
        n->via[n->via_count] = via[n->via_count];
        n->via_count++;
    }
    return vn_world_add(w, tag, taints);
}

struct vn_world_node *vn_world_clone(struct vn_world_node *of)
{
    struct vn_world *w = of->world;
    struct vn_world_node *n = &w->nodes[w->count++];
    n->world = w;
    n->member = of->member;
    node_start(n);
    assert_true(vn_world_until(w, is_up, n, 1000));
    return n;
}

void vn_world_kill(struct vn_world_node *n)
{
    const struct vn_control *c = vn_mem_client_port(n->client);
    n->deaf = true;
    c->disconnect(c->self);
}

void vn_world_revive(struct vn_world_node *n)
{
    /* Freed only now: its tethers fell silent when it was killed. */
    node_stop(n);
    n->online = 0;
    node_start(n);
    assert_true(vn_world_until(n->world, is_up, n, 1000));
}

void vn_world_restart(struct vn_world_node *n)
{
    vn_world_kill(n);
    vn_world_revive(n);
}

/* ---- time ---- */

/* What the daemon does when Guardian commanded new keys: the worker stays, with its egressers. */
static void renew_keys(struct vn_world_node *n)
{
    bool was = enter(true);
    n->node = vn_node_free(n->node);
    enter(was);
    n->wants_new_keys = false;
    n->stopped = 0;
    core_start(n);
}

static void step_node(struct vn_world_node *n)
{
    struct vn_world *w = n->world;
    if (n->wants_new_keys && n->stopped)
        renew_keys(n);
    if (n->deaf) {
        messages_free(&n->commands);
        messages_free(&n->events);
        n->commands_last = &n->commands;
        n->events_last = &n->events;
        return;
    }
    while (n->events || n->commands) {
        struct vn_post_msg *m;
        if ((m = n->commands)) {
            n->commands = m->next;
            if (!n->commands)
                n->commands_last = &n->commands;
            vn_worker_command(n->worker, m, w->now_us);
        }
        if ((m = n->events)) {
            n->events = m->next;
            if (!n->events)
                n->events_last = &n->events;
            bool was = enter(true);
            vn_node_event(n->node, m, now_ms(w));
            enter(was);
        }
    }
    bool was = enter(true);
    vn_node_tick(n->node, now_ms(w));
    enter(was);
    vn_worker_tick(n->worker, w->now_us);
    vn_worker_flush(n->worker, w->now_us);
}

static bool busy(const struct vn_world *w)
{
    bool any = w->jobs && !w->hold_jobs;
    for (size_t i = 0; i < w->count; i++)
        any = any || w->nodes[i].events || w->nodes[i].commands;
    return any || vn_mem_net_next(w->net) <= w->now_us ||
           vn_mem_broker_next(w->broker) <= now_ms(w) ||
           vn_mem_authority_next(w->authority) <= now_ms(w);
}

static void turn(struct vn_world *w)
{
    for (unsigned i = 0; i < 10000; i++) {
        for (size_t k = 0; k < w->count; k++) {
            if (!w->nodes[k].deaf) {
                vn_node_set_now(w->nodes[k].node, now_ms(w));
                vn_worker_set_now(w->nodes[k].worker, w->now_us);
            }
        }
        vn_mem_authority_run(w->authority, now_ms(w));
        vn_mem_broker_run(w->broker, now_ms(w));
        if (!w->hold_jobs)
            jobs_run(w, false);
        vn_mem_net_run(w->net, w->now_us);
        for (size_t k = 0; k < w->count; k++)
            step_node(&w->nodes[k]);
        if (!busy(w))
            return;
    }
    fail_msg("the world does not come to rest");
}

static uint64_t next_us(const struct vn_world *w)
{
    uint64_t next = vn_mem_net_next(w->net), ms = vn_mem_broker_next(w->broker);
    next = VN_MIN(next, ms == UINT64_MAX ? ms : ms * 1000);
    for (size_t i = 0; i < w->count; i++) {
        const struct vn_world_node *n = &w->nodes[i];
        if (n->deaf)
            continue;
        ms = vn_node_next_deadline(n->node);
        next = VN_MIN(next, ms == UINT64_MAX ? ms : ms * 1000);
        next = VN_MIN(next, vn_worker_next_deadline(n->worker));
    }
    return next;
}

bool vn_world_until(struct vn_world *w, bool (*fn)(void *arg), void *arg, uint64_t at_most_ms)
{
    uint64_t end = w->now_us + at_most_ms * 1000;
    for (;;) {
        turn(w);
        if (fn && fn(arg))
            return true;
        if (w->now_us >= end)
            return false;
        uint64_t next = next_us(w);
        /* A whole millisecond at least, since the node counts in those. */
        w->now_us = VN_MIN(VN_MAX(next, w->now_us + 1000), end);
    }
}

void vn_world_run(struct vn_world *w, uint64_t ms)
{
    (void)vn_world_until(w, NULL, NULL, ms);
}

/* ---- traffic ---- */

void vn_world_send(struct vn_world_node *from, const struct vn_world_node *to, bool v6,
                   uint32_t number)
{
    char src[VN_IP_TEXT], dst[VN_IP_TEXT];
    const struct vn_mem_member *a = vn_mem_authority_member(from->world->authority, from->member);
    const struct vn_mem_member *b = vn_mem_authority_member(from->world->authority, to->member);
    vn_ip_format(v6 ? &a->ip6 : &a->ip4, src);
    vn_ip_format(v6 ? &b->ip6 : &b->ip4, dst);
    const struct vn_inner i = {
        .src = src, .dst = dst, .dscp = from->dscp, .payload_len = 64, .number = number};
    vn_worker_tun_input(from->worker, vn_inner_new(&i), from->world->now_us);
    vn_worker_flush(from->worker, from->world->now_us);
}

bool vn_world_received(struct vn_world_node *n, uint32_t number)
{
    struct vn_pktbuf *b;
    bool found = false;
    while (!found && (b = vn_pktqueue_pop(&n->written))) {
        found = vn_inner_number(vn_pktbuf_span(b)) == number;
        vn_pktbuf_free(b);
    }
    return found;
}

struct wait {
    struct vn_world_node *to;
    uint32_t number;
};

static bool has_come(void *arg)
{
    const struct wait *w = arg;
    return vn_world_received(w->to, w->number);
}

uint64_t vn_world_ping(struct vn_world_node *from, struct vn_world_node *to, bool v6,
                       uint64_t at_most_ms)
{
    static uint32_t number = 1000;
    struct wait w = {to, ++number};
    uint64_t start = now_ms(from->world);
    vn_world_send(from, to, v6, number);
    return vn_world_until(from->world, has_come, &w, at_most_ms) ? now_ms(from->world) - start
                                                                 : UINT64_MAX;
}

struct vn_node_status vn_world_status(const struct vn_world_node *n)
{
    struct vn_node_status s;
    vn_node_get_status(n->node, &s);
    return s;
}

uint64_t vn_world_drops(const struct vn_world_node *n)
{
    struct vn_node_status s = vn_world_status(n);
    uint64_t sum = 0;
    for (size_t i = 0; i < VN_NDROP_COUNT; i++)
        sum += s.drops[i];
    return sum;
}

uint64_t vn_world_drops_of(const struct vn_world_node *n, enum vn_node_drop why)
{
    return vn_world_status(n).drops[why];
}

struct vn_id vn_world_id(const struct vn_world_node *n)
{
    return n->node->session.self;
}

struct vn_peer *vn_world_peer(const struct vn_world_node *n, const struct vn_world_node *other)
{
    return vn_peer_get(n->node, &other->node->session.self);
}

bool vn_world_is_circuit_msg(enum vn_tether_class cls, const struct vn_pktbuf *b,
                             struct vn_circuit_msg *ret)
{
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    return cls == VN_TETHER_CONTROL && vn_hop_decode(&r, &hop) && hop.type == VN_HOP_CIRCUIT &&
           vn_circuit_decode(vn_reader_rest(&r), ret) == VN_OK;
}

static void on_taints(void *arg, const struct vn_authority_error *err)
{
    assert_null(err);
    *(bool *)arg = true;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

void vn_world_taints(struct vn_world_node *n, const char *add, const char *remove)
{
    bool done = false;
    assert_ok(vn_node_change_taints(n->node, &add, add ? 1 : 0, &remove, remove ? 1 : 0, on_taints,
                                    &done));
    assert_true(vn_world_until(n->world, is_true, &done, 1000));
}

static void copy_counters(void *arg, const struct vn_ev_stats *s)
{
    *(struct vn_worker_counters *)arg = s->counters;
}

struct vn_worker_counters vn_world_counters(struct vn_world_node *n)
{
    struct vn_worker_counters c = {0};
    assert_ok(vn_node_stats(n->node, copy_counters, &c));
    vn_world_run(n->world, 0);
    return c;
}

static void print_stats(void *arg, const struct vn_ev_stats *s)
{
    (void)arg;
    fprintf(stderr, "tun rx %lu tx %lu sealed %lu opened %lu", s->counters.tun_rx_packets,
            s->counters.tun_tx_packets, s->counters.frames_sealed, s->counters.frames_opened);
    for (unsigned i = 0; i < VN_DROP_COUNT; i++) {
        if (s->counters.drops[i])
            fprintf(stderr, " %s=%lu", vn_worker_drop_name(i), s->counters.drops[i]);
    }
    struct vn_node_status st = vn_world_status(arg);
    for (unsigned i = 0; i < VN_NDROP_COUNT; i++) {
        if (st.drops[i])
            fprintf(stderr, " node:%s=%lu", vn_node_drop_name(i), st.drops[i]);
    }
    fprintf(stderr, "\n");
}

void vn_world_print(struct vn_world_node *n)
{
    assert_ok(vn_node_stats(n->node, print_stats, n));
    vn_world_run(n->world, 0);
}
