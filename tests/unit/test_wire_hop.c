#include "support/test.h"
#include "wire/hop.h"

static uint8_t ek[VN_EK_MAX], ct[VN_CT_MAX];

static struct vn_hop_transcript transcript(const struct vn_suite_info *suite)
{
    for (size_t i = 0; i < sizeof(ek); i++) {
        ek[i] = (uint8_t)i;
        ct[i] = (uint8_t)(i * 3);
    }
    return (struct vn_hop_transcript){
        .tether = {.b = "tether"},
        .realm = {.b = "realm"},
        .offerer = {.b = "offerer"},
        .answerer = {.b = "answerer"},
        .generation = 5,
        .roles = 1,
        .ice_offerer = {{"ufragoff", "password of the offerer."},
                        {"secondof", "the offerer's other one."}},
        .ice_answerer = {{"ufragans", "password of the answerer"},
                         {"secondan", "the answerer's other one"}},
        .ek = VN_SPAN(ek, suite->ek_len),
        .ct = VN_SPAN(ct, suite->ct_len),
    };
}

static struct vn_secret32 psk(const struct vn_suite_info *suite, const struct vn_hop_transcript *t,
                              uint8_t i)
{
    struct vn_secret ss = {.n = suite->ss_len};
    memset(ss.b, 7, ss.n);
    struct vn_secret32 k;
    assert_ok(vn_hop_psk(suite, t, &ss, i, &k));
    return k;
}

/* Expected values from an independent computation with Python's hashlib and hmac. */
static void test_known_values(void **state)
{
    (void)state;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    struct vn_hop_transcript t = transcript(suite);
    struct vn_secret32 k = psk(suite, &t, 0);
    assert_span_equal(
        VN_SPAN_ARRAY(k.b),
        vn_test_hex("997d3e2b54f9d18871cf169da3d436e23cc75a7cb1b8a24f4287080edc93d055"));
    suite = vn_suite_get(VN_SUITE_CNSA);
    t = transcript(suite);
    k = psk(suite, &t, 2);
    assert_span_equal(
        VN_SPAN_ARRAY(k.b),
        vn_test_hex("acba91085fe40a1e8d3018452ad2651576060c1790a4e9f81b274a6feea88a2f"));
}

static void test_every_part_counts(void **state)
{
    (void)state;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    struct vn_hop_transcript t = transcript(suite), u;
    struct vn_secret32 seen[16];
    size_t n = 0;
    seen[n++] = psk(suite, &t, 0);
    seen[n++] = psk(suite, &t, 1);
#define CHANGED(change)                                                                            \
    do {                                                                                           \
        u = t;                                                                                     \
        change;                                                                                    \
        seen[n++] = psk(suite, &u, 0);                                                             \
    } while (0)
    CHANGED(u.tether.b[15] ^= 1);
    CHANGED(u.realm.b[15] ^= 1);
    CHANGED(u.offerer.b[15] ^= 1);
    CHANGED(u.answerer.b[15] ^= 1);
    CHANGED(u.generation++);
    CHANGED(u.roles++);
    CHANGED(u.ice_offerer[0].ufrag[7] = 'x');
    CHANGED(u.ice_offerer[0].pwd[23] = 'x');
    CHANGED(u.ice_answerer[0].ufrag[7] = '\0');
    CHANGED(u.ice_answerer[0].pwd[23] = 'x');
    CHANGED(u.ice_offerer[1].ufrag[0] = 'x');
    CHANGED(u.ice_answerer[1].pwd[0] = 'x');
    CHANGED(ek[0] ^= 1);
    CHANGED(ct[suite->ct_len - 1] ^= 1);
#undef CHANGED
    assert_int_equal(VN_ARRAY_LEN(seen), n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(seen[i].b, seen[j].b, 32);
}

static void test_wrong_lengths(void **state)
{
    (void)state;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    struct vn_hop_transcript t = transcript(suite);
    struct vn_secret ss = {.n = suite->ss_len};
    struct vn_secret32 k;
    t.ek.n--;
    assert_status(VN_ERR_ARG, vn_hop_psk(suite, &t, &ss, 0, &k));
    t.ek.n++;
    t.ct.n--;
    assert_status(VN_ERR_ARG, vn_hop_psk(suite, &t, &ss, 0, &k));
    t.ct.n++;
    ss.n = 32;
    assert_status(VN_ERR_ARG, vn_hop_psk(suite, &t, &ss, 0, &k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_every_part_counts),
        cmocka_unit_test(test_wrong_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
