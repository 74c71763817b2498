/*
 * hostile_conflux: veilnet-conflux as it ships, but for what it does to a neighbour that relays,
 * when the file VN_HOSTILE says so. A line "WHAT COUNT PER_SECOND RELAY [END...]" (tags):
 *
 *   replay   the last sealed SETUP that was sent there, again, as a new request
 *   forge    the same with a bit flipped in the relay's slot, or cut short
 *   stale    SETUPs made too long ago, or in the future
 *   loop     SETUPs that lead back, to the relay itself, or on beyond their budget
 *   nowhere  right SETUPs to nodes that nobody knows
 *   guess    frames, control packets, credit and the end of circuits under labels that are guessed
 *   report   failures of such circuits, answers that nobody asked for, and what is no message
 *   crowd    right SETUPs to END, in turns; what they open stays
 *
 * With VN_HOSTILE_LIES set it says of itself that it is where everybody is and has all its room,
 * and of others that they are far.
 *
 * The file is taken away when it is read; "hostile: WHAT done" on standard error when all went.
 * Linked with --wrap: what core sends and hears goes through here first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "core/node_i.h"
#include "core/worker_i.h"
#include "crypto/rng.h"
#include "wire/circuit.h"
#include "wire/path.h"
#include "wire/setup.h"

#define TICK_MS 20
#define ENDS_MAX 4
#define KNOWN_MAX 16
#define APART 0x40000000u /* our requests from those of the node */

void __real_vn_tell_tether_send(struct vn_node *n, uint32_t tether, enum vn_hop_type type,
                                uint32_t label, struct vn_span body);
void __wrap_vn_tell_tether_send(struct vn_node *n, uint32_t tether, enum vn_hop_type type,
                                uint32_t label, struct vn_span body);
void __real_vn_end_send(struct vn_worker *w, struct vn_cmd_tether_send *cmd);
void __wrap_vn_end_send(struct vn_worker *w, struct vn_cmd_tether_send *cmd);
void __real_vn_path_encode(struct vn_writer *w, const struct vn_path_msg *m);
void __wrap_vn_path_encode(struct vn_writer *w, const struct vn_path_msg *m);
void __real_vn_circuit_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes);
void __wrap_vn_circuit_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes);

/* Of a node that was reached once: what a SETUP needs. */
struct known {
    char tag[64];
    struct vn_setup_hop hop;
    uint8_t ek[VN_EK_MAX];
};

static struct {
    struct vn_node *node;
    struct known known[KNOWN_MAX];
    size_t known_count;
    struct vn_timer timer;
    bool runs;
    uint8_t blob[VN_SETUP_BLOB_MAX]; /* of the last SETUP that was sealed */
    size_t blob_n;
    uint32_t first, count; /* requests */
    /* the order */
    char what[16];
    char tags[1 + ENDS_MAX][64]; /* the relay, then ends */
    size_t tag_count;
    unsigned long left, per_s, done, accepted;
    double due;
} evil;

static uint32_t random_u32(void)
{
    uint32_t v = 0;
    if (vn_rng_bytes(&v, sizeof(v)) != VN_OK)
        abort();
    return v;
}

static struct known *by_tag(const char *tag)
{
    for (size_t i = 0; i < evil.known_count; i++)
        if (strcmp(evil.known[i].tag, tag) == 0)
            return &evil.known[i];
    return NULL;
}

/* A node forgets keys of those that it cannot reach. */
static void remember(void)
{
    size_t at = 0;
    const void *id;
    void *value;
    while (vn_map_next(evil.node->peers.by_id, &at, &id, &value)) {
        const struct vn_peer *p = value;
        if (!p->cert || !p->eks_len)
            continue;
        struct known *k = by_tag(p->cert->tag);
        if (!k && evil.known_count < KNOWN_MAX)
            k = &evil.known[evil.known_count++];
        if (!k)
            abort();
        snprintf(k->tag, sizeof(k->tag), "%s", p->cert->tag);
        memcpy(k->ek, p->eks, p->eks_len);
        k->hop = (struct vn_setup_hop){p->id, VN_SPAN(k->ek, p->eks_len)};
    }
}

