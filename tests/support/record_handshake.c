/*
 * Records a handshake with all its keys as JSON on standard output; see docs/protocol.md.
 *
 *     record_handshake default|cnsa SEED > tests/vectors/handshake-default.json
 */
#include <stdlib.h>

#include "support/hs_vector.h"

int main(int argc, char **argv)
{
    const struct vn_suite_info *suite = argc == 3 ? vn_suite_by_name(argv[1]) : NULL;
    if (!suite) {
        fprintf(stderr, "usage: record_handshake default|cnsa SEED\n");
        return 2;
    }
    json_t *whole = json_object(), *in = hs_vector_inputs(suite->id, strtoull(argv[2], NULL, 0));
    json_t *out = hs_vector_run(in);
    json_object_set_new(whole, "in", in);
    json_object_set_new(whole, "out", out);
    json_dumpf(whole, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(whole);
    return 0;
}
