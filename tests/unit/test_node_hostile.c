/* What is replayed, repeated, cut, flipped or forged ends in a counter and silence. */
#include <stdlib.h>

#include "base/log.h"
#include "support/node_world.h"
#include "support/test.h"
#include "wire/names.h"
#include "wire/types.h"

#define RECORDED_MAX 64

struct record {
    char subject[96];
    uint8_t *p;
    size_t n;
};
struct recorder {
    struct record r[RECORDED_MAX];
    size_t count;
    unsigned copies;
};

static void record(void *arg, struct vn_mem_message *m)
{
    struct recorder *rec = arg;
    if (rec->count < RECORDED_MAX) {
        struct record *r = &rec->r[rec->count++];
        snprintf(r->subject, sizeof(r->subject), "%s", m->subject);
        r->p = malloc(m->n);
        memcpy(r->p, m->p, m->n);
        r->n = m->n;
    }
    if (rec->copies)
        m->copies = rec->copies;
}

static void recorder_done(struct recorder *rec)
{
    for (size_t i = 0; i < rec->count; i++)
        free(rec->r[i].p);
    rec->count = 0;
}

static const struct record *find(const struct recorder *rec, uint8_t type)
{
    for (size_t i = 0; i < rec->count; i++) {
        if (rec->r[i].p[2] == type)
            return &rec->r[i];
    }
    fail_msg("no message of type %02x was sent", type);
    return NULL;
}

static const uint8_t set_up_types[] = {VN_T_QUERY,        VN_T_ANSWER, VN_T_OFFER,
                                       VN_T_OFFER_ANSWER, VN_T_HS_M1,  VN_T_HS_M2};

/* Questions about relays, and answers, that the other of two nodes sent. */
static size_t paths_to(const struct recorder *rec, const struct vn_world_node *n)
{
    char self[VN_ID_TEXT];
    struct vn_id id = vn_world_status(n).node;
    vn_id_format(&id, self);
    size_t count = 0;
    for (size_t i = 0; i < rec->count; i++)
        count +=
            rec->r[i].p[2] == VN_T_PATH && strcmp(strrchr(rec->r[i].subject, '.') + 1, self) != 0;
    return count;
}

static void test_everything_twice(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct recorder rec = {.copies = 3};
    vn_mem_broker_hook(w->broker, record, &rec);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    vn_world_run(w, 100);
    assert_int_equal(vn_world_status(a).handshakes_answered, 1);
    assert_int_equal(vn_world_status(b).handshakes_answered, 1);
    assert_int_equal(vn_mem_net_count(w->net), 2);
    struct vn_node_status sb = vn_world_status(b);
    assert_int_equal(sb.drops[VN_NDROP_REPLAY], 2 * (2 + paths_to(&rec, b))); /* query, offer */
    recorder_done(&rec);
}

static uint64_t sum(const struct vn_world_node *a, const struct vn_world_node *b)
{
    return vn_world_drops(a) + vn_world_drops(b);
}

static void test_replays(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct recorder rec = {0};
    vn_mem_broker_hook(w->broker, record, &rec);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_mem_broker_hook(w->broker, NULL, NULL);
    struct vn_node_status before = vn_world_status(b);
    for (size_t i = 0; i < rec.count; i++) {
        vn_mem_broker_inject(w->broker, rec.r[i].subject, rec.r[i].p, rec.r[i].n);
        vn_world_run(w, 20);
    }
    assert_int_equal(vn_world_status(b).handshakes_answered, before.handshakes_answered);
    assert_int_equal(vn_mem_net_count(w->net), 2);
    assert_true(vn_world_ping(a, b, false, 1000) < 10);
    /* And long after, when the streams are gone and the nonces forgotten. */
    vn_world_run(w, 400000);
    uint64_t drops = sum(a, b);
    struct vn_mem_broker_counters c = vn_mem_broker_counters(w->broker);
    for (size_t i = 0; i < rec.count; i++) {
        vn_mem_broker_inject(w->broker, rec.r[i].subject, rec.r[i].p, rec.r[i].n);
        vn_world_run(w, 1500);
    }
    assert_int_equal(sum(a, b), drops + rec.count);
    assert_int_equal(vn_mem_broker_counters(w->broker).published, c.published);
    assert_int_equal(vn_mem_net_count(w->net), 0);
    recorder_done(&rec);
}

/* The message on its way is changed; the set-up must fail in silence or, by a re-send, succeed. */
struct change {
    uint8_t type;
    size_t at;      /* byte flipped, counted from the end if over the length */
    size_t cut;     /* bytes cut off the end */
    unsigned count; /* messages changed */
    unsigned left;
};

