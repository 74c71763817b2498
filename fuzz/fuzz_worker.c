/*
 * A worker with a stream from a peer, whose key the fuzzer has:
 *
 *   input = messages of { mode1, length2, bytes }
 *   mode 0 bulk, 1 real-time, 2 control: a message as it is; 3: a plaintext, sealed as the peer
 *   would; 4: the same with the number of an earlier frame; 5: time passes
 *
 * Whatever comes, only packets from the peer's addresses to ours reach the TUN, and every message
 * is either counted or delivered.
 */
#include <stdlib.h>

#include "core/packet.h"
#include "core/worker.h"
#include "wire/frame.h"

#define LABEL 0x01020304u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static struct vn_tether_handler handler;
static struct vn_ip own, peer;
static uint64_t events;

/* ---- a tether that only exists, a TUN that looks, a node that forgets ---- */

static vn_status t_open(void *self, const struct vn_tether_config *cfg,
                        const struct vn_tether_handler *h, struct vn_tether **ret)
{
    (void)cfg;
    handler = *h;
    *ret = self;
    return VN_OK;
}

static vn_status t_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                        size_t n, size_t *ret_taken)
{
    (void)t;
    (void)cls;
    for (size_t i = 0; i < n; i++)
        vn_pktbuf_free(bufs[i]);
    *ret_taken = n;
    return VN_OK;
}

static void t_close(struct vn_tether *t)
{
    (void)t;
}

static vn_status tun_write(void *self, struct vn_span packet)
{
    (void)self;
    struct vn_packet p, q;
    check(vn_packet_parse(packet, &p));
    check(vn_ip_equal(&p.dst, &own));
    enum vn_icmp_kind kind = vn_packet_icmp_kind(&p, packet);
    check(kind != VN_ICMP_LINK);
    if (kind == VN_ICMP_ERROR)
        check(vn_packet_icmp_quoted(&p, packet, &q) && vn_ip_equal(&q.src, &own) &&
              vn_ip_equal(&q.dst, &peer));
    else
        check(vn_ip_equal(&p.src, &peer));
    return VN_OK;
}

static vn_status post_send(void *self, struct vn_post_msg *m)
{
    (void)self;
    events++;
    vn_post_msg_free(m);
    return VN_OK;
}

static int dummy;
static const struct vn_tether_port tether = {
    .self = &dummy, .open = t_open, .send = t_send, .close = t_close};
static const struct vn_tun_port tun = {.write = tun_write};
static const struct vn_post post = {.send = post_send};

/* ---- the peer ---- */

static struct vn_secret32 chain_key;
static struct vn_lane_keys keys;
static struct vn_aead *aead;

static void *command(unsigned type, size_t size)
{
    void *m;
    if (vn_post_msg_new(type, size, &m) != VN_OK)
        abort();
    return m;
}

/* Every run the same. */
static vn_status zeros(void *self, void *ret, size_t n)
{
    (void)self;
    memset(ret, 0, n);
    return VN_OK;
}

static struct vn_worker *make_worker(void)
{
    static const struct vn_random random = {.fill = zeros};
    struct vn_worker_config cfg = {
        .tether = &tether, .tun = &tun, .to_node = &post, .random = &random};
    struct vn_worker *w;
    check(vn_worker_new(&cfg, 1, &w) == VN_OK);
    struct vn_cmd_local *l = command(VN_CMD_LOCAL, sizeof(*l));
    l->addrs[l->addr_count++] = own;
    vn_worker_command(w, &l->msg, 1);
    struct vn_cmd_tether_open *o = command(VN_CMD_TETHER_OPEN, sizeof(*o));
    o->tether = 1;
    vn_worker_command(w, &o->msg, 1);
    handler.up(handler.arg);
    struct vn_cmd_rx_open *r = command(VN_CMD_RX_OPEN, sizeof(*r));
    r->rx = 2;
    r->tether = 1;
    r->label = LABEL;
    r->hash_alg = VN_SHA256;
    r->keyed = true;
    r->ck = chain_key;
    r->addrs[r->addr_count++] = peer;
    vn_worker_command(w, &r->msg, 1);
    return w;
}

static struct vn_pktbuf *message(struct vn_span s)
{
    struct vn_pktbuf *b;
    check(vn_pktbuf_new(s.n, &b) == VN_OK);
    memcpy(vn_pktbuf_put(b, s.n), s.p, s.n);
    return b;
}

static struct vn_pktbuf *sealed(struct vn_span plain, uint64_t seq)
{
    struct vn_pktbuf *b;
    size_t head = VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN;
    check(vn_pktbuf_new(head + plain.n + VN_AEAD_TAG_LEN, &b) == VN_OK);
    uint8_t *p = vn_pktbuf_put(b, head + plain.n + VN_AEAD_TAG_LEN);
    struct vn_writer w = vn_writer_of(p, head);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_FRAME, .label = LABEL});
    vn_e2e_encode(&w, &(struct vn_e2e_header){.seq = seq});
    uint8_t nonce[12];
    vn_lane_nonce(keys.iv, seq, nonce);
    check(vn_aead_seal(aead, nonce, VN_SPAN(p + VN_HOP_HEADER_LEN, VN_E2E_HEADER_LEN), plain,
                       p + head, p + head + plain.n) == VN_OK);
    return b;
}

static void setup(void)
{
    if (aead)
        return;
    check(vn_ip_parse("10.66.0.2", &own) == VN_OK && vn_ip_parse("10.66.0.1", &peer) == VN_OK);
    check(vn_lane_keys_derive(VN_SHA256, &chain_key, 0, &keys) == VN_OK);
    check(vn_aead_new(&keys.key, &aead) == VN_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setup();
    struct vn_worker *w = make_worker();
    struct vn_reader r = {data, size};
    uint64_t seq = 0, now_us = 1;
    uint8_t mode;
    uint16_t n;
    struct vn_span bytes;
    while (vn_read_u8(&r, &mode) && vn_read_u16(&r, &n)) {
        if (!vn_read_span(&r, VN_MIN((size_t)n, r.left), &bytes))
            break;
        if (mode % 6 == 5) {
            now_us += (uint64_t)n * 1000;
            vn_worker_tick(w, now_us);
            continue;
        }
        if (bytes.n == 0)
            continue;
        struct vn_pktbuf *b = mode % 6 < 3    ? message(bytes)
                              : mode % 6 == 3 ? sealed(bytes, seq++)
                                              : sealed(bytes, seq / 2);
        enum vn_tether_class cls = (enum vn_tether_class)(mode % 6 < 3 ? mode % 6 : VN_TETHER_BULK);
        vn_worker_set_now(w, now_us);
        handler.messages(handler.arg, cls, &b, 1);
        vn_worker_flush(w, now_us);
    }
    vn_worker_free(w);
    return 0;
}
