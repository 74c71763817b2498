/* A writer of small MaxMind DB files (format 2.0, records of 24 bits, IPv6 with IPv4 at ::/96):
 * what tests need of it. */
#pragma once

#include "base/buf.h"
#include "base/id.h"

/** How the country stands in an entry. */
enum mmdb_shape {
    MMDB_ISO,   /* {"country": {"iso_code": "DE"}} */
    MMDB_PLAIN, /* {"country": "DE"} */
    MMDB_CODE,  /* {"country_code": "DE"} */
};
struct mmdb_net {
    struct vn_prefix prefix;
    const char *country;
};
/** Appends the file to ret. Later networks may lie inside earlier ones only where they are more
 * specific. Aborts on nonsense. */
void mmdb_write(const struct mmdb_net *nets, size_t count, enum mmdb_shape shape,
                struct vn_buf *ret);
