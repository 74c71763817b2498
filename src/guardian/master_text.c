#include "guardian/master_text.h"

#include <stdarg.h>

#include "base/clock.h"
#include "guardian/address.h"
#include "guardian/json.h"
#include "guardian/master_leaf.h"
#include "guardian/store_revocations.h"

#define CONFIG_MAX (64u << 20) /* account JWTs of 4,096 realms and more */
/* Newest ones, in an account JWT: as many as a message carries. Above VN_BROKER_REVOCATIONS_MAX the
 * signing key is changed. */
#define REVOKED_USERS_MAX 10000

void vn_conf_init(struct vn_conf_text *t)
{
    vn_buf_init(&t->buf, CONFIG_MAX);
    t->st = VN_OK;
}

void vn_conf_done(struct vn_conf_text *t)
{
    vn_buf_done(&t->buf);
}

void vn_conf_add(struct vn_conf_text *t, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (n < 0)
        t->st = VN_ERR_NOMEM;
    else if (t->st == VN_OK)
        t->st = vn_buf_append(&t->buf, line, (size_t)n);
    if (n >= 0)
        free(line);
}

void vn_conf_path(struct vn_conf_text *t, const char *name, const char *path)
{
    char quoted[2 * VN_PATH_MAX + 64];
    size_t n = 0;
    for (; *path && n < sizeof(quoted) - 2; path++) {
        if (*path == '"' || *path == '\\')
            quoted[n++] = '\\';
        quoted[n++] = *path;
    }
    quoted[n] = 0;
    vn_conf_add(t, "%s: \"%s\"\n", name, quoted);
}

struct accounts {
    struct vn_guardian *g;
    struct vn_conf_text *t;
};

/* The nkeys of revoked nodes: the broker ends their connections and takes none again. */
static vn_status revoked_users(struct vn_guardian *g, const struct vn_realm *r, json_t *ret,
                               uint64_t *made_ms)
{
    struct vn_revocation_row *rows;
    size_t n;
    vn_status st = vn_store_revocation_load(g->store, &r->r.id, 0, vn_clock_wall_ms(), &rows, &n);
    if (st != VN_OK)
        return st;
    uint64_t over = r->r.nats_before[0] ? 0 : r->r.nats_revoked_to;
    for (size_t i = n > REVOKED_USERS_MAX ? n - REVOKED_USERS_MAX : 0; st == VN_OK && i < n; i++) {
        char user[VN_NKEY_TEXT];
        *made_ms = VN_MAX(*made_ms, rows[i].e.number);
        if (!rows[i].has_nkey || rows[i].e.number <= over)
            continue;
        st = vn_nkey_public(VN_NKEY_USER, rows[i].nkey, user);
        if (st == VN_OK &&
            json_object_set_new(ret, user, json_integer((json_int_t)(rows[i].e.until_ms / 1000))))
            st = VN_ERR_NOMEM;
    }
    free(rows);
    return st;
}

vn_status vn_master_account_jwt(struct vn_guardian *g, const struct vn_realm *r, char **ret)
{
    /* Dated by its last change, so that the same state gives the same bytes. */
    VN_CLEANUP(vn_json_freep) json_t *revoked = json_object();
    uint64_t made_ms = VN_MAX(r->r.created_ms, r->r.nats_changed_ms);
    vn_status st = revoked ? revoked_users(g, r, revoked, &made_ms) : VN_ERR_NOMEM;
    const char *signing[3] = {r->signing.public};
    size_t n = 1;
    if (r->r.nats_has_next)
        signing[n++] = r->next.public;
    if (r->r.nats_before[0])
        signing[n++] = r->r.nats_before;
    return st == VN_OK ? vn_natsjwt_account(&g->cfg.nats_operator, r->account.public, signing, n,
                                            r->r.name, revoked, made_ms, ret)
                       : st;
}

