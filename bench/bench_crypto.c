/*
 * Operations per second of what src/crypto wraps, on one core: a line "metric subject value" per
 * metric and round, rounds interleaved. bench/crypto turns them into JSON. Every operation is
 * checked before it is measured; ends with 1 if one is wrong.
 *
 *   bench_crypto ROUNDS SECONDS-PER-METRIC-AND-ROUND
 */
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/aead.h"
#include "crypto/rng.h"
#include "crypto/suite.h"
#include "crypto/x509.h"

#define FRAME_BYTES 65536
#define PACKET_BYTES 1200

static struct {
    struct vn_kem_dk *dk;
    uint8_t ct[VN_CT_MAX];
    struct vn_secret ss;
    struct vn_sig_key *key;
    struct vn_sig_pub *pub;
    uint8_t sig[VN_SIG_MAX];
    struct vn_aead *aead;
    uint8_t nonce[VN_AEAD_NONCE_LEN], tag[VN_AEAD_TAG_LEN];
    uint8_t plain[FRAME_BYTES], sealed[FRAME_BYTES], opened[FRAME_BYTES];
    size_t size;
    uint8_t *cert;
    size_t cert_n;
    struct vn_id realm;
} s;

static const struct vn_span MSG = VN_SPAN_LIT("what is signed: a hash, usually");

/* ---- operations: true if right ---- */

static bool kem_keygen(void)
{
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    return vn_kem_generate(vn_kem_alg_of(s.dk), &dk) == VN_OK;
}

static bool kem_encaps(void)
{
    return vn_kem_encapsulate(vn_kem_alg_of(s.dk), vn_kem_ek(s.dk), s.ct, &s.ss) == VN_OK;
}

static bool kem_decaps(void)
{
    struct vn_secret ss;
    return vn_kem_decapsulate(s.dk, VN_SPAN(s.ct, vn_kem_ct_len(vn_kem_alg_of(s.dk))), &ss) ==
               VN_OK &&
           vn_ct_equal(ss.b, s.ss.b, s.ss.n);
}

static bool sig_keygen(void)
{
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    return vn_sig_generate(vn_sig_alg_of(s.key), &key) == VN_OK;
}

static bool sig_sign(void)
{
    return vn_sig_sign(s.key, "bench", MSG, s.sig) == VN_OK;
}

static bool sig_verify(void)
{
    return vn_sig_verify(s.pub, "bench", MSG, VN_SPAN(s.sig, vn_sig_len(vn_sig_alg_of(s.key)))) ==
           VN_OK;
}

/* Parse and verify, as for a peer seen for the first time. */
static bool cert_check(void)
{
    struct vn_identity id;
    return vn_x509_check_identity(VN_SPAN(s.cert, s.cert_n), s.pub, &s.realm, 1000, &id) == VN_OK;
}

static bool aead_seal(void)
{
    s.nonce[11]++; /* repeats, which only a bench may */
    return vn_aead_seal(s.aead, s.nonce, VN_SPAN(s.plain, 28), VN_SPAN(s.plain, s.size), s.sealed,
                        s.tag) == VN_OK;
}

static bool aead_open(void)
{
    return vn_aead_open(s.aead, s.nonce, VN_SPAN(s.plain, 28), VN_SPAN(s.sealed, s.size), s.tag,
                        s.opened) == VN_OK &&
           s.opened[s.size - 1] == s.plain[s.size - 1];
}

/* A control message: key schedule and all. */
static bool seal_once(void)
{
    static const struct vn_secret32 KEY = {.b = {1}};
    return vn_aead_seal_once(&KEY, VN_SPAN(s.plain, 28), VN_SPAN(s.plain, 128), s.sealed) == VN_OK;
}

static bool hkdf(void)
{
    uint8_t key[32];
    return vn_hkdf(VN_SHA256, VN_SPAN_NONE, VN_SPAN(s.plain, 32), &MSG, 1, key, sizeof(key)) ==
           VN_OK;
}

