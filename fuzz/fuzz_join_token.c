/* Join and conflux tokens as pasted: what is accepted is in bounds, and its own text is accepted
 * with the same meaning. */
#include "control/join_token.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vn_join j, again;
    memset(&j, 0, sizeof(j));
    memset(&again, 0, sizeof(again));
    if (vn_join_parse(VN_SPAN(data, size), &j) != VN_OK)
        return 0;
    struct vn_id conflux, realm;
    (void)!vn_join_ids(j.jwt, &conflux, &realm);
    char *text = NULL;
    if (j.kind == VN_JOIN_BARE) {
        FUZZ_ASSERT(j.guardian.url_count == 0);
        FUZZ_ASSERT(vn_join_parse(VN_SPAN_STR(j.jwt), &again) == VN_OK &&
                    strcmp(j.jwt, again.jwt) == 0);
        return 0;
    }
    FUZZ_ASSERT(j.guardian.url_count > 0 && j.guardian.url_count <= VN_GUARDIAN_URLS_MAX);
    FUZZ_ASSERT(vn_join_format(&j, &text) == VN_OK);
    FUZZ_ASSERT(vn_join_parse(VN_SPAN_STR(text), &again) == VN_OK);
    FUZZ_ASSERT(memcmp(&j, &again, sizeof(j)) == 0);
    vn_secret_strp(&text);
    return 0;
}
