#include "wire/bundle.h"

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "wire/types.h"

#define KEYS_CONTEXT "anchor-keys-v1"

/* ---- key set ---- */

/*
 *   0 until8   8 generation4   12 first hour4   16 count1   17 hour keys 32 each
 *   then count1, identities {kind1, label var8, key32}; statement var16
 */

void vn_key_set_wipe(struct vn_key_set *s)
{
    vn_wipe(s, sizeof(*s));
}

static void write_identity(struct vn_writer *w, const struct vn_own_identity *id)
{
    vn_write_u8(w, (uint8_t)id->kind);
    vn_write_block8(w, VN_SPAN(id->label, strnlen(id->label, VN_IDENTITY_LABEL_MAX)));
    vn_write_bytes(w, id->key.b, sizeof(id->key.b));
}

vn_status vn_key_set_encode(const struct vn_key_set *s, uint8_t *ret, size_t *ret_n)
{
    if (s->hours.count == 0 || s->hours.count > VN_HOURS_MAX ||
        s->identity_count > VN_ARRAY_LEN(s->identities) || s->statement.n > VN_STATEMENT_MAX)
        return VN_ERR_ARG;
    struct vn_writer w = vn_writer_of(ret, VN_KEY_SET_MAX);
    vn_write_u64(&w, s->until_ms);
    vn_write_u32(&w, s->hours.generation);
    vn_write_u32(&w, s->hours.first_hour);
    vn_write_u8(&w, (uint8_t)s->hours.count);
    for (size_t i = 0; i < s->hours.count; i++)
        vn_write_bytes(&w, s->hours.keys[i].b, sizeof(s->hours.keys[i].b));
    vn_write_u8(&w, (uint8_t)s->identity_count);
    for (size_t i = 0; i < s->identity_count; i++)
        write_identity(&w, &s->identities[i]);
    vn_write_block16(&w, s->statement);
    if (!vn_writer_ok(&w))
        return VN_ERR_LIMIT;
    *ret_n = w.len;
    return VN_OK;
}

static bool read_hours(struct vn_reader *r, struct vn_hour_keys *ret)
{
    uint8_t count;
    if (!vn_read_u32(r, &ret->generation) || ret->generation == 0 ||
        !vn_read_u32(r, &ret->first_hour) || !vn_read_u8(r, &count) || count == 0 ||
        count > VN_HOURS_MAX)
        return false;
    ret->count = count;
    for (size_t i = 0; i < count; i++)
        if (!vn_read_copy(r, ret->keys[i].b, sizeof(ret->keys[i].b)))
            return false;
    return true;
}

static bool read_identity(struct vn_reader *r, struct vn_own_identity *ret)
{
    uint8_t kind;
    struct vn_reader label;
    if (!vn_read_u8(r, &kind) || kind < VN_KIND_TAINT || kind > VN_KIND_OAUTH ||
        !vn_read_block8(r, &label) || label.left == 0 || label.left > VN_IDENTITY_LABEL_MAX ||
        memchr(label.cur, 0, label.left))
        return false;
    ret->kind = (enum vn_identity_kind)kind;
    memcpy(ret->label, label.cur, label.left);
    return vn_read_copy(r, ret->key.b, sizeof(ret->key.b));
}

static bool read_set(struct vn_reader *r, struct vn_key_set *ret)
{
    uint8_t count;
    struct vn_reader statement;
    if (!vn_read_u64(r, &ret->until_ms) || !read_hours(r, &ret->hours) || !vn_read_u8(r, &count) ||
        count > VN_ARRAY_LEN(ret->identities))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_identity(r, &ret->identities[i]))
            return false;
    ret->identity_count = count;
    if (!vn_read_block16(r, &statement) || statement.left > VN_STATEMENT_MAX)
        return false;
    ret->statement = vn_reader_rest(&statement);
    return vn_reader_done(r);
}

vn_status vn_key_set_decode(struct vn_span bytes, struct vn_key_set *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    *ret = (struct vn_key_set){0};
    if (read_set(&r, ret))
        return VN_OK;
    vn_key_set_wipe(ret);
    return VN_ERR_MALFORMED;
}

/* ---- bundle ---- */

/*
 *   0 version1   1 suite1   2 type1   3 realm16   19 node16   35 kid8   43 generation4
 *   47 ct   then the key set, sealed, var16                                      (the leaf ends)
 *   then index2   leaves2   path (hash_len each)   signature var16
 *
 *   signed: version1 suite1 type1 realm16 generation4 leaves2 root
 */

#define ROOT_MESSAGE_MAX (25 + VN_HASH_MAX)

static struct vn_span root_message(const struct vn_suite_info *suite, const struct vn_id *realm,
                                   uint32_t generation, size_t leaves, const struct vn_hash *root,
                                   uint8_t buf[ROOT_MESSAGE_MAX])
{
    struct vn_writer w = vn_writer_of(buf, ROOT_MESSAGE_MAX);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, VN_T_KEYS);
    vn_write_bytes(&w, realm->b, VN_ID_LEN);
    vn_write_u32(&w, generation);
    vn_write_u16(&w, (uint16_t)leaves);
    vn_write_span(&w, vn_hash_span(root));
    return vn_writer_span(&w);
}

