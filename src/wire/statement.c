#include "wire/statement.h"

#include <stdlib.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/types.h"

#define STATEMENT_CONTEXT "anchor-stmt-v1"

/* ---- tags ---- */

vn_status vn_affinity_key(enum vn_hash_alg alg, const struct vn_secret32 *root, uint32_t generation,
                          enum vn_identity_kind kind, const char *label, struct vn_secret32 *ret)
{
    uint8_t head[5];
    struct vn_writer w = vn_writer_of(head, sizeof(head));
    vn_write_u32(&w, generation);
    vn_write_u8(&w, (uint8_t)kind);
    struct vn_hash h;
    vn_status st =
        vn_hmac(alg, VN_SPAN_ARRAY(root->b), VN_PARTS(vn_writer_span(&w), VN_SPAN_STR(label)), &h);
    if (st == VN_OK)
        memcpy(ret->b, h.b, sizeof(ret->b));
    vn_wipe(&h, sizeof(h));
    return st;
}

vn_status vn_affinity_tag(enum vn_hash_alg alg, const struct vn_secret32 *key,
                          enum vn_identity_kind kind, const struct vn_hash *pk_hash,
                          struct vn_affinity_tag *ret)
{
    const uint8_t k = (uint8_t)kind;
    return vn_mac16(alg, VN_SPAN_ARRAY(key->b),
                    VN_PARTS(VN_SPAN_LIT("anchor-tag-v1"), VN_SPAN(&k, 1), vn_hash_span(pk_hash)),
                    ret->b);
}

static int compare_tags(const void *a, const void *b)
{
    return memcmp(a, b, VN_AFFINITY_TAG_LEN);
}

static void sort_tags(struct vn_affinity_tag *tags, size_t count)
{
    if (count > 1)
        qsort(tags, count, sizeof(*tags), compare_tags);
}

static bool ascending(const struct vn_affinity_tag *tags, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (compare_tags(&tags[i - 1], &tags[i]) >= 0)
            return false;
    return true;
}

static bool holds(const struct vn_affinity_tag *tags, size_t count,
                  const struct vn_affinity_tag *tag)
{
    for (size_t i = 0; i < count; i++)
        if (compare_tags(&tags[i], tag) == 0)
            return true;
    return false;
}

/*
 * ---- statement ----
 *
 *   0 version1   1 suite1   2 realm16   18 node16   34 H(pk) h   34+h number8   42+h not_after8
 *   50+h taint_count1   51+h scope_count1   52+h taints 16 each   then scopes 16 each
 *   then signature length2, signature over everything before that length         h = 32, cnsa 48
 */

vn_status vn_statement_issue(struct vn_statement *s, const struct vn_sig_key *command_key,
                             uint8_t *ret, size_t *ret_n)
{
    enum vn_suite id =
        vn_sig_alg_of(command_key) == VN_SIG_MLDSA87 ? VN_SUITE_CNSA : VN_SUITE_DEFAULT;
    const struct vn_suite_info *suite = vn_suite_get(id);
    if (suite->sig != vn_sig_alg_of(command_key) || s->pk_hash.n != suite->hash_len ||
        s->taint_count > VN_TAINTS_MAX || s->scope_count > VN_SCOPES_MAX)
        return VN_ERR_ARG;
    sort_tags(s->taints, s->taint_count);
    sort_tags(s->scopes, s->scope_count);
    if (!ascending(s->taints, s->taint_count) || !ascending(s->scopes, s->scope_count))
        return VN_ERR_ARG; /* the same identity twice */

    struct vn_writer w = vn_writer_of(ret, VN_STATEMENT_MAX);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_bytes(&w, s->realm.b, VN_ID_LEN);
    vn_write_bytes(&w, s->node.b, VN_ID_LEN);
    vn_write_span(&w, vn_hash_span(&s->pk_hash));
    vn_write_u64(&w, s->number);
    vn_write_u64(&w, s->not_after_ms);
    vn_write_u8(&w, (uint8_t)s->taint_count);
    vn_write_u8(&w, (uint8_t)s->scope_count);
    vn_write_bytes(&w, s->taints, s->taint_count * VN_AFFINITY_TAG_LEN);
    vn_write_bytes(&w, s->scopes, s->scope_count * VN_AFFINITY_TAG_LEN);
    struct vn_span to_sign = vn_writer_span(&w);
    vn_write_u16(&w, (uint16_t)suite->sig_len);
    uint8_t *sig = vn_write_room(&w, suite->sig_len);
    if (!sig)
        return VN_ERR_LIMIT;
    vn_status st = vn_sig_sign(command_key, STATEMENT_CONTEXT, to_sign, sig);
    if (st == VN_OK)
        *ret_n = w.len;
    return st;
}

static bool read_tags(struct vn_reader *r, struct vn_affinity_tag *ret, size_t count)
{
    return vn_read_copy(r, ret, count * VN_AFFINITY_TAG_LEN) && ascending(ret, count);
}

