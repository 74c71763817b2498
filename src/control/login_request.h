/* What a node sends to log in (docs/api.md). */
#pragma once

#include "ports/authority.h"

/** The JSON of a login or renewal, signed by rq->sign: nonce of Guardian, binding of the connection
 * that carried it, hash of the conflux token. *ret is malloc'ed, a secret. */
VN_MUST_CHECK vn_status vn_login_request_body(const struct vn_login_request *rq,
                                              const uint8_t nonce[32], const uint8_t binding[32],
                                              const uint8_t token_hash[32], char **ret);
