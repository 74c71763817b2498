#include "crypto/aead.h"

#include <limits.h>
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/ossl.h"

struct vn_aead {
    const struct vn_aead_backend *backend;
    void *state;
};

vn_status vn_aead_new_with(const struct vn_aead_backend *backend, const struct vn_secret32 *key,
                           struct vn_aead **ret)
{
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = calloc(1, sizeof(*a));
    if (!a)
        return VN_ERR_NOMEM;
    a->backend = backend;
    a->state = backend->keyed(key->b);
    if (!a->state)
        return vn_ossl_error("aes-gcm", VN_ERR_NOMEM);
    *ret = VN_TAKE(a);
    return VN_OK;
}

vn_status vn_aead_new(const struct vn_secret32 *key, struct vn_aead **ret)
{
#ifdef VN_UNSEALED
    const struct vn_aead_backend *fast = &vn_aead_none;
#else
    const struct vn_aead_backend *fast = vn_aead_ipsecmb();
#endif
    return vn_aead_new_with(fast ? fast : &vn_aead_evp, key, ret);
}

vn_status vn_aead_new_128(const struct vn_secret32 *key, struct vn_aead **ret)
{
    return vn_aead_new_with(&vn_aead_evp_128, key, ret);
}

struct vn_aead *vn_aead_free(struct vn_aead *a)
{
    if (a) {
        a->backend->free(a->state);
        free(a);
    }
    return NULL;
}

void vn_aead_freep(struct vn_aead **a)
{
    *a = vn_aead_free(*a);
}

/* What the backends may rely on. */
static bool prepare(struct vn_span *aad, struct vn_span *in, uint8_t **out)
{
    static uint8_t nothing[1];
    if (in->n > INT_MAX || aad->n > INT_MAX)
        return false;
    if (aad->n == 0)
        aad->p = nothing;
    if (in->n == 0) {
        in->p = nothing;
        *out = nothing; /* nothing is written */
    }
    return true;
}

vn_status vn_aead_seal(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span in, uint8_t *out, uint8_t tag[16])
{
    if (!prepare(&aad, &in, &out))
        return VN_ERR_ARG;
    return a->backend->seal(a->state, nonce, aad, in, out, tag);
}

vn_status vn_aead_open(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span in, const uint8_t tag[16], uint8_t *out)
{
    if (!prepare(&aad, &in, &out))
        return VN_ERR_ARG;
    const vn_status st = a->backend->open(a->state, nonce, aad, in, tag, out);
    /* The text was written before the tag was checked. */
    if (st != VN_OK)
        vn_wipe(out, in.n);
    return st;
}

static const uint8_t NONCE_ZERO[VN_AEAD_NONCE_LEN];

vn_status vn_aead_seal_once(const struct vn_secret32 *key, struct vn_span aad, struct vn_span in,
                            uint8_t *out)
{
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    vn_status st = vn_aead_new(key, &a);
    if (st != VN_OK)
        return st;
    return vn_aead_seal(a, NONCE_ZERO, aad, in, out, out + in.n);
}

vn_status vn_aead_open_once(const struct vn_secret32 *key, struct vn_span aad, struct vn_span in,
                            uint8_t *out)
{
    if (in.n < VN_AEAD_TAG_LEN)
        return VN_ERR_MALFORMED;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    vn_status st = vn_aead_new(key, &a);
    if (st != VN_OK)
        return st;
    const size_t n = in.n - VN_AEAD_TAG_LEN;
    return vn_aead_open(a, NONCE_ZERO, aad, VN_SPAN(in.p, n), in.p + n, out);
}
