/*
 * Records a handshake with all its keys as JSON on standard output; see docs/protocol.md.
 *
 *     record_handshake default|cnsa SEED > tests/vectors/handshake-default.json
 *     record_handshake FILE > NEW    the same inputs again, for what was added to the outputs
 */
#include <stdlib.h>

#include "support/hs_vector.h"

int main(int argc, char **argv)
{
    const struct vn_suite_info *suite = argc == 3 ? vn_suite_by_name(argv[1]) : NULL;
    json_t *old = argc == 2 ? json_load_file(argv[1], JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!suite && !old) {
        fprintf(stderr, "usage: record_handshake default|cnsa SEED, or record_handshake FILE\n");
        return 2;
    }
    json_t *whole = json_object();
    json_t *in = old ? json_incref(json_object_get(old, "in"))
                     : hs_vector_inputs(suite->id, strtoull(argv[2], NULL, 0));
    json_t *out = hs_vector_run(in);
    json_object_set_new(whole, "in", in);
    json_object_set_new(whole, "out", out);
    json_dumpf(whole, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(whole);
    json_decref(old);
    return 0;
}
