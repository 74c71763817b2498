#include "support/test.h"
#include "wire/names.h"

static const struct vn_secret32 KEY = {.b = {1, 2, 3}};

static struct vn_id hash_of(enum vn_name_kind kind, struct vn_span name)
{
    struct vn_id h;
    assert_ok(vn_name_hash(VN_SHA256, &KEY, kind, name, &h));
    return h;
}

/* h = HMAC-SHA-256(key, 04 00 "alice")[0..16), computed with Python's hmac */
static void test_hash_is_the_cut_hmac(void **state)
{
    (void)state;
    struct vn_id h = hash_of(VN_NAME_TAG, VN_SPAN_LIT("alice"));
    assert_span_equal(VN_SPAN_ARRAY(h.b), vn_test_hex("236edf8884fbaf098cac2c97fe2a37fd"));
}

static void test_kinds_do_not_collide(void **state)
{
    (void)state;
    struct vn_id tag = hash_of(VN_NAME_TAG, VN_SPAN_LIT("ops"));
    struct vn_id taint = hash_of(VN_NAME_TAINT, VN_SPAN_LIT("ops"));
    struct vn_id team = hash_of(VN_NAME_TEAM, VN_SPAN_LIT("ops"));
    assert_false(vn_id_equal(&tag, &taint));
    assert_false(vn_id_equal(&tag, &team));
    assert_false(vn_id_equal(&taint, &team));
}

static void test_address_of_either_family(void **state)
{
    (void)state;
    struct vn_ip ip;
    struct vn_id h, same;
    assert_ok(vn_ip_parse("10.1.2.3", &ip));
    assert_ok(vn_name_hash_ip(VN_SHA256, &KEY, &ip, &h));
    same = hash_of(VN_NAME_IP4, VN_SPAN("\x0a\x01\x02\x03", 4));
    assert_true(vn_id_equal(&h, &same));
    assert_ok(vn_ip_parse("fd00::1", &ip));
    assert_ok(vn_name_hash_ip(VN_SHA256, &KEY, &ip, &h));
    same = hash_of(VN_NAME_IP6, VN_SPAN_ARRAY(ip.b));
    assert_true(vn_id_equal(&h, &same));
}

static void test_wrong_lengths_are_refused(void **state)
{
    (void)state;
    struct vn_id h;
    const uint8_t b[20] = {0};
    assert_status(VN_ERR_ARG, vn_name_hash(VN_SHA256, &KEY, VN_NAME_ID, VN_SPAN(b, 15), &h));
    assert_status(VN_ERR_ARG, vn_name_hash(VN_SHA256, &KEY, VN_NAME_IP4, VN_SPAN(b, 16), &h));
    assert_status(VN_ERR_ARG, vn_name_hash(VN_SHA256, &KEY, VN_NAME_IP6, VN_SPAN(b, 4), &h));
    assert_status(VN_ERR_ARG, vn_name_hash(VN_SHA256, &KEY, VN_NAME_TAG, VN_SPAN_NONE, &h));
    assert_status(VN_ERR_ARG,
                  vn_name_hash(VN_SHA256, &KEY, (enum vn_name_kind)7, VN_SPAN(b, 4), &h));
}

static void test_subjects_round_trip(void **state)
{
    (void)state;
    for (int kind = VN_SUBJ_IN; kind <= VN_SUBJ_REV; kind++) {
        struct vn_subject s = {.kind = (enum vn_subject_kind)kind}, back;
        if (kind != VN_SUBJ_REV && kind != VN_SUBJ_HUB)
            vn_test_fill(s.name.b, VN_ID_LEN);
        if (kind <= VN_SUBJ_HUB)
            vn_test_fill(s.src.b, VN_ID_LEN);
        char text[VN_SUBJECT_MAX], again[VN_SUBJECT_MAX];
        vn_subject_format(&s, text);
        assert_ok(vn_subject_parse(text, &back));
        assert_int_equal(s.kind, back.kind);
        assert_memory_equal(s.name.b, back.name.b, VN_ID_LEN);
        assert_memory_equal(s.src.b, back.src.b, VN_ID_LEN);
        vn_subject_format(&back, again);
        assert_string_equal(text, again);
        /* every truncation, and a character more */
        for (size_t n = strlen(text); n-- > 0;) {
            char cut[VN_SUBJECT_MAX] = "";
            memcpy(cut, text, n);
            assert_status(VN_ERR_MALFORMED, vn_subject_parse(cut, &back));
        }
        text[strlen(text) + 1] = '\0';
        text[strlen(text)] = 'A';
        assert_status(VN_ERR_MALFORMED, vn_subject_parse(text, &back));
    }
}

