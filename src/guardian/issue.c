#include "guardian/issue.h"

#include <stdarg.h>

#include "base/limits.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "guardian/ice.h"
#include "guardian/json.h"
#include "wire/bundle.h"
#include "wire/hourkeys.h"
#include "wire/names.h"
#include "wire/statement.h"

#define USER_SUBSCRIPTIONS 64
#define CERT_EARLY_MS 60000 /* certificates begin so much before now */

/* ---- identities ---- */

/* That of the newest key which the identity got up to this generation of the realm. */
static uint32_t identity_generation(const struct vn_realm *realm, uint32_t generation,
                                    enum vn_identity_kind kind, const char *label)
{
    uint32_t newest = 1;
    for (size_t i = 0; i < realm->r.raised_n; i++) {
        const struct vn_raised_identity *e = &realm->r.raised[i];
        bool meant = e->kind == 0 || (e->kind == (int)kind && strcmp(e->label, label) == 0);
        if (meant && e->generation <= generation)
            newest = VN_MAX(newest, e->generation);
    }
    return newest;
}

static vn_status add_identity(const struct vn_realm *realm, uint32_t generation,
                              enum vn_identity_kind kind, const char *label,
                              struct vn_own_identity *ret)
{
    ret->kind = kind;
    snprintf(ret->label, sizeof(ret->label), "%s", label);
    return vn_affinity_key(realm->suite->hash, &realm->r.affinity_root,
                           identity_generation(realm, generation, kind, label), kind, label,
                           &ret->key);
}

vn_status vn_issue_identities(const struct vn_realm *realm, const struct vn_conflux_record *c,
                              uint32_t generation, struct vn_own_identity *ret, size_t cap,
                              size_t *ret_n)
{
    if (c->taints.n + c->teams.n + c->scopes.n + 1 > cap)
        return VN_ERR_LIMIT;
    *ret_n = 0;
    if (c->quarantine.all) /* a node without identities may talk to nobody */
        return VN_OK;
    vn_status st = VN_OK;
    size_t n = 0;
    for (; st == VN_OK && n < c->taints.n; n++)
        st = add_identity(realm, generation, VN_KIND_TAINT, c->taints.t[n], &ret[n]);
    for (size_t i = 0; st == VN_OK && i < c->teams.n; i++) {
        char team[VN_ID_TEXT];
        vn_id_format(&c->teams.t[i], team);
        st = add_identity(realm, generation, VN_KIND_TEAM, team, &ret[n++]);
    }
    for (size_t i = 0; st == VN_OK && i < c->scopes.n; i++)
        st = add_identity(realm, generation, VN_KIND_OAUTH, c->scopes.s[i], &ret[n++]);
    char user[VN_ID_TEXT];
    vn_id_format(&c->owner, user);
    if (st == VN_OK)
        st = add_identity(realm, generation, VN_KIND_USER, user, &ret[n++]);
    if (st == VN_OK)
        *ret_n = n;
    return st;
}

static const char *kind_name(enum vn_identity_kind kind)
{
    switch (kind) {
    case VN_KIND_TAINT:
        return "taint";
    case VN_KIND_TEAM:
        return "team";
    case VN_KIND_USER:
        return "user";
    case VN_KIND_OAUTH:
        return "oauth";
    }
    return "?";
}

#define IDENTITIES_MAX (VN_TAINTS_MAX + VN_SCOPES_MAX)

vn_status vn_issue_identities_json(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                   json_t **ret)
{
    struct vn_own_identity ids[IDENTITIES_MAX];
    size_t n;
    vn_status st =
        vn_issue_identities(realm, c, realm->r.hour_generation, ids, VN_ARRAY_LEN(ids), &n);
    json_t *list = st == VN_OK ? json_array() : NULL;
    for (size_t i = 0; list && i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "kind", kind_name(ids[i].kind),
                                              "label", ids[i].label, "key",
                                              vn_json_b64(VN_SPAN_ARRAY(ids[i].key.b))));
    vn_wipe(ids, sizeof(ids));
    if (st == VN_OK && json_array_size(list) != n) {
        json_decref(list);
        return VN_ERR_NOMEM;
    }
    if (st == VN_OK)
        *ret = list;
    return st;
}

