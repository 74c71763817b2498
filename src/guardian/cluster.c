#include "guardian/cluster.h"

#include <stdio.h>

#include "base/host_port.h"
#include "base/secret.h"
#include "crypto/rng.h"

#define YEAR_MS (365ull * 86400000)

static vn_status put(struct vn_store *s, const char *name, const char *v)
{
    return vn_store_put(s, name, VN_SPAN_STR(v));
}

/* Dated as that of nodes: the machines of Master have wall clocks, too. */
static vn_status make_authority(struct vn_store *s, const char *cert_name, const char *key_name,
                                const char *subject, uint64_t now_ms)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    vn_status st = vn_store_get(s, cert_name, &cert, NULL);
    if (st != VN_ERR_NOTFOUND)
        return st;
    st = vn_tls_key_new(&key);
    if (st == VN_OK)
        st = vn_tls_ca_new(key, subject, now_ms - YEAR_MS, now_ms + 20 * YEAR_MS, &cert);
    if (st == VN_OK)
        st = put(s, key_name, key);
    return st == VN_OK ? put(s, cert_name, cert) : st; /* when its key is there */
}

static vn_status make_account(struct vn_store *s, const char *name)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 seed;
    VN_CLEANUP(vn_secret_strp) char *there = NULL;
    vn_status st = vn_store_get(s, name, &there, NULL);
    if (st != VN_ERR_NOTFOUND)
        return st;
    st = vn_rng_bytes(seed.b, sizeof(seed.b));
    return st == VN_OK ? vn_store_put(s, name, VN_SPAN_ARRAY(seed.b)) : st;
}

static vn_status make_leaves(struct vn_store *s, uint64_t now_ms)
{
    vn_status st =
        make_authority(s, "leaf_ca_cert", "leaf_ca_key", "VeilNet Master leaves CA", now_ms);
    if (st == VN_OK)
        st = make_account(s, "nats_leaves_seed");
    return st == VN_OK ? make_account(s, "nats_leaf_system_seed") : st;
}

static vn_status put_port(struct vn_store *s, const char *name, const uint16_t *port)
{
    char text[8];
    if (!port)
        return VN_OK;
    snprintf(text, sizeof(text), "%u", *port);
    return put(s, name, text);
}

static bool is_port(const uint16_t *port)
{
    return port && *port;
}

vn_status vn_cluster_set(struct vn_store *s, const struct vn_cluster_ports *ports, uint64_t now_ms)
{
    vn_status st = VN_OK;
    if (is_port(ports->routes) || is_port(ports->gateway))
        st = make_authority(s, "route_ca_cert", "route_ca_key", "VeilNet Master routes CA", now_ms);
    if (st == VN_OK && is_port(ports->leaves))
        st = make_leaves(s, now_ms);
    if (st == VN_OK)
        st = put_port(s, "cluster_port", ports->routes);
    if (st == VN_OK)
        st = put_port(s, "gateway_port", ports->gateway);
    return st == VN_OK ? put_port(s, "leaf_port", ports->leaves) : st;
}

/* Installations older than the settings have none. */
static vn_status load_port(struct vn_store *s, const char *name, uint16_t *ret)
{
    VN_CLEANUP(vn_secret_strp) char *text = NULL;
    *ret = 0;
    vn_status st = vn_store_get(s, name, &text, NULL);
    if (st != VN_OK)
        return st == VN_ERR_NOTFOUND ? VN_OK : st;
    return vn_port_parse(text, ret) ? VN_OK : VN_ERR_MALFORMED;
}

static vn_status load_authority(struct vn_store *s, const char *cert_name, const char *key_name,
                                char **ret_cert_pem, struct vn_tls_ca **ret)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    vn_status st = vn_store_get(s, key_name, &key, NULL);
    if (st == VN_OK)
        st = vn_store_get(s, cert_name, ret_cert_pem, NULL);
    return st == VN_OK ? vn_tls_ca_open(key, *ret_cert_pem, ret) : st;
}

static vn_status load_account(struct vn_store *s, const char *name, struct vn_nats_key *ret)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 seed;
    char *v = NULL;
    size_t n;
    vn_status st = vn_store_get(s, name, &v, &n);
    if (st != VN_OK)
        return st;
    if (n == sizeof(seed.b))
        memcpy(seed.b, v, n);
    vn_wipe(v, n);
    free(v);
    return n == sizeof(seed.b) ? vn_nats_key_init(ret, VN_NKEY_ACCOUNT, &seed) : VN_ERR_MALFORMED;
}

static vn_status load_leaves(struct vn_store *s, struct vn_cluster_config *ret)
{
    vn_status st =
        load_authority(s, "leaf_ca_cert", "leaf_ca_key", &ret->leaf_ca_cert_pem, &ret->leaf_ca);
    if (st == VN_OK)
        st = load_account(s, "nats_leaves_seed", &ret->leaves);
    return st == VN_OK ? load_account(s, "nats_leaf_system_seed", &ret->leaf_system) : st;
}

vn_status vn_cluster_load(struct vn_store *s, struct vn_cluster_config *ret)
{
    vn_status st = load_port(s, "cluster_port", &ret->port);
    if (st == VN_OK)
        st = load_port(s, "gateway_port", &ret->gateway_port);
    if (st == VN_OK)
        st = load_port(s, "leaf_port", &ret->leaf_port);
    if (st == VN_OK && (ret->port || ret->gateway_port))
        st = load_authority(s, "route_ca_cert", "route_ca_key", &ret->ca_cert_pem, &ret->ca);
    if (st == VN_OK && ret->leaf_port)
        st = load_leaves(s, ret);
    return st;
}

void vn_cluster_done(struct vn_cluster_config *c)
{
    c->ca = vn_tls_ca_free(c->ca);
    vn_secret_strp(&c->ca_cert_pem);
    c->leaf_ca = vn_tls_ca_free(c->leaf_ca);
    vn_secret_strp(&c->leaf_ca_cert_pem);
    vn_nats_key_done(&c->leaves);
    vn_nats_key_done(&c->leaf_system);
}
