/*
 * A data-channel peer for the tests against browsers: our peer connection, told what to do by lines
 * of JSON on stdin, and telling what happens by lines on stdout. tests/interop/peer_core.js says
 * the same about other implementations; tests/e2e/webrtc_rig.py drives both.
 *
 *   webrtc_peer controlling|controlled client|server       (role in ICE, role in DTLS)
 *
 * In: {"do":"start","ufrag":,"pwd":,"fingerprint":,"max":,"candidates":[{"ip","port","priority"}]}
 *       {"do":"open","label":,"ordered":,"retransmits":,"lifetime":}
 *       {"do":"send","label":,"size":,"count":,"text":}     pattern() of size and number
 *       {"do":"close","label":}, {"do":"quit"}
 *       {"do":"restart"} (ICE), and {"do":"checks", as "start"} once theirs is known
 * Out:  local, open, channel, message, sent, closed, restarted, down; see tell() below
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/kdf.h"
#include "support/test_io.h"
#include "transport/limits.h"
#include "transport/peer_conn.h"

enum { CHANNELS = 256, LABEL = 64, LINE = 65536, MESSAGE_MAX = 262144, QUEUE = 1 << 20 };

struct channel {
    bool used;
    uint16_t stream;
    char label[LABEL];
    bool text;
    size_t size, count, next; /* being sent: next of count */
};

static struct {
    struct test_io *io;
    struct vn_transport *transport;
    struct vn_dtls_cert *cert;
    struct vn_pc *pc;
    struct vn_ice_params ice;
    json_t *candidates;
    struct channel channels[CHANNELS];
    struct vn_io_watch *in;
    char line[LINE];
    size_t line_len;
    bool quit;
} peer;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "webrtc_peer: %s\n", what);
    exit(1);
}

static void must(vn_status st, const char *what)
{
    if (st != VN_OK)
        die(what);
}

/* Takes ownership of o. */
static void tell(json_t *o)
{
    if (!o)
        die("no memory");
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(o);
}

/* Byte i of message number k of a size; letters in strings. peer_core.js and webrtc_rig.py have the
 * same. */
static uint8_t pattern(size_t size, size_t k, size_t i, bool text)
{
    const size_t v = size * 7 + k * 13 + i * 31 + (i >> 8) * 17;
    return (uint8_t)(text ? 'a' + v % 26 : v & 255);
}

/* ---- channels ---- */

static struct channel *by_label(const char *label)
{
    for (size_t i = 0; i < CHANNELS; i++)
        if (peer.channels[i].used && strcmp(peer.channels[i].label, label) == 0)
            return &peer.channels[i];
    return NULL;
}

static struct channel *by_stream(uint16_t stream)
{
    for (size_t i = 0; i < CHANNELS; i++)
        if (peer.channels[i].used && peer.channels[i].stream == stream)
            return &peer.channels[i];
    return NULL;
}

static struct channel *add(uint16_t stream, const char *label, size_t n)
{
    for (size_t i = 0; i < CHANNELS; i++) {
        struct channel *c = &peer.channels[i];
        if (c->used)
            continue;
        *c = (struct channel){.used = true, .stream = stream};
        memcpy(c->label, label, VN_MIN(n, (size_t)LABEL - 1));
        return c;
    }
    die("too many channels");
}

static void go_on_sending(struct channel *c)
{
    while (c->next < c->count) {
        struct vn_pktbuf *b;
        size_t taken;
        must(vn_pktbuf_new(VN_MAX(c->size, (size_t)1), &b), "no memory");
        uint8_t *p = vn_pktbuf_put(b, c->size);
        for (size_t i = 0; i < c->size; i++)
            p[i] = pattern(c->size, c->next, i, c->text);
        b->text = c->text;
        must(vn_pc_send(peer.pc, c->stream, &b, 1, &taken), "send");
        if (!taken) {
            (void)vn_pktbuf_free(b);
            return; /* `writable` follows */
        }
        if (++c->next == c->count)
            tell(json_pack("{s:s,s:s,s:I}", "event", "sent", "label", c->label, "count",
                           (json_int_t)c->count));
    }
}

