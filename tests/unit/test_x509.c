#include "crypto/x509.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

#include "crypto/sig_evp.h"
#include "crypto/x509_ext.h"
#include "support/guard.h"
#include "support/test.h"

#define T0 1760000000000u /* protocol time of these tests; no clock is read */
#define DAY 86400000u

struct realm {
    struct vn_id id;
    struct vn_sig_key *root, *issuing, *command;
    struct vn_span root_cert, issuing_cert, command_cert;
    struct vn_sig_pub *root_pub, *issuing_pub;
};

static struct vn_span take(uint8_t *der, size_t n)
{
    return VN_SPAN(der, n);
}

static struct vn_span make_authority(const struct realm *r, enum vn_authority_kind kind,
                                     const struct vn_sig_key *subject)
{
    uint8_t *der = NULL;
    size_t n = 0;
    assert_ok(vn_x509_make_authority(kind, &r->id, vn_sig_pk(subject), r->root, r->root_cert, T0,
                                     T0 + 1000 * (uint64_t)DAY, &der, &n));
    return take(der, n);
}

static void realm_init(struct realm *r, enum vn_sig_alg alg)
{
    *r = (struct realm){0};
    vn_test_fill(&r->id, sizeof(r->id));
    assert_ok(vn_sig_generate(alg, &r->root));
    assert_ok(vn_sig_generate(alg, &r->issuing));
    assert_ok(vn_sig_generate(alg, &r->command));
    r->root_cert = make_authority(r, VN_AUTHORITY_ROOT, r->root);
    r->issuing_cert = make_authority(r, VN_AUTHORITY_ISSUING, r->issuing);
    r->command_cert = make_authority(r, VN_AUTHORITY_COMMAND, r->command);
    assert_ok(vn_sig_pub_new(alg, vn_sig_pk(r->root), &r->root_pub));
    assert_ok(vn_sig_pub_new(alg, vn_sig_pk(r->issuing), &r->issuing_pub));
}

static void realm_done(struct realm *r)
{
    free((void *)(uintptr_t)r->root_cert.p);
    free((void *)(uintptr_t)r->issuing_cert.p);
    free((void *)(uintptr_t)r->command_cert.p);
    vn_sig_pub_freep(&r->root_pub);
    vn_sig_pub_freep(&r->issuing_pub);
    vn_sig_freep(&r->root);
    vn_sig_freep(&r->issuing);
    vn_sig_freep(&r->command);
}

static struct vn_identity identity_of(const struct realm *r, const struct vn_sig_key *key)
{
    struct vn_identity id = {
        .realm = r->id,
        .tag = "alpha-1",
        .rights = VN_RIGHT_RELAY | VN_RIGHT_PORTAL,
        .country = "CH",
        .addr_count = 2,
        .prefix_count = 2,
        .not_before_ms = T0,
        .not_after_ms = T0 + DAY / 2,
        .alg = vn_sig_alg_of(key),
        .pk_len = vn_sig_pk(key).n,
        .serial = {0xff, 1, 2},
    };
    assert_ok(vn_ip_parse("10.9.0.7", &id.addrs[0]));
    assert_ok(vn_ip_parse("fd12::7", &id.addrs[1]));
    assert_ok(vn_prefix_parse("192.168.4.0/24", &id.prefixes[0]));
    assert_ok(vn_prefix_parse("2001:db8::/32", &id.prefixes[1]));
    memcpy(id.pk, vn_sig_pk(key).p, id.pk_len);
    assert_ok(vn_node_id_of(vn_sig_pk(key), &id.node));
    return id;
}

static vn_status issue(const struct realm *r, const struct vn_identity *id, uint8_t **der,
                       size_t *n)
{
    return vn_x509_issue_identity(id, r->issuing, der, n);
}

