/* OpenID providers, and the accounts that their subjects have (SPEC G4). As store.h. */
#pragma once

#include "guardian/store.h"

#define VN_OIDC_PROVIDERS_MAX 16
#define VN_OIDC_NAME_MAX 32
#define VN_OIDC_IDENTITIES_MAX 8 /* of one account */
#define VN_OIDC_TEXT_MAX 255     /* of issuer, client id, secret, subject */

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

/** What an account is called by a provider. */
struct vn_identity_record {
    struct vn_id id, user;
    char issuer[VN_OIDC_TEXT_MAX + 1], subject[VN_OIDC_TEXT_MAX + 1];
    char provider[VN_OIDC_NAME_MAX + 1]; /* of that issuer now; "": there is none */
    uint64_t created_ms;
};
/** By issuer and subject. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_identity_get(struct vn_store *s, const char *issuer,
                                              const char *subject, struct vn_identity_record *ret);
/** VN_ERR_EXISTS; VN_ERR_LIMIT: the account has VN_OIDC_IDENTITIES_MAX. The provider's name is left
 * out. */
VN_MUST_CHECK vn_status vn_store_identity_add(struct vn_store *s,
                                              const struct vn_identity_record *i);
VN_MUST_CHECK vn_status
vn_store_identity_list(struct vn_store *s, const struct vn_id *user, const struct vn_page *page,
                       bool (*fn)(void *arg, const struct vn_identity_record *i), void *arg);
/** VN_ERR_NOTFOUND: the user has no such one. */
VN_MUST_CHECK vn_status vn_store_identity_delete(struct vn_store *s, const struct vn_id *user,
                                                 const struct vn_id *id);
/** At any provider. */
VN_MUST_CHECK vn_status vn_store_identity_count(struct vn_store *s, const struct vn_id *user,
                                                unsigned *ret);
