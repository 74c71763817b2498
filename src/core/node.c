/*
 * The node's life, and what reaches it from its ports.
 *
 * timer        armed by               disarmed by         fires
 * stop_timer   vn_node_stop (2 s)     logout answered     stopped without Guardian's answer
 */
#include "core/node.h"

#include "core/node_i.h"

#define STOP_WAIT_MS 2000u
#define REFUSED_RENEWAL_MS VN_PACED_MS(30000u, 1000u) /* not all nodes at once */

uint64_t vn_jitter(struct vn_node *n, uint64_t ms)
{
    uint32_t r = 0;
    if (vn_random_fill(n, &r, sizeof(r)) != VN_OK)
        r = 0;
    return ms - ms / 4 + (ms / 2) * (r % 1024) / 1024;
}

/* ---- ports ---- */

static void on_message(void *arg, const char *subject, struct vn_span payload)
{
    vn_inbox_message(arg, subject, payload);
}

static void ignore_message(void *arg, const char *subject, struct vn_span payload)
{
    (void)arg;
    (void)subject;
    (void)payload;
}

static void ignore_state(void *arg, enum vn_control_state state, const char *reason)
{
    (void)arg;
    (void)state;
    (void)reason;
}

static void on_control_state(void *arg, enum vn_control_state state, const char *reason)
{
    struct vn_node *n = arg;
    struct vn_session *s = &n->session;
    bool changed = s->control != state;
    s->control = state;
    snprintf(s->control_reason, sizeof(s->control_reason), "%s", reason ? reason : "");
    static const char *const names[] = {"down", "up", "refused"};
    if (changed)
        vn_log(state == VN_CONTROL_UP ? VN_LOG_INFO : VN_LOG_WARN, "control_state",
               VN_KV_STR("state", names[state]), VN_KV_STR("detail", s->control_reason));
    if (changed)
        vn_inband_control(n);
    if (state == VN_CONTROL_UP)
        vn_queries_kick(n);
    else if (state == VN_CONTROL_REFUSED && changed && n->state == VN_NODE_ONLINE)
        vn_session_renew_within(n, REFUSED_RENEWAL_MS); /* Guardian says why, or helps */
    if (changed && state == VN_CONTROL_UP) {
        vn_session_control_up(n);
        if (n->state == VN_NODE_ONLINE)
            vn_dests_retry(n); /* what could not be asked for */
    }
}

