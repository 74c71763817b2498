#include "guardian/link.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "control/nats.h"
#include "guardian/accounts.h"
#include "guardian/address.h"
#include "guardian/command.h"
#include "guardian/link_own.h"
#include "guardian/realm_rule.h"
#include "guardian/revoke.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "wire/names.h"

#define TICK_MS 1000

struct waiting {
    struct vn_list entry;
    uint64_t until_ms;
    char subject[96];
    size_t n;
    uint8_t payload[];
};

struct link {
    struct vn_list entry;
    struct vn_links *all;
    struct vn_realm *realm; /* NULL: the system account */
    struct vn_nats *nats;
    enum vn_control_state state;
    uint64_t used_ms, connected_ms; /* monotonic */
    bool reconnect;                 /* the broker refused our credentials */
    bool awaited;                   /* revocations wait for it: it stays until it is up */
    struct vn_list waiting;
    size_t count;
};

struct vn_links {
    struct vn_guardian *g;
    struct vn_io io;
    struct vn_list links;
    uv_timer_t timer;
};

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

/* ---- connecting ---- */

static const char *name_of(const struct link *k)
{
    return k->realm ? k->realm->r.name : "(system account)";
}

static vn_status connect_link(struct link *k)
{
    const struct vn_guardian_config *cfg = &k->all->g->cfg;
    struct vn_realm *now;
    if (k->realm && vn_guardian_realm(k->all->g, &k->realm->r.id, &now) == VN_OK) {
        vn_realm_unref(k->realm); /* its signing key may be another one by now */
        k->realm = now;
    }
    VN_CLEANUP(vn_link_own_done) struct vn_link_own o = {0};
    vn_status st = vn_link_own_make(cfg, k->realm, &o);
    if (st != VN_OK)
        return st;
    /* Our own Master: over the loopback where it listens there. */
    char host[VN_HOST_MAX + 2], url[VN_URL_MAX];
    bool loopback = strcmp(cfg->listen_host, "*") == 0 || strcmp(cfg->listen_host, "0.0.0.0") == 0;
    vn_host_format(loopback                              ? "127.0.0.1"
                   : strcmp(cfg->listen_host, "::") == 0 ? "::1"
                                                         : cfg->listen_host,
                   host);
    snprintf(url, sizeof(url), "tls://%s:%u", host, cfg->master_port);
    const char *urls[] = {url};
    const struct vn_control_credentials cred = {
        .urls = urls,
        .url_count = 1,
        .jwt = o.jwt,
        .nkey_seed = o.seed,
        .ca_pem = cfg->ca_cert_pem,
        .cert_pem = o.cert_pem,
        .key_pem = o.key_pem,
    };
    const struct vn_control *c = vn_nats_port(k->nats);
    st = c->connect(c->self, &cred);
    vn_wipe((void *)&cred.nkey_seed, sizeof(cred.nkey_seed));
    if (st == VN_OK)
        k->connected_ms = mono_ms();
    return st;
}

/* ---- sending ---- */

static vn_status send_now(struct link *k, const char *subject, struct vn_span payload)
{
    const struct vn_control *c = vn_nats_port(k->nats);
    return k->state == VN_CONTROL_UP ? c->publish(c->self, subject, payload) : VN_ERR_AGAIN;
}

static void drop(struct link *k, struct waiting *w)
{
    vn_list_remove(&w->entry);
    k->count--;
    free(w);
}

static void send_waiting(struct link *k)
{
    VN_LIST_EACH(it, &k->waiting)
    {
        struct waiting *w = VN_LIST_ENTRY(it, struct waiting, entry);
        if (send_now(k, w->subject, VN_SPAN(w->payload, w->n)) != VN_OK)
            return;
        drop(k, w);
    }
}

