/* STUN: what decodes is encoded again from its fields, and that decodes to the same fields. */
#include "support/fuzz.h"
#include "transport/limits.h"
#include "transport/stun.h"

static struct vn_span encode(const struct vn_stun_msg *m, uint8_t *buf, size_t cap)
{
    struct vn_writer w = vn_writer_of(buf, cap);
    struct vn_span out;
    vn_stun_begin(&w, m->cls, m->method, &m->txid);
    if (m->username.n)
        vn_stun_put_username(&w, m->username);
    if (m->has_mapped)
        vn_stun_put_mapped(&w, &m->mapped, &m->txid);
    if (m->has_priority)
        vn_stun_put_priority(&w, m->priority);
    if (m->use_candidate)
        vn_stun_put_use_candidate(&w);
    if (m->role != VN_STUN_NO_ROLE)
        vn_stun_put_role(&w, m->role, m->tie_breaker);
    if (m->error)
        vn_stun_put_error(&w, m->error, "again");
    FUZZ_ASSERT(vn_stun_end(&w, VN_SPAN_LIT("key"), &out) == VN_OK);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buf[VN_STUN_BYTES_MAX + 64];
    struct vn_stun_msg m, again;
    if (vn_stun_decode(VN_SPAN(data, size), &m) != VN_OK)
        return 0;
    FUZZ_ASSERT(m.method < 0x1000 && m.unknown_count <= VN_STUN_UNKNOWN_MAX);
    FUZZ_ASSERT(!m.username.n ||
                (m.username.p >= data && m.username.p + m.username.n <= data + size));
    if (!m.has_integrity)
        FUZZ_ASSERT(vn_stun_verify(&m, VN_SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBt")) == VN_ERR_AUTH);
    FUZZ_ASSERT(vn_stun_decode(encode(&m, buf, sizeof(buf)), &again) == VN_OK);
    FUZZ_ASSERT(vn_stun_verify(&again, VN_SPAN_LIT("key")) == VN_OK && again.has_fingerprint);
    FUZZ_ASSERT(m.cls == again.cls && m.method == again.method && m.role == again.role);
    FUZZ_ASSERT(memcmp(&m.txid, &again.txid, sizeof(m.txid)) == 0);
    FUZZ_ASSERT(vn_span_equal(m.username, again.username) && m.error == again.error);
    FUZZ_ASSERT(m.has_mapped == again.has_mapped && m.mapped.port == again.mapped.port &&
                vn_ip_equal(&m.mapped.ip, &again.mapped.ip));
    FUZZ_ASSERT(m.has_priority == again.has_priority && m.priority == again.priority);
    FUZZ_ASSERT(m.use_candidate == again.use_candidate && m.tie_breaker == again.tie_breaker);
    return 0;
}