static void assert_identity_equal(const struct vn_identity *a, const struct vn_identity *b)
{
    assert_true(vn_id_equal(&a->realm, &b->realm));
    assert_true(vn_id_equal(&a->node, &b->node));
    assert_string_equal(a->tag, b->tag);
    assert_string_equal(a->country, b->country);
    assert_int_equal(a->addr_count, b->addr_count);
    assert_memory_equal(a->addrs, b->addrs, sizeof(a->addrs));
    assert_int_equal(a->prefix_count, b->prefix_count);
    for (size_t i = 0; i < a->prefix_count; i++) {
        assert_true(vn_ip_equal(&a->prefixes[i].ip, &b->prefixes[i].ip));
        assert_int_equal(a->prefixes[i].bits, b->prefixes[i].bits);
    }
    assert_int_equal(a->rights, b->rights);
    assert_memory_equal(a->serial, b->serial, sizeof(a->serial));
    assert_int_equal(a->not_before_ms, b->not_before_ms);
    assert_int_equal(a->not_after_ms, b->not_after_ms);
    assert_int_equal(a->alg, b->alg);
    assert_span_equal(VN_SPAN(a->pk, a->pk_len), VN_SPAN(b->pk, b->pk_len));
}

static void identity_round_trip(void **state)
{
    (void)state;
    static const enum vn_sig_alg ALGS[] = {VN_SIG_MLDSA65, VN_SIG_MLDSA87};
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        struct realm r;
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        struct vn_identity got;
        uint8_t *der = NULL;
        size_t n = 0;
        realm_init(&r, ALGS[i]);
        assert_ok(vn_sig_generate(ALGS[i], &key));
        struct vn_identity id = identity_of(&r, key);
        assert_ok(issue(&r, &id, &der, &n));
        print_message("identity certificate: %zu bytes\n", n);
        struct vn_guard g;
        vn_guard_init(&g, n);
        assert_ok(vn_x509_check_identity(vn_guard_copy(&g, VN_SPAN(der, n)), r.issuing_pub, &r.id,
                                         T0 + 5, &got));
        vn_guard_done(&g);
        assert_identity_equal(&id, &got);
        free(der);

        /* the barest: no tag, rights, prefixes, addresses; serial drawn */
        id.tag[0] = '\0';
        id.rights = 0;
        id.country[0] = 0;
        id.addr_count = id.prefix_count = 0;
        memset(id.addrs, 0, sizeof(id.addrs));
        memset(id.serial, 0, sizeof(id.serial));
        assert_ok(issue(&r, &id, &der, &n));
        assert_ok(vn_x509_check_identity(VN_SPAN(der, n), r.issuing_pub, &r.id, T0, &got));
        assert_memory_not_equal(got.serial, id.serial, 16);
        memcpy(id.serial, got.serial, 16);
        assert_identity_equal(&id, &got);
        free(der);

        /* the fullest */
        memset(id.tag, 'z', VN_TAG_MAX);
        id.rights = VN_RIGHT_RELAY | VN_RIGHT_CONDUIT | VN_RIGHT_PORTAL | VN_RIGHT_BROWSER;
        id.addr_count = VN_CERT_ADDRS_MAX;
        id.prefix_count = VN_CERT_PREFIXES_MAX;
        for (size_t k = 0; k < VN_CERT_ADDRS_MAX; k++)
            vn_test_fill(&id.addrs[k], 16);
        for (uint8_t k = 0; k < VN_CERT_PREFIXES_MAX; k++) {
            id.prefixes[k] = (struct vn_prefix){.bits = (uint8_t)(4 * k + 3)};
            memset(id.prefixes[k].ip.b, 0xff, (size_t)(4 * k + 3) / 8);
        }
        memset(id.serial, 0xff, sizeof(id.serial));
        assert_ok(issue(&r, &id, &der, &n));
        assert_ok(vn_x509_check_identity(VN_SPAN(der, n), r.issuing_pub, &r.id, T0, &got));
        assert_identity_equal(&id, &got);
        free(der);
        realm_done(&r);
    }
}