/* ---- what the peer connection says ---- */

static void on_candidate(void *arg, const struct vn_candidate *c)
{
    char ip[VN_IP_TEXT];
    (void)arg;
    vn_ip_format(&c->addr.ip, ip);
    json_array_append_new(peer.candidates,
                          json_pack("{s:s,s:i,s:I,s:I}", "ip", ip, "port", (int)c->addr.port,
                                    "priority", (json_int_t)c->priority, "foundation",
                                    (json_int_t)c->foundation));
}

static void on_gathered(void *arg)
{
    char hex[2 * sizeof(struct vn_dtls_fingerprint) + 1];
    (void)arg;
    vn_hex_encode(VN_SPAN_ARRAY(vn_dtls_cert_fingerprint(peer.cert)->b), hex);
    tell(json_pack("{s:s,s:s,s:s,s:s,s:i,s:O}", "event", "local", "ufrag", peer.ice.ufrag, "pwd",
                   peer.ice.pwd, "fingerprint", hex, "max", MESSAGE_MAX, "candidates",
                   peer.candidates));
}

static void on_open(void *arg)
{
    (void)arg;
    tell(json_pack("{s:s}", "event", "open"));
}

static bool on_offer(void *arg, uint16_t stream, const struct vn_dcep_msg *m,
                     struct vn_pc_channel_config *cfg)
{
    (void)arg;
    struct channel *c = add(stream, (const char *)m->label.p, m->label.n);
    cfg->label = c->label;
    cfg->queue_bytes = QUEUE;
    const bool ordered = !(m->channel & VN_DCEP_UNORDERED);
    const uint8_t limit = m->channel & (uint8_t)~VN_DCEP_UNORDERED;
    tell(json_pack(
        "{s:s,s:s,s:b,s:I,s:I}", "event", "channel", "label", c->label, "ordered", ordered,
        "retransmits", limit == VN_DCEP_RETRANSMITS ? (json_int_t)m->reliability : (json_int_t)-1,
        "lifetime", limit == VN_DCEP_TIMED ? (json_int_t)m->reliability : (json_int_t)-1));
    return true;
}

static void on_channel(void *arg, uint16_t stream)
{
    (void)arg;
    (void)stream;
}

static void on_messages(void *arg, uint16_t stream, struct vn_pktbuf **bufs, size_t n)
{
    const struct channel *c = by_stream(stream);
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        struct vn_hash h;
        char hex[2 * VN_HASH_MAX + 1];
        must(vn_hash(VN_SHA256, VN_PARTS(vn_pktbuf_span(bufs[i])), &h), "hash");
        vn_hex_encode(vn_hash_span(&h), hex);
        tell(json_pack("{s:s,s:s,s:I,s:b,s:s}", "event", "message", "label", c ? c->label : "",
                       "size", (json_int_t)bufs[i]->len, "text", bufs[i]->text, "hash", hex));
        (void)vn_pktbuf_free(bufs[i]);
    }
}

static void on_writable(void *arg, uint16_t stream)
{
    (void)arg;
    struct channel *c = by_stream(stream);
    if (c)
        go_on_sending(c);
}

static void on_closed(void *arg, uint16_t stream)
{
    struct channel *c = by_stream(stream);
    (void)arg;
    if (!c)
        return;
    tell(json_pack("{s:s,s:s}", "event", "closed", "label", c->label));
    c->used = false;
}

static void on_restarted(void *arg)
{
    struct vn_pc_stats s;
    char ip[VN_IP_TEXT];
    (void)arg;
    vn_pc_stats(peer.pc, &s);
    vn_ip_format(&s.remote.ip, ip);
    tell(json_pack("{s:s,s:i,s:s,s:i}", "event", "restarted", "from", (int)s.local.port, "ip", ip,
                   "port", (int)s.remote.port));
}

