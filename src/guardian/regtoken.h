/* Making registration tokens: for the API and for `veilnet-guardian token create` alike. */
#pragma once

#include "guardian/config.h"

#define VN_REGTOKEN_LIFE_DEFAULT_S (30ull * 86400)
#define VN_REGTOKEN_LIFE_MAX_S (3650ull * 86400)
#define VN_REGTOKEN_USES_MAX 1000000

struct vn_regtoken_init {
    struct vn_id realm, owner;
    uint64_t expires_in_s;
    int64_t uses; /* -1: any number */
    struct vn_taint_set taints;
    struct vn_allowed_taints allowed;
    bool ephemeral; /* nodes go at logout, or when they are silent */
    bool needs_jwt; /* registering takes a token of one of the realm's issuers, too */
    bool approval;  /* nodes wait for an administrator's */
    struct vn_rights rights;
};
struct vn_regtoken {
    struct vn_token_record record;
    char *jwt, *join; /* credentials, shown once */
};
/** VN_ERR_NOTFOUND: no such realm. VN_ERR_ARG: why holds a sentence that names the fix. */
VN_MUST_CHECK vn_status vn_regtoken_create(struct vn_store *s, const struct vn_guardian_config *cfg,
                                           const struct vn_regtoken_init *init, uint64_t now_ms,
                                           struct vn_regtoken *ret, char *why, size_t why_n);
void vn_regtoken_done(struct vn_regtoken *t);
/** All but its credentials. NULL without memory. */
json_t *vn_regtoken_json(const struct vn_token_record *t);