/* Sends what waits, and says so to those who wait for that. */
static void drain(struct link *k)
{
    if (!k->realm) {
        if (k->state == VN_CONTROL_UP)
            vn_accounts_go_on(k->all->g);
        return;
    }
    send_waiting(k);
    if (!k->awaited || k->state != VN_CONTROL_UP || k->count > 0)
        return;
    k->awaited = false;
    vn_revoke_publish(k->all->g);
    vn_realm_rule_publish(k->all->g);
}

static void on_state(void *arg, enum vn_control_state state, const char *reason)
{
    struct link *k = arg;
    const bool was_up = k->state == VN_CONTROL_UP;
    k->state = state;
    vn_log(VN_LOG_DEBUG, "link_state", VN_KV_STR("realm", name_of(k)), VN_KV_U64("state", state),
           VN_KV_STR("detail", reason ? reason : ""));
    if (state == VN_CONTROL_REFUSED)
        k->reconnect = true; /* with new credentials, at the next tick */
    else if (state == VN_CONTROL_UP)
        drain(k);
    if (was_up && state != VN_CONTROL_UP && !k->realm)
        vn_accounts_lost(k->all->g);
}

static void on_message(void *arg, const char *subject, struct vn_span payload)
{
    const struct link *k = arg;
    if (k->realm)
        vn_commands_on_message(k->all->g, k->realm, subject, payload);
    else
        vn_accounts_on_message(k->all->g, subject, payload);
}

/* What nodes and Master answer. */
static vn_status subscribe(struct link *k)
{
    char inbox[VN_SUBJECT_MAX];
    const struct vn_control *c = vn_nats_port(k->nats);
    if (!k->realm)
        return c->subscribe(c->self, VN_CLAIMS_ANSWERS, NULL);
    vn_subject_pattern(VN_SUBJ_IN, &k->realm->gid, inbox);
    return c->subscribe(c->self, inbox, NULL);
}

/* ---- life ---- */

static void link_free(struct link *k)
{
    VN_LIST_EACH(it, &k->waiting)
    {
        drop(k, VN_LIST_ENTRY(it, struct waiting, entry));
    }
    vn_list_remove(&k->entry);
    vn_nats_free(k->nats);
    vn_realm_unref(k->realm);
    free(k);
}

static void tick(struct link *k, uint64_t now)
{
    VN_LIST_EACH(it, &k->waiting)
    {
        struct waiting *w = VN_LIST_ENTRY(it, struct waiting, entry);
        if (w->until_ms > now)
            break; /* in order of arrival */
        vn_log(VN_LOG_WARN, "message_undeliverable", VN_KV_STR("realm", name_of(k)));
        drop(k, w);
    }
    if (!k->realm && vn_accounts_busy(k->all->g))
        k->used_ms = now;
    if (now - k->used_ms > VN_LINK_IDLE_MS && k->count == 0 && !k->awaited) {
        link_free(k);
        return;
    }
    if (k->reconnect || now - k->connected_ms > VN_LINK_OWN_MS / 2) {
        k->reconnect = false;
        vn_status st = connect_link(k);
        if (st != VN_OK)
            vn_log(VN_LOG_ERROR, "link_failed", VN_KV_STATUS(st));
    }
    drain(k);
}

static void on_timer(uv_timer_t *t)
{
    struct vn_links *l = t->data;
    uint64_t now = mono_ms();
    VN_LIST_EACH(it, &l->links)
    {
        tick(VN_LIST_ENTRY(it, struct link, entry), now);
    }
    if (vn_list_empty(&l->links))
        uv_timer_stop(t);
}

static vn_status link_new(struct vn_links *l, struct vn_realm *realm, struct link **ret)
{
    struct link *k = calloc(1, sizeof(*k));
    if (!k)
        return VN_ERR_NOMEM;
    k->all = l;
    k->realm = realm ? vn_realm_ref(realm) : NULL;
    vn_list_init(&k->waiting);
    vn_list_init(&k->entry);
    vn_status st = vn_nats_new(&l->io, &k->nats);
    if (st == VN_OK) {
        vn_nats_set_payload_max(k->nats, VN_MASTER_PAYLOAD_MAX);
        const struct vn_control *c = vn_nats_port(k->nats);
        const struct vn_control_handler h = {.arg = k, .message = on_message, .state = on_state};
        c->set_handler(c->self, &h);
        st = subscribe(k);
        if (st == VN_OK)
            st = connect_link(k);
    }
    if (st != VN_OK) {
        link_free(k);
        return st;
    }
    vn_list_append(&l->links, &k->entry);
    uv_timer_start(&l->timer, on_timer, TICK_MS, TICK_MS);
    *ret = k;
    return VN_OK;
}