static bool hmac(void)
{
    uint8_t mac[VN_MAC_LEN];
    return vn_mac16(VN_SHA256, VN_SPAN(s.plain, 32), &VN_SPAN(s.plain, PACKET_BYTES), 1, mac) ==
           VN_OK;
}

/* ---- setting up, and checking that the operations do what they say ---- */

static bool use_kem(enum vn_kem_alg alg)
{
    vn_kem_freep(&s.dk);
    return vn_kem_generate(alg, &s.dk) == VN_OK && kem_encaps() && kem_decaps();
}

static bool make_cert(void)
{
    struct vn_identity id = {.realm = s.realm, .tag = "bench", .alg = vn_sig_alg_of(s.key)};
    uint8_t *root = NULL, *issuing = NULL;
    size_t root_n = 0, issuing_n = 0;
    const struct vn_span pk = vn_sig_pk(s.key);
    id.not_after_ms = 2000;
    id.pk_len = pk.n;
    memcpy(id.pk, pk.p, pk.n);
    free(s.cert);
    s.cert = NULL;
    /* One key plays all parts. */
    const bool good =
        vn_node_id_of(pk, &id.node) == VN_OK &&
        vn_x509_make_authority(VN_AUTHORITY_ROOT, &s.realm, pk, s.key, VN_SPAN_NONE, 0, 2000, &root,
                               &root_n) == VN_OK &&
        vn_x509_make_authority(VN_AUTHORITY_ISSUING, &s.realm, pk, s.key, VN_SPAN(root, root_n), 0,
                               2000, &issuing, &issuing_n) == VN_OK &&
        vn_x509_check_issuing(VN_SPAN(issuing, issuing_n), s.key, &s.realm) == VN_OK &&
        vn_x509_issue_identity(&id, s.key, &s.cert, &s.cert_n) == VN_OK;
    free(root);
    free(issuing);
    return good && cert_check();
}

static bool use_sig(enum vn_sig_alg alg)
{
    vn_sig_freep(&s.key);
    vn_sig_pub_freep(&s.pub);
    if (vn_sig_generate(alg, &s.key) != VN_OK ||
        vn_sig_pub_new(alg, vn_sig_pk(s.key), &s.pub) != VN_OK || !sig_sign() || !sig_verify() ||
        !make_cert())
        return false;
    s.sig[0] ^= 1;
    const bool refused = !sig_verify();
    s.sig[0] ^= 1;
    return refused;
}

static bool use_size(size_t size)
{
    s.size = size;
    if (!aead_seal() || !aead_open() || memcmp(s.opened, s.plain, size) != 0)
        return false;
    s.tag[0] ^= 1;
    const bool refused = !aead_open();
    s.tag[0] ^= 1;
    return refused;
}

static bool hybrid(void)
{
    return use_kem(VN_KEM_X25519MLKEM768);
}

static bool mlkem768(void)
{
    return use_kem(VN_KEM_MLKEM768);
}

static bool mlkem1024(void)
{
    return use_kem(VN_KEM_MLKEM1024);
}

static bool mldsa65(void)
{
    return use_sig(VN_SIG_MLDSA65);
}

static bool mldsa87(void)
{
    return use_sig(VN_SIG_MLDSA87);
}

static bool packet(void)
{
    return use_size(PACKET_BYTES);
}

static bool frame(void)
{
    return use_size(FRAME_BYTES);
}

/* RFC 5869 appendix A.3. */
static bool hkdf_right(void)
{
    static const uint8_t OKM[] = {0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f};
    uint8_t ikm[22], okm[sizeof(OKM)];
    memset(ikm, 0x0b, sizeof(ikm));
    return vn_hkdf(VN_SHA256, VN_SPAN_NONE, VN_SPAN_ARRAY(ikm), NULL, 0, okm, sizeof(okm)) ==
               VN_OK &&
           memcmp(okm, OKM, sizeof(okm)) == 0;
}

