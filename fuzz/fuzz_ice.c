/*
 * An ICE agent and a peer that knows the passwords. The input is a list of steps: op 1, from 1,
 * length 1, attributes. The harness adds header, MESSAGE-INTEGRITY and FINGERPRINT, so that what
 * lies behind them is reached. After each step the agent still sends within its limits and wants to
 * be called at a sane time.
 */
#include "base/reader.h"
#include "support/fuzz.h"
#include "transport/ice.h"
#include "transport/limits.h"
#include "transport/stun.h"

static const struct vn_ice_params ours = {"oursours", "ourpasswordourpasswordou"};
static const struct vn_ice_params theirs = {"theirsth", "theirpasswordtheirpasswo"};

struct fuzz {
    struct vn_ice *ice;
    uint64_t now_us;
    size_t sent;
    unsigned started;
    struct vn_stun_txid last; /* of the agent's latest request */
    uint64_t counter;
};

static void on_send(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram)
{
    struct fuzz *f = arg;
    struct vn_stun_msg m;
    (void)to;
    FUZZ_ASSERT(local < 2 && vn_stun_decode(datagram, &m) == VN_OK && m.has_fingerprint);
    f->sent++;
    if (m.cls == VN_STUN_REQUEST)
        f->last = m.txid;
}

static struct vn_addr addr_of(uint8_t b)
{
    return (struct vn_addr){.ip = vn_ip_from_v4((const uint8_t[]){192, 0, 2, b & 15}),
                            .port = (uint16_t)(1000 + (b >> 4))};
}

static void message(struct fuzz *f, uint8_t op, uint8_t from, struct vn_span attributes)
{
    uint8_t buf[VN_STUN_BYTES_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    struct vn_stun_txid txid = f->last;
    enum vn_stun_class cls = (enum vn_stun_class)(op >> 4 & 3);
    const char *key = cls == VN_STUN_REQUEST ? ours.pwd : theirs.pwd;
    if (op & 0x40)
        txid.b[0]++;
    vn_stun_begin(&w, cls, VN_STUN_BINDING, &txid);
    if (cls == VN_STUN_REQUEST)
        vn_stun_put_username(&w, VN_SPAN_LIT("oursours:theirsth"));
    vn_write_span(&w, VN_SPAN(attributes.p, attributes.n & ~(size_t)3));
    if (vn_stun_end(&w, VN_SPAN_STR(key), &out) != VN_OK)
        return;
    struct vn_addr a = addr_of(from);
    (void)vn_ice_input(f->ice, op & 1, &a, out, f->now_us);
}

static void step(struct fuzz *f, uint8_t op, uint8_t from, struct vn_span rest)
{
    size_t before = f->sent;
    switch (op & 0x0e) {
    case 0:
    case 2:
        message(f, op, from, rest);
        break;
    case 4: {
        const struct vn_candidate c = {
            .type = VN_CAND_HOST, .priority = (uint32_t)from << 16 | op, .addr = addr_of(from)};
        vn_ice_add_remote(f->ice, &c, f->now_us);
        break;
    }
    case 6:
        f->started += vn_ice_start(f->ice, &theirs, f->now_us) == VN_OK;
        FUZZ_ASSERT(f->started == 1);
        break;
    case 8:
        vn_ice_consent_check(f->ice, f->now_us);
        break;
    case 10: {
        struct vn_addr a = addr_of(from);
        (void)vn_ice_input(f->ice, op & 1, &a, rest, f->now_us);
        break;
    }
    default: {
        uint64_t due = vn_ice_deadline(f->ice);
        if (due != UINT64_MAX && due > f->now_us)
            f->now_us = due;
        else
            f->now_us += from * 1000u;
        vn_ice_tick(f->ice, f->now_us);
        /* What was due is done: the agent does not spin. */
        FUZZ_ASSERT(vn_ice_deadline(f->ice) > f->now_us);
    }
    }
    FUZZ_ASSERT(f->sent - before <= VN_ICE_PAIRS_MAX + 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.now_us = 1000000};
    const struct vn_random random = {&f.counter, fuzz_count};
    struct vn_reader r = vn_reader_of(VN_SPAN(data, size));
    uint8_t flags, op, from;
    struct vn_reader rest;
    struct vn_candidate c;
    if (!vn_read_u8(&r, &flags))
        return 0;
    const struct vn_ice_config cfg = {.local = ours,
                                      .controlling = flags & 1,
                                      .tie_breaker = flags & 2 ? UINT64_MAX : 1,
                                      .random = &random,
                                      .arg = &f,
                                      .send = on_send};
    FUZZ_ASSERT(vn_ice_new(&cfg, &f.ice) == VN_OK);
    for (uint8_t i = 0; i < 2; i++) {
        struct vn_addr a = addr_of((uint8_t)(i + 14));
        FUZZ_ASSERT(vn_ice_add_local(f.ice, VN_CAND_HOST, &a, (uint16_t)(100 - i), &c) == VN_OK);
    }
    for (int i = 0;
         i < 200 && vn_read_u8(&r, &op) && vn_read_u8(&r, &from) && vn_read_block8(&r, &rest); i++)
        step(&f, op, from, vn_reader_rest(&rest));
    struct vn_ice_selected pair;
    FUZZ_ASSERT(vn_ice_selected(f.ice, &pair) == (vn_ice_state(f.ice) == VN_ICE_SELECTED));
    f.ice = vn_ice_free(f.ice);
    return 0;
}