static void change(void *arg, struct vn_mem_message *m)
{
    struct change *c = arg;
    if (m->p[2] != c->type || !c->left)
        return;
    c->left--;
    c->count++;
    if (c->cut)
        m->n = m->n > c->cut ? m->n - c->cut : 0;
    else
        m->p[c->at % m->n] ^= 0x20;
}

static void test_changed_on_the_way(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof(set_up_types); t++) {
        for (unsigned round = 0; round < 24; round++) {
            struct vn_world w;
            struct vn_world_node *a, *b;
            struct change c = {.type = set_up_types[t], .left = 1};
            vn_world_pair(&w, VN_SUITE_DEFAULT, "home", &a, &b);
            /* The first bytes tell what it is; the rest is sampled. */
            c.at = round < 4 ? round : vn_test_below(20000);
            c.cut = round >= 20 ? 1 + vn_test_below(3000) : 0;
            vn_mem_broker_hook(w.broker, change, &c);
            uint64_t took = vn_world_ping(a, b, false, 12000);
            assert_int_equal(c.count, 1);
            if (took > 3000)
                fail_msg("type %02x byte %zu cut %zu: %llu ms", c.type, c.at, c.cut,
                         (unsigned long long)took);
            bool mac2 = c.type == VN_T_HS_M1 && took < 200; /* not looked at unless under load */
            if (sum(a, b) < 1 && !mac2)
                fail_msg("type %02x byte %zu cut %zu: no counter", c.type, c.at, c.cut);
            vn_world_done(&w);
        }
    }
}

/* Every byte of every message again, at nodes that live. */
static void test_flips_at_live_nodes(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct recorder rec = {0};
    vn_mem_broker_hook(w->broker, record, &rec);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_mem_broker_hook(w->broker, NULL, NULL);
    for (size_t t = 0; t < sizeof(set_up_types); t++) {
        const struct record *r = find(&rec, set_up_types[t]);
        for (size_t at = 0; at < r->n; at += at < 120 ? 1 : 1 + vn_test_below(400)) {
            r->p[at] ^= 0x81;
            vn_mem_broker_inject(w->broker, r->subject, r->p, r->n);
            vn_world_run(w, 2);
            r->p[at] ^= 0x81;
        }
        for (size_t n = 0; n < r->n; n += 1 + vn_test_below(200)) {
            vn_mem_broker_inject(w->broker, r->subject, r->p, n);
            vn_world_run(w, 2);
        }
    }
    assert_true(vn_world_ping(a, b, false, 1000) < 1000);
    assert_int_equal(vn_world_status(a).tether_count, 1);
    recorder_done(&rec);
}

/* Control messages inside the tether: flipped, they are counted and the stream comes up by
 * repetition or not at all. */
struct tamper {
    unsigned left;
    size_t at;
};

static bool tamper(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                   struct vn_pktbuf *b)
{
    struct tamper *t = arg;
    (void)tether;
    if (cls == VN_TETHER_CONTROL && t->left) {
        t->left--;
        b->data[t->at % b->len] ^= 0x40;
    }
    return true;
}

static void test_tampered_inside_tether(void **state)
{
    (void)state;
    for (size_t i = 0; i < 60; i++) {
        struct tamper t = {.left = 1 + (unsigned)(i % 3), .at = i};
        struct vn_world w;
        vn_world_init(&w, VN_SUITE_DEFAULT);
        w.net = vn_mem_net_free(w.net);
        assert_ok(vn_mem_net_new(
            &(struct vn_mem_net_config){.seed = i, .delay_us = 1000, .filter = tamper, .arg = &t},
            w.now_us, &w.net));
        struct vn_world_node *a = vn_world_add(&w, "alice", "home");
        struct vn_world_node *b = vn_world_add(&w, "bob", "home");
        uint64_t took = vn_world_ping(a, b, false, 20000);
        if (took > 10000)
            fail_msg("byte %zu: %llu ms", i, (unsigned long long)took);
        vn_world_done(&w);
    }
}