static const struct {
    const char *subject;
    bool (*set_up)(void);
    struct {
        const char *metric;
        bool (*run)(void);
    } ops[4];
} SUBJECTS[] = {
    {"X25519MLKEM768",
     hybrid,
     {{"kem_keygen", kem_keygen}, {"kem_encaps", kem_encaps}, {"kem_decaps", kem_decaps}}},
    {"ML-KEM-768",
     mlkem768,
     {{"kem_keygen", kem_keygen}, {"kem_encaps", kem_encaps}, {"kem_decaps", kem_decaps}}},
    {"ML-KEM-1024",
     mlkem1024,
     {{"kem_keygen", kem_keygen}, {"kem_encaps", kem_encaps}, {"kem_decaps", kem_decaps}}},
    {"ML-DSA-65",
     mldsa65,
     {{"sig_keygen", sig_keygen},
      {"sig_sign", sig_sign},
      {"sig_verify", sig_verify},
      {"cert_check", cert_check}}},
    {"ML-DSA-87",
     mldsa87,
     {{"sig_keygen", sig_keygen},
      {"sig_sign", sig_sign},
      {"sig_verify", sig_verify},
      {"cert_check", cert_check}}},
    {"AES-256-GCM",
     packet,
     {{"seal_1200", aead_seal}, {"open_1200", aead_open}, {"seal_once_128", seal_once}}},
    {"AES-256-GCM", frame, {{"seal_64k", aead_seal}, {"open_64k", aead_open}}},
    {"SHA-256", hkdf_right, {{"hkdf", hkdf}, {"mac_1200", hmac}}},
};

/* Operations per second; negative if one was wrong. */
static double measure(bool (*run)(void), double seconds)
{
    const uint64_t start = vn_clock_mono_us(), until = start + (uint64_t)(seconds * 1e6);
    uint64_t now, count = 0;
    /* Clock reads are kept below a percent: as many operations between two as the last measurement
     * suggests. */
    uint64_t batch = 1;
    do {
        for (uint64_t i = 0; i < batch; i++) {
            if (!run())
                return -1;
        }
        count += batch;
        now = vn_clock_mono_us();
        if (now - start < batch * 100)
            batch *= 2;
    } while (now < until);
    return (double)count * 1e6 / (double)(now - start);
}

int main(int argc, char **argv)
{
    const long rounds = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    const double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
    const struct vn_secret32 key = {.b = {1}};
    if (rounds < 1 || !(seconds > 0)) {
        fprintf(stderr, "usage: %s ROUNDS SECONDS\n", argv[0]);
        return 2;
    }
    if (vn_rng_bytes(s.plain, sizeof(s.plain)) != VN_OK || vn_aead_new(&key, &s.aead) != VN_OK)
        return 1;
    for (long round = 0; round < rounds; round++) {
        for (size_t i = 0; i < VN_ARRAY_LEN(SUBJECTS); i++) {
            if (!SUBJECTS[i].set_up()) {
                fprintf(stderr, "%s: wrong\n", SUBJECTS[i].subject);
                return 1;
            }
            for (size_t k = 0; k < 4 && SUBJECTS[i].ops[k].metric; k++) {
                const double value = measure(SUBJECTS[i].ops[k].run, seconds);
                if (value < 0) {
                    fprintf(stderr, "%s %s: wrong\n", SUBJECTS[i].subject,
                            SUBJECTS[i].ops[k].metric);
                    return 1;
                }
                printf("%s %s %.1f\n", SUBJECTS[i].ops[k].metric, SUBJECTS[i].subject, value);
            }
        }
    }
    vn_kem_freep(&s.dk);
    vn_sig_freep(&s.key);
    vn_sig_pub_freep(&s.pub);
    vn_aead_freep(&s.aead);
    free(s.cert);
    return 0;
}
