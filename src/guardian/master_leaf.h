/*
 * A leaf: a nats-server for some realms, with connections of its own to servers of Master. Such a
 * server applies no permission to what a leaf publishes (only an honest leaf does), so what its
 * holder may do is what is in the accounts that it is let into. These are those of its realms, and
 * one for all leaves, by which it hears of changed accounts: that one has of the system's account
 * the messages that change accounts, and the question for all of them, and nothing else. It is not
 * the system's account of a leaf either, which is one that exists nowhere else.
 *
 * Its JWTs are of the accounts' own keys, which last.
 */
#pragma once

#include "guardian/master_text.h"

#define VN_LEAF_REALMS_MAX 16

/** What is in the folder of a leaf beside its configuration, 0600. */
VN_MUST_CHECK vn_status vn_master_leaf_files(struct vn_guardian *g,
                                             const struct vn_master_server *s,
                                             const struct vn_master_paths *p);
/** Its connections to the servers that are its peers, with the files at these paths. */
VN_MUST_CHECK vn_status vn_master_leaf_text(struct vn_guardian *g, const struct vn_master_paths *p,
                                            const struct vn_master_server *s,
                                            struct vn_conf_text *t);
/** The JWT of the system's account, which shares with leaves when Master takes them. *ret
 * malloc'ed. */
VN_MUST_CHECK vn_status vn_master_system_jwt(const struct vn_guardian_config *c, char **ret);
/** The accounts of leaves, for the list of those that a server knows from the start. own: it is
 * a leaf. */
VN_MUST_CHECK vn_status vn_master_leaf_accounts(const struct vn_guardian_config *c, bool own,
                                                struct vn_conf_text *t);
