/* OpenID providers, and the accounts that their subjects have (SPEC G4). As store.h. */
#pragma once

#include "guardian/store.h"

#define VN_OIDC_PROVIDERS_MAX 16
#define VN_OIDC_NAME_MAX 32
#define VN_OIDC_TEXT_MAX 255 /* of issuer, client id, secret, subject */

struct vn_oidc_provider {
    struct vn_id id;
    char name[VN_OIDC_NAME_MAX + 1];
    char issuer[VN_OIDC_TEXT_MAX + 1], client_id[VN_OIDC_TEXT_MAX + 1];
    char client_secret[VN_OIDC_TEXT_MAX + 1]; /* wiped by who holds the record; "": none */
    bool sign_up;
    bool supabase; /* takes address and password itself; client_id is its API key */
    uint64_t created_ms;
};
/** VN_ERR_EXISTS: the name or the issuer. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_store_oidc_add(struct vn_store *s, const struct vn_oidc_provider *p);
VN_MUST_CHECK vn_status vn_store_oidc_by_name(struct vn_store *s, const char *name,
                                              struct vn_oidc_provider *ret);
/** Its accounts stay, and cannot sign in by it. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_oidc_delete(struct vn_store *s, const struct vn_id *id);
VN_MUST_CHECK vn_status vn_store_oidc_list(struct vn_store *s, const struct vn_page *page,
                                           bool (*fn)(void *arg, const struct vn_oidc_provider *p),
                                           void *arg);

/** Whose account it is. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_identity_user(struct vn_store *s, const char *issuer,
                                               const char *subject, struct vn_id *ret_user);
/** VN_ERR_EXISTS. */
VN_MUST_CHECK vn_status vn_store_identity_add(struct vn_store *s, const char *issuer,
                                              const char *subject, const struct vn_id *user,
                                              uint64_t now_ms);
/** At any provider. */
VN_MUST_CHECK vn_status vn_store_identity_count(struct vn_store *s, const struct vn_id *user,
                                                unsigned *ret);