static void authorities_verify_under_the_root_alone(void **state)
{
    (void)state;
    struct realm r, other;
    realm_init(&r, VN_SIG_MLDSA65);
    realm_init(&other, VN_SIG_MLDSA65);
    const struct {
        enum vn_authority_kind kind;
        struct vn_span cert;
        const struct vn_sig_key *key;
    } cases[] = {
        {VN_AUTHORITY_ROOT, r.root_cert, r.root},
        {VN_AUTHORITY_ISSUING, r.issuing_cert, r.issuing},
        {VN_AUTHORITY_COMMAND, r.command_cert, r.command},
    };
    for (size_t i = 0; i < 3; i++) {
        struct vn_sig_pub *pub = NULL;
        assert_ok(
            vn_x509_check_authority(cases[i].kind, &r.id, cases[i].cert, r.root_pub, T0, &pub));
        assert_span_equal(vn_sig_pub_bytes(pub), vn_sig_pk(cases[i].key));
        vn_sig_pub_freep(&pub);
        for (size_t k = 0; k < 3; k++) { /* one is never taken for another */
            if (k != i)
                assert_status_not_ok(vn_x509_check_authority(cases[k].kind, &r.id, cases[i].cert,
                                                             r.root_pub, T0, &pub));
        }
        assert_status(VN_ERR_AUTH, vn_x509_check_authority(cases[i].kind, &r.id, cases[i].cert,
                                                           other.root_pub, T0, &pub));
        assert_status(VN_ERR_AUTH, vn_x509_check_authority(cases[i].kind, &other.id, cases[i].cert,
                                                           r.root_pub, T0, &pub));
        assert_status(VN_ERR_EXPIRED, vn_x509_check_authority(cases[i].kind, &r.id, cases[i].cert,
                                                              r.root_pub, T0 - 1, &pub));
        assert_status(VN_ERR_EXPIRED,
                      vn_x509_check_authority(cases[i].kind, &r.id, cases[i].cert, r.root_pub,
                                              T0 + 1001 * (uint64_t)DAY, &pub));
        assert_null(pub);
    }
    /* the root under itself, but nothing else without a root */
    struct vn_sig_pub *pub = NULL;
    assert_ok(vn_x509_check_authority(VN_AUTHORITY_ROOT, &r.id, r.root_cert, NULL, T0, &pub));
    vn_sig_pub_freep(&pub);
    assert_status(VN_ERR_ARG, vn_x509_check_authority(VN_AUTHORITY_ISSUING, &r.id, r.issuing_cert,
                                                      NULL, T0, &pub));
    /* an identity is no authority, and an authority no identity */
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    assert_ok(vn_sig_generate(VN_SIG_MLDSA65, &key));
    const struct vn_identity id = identity_of(&r, key);
    struct vn_identity got;
    uint8_t *der;
    size_t n;
    assert_ok(issue(&r, &id, &der, &n));
    assert_status_not_ok(vn_x509_check_authority(VN_AUTHORITY_COMMAND, &r.id, VN_SPAN(der, n),
                                                 r.issuing_pub, T0, &pub));
    assert_status_not_ok(vn_x509_check_identity(r.command_cert, r.root_pub, &r.id, T0, &got));
    free(der);
    realm_done(&r);
    realm_done(&other);
}

static void identity_is_bound_to_realm_time_and_issuer(void **state)
{
    (void)state;
    struct realm r, other;
    struct vn_identity got = {.rights = 77};
    uint8_t *der;
    size_t n;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    realm_init(&r, VN_SIG_MLDSA65);
    realm_init(&other, VN_SIG_MLDSA65);
    assert_ok(vn_sig_generate(VN_SIG_MLDSA65, &key));
    const struct vn_identity id = identity_of(&r, key);
    assert_ok(issue(&r, &id, &der, &n));
    const struct vn_span cert = VN_SPAN(der, n);
    assert_status(VN_ERR_EXPIRED, vn_x509_check_identity(cert, r.issuing_pub, &r.id, T0 - 1, &got));
    assert_status(VN_ERR_EXPIRED,
                  vn_x509_check_identity(cert, r.issuing_pub, &r.id, id.not_after_ms + 1, &got));
    assert_status(VN_ERR_AUTH, vn_x509_check_identity(cert, r.issuing_pub, &other.id, T0, &got));
    assert_status(VN_ERR_AUTH, vn_x509_check_identity(cert, other.issuing_pub, &r.id, T0, &got));
    assert_status(VN_ERR_AUTH, vn_x509_check_identity(cert, r.root_pub, &r.id, T0, &got));
    assert_int_equal(got.rights, 77);
    assert_ok(vn_x509_check_identity(cert, r.issuing_pub, &r.id, id.not_after_ms, &got));
    free(der);
    realm_done(&r);
    realm_done(&other);
}

