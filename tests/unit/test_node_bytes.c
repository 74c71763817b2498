/* What knowing relays and paths costs a node beside its packets, in bytes on the wire; and that the
 * simulator counts messages as long as nodes send them. */
#include "bytes.h"
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

#define DESTS 16
#define WARM_UP_S 130 /* ways are set up, the last ones after a minute and more */
#define SECONDS 50    /* no stream makes a step of its KEM meanwhile */

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *idle, *dests[DESTS];
    uint32_t number;
    /* messages seen, and of them those of another length than the simulator's */
    size_t binds, bounds, asks, tells, setups, accepts, hub_asks, hub_tells, odd;
    uint64_t master_bytes[2]; /* of a, of idle */
};

static void measure(struct scene *s, size_t *count, size_t n, size_t expected)
{
    ++*count;
    s->odd += n != expected;
}

#define IN_TETHER(bytes) ((bytes) - SIM_PACKET_BYTES - SIM_SACK_BYTES)

static bool see(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                struct vn_pktbuf *b)
{
    struct scene *s = arg;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    struct vn_path_msg path;
    struct vn_circuit_msg circuit;
    (void)tether;
    if (cls != VN_TETHER_CONTROL || !vn_hop_decode(&r, &hop))
        return true;
    struct vn_span body = vn_reader_rest(&r);
    if (hop.type == VN_HOP_CONTROL) {
        s->binds += b->len == IN_TETHER(SIM_PROBE_BYTES);
        s->bounds += b->len == IN_TETHER(SIM_ANSWER_BYTES);
    } else if (hop.type == VN_HOP_PATH && vn_path_decode(body, &path) == VN_OK) {
        if (path.type == VN_PATH_QUERY)
            measure(s, &s->asks, b->len, IN_TETHER(SIM_ASK_BYTES));
        else if (path.type == VN_PATH_REPLY &&
                 path.descriptor.n == 0) /* sim: of as many as may be */
            measure(s, &s->tells, b->len + (VN_PATH_TOLD_MAX - path.told_count) * VN_PATH_TOLD_LEN,
                    IN_TETHER(SIM_TELL_BYTES));
    } else if (hop.type == VN_HOP_CIRCUIT && vn_circuit_decode(body, &circuit) == VN_OK) {
        if (circuit.type == VN_CIRCUIT_SETUP && circuit.blob.n)
            measure(s, &s->setups, body.n, SIM_SETUP_MESSAGE);
        else if (circuit.type == VN_CIRCUIT_ACCEPT)
            measure(s, &s->accepts, b->len, IN_TETHER(SIM_ACCEPT_BYTES));
    }
    return true;
}

static void see_at_master(void *arg, struct vn_mem_message *m)
{
    struct scene *s = arg;
    const struct vn_world_node *const who[] = {s->a, s->idle};
    const size_t headers = SIM_OVER_MASTER(0) - VN_ENVELOPE_HEADER_LEN - VN_AEAD_TAG_LEN -
                           VN_MAC_LEN; /* of Master's connection */
    for (size_t i = 0; i < VN_ARRAY_LEN(who); i++) {
        char self[VN_ID_TEXT];
        vn_id_format(&who[i]->node->session.self, self);
        if (strcmp(strrchr(m->subject, '.') + 1, self) == 0)
            s->master_bytes[i] += m->n + headers;
    }
    if (m->n < 3 || m->p[2] != VN_T_PATH)
        return;
    if (strncmp(m->subject, "a.hub.", 6) == 0)
        measure(s, &s->hub_asks, m->n + headers, SIM_HUB_BYTES);
    else if (m->n + headers <= SIM_HUB_REPLY_BYTES) /* longer with a descriptor */
        measure(s, &s->hub_tells, (SIM_HUB_REPLY_BYTES - m->n - headers) % VN_PATH_TOLD_LEN, 0);
}

static void setup(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    vn_world_init_net(
        &s->w, VN_SUITE_DEFAULT,
        &(struct vn_mem_net_config){.seed = 1, .delay_us = 5000, .arg = s, .filter = see});
    for (unsigned i = 0; i < DESTS; i++) {
        char tag[16];
        snprintf(tag, sizeof(tag), "dest%u", i);
        s->dests[i] = vn_world_add(&s->w, tag, "home");
    }
    s->idle = vn_world_add(&s->w, "idle", "home");
    s->idle->no_relay = true; /* a relay that is used is not idle */
    vn_world_restart(s->idle);
    s->a = vn_world_add(&s->w, "alice", "home");
    vn_mem_broker_hook(s->w.broker, see_at_master, s);
}

/* A packet to each destination twice a second. */
static void stream(struct scene *s, unsigned seconds)
{
    for (unsigned at = 0; at < 2 * seconds; at++) {
        for (unsigned i = 0; i < DESTS; i++)
            vn_world_send(s->a, s->dests[i], false, s->number++);
        vn_world_run(&s->w, 500);
        for (unsigned i = 0; i < DESTS; i++)
            vn_pktqueue_clear(&s->dests[i]->written);
    }
}

/* What a node sent beside data, ever. */
static uint64_t sent(const struct scene *s, const struct vn_world_node *n)
{
    const struct vn_mem_sent c = vn_mem_net_sent(s->w.net, vn_world_owner(n), VN_TETHER_CONTROL);
    return c.bytes + c.count * (SIM_PACKET_BYTES + SIM_SACK_BYTES) + s->master_bytes[n == s->idle];
}

static void test_sixteen_destinations(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    stream(&s, WARM_UP_S);
    assert_int_equal(DESTS, vn_world_status(s.a).stream_tx_count);
    const struct vn_node_status before = vn_world_status(s.a);
    const uint64_t sent_before = sent(&s, s.a), idle_before = sent(&s, s.idle);
    stream(&s, SECONDS);
    const double active = (double)(sent(&s, s.a) - sent_before) / SECONDS + SIM_PRESENCE_BYTES_S;
    const double idle = (double)(sent(&s, s.idle) - idle_before) / SECONDS + SIM_PRESENCE_BYTES_S;
    print_message("16 destinations: %.0f B/s, none: %.0f B/s\n", active, idle);
    assert_true(active <= 1500);
    assert_true(idle <= 60);
    /* It did something for that. */
    const struct vn_node_status after = vn_world_status(s.a);
    assert_in_range(after.probes - before.probes, 3 * SECONDS, 8 * SECONDS);
    assert_in_range(after.heartbeats - before.heartbeats, SECONDS / 2, 3 * SECONDS);
    assert_true(s.binds >= after.probes + after.heartbeats && s.bounds >= s.binds * 9 / 10);
    assert_int_equal(0, s.odd);
    assert_true(s.asks && s.tells && s.setups && s.accepts && s.hub_asks && s.hub_tells);
    assert_in_range(s.a->node->session.descriptor.len, SIM_DESCRIPTOR * 9 / 10, SIM_DESCRIPTOR);
    vn_world_done(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sixteen_destinations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