static vn_status make_statement(const struct vn_realm *realm, const struct vn_conflux_record *c,
                                uint32_t generation, struct vn_statement *ret)
{
    struct vn_own_identity ids[IDENTITIES_MAX];
    size_t n = 0;
    vn_status st = vn_issue_identities(realm, c, generation, ids, VN_ARRAY_LEN(ids), &n);
    struct vn_statement s = {
        .realm = realm->r.id,
        .node = c->session.node,
        .number = c->statement_number,
        .not_after_ms = c->session.not_after_ms,
    };
    if (st == VN_OK)
        st = vn_hash(realm->suite->hash, VN_PARTS(VN_SPAN(c->session.sig_pk, c->session.sig_pk_n)),
                     &s.pk_hash);
    for (size_t i = 0; st == VN_OK && i < n; i++) {
        bool taint = ids[i].kind == VN_KIND_TAINT;
        struct vn_affinity_tag *tag =
            taint ? &s.taints[s.taint_count++] : &s.scopes[s.scope_count++];
        st = vn_affinity_tag(realm->suite->hash, &ids[i].key, ids[i].kind, &s.pk_hash, tag);
    }
    vn_wipe(ids, sizeof(ids));
    if (st == VN_OK)
        *ret = s;
    return st;
}

vn_status vn_issue_statement(const struct vn_realm *realm, const struct vn_conflux_record *c,
                             uint32_t generation, uint8_t *ret, size_t *ret_n)
{
    struct vn_statement s;
    vn_status st = make_statement(realm, c, generation, &s);
    return st == VN_OK ? vn_statement_issue(&s, realm->command_key, ret, ret_n) : st;
}

vn_status vn_issue_unsigned_statement(const struct vn_realm *realm,
                                      const struct vn_conflux_record *c, uint8_t *ret,
                                      size_t *ret_n)
{
    struct vn_statement s;
    vn_status st = make_statement(realm, c, realm->r.hour_generation, &s);
    return st == VN_OK ? vn_statement_encode(&s, realm->suite, ret, ret_n) : st;
}

/* ---- keys of a generation ---- */

static vn_status hour_keys(const struct vn_realm *realm, uint32_t generation, uint64_t now_ms,
                           uint64_t until_ms, struct vn_hour_keys *ret)
{
    uint32_t first = vn_hour_of(now_ms) - 1, last = vn_hour_of(until_ms) + 1;
    *ret = (struct vn_hour_keys){.generation = generation, .first_hour = first};
    if (last - first >= VN_HOURS_MAX)
        return VN_ERR_LIMIT;
    vn_status st = VN_OK;
    for (uint32_t h = first; st == VN_OK && h <= last; h++)
        st = vn_hour_key_derive(realm->suite->hash, &realm->r.hour_root, generation, h,
                                &ret->keys[ret->count++]);
    return st;
}

uint32_t vn_issue_other_generation(const struct vn_realm *realm, uint64_t now_ms)
{
    bool over = realm->r.other_until_ms && realm->r.other_until_ms <= now_ms;
    return over ? 0 : realm->r.other_generation;
}

vn_status vn_issue_other_keys(const struct vn_realm *realm, const struct vn_conflux_record *c,
                              uint64_t now_ms, uint8_t *ret, size_t *ret_n)
{
    uint32_t other = vn_issue_other_generation(realm, now_ms);
    struct vn_key_set s = {.until_ms = realm->r.other_until_ms};
    uint8_t statement[VN_STATEMENT_MAX];
    size_t n;
    vn_status st = other ? VN_OK : VN_ERR_NOTFOUND;
    if (st == VN_OK)
        st = hour_keys(realm, other, now_ms, c->session.not_after_ms, &s.hours);
    if (st == VN_OK)
        st = vn_issue_identities(realm, c, other, s.identities, VN_ARRAY_LEN(s.identities),
                                 &s.identity_count);
    if (st == VN_OK)
        st = vn_issue_statement(realm, c, other, statement, &n);
    if (st == VN_OK) {
        s.statement = VN_SPAN(statement, n);
        st = vn_key_set_encode(&s, ret, ret_n);
    }
    vn_key_set_wipe(&s);
    return st;
}

/* ---- NATS ---- */

static bool allow(json_t *list, const char *fmt, ...) VN_PRINTF(2, 3);

/* False: out of memory. A node without one of its subjects would be deaf to something. */
static bool allow(json_t *list, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const bool added = json_array_append_new(list, json_vsprintf(fmt, ap)) == 0;
    va_end(ap);
    return added;
}