static void truncations_flips_and_trailing_bytes_fail(void **state)
{
    (void)state;
    struct realm r;
    struct vn_identity got;
    uint8_t *der;
    size_t n;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    realm_init(&r, VN_SIG_MLDSA65);
    assert_ok(vn_sig_generate(VN_SIG_MLDSA65, &key));
    const struct vn_identity id = identity_of(&r, key);
    assert_ok(issue(&r, &id, &der, &n));
    struct vn_guard g;
    vn_guard_init(&g, n + 1);
    for (size_t cut = 0; cut < n; cut++)
        assert_status(VN_ERR_MALFORMED, vn_x509_check_identity(vn_guard_copy(&g, VN_SPAN(der, cut)),
                                                               r.issuing_pub, &r.id, T0, &got));
    uint8_t *longer = malloc(n + 1);
    memcpy(longer, der, n);
    longer[n] = 0;
    assert_status(VN_ERR_MALFORMED,
                  vn_x509_check_identity(VN_SPAN(longer, n + 1), r.issuing_pub, &r.id, T0, &got));
    free(longer);
    for (size_t at = 0; at < n; at += at < 400 ? 1 : 1 + vn_test_below(40)) {
        const uint8_t flip = (uint8_t)(1 << vn_test_below(8));
        der[at] ^= flip;
        const struct vn_span cert = vn_guard_copy(&g, VN_SPAN(der, n));
        const vn_status st = vn_x509_check_identity(cert, r.issuing_pub, &r.id, T0, &got);
        if (st != VN_ERR_AUTH && st != VN_ERR_MALFORMED)
            fail_msg("bit flip in byte %zu: %s", at, vn_status_name(st));
        der[at] ^= flip;
    }
    assert_ok(vn_x509_check_identity(VN_SPAN(der, n), r.issuing_pub, &r.id, T0, &got));

    /* Version 2: told from a wrong signature by coming first. X509_sign makes no such certificate.
     */
    static const uint8_t VERSION_3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
    uint8_t *version = memmem(der, n, VERSION_3, sizeof(VERSION_3));
    assert_non_null(version);
    version[4] = 1;
    assert_status(VN_ERR_MALFORMED,
                  vn_x509_check_identity(VN_SPAN(der, n), r.issuing_pub, &r.id, T0, &got));
    version[4] = 2;

    /* The same certificate in BER: a longer form of the outer length. Peers would know it by
     * another hash. */
    uint8_t *ber = malloc(n + 1);
    assert_int_equal(der[0], 0x30);
    assert_int_equal(der[1], 0x82);
    ber[0] = 0x30;
    ber[1] = 0x83;
    ber[2] = 0;
    memcpy(ber + 3, der + 2, n - 2);
    assert_status(VN_ERR_MALFORMED,
                  vn_x509_check_identity(VN_SPAN(ber, n + 1), r.issuing_pub, &r.id, T0, &got));
    free(ber);
    vn_guard_done(&g);
    free(der);
    realm_done(&r);
}

/* ---- certificates the issuing key did sign, but that are not as they should be ---- */

typedef void change_fn(X509 *x);

static void add_ext(X509 *x, const char *oid, int critical, const char *value)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(s, (const uint8_t *)value, (int)strlen(value));
    X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, obj, critical, s);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(s);
    ASN1_OBJECT_free(obj);
}

static void drop_ext(X509 *x, int nid)
{
    X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, nid, -1)));
}

static void drop_ours(X509 *x)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(VN_X509_EXT_OID, 1);
    X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_OBJ(x, obj, -1)));
    ASN1_OBJECT_free(obj);
}

