#include "guardian/master_config.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/x509.h"
#include "guardian/address.h"
#include "guardian/entry_points.h"
#include "guardian/json.h"

#define CONFIG_MAX (64u << 20) /* account JWTs of 4,096 realms and more */
/* Newest ones, in an account JWT: as many as a message carries. Above VN_BROKER_REVOCATIONS_MAX the
 * signing key is changed. */
#define REVOKED_USERS_MAX 10000
#define YEAR_MS (365ull * 86400000)

void vn_master_paths_init(struct vn_master_paths *p, const char *dir)
{
    snprintf(p->dir, sizeof(p->dir), "%s", dir);
    snprintf(p->conf, sizeof(p->conf), "%s/nats-server.conf", dir);
    snprintf(p->pid, sizeof(p->pid), "%s/nats-server.pid", dir);
    snprintf(p->log, sizeof(p->log), "%s/nats-server.log", dir);
    snprintf(p->err, sizeof(p->err), "%s/nats-server.err", dir);
    snprintf(p->cert, sizeof(p->cert), "%s/server.crt", dir);
    snprintf(p->key, sizeof(p->key), "%s/server.key", dir);
    snprintf(p->ca, sizeof(p->ca), "%s/ca.crt", dir);
    snprintf(p->names, sizeof(p->names), "%s/server.names", dir);
    snprintf(p->jwt, sizeof(p->jwt), "%s/jwt", dir);
}

/* Text is collected here; overflow and memory are asked about once, at the end. */
struct text {
    struct vn_buf buf;
    vn_status st;
};

static void add(struct text *t, const char *fmt, ...) VN_PRINTF(2, 3);

static void add(struct text *t, const char *fmt, ...)
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

/* A quoted string of the configuration language. */
static void add_path(struct text *t, const char *name, const char *path)
{
    char quoted[2 * VN_PATH_MAX + 64];
    size_t n = 0;
    for (; *path && n < sizeof(quoted) - 2; path++) {
        if (*path == '"' || *path == '\\')
            quoted[n++] = '\\';
        quoted[n++] = *path;
    }
    quoted[n] = 0;
    add(t, "%s: \"%s\"\n", name, quoted);
}

struct accounts {
    struct vn_guardian *g;
    struct text *t;
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
        add(a->t, "  %s: \"%s\"\n", r->account.public, jwt);
    if (st != VN_OK)
        a->t->st = st;
    return st == VN_OK;
}

static vn_status render(struct vn_guardian *g, const struct vn_master_paths *p, struct text *t)
{
    const struct vn_guardian_config *c = &g->cfg;
    VN_CLEANUP(vn_json_strp) char *operator_jwt = NULL;
    vn_status st = vn_natsjwt_operator(&c->nats_operator, "veilnet", c->nats_system.public, 1000,
                                       &operator_jwt);
    if (st != VN_OK)
        return st;
    const char *host = strcmp(c->listen_host, "*") != 0 ? c->listen_host
                       : vn_have_ipv6()                 ? "::"
                                                        : "0.0.0.0";
    add(t, "# Written by veilnet-guardian at every start: changes are lost.\n");
    add(t, "server_name: \"veilnet-master\"\n");
    add(t, "host: \"%s\"\nport: %u\n", host, c->master_port);
    add_path(t, "pid_file", p->pid);
    add_path(t, "ports_file_dir", p->dir);
    add_path(t, "log_file", p->log);
    add(t, "logfile_size_limit: 16MB\nlogfile_max_num: 4\n");
    /* DESIGN section 5 */
    add(t, "ping_interval: \"20s\"\nping_max: 3\nwrite_deadline: \"2s\"\nmax_pending: "
           "8MB\n");
    add(t, "max_payload: %u\n", VN_MASTER_PAYLOAD_MAX);
    /* It would remember the last 10,000 that ended, with their JWTs: tens of MB for nobody. */
    add(t, "max_closed_clients: 256\n");
    add(t, "tls {\n");
    add_path(t, "  cert_file", p->cert);
    add_path(t, "  key_file", p->key);
    add_path(t, "  ca_file", p->ca);
    add(t, "  verify: true\n  timeout: 5\n");
    if (!p->old_server)
        add(t, "  min_version: \"1.3\"\n");
    add(t, "}\n");
    add(t, "operator: \"%s\"\nsystem_account: \"%s\"\n", operator_jwt, c->nats_system.public);
    add(t, "resolver {\n  type: full\n");
    add_path(t, "  dir", p->jwt);
    add(t, "  allow_delete: true\n  interval: \"2m\"\n}\n");
    add(t, "resolver_preload {\n");
    struct accounts a = {g, t};
    VN_CLEANUP(vn_json_strp) char *system_jwt = NULL;
    st = vn_natsjwt_account(&c->nats_operator, c->nats_system.public, NULL, 0, "SYS", NULL, 1000,
                            &system_jwt);
    if (st == VN_OK)
        add(t, "  %s: \"%s\"\n", c->nats_system.public, system_jwt);
    if (st == VN_OK)
        st = vn_store_realm_list(g->store, NULL, add_realm, &a);
    add(t, "}\n");
    return st == VN_OK ? t->st : st;
}