static bool add_realm(void *arg, const struct vn_id *id)
{
    struct accounts *a = arg;
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *r = NULL;
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    vn_status st = vn_guardian_realm(a->g, id, &r);
    if (st == VN_OK)
        st = vn_master_account_jwt(a->g, r, &jwt);
    if (st == VN_OK)
        vn_conf_add(a->t, "  %s: \"%s\"\n", r->account.public, jwt);
    if (st != VN_OK)
        a->t->st = st;
    return st == VN_OK;
}

void vn_conf_tls(struct vn_conf_text *t, const struct vn_master_paths *p, const char *cert,
                 const char *key, const char *ca)
{
    vn_conf_add(t, "tls {\n");
    vn_conf_path(t, "  cert_file", cert);
    vn_conf_path(t, "  key_file", key);
    vn_conf_path(t, "  ca_file", ca);
    vn_conf_add(t, "  verify: true\n  timeout: 5\n");
    if (!p->old_server)
        vn_conf_add(t, "  min_version: \"1.3\"\n");
    vn_conf_add(t, "}\n");
}

/* Of a leaf: nodes of other realms are refused, whatever it hears of them. They would be among
 * themselves. */
static vn_status pin_accounts(struct accounts *a, const struct vn_master_server *s)
{
    vn_status st = VN_OK;
    vn_conf_add(a->t, "resolver_pinned_accounts: [\n");
    for (size_t i = 0; st == VN_OK && i < s->realm_count; i++) {
        VN_CLEANUP(vn_realm_unrefp) struct vn_realm *r = NULL;
        st = vn_guardian_realm(a->g, &s->realms[i], &r);
        if (st == VN_OK)
            vn_conf_add(a->t, "  \"%s\"\n", r->account.public);
    }
    vn_conf_add(a->t, "]\n");
    return st;
}

static vn_status add_accounts(struct vn_guardian *g, const struct vn_master_server *s,
                              struct vn_conf_text *t)
{
    const struct vn_guardian_config *c = &g->cfg;
    struct accounts a = {g, t};
    VN_CLEANUP(vn_json_strp) char *system_jwt = NULL;
    vn_status st = vn_master_system_jwt(c, &system_jwt);
    if (st != VN_OK)
        return st;
    vn_conf_add(t, "resolver_preload {\n");
    if (s->realm_count == 0)
        vn_conf_add(t, "  %s: \"%s\"\n", c->nats_system.public, system_jwt);
    if (c->cluster.leaf_ca)
        st = vn_master_leaf_accounts(c, s->realm_count > 0, t);
    if (st != VN_OK)
        return st;
    if (s->realm_count == 0)
        st = vn_store_realm_list(g->store, NULL, add_realm, &a);
    for (size_t i = 0; i < s->realm_count && add_realm(&a, &s->realms[i]); i++)
        ;
    vn_conf_add(t, "}\n");
    return st == VN_OK && s->realm_count ? pin_accounts(&a, s) : st;
}

static void add_port(struct vn_conf_text *t, const struct vn_master_server *s,
                     const struct vn_master_peer *own)
{
    char host[VN_HOST_MAX + 2];
    vn_host_format(own->host, host);
    vn_conf_add(t, "host: \"%s\"\nport: %u\nadvertise: \"%s:%u\"\n", s->host, own->port, host,
                own->port);
}

/* Nodes know the servers by Guardian's entry points, and hear of no others. */
static void add_cluster(struct vn_conf_text *t, const struct vn_master_paths *p,
                        const struct vn_master_server *s)
{
    char host[VN_HOST_MAX + 2];
    vn_conf_add(t, "cluster {\nname: \"%s\"\nno_advertise: true\n", s->region);
    add_port(t, s, &s->cluster);
    vn_conf_add(t, "routes: [\n");
    for (size_t i = 0; i < s->peer_count; i++) {
        vn_host_format(s->peers[i].host, host);
        vn_conf_add(t, "  \"nats-route://%s:%u\"\n", host, s->peers[i].port);
    }
    vn_conf_add(t, "]\n");
    vn_conf_tls(t, p, p->route_cert, p->route_key, p->route_ca);
    vn_conf_add(t, "}\n");
}