static void set_names(X509 *x, const char *names)
{
    drop_ext(x, NID_subject_alt_name);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

static void set_conf(X509 *x, int nid, const char *value)
{
    drop_ext(x, nid);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

static char good_uri[64];

static const char *uri_and(const char *more)
{
    static char names[256];
    snprintf(names, sizeof(names), "URI:%s%s", good_uri, more);
    return names;
}

static void harmless(X509 *x)
{
    add_ext(x, "1.2.3.4", 0, "anything");
}
static void unknown_critical(X509 *x)
{
    add_ext(x, "1.2.3.4", 1, "anything");
}
static void name_constraints_critical(X509 *x)
{
    set_conf(x, NID_name_constraints, "critical,permitted;DNS:example");
}
static void ours_twice(X509 *x)
{
    add_ext(x, VN_X509_EXT_OID, 1, "\x04\x01x");
}
static void ours_garbled(X509 *x)
{
    drop_ours(x);
    add_ext(x, VN_X509_EXT_OID, 1, "\x04\x01x");
}
static void ours_not_der(X509 *x)
{
    drop_ours(x);
    add_ext(x, VN_X509_EXT_OID, 1, "\x30\x01x");
}
static void authority(X509 *x)
{
    set_conf(x, NID_basic_constraints, "critical,CA:TRUE");
}
static void constraints_missing(X509 *x)
{
    drop_ext(x, NID_basic_constraints);
}
static void usage_missing(X509 *x)
{
    drop_ext(x, NID_key_usage);
}
static void usage_more(X509 *x)
{
    set_conf(x, NID_key_usage, "critical,digitalSignature,keyCertSign");
}
static void names_missing(X509 *x)
{
    drop_ext(x, NID_subject_alt_name);
}
static void names_without_uri(X509 *x)
{
    set_names(x, "IP:10.0.0.1");
}
static void two_uris(X509 *x)
{
    set_names(x, uri_and(",URI:veilnet://x/y"));
}
static void another_node(X509 *x)
{
    char *letter = &good_uri[strlen(good_uri) - 2];
    const char was = *letter;
    *letter = was == 'a' ? 'b' : 'a'; /* an id still: bytes of the list around it would end it */
    set_names(x, uri_and(""));
    *letter = was;
}
static void uri_longer(X509 *x)
{
    set_names(x, uri_and("x"));
}
static void a_dns_name(X509 *x)
{
    set_names(x, uri_and(",DNS:node.example"));
}
static void five_addresses(X509 *x)
{
    set_names(x, uri_and(",IP:10.0.0.1,IP:10.0.0.2,IP:10.0.0.3,IP:10.0.0.4,IP:10.0.0.5"));
}
static void mapped_address(X509 *x)
{
    set_names(x, uri_and(",IP:::ffff:10.0.0.1"));
}
static void other_issuer_name(X509 *x)
{
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));
    X509_set_issuer_name(x, name);
    X509_NAME_free(name);
}
static void serial_zero(X509 *x)
{
    ASN1_INTEGER_set(X509_get_serialNumber(x), 0);
}
static void serial_negative(X509 *x)
{
    ASN1_INTEGER_set(X509_get_serialNumber(x), -5);
}
static void classical_key(X509 *x)
{
    EVP_PKEY *ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509_set_pubkey(x, ec);
    EVP_PKEY_free(ec);
}

