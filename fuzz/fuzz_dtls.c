/*
 * DTLS records after the handshake: two ends of one key block, and a script of what happens between
 * them. Whatever is injected, altered or repeated, only what one end sealed as data comes out at
 * the other, at most once.
 *
 *     op u8, whose high bit names the end; op & 3:
 *     0: raw datagram, var16    1: seal: type u8, text var8, kept    2: deliver a kept one: which
 * u8, position u16, mask u8     3: time passes: 10 ms times u8
 */
#include "base/reader.h"
#include "support/fuzz.h"
#include "transport/dtls_epoch1.h"

enum { KEPT = 8, BYTES = 512 };

struct kept {
    uint8_t b[BYTES];
    size_t n;
    uint8_t text[256];
    size_t text_len;
    bool is_data, delivered;
};

struct end {
    struct vn_dtls_epoch1 e;
    struct kept kept[KEPT]; /* sealed by this end, to be delivered to the other */
    size_t kept_at, answers;
    uint8_t room[BYTES];
};

static const uint8_t flight[] = "a flight";

static uint8_t *room(void *arg, size_t n)
{
    struct end *e = arg;
    return n <= sizeof(e->room) ? e->room : NULL;
}

static void keep(void *arg, size_t n)
{
    struct end *e = arg;
    /* The flight again, or an alert of ours. */
    if (n == sizeof(flight))
        e->answers++;
    else
        FUZZ_ASSERT(n == 2 + VN_DTLS_OVERHEAD_BYTES && e->e.state == VN_DTLS_CLOSED);
}

/* True: data came out, and was what the record that `of` describes was sealed from. */
static void deliver(struct end *to, struct vn_span datagram, struct kept *of, uint64_t now_us)
{
    static uint8_t copy[65536];
    struct vn_dgram rest = {copy, VN_MIN(datagram.n, sizeof(copy))}, plain;
    struct vn_dtls_record r;
    memcpy(copy, datagram.p, rest.n);
    while (rest.n > 0 && vn_dtls_record_cut(&rest, &r)) {
        FUZZ_ASSERT(r.whole.p >= copy && r.body.p + r.body.n <= copy + datagram.n);
        const bool good = vn_dtls_epoch1_take(&to->e, &r, now_us, &plain);
        FUZZ_ASSERT(good || plain.n == 0);
        FUZZ_ASSERT(!good || (of && !of->delivered));
        if (!good)
            continue;
        of->delivered = true;
        FUZZ_ASSERT(plain.n == (of->is_data ? of->text_len : 0));
        FUZZ_ASSERT(plain.n == 0 || memcmp(plain.p, of->text, plain.n) == 0);
    }
}

static bool step(struct end *ends, struct vn_reader *in, uint64_t *now_us)
{
    uint8_t op, type, which, mask;
    uint16_t at;
    struct vn_reader block;
    if (!vn_read_u8(in, &op))
        return false;
    struct end *from = &ends[op >> 7], *to = &ends[1 - (op >> 7)];
    struct kept *k = &from->kept[from->kept_at % KEPT];
    switch (op & 3) {
    case 0:
        if (!vn_read_block16(in, &block))
            return false;
        deliver(to, vn_reader_rest(&block), NULL, *now_us);
        return true;
    case 1:
        if (!vn_read_u8(in, &type) || !vn_read_block8(in, &block))
            return false;
        *k = (struct kept){.n = block.left + VN_DTLS_OVERHEAD_BYTES,
                           .text_len = block.left,
                           .is_data = type == VN_DTLS_DATA};
        memcpy(k->text, block.cur, block.left);
        FUZZ_ASSERT(vn_dtls_tx_seal(&from->e.tx, type, vn_reader_rest(&block), k->b) == VN_OK);
        from->kept_at++;
        return true;
    case 2:
        if (!vn_read_u8(in, &which) || !vn_read_u16(in, &at) || !vn_read_u8(in, &mask))
            return false;
        k = &from->kept[which % KEPT];
        if (k->n > 0) {
            k->b[at % k->n] ^= mask;
            deliver(to, VN_SPAN(k->b, k->n), mask ? NULL : k, *now_us);
            k->b[at % k->n] ^= mask;
        }
        return true;
    default:
        if (!vn_read_u8(in, &which))
            return false;
        *now_us += (uint64_t)which * 10000;
        return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct end ends[2];
    struct vn_dtls_keys keys;
    struct vn_reader in = vn_reader_of(VN_SPAN(data, size));
    uint64_t now_us = 0;
    memset(&keys.client, 1, sizeof(keys.client));
    memset(&keys.server, 2, sizeof(keys.server));
    keys.client.len = keys.server.len = VN_AEAD_KEY_LEN;
    for (size_t i = 0; i < 2; i++) {
        memset(&ends[i], 0, sizeof(ends[i]));
        const struct vn_dtls_epoch1_config cfg = {.client = i == 0,
                                                  .keys = &keys,
                                                  .flight = VN_SPAN_ARRAY(flight),
                                                  .out = {&ends[i], room, keep}};
        FUZZ_ASSERT(vn_dtls_epoch1_init(&ends[i].e, &cfg) == VN_OK);
    }
    while (step(ends, &in, &now_us))
        ;
    FUZZ_ASSERT(ends[0].answers == 0);
    FUZZ_ASSERT(ends[1].answers <= VN_DTLS_ANSWERS_MAX && ends[1].answers <= 1 + now_us / 200000);
    for (size_t i = 0; i < 2; i++)
        vn_dtls_epoch1_done(&ends[i].e);
    return 0;
}
