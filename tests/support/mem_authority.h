/*
 * Guardian in memory, with real cryptography: the port ports/authority.h for tests. Registered
 * members are numbered; the present time is the virtual clock's on top of TEST_NOW_MS.
 */
#pragma once

#include "ports/authority.h"
#include "support/realm.h"
#include "wire/bundle.h"
#include "wire/revocation.h"

#define VN_MEMBERS_MAX 20
#define VN_MEMBER_TAINTS_MAX 8

struct vn_mem_authority;
typedef struct Vn__Command Vn__Command;
typedef struct Vn__CommandAnswer Vn__CommandAnswer;

struct vn_mem_member {
    char tag[64];
    struct vn_ip ip4, ip6;
    char taints[VN_MEMBER_TAINTS_MAX][VN_IDENTITY_LABEL_MAX + 1];
    size_t taint_count;
    uint64_t number;   /* of its statement; counts over its whole registration */
    struct vn_id node; /* of the present life */
    struct vn_hash pk_hash;
    uint8_t sig_pk[VN_PK_MAX];
    size_t sig_pk_len;
    uint8_t session_ek[VN_EK_MAX];
    size_t session_ek_len;
    unsigned logins, renewals, logouts;
    vn_status refuse;                         /* what login answers instead, unless VN_OK */
    void (*change)(struct vn_credentials *c); /* of what it answers; NULL: nothing */
    uint64_t quarantine_number;               /* in its logins from now on */
    bool quarantine_all;
    char country[VN_COUNTRY_TEXT]; /* in its certificates from now on */
    uint32_t rights_lost;          /* likewise: not there */
};

/** Revokes a member's present node id, or (minimum) its statements below its present number. It
 * gets until the end of its certificate. Returns the entry's number; logins bring it from now on.
 */
uint64_t vn_mem_authority_revoke(struct vn_mem_authority *a, size_t member, uint64_t minimum);
/** A signed list of the entries with numbers (after, to]. */
void vn_mem_authority_list(struct vn_mem_authority *a, uint64_t after, uint64_t to,
                           struct vn_buf *ret);

/* A change of keys: begin, bundles, in_force, end. Logins and changes of taints bring what a node
 * must have at each stage. */

/** A new generation of hour keys, and of this taint's key (NULL: of none). Returns its number. */
uint32_t vn_mem_authority_rekey_begin(struct vn_mem_authority *a, const char *lost);
/** The bundles of these members, signed together; ret[i] for each. */
void vn_mem_authority_bundles(struct vn_mem_authority *a, const size_t *members, size_t n,
                              struct vn_buf *ret);
/** The new one is present now, the one before counts until then (the virtual clock's). */
void vn_mem_authority_rekey_in_force(struct vn_mem_authority *a, uint64_t until_ms,
                                     struct vn_buf *ret);

/** Guardian's word that these are the rules from now on; logins bring them too. */
void vn_mem_authority_rule(struct vn_mem_authority *a, enum vn_access_rule rule,
                           enum vn_relay_rule relay, struct vn_buf *ret);

struct vn_mem_authority *vn_mem_authority_new(enum vn_suite suite);
struct vn_mem_authority *vn_mem_authority_free(struct vn_mem_authority *a);
const struct test_realm *vn_mem_authority_realm(const struct vn_mem_authority *a);
/** Certificates and statements issued from now on live so long. 12 h at first. */
void vn_mem_authority_set_life(struct vn_mem_authority *a, uint64_t life_ms);
/** taints: separated by commas. Member i has the addresses 10.66.0.(i+1) and fd66::(i+1). */
size_t vn_mem_authority_register(struct vn_mem_authority *a, const char *tag, const char *taints);
struct vn_mem_member *vn_mem_authority_member(struct vn_mem_authority *a, size_t member);
/** The port of one node of that member. The answers come at the next run. */
const struct vn_authority *vn_mem_authority_port(struct vn_mem_authority *a, size_t member);
void vn_mem_authority_run(struct vn_mem_authority *a, uint64_t now_ms);
uint64_t vn_mem_authority_next(const struct vn_mem_authority *a);
/** An envelope of Guardian on a.adm: new taints for a member. ret: subject and bytes. */
void vn_mem_authority_update(struct vn_mem_authority *a, size_t member, const char *taints,
                             char subject[80], struct vn_buf *ret);
/** An envelope of Guardian on a.adm: a command for a member's present node. */
void vn_mem_authority_command(struct vn_mem_authority *a, size_t member, Vn__Command *c,
                              char subject[80], struct vn_buf *ret);
/** Opens what a node published on `a.in.<gid>.<node>`; NULL: not to Guardian, or it does not open
 * or verify under that member's present key. Free it with vn__command_answer__free_unpacked. */
Vn__CommandAnswer *vn_mem_authority_answer(struct vn_mem_authority *a, size_t member,
                                           const char *subject, struct vn_span bytes);
