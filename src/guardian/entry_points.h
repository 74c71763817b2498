/*
 * Master's entry points: what nodes are told at login, and try in the order of who answers first.
 * The embedded Master's own address is the first one, made when Guardian first runs.
 */
#pragma once

#include <jansson.h>

#include "guardian/config.h"
#include "guardian/store_entries.h"

#define VN_MASTER_PORT_USUAL 4222

/** All of them, as the store has them. */
struct vn_entry_points {
    struct vn_entry_point e[VN_ENTRY_POINTS_MAX];
    size_t n;
};
VN_MUST_CHECK vn_status vn_entry_points_load(struct vn_store *s, struct vn_entry_points *ret);
/** Where there is none, the embedded Master's own becomes one. */
VN_MUST_CHECK vn_status vn_entry_points_first(struct vn_store *s,
                                              const struct vn_guardian_config *cfg,
                                              uint64_t now_ms);
/** Of those that are enabled: a new array of URLs; NULL when out of memory. Any thread. */
json_t *vn_entry_points_urls(const struct vn_entry_points *all);
/** "tls://HOST[:PORT]" or "HOST[:PORT]" of people, as it is kept. VN_ERR_ARG. */
VN_MUST_CHECK vn_status vn_entry_point_url(const char *text, char ret[VN_ENTRY_URL_MAX]);
/** The host of a URL that is kept. */
void vn_entry_point_host(const char *url, char ret[VN_HOST_MAX]);
