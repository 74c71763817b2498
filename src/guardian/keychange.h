/*
 * Changes of key generation (DESIGN sections 4.6 to 4.8): after somebody lost an identity, or his
 * place in the realm, and when an administrator says so. Keys of a new generation are handed out
 * over some minutes, then one word puts them in force, and those before count for as long again.
 * One change of a realm at a time; all of it is in the store, so another Guardian goes on with it.
 */
#pragma once

#include "base/limits.h"
#include "guardian/guardian.h"

/* Losses within this change keys once. */
#define VN_KEY_CHANGE_COLLECT_MS VN_PACED_MS(60000, 2000)
/* In which keys are handed out, and for which those before count after that. */
#define VN_KEY_CHANGE_SPREAD_MS VN_PACED_MS(600000, 5000)
#define VN_KEY_CHANGE_SPREAD_MIN_MS 1000
#define VN_KEY_CHANGE_SPREAD_MAX_MS 3600000

/**
 * In the transaction that takes them: which identities of `before` are lost when it has these
 * taints from now on (NULL: it is no member any more). Nothing for a node that never logged in.
 */
VN_MUST_CHECK vn_status vn_key_change_lost(struct vn_store *s,
                                           const struct vn_conflux_record *before,
                                           const struct vn_conflux_record *after, uint64_t now_ms);

/** Drives all changes; loop thread only. */
VN_MUST_CHECK vn_status vn_key_changes_new(struct vn_guardian *g, struct vn_key_changes **ret);
/** Stops; what is unfinished is the next Guardian's. */
void vn_key_changes_free(struct vn_key_changes *k);