static void signed_but_wrong_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        change_fn *change;
        vn_status expected;
    } CASES[] = {
        {"harmless", harmless, VN_OK},
        {"unknown critical", unknown_critical, VN_ERR_MALFORMED},
        {"critical, known to OpenSSL", name_constraints_critical, VN_ERR_MALFORMED},
        {"ours twice", ours_twice, VN_ERR_MALFORMED},
        {"ours missing", drop_ours, VN_ERR_MALFORMED},
        {"ours garbled", ours_garbled, VN_ERR_MALFORMED},
        {"ours not DER", ours_not_der, VN_ERR_MALFORMED},
        {"authority", authority, VN_ERR_MALFORMED},
        {"no basic constraints", constraints_missing, VN_ERR_MALFORMED},
        {"no key usage", usage_missing, VN_ERR_MALFORMED},
        {"more key usage", usage_more, VN_ERR_MALFORMED},
        {"no names", names_missing, VN_ERR_MALFORMED},
        {"no URI", names_without_uri, VN_ERR_MALFORMED},
        {"two URIs", two_uris, VN_ERR_MALFORMED},
        {"another node", another_node, VN_ERR_AUTH},
        {"longer URI", uri_longer, VN_ERR_AUTH},
        {"a DNS name", a_dns_name, VN_ERR_MALFORMED},
        {"five addresses", five_addresses, VN_ERR_MALFORMED},
        {"IPv4 as IPv6", mapped_address, VN_ERR_MALFORMED},
        {"another issuer", other_issuer_name, VN_ERR_AUTH},
        {"serial 0", serial_zero, VN_ERR_MALFORMED},
        {"serial -5", serial_negative, VN_ERR_MALFORMED},
        {"classical key", classical_key, VN_ERR_MALFORMED},
    };
    struct realm r;
    struct vn_identity got;
    uint8_t *der;
    size_t n;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    realm_init(&r, VN_SIG_MLDSA65);
    assert_ok(vn_sig_generate(VN_SIG_MLDSA65, &key));
    const struct vn_identity id = identity_of(&r, key);
    assert_ok(issue(&r, &id, &der, &n));
    char realm_text[VN_ID_TEXT], node_text[VN_ID_TEXT];
    vn_id_format(&r.id, realm_text);
    vn_id_format(&id.node, node_text);
    snprintf(good_uri, sizeof(good_uri), "veilnet://%s/%s", realm_text, node_text);
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        const uint8_t *p = der;
        X509 *x = d2i_X509(NULL, &p, (long)n);
        CASES[i].change(x);
        assert_true(X509_sign(x, vn_sig_key_evp(r.issuing), NULL) > 0);
        uint8_t *changed = NULL;
        const int changed_n = i2d_X509(x, &changed);
        const vn_status st = vn_x509_check_identity(VN_SPAN(changed, (size_t)changed_n),
                                                    r.issuing_pub, &r.id, T0, &got);
        if (st != CASES[i].expected)
            fail_msg("%s: %s", CASES[i].name, vn_status_name(st));
        OPENSSL_free(changed);
        X509_free(x);
    }
    free(der);
    realm_done(&r);
}

static void issuing_checks_its_arguments(void **state)
{
    (void)state;
    struct realm r;
    uint8_t *der = NULL;
    size_t n = 0;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    realm_init(&r, VN_SIG_MLDSA65);
    assert_ok(vn_sig_generate(VN_SIG_MLDSA65, &key));
    const struct vn_identity good = identity_of(&r, key);
    struct vn_identity id;
#define ASSERT_REFUSED(change)                                                                     \
    do {                                                                                           \
        id = good;                                                                                 \
        change;                                                                                    \
        assert_status(VN_ERR_ARG, issue(&r, &id, &der, &n));                                       \
    } while (0)
    ASSERT_REFUSED(id.node.b[0] ^= 1);
    ASSERT_REFUSED(id.rights = 16);
    ASSERT_REFUSED(id.country[1] = 'h');
    ASSERT_REFUSED(id.country[1] = 0);
    ASSERT_REFUSED(id.addr_count = VN_CERT_ADDRS_MAX + 1);
    ASSERT_REFUSED(id.prefix_count = VN_CERT_PREFIXES_MAX + 1);
    ASSERT_REFUSED(id.prefixes[0].bits = 129);
    ASSERT_REFUSED(id.prefixes[0].ip.b[15] = 1);
    ASSERT_REFUSED(id.not_after_ms = id.not_before_ms - 1);
    ASSERT_REFUSED(id.tag[0] = 'A');
    ASSERT_REFUSED(id.tag[0] = '-');
    ASSERT_REFUSED(id.tag[3] = '.');
    ASSERT_REFUSED(memset(id.tag, 'a', sizeof(id.tag)));
    ASSERT_REFUSED(id.pk_len = 5);
    ASSERT_REFUSED(id.alg = VN_SIG_ED25519);
    ASSERT_REFUSED(id.alg = VN_SIG_MLDSA87);
    id = good;
    assert_ok(vn_x509_check_issuing(r.issuing_cert, r.issuing, &r.id));
    assert_status(VN_ERR_ARG, vn_x509_check_issuing(r.issuing_cert, r.command, &r.id));
    assert_status(VN_ERR_ARG, vn_x509_check_issuing(r.root_cert, r.root, &r.id));
    assert_status(VN_ERR_ARG, vn_x509_check_issuing(r.issuing_cert, r.issuing, &id.node));
    assert_status(VN_ERR_MALFORMED, vn_x509_check_issuing(VN_SPAN_LIT("junk"), r.issuing, &r.id));
    assert_status(VN_ERR_ARG, vn_x509_make_authority(VN_AUTHORITY_ROOT, &r.id, vn_sig_pk(key),
                                                     r.root, VN_SPAN_NONE, T0, T0 + DAY, &der, &n));
    assert_status(VN_ERR_ARG,
                  vn_x509_make_authority(VN_AUTHORITY_ISSUING, &r.id, vn_sig_pk(key), r.issuing,
                                         r.issuing_cert, T0, T0 + DAY, &der, &n));
    assert_status(VN_ERR_ARG,
                  vn_x509_make_authority(VN_AUTHORITY_ISSUING, &r.id, VN_SPAN(r.id.b, 16), r.root,
                                         r.root_cert, T0, T0 + DAY, &der, &n));
    assert_null(der);
    realm_done(&r);
}

