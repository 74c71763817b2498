#include "transport/stun.h"

#include "crypto/kdf.h"
#include "crypto/md5.h"
#include "support/guard.h"
#include "support/test.h"

/* RFC 5769: password of sections 2.1 to 2.3; transaction id of the same */
#define PASSWORD VN_SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBt")
#define TXID "b7e7a701bc34d686fa87dfae"
#define REQUEST                                                                                    \
    "000100582112a442" TXID "802200105354554e207465737420636c69656e74002400046e0001ff80290008"     \
    "932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"     \
    "c1b571a280280004e57a3bcf"
#define RESPONSE4                                                                                  \
    "0101003c2112a442" TXID "8022000b7465737420766563746f7220002000080001a147e112a64300080014"     \
    "2b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
#define RESPONSE6                                                                                  \
    "010100482112a442" TXID "8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179"     \
    "bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
#define LONG_TERM                                                                                  \
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000"     \
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e"     \
    "6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666"

#define USERHASH "4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
#define LONG_TERM_SHA256                                                                           \
    "000100902112a44278ad3433c6ad72c029da412e001e0020" USERHASH "001500296f624d61744a6f733241414"  \
    "143662f2f3439396b39353464364f4c33346f4c394653547679363473410000000014000b6578616d706c652e"    \
    "6f726700001d000400020000001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c4314930927"       \
    "8cc6518e65"
#define MATRIX "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"

