#include "crypto/aead_backend.h"

#ifdef VN_HAVE_IPSECMB

#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

/*
 * Holds the functions chosen for this processor, and is only read after that; it lives as long as
 * the process. Its job queues are not used: GCM has direct calls, which keep their state in their
 * arguments.
 */
static IMB_MGR *mgr;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    IMB_ARCH arch = IMB_ARCH_NONE;
    IMB_MGR *m = alloc_mb_mgr(0);
    if (!m)
        return;
    init_mb_mgr_auto(m, &arch);
    /* The library tries its algorithms against known answers once. */
    const uint64_t tested = IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;
    if (imb_get_errno(m) != 0 || arch == IMB_ARCH_NONE || (m->features & tested) != tested) {
        vn_log(VN_LOG_DEBUG, "ipsecmb_unusable",
               VN_KV_STR("error", imb_get_strerror(imb_get_errno(m))));
        free_mb_mgr(m);
        return;
    }
    mgr = m;
}

static void *keyed(const uint8_t key[VN_AEAD_KEY_LEN])
{
    const size_t align = _Alignof(struct gcm_key_data);
    const size_t size = (sizeof(struct gcm_key_data) + align - 1) / align * align;
    struct gcm_key_data *k = aligned_alloc(align, size);
    if (k)
        IMB_AES256_GCM_PRE(mgr, key, k);
    return k;
}

static void state_free(void *state)
{
    if (state)
        vn_wipe(state, sizeof(struct gcm_key_data));
    free(state);
}

static vn_status seal(void *state, const uint8_t *nonce, struct vn_span aad, struct vn_span in,
                      uint8_t *out, uint8_t *tag)
{
    struct gcm_context_data ctx;
    IMB_AES256_GCM_ENC(mgr, state, &ctx, out, in.p, in.n, nonce, aad.p, aad.n, tag,
                       VN_AEAD_TAG_LEN);
    return VN_OK;
}

static vn_status open(void *state, const uint8_t *nonce, struct vn_span aad, struct vn_span in,
                      const uint8_t *tag, uint8_t *out)
{
    struct gcm_context_data ctx;
    uint8_t computed[VN_AEAD_TAG_LEN];
    IMB_AES256_GCM_DEC(mgr, state, &ctx, out, in.p, in.n, nonce, aad.p, aad.n, computed,
                       VN_AEAD_TAG_LEN);
    const bool good = vn_ct_equal(computed, tag, VN_AEAD_TAG_LEN);
    vn_wipe(computed, sizeof(computed)); /* the right tag of a forged message is a forgery */
    return good ? VN_OK : VN_ERR_AUTH;
}

const struct vn_aead_backend *vn_aead_ipsecmb(void)
{
    static const struct vn_aead_backend BACKEND = {
        .name = "ipsec-mb",
        .keyed = keyed,
        .free = state_free,
        .seal = seal,
        .open = open,
    };
    pthread_once(&once, choose);
    return mgr ? &BACKEND : NULL;
}

#else

const struct vn_aead_backend *vn_aead_ipsecmb(void)
{
    return NULL;
}

#endif
