#include "guardian/issue.h"

#include "base/limits.h"
#include "crypto/x509.h"
#include "guardian/ice.h"
#include "guardian/json.h"
#include "wire/bundle.h"
#include "wire/hourkeys.h"

#define CERT_EARLY_MS 60000 /* certificates begin so much before now */

static bool put(json_t *o, const char *name, json_t *take)
{
    return json_object_set_new(o, name, take) == 0;
}

vn_status vn_issue_put_statement(json_t *answer, struct vn_span statement)
{
    return put(answer, "statement", vn_json_b64(statement)) ? VN_OK : VN_ERR_NOMEM;
}

static vn_status add_statement(const struct vn_realm *realm, const struct vn_conflux_record *c,
                               json_t *o)
{
    uint8_t statement[VN_STATEMENT_MAX];
    size_t n;
    vn_status st = vn_issue_statement(realm, c, realm->r.hour_generation, statement, &n);
    return st == VN_OK ? vn_issue_put_statement(o, VN_SPAN(statement, n)) : st;
}

/* Nothing, unless the realm is changing keys. */
static vn_status add_other_keys(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                uint64_t now_ms, json_t *o)
{
    uint8_t set[VN_KEY_SET_MAX];
    size_t n;
    vn_status st = vn_issue_other_keys(realm, c, now_ms, set, &n);
    if (st == VN_ERR_NOTFOUND)
        return VN_OK;
    if (st == VN_OK && !put(o, "other_keys", vn_json_b64(VN_SPAN(set, n))))
        st = VN_ERR_NOMEM;
    vn_wipe(set, sizeof(set));
    return st;
}

static vn_status add_identities(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                json_t *o)
{
    json_t *list;
    vn_status st = vn_issue_identities_json(realm, c, &list);
    if (st != VN_OK)
        return st;
    return put(o, "identities", list) ? VN_OK : VN_ERR_NOMEM;
}

static vn_status add_nats_jwt(const struct vn_realm *realm, const struct vn_conflux_record *c,
                              uint64_t now_ms, json_t *o)
{
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    vn_status st = vn_issue_nats_jwt(realm, c, now_ms, &jwt);
    if (st != VN_OK)
        return st;
    return put(o, "nats_jwt", json_string(jwt)) ? VN_OK : VN_ERR_NOMEM;
}

vn_status vn_issue_taints_answer(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                 uint64_t now_ms, json_t **ret)
{
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack("{s:o}", "taints", vn_taints_to_json(&c->taints));
    if (!o)
        return VN_ERR_NOMEM;
    if (c->has_session && c->session.not_after_ms > now_ms) {
        vn_status st = add_statement(realm, c, o);
        if (st == VN_OK)
            st = add_identities(realm, c, o);
        if (st == VN_OK)
            st = add_nats_jwt(realm, c, now_ms, o);
        if (st == VN_OK)
            st = add_other_keys(realm, c, now_ms, o);
        if (st == VN_OK &&
            !put(o, "generation", json_integer((json_int_t)realm->r.hour_generation)))
            st = VN_ERR_NOMEM;
        if (st != VN_OK)
            return st;
    }
    *ret = VN_TAKE(o);
    return VN_OK;
}

/* A9: every verified member, unless the realm's rule or its own rights say otherwise. */
static bool may_relay(const struct vn_realm *realm, const struct vn_conflux_record *c)
{
    return realm->r.relay == VN_RELAYS_ALL || (realm->r.relay == VN_RELAYS_PUBLIC && c->public);
}

static vn_status add_certificate(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                 uint64_t now_ms, json_t *o)
{
    struct vn_identity id = {
        .realm = realm->r.id,
        .node = c->session.node,
        .addrs = {vn_ip_from_u32(c->ip4), c->ip6},
        .addr_count = 2,
        .rights = c->rights.bits & (may_relay(realm, c) ? ~0u : ~(uint32_t)VN_RIGHT_RELAY),
        .prefix_count = c->rights.portal_n,
        .not_before_ms = now_ms - CERT_EARLY_MS,
        .not_after_ms = c->session.not_after_ms,
        .alg = realm->suite->sig,
        .pk_len = c->session.sig_pk_n,
    };
    snprintf(id.tag, sizeof(id.tag), "%s", c->tag);
    memcpy(id.prefixes, c->rights.portal, c->rights.portal_n * sizeof(id.prefixes[0]));
    if (realm->r.admission.show_country)
        snprintf(id.country, sizeof(id.country), "%s", c->session.country);
    memcpy(id.serial, c->session.serial, sizeof(id.serial));
    memcpy(id.pk, c->session.sig_pk, c->session.sig_pk_n);
    uint8_t *der = NULL;
    size_t n = 0;
    vn_status st = vn_x509_issue_identity(&id, realm->issuing_key, &der, &n);
    if (st != VN_OK)
        return st;
    bool ok = put(o, "certificate", vn_json_b64(VN_SPAN(der, n)));
    free(der);
    return ok ? VN_OK : VN_ERR_NOMEM;
}