static void send_circuit(const struct vn_hop *h, const struct vn_circuit_msg *m)
{
    uint8_t buf[VN_SETUP_BLOB_MAX + 64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_circuit_encode(&w, m);
    if (!vn_writer_ok(&w))
        abort();
    __real_vn_tell_tether_send(evil.node, h->handle, VN_HOP_CIRCUIT, 0, vn_writer_span(&w));
}

static void send_setup(const struct vn_hop *h, uint8_t hops, struct vn_span blob)
{
    send_circuit(h, &(struct vn_circuit_msg){.type = VN_CIRCUIT_SETUP,
                                             .hops = hops,
                                             .request = evil.first + evil.count++,
                                             .reverse_label = random_u32() | 1,
                                             .blob = blob});
}

/* As a source makes it, for the relay and what lies behind. */
static void send_made(const struct vn_hop *h, const struct known *relay, uint8_t hops,
                      const struct vn_setup_hop *next, uint64_t time_ms)
{
    uint8_t blob[VN_SETUP_BLOB_MAX];
    struct vn_setup_keys keys[2];
    const struct vn_suite_info *suite = evil.node->suite;
    const struct vn_setup_hop path[2] = {relay->hop, *next};
    if (vn_setup_seal(suite, path, 2, time_ms, random_u32() | 1, blob, keys) != VN_OK)
        abort();
    send_setup(h, hops, VN_SPAN(blob, vn_setup_blob_len(suite)));
}

static void forge(const struct vn_hop *h)
{
    uint8_t blob[VN_SETUP_BLOB_MAX];
    const size_t slot = evil.blob_n / VN_SETUP_SLOTS;
    memcpy(blob, evil.blob, evil.blob_n);
    blob[random_u32() % slot] ^= (uint8_t)(1u << random_u32() % 8);
    send_setup(h, 9, VN_SPAN(blob, evil.blob_n - evil.done % 2));
}

static void guess(const struct vn_hop *h)
{
    static const enum vn_hop_type types[] = {VN_HOP_FRAME, VN_HOP_CONTROL, VN_HOP_CREDIT};
    static const enum vn_circuit_type ends[] = {VN_CIRCUIT_TEARDOWN, VN_CIRCUIT_WORN};
    uint8_t junk[200];
    if (vn_rng_bytes(junk, sizeof(junk)) != VN_OK)
        abort();
    const struct vn_suite_info *suite = evil.node->suite;
    if (evil.done % 4 == 1) /* of a stream that there is not */
        memcpy(junk, (const uint8_t[]){1, (uint8_t)suite->id, VN_T_CONTROL}, 3);
    if (evil.done % 4 == 3)
        send_circuit(h, &(struct vn_circuit_msg){.type = ends[evil.done / 4 % 2],
                                                 .label = random_u32() | 1});
    else
        __real_vn_tell_tether_send(evil.node, h->handle, types[evil.done % 4], random_u32() | 1,
                                   VN_SPAN(junk, evil.done % 4 == 2 ? VN_CREDIT_LEN : 200));
}

static void report(const struct vn_hop *h)
{
    uint8_t junk[256];
    if (vn_rng_bytes(junk, sizeof(junk)) != VN_OK)
        abort();
    for (size_t i = 0; i < sizeof(junk); i += 4)
        junk[i] |= 1; /* no label is 0 */
    const struct vn_span mark = VN_SPAN(junk, VN_SETUP_MARK_LEN);
    switch (evil.done % 5) {
    case 0:
        __real_vn_tell_tether_send(evil.node, h->handle, VN_HOP_CIRCUIT, 0, VN_SPAN_ARRAY(junk));
        return;
    case 1:
        send_circuit(h, &(struct vn_circuit_msg){.type = VN_CIRCUIT_DESC,
                                                 .request = random_u32(),
                                                 .mark = mark,
                                                 .blob = VN_SPAN_ARRAY(junk)});
        return;
    case 2:
        send_circuit(h, &(struct vn_circuit_msg){
                            .type = VN_CIRCUIT_NEED_DESC, .request = random_u32(), .mark = mark});
        return;
    case 3:
        send_circuit(h, &(struct vn_circuit_msg){.type = VN_CIRCUIT_ACCEPT,
                                                 .request = random_u32(),
                                                 .label = random_u32() | 1});
        return;
    default:
        send_circuit(
            h, &(struct vn_circuit_msg){.type = VN_CIRCUIT_FAILED, .blob = VN_SPAN_ARRAY(junk)});
    }
}

static bool is(const char *what)
{
    return strcmp(evil.what, what) == 0;
}

/* Whom nobody knows. */
static struct vn_setup_hop nobody(const struct known *relay)
{
    return (struct vn_setup_hop){.node = {.b = {(uint8_t)random_u32(), (uint8_t)random_u32(), 1}},
                                 .ek = relay->hop.ek};
}

static void made(const struct vn_hop *h, const struct known *relay)
{
    const uint64_t now = vn_protocol_now(evil.node), far = UINT64_C(2) * VN_ENVELOPE_FRESH_MS;
    struct vn_setup_hop next = nobody(relay);
    const bool loops = is("loop");
    if (loops && evil.done % 3 == 0)
        next.node = relay->hop.node;
    if (loops && evil.done % 3 == 1)
        next.node = evil.node->session.self;
    send_made(h, relay, loops && evil.done % 3 == 2 ? 0 : 9, &next,
              !is("stale")    ? now
              : evil.done % 2 ? now - far
                              : now + far);
}

/* One of what is ordered. false: the relay, an end or a SETUP to repeat is not there yet. */
static bool one(void)
{
    const struct known *relay = by_tag(evil.tags[0]);
    const struct vn_peer *p = relay ? vn_peer_get(evil.node, &relay->hop.node) : NULL;
    if (!p || !p->hop || p->hop->state != VN_HOP_UP)
        return false;
    const bool again = is("replay") || is("forge");
    const struct known *end =
        is("crowd") ? by_tag(evil.tags[1 + evil.done % (evil.tag_count - 1)]) : NULL;
    if ((again && evil.blob_n == 0) || (is("crowd") && !end))
        return false;
    if (is("forge"))
        forge(p->hop);
    else if (again)
        send_setup(p->hop, 9, VN_SPAN(evil.blob, evil.blob_n));
    else if (is("guess"))
        guess(p->hop);
    else if (is("report"))
        report(p->hop);
    else if (end)
        send_made(p->hop, relay, 9, &end->hop, vn_protocol_now(evil.node));
    else
        made(p->hop, relay);
    evil.done++;
    return true;
}

static void read_order(void)
{
    const char *path = getenv("VN_HOSTILE");
    FILE *f = path ? fopen(path, "r") : NULL;
    if (!f)
        return;
    evil.done = evil.accepted = 0;
    evil.due = 0;
    const int words =
        fscanf(f, "%15s %lu %lu %63s %63s %63s %63s %63s", evil.what, &evil.left, &evil.per_s,
               evil.tags[0], evil.tags[1], evil.tags[2], evil.tags[3], evil.tags[4]);
    fclose(f);
    unlink(path);
    if (words < 4)
        abort();
    evil.tag_count = (size_t)words - 3;
}

static void tick(void *arg)
{
    (void)arg;
    remember();
    if (evil.left == 0)
        read_order();
    evil.due = VN_MIN(evil.due + (double)evil.per_s * TICK_MS / 1000, (double)evil.per_s);
    while (evil.left > 0 && evil.due >= 1 && one()) {
        evil.due--;
        if (--evil.left == 0)
            fprintf(stderr, "hostile: %s done\n", evil.what);
    }
    vn_timer_arm(&evil.node->timers, &evil.timer, evil.node->now_ms + TICK_MS);
}

void __wrap_vn_tell_tether_send(struct vn_node *n, uint32_t tether, enum vn_hop_type type,
                                uint32_t label, struct vn_span body)
{
    struct vn_circuit_msg m;
    if (!evil.runs) {
        evil.runs = true;
        evil.node = n;
        evil.first = n->last_handle + APART;
        vn_timer_init(&evil.timer, tick, NULL);
        vn_timer_arm(&n->timers, &evil.timer, n->now_ms + TICK_MS);
    }
    if (type == VN_HOP_CIRCUIT && vn_circuit_decode(body, &m) == VN_OK &&
        m.type == VN_CIRCUIT_SETUP && m.blob.n) {
        memcpy(evil.blob, m.blob.p, m.blob.n);
        evil.blob_n = m.blob.n;
    }
    __real_vn_tell_tether_send(n, tether, type, label, body);
}

/* Frames go where frames belong, and not with control. */
void __wrap_vn_end_send(struct vn_worker *w, struct vn_cmd_tether_send *cmd)
{
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(cmd->buf));
    struct vn_hop_header head;
    const struct vn_end *end = vn_worker_end(w, cmd->tether);
    size_t taken = 0;
    if (!end || !end->port || !vn_hop_decode(&r, &head) || head.type != VN_HOP_FRAME)
        __real_vn_end_send(w, cmd);
    else if (w->cfg.tether->send(end->port, VN_TETHER_BULK, &cmd->buf, 1, &taken) == VN_OK &&
             taken == 1)
        cmd->buf = NULL;
}

void __wrap_vn_path_encode(struct vn_writer *w, const struct vn_path_msg *m)
{
    struct vn_path_msg lie = *m;
    if (getenv("VN_HOSTILE_LIES")) {
        lie.place = (struct vn_place){.error_q16 = 1, .flags = VN_PLACE_RELAYS | VN_PLACE_PUBLIC};
        lie.headroom = UINT16_MAX;
        for (size_t i = 0; i < lie.told_count; i++)
            lie.told[i].place.x_us[0] = 1 << 25;
    }
    __real_vn_path_encode(w, &lie);
}

/* The node would tear down what it did not ask for. */
void __wrap_vn_circuit_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes)
{
    struct vn_circuit_msg m;
    if (vn_circuit_decode(bytes, &m) == VN_OK && m.type == VN_CIRCUIT_ACCEPT &&
        m.request - evil.first < evil.count) {
        if (++evil.accepted % 100 == 0)
            fprintf(stderr, "hostile: %lu accepted\n", evil.accepted);
        return;
    }
    __real_vn_circuit_input(n, h, bytes);
}
