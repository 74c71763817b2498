/*
 * Packets for an SCTP association: the first byte says whether it is open already; then records of
 * a length (16 bits), a pause in milliseconds (8 bits) and chunks, to which the right header is
 * added.
 */
#include <assert.h>
#include "base/reader.h"
#include "support/fuzz.h"
#include "transport/sctp.h"
#include "transport/sctp/wire.h"

enum { MTU = 1200, QUEUE = 64 };

struct end {
    struct vn_sctp *s;
    struct end *peer;
    bool deaf; /* its packets go nowhere */
    size_t count;
    size_t lens[QUEUE];
    uint8_t packets[QUEUE][MTU];
};

/* The same every time, so that a corpus can name tags and TSNs. */
static vn_status fill(void *self, void *ret, size_t n)
{
    (void)self;
    memset(ret, 1, n);
    return VN_OK;
}

static void on_output(void *arg, const struct vn_dgram *packets, size_t n)
{
    struct end *e = arg;
    for (size_t i = 0; i < n && !e->deaf && e->count < QUEUE; i++) {
        assert(packets[i].n <= MTU);
        memcpy(e->packets[e->count], packets[i].p, packets[i].n);
        e->lens[e->count++] = packets[i].n;
    }
}

static void drain(struct vn_sctp *s)
{
    struct vn_sctp_msg m;
    while (vn_sctp_receive(s, &m, 1) == 1) {
        assert(!m.buf || (m.buf->len > 0 && m.buf->len <= 66560));
        (void)vn_pktbuf_free(m.buf);
    }
}

static void exchange(struct end *a, uint64_t now_us)
{
    for (int turn = 0; turn < 8; turn++)
        for (struct end *e = a; e; e = e == a ? a->peer : NULL) {
            const size_t n = e->count;
            e->count = 0;
            for (size_t i = 0; i < n; i++) {
                struct vn_dgram d = {e->packets[i], e->lens[i]};
                vn_sctp_input(e->peer->s, &d, 1, now_us);
            }
        }
}

static void queue(struct vn_sctp *s, bool unordered, uint64_t now_us)
{
    const struct vn_sctp_how how = {unordered, VN_SCTP_RETRANSMITS, 1};
    struct vn_pktbuf *b;
    FUZZ_ASSERT(vn_pktbuf_new(5000, &b) == VN_OK);
    memset(vn_pktbuf_put(b, 5000), 0, 5000);
    if (vn_sctp_send(s, unordered, 53, &how, b, now_us) != VN_OK)
        (void)vn_pktbuf_free(b);
    vn_sctp_flush(s, now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct end a, b;
    static const struct vn_random random = {NULL, fill};
    struct vn_reader r = vn_reader_of(VN_SPAN(data, size));
    uint64_t now_us = 1000000;
    uint8_t mode;
    if (!vn_read_u8(&r, &mode))
        return 0;
    a = (struct end){.peer = &b};
    b = (struct end){.peer = &a};
    for (struct end *e = &a; e; e = e == &a ? &b : NULL) {
        const struct vn_sctp_config cfg = {.arg = e,
                                           .output = on_output,
                                           .random = &random,
                                           .mtu = MTU,
                                           .message_max = 66560,
                                           .foreign = mode & 2};
        FUZZ_ASSERT(vn_sctp_new(&cfg, now_us, &e->s) == VN_OK);
    }
    FUZZ_ASSERT(vn_sctp_connect(a.s, now_us) == VN_OK);
    if (mode & 1) {
        exchange(&a, now_us);
        assert(vn_sctp_state(a.s) == VN_SCTP_OPEN && vn_sctp_state(b.s) == VN_SCTP_OPEN);
        if (mode & 4)
            vn_sctp_hold(a.s, 0, 20000);
        queue(a.s, false, now_us);
        queue(a.s, true, now_us);
    }
    a.deaf = b.deaf = true;

    struct vn_reader chunks;
    uint8_t pause_ms;
    while (vn_read_u8(&r, &pause_ms) && vn_read_block16(&r, &chunks) && chunks.left < MTU - 12) {
        uint8_t packet[MTU];
        struct vn_writer w = vn_writer_of(packet, sizeof(packet));
        uint32_t tag;
        memset(&tag, 1, sizeof(tag));
        const bool init = chunks.left > 0 && chunks.cur[0] == VN_SCTP_INIT;
        vn_sctp_write_header(&w, init ? 0 : tag);
        vn_write_span(&w, vn_reader_rest(&chunks));
        vn_sctp_seal(packet, w.len, false);
        struct vn_dgram d = {packet, w.len};
        now_us += pause_ms * 1000u;
        vn_sctp_input(a.s, &d, 1, now_us);
        for (int i = 0; i < 10 && vn_sctp_due_us(a.s) <= now_us; i++)
            vn_sctp_tick(a.s, now_us);
        assert(vn_sctp_due_us(a.s) > now_us);
        drain(a.s);
    }
    a.s = vn_sctp_free(a.s);
    b.s = vn_sctp_free(b.s);
    return 0;
}
