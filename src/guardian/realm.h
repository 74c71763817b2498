/*
 * A realm with its authority loaded: keys ready to sign. Immutable once loaded, but for what a
 * field says, and counted, because pool threads go on using one that was deleted meanwhile.
 */
#pragma once

#include "base/limits.h"
#include "crypto/kem.h"
#include "crypto/x509.h"
#include "guardian/natsjwt.h"
#include "guardian/store.h"

#define VN_SESSION_LIFETIME_DEFAULT_S VN_SESSION_LIFETIME_MAX_S
/* VN_HOURS_MAX hour keys are one hour before to one hour past the certificate. */
#define VN_SESSION_LIFETIME_MAX_S (VN_PACED_MS(43200000, 60000) / 1000)
#define VN_SESSION_LIFETIME_MIN_S 60

struct vn_realm {
    struct vn_realm_record r;
    const struct vn_suite_info *suite;
    struct vn_sig_key *issuing_key, *command_key;
    struct vn_kem_dk *kem;
    struct vn_id gid; /* Guardian's node id in this realm: of the command key */
    struct vn_nats_key account, signing;
    struct vn_nats_key next; /* announced signing key, if any */
    unsigned refs;           /* atomic */
    /* loop thread only */
    uint64_t revocations_due_ms; /* the next list, not before: monotonic */
};

struct vn_realm_init {
    const char *name;
    enum vn_suite suite;
    enum vn_access_rule access;
    enum vn_relay_rule relay; /* 0: all */
    struct vn_prefix range4;
    uint32_t session_lifetime_s;
};
/** Makes all keys of a new realm; not yet stored. 10 ms: for the pool. The record is the caller's.
 */
VN_MUST_CHECK vn_status vn_realm_generate(const struct vn_realm_init *init, uint64_t now_ms,
                                          struct vn_realm_record *ret);
/** Takes the record's content in every case. Returns a strong reference. */
VN_MUST_CHECK vn_status vn_realm_load(struct vn_realm_record *take, struct vn_realm **ret);
struct vn_realm *vn_realm_ref(struct vn_realm *r);
/** From any thread. */
void vn_realm_unref(struct vn_realm *r);
void vn_realm_unrefp(struct vn_realm **r);

/** 1-63 characters [a-z0-9-], no hyphen at the ends: names and tags alike are DNS labels. */
bool vn_label_valid(const char *text);
/** First and last address that a node may have: not the network's own, not its broadcast. */
void vn_realm_ip4_bounds(const struct vn_prefix *range, uint32_t *ret_first, uint32_t *ret_last);
struct vn_ip vn_ip_from_u32(uint32_t ip4);
uint32_t vn_ip_to_u32(const struct vn_ip *ip);
/** The realm's /64 with interface id HMAC(address key, conflux id)[0..8). */
VN_MUST_CHECK vn_status vn_realm_ip6(const struct vn_realm *r, const struct vn_id *conflux,
                                     struct vn_ip *ret);
const char *vn_relay_rule_name(enum vn_relay_rule rule);
/** VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_relay_rule_parse(const char *text, enum vn_relay_rule *ret);
const char *vn_access_name(enum vn_access_rule rule);
/** VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_access_parse(const char *text, enum vn_access_rule *ret);