static void on_down(void *arg, enum vn_tether_down why)
{
    (void)arg;
    tell(json_pack("{s:s,s:i}", "event", "down", "why", (int)why));
}

/* ---- what the test says ---- */

static void read_params(const json_t *o, struct vn_ice_params *ret)
{
    const char *ufrag = json_string_value(json_object_get(o, "ufrag"));
    const char *pwd = json_string_value(json_object_get(o, "pwd"));
    if (!ufrag || !pwd || strlen(ufrag) > VN_ICE_UFRAG_MAX || strlen(pwd) > VN_ICE_PWD_MAX)
        die("bad parameters");
    *ret = (struct vn_ice_params){0};
    memcpy(ret->ufrag, ufrag, strlen(ufrag));
    memcpy(ret->pwd, pwd, strlen(pwd));
}

static void add_candidates(const json_t *list)
{
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        struct vn_candidate c = {
            .type = VN_CAND_HOST,
            .priority = (uint32_t)json_integer_value(json_object_get(item, "priority")),
            .foundation = (uint32_t)i + 1,
            .addr.port = (uint16_t)json_integer_value(json_object_get(item, "port"))};
        if (vn_ip_parse(json_string_value(json_object_get(item, "ip")), &c.addr.ip) == VN_OK)
            vn_pc_add_remote_candidate(peer.pc, &c);
    }
}

static void do_start(const json_t *o)
{
    const char *hex = json_string_value(json_object_get(o, "fingerprint"));
    struct vn_ice_params remote;
    struct vn_pc_keys keys = {0};
    size_t n;
    if (!hex)
        die("bad start");
    read_params(o, &remote);
    must(vn_hex_decode(VN_SPAN_STR(hex), keys.peer.b, sizeof(keys.peer.b), &n), "fingerprint");
    must(vn_pc_start(peer.pc, &remote, &keys), "start");
    vn_pc_limit_messages(peer.pc, (size_t)json_integer_value(json_object_get(o, "max")));
    add_candidates(json_object_get(o, "candidates"));
}

static void draw(char *ret, size_t n)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    must(test_random()->fill(test_random()->self, ret, n), "random");
    for (size_t i = 0; i < n; i++)
        ret[i] = alphabet[(uint8_t)ret[i] % 64];
}

static void draw_params(void)
{
    draw(peer.ice.ufrag, VN_ICE_UFRAG_LEN);
    draw(peer.ice.pwd, VN_ICE_PWD_LEN);
}

/* `local` follows, as at the beginning. */
static void do_restart(void)
{
    draw_params();
    json_array_clear(peer.candidates);
    must(vn_pc_restart(peer.pc, &peer.ice, false), "restart");
}

static void do_checks(const json_t *o)
{
    struct vn_ice_params remote;
    read_params(o, &remote);
    must(vn_pc_restart_start(peer.pc, &remote), "checks");
    add_candidates(json_object_get(o, "candidates"));
}

static void do_open(const json_t *o, const char *label)
{
    const json_int_t retransmits = json_integer_value(json_object_get(o, "retransmits"));
    const json_int_t lifetime = json_integer_value(json_object_get(o, "lifetime"));
    uint16_t stream;
    must(vn_pc_free_stream(peer.pc, &stream), "no stream");
    const struct channel *c = add(stream, label, strlen(label));
    const struct vn_pc_channel_config cfg = {
        .label = c->label,
        .type = (uint8_t)((retransmits >= 0 ? VN_DCEP_RETRANSMITS
                           : lifetime >= 0  ? VN_DCEP_TIMED
                                            : VN_DCEP_RELIABLE) |
                          (json_is_true(json_object_get(o, "ordered")) ? 0 : VN_DCEP_UNORDERED)),
        .reliability = (uint32_t)(retransmits >= 0 ? retransmits
                                  : lifetime >= 0  ? lifetime
                                                   : 0),
        .queue_bytes = QUEUE};
    must(vn_pc_open_channel(peer.pc, stream, &cfg), "open");
}

