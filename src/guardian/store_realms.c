#include "guardian/store_keys.h"
#include "guardian/store_signing.h"
#include "guardian/store_sql.h"

/* ---- realms ---- */

static void blob_wipe(struct vn_blob *b)
{
    if (b->p)
        vn_wipe(b->p, b->n);
    free(b->p);
    *b = (struct vn_blob){0};
}

void vn_realm_record_done(struct vn_realm_record *r)
{
    blob_wipe(&r->root_cert);
    blob_wipe(&r->issuing_cert);
    blob_wipe(&r->command_cert);
    blob_wipe(&r->kem_dk);
    free(r->raised);
    vn_wipe(r, sizeof(*r));
}

vn_status vn_store_realm_add(struct vn_store *s, const struct vn_realm_record *r)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO realm (id, name, suite, access, ipv4, ipv6, session_lifetime_s, created_at,"
           " root_seed, issuing_seed, command_seed, root_cert, issuing_cert, command_cert, kem_dk,"
           " affinity_root, hour_root, hour_generation, name_key, address_key, nats_account_seed,"
           " nats_signing_seed, relay) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_prefix_format(&r->range4, range4);
    vn_prefix_format(&r->range6, range6);
    vn_sql_bind_id(q, 1, &r->id);
    vn_sql_bind_text(q, 2, r->name);
    vn_sql_bind_i64(q, 3, (int)r->suite);
    vn_sql_bind_i64(q, 4, (int)r->access);
    vn_sql_bind_text(q, 5, range4);
    vn_sql_bind_text(q, 6, range6);
    vn_sql_bind_i64(q, 7, r->session_lifetime_s);
    vn_sql_bind_u64(q, 8, r->created_ms);
    vn_sql_bind_secret(q, 9, &r->root_seed);
    vn_sql_bind_secret(q, 10, &r->issuing_seed);
    vn_sql_bind_secret(q, 11, &r->command_seed);
    vn_sql_bind_blob(q, 12, VN_SPAN(r->root_cert.p, r->root_cert.n));
    vn_sql_bind_blob(q, 13, VN_SPAN(r->issuing_cert.p, r->issuing_cert.n));
    vn_sql_bind_blob(q, 14, VN_SPAN(r->command_cert.p, r->command_cert.n));
    vn_sql_bind_blob(q, 15, VN_SPAN(r->kem_dk.p, r->kem_dk.n));
    vn_sql_bind_secret(q, 16, &r->affinity_root);
    vn_sql_bind_secret(q, 17, &r->hour_root);
    vn_sql_bind_i64(q, 18, r->hour_generation);
    vn_sql_bind_secret(q, 19, &r->name_key);
    vn_sql_bind_secret(q, 20, &r->address_key);
    vn_sql_bind_secret(q, 21, &r->nats_account_seed);
    vn_sql_bind_secret(q, 22, &r->nats_signing_seed);
    vn_sql_bind_i64(q, 23, (int)r->relay);
    return vn_sql_run(s, q, "realm add", NULL);
}

