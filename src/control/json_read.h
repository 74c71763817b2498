/* Typed members of a JSON object from outside. Each returns false when the member is missing or not
 * as expected. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/id.h"
#include "wire/credentials.h"

/** An object, duplicates refused; NULL otherwise, vn_jread_why says why. A new reference. */
json_t *vn_jread_parse(struct vn_span text);
/** Why reading failed since this thread's last vn_jread_parse: VN_ERR_NOMEM, else
 * VN_ERR_MALFORMED. */
vn_status vn_jread_why(void);
/** p, which an allocation gave; NULL counts as a reason for vn_jread_why. */
void *vn_jread_noted(void *p);
/** For VN_CLEANUP. */
void vn_jread_freep(json_t **j);

/** Text without NUL inside, at most cap - 1 bytes. */
VN_MUST_CHECK bool vn_jread_text(const json_t *o, const char *name, char *ret, size_t cap);
/** The same, malloc'ed, at most max bytes. */
VN_MUST_CHECK bool vn_jread_text_dup(const json_t *o, const char *name, size_t max, char **ret);
/** base64url of exactly n bytes */
VN_MUST_CHECK bool vn_jread_bytes(const json_t *o, const char *name, void *ret, size_t n);
/** base64url of 1 to max bytes, malloc'ed */
VN_MUST_CHECK bool vn_jread_blob(const json_t *o, const char *name, size_t max,
                                 struct vn_blob *ret);
VN_MUST_CHECK bool vn_jread_id(const json_t *o, const char *name, struct vn_id *ret);
VN_MUST_CHECK bool vn_jread_ip(const json_t *o, const char *name, struct vn_ip *ret);
VN_MUST_CHECK bool vn_jread_prefix(const json_t *o, const char *name, struct vn_prefix *ret);
VN_MUST_CHECK bool vn_jread_u64(const json_t *o, const char *name, uint64_t max, uint64_t *ret);