/* Regions that know one of them hear of the rest. */
static void add_gateway(struct vn_conf_text *t, const struct vn_master_paths *p,
                        const struct vn_master_server *s)
{
    char host[VN_HOST_MAX + 2];
    vn_conf_add(t, "gateway {\nname: \"%s\"\n", s->region);
    add_port(t, s, &s->gateway);
    if (s->here.port) {
        vn_host_format(s->here.host, host);
        vn_conf_add(t, "gateways: [ {name: \"" VN_REGION_HERE "\", url: \"nats://%s:%u\"} ]\n",
                    host, s->here.port);
    }
    vn_conf_tls(t, p, p->route_cert, p->route_key, p->route_ca);
    vn_conf_add(t, "}\n");
}

static void add_leaves(struct vn_conf_text *t, const struct vn_master_paths *p,
                       const struct vn_master_server *s)
{
    vn_conf_add(t, "leafnodes {\nno_advertise: true\n");
    add_port(t, s, &s->leaf);
    vn_conf_tls(t, p, p->leaf_cert, p->leaf_key, p->leaf_ca);
    vn_conf_add(t, "}\n");
}

static vn_status add_others(struct vn_guardian *g, const struct vn_master_paths *p,
                            const struct vn_master_server *s, struct vn_conf_text *t)
{
    vn_conf_add(t, VN_CONF_OTHERS);
    if (s->realm_count)
        return vn_master_leaf_text(g, p, s, t);
    if (s->cluster.port)
        add_cluster(t, p, s);
    if (s->gateway.port)
        add_gateway(t, p, s);
    if (s->leaf.port)
        add_leaves(t, p, s);
    return VN_OK;
}

vn_status vn_master_text(struct vn_guardian *g, const struct vn_master_paths *p,
                         const struct vn_master_server *s, struct vn_conf_text *t)
{
    const struct vn_guardian_config *c = &g->cfg;
    const bool alone = !s->cluster.port && !s->gateway.port && !s->leaf.port && !s->realm_count;
    VN_CLEANUP(vn_json_strp) char *operator_jwt = NULL;
    const char *system = s->realm_count ? c->cluster.leaf_system.public : c->nats_system.public;
    vn_status st = vn_natsjwt_operator(&c->nats_operator, "veilnet", system, 1000, &operator_jwt);
    if (st != VN_OK)
        return st;
    vn_conf_add(t, "server_name: \"%s\"\n", s->name);
    vn_conf_add(t, "host: \"%s\"\nport: %u\n", s->host, s->port);
    /* DESIGN section 5 */
    vn_conf_add(t, "ping_interval: \"20s\"\nping_max: 3\nwrite_deadline: \"2s\"\nmax_pending: "
                   "8MB\n");
    vn_conf_add(t, "max_payload: %u\n", VN_MASTER_PAYLOAD_MAX);
    /* It would remember the last 10,000 that ended, with their JWTs: tens of MB for nobody. */
    vn_conf_add(t, "max_closed_clients: 256\n");
    vn_conf_tls(t, p, p->cert, p->key, p->ca);
    vn_conf_add(t, "operator: \"%s\"\nsystem_account: \"%s\"\n", operator_jwt, system);
    vn_conf_add(t, "resolver {\n  type: full\n");
    vn_conf_path(t, "  dir", p->jwt);
    /* So often it asks other servers whether theirs are newer: what it missed while cut off. */
    vn_conf_add(t, "  allow_delete: true\n  interval: \"%s\"\n}\n", alone ? "2m" : "10s");
    st = add_accounts(g, s, t);
    if (st == VN_OK && !alone)
        st = add_others(g, p, s, t);
    return st == VN_OK ? t->st : st;
}
