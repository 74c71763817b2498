/*
 * Long texts in JSON: certificates and keys, in base64. jansson takes 8 ns for each of their
 * characters, so it is given JSON in which a mark stands for each, and they are put into their
 * places afterwards. What is JSON is jansson's to say: a mark is a string where a string was.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/span.h"
#include "base/status.h"

#define VN_JSON_LONG_MAX 64 /* so many; others stay where they are */

struct vn_json_long {
    uint8_t *text; /* the shortened JSON, of text_n bytes */
    size_t text_n;
    struct vn_span list[VN_JSON_LONG_MAX];
    size_t n;
};

/** How many bytes from p on are ASCII that JSON does not escape. */
size_t vn_json_plain(const char *p, size_t n);

/**
 * Takes the long texts out; ret borrows from the JSON, and vn_json_long_done must follow VN_OK.
 * VN_ERR_NOTFOUND: there is none, or a text of its own could be taken for a mark; VN_ERR_NOMEM.
 */
VN_MUST_CHECK vn_status vn_json_long_take(struct vn_span json, struct vn_json_long *ret);
/** Puts them into what was read from the shortened JSON. False: jansson is out of memory. */
VN_MUST_CHECK bool vn_json_long_put(const struct vn_json_long *l, json_t *v);
void vn_json_long_done(struct vn_json_long *l);
