/* Sets of taints: at most 16 labels of 1 to 64 characters [a-z0-9._-], kept sorted. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "wire/statement.h"

struct vn_taint_set {
    size_t n;
    char t[VN_TAINTS_MAX][VN_IDENTITY_LABEL_MAX + 1];
};

#define VN_TAINTS_TEXT (VN_TAINTS_MAX * (VN_IDENTITY_LABEL_MAX + 1) + 1)

/** What nodes of a registration token may carry. */
struct vn_allowed_taints {
    bool any;
    struct vn_taint_set set;
};

bool vn_taint_valid(const char *label);
bool vn_taints_contain(const struct vn_taint_set *s, const char *label);
/** Adds in order; a label that is there already is no error. VN_ERR_MALFORMED, VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_taints_add(struct vn_taint_set *s, const char *label);
void vn_taints_remove(struct vn_taint_set *s, const char *label);
bool vn_taints_equal(const struct vn_taint_set *a, const struct vn_taint_set *b);
/** True when every taint of a is in b. */
bool vn_taints_subset(const struct vn_taint_set *a, const struct vn_taint_set *b);

/** Comma list; empty for the empty set. */
void vn_taints_format(const struct vn_taint_set *s, char ret[VN_TAINTS_TEXT]);
VN_MUST_CHECK vn_status vn_taints_parse(const char *text, struct vn_taint_set *ret);
/** Array of strings; NULL is the empty set. */
VN_MUST_CHECK vn_status vn_taints_from_json(const json_t *array, struct vn_taint_set *ret);
json_t *vn_taints_to_json(const struct vn_taint_set *s);

/** "*" or a comma list. */
void vn_allowed_format(const struct vn_allowed_taints *a, char ret[VN_TAINTS_TEXT]);
VN_MUST_CHECK vn_status vn_allowed_parse(const char *text, struct vn_allowed_taints *ret);
json_t *vn_allowed_to_json(const struct vn_allowed_taints *a);
/** The first taint of s that is not allowed, or NULL. Borrowed from s. */
const char *vn_allowed_refuses(const struct vn_allowed_taints *a, const struct vn_taint_set *s);