vn_status vn_store_realm_get(struct vn_store *s, const struct vn_id *id,
                             struct vn_realm_record *ret)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT name, suite, access, ipv4, ipv6, session_lifetime_s, created_at,"
           " root_seed, issuing_seed, command_seed, root_cert, issuing_cert, command_cert, kem_dk,"
           " affinity_root, hour_root, hour_generation, name_key, address_key, nats_account_seed,"
           " nats_signing_seed, rule_number, relay, approval, countries,"
           " refuse_unknown, show_country FROM realm WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "realm");
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record r = {.id = *id};
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    r.suite = (enum vn_suite)vn_sql_col_i64(q, 1);
    r.access = (enum vn_access_rule)vn_sql_col_i64(q, 2);
    r.session_lifetime_s = (uint32_t)vn_sql_col_i64(q, 5);
    r.created_ms = vn_sql_col_u64(q, 6);
    r.rule_number = vn_sql_col_u64(q, 21);
    r.relay = (enum vn_relay_rule)vn_sql_col_i64(q, 22);
    r.admission = (struct vn_admission){
        .approval = vn_sql_col_bool(q, 23),
        .some_countries = !vn_sql_col_null(q, 24),
        .refuse_unknown = vn_sql_col_bool(q, 25),
        .show_country = vn_sql_col_bool(q, 26),
    };
    const char *countries = vn_sql_col_str(q, 24);
    if (r.admission.some_countries &&
        (!countries || vn_countries_parse(countries, &r.admission.countries) != VN_OK))
        return vn_sql_corrupt("realm");
    r.hour_generation = (uint32_t)vn_sql_col_i64(q, 16);
    if (!vn_sql_col_text(q, 0, r.name, sizeof(r.name)) ||
        !vn_sql_col_text(q, 3, range4, sizeof(range4)) ||
        !vn_sql_col_text(q, 4, range6, sizeof(range6)) ||
        vn_prefix_parse(range4, &r.range4) != VN_OK ||
        vn_prefix_parse(range6, &r.range6) != VN_OK || !vn_sql_col_copy(q, 7, r.root_seed.b, 32) ||
        !vn_sql_col_copy(q, 8, r.issuing_seed.b, 32) ||
        !vn_sql_col_copy(q, 9, r.command_seed.b, 32) ||
        !vn_sql_col_copy(q, 14, r.affinity_root.b, 32) ||
        !vn_sql_col_copy(q, 15, r.hour_root.b, 32) || !vn_sql_col_copy(q, 17, r.name_key.b, 32) ||
        !vn_sql_col_copy(q, 18, r.address_key.b, 32) ||
        !vn_sql_col_copy(q, 19, r.nats_account_seed.b, 32) ||
        !vn_sql_col_copy(q, 20, r.nats_signing_seed.b, 32))
        return vn_sql_corrupt("realm");
    if (!vn_sql_col_blob(q, 10, &r.root_cert) || !vn_sql_col_blob(q, 11, &r.issuing_cert) ||
        !vn_sql_col_blob(q, 12, &r.command_cert) || !vn_sql_col_blob(q, 13, &r.kem_dk))
        return VN_ERR_NOMEM;
    st = vn_store_realm_raised(s, &r);
    if (st == VN_OK)
        st = vn_store_realm_signing(s, &r);
    if (st != VN_OK)
        return st;
    *ret = r;
    r.root_cert = r.issuing_cert = r.command_cert = r.kem_dk = (struct vn_blob){0};
    r.raised = NULL;
    return VN_OK;
}

vn_status vn_store_realm_set(struct vn_store *s, const struct vn_realm_record *r, bool publish)
{
    VN_QUERY q = vn_sql_prepare(
        s, "UPDATE realm SET name = ?, access = ?, session_lifetime_s = ?, rule_number = ?,"
           " rule_published = rule_published AND NOT ?, relay = ?, approval = ?, countries = ?,"
           " refuse_unknown = ?, show_country = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, r->name);
    vn_sql_bind_i64(q, 2, (int)r->access);
    vn_sql_bind_i64(q, 3, r->session_lifetime_s);
    vn_sql_bind_u64(q, 4, r->rule_number);
    vn_sql_bind_i64(q, 5, publish);
    vn_sql_bind_i64(q, 6, (int)r->relay);
    vn_sql_bind_i64(q, 7, r->admission.approval);
    if (r->admission.some_countries) {
        char countries[VN_COUNTRIES_TEXT];
        vn_countries_format(&r->admission.countries, countries);
        vn_sql_bind_text(q, 8, countries);
    }
    vn_sql_bind_i64(q, 9, r->admission.refuse_unknown);
    vn_sql_bind_i64(q, 10, r->admission.show_country);
    vn_sql_bind_id(q, 11, &r->id);
    return vn_sql_change(s, q, "realm set");
}

vn_status vn_store_rule_pending(struct vn_store *s, struct vn_id *ret, size_t cap, size_t *ret_n)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id FROM realm WHERE rule_published = 0 LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, cap);
    size_t n = 0;
    vn_status st = VN_OK;
    while (n < cap && (st = vn_sql_row(s, q, "rule pending")) == VN_OK)
        if (!vn_sql_col_id(q, 0, &ret[n++]))
            return vn_sql_corrupt("realm");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    *ret_n = n;
    return VN_OK;
}

vn_status vn_store_rule_published(struct vn_store *s, const struct vn_id *realm, uint64_t number)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE realm SET rule_published = 1 WHERE id = ? AND rule_number <= ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, number);
    return vn_sql_run(s, q, "rule published", NULL);
}

vn_status vn_store_realm_by_name(struct vn_store *s, const char *name, struct vn_id *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id FROM realm WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    return vn_sql_row_id(s, q, "realm by name", ret);
}

vn_status vn_store_realm_list(struct vn_store *s, const struct vn_page *page,
                              bool (*fn)(void *arg, const struct vn_id *id), void *arg)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id FROM realm WHERE (created_at, id) > (?, ?)"
                                   " ORDER BY created_at, id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    vn_status st;
    while ((st = vn_sql_row(s, q, "realm list")) == VN_OK) {
        struct vn_id id;
        if (!vn_sql_col_id(q, 0, &id))
            return vn_sql_corrupt("realm");
        if (!fn(arg, &id))
            return VN_OK;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_realm_delete(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "DELETE FROM realm WHERE id = ?", id, "realm delete");
}
