#include "core/admin.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

/* A query that waits for the worker's counters; found again by its id, since it may be gone by
 * then. */
struct ask {
    struct vn_list all;
    struct vn_node *node;
    uint8_t id[VN_COMMAND_ID_LEN];
    bool health;
    size_t offset;
};

void vn_admin_init(struct vn_node *n)
{
    n->admin.started_ms = n->now_ms;
    vn_list_init(&n->admin.asks);
}

static void ask_free(struct vn_node *n, struct ask *a)
{
    vn_list_remove(&a->all);
    n->admin.ask_count--;
    free(a);
}

void vn_admin_done(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->admin.asks)
    ask_free(n, VN_LIST_ENTRY(it, struct ask, all));
}

/* ---- answering ---- */

struct reply {
    struct vn_node *n;
    const uint8_t *id; /* NULL: none is wanted */
    void (*sent)(struct vn_node *n);
};

static void send(void *arg, Vn__CommandAnswer *m)
{
    const struct reply *r = arg;
    struct vn_node *n = r->n;
    const struct vn_realm_info *realm = &n->session.cred->realm;
    if (!r->id) {
        if (r->sent)
            r->sent(n);
        return;
    }
    m->id = (ProtobufCBinaryData){VN_COMMAND_ID_LEN, (uint8_t *)r->id};
    m->statement = n->session.statement.number;
    vn_status st = vn_outbox_send(n, &(struct vn_outgoing){
                                         .type = VN_T_COMMAND_ANSWER,
                                         .dst = realm->gid,
                                         .ek = VN_SPAN(realm->guardian_ek.p, realm->guardian_ek.n),
                                         .body = &m->base,
                                         .sent = r->sent,
                                     });
    if (st == VN_OK)
        return;
    vn_drop(n, VN_NDROP_LIMIT);
    if (r->sent)
        r->sent(n); /* what Guardian wants does not depend on its hearing of it */
}

static void answer(struct reply *r, enum vn_command_result result)
{
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    m.result = result;
    send(r, &m);
}

/* ---- queries that need the worker ---- */

static void on_stats(void *arg, const struct vn_ev_stats *stats)
{
    struct ask *a = arg;
    struct vn_node *n = a->node;
    struct reply r = {.n = n, .id = a->id};
    const struct vn_admin_send to = {.arg = &r, .send = send};
    if (n->state == VN_NODE_ONLINE && !stats)
        answer(&r, VN_COMMAND_FAILED);
    else if (n->state == VN_NODE_ONLINE && a->health)
        vn_admin_health(n, stats, &to);
    else if (n->state == VN_NODE_ONLINE)
        vn_admin_sessions(n, stats, a->offset, &to);
    ask_free(n, a);
}

static void ask_worker(struct reply *r, bool health, size_t offset)
{
    struct vn_node *n = r->n;
    if (!r->id)
        return;
    struct ask *a = n->admin.ask_count < VN_COMMAND_STATS_MAX ? calloc(1, sizeof(*a)) : NULL;
    if (!a) {
        answer(r, VN_COMMAND_FAILED);
        return;
    }
    *a = (struct ask){.node = n, .health = health, .offset = offset};
    memcpy(a->id, r->id, sizeof(a->id));
    vn_list_init(&a->all);
    vn_list_append(&n->admin.asks, &a->all);
    n->admin.ask_count++;
    if (vn_node_stats(n, on_stats, a) != VN_OK) {
        ask_free(n, a);
        answer(r, VN_COMMAND_FAILED);
    }
}

/* ---- acts ---- */

static enum vn_command_result quarantine(struct vn_node *n, const Vn__Quarantine *m)
{
    if (m->n_addrs > VN_QUARANTINE_ADDRS_MAX || !m->number)
        return VN_COMMAND_BAD;
    struct vn_quarantine_list l = {.number = m->number, .all = m->all, .count = m->n_addrs};
    l.addrs = calloc(m->n_addrs + 1, sizeof(*l.addrs));
    if (!l.addrs)
        return VN_COMMAND_FAILED;
    for (size_t i = 0; i < m->n_addrs; i++) {
        if (m->addrs[i].len != sizeof(l.addrs[i].b)) {
            free(l.addrs);
            return VN_COMMAND_BAD;
        }
        memcpy(l.addrs[i].b, m->addrs[i].data, sizeof(l.addrs[i].b));
    }
    vn_quarantine_set(n, &l);
    return VN_COMMAND_DONE;
}

static void take_new_keys(struct vn_node *n)
{
    n->cfg.shell->wish(n->cfg.shell->arg, VN_WISH_NEW_KEYS);
}

static void shut_down(struct vn_node *n)
{
    n->cfg.shell->wish(n->cfg.shell->arg, VN_WISH_STOP);
}

/* The answer is signed by the keys that go, so it goes out first. */
static void leave(struct reply *r, const char *event, void (*act)(struct vn_node *n))
{
    vn_log(VN_LOG_WARN, event, VN_KV_STR("detail", "a command of Guardian"));
    r->sent = act;
    answer(r, VN_COMMAND_DONE);
}

void vn_admin_on_command(struct vn_node *n, const void *body)
{
    const Vn__Command *m = body;
    struct reply r = {.n = n, .id = m->id.len ? m->id.data : NULL};
    const struct vn_admin_send to = {.arg = &r, .send = send};
    if (m->id.len && m->id.len != VN_COMMAND_ID_LEN) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    switch (m->kind_case) {
    case VN__COMMAND__KIND_INFO:
        vn_admin_info(n, &to);
        break;
    case VN__COMMAND__KIND_NETWORKS:
        vn_admin_networks(n, &to);
        break;
    case VN__COMMAND__KIND_SESSIONS:
        ask_worker(&r, false, m->sessions->offset);
        break;
    case VN__COMMAND__KIND_ROUTES:
        vn_admin_routes(n, m->routes->offset, &to);
        break;
    case VN__COMMAND__KIND_REMOTES:
        vn_admin_remotes(n, &to);
        break;
    case VN__COMMAND__KIND_HEALTH:
        ask_worker(&r, true, 0);
        break;
    case VN__COMMAND__KIND_QUARANTINE:
        answer(&r, quarantine(n, m->quarantine));
        break;
    case VN__COMMAND__KIND_INVALIDATE:
        leave(&r, "keys_invalidated", take_new_keys);
        break;
    case VN__COMMAND__KIND_SHUTDOWN:
        leave(&r, "shutdown_ordered", shut_down);
        break;
    case VN__COMMAND__KIND_RENEW:
        vn_session_renew_soon(n);
        answer(&r, VN_COMMAND_DONE);
        break;
    case VN__COMMAND__KIND_STATEMENT:
        answer(&r, VN_COMMAND_DONE);
        break;
    default:
        answer(&r, VN_COMMAND_UNKNOWN);
    }
}
