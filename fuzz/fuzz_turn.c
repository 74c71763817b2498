/*
 * A TURN client and a server that knows the password. The input is a list of steps: op 1, argument
 * 1, length 1, bytes. Where a step is an answer the harness adds header, integrity and FINGERPRINT,
 * so that what lies behind them is reached. The first byte says whether the way is a stream, whose
 * messages are cut as the transport cuts them.
 */
#include "base/reader.h"
#include "crypto/kdf.h"
#include "crypto/md5.h"
#include "support/fuzz.h"
#include "transport/stun.h"
#include "transport/turn.h"

struct fuzz {
    struct vn_turn *turn;
    uint64_t now_us, counter;
    size_t sent;
    bool stream;
    struct vn_stun_txid last; /* of the client's latest request */
    uint16_t method;
    uint8_t key[VN_MD5_LEN];
};

static void on_send(void *arg, struct vn_span message)
{
    struct fuzz *f = arg;
    struct vn_stun_msg m;
    size_t n;
    f->sent++;
    FUZZ_ASSERT(!f->stream || (vn_turn_frame_len(message, &n) == VN_OK && n == message.n));
    if (message.p[0] >= 0x40)
        return;
    FUZZ_ASSERT(vn_stun_decode(message, &m) == VN_OK && m.unknown_count == 0);
    if (m.cls == VN_STUN_REQUEST) {
        f->last = m.txid;
        f->method = m.method;
    }
}

static void give(struct fuzz *f, struct vn_span in)
{
    uint8_t bytes[VN_STUN_BYTES_MAX + 256];
    struct vn_addr from = {.port = 0};
    struct vn_dgram data = {0};
    size_t n = in.n;
    if (f->stream && vn_turn_frame_len(in, &n) == VN_OK)
        n = VN_MIN(n, in.n);
    n = VN_MIN(n, sizeof(bytes));
    if (n > 0)
        memcpy(bytes, in.p, n);
    if (vn_turn_input(f->turn, (struct vn_dgram){bytes, n}, f->now_us, &from, &data) ==
        VN_TURN_IN_DATA)
        FUZZ_ASSERT(data.n > 0 && data.p > bytes && data.p + data.n <= bytes + n);
}

static void answer(struct fuzz *f, uint8_t op, struct vn_span attributes)
{
    uint8_t buf[VN_STUN_BYTES_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    vn_stun_begin(&w, op & 0x10 ? VN_STUN_ERROR : VN_STUN_SUCCESS, f->method, &f->last);
    vn_write_span(&w, VN_SPAN(attributes.p, attributes.n & ~(size_t)3));
    if (vn_stun_end(&w, op & 0x20 ? VN_SPAN_NONE : VN_SPAN_ARRAY(f->key), &out) == VN_OK)
        give(f, out);
}

static void step(struct fuzz *f, uint8_t op, uint8_t argument, struct vn_span rest)
{
    const struct vn_addr peer = {.ip = vn_ip_from_v4((const uint8_t[]){192, 0, 2, argument & 63}),
                                 .port = (uint16_t)(1000 + (argument >> 6))};
    switch (op & 7) {
    case 0:
    case 1:
        answer(f, op, rest);
        break;
    case 2:
        give(f, rest);
        break;
    case 3:
        vn_turn_permit(f->turn, &peer, f->now_us);
        break;
    case 4:
        vn_turn_bind(f->turn, &peer, f->now_us);
        break;
    case 5:
        vn_turn_send(f->turn, &peer, rest);
        break;
    default: {
        const uint64_t due = vn_turn_deadline(f->turn);
        if (due != UINT64_MAX && due > f->now_us)
            f->now_us = due;
        vn_turn_tick(f->turn, f->now_us);
        /* What was due is done: the client does not spin. */
        FUZZ_ASSERT(vn_turn_deadline(f->turn) > f->now_us);
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.now_us = 1000000};
    const struct vn_random random = {&f.counter, fuzz_count};
    struct vn_reader r = vn_reader_of(VN_SPAN(data, size)), rest;
    uint8_t flags, op, argument;
    if (!vn_read_u8(&r, &flags))
        return 0;
    f.stream = flags & 1;
    FUZZ_ASSERT(vn_md5(VN_PARTS(VN_SPAN_LIT("user:realm:secret")), f.key) == VN_OK);
    const struct vn_turn_config cfg = {.username = "user",
                                       .password = "secret",
                                       .stream = f.stream,
                                       .v6 = flags & 2,
                                       .random = &random,
                                       .arg = &f,
                                       .send = on_send};
    FUZZ_ASSERT(vn_turn_new(&cfg, f.now_us, &f.turn) == VN_OK);
    vn_turn_tick(f.turn, f.now_us);
    while (vn_read_u8(&r, &op) && vn_read_u8(&r, &argument) && vn_read_block8(&r, &rest)) {
        const size_t before = f.sent;
        step(&f, op, argument, vn_reader_rest(&rest));
        FUZZ_ASSERT(f.sent - before <= VN_TURN_PERMISSIONS_MAX + VN_TURN_CHANNELS_MAX + 1);
    }
    f.turn = vn_turn_free(f.turn);
    return 0;
}
