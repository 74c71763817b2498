/*
 * First-run set-up (SPEC G11): after `init --setup` the first account is closed, and whoever holds
 * the token that init left on Guardian's host opens it over the API, once, with a password of their
 * own. Nothing else opens it: without the token a stranger who comes first has nothing.
 */
#pragma once

#include "guardian/statedir.h"
#include "guardian/store.h"

#define VN_SETUP_TOKEN_TEXT 48 /* "vs1." and 32 bytes */
#define VN_SETUP_FILE "setup-token"

/** Makes a token for the account, which the caller keeps closed; the store has its hash. */
VN_MUST_CHECK vn_status vn_setup_prepare(struct vn_store *s, const struct vn_id *user,
                                         char ret_token[VN_SETUP_TOKEN_TEXT]);
/** Where init leaves it, mode 0600. */
void vn_setup_path(const struct vn_statedir *dir, char ret[VN_PATH_MAX]);
