#include "wire/hop.h"

#include "base/writer.h"

#define TEXTS_MAX (1 + VN_HOP_PCS * 2 * (2 + VN_ICE_UFRAG_LEN + VN_ICE_PWD_LEN))
#define TRANSCRIPT_MAX (4 * VN_ID_LEN + 5 + TEXTS_MAX + 2 + VN_EK_MAX + 2 + VN_CT_MAX)

static void write_ice(struct vn_writer *w, const struct vn_ice_params *p)
{
    vn_write_block8(w, VN_SPAN(p->ufrag, strnlen(p->ufrag, sizeof(p->ufrag) - 1)));
    vn_write_block8(w, VN_SPAN(p->pwd, strnlen(p->pwd, sizeof(p->pwd) - 1)));
}

vn_status vn_hop_psk(const struct vn_suite_info *suite, const struct vn_hop_transcript *t,
                     const struct vn_secret *ss, uint8_t i, struct vn_secret32 *ret)
{
    if (t->ek.n != suite->ek_len || t->ct.n != suite->ct_len || ss->n != suite->ss_len)
        return VN_ERR_ARG;
    uint8_t buf[TRANSCRIPT_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_write_bytes(&w, t->tether.b, VN_ID_LEN);
    vn_write_bytes(&w, t->realm.b, VN_ID_LEN);
    vn_write_u32(&w, t->generation);
    vn_write_bytes(&w, t->offerer.b, VN_ID_LEN);
    vn_write_bytes(&w, t->answerer.b, VN_ID_LEN);
    vn_write_u8(&w, t->roles);
    vn_write_u8(&w, VN_HOP_PCS);
    for (size_t k = 0; k < VN_HOP_PCS; k++) {
        write_ice(&w, &t->ice_offerer[k]);
        write_ice(&w, &t->ice_answerer[k]);
    }
    vn_write_block16(&w, t->ek);
    vn_write_block16(&w, t->ct);
    if (!vn_writer_ok(&w))
        return VN_ERR_ARG;
    struct vn_hash h;
    vn_status st = vn_hash(suite->hash, VN_PARTS(vn_writer_span(&w)), &h);
    if (st != VN_OK)
        return st;
    return vn_hkdf(suite->hash, VN_SPAN_NONE, VN_SPAN(ss->b, ss->n),
                   VN_PARTS(vn_hash_span(&h), VN_SPAN_LIT("dtls"), VN_SPAN(&i, 1)), ret->b,
                   sizeof(ret->b));
}
