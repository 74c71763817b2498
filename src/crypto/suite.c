#include "crypto/suite.h"

static const struct vn_suite_info SUITES[] = {
    {
        .id = VN_SUITE_DEFAULT,
        .name = "default",
        .kem = VN_KEM_X25519MLKEM768,
        .sig = VN_SIG_MLDSA65,
        .hash = VN_SHA256,
        .hash_len = 32,
        .ek_len = 1216,
        .ct_len = 1120,
        .ss_len = 64,
        .pk_len = 1952,
        .sig_len = 3309,
    },
    {
        .id = VN_SUITE_CNSA,
        .name = "cnsa",
        .kem = VN_KEM_MLKEM1024,
        .sig = VN_SIG_MLDSA87,
        .hash = VN_SHA384,
        .hash_len = 48,
        .ek_len = 1568,
        .ct_len = 1568,
        .ss_len = 32,
        .pk_len = 2592,
        .sig_len = 4627,
    },
};

const struct vn_suite_info *vn_suite_get(unsigned id)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(SUITES); i++) {
        if (SUITES[i].id == id)
            return &SUITES[i];
    }
    return NULL;
}

const struct vn_suite_info *vn_suite_by_name(const char *name)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(SUITES); i++) {
        if (strcmp(SUITES[i].name, name) == 0)
            return &SUITES[i];
    }
    return NULL;
}
