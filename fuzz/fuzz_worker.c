/*
 * A worker with a stream from a peer, whose key the fuzzer has:
 *
 *   input = messages of { mode1, length2, bytes }
 *   mode 0 bulk, 1 real-time, 2 control: a message as it is
 *        3 a plaintext, sealed as the peer would
 *        4 the same with the number of an earlier frame
 *        5 n * n ms pass
 *        6 the peer makes symmetric steps
 *        7 the node announces a KEM step, made of the bytes; 8 the peer takes it
 *        9 as 3, under the keys before the peer's last step
 *
 * Whatever comes, only packets from the peer's addresses to ours reach the TUN, every message is
 * either counted or delivered, and a frame opens when its epoch is the present one, never when it
 * is out of reach or too old.
 */
#include "core/offload.h"
#include "core/packet.h"
#include "core/worker.h"
#include "support/fuzz.h"
#include "wire/frame.h"

#define LABEL 0x01020304u

static struct vn_tether_handler handler;
static struct vn_ip own, peer;
static uint64_t opened;    /* frames, as of the last VN_EV_STATS */
static uint32_t kem_taken; /* the epoch that began with the peer's last KEM step */

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

static void t_stats(const struct vn_tether *t, struct vn_tether_stats *ret)
{
    (void)t;
    *ret = (struct vn_tether_stats){0};
}

static void t_drops(const void *self, uint64_t ret[VN_TDROP_COUNT])
{
    (void)self;
    memset(ret, 0, VN_TDROP_COUNT * sizeof(*ret));
}

static void t_close(struct vn_tether *t)
{
    (void)t;
}

static vn_status tun_write(void *self, struct vn_span packet)
{
    (void)self;
    struct vn_packet p, q;
    FUZZ_ASSERT(vn_packet_parse(packet, &p));
    FUZZ_ASSERT(vn_ip_equal(&p.dst, &own));
    enum vn_icmp_kind kind = vn_packet_icmp_kind(&p, packet);
    FUZZ_ASSERT(kind != VN_ICMP_LINK);
    if (kind == VN_ICMP_ERROR)
        FUZZ_ASSERT(vn_packet_icmp_quoted(&p, packet, &q) && vn_ip_equal(&q.src, &own) &&
                    vn_ip_equal(&q.dst, &peer));
    else
        FUZZ_ASSERT(vn_ip_equal(&p.src, &peer));
    return VN_OK;
}

