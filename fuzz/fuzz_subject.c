/* Subjects of the control channel: what parses is formatted to the same text. */
#include "support/fuzz_wire.h"
#include "wire/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1), again[VN_SUBJECT_MAX];
    FUZZ_ASSERT(text);
    if (size > 0)
        memcpy(text, data, size);
    struct vn_subject s;
    if (vn_subject_parse(text, &s) == VN_OK) {
        vn_subject_format(&s, again);
        FUZZ_ASSERT(strcmp(text, again) == 0);
    }
    free(text);
    return 0;
}
