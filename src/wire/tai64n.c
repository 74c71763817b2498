#include "base/reader.h"
#include "base/writer.h"
#include "wire/envelope.h"

/* https://cr.yp.to/libtai/tai64.html: label 2^62 + s is the second that begins s seconds after 1970
 * TAI; UTC was 10 s behind then, and protocol time has no leap seconds. */
#define TAI64_EPOCH ((1ull << 62) + 10)
#define SECONDS_MAX 9223372036ull /* in 2262: what int64 nanoseconds can count */

void vn_tai64n(uint64_t now_ms, uint8_t ret[12])
{
    struct vn_writer w = vn_writer_of(ret, 12);
    vn_write_u64(&w, TAI64_EPOCH + now_ms / 1000);
    vn_write_u32(&w, (uint32_t)(now_ms % 1000) * 1000000u);
}

vn_status vn_tai64n_ms(const uint8_t tai64n[12], uint64_t *ret_ms)
{
    struct vn_reader r = vn_reader_of(VN_SPAN(tai64n, 12));
    uint64_t label;
    uint32_t ns;
    if (!vn_read_u64(&r, &label) || !vn_read_u32(&r, &ns))
        return VN_ERR_MALFORMED;
    if (label < TAI64_EPOCH || label - TAI64_EPOCH > SECONDS_MAX || ns > 999999999u)
        return VN_ERR_MALFORMED;
    *ret_ms = (label - TAI64_EPOCH) * 1000 + ns / 1000000;
    return VN_OK;
}
