/*
 * Guardian's own connections to Master: one user in each realm's account, made when something is to
 * be sent there and ended when idle. Loop thread only.
 */
#pragma once

#include "base/limits.h"
#include "guardian/guardian.h"

#define VN_LINK_IDLE_MS VN_PACED_MS(60000, 1000)
#define VN_LINK_WAIT_MS 30000 /* a message to nodes that could not be sent by then is dropped */
#define VN_LINK_QUEUE_MAX 1024

struct vn_links;

VN_MUST_CHECK vn_status vn_links_new(struct vn_guardian *g, struct vn_links **ret);
/** Not inside a callback of a link. Drops what is waiting. */
void vn_links_free(struct vn_links *l);
/** True when what is published for the realm now goes out at once. Else a connection is being made,
 * for as long as it takes, and vn_revoke_publish is called once it is there. */
bool vn_links_ready(struct vn_links *l, struct vn_realm *realm);
/** What signs JWTs in this realm has changed: connects anew where we are connected. */
void vn_links_renew(struct vn_links *l, const struct vn_id *realm);
/**
 * Sends now, or as soon as Master takes the connection. Nobody may be listening: what a node misses
 * it gets at its next login. VN_ERR_LIMIT when too much is waiting already.
 */
VN_MUST_CHECK vn_status vn_links_publish(struct vn_links *l, struct vn_realm *realm,
                                         const char *subject, struct vn_span payload);

/** Whether vn_links_ask_master sends now. VN_ERR_AGAIN: the connection to Master's system account
 * is being made, and vn_accounts_go_on is called once it is there. */
VN_MUST_CHECK vn_status vn_links_master(struct vn_links *l);
/** Sends in the system account, where only VN_CLAIMS_SUBJECT is allowed. What is answered on the
 * subject `answer` goes to vn_accounts_on_message. */
VN_MUST_CHECK vn_status vn_links_ask_master(struct vn_links *l, const char *subject,
                                            const char *answer, struct vn_span payload);
