/*
 * Enrolling at Guardian, and undoing it (docs/api.md): blocking calls for command lines. Several
 * Guardians are tried in order.
 */
#pragma once

#include "control/join_token.h"
#include "control/login_answer.h"
#include "ports/authority.h"

struct vn_guardian_failure {
    vn_status status;
    bool reached; /* Guardian itself said no; otherwise it could not be asked */
    char detail[VN_GUARDIAN_DETAIL];
};

struct vn_register_request {
    const char *tag; /* NULL: Guardian chooses */
    const char *ip;  /* NULL: Guardian chooses */
    bool has_taints; /* false: the token's default taints */
    const char *const *taints;
    size_t taint_count;
    const char *const *teams;
    size_t team_count;
    const char *jwt;                          /* of an identity provider, a secret; NULL: none */
    const char *issuer, *audience, *jwks_url; /* what it is expected to be of; NULL: not said */
    uint16_t public_port;                     /* 0: no public node */
    const struct vn_ip *public_ip;            /* NULL: Guardian takes the address it sees */
};
#define VN_REGISTER_WARNINGS_MAX 8
struct vn_register_answer {
    char conflux_token[VN_JOIN_JWT_MAX + 1]; /* a secret */
    struct vn_id conflux_id, realm;
    char realm_name[64];
    unsigned suite; /* enum vn_suite */
    char tag[64];
    struct vn_ip ip4, ip6;
    char taints[VN_TAINTS_MAX][VN_IDENTITY_LABEL_MAX + 1];
    size_t taint_count;
    char warnings[VN_REGISTER_WARNINGS_MAX][256];
    size_t warning_count;
};
/** @param ret_err  filled on error */
VN_MUST_CHECK vn_status vn_guardian_register(const struct vn_guardian_address *at,
                                             const char *registration_jwt,
                                             const struct vn_register_request *req,
                                             struct vn_register_answer *ret,
                                             struct vn_guardian_failure *ret_err);
VN_MUST_CHECK vn_status vn_guardian_unregister(const struct vn_guardian_address *at,
                                               const char *conflux_token,
                                               struct vn_guardian_failure *ret_err);