static vn_status allow_name(const struct vn_realm *realm, json_t *list, const struct vn_id *self,
                            enum vn_subject_kind subject, enum vn_name_kind kind,
                            struct vn_span name)
{
    struct vn_id h;
    vn_status st = vn_name_hash(realm->suite->hash, &realm->r.name_key, kind, name, &h);
    if (st != VN_OK)
        return st;
    char pattern[VN_SUBJECT_MAX];
    vn_subject_pattern(subject, &h, pattern);
    char room[4];
    const char *queue = vn_subject_queue(self, kind, room);
    const bool added = queue ? allow(list, "%s %s", pattern, queue) : allow(list, "%s", pattern);
    return added ? VN_OK : VN_ERR_NOMEM;
}

vn_status vn_issue_nats_jwt(const struct vn_realm *realm, const struct vn_conflux_record *c,
                            uint64_t now_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *pub = json_array();
    VN_CLEANUP(vn_json_freep) json_t *sub = json_array();
    if (!pub || !sub)
        return VN_ERR_NOMEM;
    const struct vn_id *node = &c->session.node;
    char self[VN_ID_TEXT], user[VN_NKEY_TEXT];
    vn_id_format(node, self);
    if (!allow(pub, "a.in.*.%s", self) || !allow(pub, "a.own.*.%s", self) ||
        !allow(pub, "a.grp.*.%s", self) || !allow(pub, "a.hub.%s", self) ||
        !allow(pub, "a.net.%s", self) || !allow(sub, "a.in.%s.*", self) ||
        !allow(sub, "a.adm.%s", self) || !allow(sub, "a.rev") || !allow(sub, "a.hub.* hub"))
        return VN_ERR_NOMEM;
    struct vn_ip ip4 = vn_ip_from_u32(c->ip4);
    vn_status st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_ID, VN_SPAN_ARRAY(node->b));
    if (st == VN_OK)
        st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_IP4, VN_SPAN(ip4.b + 12, 4));
    if (st == VN_OK)
        st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_IP6, VN_SPAN_ARRAY(c->ip6.b));
    if (st == VN_OK)
        st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_TAG, VN_SPAN_STR(c->tag));
    for (size_t i = 0; st == VN_OK && i < c->taints.n; i++)
        st = allow_name(realm, sub, node, VN_SUBJ_GRP, VN_NAME_TAINT, VN_SPAN_STR(c->taints.t[i]));
    for (size_t i = 0; st == VN_OK && i < c->teams.n; i++) {
        char team[VN_ID_TEXT];
        vn_id_format(&c->teams.t[i], team);
        st = allow_name(realm, sub, node, VN_SUBJ_GRP, VN_NAME_TEAM, VN_SPAN_STR(team));
    }
    if (st == VN_OK)
        st = vn_nkey_public(VN_NKEY_USER, c->session.nkey, user);
    if (st != VN_OK)
        return st;
    const struct vn_nats_user u = {
        .user = user,
        .account = realm->account.public,
        .name = self,
        .pub = pub,
        .sub = sub,
        .subs = USER_SUBSCRIPTIONS,
        .payload = VN_CONTROL_PAYLOAD_MAX,
        .expires_ms = c->session.not_after_ms,
    };
    return vn_natsjwt_user(&realm->signing, &u, now_ms, ret);
}

vn_status vn_issue_guardian_jwt(const struct vn_realm *realm, const char *user_nkey,
                                uint64_t now_ms, uint64_t expires_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *pub = json_array();
    VN_CLEANUP(vn_json_freep) json_t *sub = json_array();
    if (!pub || !sub)
        return VN_ERR_NOMEM;
    char gid[VN_ID_TEXT];
    vn_id_format(&realm->gid, gid);
    if (!allow(pub, "a.adm.*") || !allow(pub, "a.rev") || !allow(pub, "a.in.*.%s", gid) ||
        !allow(sub, "a.in.%s.*", gid))
        return VN_ERR_NOMEM;
    const struct vn_nats_user u = {
        .user = user_nkey,
        .account = realm->account.public,
        .name = "guardian",
        .pub = pub,
        .sub = sub,
        .subs = -1,
        .payload = -1,
        .expires_ms = expires_ms,
    };
    return vn_natsjwt_user(&realm->signing, &u, now_ms, ret);
}

/* ---- answers ---- */

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
    vn_status st = hour_keys(realm, realm->r.hour_generation, now_ms, until_ms, &hours);
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