static void test_forged_subject(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct recorder rec = {0};
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    vn_mem_broker_hook(w->broker, record, &rec);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_mem_broker_hook(w->broker, NULL, NULL);
    vn_world_run(w, 400);
    struct vn_id carol = vn_world_status(c).node, bob = vn_world_status(b).node;
    char subject[VN_SUBJECT_MAX];
    for (size_t t = 0; t < sizeof(set_up_types); t++) {
        const struct record *r = find(&rec, set_up_types[t]);
        struct vn_subject s;
        assert_ok(vn_subject_parse(r->subject, &s));
        if (s.kind == VN_SUBJ_IN && !vn_id_equal(&s.name, &bob))
            continue;
        /* Past the broker, under a member's own name: the receiver looks at both. */
        s.src = carol;
        vn_subject_format(&s, subject);
        uint64_t drops = vn_world_drops(b);
        vn_mem_broker_inject(w->broker, subject, r->p, r->n);
        vn_world_run(w, 10);
        assert_int_equal(vn_world_drops(b), drops + 1);
        /* Under the forged name, the broker refuses it. */
        size_t refused = vn_mem_broker_counters(w->broker).refused;
        const struct vn_control *port = vn_mem_client_port(c->client);
        assert_ok(port->publish(port->self, r->subject, VN_SPAN(r->p, r->n)));
        vn_world_run(w, 10);
        assert_int_equal(vn_mem_broker_counters(w->broker).refused, refused + 1);
        assert_int_equal(vn_world_drops(b), drops + 1);
    }
    recorder_done(&rec);
}

/* A member that signs, with its own good key and certificate, as another id. */
static void test_member_signs_as_another(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    const struct test_realm *r = vn_mem_authority_realm(w->authority);
    const struct test_node *mallory = &r->b;
    struct vn_node_status sa = vn_world_status(a), sb = vn_world_status(b);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    struct vn_buf env;
    static const uint8_t types[] = {VN_T_NEED_CERT, VN_T_CERT, VN_T_CANDIDATES};
    for (size_t i = 0; i < sizeof(types); i++) {
        for (int with_cert = 0; with_cert < 2; with_cert++) {
            uint8_t nonce[16] = {(uint8_t)i, (uint8_t)with_cert, 1};
            struct vn_envelope_send send = {.suite = r->suite,
                                            .type = types[i],
                                            .realm = r->id,
                                            .src = sa.node, /* a's id, mallory's key */
                                            .dst = sb.node,
                                            .hour_keys = &r->hours,
                                            .now_ms = sb.protocol_time_ms,
                                            .cert = test_node_cert(mallory),
                                            .include_cert = with_cert,
                                            .key = mallory->key,
                                            .context = "anchor-env-v1"};
            vn_buf_init(&env, 65536);
            assert_ok(vn_envelope_seal(&send, nonce, &env));
            char subject[VN_SUBJECT_MAX];
            struct vn_subject s = {.kind = VN_SUBJ_IN, .name = sb.node, .src = sa.node};
            vn_subject_format(&s, subject);
            uint64_t certs = vn_world_status(b).drops[VN_NDROP_CERT];
            vn_mem_broker_inject(w->broker, subject, env.p, env.len);
            vn_world_run(w, 10);
            assert_int_equal(vn_world_status(b).drops[VN_NDROP_CERT], certs + 1);
            vn_buf_done(&env);
        }
    }
    /* Nor may a member speak as Guardian. */
    struct vn_envelope_send send = {.suite = r->suite,
                                    .type = VN_T_UPDATE,
                                    .realm = r->id,
                                    .src = mallory->id,
                                    .dst = sb.node,
                                    .hour_keys = &r->hours,
                                    .now_ms = sb.protocol_time_ms,
                                    .cert = test_node_cert(mallory),
                                    .key = mallory->key,
                                    .context = "anchor-cmd-v1"};
    vn_buf_init(&env, 65536);
    uint8_t nonce[16] = {9};
    assert_ok(vn_envelope_seal(&send, nonce, &env));
    char subject[VN_SUBJECT_MAX];
    vn_subject_format(&(struct vn_subject){.kind = VN_SUBJ_ADM, .name = sb.node}, subject);
    vn_mem_broker_inject(w->broker, subject, env.p, env.len);
    vn_subject_format(&(struct vn_subject){.kind = VN_SUBJ_IN, .name = sb.node, .src = mallory->id},
                      subject);
    vn_mem_broker_inject(w->broker, subject, env.p, env.len);
    vn_world_run(w, 10);
    assert_int_equal(vn_world_status(b).drops[VN_NDROP_SUBJECT], 2);
    vn_buf_done(&env);
}