vn_status vn_statement_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                              struct vn_statement *ret, struct vn_span *ret_signed,
                              struct vn_span *ret_sig)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_statement s = {.pk_hash = {.n = suite->hash_len}};
    struct vn_reader sig;
    uint8_t version, id, taints, scopes;
    if (!vn_read_u8(&r, &version) || version != VN_WIRE_VERSION || !vn_read_u8(&r, &id) ||
        id != suite->id || !vn_read_copy(&r, s.realm.b, VN_ID_LEN) ||
        !vn_read_copy(&r, s.node.b, VN_ID_LEN) || !vn_read_copy(&r, s.pk_hash.b, suite->hash_len) ||
        !vn_read_u64(&r, &s.number) || !vn_read_u64(&r, &s.not_after_ms) ||
        !vn_read_u8(&r, &taints) || taints > VN_TAINTS_MAX || !vn_read_u8(&r, &scopes) ||
        scopes > VN_SCOPES_MAX || !read_tags(&r, s.taints, taints) ||
        !read_tags(&r, s.scopes, scopes))
        return VN_ERR_MALFORMED;
    size_t signed_n = bytes.n - r.left;
    if (!vn_read_block16(&r, &sig) || sig.left != suite->sig_len || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    s.taint_count = taints;
    s.scope_count = scopes;
    *ret = s;
    *ret_signed = VN_SPAN(bytes.p, signed_n);
    *ret_sig = vn_reader_rest(&sig);
    return VN_OK;
}

vn_status vn_statement_check(struct vn_span bytes, const struct vn_sig_pub *command,
                             const struct vn_suite_info *suite, const struct vn_id *realm,
                             uint64_t now_ms, struct vn_statement *ret)
{
    struct vn_statement s;
    struct vn_span signed_part, sig;
    vn_status st = vn_statement_decode(bytes, suite, &s, &signed_part, &sig);
    if (st != VN_OK)
        return st;
    st = vn_sig_verify(command, STATEMENT_CONTEXT, signed_part, sig);
    if (st != VN_OK)
        return st;
    if (!vn_id_equal(&s.realm, realm))
        return VN_ERR_AUTH;
    if (now_ms > s.not_after_ms)
        return VN_ERR_EXPIRED;
    *ret = s;
    return VN_OK;
}

/* ---- decision ---- */

/* Whether one side's taints contain the other's; matches counts the taints both carry. */
static bool taints_allow(const struct vn_statement *own, const struct vn_statement *peer,
                         size_t matches)
{
    return own->taint_count > 0 && peer->taint_count > 0 &&
           (matches == own->taint_count || matches == peer->taint_count);
}

static bool rule_allows(enum vn_access_rule rule, bool taints, bool scopes)
{
    switch (rule) {
    case VN_ACCESS_TAINTS:
        return taints;
    case VN_ACCESS_TEAMS:
        return scopes;
    case VN_ACCESS_BOTH:
        return taints && scopes;
    }
    return false;
}

vn_status vn_affinity_decide(const struct vn_suite_info *suite, enum vn_access_rule rule,
                             const struct vn_own_identity *identities, size_t identity_count,
                             const struct vn_statement *own, const struct vn_statement *peer,
                             bool own_is_initiator, struct vn_affinity_match *ret)
{
    struct vn_affinity_match m = {0};
    for (size_t i = 0; i < identity_count; i++) {
        const struct vn_own_identity *id = &identities[i];
        bool taint = id->kind == VN_KIND_TAINT;
        struct vn_affinity_tag theirs, ours;
        vn_status st = vn_affinity_tag(suite->hash, &id->key, id->kind, &peer->pk_hash, &theirs);
        if (st != VN_OK)
            return st;
        if (!(taint ? holds(peer->taints, peer->taint_count, &theirs)
                    : holds(peer->scopes, peer->scope_count, &theirs)))
            continue;
        /* Both ends must find the same set, so an identity counts only if our own statement, which
         * is all the peer sees of us, names it too. */
        st = vn_affinity_tag(suite->hash, &id->key, id->kind, &own->pk_hash, &ours);
        if (st != VN_OK)
            return st;
        if (!(taint ? holds(own->taints, own->taint_count, &ours)
                    : holds(own->scopes, own->scope_count, &ours)))
            continue;
        const struct vn_affinity_tag *tag = own_is_initiator ? &ours : &theirs;
        if (holds(m.matched, m.count, tag))
            continue; /* the same identity listed twice counts once */
        if (m.count == VN_ARRAY_LEN(m.matched))
            return VN_ERR_LIMIT;
        m.matched[m.count++] = *tag;
        if (taint)
            m.taint_matches++;
        else
            m.scope_matches++;
    }
    sort_tags(m.matched, m.count);
    m.allowed = rule_allows(rule, taints_allow(own, peer, m.taint_matches), m.scope_matches > 0);
    *ret = m;
    return VN_OK;
}

vn_status vn_affinity_digest(enum vn_hash_alg alg, const struct vn_affinity_match *m,
                             struct vn_hash *ret)
{
    return vn_hash(alg, VN_PARTS(VN_SPAN(m->matched, m->count * VN_AFFINITY_TAG_LEN)), ret);
}
