/* Passwords of users: Argon2id, stored as "$argon2id$v=19$m=,t=,p=$salt$hash" so that costs may
 * change later. */
#pragma once

#include "base/status.h"

#define VN_PASSWORD_MAX 256

/** Makes a password of 20 characters (100 bits) without look-alikes. */
VN_MUST_CHECK vn_status vn_password_generate(char ret[21]);
/** @param ret  at least VN_PASSWORD_HASH_MAX characters */
VN_MUST_CHECK vn_status vn_password_hash(const char *password, char *ret, size_t cap);
/** VN_ERR_AUTH when wrong. 20 ms and 19 MiB: for the pool. */
VN_MUST_CHECK vn_status vn_password_check(const char *password, const char *stored);