static void extension_round_trip_and_every_truncation(void **state)
{
    (void)state;
    struct vn_guard g;
    vn_guard_init(&g, VN_X509_EXT_MAX);
    for (int round = 0; round < 200; round++) {
        struct vn_identity id = {.rights = (uint32_t)vn_test_below(16)}, got = {0};
        uint8_t buf[VN_X509_EXT_MAX], again[VN_X509_EXT_MAX];
        size_t n, again_n;
        const size_t tag_len = vn_test_below(VN_TAG_MAX + 1);
        for (size_t i = 0; i < tag_len; i++)
            id.tag[i] = (char)('a' + vn_test_below(26));
        id.prefix_count = vn_test_below(VN_CERT_PREFIXES_MAX + 1);
        for (size_t i = 0; i < id.prefix_count; i++)
            id.prefixes[i].bits = (uint8_t)vn_test_below(129);
        assert_ok(vn_x509_ext_encode(&id, buf, sizeof(buf), &n));
        assert_ok(vn_x509_ext_decode(vn_guard_copy(&g, VN_SPAN(buf, n)), &got));
        assert_int_equal(got.rights, id.rights);
        assert_string_equal(got.tag, id.tag);
        for (size_t cut = 0; cut < n; cut++)
            assert_status(VN_ERR_MALFORMED,
                          vn_x509_ext_decode(vn_guard_copy(&g, VN_SPAN(buf, cut)), &got));
        /* whatever is accepted has one encoding */
        buf[vn_test_below(n)] ^= (uint8_t)(1 << vn_test_below(8));
        if (vn_x509_ext_decode(VN_SPAN(buf, n), &got) == VN_OK) {
            assert_ok(vn_x509_ext_encode(&got, again, sizeof(again), &again_n));
            assert_span_equal(VN_SPAN(again, again_n), VN_SPAN(buf, n));
        }
    }
    struct vn_identity id = {0};
    uint8_t buf[VN_X509_EXT_MAX];
    size_t n;
    assert_status(VN_ERR_LIMIT, vn_x509_ext_encode(&id, buf, 6, &n));
    assert_ok(vn_x509_ext_encode(&id, buf, 7, &n));
    static const char *const BAD[] = {
        "02000000000000",                                   /* version */
        "01000000100000",                                   /* a right nobody knows */
        "0100000000024100",                                 /* tag with a capital and short */
        "010000000001002d00",                               /* a NUL in the tag */
        "0100000000000021",                                 /* more prefixes than there may be */
        "0100000000000000",                                 /* trailing byte */
        "010000000000018100000000000000000000000000000000", /* 129 bits */
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_x509_ext_decode(vn_test_hex(BAD[i]), &id));
    vn_guard_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_round_trip),
        cmocka_unit_test(authorities_verify_under_the_root_alone),
        cmocka_unit_test(identity_is_bound_to_realm_time_and_issuer),
        cmocka_unit_test(truncations_flips_and_trailing_bytes_fail),
        cmocka_unit_test(signed_but_wrong_is_refused),
        cmocka_unit_test(issuing_checks_its_arguments),
        cmocka_unit_test(extension_round_trip_and_every_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
