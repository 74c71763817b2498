/* Where nodes find Master (SPEC G11, "veil"): addresses of its servers. As store.h. */
#pragma once

#include "base/host_port.h"
#include "guardian/store.h"

#define VN_ENTRY_POINTS_MAX 8 /* as many as a node takes: wire/credentials.h */
#define VN_ENTRY_URL_MAX (VN_HOST_MAX + 24)
#define VN_REGION_MAX 63 /* a label */

struct vn_entry_point {
    struct vn_id id;
    char url[VN_ENTRY_URL_MAX];     /* "tls://host:port" */
    char region[VN_REGION_MAX + 1]; /* "": none */
    bool enabled;                   /* nodes are told of it */
    uint64_t created_ms;
};
/** VN_ERR_EXISTS: the URL. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_store_entry_add(struct vn_store *s, const struct vn_entry_point *e);
/** VN_ERR_EXISTS: the URL. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_entry_set(struct vn_store *s, const struct vn_entry_point *e);
/** VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_entry_delete(struct vn_store *s, const struct vn_id *id);
/** In the order in which they were made. */
VN_MUST_CHECK vn_status vn_store_entry_list(struct vn_store *s, const struct vn_page *page,
                                            bool (*fn)(void *arg, const struct vn_entry_point *e),
                                            void *arg);
