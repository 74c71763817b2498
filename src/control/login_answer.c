#include "control/login_answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "control/json_read.h"
#include "crypto/suite.h"
#include "crypto/x509.h"
#include "wire/bundle.h"
#include "wire/revocation.h"

#define PEM_MAX 65536
#define NATS_JWT_MAX 16384

static bool parse_identity(const json_t *j, struct vn_own_identity *ret)
{
    static const struct {
        const char *name;
        enum vn_identity_kind kind;
    } KINDS[] = {{"taint", VN_KIND_TAINT},
                 {"team", VN_KIND_TEAM},
                 {"user", VN_KIND_USER},
                 {"oauth", VN_KIND_OAUTH}};
    char kind[16];
    if (!vn_jread_text(j, "kind", kind, sizeof(kind)) ||
        !vn_jread_text(j, "label", ret->label, sizeof(ret->label)) ||
        !vn_jread_bytes(j, "key", ret->key.b, sizeof(ret->key.b)))
        return false;
    for (size_t i = 0; i < VN_ARRAY_LEN(KINDS); i++) {
        if (strcmp(kind, KINDS[i].name) == 0) {
            ret->kind = KINDS[i].kind;
            return true;
        }
    }
    return false;
}

static bool parse_identities(const json_t *root, struct vn_own_identity *ret, size_t *ret_count)
{
    const json_t *list = json_object_get(root, "identities");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > VN_TAINTS_MAX + VN_SCOPES_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!parse_identity(json_array_get(list, i), &ret[i]))
            return false;
    }
    *ret_count = n;
    return true;
}

static bool parse_hours(const json_t *root, struct vn_hour_keys *ret)
{
    const json_t *j = json_object_get(root, "hour_keys");
    const json_t *keys = json_object_get(j, "keys");
    const size_t n = json_array_size(keys);
    uint64_t generation, first;
    if (!json_is_array(keys) || n == 0 || n > VN_HOURS_MAX ||
        !vn_jread_u64(j, "generation", UINT32_MAX, &generation) ||
        !vn_jread_u64(j, "first_hour", UINT32_MAX, &first))
        return false;
    for (size_t i = 0; i < n; i++) {
        /* Members of an array have no name: look at each through an object of one member. */
        json_t *one = json_pack("{sO}", "k", json_array_get(keys, i));
        const bool ok = one && vn_jread_bytes(one, "k", ret->keys[i].b, sizeof(ret->keys[i].b));
        json_decref(one);
        if (!ok)
            return false;
    }
    ret->generation = (uint32_t)generation;
    ret->first_hour = (uint32_t)first;
    ret->count = n;
    return true;
}

/* While the realm changes keys: what belongs to the other generation. */
static bool parse_other_keys(const json_t *root, struct vn_blob *ret)
{
    const json_t *j = json_object_get(root, "other_keys");
    return !j || json_is_null(j) || vn_jread_blob(root, "other_keys", VN_KEY_SET_MAX, ret);
}

static bool parse_access(const json_t *j, enum vn_access_rule *ret)
{
    char text[16];
    if (!vn_jread_text(j, "access", text, sizeof(text)))
        return false;
    if (strcmp(text, "taints") == 0)
        *ret = VN_ACCESS_TAINTS;
    else if (strcmp(text, "teams") == 0)
        *ret = VN_ACCESS_TEAMS;
    else if (strcmp(text, "both") == 0)
        *ret = VN_ACCESS_BOTH;
    else
        return false;
    return true;
}

static bool parse_relay(const json_t *j, enum vn_relay_rule *ret)
{
    char text[16];
    if (!vn_jread_text(j, "relay", text, sizeof(text)))
        return false;
    if (strcmp(text, "all") == 0)
        *ret = VN_RELAYS_ALL;
    else if (strcmp(text, "public") == 0)
        *ret = VN_RELAYS_PUBLIC;
    else if (strcmp(text, "none") == 0)
        *ret = VN_RELAYS_NONE;
    else
        return false;
    return true;
}

static bool parse_masters(const json_t *j, struct vn_realm_info *ret)
{
    const json_t *list = json_object_get(j, "masters");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > VN_ARRAY_LEN(ret->master_urls))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *u = json_array_get(list, i);
        if (!json_is_string(u) || json_string_length(u) > 256 ||
            strlen(json_string_value(u)) != json_string_length(u))
            return false;
        ret->master_urls[i] = vn_jread_noted(strdup(json_string_value(u)));
        if (!ret->master_urls[i])
            return false;
        ret->master_url_count = i + 1;
    }
    return true;
}

static bool parse_servers(const json_t *j, const char *name, struct vn_addr *ret, size_t cap,
                          size_t *ret_count)
{
    const json_t *list = json_object_get(j, name);
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > cap)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        uint64_t port;
        if (!json_is_object(one) || !vn_jread_ip(one, "ip", &ret[i].ip) ||
            !vn_jread_u64(one, "port", UINT16_MAX, &port) || port == 0)
            return false;
        ret[i].port = (uint16_t)port;
    }
    *ret_count = n;
    return true;
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            return false;
    return true;
}

