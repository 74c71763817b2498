/* The local API as bytes on its socket: frames, then requests. What is accepted is within the
 * limits and encodes again. */
#include "conflux/config.h"
#include "conflux/local_frame.h"
#include "support/fuzz.h"

static void again(const Vn__Local__Request *r)
{
    struct vn_buf b;
    struct vn_span bytes;
    size_t used;
    vn_buf_init(&b, VN_LOCAL_HEAD + VN_LOCAL_MAX);
    if (vn_local_put(&b, &r->base) == VN_OK) {
        FUZZ_ASSERT(vn_local_next(vn_buf_span(&b), &bytes, &used) == VN_OK && used == b.len);
        Vn__Local__Request *r2 = vn_local_request(bytes);
        FUZZ_ASSERT(r2 && r2->id == r->id && r2->kind_case == r->kind_case);
        vn__local__request__free_unpacked(r2, NULL);
    }
    vn_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size), bytes;
    size_t used;
    while (vn_local_next(in, &bytes, &used) == VN_OK) {
        Vn__Local__Request *r = vn_local_request(bytes);
        if (r) {
            again(r);
            vn__local__request__free_unpacked(r, NULL);
        }
        Vn__Local__Response *a = vn_local_response(bytes);
        if (a)
            vn__local__response__free_unpacked(a, NULL);
        in.p += used;
        in.n -= used;
    }
    /* the other file format of this program */
    static struct vn_conflux_config c;
    (void)!vn_config_parse(VN_SPAN(data, size), &c);
    return 0;
}
