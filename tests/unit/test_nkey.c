#include "crypto/nkey.h"

#include "crypto/sig.h"
#include "support/test.h"

/* A user key pair printed in the NATS documentation. */
#define DOC_SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define DOC_PUBLIC "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

static void documented_pair(void **state)
{
    (void)state;
    enum vn_nkey_kind kind;
    struct vn_secret32 seed;
    uint8_t pk[32];
    char text[VN_NKEY_TEXT], seed_text[VN_NKEY_SEED_TEXT];
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    assert_ok(vn_nkey_parse_seed(DOC_SEED, &kind, &seed));
    assert_int_equal(kind, VN_NKEY_USER);
    assert_ok(vn_sig_from_seed(VN_SIG_ED25519, VN_SPAN_ARRAY(seed.b), &key));
    assert_ok(vn_nkey_public(kind, vn_sig_pk(key).p, text));
    assert_string_equal(text, DOC_PUBLIC);
    assert_ok(vn_nkey_parse_public(kind, text, pk));
    assert_span_equal(VN_SPAN_ARRAY(pk), vn_sig_pk(key));
    assert_ok(vn_nkey_seed(kind, &seed, seed_text));
    assert_string_equal(seed_text, DOC_SEED);
}

static void every_kind_round_trips_with_its_letter(void **state)
{
    (void)state;
    static const enum vn_nkey_kind KINDS[] = {VN_NKEY_OPERATOR, VN_NKEY_ACCOUNT, VN_NKEY_USER};
    for (int i = 0; i < 300; i++) {
        const enum vn_nkey_kind kind = KINDS[i % 3], other = KINDS[(i + 1) % 3];
        enum vn_nkey_kind parsed;
        uint8_t pk[32], back[32];
        struct vn_secret32 seed, seed_back;
        char text[VN_NKEY_TEXT], seed_text[VN_NKEY_SEED_TEXT];
        vn_test_fill(pk, sizeof(pk));
        vn_test_fill(&seed, sizeof(seed));
        assert_ok(vn_nkey_public(kind, pk, text));
        assert_int_equal(strlen(text), 56);
        assert_int_equal(text[0], kind);
        assert_ok(vn_nkey_parse_public(kind, text, back));
        assert_memory_equal(pk, back, 32);
        assert_status(VN_ERR_MALFORMED, vn_nkey_parse_public(other, text, back));
        assert_ok(vn_nkey_seed(kind, &seed, seed_text));
        assert_int_equal(seed_text[0], 'S');
        assert_int_equal(seed_text[1], kind);
        assert_ok(vn_nkey_parse_seed(seed_text, &parsed, &seed_back));
        assert_int_equal(parsed, kind);
        assert_memory_equal(seed.b, seed_back.b, 32);
    }
    char text[VN_NKEY_TEXT];
    uint8_t pk[32] = {0};
    assert_status(VN_ERR_ARG, vn_nkey_public((enum vn_nkey_kind)'X', pk, text));
}

static void every_changed_character_is_noticed(void **state)
{
    (void)state;
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567az018= ";
    enum vn_nkey_kind kind;
    struct vn_secret32 seed;
    uint8_t pk[32];
    for (size_t at = 0; at < strlen(DOC_SEED); at++) {
        for (size_t c = 0; c < sizeof(ALPHABET); c++) { /* the NUL as well: every truncation */
            char text[] = DOC_SEED, public[] = DOC_PUBLIC;
            text[at] = ALPHABET[c];
            if (ALPHABET[c] != DOC_SEED[at])
                assert_status(VN_ERR_MALFORMED, vn_nkey_parse_seed(text, &kind, &seed));
            if (at >= strlen(DOC_PUBLIC) || ALPHABET[c] == DOC_PUBLIC[at])
                continue;
            public[at] = ALPHABET[c];
            assert_status(VN_ERR_MALFORMED, vn_nkey_parse_public(VN_NKEY_USER, public, pk));
        }
    }
    assert_status(VN_ERR_MALFORMED, vn_nkey_parse_seed(DOC_SEED "A", &kind, &seed));
    assert_status(VN_ERR_MALFORMED, vn_nkey_parse_seed(DOC_PUBLIC, &kind, &seed));
    assert_status(VN_ERR_MALFORMED, vn_nkey_parse_public(VN_NKEY_USER, DOC_SEED, pk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented_pair),
        cmocka_unit_test(every_kind_round_trips_with_its_letter),
        cmocka_unit_test(every_changed_character_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
