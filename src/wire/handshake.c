/* What the messages of the handshake share: its state, the short head, and what comes out. */
#include <stdlib.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/handshake_i.h"

void vn_hs_state_wipe(struct vn_hs_state *s)
{
    s->eke = vn_kem_free(s->eke);
    vn_wipe(s, sizeof(*s));
}

struct vn_hs_state *vn_hs_state_free(struct vn_hs_state *s)
{
    if (s)
        vn_hs_state_wipe(s);
    free(s);
    return NULL;
}

void vn_hs_keys_wipe(struct vn_hs_keys *k)
{
    vn_wipe(k, sizeof(*k));
}

/* ---- the head of M2 and RETRY ---- */

void vn_hs_write_short_head(struct vn_writer *w, const struct vn_suite_info *suite, uint8_t type,
                            const struct vn_id *sid)
{
    vn_write_u8(w, VN_WIRE_VERSION);
    vn_write_u8(w, (uint8_t)suite->id);
    vn_write_u8(w, type);
    vn_write_bytes(w, sid->b, VN_ID_LEN);
}

bool vn_hs_read_short_head(struct vn_reader *r, uint8_t *ret_suite, uint8_t *ret_type,
                           struct vn_id *ret_sid)
{
    uint8_t version;
    return vn_read_u8(r, &version) && version == VN_WIRE_VERSION && vn_read_u8(r, ret_suite) &&
           vn_read_u8(r, ret_type) && vn_read_copy(r, ret_sid->b, VN_ID_LEN);
}

vn_status vn_hs_peek_sid(struct vn_span bytes, struct vn_id *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    uint8_t id, type;
    struct vn_id sid;
    if (!vn_hs_read_short_head(&r, &id, &type, &sid) ||
        (type != VN_T_HS_M2 && type != VN_T_HS_RETRY))
        return VN_ERR_MALFORMED;
    *ret = sid;
    return VN_OK;
}

/* ---- the end ---- */

vn_status vn_hs_finish(struct vn_hs_state *s, const struct vn_hash *matched, uint8_t mode,
                       struct vn_hs_keys *ret)
{
    const struct vn_suite_info *suite = s->suite;
    if (s->k2.n == 0)
        return VN_ERR_STATE;
    struct vn_hash salt;
    uint8_t okm[3 * 32];
    vn_status st = vn_hash(suite->hash,
                           VN_PARTS(vn_hash_span(&s->hd), VN_SPAN(s->sig, suite->sig_len)), &salt);
    if (st == VN_OK)
        st = vn_hkdf(suite->hash, vn_hash_span(&salt), VN_SPAN(s->k2.b, s->k2.n),
                     VN_PARTS(VN_SPAN_LIT("stream"), vn_hash_span(matched), VN_SPAN(&mode, 1)), okm,
                     sizeof(okm));
    if (st == VN_OK) {
        memcpy(ret->ck0.b, okm, 32);
        memcpy(ret->k_ctl_ir.b, okm + 32, 32);
        memcpy(ret->k_ctl_ri.b, okm + 64, 32);
    }
    vn_wipe(okm, sizeof(okm));
    vn_secret_wipe(&s->k1);
    vn_secret_wipe(&s->k2);
    return st;
}