static void rfc5769_request(void **state)
{
    (void)state;
    struct vn_stun_msg m;
    assert_ok(vn_stun_decode(vn_test_hex(REQUEST), &m));
    assert_true(vn_stun_looks(m.whole));
    assert_int_equal(m.cls, VN_STUN_REQUEST);
    assert_int_equal(m.method, VN_STUN_BINDING);
    assert_span_equal(VN_SPAN_ARRAY(m.txid.b), vn_test_hex(TXID));
    assert_span_equal(m.username, VN_SPAN_LIT("evtj:h6vY"));
    assert_true(m.has_priority && m.priority == 0x6e0001ff);
    assert_int_equal(m.role, VN_STUN_CONTROLLED);
    assert_true(m.tie_breaker == 0x932ff9b151263b36);
    assert_true(m.has_fingerprint && !m.use_candidate && m.unknown_count == 0);
    assert_ok(vn_stun_verify(&m, PASSWORD));
    assert_status(VN_ERR_AUTH, vn_stun_verify(&m, VN_SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBu")));
}

static void rfc5769_responses(void **state)
{
    (void)state;
    struct vn_stun_msg m;
    struct vn_ip ip;
    assert_ok(vn_stun_decode(vn_test_hex(RESPONSE4), &m));
    assert_int_equal(m.cls, VN_STUN_SUCCESS);
    assert_ok(vn_ip_parse("192.0.2.1", &ip));
    assert_true(m.has_mapped && vn_ip_equal(&m.mapped.ip, &ip) && m.mapped.port == 32853);
    assert_ok(vn_stun_verify(&m, PASSWORD));

    assert_ok(vn_stun_decode(vn_test_hex(RESPONSE6), &m));
    assert_ok(vn_ip_parse("2001:db8:1234:5678:11:2233:4455:6677", &ip));
    assert_true(m.has_mapped && vn_ip_equal(&m.mapped.ip, &ip) && m.mapped.port == 32853);
    assert_ok(vn_stun_verify(&m, PASSWORD));
}

static struct vn_span long_term_key(bool sha256, uint8_t ret[32])
{
    const struct vn_span parts[] = {VN_SPAN_LIT(MATRIX ":example.org:TheMatrIX")};
    struct vn_hash h;
    if (!sha256) {
        assert_ok(vn_md5(parts, 1, ret));
        return VN_SPAN(ret, VN_MD5_LEN);
    }
    assert_ok(vn_hash(VN_SHA256, parts, 1, &h));
    memcpy(ret, h.b, 32);
    return VN_SPAN(ret, 32);
}

/* Section 2.4 */
static void rfc5769_long_term(void **state)
{
    (void)state;
    struct vn_stun_msg m;
    uint8_t key[32];
    assert_ok(vn_stun_decode(vn_test_hex(LONG_TERM), &m));
    assert_false(m.has_fingerprint);
    assert_int_equal(m.unknown_count, 0);
    assert_span_equal(m.username, VN_SPAN_LIT(MATRIX));
    assert_span_equal(m.nonce, VN_SPAN_LIT("f//499k954d6OL34oL9FSTvy64sA"));
    assert_span_equal(m.realm, VN_SPAN_LIT("example.org"));
    assert_ok(vn_stun_verify(&m, long_term_key(false, key)));
    assert_status(VN_ERR_AUTH, vn_stun_verify_with(&m, VN_STUN_SHA256, VN_SPAN(key, 16)));
}

/* Appendix B.1 with erratum 6290: PASSWORD-ALGORITHM was missing, and the HMAC with it. */
static void rfc8489_long_term_sha256(void **state)
{
    (void)state;
    struct vn_stun_msg m;
    uint8_t key[32], buf[256];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    const struct vn_span k = long_term_key(true, key);
    assert_ok(vn_stun_decode(vn_test_hex(LONG_TERM_SHA256), &m));
    assert_true(m.unknown_count == 0 && m.has_integrity256 && !m.has_integrity);
    assert_int_equal(m.algorithm, VN_STUN_ALG_SHA256);
    assert_ok(vn_stun_verify_with(&m, VN_STUN_SHA256, k));
    key[0] ^= 1;
    assert_status(VN_ERR_AUTH, vn_stun_verify_with(&m, VN_STUN_SHA256, k));
    key[0] ^= 1;

    /* and the same bytes from us, but for the FINGERPRINT that we add */
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, &m.txid);
    vn_stun_put_userhash(&w, vn_test_hex(USERHASH));
    vn_stun_put_nonce(&w, m.nonce);
    vn_stun_put_realm(&w, m.realm);
    vn_stun_put_algorithm(&w, VN_STUN_ALG_SHA256);
    assert_ok(vn_stun_end_with(&w, VN_STUN_SHA256, k, &out));
    assert_int_equal(out.n, m.whole.n + 8);
    assert_span_equal(VN_SPAN(out.p + 4, m.whole.n - 4), VN_SPAN(m.whole.p + 4, m.whole.n - 4));
}

static const struct vn_stun_txid some_txid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

static struct vn_span full_request(uint8_t *buf, size_t cap)
{
    struct vn_writer w = vn_writer_of(buf, cap);
    struct vn_span out;
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, &some_txid);
    vn_stun_put_username(&w, VN_SPAN_LIT("abcdefgh:ijklmnop"));
    vn_stun_put_priority(&w, 0x01020304);
    vn_stun_put_role(&w, VN_STUN_CONTROLLING, 0x1122334455667788);
    vn_stun_put_use_candidate(&w);
    vn_stun_put_filler(&w, 30);
    assert_ok(vn_stun_end(&w, PASSWORD, &out));
    return out;
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    uint8_t buf[512];
    struct vn_stun_msg m;
    assert_ok(vn_stun_decode(full_request(buf, sizeof(buf)), &m));
    assert_span_equal(m.username, VN_SPAN_LIT("abcdefgh:ijklmnop"));
    assert_true(m.use_candidate && m.priority == 0x01020304 && m.has_fingerprint);
    assert_true(m.role == VN_STUN_CONTROLLING && m.tie_breaker == 0x1122334455667788);
    assert_int_equal(m.unknown_count, 0); /* the filler may be ignored */
    assert_ok(vn_stun_verify(&m, PASSWORD));

    for (unsigned i = 0; i < 2; i++) {
        struct vn_addr addr = {.port = 40000};
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        struct vn_span out;
        assert_ok(vn_ip_parse(i ? "2001:db8::9" : "198.51.100.9", &addr.ip));
        vn_stun_begin(&w, VN_STUN_SUCCESS, VN_STUN_BINDING, &some_txid);
        vn_stun_put_mapped(&w, &addr, &some_txid);
        assert_ok(vn_stun_end(&w, PASSWORD, &out));
        assert_ok(vn_stun_decode(out, &m));
        assert_true(m.has_mapped && m.mapped.port == 40000 && vn_ip_equal(&m.mapped.ip, &addr.ip));
    }
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    const uint16_t types[] = {0x7001, 0x7002, 0x7003};
    vn_stun_begin(&w, VN_STUN_ERROR, VN_STUN_BINDING, &some_txid);
    vn_stun_put_error(&w, 420, "Unknown Attribute");
    vn_stun_put_unknown(&w, types, 3);
    assert_ok(vn_stun_end(&w, PASSWORD, &out));
    assert_ok(vn_stun_decode(out, &m));
    assert_true(m.cls == VN_STUN_ERROR && m.error == 420 && m.unknown_count == 0);
}