/* A flood from one source stops at its bucket; others are served. */
static void test_flood(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct recorder rec = {0};
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    vn_mem_broker_hook(w->broker, record, &rec);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_mem_broker_hook(w->broker, NULL, NULL);
    const struct record *q = find(&rec, VN_T_QUERY);
    for (unsigned i = 0; i < 400; i++) {
        q->p[85] = (uint8_t)i; /* the nonce: new, and the seal wrong; the hour MAC fails first */
        vn_mem_broker_inject(w->broker, q->subject, q->p, q->n);
    }
    const struct record *m1 = find(&rec, VN_T_HS_M1);
    uint64_t rate = vn_world_status(b).drops[VN_NDROP_RATE];
    for (unsigned i = 0; i < 100; i++) {
        /* Another sealed part under the same good mac1 and a sid that no stream has any more. */
        vn_mem_broker_inject(w->broker, m1->subject, m1->p, m1->n);
        m1->p[m1->n - 60] ^= 1;
    }
    vn_world_run(w, 5);
    /* The stored M2 is sent again, as often as new ones would be answered. */
    assert_in_range(vn_world_status(b).drops[VN_NDROP_RATE], rate + 100 - VN_HS_SRC_BURST,
                    rate + 100 - VN_HS_SRC_BURST + 1);
    assert_true(vn_world_ping(c, b, false, 1000) < 100);
    recorder_done(&rec);
}

static void noise(void *arg, struct vn_mem_message *m)
{
    (void)arg;
    size_t r = vn_test_below(20);
    if (r == 0)
        m->copies = 0;
    else if (r == 1)
        m->copies = 2;
    else if (r == 2)
        m->p[vn_test_below(m->n)] ^= (uint8_t)(1 + vn_test_below(255));
    m->delay_ms = 1 + vn_test_below(60);
}

static bool tether_noise(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                         struct vn_pktbuf *b)
{
    (void)arg;
    (void)tether;
    if (cls == VN_TETHER_CONTROL && vn_test_below(10) == 0)
        b->data[vn_test_below(b->len)] ^= (uint8_t)(1 + vn_test_below(255));
    return true;
}

/* Three nodes, a lossy, reordering, lying broker, tethers that break, taints that change: nothing
 * crashes, and once it is quiet everybody reaches everybody. */
static void test_chaos(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    w.net = vn_mem_net_free(w.net);
    assert_ok(vn_mem_net_new(
        &(struct vn_mem_net_config){
            .seed = vn_test_random(), .delay_us = 2000, .jitter_us = 2000, .filter = tether_noise},
        w.now_us, &w.net));
    struct vn_world_node *n[3];
    static const char *const names[] = {"alice", "bob", "carol"};
    for (size_t i = 0; i < 3; i++)
        n[i] = vn_world_add(&w, names[i], "home");
    vn_mem_broker_hook(w.broker, noise, NULL);
    for (unsigned i = 0; i < 300; i++) {
        size_t from = vn_test_below(3), to = (from + 1 + vn_test_below(2)) % 3;
        vn_world_send(n[from], n[to], vn_test_below(2), i);
        switch (vn_test_below(40)) {
        case 0:
            vn_mem_net_break(w.net, VN_TETHER_DOWN_SILENT);
            break;
        case 1:
            vn_mem_broker_set_up(w.broker, false);
            vn_world_run(&w, vn_test_below(1000));
            vn_mem_broker_set_up(w.broker, true);
            break;
        case 2:
            vn_world_taints(n[from], NULL, "home");
            vn_world_run(&w, vn_test_below(100));
            vn_world_taints(n[from], "home", NULL);
            break;
        case 3:
            vn_world_kill(n[from]);
            vn_world_run(&w, 1000 + vn_test_below(1000));
            vn_world_revive(n[from]);
            break;
        default:
            break;
        }
        vn_world_run(&w, vn_test_below(500));
    }
    vn_mem_broker_hook(w.broker, NULL, NULL);
    vn_world_run(&w, 30000);
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++) {
            unsigned tries = 0;
            while (i != k && vn_world_ping(n[i], n[k], false, 12000) == UINT64_MAX)
                assert_true(++tries < 3);
        }
    }
    vn_world_run(&w, 60000);
    for (size_t i = 0; i < 3; i++) {
        struct vn_node_status s = vn_world_status(n[i]);
        assert_int_equal(s.stream_tx_count + s.stream_rx_count + s.tether_count, 0);
    }
    assert_int_equal(vn_mem_net_count(w.net), 0);
    vn_world_done(&w);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, vn_world_setup, vn_world_teardown)

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        PAIR(test_everything_twice),
        PAIR(test_replays),
        cmocka_unit_test(test_changed_on_the_way),
        PAIR(test_flips_at_live_nodes),
        cmocka_unit_test(test_tampered_inside_tether),
        PAIR(test_forged_subject),
        PAIR(test_member_signs_as_another),
        PAIR(test_flood),
        cmocka_unit_test(test_chaos),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
