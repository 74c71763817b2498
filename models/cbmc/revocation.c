/*
 * sources: base/reader.c base/writer.c base/id.c
 * options: --unwind 4 --unwindset is_zero.0:17,read_be.0:9 -DCHECK_ONLY
 * long: --unwind 6 --unwindset is_zero.0:17,read_be.0:9 -DCHECK_ONLY -DENTRIES=4
 * proves: revocation list: decode stays inside; entries are valid, their numbers ascend within
 * proves: (after, to], the signed part and the signature tile the list
 * bound: any list of at most 2 entries, suite lengths scaled to 14
 * long_bound: any list of at most 4 entries, suite lengths scaled to 14
 */
#ifndef ENTRIES
#define ENTRIES 2
#endif
#include "harness.h"

#undef VN_REVOCATION_ENTRIES_MAX
#define VN_REVOCATION_ENTRIES_MAX ENTRIES

#include "wire/revocation.c"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    static uint8_t message[37 + (ENTRIES + 1) * VN_REVOCATION_ENTRY_LEN + 2 + VN_SIG_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_revocation_list l;
    struct vn_span signed_part, sig;
    if (vn_revocation_list_decode(in, &suite, &l, &signed_part, &sig) != VN_OK)
        return 0;
    assert(l.count <= ENTRIES && l.after <= l.to);
    assert(stands_at(signed_part, in, 0) &&
           signed_part.n == 37 + l.count * VN_REVOCATION_ENTRY_LEN);
    assert(stands_at(sig, in, signed_part.n + 2) && sig.n == suite.sig_len &&
           signed_part.n + 2 + sig.n == in.n);
    size_t i = nondet_size();
    __CPROVER_assume(i < l.count);
    const struct vn_revocation *e = &l.entries[i];
    assert(e->number > l.after && e->number <= l.to);
    assert(i == 0 || e->number > l.entries[i - 1].number);
    assert(e->kind == VN_REVOKE_NODE ? e->minimum == 0
                                     : e->kind == VN_REVOKE_STATEMENTS && e->minimum > 0);
    return 0;
}
