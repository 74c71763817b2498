/* Identity providers whose tokens a realm accepts from nodes (SPEC G8). As store.h. */
#pragma once

#include "guardian/store.h"

#define VN_ISSUERS_MAX 16     /* of a realm */
#define VN_ISSUER_NAME_MAX 16 /* begins the labels of its scopes */
#define VN_ISSUER_URL_MAX 512
#define VN_ISSUER_RULES_TEXT 4097

struct vn_issuer_record {
    struct vn_id id, realm;
    char name[VN_ISSUER_NAME_MAX + 1];
    char issuer[VN_ISSUER_URL_MAX + 1], audience[VN_ISSUER_URL_MAX + 1],
        jwks_url[VN_ISSUER_URL_MAX + 1];
    unsigned algs;                    /* of crypto/jws.h */
    char rules[VN_ISSUER_RULES_TEXT]; /* JSON: guardian/claims.h */
    uint64_t created_ms;
};
/** VN_ERR_EXISTS: the realm has the name, or the pair of issuer and audience. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_store_issuer_add(struct vn_store *s, const struct vn_issuer_record *i);
/** VN_ERR_NOTFOUND: the realm has none of this id. */
VN_MUST_CHECK vn_status vn_store_issuer_delete(struct vn_store *s, const struct vn_id *realm,
                                               const struct vn_id *id);
VN_MUST_CHECK vn_status vn_store_issuer_get(struct vn_store *s, const struct vn_id *realm,
                                            const struct vn_id *id, struct vn_issuer_record *ret);
VN_MUST_CHECK vn_status
vn_store_issuer_list(struct vn_store *s, const struct vn_id *realm, const struct vn_page *page,
                     bool (*fn)(void *arg, const struct vn_issuer_record *i), void *arg);