/* HKDF(header, ss, "keys-node" ‖ H(ct)) */
static vn_status bundle_key(const struct vn_suite_info *suite, struct vn_span header,
                            struct vn_span ct, const struct vn_secret *ss, struct vn_secret32 *ret)
{
    struct vn_hash ct_hash;
    vn_status st = vn_hash(suite->hash, VN_PARTS(ct), &ct_hash);
    if (st != VN_OK)
        return st;
    return vn_hkdf(suite->hash, header, VN_SPAN(ss->b, ss->n),
                   VN_PARTS(VN_SPAN_LIT("keys-node"), vn_hash_span(&ct_hash)), ret->b,
                   sizeof(ret->b));
}

static vn_status seal(const struct vn_suite_info *suite, const struct vn_id *realm,
                      uint32_t generation, struct vn_bundle_to *to)
{
    size_t sealed_n = to->set.n + VN_AEAD_TAG_LEN;
    size_t n = VN_BUNDLE_HEADER_LEN + suite->ct_len + 2 + sealed_n;
    if (to->ek.n != suite->ek_len || to->set.n > VN_KEY_SET_MAX)
        return VN_ERR_ARG;
    uint8_t kid[VN_KID_LEN];
    vn_status st = vn_kid(suite->hash, to->ek, kid);
    if (st == VN_OK)
        st = vn_buf_reserve(&to->ret, n);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(to->ret.p, n);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, VN_T_KEYS);
    vn_write_bytes(&w, realm->b, VN_ID_LEN);
    vn_write_bytes(&w, to->node.b, VN_ID_LEN);
    vn_write_bytes(&w, kid, sizeof(kid));
    vn_write_u32(&w, generation);
    struct vn_span header = vn_writer_span(&w);
    uint8_t *ct = vn_write_room(&w, suite->ct_len);
    vn_write_u16(&w, (uint16_t)sealed_n);
    uint8_t *sealed = vn_write_room(&w, sealed_n);
    if (!ct || !sealed)
        return VN_ERR_LIMIT;
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key;
    st = vn_kem_encapsulate(suite->kem, to->ek, ct, &ss);
    if (st == VN_OK)
        st = bundle_key(suite, header, VN_SPAN(ct, suite->ct_len), &ss, &key);
    if (st == VN_OK)
        st = vn_aead_seal_once(&key, header, to->set, sealed);
    if (st == VN_OK)
        to->ret.len = w.len;
    return st;
}

static vn_status append_proof(const struct vn_suite_info *suite, const struct vn_merkle *tree,
                              size_t i, size_t n, struct vn_span sig, struct vn_buf *b)
{
    const size_t more = 4 + vn_merkle_path_len(i, n) * suite->hash_len + 2 + sig.n;
    vn_status st = vn_buf_reserve(b, more);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(b->p + b->len, more);
    vn_merkle_write_place(tree, i, &w);
    vn_write_block16(&w, sig);
    if (!vn_writer_ok(&w))
        return VN_ERR_LIMIT;
    b->len += w.len;
    return VN_OK;
}

/* A tree above those that were sealed. */
static vn_status plant(const struct vn_suite_info *suite, const struct vn_bundle_to *list, size_t n,
                       struct vn_merkle **ret, size_t *ret_leaves)
{
    struct vn_hash *leaves = calloc(n, sizeof(*leaves));
    vn_status st = leaves ? VN_OK : VN_ERR_NOMEM;
    size_t count = 0;
    for (size_t i = 0; st == VN_OK && i < n; i++)
        if (list[i].ret.len)
            st = vn_merkle_leaf(suite->hash, vn_buf_span(&list[i].ret), &leaves[count++]);
    if (st == VN_OK && count)
        st = vn_merkle_new(suite->hash, leaves, count, ret);
    free(leaves);
    *ret_leaves = count;
    return st;
}

vn_status vn_bundles_make(const struct vn_suite_info *suite, const struct vn_id *realm,
                          uint32_t generation, const struct vn_sig_key *command_key,
                          struct vn_bundle_to *list, size_t n)
{
    if (n == 0 || n > VN_BUNDLES_MAX || vn_sig_alg_of(command_key) != suite->sig)
        return VN_ERR_ARG;
    VN_CLEANUP(vn_merkle_freep) struct vn_merkle *tree = NULL;
    vn_status st = VN_OK;
    size_t leaves = 0;
    for (size_t i = 0; st == VN_OK && i < n; i++) {
        st = seal(suite, realm, generation, &list[i]);
        if (st == VN_ERR_CRYPTO)
            st = VN_OK; /* its own doing, and nobody else's loss */
    }
    if (st == VN_OK)
        st = plant(suite, list, n, &tree, &leaves);
    if (st != VN_OK || !leaves)
        return st;
    uint8_t message[ROOT_MESSAGE_MAX], sig[VN_SIG_MAX];
    st = vn_sig_sign(command_key, KEYS_CONTEXT,
                     root_message(suite, realm, generation, leaves, vn_merkle_root(tree), message),
                     sig);
    for (size_t i = 0, leaf = 0; st == VN_OK && i < n; i++)
        if (list[i].ret.len)
            st = append_proof(suite, tree, leaf++, leaves, VN_SPAN(sig, suite->sig_len),
                              &list[i].ret);
    return st;
}