static void obey(const json_t *o)
{
    const char *what = json_string_value(json_object_get(o, "do"));
    const char *label = json_string_value(json_object_get(o, "label"));
    struct channel *c = label ? by_label(label) : NULL;
    if (!what)
        die("no order");
    if (strcmp(what, "start") == 0) {
        do_start(o);
    } else if (strcmp(what, "restart") == 0) {
        do_restart();
    } else if (strcmp(what, "checks") == 0) {
        do_checks(o);
    } else if (strcmp(what, "open") == 0 && label) {
        do_open(o, label);
    } else if (strcmp(what, "send") == 0 && c) {
        c->size = (size_t)json_integer_value(json_object_get(o, "size"));
        c->count = (size_t)json_integer_value(json_object_get(o, "count"));
        c->text = json_is_true(json_object_get(o, "text"));
        c->next = 0;
        go_on_sending(c);
    } else if (strcmp(what, "close") == 0 && c) {
        must(vn_pc_close_channel(peer.pc, c->stream), "close");
    } else if (strcmp(what, "quit") == 0) {
        peer.quit = true;
    } else {
        die("an order I cannot follow");
    }
}

static void on_input(void *arg, unsigned events)
{
    (void)arg;
    (void)events;
    if (peer.line_len >= LINE)
        die("a line too long");
    const ssize_t n = read(0, peer.line + peer.line_len, LINE - peer.line_len);
    if (n < 0 && errno == EAGAIN)
        return;
    peer.quit |= n <= 0;
    peer.line_len += (size_t)VN_MAX(n, (ssize_t)0);
    for (char *end; (end = memchr(peer.line, '\n', peer.line_len));) {
        json_t *o = json_loadb(peer.line, (size_t)(end - peer.line), JSON_REJECT_DUPLICATES, NULL);
        if (!o)
            die("not JSON");
        obey(o);
        json_decref(o);
        peer.line_len -= (size_t)(end + 1 - peer.line);
        memmove(peer.line, end + 1, peer.line_len);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: webrtc_peer controlling|controlled client|server");
    vn_log_setup(getenv("VN_DEBUG") ? VN_LOG_DEBUG : VN_LOG_WARN, 0);
    peer.io = test_io_new();
    peer.candidates = json_array();
    draw_params();
    const struct vn_transport_config tc = {.io = test_io_port(peer.io), .random = test_random()};
    must(vn_transport_new(&tc, &peer.transport), "transport");
    must(vn_dtls_cert_new(&peer.cert), "certificate");
    const struct vn_pc_handler h = {NULL,         on_candidate, on_gathered, on_open,
                                    on_offer,     on_channel,   on_messages, on_writable,
                                    on_down,      on_closed,    NULL,        NULL,
                                    on_restarted, NULL,         NULL,        NULL};
    struct vn_pc_config cfg = {.identity = "webrtc_peer",
                               .cert = peer.cert,
                               .local = peer.ice,
                               .controlling = strcmp(argv[1], "controlling") == 0,
                               .dtls_client = strcmp(argv[2], "client") == 0,
                               .foreign = true,
                               .streams = CHANNELS,
                               .message_max = MESSAGE_MAX};
    must(test_random()->fill(test_random()->self, &cfg.tie_breaker, sizeof(cfg.tie_breaker)),
         "random");
    must(vn_pc_open(peer.transport, &cfg, &h, &peer.pc), "no peer connection");
    const struct vn_io *io = test_io_port(peer.io);
    (void)fcntl(0, F_SETFL, O_NONBLOCK);
    must(io->watch(io->self, 0, VN_IO_READ, on_input, NULL, &peer.in), "stdin");
    while (!peer.quit)
        test_io_turn(peer.io, 1000);
    io->unwatch(peer.in);
    (void)vn_pc_close(peer.pc);
    (void)vn_transport_free(peer.transport);
    (void)vn_dtls_cert_free(peer.cert);
    (void)test_io_free(peer.io);
    json_decref(peer.candidates);
    return 0;
}
