/*
 * CPU time of the responder of a handshake: a line "metric subject value unit" per round, which
 * bench/handshake turns into JSON. Ends with 1 if a handshake did not come out right.
 *
 *   bench_handshake ROUNDS HANDSHAKES-PER-ROUND
 */
#include <stdlib.h>

#include "base/limits.h"
#include "support/realm.h"
#include "wire/frame.h"
#include "wire/rekey.h"

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

/* CPU time of this process, which has one thread. */
static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

enum step { STEP_MAC1, STEP_OPEN, STEP_CERT, STEP_STATEMENT, STEP_VERIFY, STEP_ANSWER, STEPS };
static const char *const step_names[STEPS] = {"mac1",      "open",      "certificate",
                                              "statement", "signature", "answer"};

/* What the responder knows of an initiator whose certificate and statement it has seen. */
struct known {
    struct vn_sig_pub *pub;
    struct vn_statement statement;
};

struct one {
    struct vn_buf m1, m2;
    struct vn_hs_state i;
    struct vn_hs_keys keys;
};

static struct test_realm *r;
static struct vn_hs_responder bob;
static struct vn_statement bobs_statement;
static struct vn_hour_macs macs;
static double spent[STEPS];

static void initiate(struct one *o, uint32_t number, bool include_cert)
{
    struct vn_hs_m1_args a = {.suite = r->suite,
                              .realm = r->id,
                              .responder = bob,
                              .hour_keys = &r->hours,
                              .now_ms = TEST_NOW_MS,
                              .cert = test_node_cert(&r->a),
                              .include_cert = include_cert,
                              .statement = test_node_statement(&r->a),
                              .params = VN_SPAN_LIT("\x10\xe0\xd4\x03\x18\xdc\x0b"),
                              .key = r->a.key};
    memcpy(a.sid.b, &number, sizeof(number));
    vn_tai64n(TEST_NOW_MS, a.tai64n);
    vn_buf_init(&o->m1, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&o->m2, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_hs_m1_make(&a, &o->i, &o->m1));
}

static struct vn_hash matched_digest(const struct vn_statement *own,
                                     const struct vn_statement *peer, const struct test_node *self,
                                     bool own_is_initiator)
{
    struct vn_affinity_match m;
    struct vn_hash h;
    TEST_OK(vn_affinity_decide(r->suite, VN_ACCESS_TAINTS, self->identities, self->identity_count,
                               own, peer, own_is_initiator, &m));
    require(m.allowed, "access decision");
    TEST_OK(vn_affinity_digest(r->suite->hash, &m, &h));
    return h;
}

static void lap(double *from, enum step step)
{
    double now = cpu_us();
    spent[step] += now - *from;
    *from = now;
}

/* Everything the responder does, in the order of DESIGN section 6. known: the cache, or NULL. */
static void respond(struct one *o, const struct known *known)
{
    static uint8_t plain[VN_CONTROL_PAYLOAD_MAX];
    const struct vn_suite_info *suite = r->suite;
    struct vn_hs_m1_view v;
    struct vn_hs_m1_plain p;
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state s = {0};
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *fresh = NULL;
    struct vn_statement st;
    double t = cpu_us();
    TEST_OK(vn_hs_m1_parse(vn_buf_span(&o->m1), suite, &r->id, &v));
    TEST_OK(vn_hs_m1_check_mac1(&v, suite, &macs, TEST_NOW_MS));
    lap(&t, STEP_MAC1);
    TEST_OK(vn_hs_m1_open(&v, suite, &bob, r->b.eks, plain, &s, &p));
    lap(&t, STEP_OPEN);
    if (!known) {
        struct vn_identity id;
        TEST_OK(
            vn_x509_check_identity_key(p.cert, r->issuing_pub, &r->id, TEST_NOW_MS, &id, &fresh));
        lap(&t, STEP_CERT);
        TEST_OK(vn_statement_check(p.statement, r->command_pub, suite, &r->id, TEST_NOW_MS, &st));
        lap(&t, STEP_STATEMENT);
    } else {
        struct vn_hash h; /* the key of the cache */
        TEST_OK(vn_hash(suite->hash, VN_PARTS(p.statement), &h));
        st = known->statement;
    }
    struct vn_hash matched = matched_digest(&bobs_statement, &st, &r->b, false);
    TEST_OK(vn_hs_m1_verify(&s, &p, known ? known->pub : fresh));
    lap(&t, STEP_VERIFY);
    TEST_OK(vn_hs_m2_make(&s, p.ek, test_node_statement(&r->b), 0,
                          VN_SPAN_LIT("\x10\xe0\xd4\x03\x18\xdc\x0b"), r->b.key, &o->m2));
    TEST_OK(vn_hs_finish(&s, &matched, VN_HS_MODE_PLAIN, &o->keys));
    lap(&t, STEP_ANSWER);
}

