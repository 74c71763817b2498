/*
 * A small realm for tests: authorities, hour keys, and two nodes that share two taints and a team.
 * Whatever fails here ends the program.
 */
#pragma once

#include "crypto/x509.h"
#include "wire/descriptor.h"
#include "wire/envelope.h"
#include "wire/handshake.h"
#include "wire/statement.h"

#define TEST_NOW_MS 1790000000000ull

/** Prints the line and ends the program unless st is VN_OK. */
#define TEST_OK(expr) test_ok((expr), #expr, __FILE__, __LINE__)
void test_ok(vn_status st, const char *what, const char *file, int line);

struct test_node {
    struct vn_id id;
    struct vn_sig_key *key;
    struct vn_sig_pub *pub;
    struct vn_hash pk_hash, cert_hash;
    uint8_t *cert;
    size_t cert_n;
    struct vn_kem_dk *eks;
    struct vn_own_identity identities[VN_TAINTS_MAX + VN_SCOPES_MAX];
    size_t identity_count;
    uint8_t statement[VN_STATEMENT_MAX];
    size_t statement_n;
};

struct test_realm {
    const struct vn_suite_info *suite;
    struct vn_id id;
    struct vn_sig_key *root, *issuing, *command;
    struct vn_sig_pub *issuing_pub, *command_pub;
    uint8_t *root_cert, *issuing_cert;
    size_t root_cert_n, issuing_cert_n;
    struct vn_secret32 hour_root, affinity_root, name_key;
    struct vn_hour_keys hours; /* one before to 14 after TEST_NOW_MS */
    struct test_node a, b;
};

struct test_realm *test_realm_new(enum vn_suite suite);
struct test_realm *test_realm_free(struct test_realm *r);

/** Adds an identity with its key; the statement is not changed. */
void test_node_add(const struct test_realm *r, struct test_node *n, enum vn_identity_kind kind,
                   const char *label);
/** The statement about n's identities, signed by the command key into n->statement. */
void test_node_issue(const struct test_realm *r, struct test_node *n, uint64_t number,
                     struct vn_statement *ret);
struct vn_hs_responder test_node_responder(const struct test_node *n);
static inline struct vn_span test_node_cert(const struct test_node *n)
{
    return VN_SPAN(n->cert, n->cert_n);
}
static inline struct vn_span test_node_statement(const struct test_node *n)
{
    return VN_SPAN(n->statement, n->statement_n);
}