/* ---- TLS ---- */

#define NAMES_MAX (5 + VN_ENTRY_POINTS_MAX)

/* By which Master is found here, or may be: any of the entry points may be an address of it. */
struct names {
    const char *n[NAMES_MAX];
    size_t count;
    char hosts[VN_ENTRY_POINTS_MAX][VN_HOST_MAX];
};

static void add_name(struct names *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->n[i], name) == 0)
            return;
    l->n[l->count++] = name;
}

static vn_status collect_names(struct vn_guardian *g, struct names *l)
{
    struct vn_entry_points all;
    const char *own[] = {g->cfg.public_host, "localhost", "127.0.0.1", "::1"};
    l->count = 0;
    for (size_t i = 0; i < VN_ARRAY_LEN(own); i++)
        add_name(l, own[i]);
    if (strcmp(g->cfg.listen_host, "*") != 0)
        add_name(l, g->cfg.listen_host);
    vn_status st = vn_entry_points_load(g->store, &all);
    for (size_t i = 0; st == VN_OK && i < all.n; i++) {
        vn_entry_point_host(all.e[i].url, l->hosts[i]);
        add_name(l, l->hosts[i]);
    }
    return st;
}

/* One a line, under which the certificate was made. */
static vn_status names_text(const struct names *l, struct vn_buf *ret)
{
    vn_status st = VN_OK;
    for (size_t i = 0; st == VN_OK && i < l->count; i++) {
        st = vn_buf_append(ret, l->n[i], strlen(l->n[i]));
        if (st == VN_OK)
            st = vn_buf_append(ret, "\n", 1);
    }
    return st;
}

static bool has_tls(const struct vn_master_paths *p, struct vn_span names)
{
    struct vn_buf made;
    vn_buf_init(&made, NAMES_MAX * (VN_HOST_MAX + 1));
    const bool has = access(p->cert, F_OK) == 0 && access(p->key, F_OK) == 0 &&
                     access(p->ca, F_OK) == 0 && vn_file_read(p->names, &made) == VN_OK &&
                     vn_span_equal(vn_buf_span(&made), names);
    vn_buf_done(&made);
    return has;
}

/* The certificate is dated a year back because libnats checks by the wall clock. */
static vn_status make_tls(const struct vn_guardian_config *c, const struct vn_master_paths *p,
                          const struct names *l, struct vn_span names)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    uint64_t now = vn_clock_wall_ms();
    vn_status st = vn_tls_key_new(&key);
    if (st == VN_OK)
        st = vn_tls_ca_issue_server(c->ca, key, l->n, l->count, now - YEAR_MS, now + 10 * YEAR_MS,
                                    &cert);
    if (st == VN_OK)
        st = vn_file_write_atomic(p->key, VN_SPAN_STR(key), 0600);
    if (st == VN_OK)
        st = vn_file_write_atomic(p->ca, VN_SPAN_STR(c->ca_cert_pem), 0600);
    if (st == VN_OK)
        st = vn_file_write_atomic(p->cert, VN_SPAN_STR(cert), 0600);
    return st == VN_OK ? vn_file_write_atomic(p->names, names, 0600) : st; /* when all is there */
}

/* Master's TLS files, made anew when it gets other names. */
static vn_status write_tls(struct vn_guardian *g, const struct vn_master_paths *p, bool *ret_made)
{
    static struct names l;
    struct vn_buf text;
    vn_buf_init(&text, NAMES_MAX * (VN_HOST_MAX + 1));
    vn_status st = collect_names(g, &l);
    if (st == VN_OK)
        st = names_text(&l, &text);
    *ret_made = st == VN_OK && !has_tls(p, vn_buf_span(&text));
    if (*ret_made)
        st = make_tls(&g->cfg, p, &l, vn_buf_span(&text));
    vn_buf_done(&text);
    return st;
}

vn_status vn_master_config_write(struct vn_guardian *g, const struct vn_master_paths *p,
                                 bool *ret_changed)
{
    bool made = false;
    vn_status st = vn_file_mkdirs(p->dir, 0700);
    if (st == VN_OK)
        st = write_tls(g, p, &made);
    if (st != VN_OK)
        return st;
    struct text t = {.st = VN_OK};
    struct vn_buf old;
    vn_buf_init(&t.buf, CONFIG_MAX);
    vn_buf_init(&old, CONFIG_MAX);
    st = render(g, p, &t);
    if (st == VN_OK) {
        *ret_changed = vn_file_read(p->conf, &old) != VN_OK ||
                       !vn_span_equal(vn_buf_span(&old), vn_buf_span(&t.buf));
        if (*ret_changed)
            st = vn_file_write_atomic(p->conf, vn_buf_span(&t.buf), 0600);
        *ret_changed = *ret_changed || made;
    }
    vn_buf_done(&t.buf);
    vn_buf_done(&old);
    return st;
}
