/* Well-formed queries of a member, each of which costs its receiver as much as a query may. */
#pragma once

#include "base/buf.h"
#include "crypto/kem.h"
#include "crypto/sig.h"
#include "wire/credentials.h"
#include "wire/names.h"

struct member {
    const struct vn_suite_info *suite;
    const struct vn_credentials *cred;
    const struct vn_sig_key *key;
    struct vn_id node;
};

/** A query for who has that IPv4 address, dated now, with a descriptor that nobody has seen. ret is
 * initialized here. Two signatures are made. */
VN_MUST_CHECK vn_status member_query(const struct member *m, const struct vn_ip *ip,
                                     uint64_t now_ms, char subject[VN_SUBJECT_MAX],
                                     struct vn_buf *ret);