void vn_node_event(struct vn_node *n, struct vn_post_msg *m, uint64_t now_ms)
{
    vn_node_set_now(n, now_ms);
    /* The message begins with m; which one it is, its type says. */
    void *e = m;
    switch (m->type) {
    case VN_EV_DEST_WANTED:
        vn_dest_wanted(n, &((struct vn_ev_dest *)e)->ip);
        break;
    case VN_EV_DEST_IDLE:
        vn_dest_idle(n, &((struct vn_ev_dest *)e)->ip);
        break;
    case VN_EV_TX_IDLE:
        vn_stream_event_idle(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TX_SENT:
        vn_learn_event_sent(n, (const struct vn_ev_sent *)e);
        break;
    case VN_EV_TX_KEM_DUE:
        vn_rekey_event_due(n, e);
        break;
    case VN_EV_TX_KEM:
        vn_rekey_event_tx(n, e);
        break;
    case VN_EV_RX_KEM:
        vn_rekey_event_rx(n, e);
        break;
    case VN_EV_RX_KEM_BEGUN:
        vn_rekey_event_begun(n, e);
        break;
    case VN_EV_RX_FIRST:
        vn_stream_event_first(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_RX_TALLY:
        vn_delivery_event_tally(n, e);
        break;
    case VN_EV_RX_REPORT:
        vn_delivery_event(n, e);
        break;
    case VN_EV_RX_LOST:
        vn_stream_event_lost(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_CANDIDATE:
        vn_hop_event_candidate(n, ((struct vn_ev_tether_candidate *)e)->tether,
                               &((struct vn_ev_tether_candidate *)e)->candidate);
        break;
    case VN_EV_TETHER_GATHERED:
        vn_hop_event_gathered(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_UP:
        vn_hop_event_up(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_STRANDED:
        vn_hop_event_stranded(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_BETTER:
        vn_hop_event_better(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_WORN:
        vn_hop_event_worn(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_RESTARTED:
        vn_hop_event_restarted(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_TETHER_DOWN:
        vn_hop_event_down(n, ((struct vn_ev_tether_down *)e)->tether,
                          ((struct vn_ev_tether_down *)e)->why);
        break;
    case VN_EV_TETHER_MESSAGE:
        vn_hop_event_message(n, ((struct vn_ev_tether_message *)e)->tether,
                             vn_pktbuf_span(((struct vn_ev_tether_message *)e)->buf));
        break;
    case VN_EV_RELAY_IDLE:
        vn_relay_event_idle(n, ((struct vn_ev_handle *)e)->handle);
        break;
    case VN_EV_STATS:
        vn_node_on_stats(n, e);
        break;
    default:
        break;
    }
    vn_post_msg_free(m);
}

/* ---- time ---- */

void vn_node_set_now(struct vn_node *n, uint64_t now_ms)
{
    n->now_ms = VN_MAX(n->now_ms, now_ms);
    n->timers.now_ms = n->now_ms;
}

void vn_node_tick(struct vn_node *n, uint64_t now_ms)
{
    vn_node_set_now(n, now_ms);
    vn_timers_run(&n->timers, n->now_ms);
}

uint64_t vn_node_next_deadline(const struct vn_node *n)
{
    return vn_timers_next(&n->timers);
}

/* ---- life ---- */

static void on_stop_timer(void *arg)
{
    vn_node_stopped(arg);
}

vn_status vn_node_new(const struct vn_node_config *cfg, uint64_t now_ms, struct vn_node **ret)
{
    const struct vn_suite_info *suite = vn_suite_get(cfg->suite);
    if (!suite)
        return VN_ERR_UNSUPPORTED;
    struct vn_node *n = calloc(1, sizeof(*n));
    if (!n)
        return VN_ERR_NOMEM;
    n->cfg = *cfg;
    n->cfg.idle_ms = cfg->idle_ms ? cfg->idle_ms : VN_IDLE_MS;
    n->cfg.mtu_bytes = cfg->mtu_bytes ? cfg->mtu_bytes : VN_MTU_DEFAULT;
    n->suite = suite;
    n->state = VN_NODE_NEW;
    vn_node_stats_init(n);
    vn_timer_init(&n->stop_timer, on_stop_timer, n);
    vn_node_set_now(n, now_ms);
    vn_admin_init(n);
    vn_status st = vn_node_ref_new(n, &n->ref);
    if (st == VN_OK)
        st = vn_random_fill(n, &n->last_handle, sizeof(n->last_handle));
    if (st == VN_OK)
        st = vn_peers_init(n);
    if (st == VN_OK)
        st = vn_seen_init(n);
    if (st == VN_OK)
        st = vn_turns_init(n);
    if (st == VN_OK)
        st = vn_jobs_init(n);
    if (st == VN_OK)
        st = vn_queries_init(n);
    if (st == VN_OK)
        st = vn_dests_init(n);
    if (st == VN_OK)
        st = vn_streams_init(n);
    if (st == VN_OK)
        st = vn_hops_init(n);
    if (st == VN_OK)
        st = vn_relaying_init(n);
    vn_routes_init(n);
    vn_relay_policy_init(n);
    vn_warm_init(n);
    vn_inband_init(n);
    vn_places_init(n);
    if (st == VN_OK)
        st = vn_revocations_init(n);
    vn_generations_init(n);
    vn_member_stun_init(n);
    if (st == VN_OK)
        st = vn_session_init(n);
    if (st != VN_OK) {
        vn_node_free(n);
        return st;
    }
    *ret = n;
    return VN_OK;
}

struct vn_node *vn_node_free(struct vn_node *n)
{
    if (!n)
        return NULL;
    if (n->state != VN_NODE_NEW) {
        n->cfg.authority->cancel(n->cfg.authority->self);
        n->cfg.control->set_handler(
            n->cfg.control->self,
            &(struct vn_control_handler){.message = ignore_message, .state = ignore_state});
        vn_own_unsubscribe(n); /* the next node on this connection has another id */
        n->cfg.control->disconnect(n->cfg.control->self);
    }
    vn_inband_done(n);
    vn_hops_done(n);
    vn_relaying_done(n);
    vn_places_done(n);
    vn_warm_done(n);
    vn_streams_done(n);
    vn_dests_done(n);
    vn_queries_done(n);
    vn_revocations_done(n);
    vn_generations_done(n);
    vn_member_stun_done(n);
    vn_quarantine_done(n);
    vn_admin_done(n);
    vn_jobs_done(n);
    vn_turns_done(n);
    vn_seen_done(n);
    vn_cookies_wipe(&n->cookies);
    vn_peers_done(n);
    vn_session_done(n);
    vn_node_stats_done(n);
    if (n->ref)
        n->ref->node = NULL;
    vn_node_ref_unref(n->ref);
    vn_wipe(n, sizeof(*n));
    free(n);
    return NULL;
}

vn_status vn_node_start(struct vn_node *n, uint64_t now_ms)
{
    if (n->state != VN_NODE_NEW)
        return VN_ERR_STATE;
    vn_node_set_now(n, now_ms);
    n->state = VN_NODE_EXPECT_CREDENTIALS;
    n->cfg.control->set_handler(
        n->cfg.control->self,
        &(struct vn_control_handler){.arg = n, .message = on_message, .state = on_control_state});
    vn_session_login(n);
    return VN_OK;
}

void vn_node_stopped(struct vn_node *n)
{
    if (n->state != VN_NODE_STOPPING)
        return;
    n->state = VN_NODE_STOPPED;
    vn_timer_disarm(&n->timers, &n->stop_timer);
    n->cfg.authority->cancel(n->cfg.authority->self);
    n->cfg.control->disconnect(n->cfg.control->self);
    n->cfg.shell->stopped(n->cfg.shell->arg);
}

static void on_logout(void *arg, const struct vn_authority_error *err)
{
    (void)err; /* the session expires by itself too */
    vn_node_stopped(arg);
}

void vn_node_stop(struct vn_node *n, uint64_t now_ms)
{
    vn_node_set_now(n, now_ms);
    if (n->state == VN_NODE_STOPPING || n->state == VN_NODE_STOPPED)
        return;
    vn_streams_close_all(n, VN_CLOSE_STOPPING);
    vn_hops_close_all(n);
    vn_timer_disarm(&n->timers, &n->session.login_timer);
    vn_timer_disarm(&n->timers, &n->session.rotate_timer);
    bool started = n->state != VN_NODE_NEW;
    n->state = VN_NODE_STOPPING;
    vn_timer_arm(&n->timers, &n->stop_timer, n->now_ms + STOP_WAIT_MS);
    if (started && n->session.cred)
        n->cfg.authority->cancel(n->cfg.authority->self);
    /* Who was refused has no session to end. */
    if (!started || !n->session.cred || n->session.refused ||
        n->cfg.authority->logout(n->cfg.authority->self, &n->session.self, on_logout, n) != VN_OK)
        vn_timer_arm(&n->timers, &n->stop_timer, n->now_ms);
}
