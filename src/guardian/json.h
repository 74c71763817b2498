/* What is missing in jansson: cleanups, strict members, bytes as base64url. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/id.h"
#include "base/span.h"
#include "base/status.h"

/** For VN_CLEANUP. */
void vn_json_freep(json_t **j);
void vn_json_strp(char **s);

/** A new string of bytes in base64url; NULL when out of memory. */
json_t *vn_json_b64(struct vn_span bytes);
json_t *vn_json_id(const struct vn_id *id);
json_t *vn_json_ip(const struct vn_ip *ip);
/** Without control characters, those of C1 in UTF-8 among them: nothing that moves a cursor. */
bool vn_json_text_plain(const char *text);
/** Takes characters that lost their end out of UTF-8 text of which parts were cut to a length. */
void vn_json_text_whole(char *text);
/** Decodes a string member to at most cap bytes. VN_ERR_NOTFOUND when absent, VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_json_get_bytes(const json_t *o, const char *name, uint8_t *ret,
                                          size_t cap, size_t *ret_n);

enum vn_member_type {
    VN_MEMBER_STRING,
    VN_MEMBER_INTEGER, /* >= 0 */
    VN_MEMBER_BOOLEAN,
    VN_MEMBER_STRINGS,      /* array of strings */
    VN_MEMBER_STRINGS_STAR, /* the same, or the string "*" */
    VN_MEMBER_OBJECT,       /* of the schema `of` */
    VN_MEMBER_OBJECTS,      /* array of them */
};
struct vn_member {
    const char *name; /* NULL ends a list */
    enum vn_member_type type;
    bool required;
    bool nullable;
    const struct vn_schema *of;
    const char *values; /* "a|b|c": a string that is one of these */
};
/** An object of the API: what a request must look like, and what an answer does. */
struct vn_schema {
    const char *name; /* in the OpenAPI document */
    const struct vn_member *members;
    bool open; /* more members may follow, by what was asked */
};
/** Checks an object that came in (its members are not objects) against its schema; on
 * VN_ERR_MALFORMED why holds a sentence that names the fix. */
VN_MUST_CHECK vn_status vn_json_check(const json_t *o, const struct vn_schema *schema, char *why,
                                      size_t why_n);
