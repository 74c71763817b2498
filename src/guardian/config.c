#include "guardian/config.h"

#include <inttypes.h>

#include "crypto/rng.h"
#include "crypto/x509.h"
#include "guardian/json.h"

#define DAY_MS 86400000ull
#define YEAR_MS (365 * DAY_MS)
#define STUN_PORT 3478 /* RFC 8489 section 18.6 */

static vn_status put_u16(struct vn_store *s, const char *name, uint16_t v)
{
    char text[8];
    snprintf(text, sizeof(text), "%u", v);
    return vn_store_put(s, name, VN_SPAN_STR(text));
}

static vn_status put_random(struct vn_store *s, const char *name)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 v;
    vn_status st = vn_rng_bytes(v.b, sizeof(v.b));
    return st == VN_OK ? vn_store_put(s, name, VN_SPAN_ARRAY(v.b)) : st;
}

static vn_status put_str(struct vn_store *s, const char *name, const char *v)
{
    return vn_store_put(s, name, VN_SPAN_STR(v));
}

static vn_status create_https(struct vn_store *s, const struct vn_config_init *init,
                              uint64_t now_ms)
{
    vn_status st;
    if (init->tls_cert_pem) {
        st = put_str(s, "https_cert", init->tls_cert_pem);
        if (st == VN_OK)
            st = put_str(s, "https_key", init->tls_key_pem);
        return st == VN_OK ? put_str(s, "pinned", "0") : st;
    }
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    const char *hosts[] = {init->public_host, "localhost", "127.0.0.1"};
    st = vn_tls_key_new(&key);
    /* Nodes ignore the dates of a pinned key, but browsers and curl do not. */
    if (st == VN_OK)
        st = vn_tls_self_signed(key, hosts, VN_ARRAY_LEN(hosts), now_ms - DAY_MS,
                                now_ms + 10 * YEAR_MS, &cert);
    if (st == VN_OK)
        st = put_str(s, "https_cert", cert);
    if (st == VN_OK)
        st = put_str(s, "https_key", key);
    return st == VN_OK ? put_str(s, "pinned", "1") : st;
}

static vn_status create_ca(struct vn_store *s, uint64_t now_ms)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    vn_status st = vn_tls_key_new(&key);
    /* libnats checks dates by the wall clock, which may be wrong on a node: a year of slack. */
    if (st == VN_OK)
        st =
            vn_tls_ca_new(key, "VeilNet Master CA", now_ms - YEAR_MS, now_ms + 20 * YEAR_MS, &cert);
    if (st == VN_OK)
        st = put_str(s, "ca_cert", cert);
    return st == VN_OK ? put_str(s, "ca_key", key) : st;
}

vn_status vn_config_create(struct vn_store *s, const struct vn_config_init *init, uint64_t now_ms)
{
    vn_status st = put_str(s, "public_host", init->public_host);
    if (st == VN_OK)
        st = put_u16(s, "public_port", init->public_port);
    if (st == VN_OK)
        st = put_str(s, "listen_host", init->listen_host);
    if (st == VN_OK)
        st = put_u16(s, "listen_port", init->listen_port);
    if (st == VN_OK)
        st = put_u16(s, "master_port", init->master_port);
    if (st == VN_OK)
        st = create_https(s, init, now_ms);
    if (st == VN_OK)
        st = create_ca(s, now_ms);
    if (st == VN_OK)
        st = put_random(s, "token_secret");
    if (st == VN_OK)
        st = put_random(s, "nats_operator_seed");
    return st == VN_OK ? put_random(s, "nats_system_seed") : st;
}

static vn_status get_str(struct vn_store *s, const char *name, char *dst, size_t cap)
{
    VN_CLEANUP(vn_json_strp) char *v = NULL;
    vn_status st = vn_store_get(s, name, &v, NULL);
    if (st != VN_OK)
        return st;
    return (size_t)snprintf(dst, cap, "%s", v) < cap ? VN_OK : VN_ERR_MALFORMED;
}

static vn_status get_u16(struct vn_store *s, const char *name, uint16_t *ret)
{
    char text[8];
    vn_status st = get_str(s, name, text, sizeof(text));
    if (st != VN_OK)
        return st;
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || v > 65535)
        return VN_ERR_MALFORMED;
    *ret = (uint16_t)v;
    return VN_OK;
}

static vn_status get_secret(struct vn_store *s, const char *name, struct vn_secret32 *ret)
{
    char *v = NULL;
    size_t n;
    vn_status st = vn_store_get(s, name, &v, &n);
    if (st != VN_OK)
        return st;
    if (n == sizeof(ret->b))
        memcpy(ret->b, v, n);
    else
        st = VN_ERR_MALFORMED;
    vn_wipe(v, n);
    free(v);
    return st;
}

