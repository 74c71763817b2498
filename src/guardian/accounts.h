/*
 * Telling Master of the realms' NATS accounts: which keys sign JWTs there, and who is revoked. For
 * each message nats-server checks every connection of the account again (about 0.3 ms each) and
 * reads no other one meanwhile, so they do not follow each other faster than it answers. Loop
 * thread only.
 */
#pragma once

#include "guardian/guardian.h"

/** Takes an account JWT; the server puts it in force, and then answers. */
#define VN_CLAIMS_SUBJECT "$SYS.REQ.CLAIMS.UPDATE"
#define VN_CLAIMS_ANSWERS "_INBOX.account.*" /* the message's number */

struct vn_accounts;

VN_MUST_CHECK vn_status vn_accounts_new(struct vn_accounts **ret);
/** What was not told is in Master's configuration at the next start. NULL is fine. */
void vn_accounts_free(struct vn_accounts *a);

/** Tells Master of the realm's account, as it is when the message goes. Nothing when Guardian
 * stops. */
void vn_accounts_changed(struct vn_guardian *g, const struct vn_id *realm);
/** Whether Master may know an older one. */
bool vn_accounts_behind(const struct vn_guardian *g, const struct vn_id *realm);

/* For link.c: */

/** The connection to Master's system account is up, or still is: once a second. */
void vn_accounts_go_on(struct vn_guardian *g);
/** It was lost. */
void vn_accounts_lost(struct vn_guardian *g);
/** A message on VN_CLAIMS_ANSWERS. */
void vn_accounts_on_message(struct vn_guardian *g, const char *subject, struct vn_span payload);
/** Something waits for the connection or for an answer on it. */
bool vn_accounts_busy(const struct vn_guardian *g);