static vn_status add_mtls(const struct vn_guardian_config *cfg, const struct vn_conflux_record *c,
                          struct vn_span csr, uint64_t now_ms, json_t *o)
{
    char name[VN_ID_TEXT];
    vn_id_format(&c->session.node, name);
    VN_CLEANUP(vn_json_strp) char *pem = NULL;
    vn_status st = vn_tls_ca_issue_client(cfg->ca, csr, name, now_ms - CERT_EARLY_MS,
                                          c->session.not_after_ms, &pem);
    if (st != VN_OK)
        return st;
    return put(o, "mtls_certificate", json_string(pem)) ? VN_OK : VN_ERR_NOMEM;
}

static vn_status add_hour_keys(const struct vn_realm *realm, uint64_t now_ms, uint64_t until_ms,
                               json_t *o)
{
    VN_CLEANUP(vn_hour_keys_wipe) struct vn_hour_keys hours;
    vn_status st = vn_issue_hour_keys(realm, realm->r.hour_generation, now_ms, until_ms, &hours);
    json_t *keys = json_array();
    for (size_t i = 0; st == VN_OK && i < hours.count; i++)
        if (json_array_append_new(keys, vn_json_b64(VN_SPAN_ARRAY(hours.keys[i].b))))
            st = VN_ERR_NOMEM;
    if (st != VN_OK) {
        json_decref(keys);
        return st;
    }
    return put(o, "hour_keys",
               json_pack("{s:I, s:I, s:o}", "generation", (json_int_t)hours.generation,
                         "first_hour", (json_int_t)hours.first_hour, "keys", keys))
               ? VN_OK
               : VN_ERR_NOMEM;
}

static json_t *blob_json(const struct vn_blob *b)
{
    return vn_json_b64(VN_SPAN(b->p, b->n));
}

static json_t *realm_json(const struct vn_guardian_config *cfg, const struct vn_realm *realm)
{
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_prefix_format(&realm->r.range4, range4);
    vn_prefix_format(&realm->r.range6, range6);
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "id",
        vn_json_id(&realm->r.id), "name", realm->r.name, "suite", realm->suite->name, "access",
        vn_access_name(realm->r.access), "relay", vn_relay_rule_name(realm->r.relay), "rule",
        (json_int_t)realm->r.rule_number, "ipv4", range4, "ipv6", range6, "name_key",
        vn_json_b64(VN_SPAN_ARRAY(realm->r.name_key.b)), "guardian_id", vn_json_id(&realm->gid),
        "guardian_ek", vn_json_b64(vn_kem_ek(realm->kem)), "root_cert",
        blob_json(&realm->r.root_cert), "issuing_cert", blob_json(&realm->r.issuing_cert),
        "command_cert", blob_json(&realm->r.command_cert), "master_ca", cfg->ca_cert_pem);
}

vn_status vn_issue_login_answer(const struct vn_guardian_config *cfg, const struct vn_realm *realm,
                                const struct vn_conflux_record *c, struct vn_span csr,
                                uint64_t now_ms, json_t **ret)
{
    struct vn_ip ip4 = vn_ip_from_u32(c->ip4);
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack("{s:I, s:o, s:s, s:o, s:o, s:o}", "expires_at",
                          (json_int_t)c->session.not_after_ms, "conflux_id", vn_json_id(&c->id),
                          "tag", c->tag, "ip4", vn_json_ip(&ip4), "ip6", vn_json_ip(&c->ip6),
                          "realm", realm_json(cfg, realm));
    if (!o)
        return VN_ERR_NOMEM;
    vn_status st = add_certificate(realm, c, now_ms, o);
    json_t *servers = NULL;
    if (st == VN_OK)
        st = vn_ice_servers_json(cfg, c, &servers);
    if (st == VN_OK && !put(json_object_get(o, "realm"), "ice_servers", servers))
        st = VN_ERR_NOMEM;
    if (st == VN_OK)
        st = add_identities(realm, c, o);
    if (st == VN_OK)
        st = add_mtls(cfg, c, csr, now_ms, o);
    if (st == VN_OK)
        st = add_nats_jwt(realm, c, now_ms, o);
    if (st == VN_OK)
        st = add_hour_keys(realm, now_ms, c->session.not_after_ms, o);
    if (st == VN_OK)
        st = add_other_keys(realm, c, now_ms, o);
    if (st != VN_OK)
        return st;
    *ret = VN_TAKE(o);
    return VN_OK;
}
