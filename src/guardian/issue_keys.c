/* The keys of a node's identities, its statement, and the keys of a generation. */
#include "base/limits.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "wire/bundle.h"
#include "wire/hourkeys.h"
#include "wire/statement.h"

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

vn_status vn_issue_hour_keys(const struct vn_realm *realm, uint32_t generation, uint64_t now_ms,
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
        st = vn_issue_hour_keys(realm, other, now_ms, c->session.not_after_ms, &s.hours);
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
