#include "wire/statement.h"

#include <stdlib.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/merkle.h"
#include "wire/types.h"

#define STATEMENT_CONTEXT "anchor-stmt-v1"   /* one */
#define STATEMENTS_CONTEXT "anchor-stmts-v1" /* the root above several */
#define HEAD_LEN 18                          /* version, suite, realm */

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
 *   then length2, and so many bytes: the signature over everything before that length; or, signed
 *   with others, leaf2 leaves2 path, and the signature over
 *   version1 suite1 realm16 leaves2 root                                         h = 32, cnsa 48
 */

/* Where in its group, if it was signed with others, and the signature. */
struct proof {
    struct vn_merkle_place place;
    struct vn_span sig;
};

static const struct vn_suite_info *suite_of(const struct vn_sig_key *key)
{
    const enum vn_sig_alg alg = vn_sig_alg_of(key);
    const struct vn_suite_info *suite =
        vn_suite_get(alg == VN_SIG_MLDSA87 ? VN_SUITE_CNSA : VN_SUITE_DEFAULT);
    return suite->sig == alg ? suite : NULL;
}

vn_status vn_statement_encode(struct vn_statement *s, const struct vn_suite_info *suite,
                              uint8_t *ret, size_t *ret_n)
{
    if (s->pk_hash.n != suite->hash_len || s->taint_count > VN_TAINTS_MAX ||
        s->scope_count > VN_SCOPES_MAX)
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
    if (!vn_writer_ok(&w))
        return VN_ERR_LIMIT;
    *ret_n = w.len;
    return VN_OK;
}

#define ROOT_MESSAGE_MAX (HEAD_LEN + 2 + VN_HASH_MAX)

/* head: of any of them. */
static struct vn_span root_message(const uint8_t *head, size_t leaves, const struct vn_hash *root,
                                   uint8_t buf[ROOT_MESSAGE_MAX])
{
    struct vn_writer w = vn_writer_of(buf, ROOT_MESSAGE_MAX);
    vn_write_bytes(&w, head, HEAD_LEN);
    vn_write_u16(&w, (uint16_t)leaves);
    vn_write_span(&w, vn_hash_span(root));
    return vn_writer_span(&w);
}

static bool of_one_realm(const struct vn_suite_info *suite, const struct vn_statement_out *list,
                         size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].n <= HEAD_LEN || memcmp(list[i].bytes, list[0].bytes, HEAD_LEN) != 0)
            return false;
    return list[0].bytes[1] == (uint8_t)suite->id;
}

/* tree NULL: it was signed alone. */
static vn_status append_proof(const struct vn_merkle *tree, size_t i, struct vn_span sig,
                              struct vn_statement_out *ret)
{
    uint8_t bytes[VN_STATEMENT_MAX];
    struct vn_writer proof = vn_writer_of(bytes, sizeof(bytes));
    if (tree)
        vn_merkle_write_place(tree, i, &proof);
    vn_write_span(&proof, sig);
    struct vn_writer w = vn_writer_of(ret->bytes + ret->n, VN_STATEMENT_MAX - ret->n);
    vn_write_block16(&w, vn_writer_span(&proof));
    if (!vn_writer_ok(&proof) || !vn_writer_ok(&w))
        return VN_ERR_LIMIT;
    ret->n += w.len;
    return VN_OK;
}

static vn_status plant(const struct vn_suite_info *suite, const struct vn_statement_out *list,
                       size_t n, struct vn_merkle **ret)
{
    struct vn_hash leaves[VN_STATEMENTS_MAX];
    vn_status st = VN_OK;
    for (size_t i = 0; st == VN_OK && i < n; i++)
        st = vn_merkle_leaf(suite->hash, VN_SPAN(list[i].bytes, list[i].n), &leaves[i]);
    return st == VN_OK ? vn_merkle_new(suite->hash, leaves, n, ret) : st;
}