static vn_status tun_write_offload(void *self, const struct vn_span *parts, size_t count,
                                   const struct vn_tun_offload *o)
{
    static uint8_t whole[VN_FRAME_MAX];
    struct vn_packet p;
    struct vn_tun_offload seen;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        FUZZ_ASSERT(parts[i].n <= sizeof(whole) - n);
        memcpy(whole + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    FUZZ_ASSERT(vn_packet_parse(VN_SPAN(whole, n), &p));
    FUZZ_ASSERT(
        vn_offload_check_own(&p, VN_SPAN(whole, n), o->kind, o->gso_size, o->l4_offset, &seen));
    return tun_write(self, VN_SPAN(whole, n));
}

static vn_status post_send(void *self, struct vn_post_msg *m)
{
    (void)self;
    if (m->type == VN_EV_STATS)
        opened = ((const struct vn_ev_stats *)m)->counters.frames_opened;
    if (m->type == VN_EV_RX_KEM_BEGUN)
        FUZZ_ASSERT(kem_taken && ((const struct vn_ev_epoch *)m)->epoch == kem_taken);
    vn_post_msg_free(m);
    return VN_OK;
}

static void t_ice_servers(void *self, const struct vn_ice_server *servers, size_t count)
{
    (void)self;
    (void)servers;
    (void)count;
}

static int dummy;
static const struct vn_tether_port tether = {.self = &dummy,
                                             .ice_servers = t_ice_servers,
                                             .open = t_open,
                                             .send = t_send,
                                             .stats = t_stats,
                                             .drops = t_drops,
                                             .close = t_close};
static const struct vn_tun_port tun = {
    .write = tun_write, .write_offload = tun_write_offload, .cuts_udp = true};
static const struct vn_post post = {.send = post_send};

/* ---- the peer ---- */

struct epoch {
    uint32_t number;
    struct vn_secret32 ck;
    struct vn_lane_keys keys;
    struct vn_aead *aead;
};

static struct epoch present, before; /* the peer's */
static struct vn_kem_step announced;
static uint32_t announced_epoch; /* 0: none */

/* The worker's present epoch, and since when. */
static uint32_t rx_epoch;
static uint64_t rx_epoch_us;

static struct epoch epoch_of(uint32_t number, const struct vn_secret32 *ck)
{
    struct epoch e = {.number = number, .ck = *ck};
    FUZZ_ASSERT(vn_lane_keys_derive(VN_SHA256, ck, 0, &e.keys) == VN_OK);
    FUZZ_ASSERT(vn_aead_new(&e.keys.key, &e.aead) == VN_OK);
    return e;
}

static void move_on(const struct vn_secret32 *ck)
{
    vn_aead_free(before.aead);
    before = present;
    present = epoch_of(before.number + 1, ck);
}

static void symmetric_step(void)
{
    struct vn_secret32 ck;
    FUZZ_ASSERT(vn_chain_step(VN_SHA256, &present.ck, &ck) == VN_OK);
    move_on(&ck);
}

static void kem_step(void)
{
    struct vn_secret32 ck;
    struct vn_ctl_keys ctl;
    if (!announced_epoch || announced_epoch != present.number + 1)
        return;
    FUZZ_ASSERT(vn_chain_kem(VN_SHA256, &present.ck, &announced, &ck, &ctl) == VN_OK);
    kem_taken = announced_epoch;
    move_on(&ck);
}

static void *command(unsigned type, size_t size)
{
    void *m;
    FUZZ_ASSERT(vn_post_msg_new(type, size, &m) == VN_OK);
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
    FUZZ_ASSERT(vn_worker_new(&cfg, 1, &w) == VN_OK);
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
    r->ck = present.ck;
    r->addrs[r->addr_count++] = peer;
    vn_worker_command(w, &r->msg, 1);
    return w;
}

static struct vn_pktbuf *message(struct vn_span s)
{
    struct vn_pktbuf *b;
    FUZZ_ASSERT(vn_pktbuf_new(s.n, &b) == VN_OK);
    memcpy(vn_pktbuf_put(b, s.n), s.p, s.n);
    return b;
}

/* An epoch is offered once, by the source of the stream, for the step after its present epoch. */
static void announce(struct vn_worker *w, struct vn_span bytes, uint64_t now_us)
{
    struct vn_cmd_kem *c = command(VN_CMD_RX_KEM, sizeof(*c));
    if (announced_epoch == present.number + 1) {
        vn_post_msg_free(&c->msg);
        return;
    }
    announced_epoch = present.number + 1;
    announced = (struct vn_kem_step){.ss = {.n = 64}};
    FUZZ_ASSERT(vn_hash(VN_SHA256, &bytes, 1, &announced.digest) == VN_OK);
    memcpy(announced.ss.b, announced.digest.b, announced.digest.n);
    c->handle = 2;
    c->epoch = announced_epoch;
    c->step = announced;
    vn_worker_command(w, &c->msg, now_us);
}

static struct vn_pktbuf *sealed(const struct epoch *e, struct vn_span plain, uint64_t seq)
{
    struct vn_pktbuf *b;
    size_t head = VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN;
    FUZZ_ASSERT(vn_pktbuf_new(head + plain.n + VN_AEAD_TAG_LEN, &b) == VN_OK);
    uint8_t *p = vn_pktbuf_put(b, head + plain.n + VN_AEAD_TAG_LEN);
    struct vn_writer w = vn_writer_of(p, head);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_FRAME, .label = LABEL});
    vn_e2e_encode(&w, &(struct vn_e2e_header){.epoch = e->number, .seq = seq});
    uint8_t nonce[12];
    vn_lane_nonce(e->keys.iv, seq, nonce);
    FUZZ_ASSERT(vn_aead_seal(e->aead, nonce, VN_SPAN(p + VN_HOP_HEADER_LEN, VN_E2E_HEADER_LEN),
                             plain, p + head, p + head + plain.n) == VN_OK);
    return b;
}

