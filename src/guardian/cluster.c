#include "guardian/cluster.h"

#include <stdio.h>

#include "base/host_port.h"
#include "base/secret.h"

#define YEAR_MS (365ull * 86400000)

static vn_status put(struct vn_store *s, const char *name, const char *v)
{
    return vn_store_put(s, name, VN_SPAN_STR(v));
}

/* Dated as that of nodes: the machines of Master have wall clocks, too. */
static vn_status make_authority(struct vn_store *s, uint64_t now_ms)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    vn_status st = vn_store_get(s, "route_ca_cert", &cert, NULL);
    if (st != VN_ERR_NOTFOUND)
        return st;
    st = vn_tls_key_new(&key);
    if (st == VN_OK)
        st = vn_tls_ca_new(key, "VeilNet Master routes CA", now_ms - YEAR_MS, now_ms + 20 * YEAR_MS,
                           &cert);
    if (st == VN_OK)
        st = put(s, "route_ca_key", key);
    return st == VN_OK ? put(s, "route_ca_cert", cert) : st; /* when its key is there */
}

static vn_status put_port(struct vn_store *s, const char *name, const uint16_t *port)
{
    char text[8];
    if (!port)
        return VN_OK;
    snprintf(text, sizeof(text), "%u", *port);
    return put(s, name, text);
}

vn_status vn_cluster_set(struct vn_store *s, const uint16_t *port, const uint16_t *gateway_port,
                         uint64_t now_ms)
{
    const bool some = (port && *port) || (gateway_port && *gateway_port);
    vn_status st = some ? make_authority(s, now_ms) : VN_OK;
    if (st == VN_OK)
        st = put_port(s, "cluster_port", port);
    return st == VN_OK ? put_port(s, "gateway_port", gateway_port) : st;
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

vn_status vn_cluster_load(struct vn_store *s, struct vn_cluster_config *ret)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    vn_status st = load_port(s, "cluster_port", &ret->port);
    if (st == VN_OK)
        st = load_port(s, "gateway_port", &ret->gateway_port);
    if (st != VN_OK || (!ret->port && !ret->gateway_port))
        return st;
    st = vn_store_get(s, "route_ca_key", &key, NULL);
    if (st == VN_OK)
        st = vn_store_get(s, "route_ca_cert", &ret->ca_cert_pem, NULL);
    return st == VN_OK ? vn_tls_ca_open(key, ret->ca_cert_pem, &ret->ca) : st;
}

void vn_cluster_done(struct vn_cluster_config *c)
{
    c->ca = vn_tls_ca_free(c->ca);
    vn_secret_strp(&c->ca_cert_pem);
}