static bool parse_ice_server(const json_t *j, struct vn_ice_server *ret)
{
    char url[VN_ICE_URL_MAX];
    struct vn_ip ip;
    if (!json_is_object(j) || !vn_jread_text(j, "url", url, sizeof(url)) ||
        vn_ice_url_parse(url, ret) != VN_OK || !vn_jread_ip(j, "ip", &ip))
        return false;
    ret->addr.ip = ip;
    if (!vn_ice_server_is_turn(ret))
        return true;
    ret->pinned = json_object_get(j, "pin") != NULL;
    return vn_jread_text(j, "username", ret->username, sizeof(ret->username)) &&
           vn_jread_text(j, "credential", ret->credential, sizeof(ret->credential)) &&
           ret->username[0] && ret->credential[0] && is_printable(ret->username) &&
           is_printable(ret->credential) &&
           (!ret->pinned || vn_jread_bytes(j, "pin", ret->pin, sizeof(ret->pin)));
}

static bool parse_ice_servers(const json_t *j, struct vn_realm_info *ret)
{
    const json_t *list = json_object_get(j, "ice_servers");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > VN_ARRAY_LEN(ret->ice))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!parse_ice_server(json_array_get(list, i), &ret->ice[i]))
            return false;
    ret->ice_count = n;
    return true;
}

static bool parse_realm(const json_t *root, struct vn_realm_info *ret)
{
    const json_t *j = json_object_get(root, "realm");
    char suite[16];
    if (!json_is_object(j) || !vn_jread_text(j, "suite", suite, sizeof(suite)))
        return false;
    const struct vn_suite_info *info = vn_suite_by_name(suite);
    if (!info)
        return false;
    ret->suite = info->id;
    return vn_jread_id(j, "id", &ret->id) &&
           vn_jread_text(j, "name", ret->name, sizeof(ret->name)) &&
           parse_access(j, &ret->access) && parse_relay(j, &ret->relay) &&
           vn_jread_u64(j, "rule", INT64_MAX, &ret->rule_number) &&
           vn_jread_prefix(j, "ipv4", &ret->range4) && vn_jread_prefix(j, "ipv6", &ret->range6) &&
           vn_jread_bytes(j, "name_key", ret->name_key.b, sizeof(ret->name_key.b)) &&
           vn_jread_id(j, "guardian_id", &ret->gid) &&
           vn_jread_blob(j, "guardian_ek", VN_EK_MAX, &ret->guardian_ek) &&
           vn_jread_blob(j, "root_cert", VN_CERT_MAX, &ret->root_cert) &&
           vn_jread_blob(j, "issuing_cert", VN_CERT_MAX, &ret->issuing_cert) &&
           vn_jread_blob(j, "command_cert", VN_CERT_MAX, &ret->command_cert) &&
           parse_masters(j, ret) && parse_ice_servers(j, ret) &&
           parse_servers(root, "member_stun", ret->member_stun, VN_ARRAY_LEN(ret->member_stun),
                         &ret->member_stun_count) &&
           vn_jread_text_dup(j, "master_ca", PEM_MAX, &ret->master_ca_pem);
}

static bool parse_revocations(const json_t *root, struct vn_credentials *ret)
{
    const json_t *list = json_object_get(root, "revocations");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > VN_REVOCATION_LOGIN_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        json_t *one = json_pack("{sO}", "r", json_array_get(list, i));
        const bool ok =
            one && vn_jread_blob(one, "r", VN_REVOCATION_LIST_MAX, &ret->revocations[i]);
        json_decref(one);
        if (!ok)
            return false;
        ret->revocation_count = i + 1;
    }
    return true;
}

static bool parse_quarantine(const json_t *root, struct vn_quarantine_list *ret)
{
    const json_t *o = json_object_get(root, "quarantine");
    const json_t *all = json_object_get(o, "all"), *list = json_object_get(o, "addresses");
    const size_t n = json_array_size(list);
    if (!vn_jread_u64(o, "number", INT64_MAX, &ret->number) || !json_is_boolean(all) ||
        !json_is_array(list) || n > VN_QUARANTINE_ADDRS_MAX)
        return false;
    ret->all = json_is_true(all);
    ret->addrs = vn_jread_noted(calloc(n + 1, sizeof(*ret->addrs)));
    for (; ret->addrs && ret->count < n; ret->count++) {
        const char *text = json_string_value(json_array_get(list, ret->count));
        if (!text || vn_ip_parse(text, &ret->addrs[ret->count]) != VN_OK)
            return false;
    }
    return ret->addrs != NULL;
}