/* The initiator's half, which shows that the work was right. */
static void complete(struct one *o)
{
    static uint8_t plain[VN_CONTROL_PAYLOAD_MAX];
    struct vn_hs_m2_view v;
    struct vn_hs_m2_plain p;
    struct vn_statement own, peer;
    struct vn_span signed_part, sig;
    struct vn_hs_keys keys;
    TEST_OK(vn_hs_m2_parse(vn_buf_span(&o->m2), r->suite, &v));
    TEST_OK(vn_hs_m2_open(&o->i, &v, plain, &p));
    TEST_OK(vn_hs_m2_verify(&o->i, &p, r->b.pub));
    TEST_OK(vn_statement_check(p.statement, r->command_pub, r->suite, &r->id, TEST_NOW_MS, &peer));
    TEST_OK(vn_statement_decode(test_node_statement(&r->a), r->suite, &own, &signed_part, &sig));
    struct vn_hash matched = matched_digest(&own, &peer, &r->a, true);
    TEST_OK(vn_hs_finish(&o->i, &matched, VN_HS_MODE_PLAIN, &keys));
    require(memcmp(&keys, &o->keys, sizeof(keys)) == 0, "keys of the two ends");
    vn_hs_state_wipe(&o->i);
    vn_buf_done(&o->m1);
    vn_buf_done(&o->m2);
}

static void round_of(const char *subject, size_t count, const struct known *known)
{
    struct one *all = calloc(count, sizeof(*all));
    require(all, "memory");
    for (size_t i = 0; i < count; i++)
        initiate(&all[i], (uint32_t)i, !known);
    memset(spent, 0, sizeof(spent));
    double from = cpu_us();
    for (size_t i = 0; i < count; i++)
        respond(&all[i], known);
    double us = (cpu_us() - from) / (double)count;
    for (size_t i = 0; i < count; i++)
        complete(&all[i]);
    free(all);
    printf("per_core %s %.1f 1/s\n", subject, 1e6 / us);
    for (int step = 0; step < STEPS; step++)
        if (spent[step] > 0)
            printf("step_us %s-%s %.2f us\n", subject, step_names[step],
                   spent[step] / (double)count);
}

/* A stranger's M1: right in everything but mac1. */
static void rejects(const char *subject, size_t count)
{
    struct one o = {0};
    initiate(&o, 0, true);
    o.m1.p[o.m1.len - 2 * VN_MAC_LEN] ^= 1;
    double from = cpu_us();
    for (size_t i = 0; i < count; i++) {
        struct vn_hs_m1_view v;
        require(vn_hs_m1_parse(vn_buf_span(&o.m1), r->suite, &r->id, &v) == VN_OK &&
                    vn_hs_m1_check_mac1(&v, r->suite, &macs, TEST_NOW_MS) == VN_ERR_AUTH,
                "a forged mac1 was accepted");
    }
    printf("reject_us %s %.3f us\n", subject, (cpu_us() - from) / (double)count);
    vn_hs_state_wipe(&o.i);
    vn_buf_done(&o.m1);
    vn_buf_done(&o.m2);
}

