/* What Guardian answers, from JSON (docs/api.md) to the structures of ports/authority.h. */
#pragma once

#include "ports/authority.h"

#define VN_PEERS_MAX 4096 /* entries of one list of peers that are looked at */

/** Body of a successful login or renewal. VN_ERR_MALFORMED, VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_login_answer_parse(struct vn_span body, struct vn_credentials **ret);

/** Body of a successful POST /conflux/taints; what res points to is owned by this. */
struct vn_taint_answer {
    struct vn_taint_result res;
    struct vn_own_identity identities[VN_TAINTS_MAX + VN_SCOPES_MAX];
    char *nats_jwt;
};
VN_MUST_CHECK vn_status vn_taint_answer_parse(struct vn_span body, struct vn_taint_answer *ret);
void vn_taint_answer_done(struct vn_taint_answer *a);

/** Body of GET /conflux/peers; *ret is malloc'ed. */
VN_MUST_CHECK vn_status vn_peers_answer_parse(struct vn_span body, struct vn_peer_entry **ret,
                                              size_t *ret_count);

#define VN_GUARDIAN_DETAIL 400 /* has room for it */
/** The "detail" of an error, printable; a sentence made of the code when there is none. */
void vn_error_detail(long code, struct vn_span body, char *ret, size_t cap);
/** What an HTTP status means to a node. */
vn_status vn_error_status(long code);