vn_status vn_bundle_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                          struct vn_bundle_view *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_bundle_view v = {.bytes = bytes};
    struct vn_reader sealed, sig;
    uint8_t version, id, type;
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !vn_read_u8(&r, &version) ||
        version != VN_WIRE_VERSION || !vn_read_u8(&r, &id) || id != suite->id ||
        !vn_read_u8(&r, &type) || type != VN_T_KEYS || !vn_read_copy(&r, v.realm.b, VN_ID_LEN) ||
        !vn_read_copy(&r, v.node.b, VN_ID_LEN) || !vn_read_copy(&r, v.kid, VN_KID_LEN) ||
        !vn_read_u32(&r, &v.generation) || !vn_read_span(&r, suite->ct_len, &v.ct) ||
        !vn_read_block16(&r, &sealed) || sealed.left < VN_AEAD_TAG_LEN ||
        sealed.left > VN_KEY_SET_MAX + VN_AEAD_TAG_LEN)
        return VN_ERR_MALFORMED;
    v.leaf = VN_SPAN(bytes.p, bytes.n - r.left);
    v.sealed = vn_reader_rest(&sealed);
    if (!vn_merkle_read_place(&r, suite->hash_len, VN_BUNDLES_MAX, &v.place) ||
        !vn_read_block16(&r, &sig) || sig.left != suite->sig_len || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    v.sig = vn_reader_rest(&sig);
    *ret = v;
    return VN_OK;
}

vn_status vn_bundle_verify(const struct vn_bundle_view *v, const struct vn_suite_info *suite,
                           const struct vn_sig_pub *command)
{
    struct vn_hash leaf, root;
    uint8_t message[ROOT_MESSAGE_MAX];
    vn_status st = vn_merkle_leaf(suite->hash, v->leaf, &leaf);
    if (st == VN_OK)
        st = vn_merkle_climb(suite->hash, &leaf, v->place.index, v->place.leaves, v->place.path,
                             &root);
    if (st == VN_OK)
        st = vn_sig_verify(
            command, KEYS_CONTEXT,
            root_message(suite, &v->realm, v->generation, v->place.leaves, &root, message), v->sig);
    return st;
}

vn_status vn_bundle_open(const struct vn_bundle_view *v, const struct vn_suite_info *suite,
                         const struct vn_kem_dk *dk, uint8_t *plain, struct vn_span *ret_set)
{
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key;
    struct vn_span header = VN_SPAN(v->bytes.p, VN_BUNDLE_HEADER_LEN);
    if (vn_kem_alg_of(dk) != suite->kem)
        return VN_ERR_ARG;
    vn_status st = vn_kem_decapsulate(dk, v->ct, &ss);
    if (st == VN_OK)
        st = bundle_key(suite, header, v->ct, &ss, &key);
    if (st == VN_OK)
        st = vn_aead_open_once(&key, header, v->sealed, plain);
    if (st == VN_OK)
        *ret_set = VN_SPAN(plain, v->sealed.n - VN_AEAD_TAG_LEN);
    return st;
}

/* ---- in force ---- */

static const struct vn_notice_kind IN_FORCE = {
    .type = VN_T_KEYS_NOW, .body_n = VN_KEYS_NOW_BODY, .context = KEYS_CONTEXT};

/*
 *   19 generation4   23 until8
 */

vn_status vn_keys_now_issue(const struct vn_suite_info *suite, const struct vn_keys_now *k,
                            const struct vn_sig_key *command_key, uint8_t *ret, size_t *ret_n)
{
    uint8_t body[VN_KEYS_NOW_BODY];
    struct vn_writer w = vn_writer_of(body, sizeof(body));
    vn_write_u32(&w, k->generation);
    vn_write_u64(&w, k->until_ms);
    return vn_notice_issue(suite, &IN_FORCE, &k->realm, vn_writer_span(&w), command_key, ret,
                           ret_n);
}

static vn_status read_now(const struct vn_notice *n, struct vn_keys_now *ret)
{
    struct vn_reader r = vn_reader_of(n->body);
    struct vn_keys_now k = {.realm = n->realm};
    if (!vn_read_u32(&r, &k.generation) || !vn_read_u64(&r, &k.until_ms) || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    *ret = k;
    return VN_OK;
}

vn_status vn_keys_now_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                             struct vn_keys_now *ret)
{
    struct vn_notice n;
    vn_status st = vn_notice_decode(bytes, suite, &IN_FORCE, &n);
    return st == VN_OK ? read_now(&n, ret) : st;
}

vn_status vn_keys_now_check(struct vn_span bytes, const struct vn_sig_pub *command,
                            const struct vn_suite_info *suite, const struct vn_id *realm,
                            struct vn_keys_now *ret)
{
    struct vn_notice n;
    vn_status st = vn_notice_check(bytes, suite, &IN_FORCE, command, realm, &n);
    return st == VN_OK ? read_now(&n, ret) : st;
}
