/* The audit log in the store (store.h says how it works). */
#pragma once

#include "guardian/store.h"

VN_MUST_CHECK vn_status vn_store_audit_add(struct vn_store *s, uint64_t at_ms,
                                           const struct vn_id *realm, const char *actor,
                                           const char *action, const char *subject,
                                           const char *detail);
struct vn_audit_entry {
    uint64_t number, at_ms;
    bool has_realm;
    struct vn_id realm;
    const char *actor, *action, *subject, *detail; /* borrowed for the call */
};
struct vn_audit_filter {
    uint64_t before;             /* entries of lower numbers; 0: of any */
    const struct vn_id *realm;   /* NULL: also those of none */
    uint64_t since_ms, until_ms; /* until 0: now */
    const char *action, *actor;  /* NULL: any */
    unsigned limit;              /* 0: none */
};
/** Removes, of the oldest `piece` entries, those before a time and those beyond the newest `keep`;
 * never the newest one, so that numbers go on rising. */
VN_MUST_CHECK vn_status vn_store_audit_prune(struct vn_store *s, uint64_t before_ms, uint64_t keep,
                                             size_t piece, size_t *ret_n);
/** The newest first. */
VN_MUST_CHECK vn_status vn_store_audit_list(struct vn_store *s, const struct vn_audit_filter *f,
                                            bool (*fn)(void *arg, const struct vn_audit_entry *e),
                                            void *arg);