/* One end of a symmetric step, with the lane's new key. */
static double symmetric_steps(const char *subject, size_t count)
{
    struct vn_secret32 ck = {{1}};
    double from = cpu_us();
    for (size_t i = 0; i < count; i++) {
        struct vn_lane_keys keys;
        struct vn_aead *aead = NULL;
        TEST_OK(vn_chain_step(r->suite->hash, &ck, &ck));
        TEST_OK(vn_lane_keys_derive(r->suite->hash, &ck, 0, &keys));
        TEST_OK(vn_aead_new(&keys.key, &aead));
        vn_aead_free(aead);
    }
    double us = (cpu_us() - from) / (double)count;
    printf("rekey_us %s-symmetric %.2f us\n", subject, us);
    return us;
}

/* Both ends of a KEM step. */
static double kem_steps(const char *subject, size_t count)
{
    const struct vn_suite_info *suite = r->suite;
    struct vn_secret32 ck = {{1}}, ck_peer = ck;
    struct vn_ctl_keys ctl;
    uint8_t ct[4096];
    double from = cpu_us();
    for (size_t i = 0; i < count; i++) {
        struct vn_kem_dk *dk = NULL;
        struct vn_kem_step there, here;
        struct vn_span ct_span = VN_SPAN(ct, vn_kem_ct_len(suite->kem));
        TEST_OK(vn_kem_generate(suite->kem, &dk));
        TEST_OK(vn_kem_encapsulate(suite->kem, vn_kem_ek(dk), ct, &there.ss));
        TEST_OK(vn_kem_step_digest(suite->hash, vn_kem_ek(dk), ct_span, &there.digest));
        TEST_OK(vn_chain_kem(suite->hash, &ck_peer, &there, &ck_peer, &ctl));
        TEST_OK(vn_kem_decapsulate(dk, ct_span, &here.ss));
        TEST_OK(vn_kem_step_digest(suite->hash, vn_kem_ek(dk), ct_span, &here.digest));
        TEST_OK(vn_chain_kem(suite->hash, &ck, &here, &ck, &ctl));
        vn_kem_free(dk);
    }
    double us = (cpu_us() - from) / (double)count;
    require(memcmp(&ck, &ck_peer, sizeof(ck)) == 0, "chain keys of the two ends");
    printf("rekey_us %s-kem %.2f us\n", subject, us);
    return us;
}

static void suite_round(enum vn_suite suite, const char *name, size_t count)
{
    char cached[64];
    struct vn_span signed_part, sig;
    struct known known;
    r = test_realm_new(suite);
    bob = test_node_responder(&r->b);
    macs = (struct vn_hour_macs){.keys = &r->hours, .self = &r->b.id};
    TEST_OK(vn_statement_decode(test_node_statement(&r->b), r->suite, &bobs_statement, &signed_part,
                                &sig));
    TEST_OK(vn_statement_decode(test_node_statement(&r->a), r->suite, &known.statement,
                                &signed_part, &sig));
    known.pub = r->a.pub;
    snprintf(cached, sizeof(cached), "%s-cached", name);
    round_of(name, count, NULL);
    round_of(cached, count, &known);
    rejects(name, count * 100);
    double symmetric = symmetric_steps(name, count * 10), kem = kem_steps(name, count);
    /* Both ends of a stream that sends all the time: what its steps take of one core's time. */
    double share = 2 * symmetric / (VN_REKEY_STEP_MS * 1e3) + kem / (VN_REKEY_KEM_MS * 1e3);
    printf("rekey_share %s %.5f %%\n", name, share * 100);
    r = test_realm_free(r);
}

int main(int argc, char **argv)
{
    const long rounds = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (rounds <= 0 || count <= 0) {
        fprintf(stderr, "usage: bench_handshake ROUNDS HANDSHAKES-PER-ROUND\n");
        return 2;
    }
    for (long i = 0; i < rounds; i++) {
        suite_round(VN_SUITE_DEFAULT, "veilnet", (size_t)count);
        suite_round(VN_SUITE_CNSA, "veilnet-cnsa", (size_t)count);
    }
    return 0;
}