static vn_status find_or_new(struct vn_links *l, struct vn_realm *realm, struct link **ret)
{
    struct link *k = NULL;
    VN_LIST_EACH(it, &l->links)
    {
        struct link *one = VN_LIST_ENTRY(it, struct link, entry);
        if (realm ? one->realm && vn_id_equal(&one->realm->r.id, &realm->r.id) : !one->realm)
            k = one;
    }
    vn_status st = k ? VN_OK : link_new(l, realm, &k);
    if (st == VN_OK) {
        k->used_ms = mono_ms();
        *ret = k;
    }
    return st;
}

bool vn_links_ready(struct vn_links *l, struct vn_realm *realm)
{
    struct link *k;
    vn_status st = find_or_new(l, realm, &k);
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "link_failed", VN_KV_STATUS(st));
        return false;
    }
    k->awaited = k->state != VN_CONTROL_UP || k->count > 0;
    return !k->awaited;
}

void vn_links_renew(struct vn_links *l, const struct vn_id *realm)
{
    VN_LIST_EACH(it, &l->links)
    {
        struct link *k = VN_LIST_ENTRY(it, struct link, entry);
        if (k->realm && vn_id_equal(&k->realm->r.id, realm))
            k->reconnect = true; /* at the next tick */
    }
}

vn_status vn_links_publish(struct vn_links *l, struct vn_realm *realm, const char *subject,
                           struct vn_span payload)
{
    struct link *k;
    vn_status st = find_or_new(l, realm, &k);
    if (st != VN_OK)
        return st;
    if (k->count == 0 && send_now(k, subject, payload) == VN_OK)
        return VN_OK;
    if (k->count >= VN_LINK_QUEUE_MAX)
        return VN_ERR_LIMIT;
    struct waiting *w = calloc(1, sizeof(*w) + payload.n);
    if (!w)
        return VN_ERR_NOMEM;
    w->until_ms = k->used_ms + VN_LINK_WAIT_MS;
    w->n = payload.n;
    memcpy(w->payload, payload.p, payload.n);
    snprintf(w->subject, sizeof(w->subject), "%s", subject);
    vn_list_append(&k->waiting, &w->entry);
    k->count++;
    return VN_OK;
}

vn_status vn_links_master(struct vn_links *l)
{
    struct link *k;
    vn_status st = find_or_new(l, NULL, &k);
    return st == VN_OK && k->state != VN_CONTROL_UP ? VN_ERR_AGAIN : st;
}

vn_status vn_links_ask_master(struct vn_links *l, const char *subject, const char *answer,
                              struct vn_span payload)
{
    struct link *k;
    vn_status st = find_or_new(l, NULL, &k);
    return st == VN_OK ? vn_nats_ask(k->nats, subject, answer, payload) : st;
}

vn_status vn_links_new(struct vn_guardian *g, struct vn_links **ret)
{
    struct vn_links *l = calloc(1, sizeof(*l));
    if (!l)
        return VN_ERR_NOMEM;
    l->g = g;
    l->io = (struct vn_io)VN_LOOP_IO(g->loop);
    vn_list_init(&l->links);
    uv_timer_init(g->uv, &l->timer);
    l->timer.data = l;
    *ret = l;
    return VN_OK;
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_links_free(struct vn_links *l)
{
    if (!l)
        return;
    VN_LIST_EACH(it, &l->links)
    {
        link_free(VN_LIST_ENTRY(it, struct link, entry));
    }
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
