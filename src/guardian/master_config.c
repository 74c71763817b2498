#include "guardian/master_config.h"

#include <unistd.h>

#include "base/file.h"
#include "guardian/address.h"
#include "guardian/entry_points.h"
#include "guardian/master_text.h"
#include "guardian/master_tls.h"

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
    snprintf(p->route_cert, sizeof(p->route_cert), "%s/route.crt", dir);
    snprintf(p->route_key, sizeof(p->route_key), "%s/route.key", dir);
    snprintf(p->route_ca, sizeof(p->route_ca), "%s/route-ca.crt", dir);
    snprintf(p->leaf_cert, sizeof(p->leaf_cert), "%s/leaf.crt", dir);
    snprintf(p->leaf_key, sizeof(p->leaf_key), "%s/leaf.key", dir);
    snprintf(p->leaf_ca, sizeof(p->leaf_ca), "%s/leaf-ca.crt", dir);
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

static bool are_there(const char *cert, const char *key, const char *ca)
{
    return access(cert, F_OK) == 0 && access(key, F_OK) == 0 && access(ca, F_OK) == 0;
}

static bool has_tls(const struct vn_master_paths *p, struct vn_span names)
{
    struct vn_buf made;
    vn_buf_init(&made, NAMES_MAX * (VN_HOST_MAX + 1));
    const bool has = are_there(p->cert, p->key, p->ca) && vn_file_read(p->names, &made) == VN_OK &&
                     vn_span_equal(vn_buf_span(&made), names);
    vn_buf_done(&made);
    return has;
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
        st = vn_master_tls_node(&g->cfg, p, l.n, l.count);
    if (st == VN_OK && *ret_made) /* when all is there */
        st = vn_file_write_atomic(p->names, vn_buf_span(&text), 0600);
    vn_buf_done(&text);
    return st;
}

/* Likewise for routes and leaves: once, for the name does not change. */
static vn_status write_other_tls(const struct vn_guardian_config *c,
                                 const struct vn_master_paths *p)
{
    const char *names[] = {c->public_host};
    vn_status st = VN_OK;
    if (c->cluster.ca && !are_there(p->route_cert, p->route_key, p->route_ca))
        st = vn_master_tls_route(c, p, names, VN_ARRAY_LEN(names));
    if (st == VN_OK && c->cluster.leaf_ca && !are_there(p->leaf_cert, p->leaf_key, p->leaf_ca))
        st = vn_master_tls_leaves(c, p, names, VN_ARRAY_LEN(names));
    return st;
}

const char *vn_master_listen_host(const char *listen_host)
{
    return strcmp(listen_host, "*") != 0 ? listen_host : vn_have_ipv6() ? "::" : "0.0.0.0";
}

static vn_status render(struct vn_guardian *g, const struct vn_master_paths *p,
                        struct vn_conf_text *t)
{
    struct vn_master_server s = {
        .name = VN_MASTER_NAME,
        .host = vn_master_listen_host(g->cfg.listen_host),
        .port = g->cfg.master_port,
        .region = VN_REGION_HERE,
        .cluster.port = g->cfg.cluster.port,
        .gateway.port = g->cfg.cluster.gateway_port,
        .leaf.port = g->cfg.cluster.leaf_port,
    };
    snprintf(s.cluster.host, sizeof(s.cluster.host), "%s", g->cfg.public_host);
    snprintf(s.gateway.host, sizeof(s.gateway.host), "%s", g->cfg.public_host);
    snprintf(s.leaf.host, sizeof(s.leaf.host), "%s", g->cfg.public_host);
    vn_conf_add(t, "# Written by veilnet-guardian at every start: changes are lost.\n");
    vn_conf_path(t, "pid_file", p->pid);
    vn_conf_path(t, "ports_file_dir", p->dir);
    vn_conf_path(t, "log_file", p->log);
    vn_conf_add(t, "logfile_size_limit: 16MB\nlogfile_max_num: 4\n");
    return vn_master_text(g, p, &s, t);
}

/* Both end in a NUL. */
static enum vn_master_change change(const struct vn_buf *old, const struct vn_buf *new)
{
    if (vn_span_equal(vn_buf_span(old), vn_buf_span(new)))
        return VN_MASTER_SAME;
    const char *was = old->len ? strstr((const char *)old->p, VN_CONF_OTHERS) : NULL;
    const char *is = strstr((const char *)new->p, VN_CONF_OTHERS);
    return strcmp(was ? was : "", is ? is : "") == 0 ? VN_MASTER_RELOAD : VN_MASTER_RESTART;
}

static vn_status write_config(const struct vn_master_paths *p, struct vn_conf_text *t,
                              enum vn_master_change *ret)
{
    struct vn_conf_text old;
    vn_conf_init(&old);
    if (vn_file_read(p->conf, &old.buf) != VN_OK)
        old.buf.len = 0;
    vn_status st = vn_buf_append(&old.buf, "", 1);
    if (st == VN_OK)
        st = vn_buf_append(&t->buf, "", 1);
    if (st == VN_OK)
        *ret = change(&old.buf, &t->buf);
    if (st == VN_OK && *ret != VN_MASTER_SAME)
        st = vn_file_write_atomic(p->conf, VN_SPAN(t->buf.p, t->buf.len - 1), 0600);
    vn_conf_done(&old);
    return st;
}

vn_status vn_master_config_write(struct vn_guardian *g, const struct vn_master_paths *p,
                                 enum vn_master_change *ret)
{
    bool made = false;
    vn_status st = vn_file_mkdirs(p->dir, 0700);
    if (st == VN_OK)
        st = write_tls(g, p, &made);
    if (st == VN_OK)
        st = write_other_tls(&g->cfg, p);
    if (st != VN_OK)
        return st;
    struct vn_conf_text t;
    vn_conf_init(&t);
    st = render(g, p, &t);
    if (st == VN_OK)
        st = write_config(p, &t, ret);
    if (st == VN_OK && made && *ret == VN_MASTER_SAME)
        *ret = VN_MASTER_RELOAD;
    vn_conf_done(&t);
    return st;
}
