/* Guardian's answers to a node: whatever is accepted can be freed, and its counts are in bounds. */
#include <stdlib.h>

#include "control/login_answer.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vn_span in = VN_SPAN(data, size);
    struct vn_credentials *c = NULL;
    struct vn_taint_answer t;
    struct vn_peer_entry *peers = NULL;
    size_t n;
    char detail[64];
    if (vn_login_answer_parse(in, &c) == VN_OK) {
        FUZZ_ASSERT(c->identity_count <= VN_ARRAY_LEN(c->identities) &&
                    c->realm.master_url_count > 0);
        vn_credentials_free(c);
    }
    if (vn_taint_answer_parse(in, &t) == VN_OK)
        vn_taint_answer_done(&t);
    if (vn_peers_answer_parse(in, &peers, &n) == VN_OK)
        free(peers);
    vn_error_detail(400, in, detail, sizeof(detail));
    FUZZ_ASSERT(strlen(detail) < sizeof(detail));
    return 0;
}
