#include "wire/rekey.h"

void vn_ctl_keys_wipe(struct vn_ctl_keys *k)
{
    vn_wipe(k, sizeof(*k));
}

void vn_kem_step_wipe(struct vn_kem_step *s)
{
    vn_wipe(s, sizeof(*s));
}

vn_status vn_kem_step_digest(enum vn_hash_alg alg, struct vn_span ek, struct vn_span ct,
                             struct vn_hash *ret)
{
    return vn_hash(alg, VN_PARTS(ek, ct), ret);
}

vn_status vn_chain_kem(enum vn_hash_alg alg, const struct vn_secret32 *ck,
                       const struct vn_kem_step *step, struct vn_secret32 *ret_ck,
                       struct vn_ctl_keys *ret_ctl)
{
    uint8_t okm[96];
    vn_status st =
        vn_hkdf(alg, VN_SPAN_ARRAY(ck->b), VN_SPAN(step->ss.b, step->ss.n),
                VN_PARTS(VN_SPAN_LIT("kem"), vn_hash_span(&step->digest)), okm, sizeof(okm));
    if (st == VN_OK) {
        memcpy(ret_ck->b, okm, 32);
        memcpy(ret_ctl->ir.b, okm + 32, 32);
        memcpy(ret_ctl->ri.b, okm + 64, 32);
    }
    vn_wipe(okm, sizeof(okm));
    return st;
}
