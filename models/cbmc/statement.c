/*
 * sources: base/reader.c base/writer.c base/id.c wire/merkle.c
 * options: --unwind 17 -DCHECK_ONLY
 * proves: statement: decode stays inside; counts bounded, tags ascending, signature at the end
 * bound: any statement to 192 bytes, suite lengths scaled to 14
 */
#include "harness.h"

#include "wire/statement.c"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_statement s;
    struct vn_span signed_part, sig;
    if (vn_statement_decode(in, &suite, &s, &signed_part, &sig) != VN_OK)
        return 0;
    assert(s.taint_count <= VN_TAINTS_MAX && s.scope_count <= VN_SCOPES_MAX);
    assert(s.pk_hash.n == suite.hash_len);
    assert(stands_at(signed_part, in, 0) &&
           signed_part.n ==
               52 + suite.hash_len + VN_AFFINITY_TAG_LEN * (s.taint_count + s.scope_count));
    assert(stands_at(sig, in, signed_part.n + 2) && signed_part.n + 2 + sig.n == in.n);
    const size_t placed = sig.n - suite.sig_len; /* in a tree of 2 to 16 */
    assert(placed == 0 || (placed >= 4 + suite.hash_len && placed <= 4 + 4 * suite.hash_len));
    return 0;
}