vn_status vn_statements_sign(const struct vn_sig_key *command_key, struct vn_statement_out *list,
                             size_t n)
{
    const struct vn_suite_info *suite = suite_of(command_key);
    if (!suite || n == 0 || n > VN_STATEMENTS_MAX || !of_one_realm(suite, list, n))
        return VN_ERR_ARG;
    VN_CLEANUP(vn_merkle_freep) struct vn_merkle *tree = NULL;
    uint8_t message[ROOT_MESSAGE_MAX], sig[VN_SIG_MAX];
    struct vn_span to_sign = VN_SPAN(list[0].bytes, list[0].n);
    vn_status st = n > 1 ? plant(suite, list, n, &tree) : VN_OK;
    if (st == VN_OK && tree)
        to_sign = root_message(list[0].bytes, n, vn_merkle_root(tree), message);
    if (st == VN_OK)
        st = vn_sig_sign(command_key, tree ? STATEMENTS_CONTEXT : STATEMENT_CONTEXT, to_sign, sig);
    for (size_t i = 0; st == VN_OK && i < n; i++)
        st = append_proof(tree, i, VN_SPAN(sig, suite->sig_len), &list[i]);
    return st;
}

vn_status vn_statement_issue(struct vn_statement *s, const struct vn_sig_key *command_key,
                             uint8_t *ret, size_t *ret_n)
{
    const struct vn_suite_info *suite = suite_of(command_key);
    struct vn_statement_out out = {.bytes = ret};
    vn_status st = suite ? vn_statement_encode(s, suite, ret, &out.n) : VN_ERR_ARG;
    if (st == VN_OK)
        st = vn_statements_sign(command_key, &out, 1);
    if (st == VN_OK)
        *ret_n = out.n;
    return st;
}

static bool read_tags(struct vn_reader *r, struct vn_affinity_tag *ret, size_t count)
{
    return vn_read_copy(r, ret, count * VN_AFFINITY_TAG_LEN) && ascending(ret, count);
}

static bool read_proof(struct vn_span bytes, const struct vn_suite_info *suite, struct proof *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    *ret = (struct proof){.place = {.leaves = 1}};
    const bool placed =
        bytes.n == suite->sig_len ||
        (vn_merkle_read_place(&r, suite->hash_len, VN_STATEMENTS_MAX, &ret->place) &&
         ret->place.leaves > 1);
    ret->sig = vn_reader_rest(&r);
    return placed && ret->sig.n == suite->sig_len;
}

vn_status vn_statement_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                              struct vn_statement *ret, struct vn_span *ret_signed,
                              struct vn_span *ret_sig)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_statement s = {.pk_hash = {.n = suite->hash_len}};
    struct proof proof;
    struct vn_span sig;
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
    if (!vn_read_span16(&r, &sig) || !vn_reader_done(&r) || !read_proof(sig, suite, &proof))
        return VN_ERR_MALFORMED;
    s.taint_count = taints;
    s.scope_count = scopes;
    *ret = s;
    *ret_signed = VN_SPAN(bytes.p, signed_n);
    *ret_sig = sig;
    return VN_OK;
}

static vn_status verify(const struct vn_suite_info *suite, const struct vn_sig_pub *command,
                        struct vn_span signed_part, struct vn_span sig)
{
    struct proof p;
    struct vn_hash leaf, root;
    uint8_t message[ROOT_MESSAGE_MAX];
    if (!read_proof(sig, suite, &p))
        return VN_ERR_MALFORMED;
    if (p.place.leaves == 1)
        return vn_sig_verify(command, STATEMENT_CONTEXT, signed_part, p.sig);
    vn_status st = vn_merkle_leaf(suite->hash, signed_part, &leaf);
    if (st == VN_OK)
        st =
            vn_merkle_climb(suite->hash, &leaf, p.place.index, p.place.leaves, p.place.path, &root);
    if (st == VN_OK)
        st = vn_sig_verify(command, STATEMENTS_CONTEXT,
                           root_message(signed_part.p, p.place.leaves, &root, message), p.sig);
    return st;
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
    st = verify(suite, command, signed_part, sig);
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
