#include "guardian/master_tls.h"

#include "base/clock.h"
#include "base/file.h"
#include "crypto/x509.h"

/* Dated a year back because libnats checks by the wall clock. */
#define YEAR_MS (365ull * 86400000)

/* One of the authorities, and what it writes where. */
struct authority {
    const struct vn_tls_ca *ca;
    const char *ca_pem;
    vn_status (*issue)(const struct vn_tls_ca *ca, const char *key_pem, const char *const *hosts,
                       size_t host_count, uint64_t not_before_ms, uint64_t not_after_ms,
                       char **ret_cert_pem);
    const char *key_path, *ca_path, *cert_path;
};

static vn_status write_all(const struct authority *a, const char *key, const char *cert)
{
    vn_status st = vn_file_write_atomic(a->key_path, VN_SPAN_STR(key), 0600);
    if (st == VN_OK)
        st = vn_file_write_atomic(a->ca_path, VN_SPAN_STR(a->ca_pem), 0600);
    return st == VN_OK ? vn_file_write_atomic(a->cert_path, VN_SPAN_STR(cert), 0600) : st;
}

static vn_status make(const struct authority *a, const char *const *names, size_t n)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    const uint64_t now = vn_clock_wall_ms();
    vn_status st = vn_tls_key_new(&key);
    if (st == VN_OK)
        st = a->issue(a->ca, key, names, n, now - YEAR_MS, now + VN_MASTER_TLS_MS, &cert);
    return st == VN_OK ? write_all(a, key, cert) : st;
}

vn_status vn_master_tls_node(const struct vn_guardian_config *c, const struct vn_master_paths *p,
                             const char *const *names, size_t n)
{
    return make(
        &(struct authority){c->ca, c->ca_cert_pem, vn_tls_ca_issue_server, p->key, p->ca, p->cert},
        names, n);
}

vn_status vn_master_tls_route(const struct vn_guardian_config *c, const struct vn_master_paths *p,
                              const char *const *names, size_t n)
{
    return make(&(struct authority){c->cluster.ca, c->cluster.ca_cert_pem, vn_tls_ca_issue_peer,
                                    p->route_key, p->route_ca, p->route_cert},
                names, n);
}

static struct authority of_leaves(const struct vn_guardian_config *c,
                                  const struct vn_master_paths *p)
{
    return (struct authority){c->cluster.leaf_ca,
                              c->cluster.leaf_ca_cert_pem,
                              vn_tls_ca_issue_server,
                              p->leaf_key,
                              p->leaf_ca,
                              p->leaf_cert};
}

vn_status vn_master_tls_leaves(const struct vn_guardian_config *c, const struct vn_master_paths *p,
                               const char *const *names, size_t n)
{
    const struct authority a = of_leaves(c, p);
    return make(&a, names, n);
}

vn_status vn_master_tls_leaf(const struct vn_guardian_config *c, const struct vn_master_paths *p,
                             const char *name)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    const struct authority a = of_leaves(c, p);
    const uint64_t now = vn_clock_wall_ms();
    uint8_t *csr = NULL;
    size_t n = 0;
    vn_status st = vn_tls_key_new(&key);
    if (st == VN_OK)
        st = vn_tls_csr(key, name, &csr, &n);
    if (st == VN_OK)
        st = vn_tls_ca_issue_client(a.ca, VN_SPAN(csr, n), name, now - YEAR_MS,
                                    now + VN_MASTER_TLS_MS, &cert);
    free(csr);
    return st == VN_OK ? write_all(&a, key, cert) : st;
}
