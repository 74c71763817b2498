/* Whose account a provider's subject has. */
#pragma once

#include "guardian/store_oidc.h"

/**
 * The account of issuer and subject. Who has none is given the account of their verified e-mail
 * address that waits for them (made with "oidc", invited perhaps), else a new one if the provider
 * signs up. In the caller's transaction.
 * @param ret_new  it was linked, or made, just now
 * @return VN_ERR_DENIED: there is none, and none may be made; VN_ERR_MALFORMED: claims lack a
 * subject
 */
VN_MUST_CHECK vn_status vn_oidc_account(struct vn_store *tx, const struct vn_oidc_provider *p,
                                        const json_t *claims, uint64_t now_ms,
                                        struct vn_user_record *ret, bool *ret_new);

/**
 * Ties the account of user to issuer and subject, whatever else the claims say. In the caller's
 * transaction.
 * @param ret_new  it was not so before
 * @return VN_ERR_EXISTS: another account is; VN_ERR_LIMIT: the account has too many;
 * VN_ERR_MALFORMED: claims lack a subject
 */
VN_MUST_CHECK vn_status vn_oidc_link(struct vn_store *tx, const struct vn_oidc_provider *p,
                                     const json_t *claims, const struct vn_id *user,
                                     uint64_t now_ms, struct vn_identity_record *ret,
                                     bool *ret_new);
