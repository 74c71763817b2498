/*
 * Guardian's HTTP API (docs/api.md) as a node uses it: the port ports/authority.h on a loop, and
 * blocking calls for command lines. Several Guardians are tried in order, beginning with the one
 * that answered last.
 */
#pragma once

#include "control/join_token.h"
#include "ports/authority.h"
#include "ports/io.h"

struct vn_guardian_api;

struct vn_guardian_api_config {
    const struct vn_io *io; /* outlives the object */
    const struct vn_guardian_address *guardian;
    const char *conflux_token; /* JWT; copied and wiped */
    uint32_t so_mark;
};

VN_MUST_CHECK vn_status vn_guardian_api_new(const struct vn_guardian_api_config *cfg,
                                            struct vn_guardian_api **ret);
/** Not inside a callback. Returns NULL; NULL is fine. */
struct vn_guardian_api *vn_guardian_api_free(struct vn_guardian_api *g);
/** Lives as long as g. */
const struct vn_authority *vn_guardian_api_port(const struct vn_guardian_api *g);
/** The URL that answered last, or the first. */
const char *vn_guardian_api_url(const struct vn_guardian_api *g);

/* ---- blocking ---- */

#define VN_GUARDIAN_DETAIL 400
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
