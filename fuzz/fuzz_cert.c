/*
 * Identity certificates under a key whose seed is zeros (the corpus holds one that verifies) and,
 * as a root, under themselves. What is accepted names the realm and the hash of its key, and is
 * accepted again.
 */
#include "crypto/x509.h"
#include "support/fuzz.h"

#define NOW_MS 1760000000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vn_sig_key *key;
    static struct vn_sig_pub *issuing;
    static const uint8_t SEED[32];
    static const struct vn_id REALM;
    if (!issuing)
        FUZZ_ASSERT(vn_sig_from_seed(VN_SIG_MLDSA65, VN_SPAN_ARRAY(SEED), &key) == VN_OK &&
                    vn_sig_pub_new(VN_SIG_MLDSA65, vn_sig_pk(key), &issuing) == VN_OK);
    const struct vn_span der = VN_SPAN(data, size);
    struct vn_identity id, again;
    if (vn_x509_check_identity(der, issuing, &REALM, NOW_MS, &id) == VN_OK) {
        struct vn_id node;
        FUZZ_ASSERT(vn_id_equal(&id.realm, &REALM));
        FUZZ_ASSERT(vn_node_id_of(VN_SPAN(id.pk, id.pk_len), &node) == VN_OK &&
                    vn_id_equal(&node, &id.node));
        FUZZ_ASSERT(id.not_before_ms <= NOW_MS && NOW_MS <= id.not_after_ms);
        FUZZ_ASSERT(vn_x509_check_identity(der, issuing, &REALM, id.not_after_ms, &again) == VN_OK);
    }
    struct vn_sig_pub *pub = NULL;
    if (vn_x509_check_authority(VN_AUTHORITY_ROOT, &REALM, der, NULL, NOW_MS, &pub) == VN_OK)
        FUZZ_ASSERT(vn_sig_pub_bytes(pub).n > 0);
    vn_sig_pub_freep(&pub);
    return 0;
}