/* RFC 8489 section 5, figure 3: class and method interleave. */
static void classes_and_methods(void **state)
{
    (void)state;
    for (unsigned cls = 0; cls < 4; cls++)
        for (uint16_t method = 0; method < 0x1000; method++) {
            uint8_t buf[64];
            struct vn_writer w = vn_writer_of(buf, sizeof(buf));
            struct vn_span out;
            struct vn_stun_msg m;
            vn_stun_begin(&w, (enum vn_stun_class)cls, method, &some_txid);
            assert_ok(vn_stun_end(&w, VN_SPAN_NONE, &out));
            assert_ok(vn_stun_decode(out, &m));
            assert_true(m.cls == (enum vn_stun_class)cls && m.method == method);
        }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const char *const vectors[] = {REQUEST, RESPONSE4, RESPONSE6, LONG_TERM};
    struct vn_guard g;
    vn_guard_init(&g, 2000);
    for (size_t v = 0; v < VN_ARRAY_LEN(vectors); v++) {
        struct vn_span whole = vn_test_hex(vectors[v]);
        for (size_t n = 0; n < whole.n; n++) {
            struct vn_stun_msg m;
            assert_status(VN_ERR_MALFORMED,
                          vn_stun_decode(vn_guard_copy(&g, VN_SPAN(whole.p, n)), &m));
        }
    }
    /* Cut inside, with the length put right: nothing is read beyond the end, whatever it decodes
     * to. */
    struct vn_span whole = vn_test_hex(LONG_TERM);
    for (size_t n = 20; n < whole.n; n += 4) {
        uint8_t cut[200];
        struct vn_stun_msg m;
        memcpy(cut, whole.p, n);
        cut[2] = 0;
        cut[3] = (uint8_t)(n - 20);
        if (vn_stun_decode(vn_guard_copy(&g, VN_SPAN(cut, n)), &m) == VN_OK)
            assert_status(VN_ERR_AUTH, vn_stun_verify(&m, PASSWORD));
    }
    vn_guard_done(&g);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t buf[512];
    struct vn_span whole = full_request(buf, sizeof(buf));
    for (size_t i = 0; i < whole.n * 8; i++) {
        struct vn_stun_msg m;
        buf[i / 8] ^= (uint8_t)(1 << i % 8);
        /* Either it does not parse (the fingerprint covers all), or there is no fingerprint left
         * and ICE refuses that. */
        if (vn_stun_decode(whole, &m) == VN_OK)
            assert_false(m.has_fingerprint);
        buf[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

static void malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "000100002112a443" TXID,                    /* cookie */
        "000100012112a442" TXID "00",               /* length not a multiple of 4 */
        "400100002112a442" TXID,                    /* first two bits */
        "000100042112a442" TXID "00060001",         /* attribute longer than the message */
        "000100042112a442" TXID "00060000",         /* empty username */
        "000100082112a442" TXID "0024000301020300", /* priority of 3 bytes */
        "000100082112a442" TXID "0025000401020304", /* USE-CANDIDATE with a value */
        "0001000c2112a442" TXID "0008000801020304"
        "05060708",                                         /* MESSAGE-INTEGRITY of 8 bytes */
        "000100082112a442" TXID "8028000401020304",         /* wrong fingerprint */
        "0001000c2112a442" TXID "002000080003a147e112a643", /* family 3 */
        "0001000c2112a442" TXID "002000080002a147e112a643", /* IPv6 of 4 bytes */
        "000100082112a442" TXID "0009000400000214",         /* error 214 */
        "000100082112a442" TXID "0009000400000364",         /* error 3.100 */
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++) {
        struct vn_stun_msg m;
        assert_status(VN_ERR_MALFORMED, vn_stun_decode(vn_test_hex(bad[i]), &m));
    }
    static uint8_t long_one[1604] = {0x00, 0x01, 0x06, 0x30, 0x21, 0x12, 0xa4, 0x42};
    struct vn_stun_msg m;
    assert_status(VN_ERR_MALFORMED, vn_stun_decode(VN_SPAN_ARRAY(long_one), &m));
}

static void an_encoder_without_room_says_so(void **state)
{
    (void)state;
    uint8_t buf[512];
    size_t n = full_request(buf, sizeof(buf)).n;
    for (size_t cap = 0; cap < n; cap++) {
        uint8_t small[512];
        struct vn_writer w = vn_writer_of(small, cap);
        struct vn_span out;
        vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, &some_txid);
        vn_stun_put_username(&w, VN_SPAN_LIT("abcdefgh:ijklmnop"));
        vn_stun_put_priority(&w, 0x01020304);
        vn_stun_put_role(&w, VN_STUN_CONTROLLING, 0x1122334455667788);
        vn_stun_put_use_candidate(&w);
        vn_stun_put_filler(&w, 30);
        assert_status(VN_ERR_LIMIT, vn_stun_end(&w, PASSWORD, &out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5769_request),
        cmocka_unit_test(rfc5769_responses),
        cmocka_unit_test(rfc5769_long_term),
        cmocka_unit_test(rfc8489_long_term_sha256),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(classes_and_methods),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(malformed),
        cmocka_unit_test(an_encoder_without_room_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