vn_status vn_login_answer_parse(struct vn_span body, struct vn_credentials **ret)
{
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(body);
    if (!root)
        return vn_jread_why();
    VN_CLEANUP(vn_credentials_freep) struct vn_credentials *c = calloc(1, sizeof(*c));
    if (!c)
        return VN_ERR_NOMEM;
    if (!vn_jread_u64(root, "time", INT64_MAX, &c->guardian_time_ms) ||
        !vn_jread_u64(root, "expires_at", INT64_MAX, &c->expires_ms) ||
        !vn_jread_id(root, "conflux_id", &c->conflux_id) ||
        !vn_jread_text(root, "tag", c->tag, sizeof(c->tag)) || !vn_jread_ip(root, "ip4", &c->ip4) ||
        !vn_jread_ip(root, "ip6", &c->ip6) ||
        !vn_jread_blob(root, "certificate", VN_CERT_MAX, &c->certificate) ||
        !vn_jread_blob(root, "statement", VN_STATEMENT_MAX, &c->statement) ||
        !parse_identities(root, c->identities, &c->identity_count) ||
        !vn_jread_text_dup(root, "mtls_certificate", PEM_MAX, &c->mtls_cert_pem) ||
        !vn_jread_text_dup(root, "nats_jwt", NATS_JWT_MAX, &c->nats_jwt) ||
        !parse_hours(root, &c->hour_keys) || !parse_other_keys(root, &c->other_keys) ||
        !parse_revocations(root, c) || !parse_quarantine(root, &c->quarantine) ||
        !parse_realm(root, &c->realm))
        return vn_jread_why();
    *ret = VN_TAKE(c);
    return VN_OK;
}

vn_status vn_taint_answer_parse(struct vn_span body, struct vn_taint_answer *ret)
{
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(body);
    *ret = (struct vn_taint_answer){0};
    size_t count = 0;
    uint64_t generation;
    const json_t *jwt = json_object_get(root, "nats_jwt");
    if (!root || !vn_jread_blob(root, "statement", VN_STATEMENT_MAX, &ret->res.statement) ||
        !parse_identities(root, ret->identities, &count) ||
        !vn_jread_u64(root, "generation", UINT32_MAX, &generation) ||
        !parse_other_keys(root, &ret->res.other_keys) ||
        (jwt && !json_is_null(jwt) &&
         !vn_jread_text_dup(root, "nats_jwt", NATS_JWT_MAX, &ret->nats_jwt))) {
        vn_taint_answer_done(ret);
        return vn_jread_why();
    }
    ret->res.identities = ret->identities;
    ret->res.identity_count = count;
    ret->res.generation = (uint32_t)generation;
    ret->res.nats_jwt = ret->nats_jwt && ret->nats_jwt[0] ? ret->nats_jwt : NULL;
    return VN_OK;
}

void vn_taint_answer_done(struct vn_taint_answer *a)
{
    free(a->res.statement.p);
    if (a->res.other_keys.p)
        vn_wipe(a->res.other_keys.p, a->res.other_keys.n);
    free(a->res.other_keys.p);
    free(a->nats_jwt);
    vn_wipe(a, sizeof(*a));
}

vn_status vn_peers_answer_parse(struct vn_span body, struct vn_peer_entry **ret, size_t *ret_count)
{
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(body);
    const json_t *items = json_object_get(root, "items");
    if (!json_is_array(items))
        return vn_jread_why();
    const size_t n = VN_MIN(json_array_size(items), (size_t)VN_PEERS_MAX);
    struct vn_peer_entry *list = calloc(n + 1, sizeof(*list));
    if (!list)
        return VN_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *j = json_array_get(items, i);
        if (!vn_jread_id(j, "conflux_id", &list[i].conflux_id) ||
            !vn_jread_text(j, "tag", list[i].tag, sizeof(list[i].tag)) ||
            !vn_jread_ip(j, "ip4", &list[i].ip4) || !vn_jread_ip(j, "ip6", &list[i].ip6)) {
            free(list);
            return vn_jread_why();
        }
    }
    *ret = list;
    *ret_count = n;
    return VN_OK;
}

void vn_error_detail(long code, struct vn_span body, char *ret, size_t cap)
{
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(body);
    const char *text = json_string_value(json_object_get(root, "detail"));
    if (!text || !text[0]) {
        snprintf(ret, cap, "Guardian answered with status %ld", code);
        return;
    }
    size_t n = 0;
    /* It ends on a terminal: nothing that moves a cursor. */
    for (; text[n] && n + 1 < cap; n++)
        ret[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? ' ' : text[n];
    ret[n] = 0;
}

vn_status vn_error_status(long code)
{
    switch (code) {
    case 400:
        return VN_ERR_MALFORMED;
    case 401:
        return VN_ERR_AUTH;
    case 403:
        return VN_ERR_DENIED;
    case 404:
        return VN_ERR_NOTFOUND;
    case 409:
        return VN_ERR_EXISTS;
    case 410:
        return VN_ERR_EXPIRED;
    case 423: /* waits for approval, or for another place to log in from */
        return VN_ERR_STATE;
    default:
        return code == 429 || code >= 500 ? VN_ERR_AGAIN : VN_ERR_MALFORMED;
    }
}