/* What became of a frame of the peer's. */
static void judge(struct vn_worker *w, uint32_t epoch, bool fresh, uint64_t now_us)
{
    const uint64_t so_far = opened;
    struct vn_cmd_handle *c = command(VN_CMD_STATS, sizeof(*c));
    vn_worker_command(w, &c->msg, now_us);
    const bool now_open = opened != so_far;
    FUZZ_ASSERT(!fresh || epoch != rx_epoch || now_open);
    if (!now_open)
        return;
    FUZZ_ASSERT(epoch <= rx_epoch + VN_REKEY_AHEAD_MAX);
    FUZZ_ASSERT(epoch >= rx_epoch || now_us < rx_epoch_us + VN_EPOCH_KEEP_MS * UINT64_C(1000));
    if (epoch > rx_epoch) {
        rx_epoch = epoch;
        rx_epoch_us = now_us;
    }
}

static void input(struct vn_worker *w, enum vn_tether_class cls, struct vn_pktbuf *b,
                  uint64_t now_us)
{
    vn_worker_set_now(w, now_us);
    handler.messages(handler.arg, cls, &b, 1);
    vn_worker_flush(w, now_us);
}

static void begin(void)
{
    static const struct vn_secret32 first;
    FUZZ_ASSERT(vn_ip_parse("10.66.0.2", &own) == VN_OK &&
                vn_ip_parse("10.66.0.1", &peer) == VN_OK);
    present = epoch_of(0, &first);
    before = epoch_of(0, &first);
    announced_epoch = kem_taken = rx_epoch = 0;
    rx_epoch_us = opened = 0;
}

static void end(struct vn_worker *w)
{
    vn_worker_free(w);
    vn_aead_free(present.aead);
    vn_aead_free(before.aead);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    struct vn_worker *w = make_worker();
    struct vn_reader r = {data, size};
    uint64_t seq = 0, now_us = 1;
    uint8_t mode;
    uint16_t n;
    struct vn_span bytes;
    while (vn_read_u8(&r, &mode) && vn_read_u16(&r, &n)) {
        if (!vn_read_span(&r, VN_MIN((size_t)n, r.left), &bytes))
            break;
        const struct epoch *e = mode % 10 == 9 ? &before : &present;
        switch (mode % 10) {
        case 3:
        case 9:
            if (bytes.n > 0) {
                input(w, VN_TETHER_BULK, sealed(e, bytes, seq++), now_us);
                judge(w, e->number, true, now_us);
            }
            break;
        case 4:
            if (bytes.n > 0) {
                input(w, VN_TETHER_BULK, sealed(e, bytes, seq / 2), now_us);
                judge(w, e->number, false, now_us);
                seq = VN_MAX(seq, (uint64_t)1); /* number 0 is used now */
            }
            break;
        case 5:
            now_us += (uint64_t)n * n * 1000;
            vn_worker_tick(w, now_us);
            break;
        case 6:
            for (unsigned i = 0; i <= n % 20u; i++)
                symmetric_step();
            break;
        case 7:
            announce(w, bytes, now_us);
            break;
        case 8:
            kem_step();
            break;
        default:
            if (bytes.n > 0)
                input(w, (enum vn_tether_class)(mode % 10), message(bytes), now_us);
        }
    }
    end(w);
    return 0;
}