static void test_subject_texts(void **state)
{
    (void)state;
    struct vn_subject s = {.kind = VN_SUBJ_IN};
    char text[VN_SUBJECT_MAX];
    vn_subject_format(&s, text);
    assert_string_equal("a.in.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA", text);
    vn_subject_pattern(VN_SUBJ_IN, &s.name, text);
    assert_string_equal("a.in.AAAAAAAAAAAAAAAAAAAAAA.*", text);
    vn_subject_pattern(VN_SUBJ_OWN, &s.name, text);
    assert_string_equal("a.own.AAAAAAAAAAAAAAAAAAAAAA.*", text);
    vn_subject_pattern(VN_SUBJ_GRP, &s.name, text);
    assert_string_equal("a.grp.AAAAAAAAAAAAAAAAAAAAAA.*", text);
    vn_subject_pattern(VN_SUBJ_HUB, NULL, text);
    assert_string_equal("a.hub.*", text);
    vn_subject_pattern(VN_SUBJ_ADM, &s.name, text);
    assert_string_equal("a.adm.AAAAAAAAAAAAAAAAAAAAAA", text);
    vn_subject_pattern(VN_SUBJ_REV, &s.name, text);
    assert_string_equal("a.rev", text);
}

static void test_what_is_no_subject(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "a.",
        "a.in.",
        "a.rev.",
        "A.rev",
        " a.rev",
        "a.hub.*",
        "a.hub.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA",
        "a.net.AAAAAAAAAAAAAAAAAAAAAA",
        "a.in.AAAAAAAAAAAAAAAAAAAAAA.*",
        "a.in.*.AAAAAAAAAAAAAAAAAAAAAA",
        "a.in.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAB", /* left-over bits */
        "a.in.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "a.adm.AAAAAAAAAAAAAAAAAAAAA=",
        "a.in.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAA",
    };
    struct vn_subject s;
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        if (vn_subject_parse(bad[i], &s) != VN_ERR_MALFORMED)
            fail_msg("accepted '%s'", bad[i]);
}

static void test_queue_is_id_mod_8(void **state)
{
    (void)state;
    struct vn_id id = {.b = {0xff}};
    char q[4];
    assert_string_equal("q0", vn_subject_queue(&id, VN_NAME_TAG, q));
    id.b[15] = 0xff;
    assert_string_equal("q7", vn_subject_queue(&id, VN_NAME_TAINT, q));
    assert_string_equal("q7", vn_subject_queue(&id, VN_NAME_TEAM, q));
}

static void test_one_owner_has_no_queue(void **state)
{
    (void)state;
    struct vn_id id = {.b = {0xff}};
    char q[4];
    assert_null(vn_subject_queue(&id, VN_NAME_ID, q));
    assert_null(vn_subject_queue(&id, VN_NAME_IP4, q));
    assert_null(vn_subject_queue(&id, VN_NAME_IP6, q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_the_cut_hmac),
        cmocka_unit_test(test_kinds_do_not_collide),
        cmocka_unit_test(test_address_of_either_family),
        cmocka_unit_test(test_wrong_lengths_are_refused),
        cmocka_unit_test(test_subjects_round_trip),
        cmocka_unit_test(test_subject_texts),
        cmocka_unit_test(test_what_is_no_subject),
        cmocka_unit_test(test_queue_is_id_mod_8),
        cmocka_unit_test(test_one_owner_has_no_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
