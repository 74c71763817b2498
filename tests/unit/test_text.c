#include "base/text.h"

#include "support/guard.h"
#include "support/test.h"

/* RFC 4648 section 10. */
static void rfc4648_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *in, *b64, *b64url, *b32, *hex;
    } CASES[] = {
        {"", "", "", "", ""},
        {"f", "Zg==", "Zg", "MY", "66"},
        {"fo", "Zm8=", "Zm8", "MZXQ", "666f"},
        {"foo", "Zm9v", "Zm9v", "MZXW6", "666f6f"},
        {"foob", "Zm9vYg==", "Zm9vYg", "MZXW6YQ", "666f6f62"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE", "MZXW6YTB", "666f6f6261"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy", "MZXW6YTBOI", "666f6f626172"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        char text[32];
        const struct vn_span in = VN_SPAN_STR(CASES[i].in);
        vn_b64_encode(in, text);
        assert_string_equal(text, CASES[i].b64);
        vn_b64url_encode(in, text);
        assert_string_equal(text, CASES[i].b64url);
        assert_int_equal(strlen(text), VN_B64URL_LEN(in.n));
        vn_base32_encode(in, text);
        assert_string_equal(text, CASES[i].b32);
        vn_hex_encode(in, text);
        assert_string_equal(text, CASES[i].hex);
    }
    char text[8];
    vn_b64url_encode(VN_SPAN_LIT("\xfb\xff\xfe"), text);
    assert_string_equal(text, "-__-");
    vn_b64_encode(VN_SPAN_LIT("\xfb\xff\xfe"), text);
    assert_string_equal(text, "+//+");
}

typedef void encode_fn(struct vn_span in, char *ret);
typedef vn_status decode_fn(struct vn_span text, uint8_t *ret, size_t cap, size_t *ret_n);
static const struct {
    encode_fn *encode;
    decode_fn *decode;
} FORMS[] = {
    {vn_b64url_encode, vn_b64url_decode},
    {vn_hex_encode, vn_hex_decode},
    {vn_base32_encode, vn_base32_decode},
};

static void decode_is_the_inverse_of_encode(void **state)
{
    (void)state;
    struct vn_guard g;
    vn_guard_init(&g, 256);
    for (size_t f = 0; f < VN_ARRAY_LEN(FORMS); f++) {
        for (size_t n = 0; n < 70; n++) {
            uint8_t in[70], out[70];
            char text[200];
            size_t out_n = 99;
            vn_test_fill(in, n);
            FORMS[f].encode(VN_SPAN(in, n), text);
            const struct vn_span t = vn_guard_copy(&g, VN_SPAN_STR(text));
            assert_ok(FORMS[f].decode(t, out, n, &out_n));
            assert_span_equal(VN_SPAN(out, out_n), VN_SPAN(in, n));
            if (n > 0) {
                out_n = 99;
                assert_status(VN_ERR_LIMIT, FORMS[f].decode(t, out, n - 1, &out_n));
                assert_int_equal(out_n, 99);
            }
        }
    }
    vn_guard_done(&g);
}

/* One way to write each value: what is accepted encodes to the same text (hexadecimal: but for
 * case). */
static void accepted_text_is_canonical(void **state)
{
    (void)state;
    static const char CHARS[] = "ABCXYZabcxyz0123456789-_+/=. \n";
    for (int i = 0; i < 100000; i++) {
        char text[12], again[32];
        uint8_t out[16];
        size_t out_n;
        const size_t n = vn_test_below(sizeof(text));
        for (size_t k = 0; k < n; k++)
            text[k] = CHARS[vn_test_below(sizeof(CHARS))]; /* its NUL as well */
        const size_t f = vn_test_below(VN_ARRAY_LEN(FORMS));
        if (FORMS[f].decode(VN_SPAN(text, n), out, sizeof(out), &out_n) != VN_OK)
            continue;
        FORMS[f].encode(VN_SPAN(out, out_n), again);
        assert_int_equal(strlen(again), n);
        assert_int_equal(FORMS[f].decode == vn_hex_decode ? strncasecmp(text, again, n)
                                                          : strncmp(text, again, n),
                         0);
    }
}

/* Every byte is a digit of its own, or none. */
static void each_byte_has_one_value(void **state)
{
    (void)state;
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned c = 0; c < 256; c++) {
        const uint8_t text[4] = {(uint8_t)c, 'A', 'A', 'A'};
        uint8_t out[3];
        size_t n;
        const char *at = c ? strchr(ALPHABET, (int)c) : NULL;
        const vn_status st = vn_b64url_decode(VN_SPAN_ARRAY(text), out, sizeof(out), &n);
        assert_status(at ? VN_OK : VN_ERR_MALFORMED, st);
        if (at)
            assert_int_equal(out[0] >> 2, at - ALPHABET);
    }
}

static void refuses_left_over_bits_and_strangers(void **state)
{
    (void)state;
    uint8_t out[16];
    size_t n;
    static const char *const B64[] = {"A", "Zh", "Zm9", "Zg==", "Zm9v\n", "Zm9vA", "Z+8", "Z/8"};
    static const char *const B32[] = {"M", "MZ", "MZX", "MZXW6Y", "my", "M1", "MY======"};
    static const char *const HEX[] = {"0", "0g", "0x00", "00 "};
    for (size_t i = 0; i < VN_ARRAY_LEN(B64); i++)
        assert_status(VN_ERR_MALFORMED,
                      vn_b64url_decode(VN_SPAN_STR(B64[i]), out, sizeof(out), &n));
    for (size_t i = 0; i < VN_ARRAY_LEN(B32); i++)
        assert_status(VN_ERR_MALFORMED,
                      vn_base32_decode(VN_SPAN_STR(B32[i]), out, sizeof(out), &n));
    for (size_t i = 0; i < VN_ARRAY_LEN(HEX); i++)
        assert_status(VN_ERR_MALFORMED, vn_hex_decode(VN_SPAN_STR(HEX[i]), out, sizeof(out), &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4648_vectors),
        cmocka_unit_test(decode_is_the_inverse_of_encode),
        cmocka_unit_test(accepted_text_is_canonical),
        cmocka_unit_test(each_byte_has_one_value),
        cmocka_unit_test(refuses_left_over_bits_and_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