static vn_status get_nats_key(struct vn_store *s, const char *name, enum vn_nkey_kind kind,
                              struct vn_nats_key *ret)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 seed;
    vn_status st = get_secret(s, name, &seed);
    return st == VN_OK ? vn_nats_key_init(ret, kind, &seed) : st;
}

static bool parse_stun(const char *list, struct vn_addr *ret, size_t *ret_count)
{
    *ret_count = 0;
    if (strcmp(list, "none") == 0)
        return true;
    while (*list) {
        const size_t n = strcspn(list, ",");
        char one[VN_HOST_MAX], host[VN_HOST_MAX];
        uint16_t port = STUN_PORT;
        if (*ret_count == VN_STUN_SERVERS_MAX || n >= sizeof(one))
            return false;
        memcpy(one, list, n);
        one[n] = 0;
        struct vn_addr *a = &ret[*ret_count];
        if (vn_host_port_parse(one, host, &port) != VN_OK || port == 0 ||
            vn_ip_parse(host, &a->ip) != VN_OK)
            return false;
        a->port = port;
        ++*ret_count;
        list += n + (list[n] == ',');
    }
    return true;
}

vn_status vn_config_set_stun(struct vn_store *s, const char *list)
{
    struct vn_addr ignored[VN_STUN_SERVERS_MAX];
    size_t count;
    return parse_stun(list, ignored, &count) ? put_str(s, "stun", list) : VN_ERR_ARG;
}

/* Installations older than the setting have none. */
static vn_status load_stun(struct vn_store *s, struct vn_guardian_config *c)
{
    VN_CLEANUP(vn_json_strp) char *list = NULL;
    vn_status st = vn_store_get(s, "stun", &list, NULL);
    if (st != VN_OK)
        return st == VN_ERR_NOTFOUND ? VN_OK : st;
    return parse_stun(list, c->stun, &c->stun_count) ? VN_OK : VN_ERR_MALFORMED;
}

static bool parse_networks(const char *list, struct vn_provider_config *c)
{
    c->network_count = 0;
    if (strcmp(list, "none") == 0)
        return true;
    while (*list) {
        const size_t n = strcspn(list, ",");
        char one[VN_PREFIX_TEXT];
        if (c->network_count == VN_PROVIDER_NETWORKS_MAX || n >= sizeof(one))
            return false;
        memcpy(one, list, n);
        one[n] = 0;
        if (vn_prefix_parse(one, &c->networks[c->network_count++]) != VN_OK)
            return false;
        list += n + (list[n] == ',');
    }
    return true;
}

vn_status vn_config_set_provider_networks(struct vn_store *s, const char *list)
{
    struct vn_provider_config ignored;
    return parse_networks(list, &ignored) ? put_str(s, "provider_networks", list) : VN_ERR_ARG;
}

vn_status vn_config_set_provider_ca(struct vn_store *s, const char *pem)
{
    const bool none = !*pem || strcmp(pem, "none") == 0;
    if (!none && !strstr(pem, "-----BEGIN CERTIFICATE-----"))
        return VN_ERR_ARG;
    return put_str(s, "provider_ca", none ? "" : pem);
}

