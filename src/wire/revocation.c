#include "wire/revocation.h"

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/sig.h"
#include "wire/types.h"

#define REVOCATION_CONTEXT "anchor-rev-v1"

/*
 *   0 version1   1 suite1   2 type1   3 realm16   19 after8   27 to8   35 count2   37 entries 57
 * each then signature length2, signature over everything before that length
 *
 *   entry: 0 number8   8 kind1   9 node16   25 serial16   41 minimum8   49 until8
 */

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

/* What each kind does not use is zero, so that one entry has one encoding. */
static bool entry_valid(const struct vn_revocation *e)
{
    switch (e->kind) {
    case VN_REVOKE_NODE:
        return e->minimum == 0;
    case VN_REVOKE_STATEMENTS:
        return e->minimum > 0 && is_zero(e->serial, sizeof(e->serial));
    }
    return false;
}

static bool list_valid(const struct vn_revocation_list *l)
{
    uint64_t last = l->after;
    if (l->to < l->after || l->count > VN_REVOCATION_ENTRIES_MAX)
        return false;
    for (size_t i = 0; i < l->count; i++) {
        if (!entry_valid(&l->entries[i]) || l->entries[i].number <= last)
            return false;
        last = l->entries[i].number;
    }
    return last <= l->to;
}

vn_status vn_revocation_list_issue(const struct vn_revocation_list *l,
                                   const struct vn_sig_key *command_key, uint8_t *ret,
                                   size_t *ret_n)
{
    enum vn_suite id =
        vn_sig_alg_of(command_key) == VN_SIG_MLDSA87 ? VN_SUITE_CNSA : VN_SUITE_DEFAULT;
    const struct vn_suite_info *suite = vn_suite_get(id);
    if (suite->sig != vn_sig_alg_of(command_key) || !list_valid(l))
        return VN_ERR_ARG;
    struct vn_writer w = vn_writer_of(ret, VN_REVOCATION_LIST_MAX);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, VN_T_REVOCATIONS);
    vn_write_bytes(&w, l->realm.b, VN_ID_LEN);
    vn_write_u64(&w, l->after);
    vn_write_u64(&w, l->to);
    vn_write_u16(&w, (uint16_t)l->count);
    for (size_t i = 0; i < l->count; i++) {
        const struct vn_revocation *e = &l->entries[i];
        vn_write_u64(&w, e->number);
        vn_write_u8(&w, (uint8_t)e->kind);
        vn_write_bytes(&w, e->node.b, VN_ID_LEN);
        vn_write_bytes(&w, e->serial, sizeof(e->serial));
        vn_write_u64(&w, e->minimum);
        vn_write_u64(&w, e->until_ms);
    }
    struct vn_span to_sign = vn_writer_span(&w);
    vn_write_u16(&w, (uint16_t)suite->sig_len);
    uint8_t *sig = vn_write_room(&w, suite->sig_len);
    if (!sig)
        return VN_ERR_LIMIT;
    vn_status st = vn_sig_sign(command_key, REVOCATION_CONTEXT, to_sign, sig);
    if (st == VN_OK)
        *ret_n = w.len;
    return st;
}

static bool read_entry(struct vn_reader *r, struct vn_revocation *ret)
{
    uint8_t kind;
    if (!vn_read_u64(r, &ret->number) || !vn_read_u8(r, &kind) ||
        !vn_read_copy(r, ret->node.b, VN_ID_LEN) ||
        !vn_read_copy(r, ret->serial, sizeof(ret->serial)) || !vn_read_u64(r, &ret->minimum) ||
        !vn_read_u64(r, &ret->until_ms))
        return false;
    ret->kind = (enum vn_revocation_kind)kind;
    return true;
}

vn_status vn_revocation_list_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                                    struct vn_revocation_list *ret, struct vn_span *ret_signed,
                                    struct vn_span *ret_sig)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_reader sig;
    uint8_t version, id, type;
    uint16_t count;
    ret->count = 0;
    if (!vn_read_u8(&r, &version) || version != VN_WIRE_VERSION || !vn_read_u8(&r, &id) ||
        id != suite->id || !vn_read_u8(&r, &type) || type != VN_T_REVOCATIONS ||
        !vn_read_copy(&r, ret->realm.b, VN_ID_LEN) || !vn_read_u64(&r, &ret->after) ||
        !vn_read_u64(&r, &ret->to) || !vn_read_u16(&r, &count) || count > VN_REVOCATION_ENTRIES_MAX)
        return VN_ERR_MALFORMED;
    for (size_t i = 0; i < count; i++)
        if (!read_entry(&r, &ret->entries[i]))
            return VN_ERR_MALFORMED;
    ret->count = count;
    size_t signed_n = bytes.n - r.left;
    if (!list_valid(ret) || !vn_read_block16(&r, &sig) || sig.left != suite->sig_len ||
        !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    *ret_signed = VN_SPAN(bytes.p, signed_n);
    *ret_sig = vn_reader_rest(&sig);
    return VN_OK;
}

vn_status vn_revocation_list_check(struct vn_span bytes, const struct vn_sig_pub *command,
                                   const struct vn_suite_info *suite, const struct vn_id *realm,
                                   struct vn_revocation_list *ret)
{
    struct vn_span signed_part, sig;
    vn_status st = vn_revocation_list_decode(bytes, suite, ret, &signed_part, &sig);
    if (st == VN_OK)
        st = vn_sig_verify(command, REVOCATION_CONTEXT, signed_part, sig);
    if (st == VN_OK && !vn_id_equal(&ret->realm, realm))
        st = VN_ERR_AUTH;
    return st;
}
