/*
 * jansson and short memory: it reports that as a syntax error when it reads, or cuts a text; when
 * it writes it leaves out what did not fit. These see it.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/span.h"
#include "base/status.h"

/** From here on vn_json_exhausted counts, on this thread. */
void vn_json_begin(void);
/** An allocation of jansson has failed on this thread since vn_json_begin, vn_json_load or
 * vn_json_dump. */
bool vn_json_exhausted(void);
/** How many allocations of jansson have failed on this thread so far: for who must know of a whole
 * stretch of work, with loads and dumps in it. */
unsigned vn_json_failures(void);

/** Any value, duplicates refused; NULL: no JSON, or exhausted. A new reference; ret_err may be
 * NULL. */
json_t *vn_json_load(struct vn_span text, json_error_t *ret_err);
/** As json_dumps, but all of it or NULL. */
char *vn_json_dump(const json_t *o, size_t flags);
/** A new array of texts; NULL: one is no UTF-8, or exhausted. */
json_t *vn_json_text_list(const char *const *list, size_t n);