/* Installations older than the settings have neither. */
static vn_status load_providers(struct vn_store *s, struct vn_provider_config *c)
{
    VN_CLEANUP(vn_json_strp) char *list = NULL;
    vn_status st = vn_store_get(s, "provider_networks", &list, NULL);
    if (st == VN_OK && !parse_networks(list, c))
        st = VN_ERR_MALFORMED;
    if (st == VN_OK || st == VN_ERR_NOTFOUND)
        st = vn_store_get(s, "provider_ca", &c->ca_pem, NULL);
    if (st == VN_OK && !c->ca_pem[0])
        vn_json_strp(&c->ca_pem);
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_config_set_geo(struct vn_store *s, const char *path)
{
    if (strcmp(path, "none") == 0)
        return put_str(s, "geo", "");
    return path[0] == '/' ? put_str(s, "geo", path) : VN_ERR_ARG;
}

static vn_status put_u64(struct vn_store *s, const char *name, const uint64_t *v)
{
    char text[24];
    if (!v)
        return VN_OK;
    snprintf(text, sizeof(text), "%" PRIu64, *v);
    return put_str(s, name, text);
}

/* Absent: as it was set before. */
static vn_status get_u64(struct vn_store *s, const char *name, uint64_t *io)
{
    char text[24], *end;
    vn_status st = get_str(s, name, text, sizeof(text));
    if (st != VN_OK)
        return st == VN_ERR_NOTFOUND ? VN_OK : st;
    const uint64_t v = strtoull(text, &end, 10);
    if (*end || end == text)
        return VN_ERR_MALFORMED;
    *io = v;
    return VN_OK;
}

vn_status vn_config_set_audit(struct vn_store *s, const uint64_t *age_s, const uint64_t *entries)
{
    vn_status st = put_u64(s, "audit_age_s", age_s);
    return st == VN_OK ? put_u64(s, "audit_entries", entries) : st;
}

/* Installations older than the setting have none. */
static vn_status load_geo(struct vn_store *s, struct vn_guardian_config *c)
{
    VN_CLEANUP(vn_json_strp) char *path = NULL;
    vn_status st = vn_store_get(s, "geo", &path, NULL);
    if (st == VN_OK && *path)
        c->geo_path = VN_TAKE(path);
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_config_load(struct vn_store *s, struct vn_guardian_config *ret)
{
    VN_CLEANUP(vn_config_done)
    struct vn_guardian_config c = {.audit_age_s = VN_AUDIT_AGE_DEFAULT_S,
                                   .audit_entries = VN_AUDIT_ENTRIES_DEFAULT};
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 token_secret;
    VN_CLEANUP(vn_secret_strp) char *ca_key = NULL;
    char pinned[4];
    vn_status st = get_str(s, "public_host", c.public_host, sizeof(c.public_host));
    if (st == VN_OK)
        st = get_u16(s, "public_port", &c.public_port);
    if (st == VN_OK)
        st = get_str(s, "listen_host", c.listen_host, sizeof(c.listen_host));
    if (st == VN_OK)
        st = get_u16(s, "listen_port", &c.listen_port);
    if (st == VN_OK)
        st = get_u16(s, "master_port", &c.master_port);
    if (st == VN_OK)
        st = load_stun(s, &c);
    if (st == VN_OK)
        st = vn_turn_load(s, &c.turn);
    if (st == VN_OK)
        st = vn_cluster_load(s, &c.cluster);
    if (st == VN_OK)
        st = load_providers(s, &c.providers);
    if (st == VN_OK)
        st = load_geo(s, &c);
    if (st == VN_OK)
        st = get_u64(s, "audit_age_s", &c.audit_age_s);
    if (st == VN_OK)
        st = get_u64(s, "audit_entries", &c.audit_entries);
    if (st == VN_OK)
        st = get_str(s, "pinned", pinned, sizeof(pinned));
    if (st == VN_OK)
        st = vn_store_get(s, "https_key", &c.https_key_pem, NULL);
    if (st == VN_OK)
        st = vn_store_get(s, "https_cert", &c.https_cert_pem, NULL);
    if (st == VN_OK)
        st = vn_store_get(s, "ca_key", &ca_key, NULL);
    if (st == VN_OK)
        st = vn_store_get(s, "ca_cert", &c.ca_cert_pem, NULL);
    if (st == VN_OK)
        st = vn_tls_ca_open(ca_key, c.ca_cert_pem, &c.ca);
    if (st == VN_OK)
        st = get_secret(s, "token_secret", &token_secret);
    if (st == VN_OK)
        st = vn_token_keys_derive(&token_secret, &c.token_keys);
    if (st == VN_OK)
        st = get_nats_key(s, "nats_operator_seed", VN_NKEY_OPERATOR, &c.nats_operator);
    if (st == VN_OK)
        st = get_nats_key(s, "nats_system_seed", VN_NKEY_ACCOUNT, &c.nats_system);
    if (st != VN_OK)
        return st;
    c.pinned = pinned[0] == '1';
    if (c.pinned) {
        st = vn_tls_key_pin(c.https_key_pem, c.pin);
        if (st != VN_OK)
            return st;
    }
    *ret = c;
    memset(&c, 0, sizeof(c)); /* handed over */
    return VN_OK;
}

void vn_config_done(struct vn_guardian_config *c)
{
    vn_secret_strp(&c->https_key_pem);
    vn_secret_strp(&c->https_cert_pem);
    c->ca = vn_tls_ca_free(c->ca);
    vn_secret_strp(&c->ca_cert_pem);
    vn_cluster_done(&c->cluster);
    vn_json_strp(&c->providers.ca_pem);
    free(c->geo_path);
    vn_nats_key_done(&c->nats_operator);
    vn_nats_key_done(&c->nats_system);
    vn_wipe(c, sizeof(*c)); /* the TURN secret lies in it */
}

void vn_config_url(const struct vn_guardian_config *c, char ret[VN_URL_MAX])
{
    char host[VN_HOST_MAX + 2];
    vn_host_format(c->public_host, host);
    snprintf(ret, VN_URL_MAX, "https://%s:%u", host, c->public_port);
}

void vn_config_master_url(const struct vn_guardian_config *c, char ret[VN_URL_MAX])
{
    char host[VN_HOST_MAX + 2];
    vn_host_format(c->public_host, host);
    snprintf(ret, VN_URL_MAX, "tls://%s:%u", host, c->master_port);
}
