/* How a node learns of relays that it never met, and what liars and floods can do to that. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

struct scene {
    struct vn_world w; /* first: see vn_world_teardown */
    struct vn_world_node *a, *b, *c, *d;
};

/* a and b may talk; c and d are members whom they may not talk to. */
static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    vn_world_init(&s->w, VN_SUITE_DEFAULT);
    s->c = vn_world_add(&s->w, "carol", "x");
    s->d = vn_world_add(&s->w, "dave", "y");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    *state = s;
    return 0;
}

static const struct vn_relay *entry(const struct vn_world_node *n, const struct vn_world_node *of)
{
    struct vn_id id = vn_world_id(of);
    return vn_book_find(&n->node->places.book, vn_place_key(&id));
}

/* Traffic from a to b, and time passes. */
static void keep_alive(struct scene *s, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        assert_true(vn_world_ping(s->a, s->b, false, 1000) < 20);
        vn_world_run(&s->w, 1000);
    }
}

/* Who sends asks hubs; relays tell of themselves, though no taint is shared. */
static void test_strangers_are_found(void **state)
{
    struct scene *s = *state;
    assert_null(entry(s->a, s->c));
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    for (int i = 0; i < 300 && !(entry(s->a, s->c) && entry(s->a, s->d)); i++)
        keep_alive(s, 4);
    assert_true(entry(s->a, s->c) && entry(s->a, s->d));
    assert_non_null(entry(s->a, s->b)); /* by its descriptor */
    assert_int_equal(0, vn_world_drops(s->c) + vn_world_drops(s->d));
}

/* Over a relay that neither end may talk to: both are members, and that is enough. */
static void test_a_stranger_relays(void **state)
{
    struct scene *s = *state;
    vn_world_cut(s->a, s->b, true);
    assert_true(vn_world_ping(s->a, s->b, false, 10000) < 6000);
    assert_int_equal(1, vn_world_counters(s->c).frames_relayed +
                            vn_world_counters(s->d).frames_relayed);
    assert_int_equal(0, s->a->unreachables);
}

/* Its setting forbids it: it is not drawn as a hub, nobody names it, and its descriptor says so. */
static void test_who_does_not_relay_is_not_found(void **state)
{
    struct scene *s = *state;
    s->c->no_relay = true;
    vn_world_restart(s->c);
    assert_false(vn_mem_client_subscribed(s->c->client, "a.hub.*"));
    assert_true(vn_mem_client_subscribed(s->d->client, "a.hub.*"));
    vn_world_taints(s->c, "home", NULL);
    assert_true(vn_world_ping(s->a, s->c, false, 5000) < 100);
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    keep_alive(s, 100);
    assert_null(entry(s->a, s->c));
    assert_null(entry(s->b, s->c));
    assert_non_null(entry(s->a, s->d));
}

/* Round trips of tethers move coordinates; what was measured takes the place of what was said. */
static void test_places_are_measured(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    assert_int_equal(0, entry(s->a, s->b)->rtt_us);
    keep_alive(s, 300);
    const struct vn_coord *a = &s->a->node->places.at, *b = &s->b->node->places.at;
    assert_int_equal(2000, entry(s->a, s->b)->rtt_us);
    assert_in_range(vn_coord_rtt_us(a, b), 1000, 3000);
    assert_true(a->error_q16 < VN_Q16 / 4 * 3);
}

/* Without Master neighbours go on telling each other: c, whom b knows, gets to a. */
static void test_master_away(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    vn_mem_broker_set_up(s->w.broker, false);
    struct vn_place there = {.height_us = 100, .flags = VN_PLACE_RELAYS};
    struct vn_id fourth = {.b = "fourth"};
    vn_places_hear(s->b->node, &fourth, &there, &fourth);
    keep_alive(s, 2 * VN_DIGEST_MS / 1000);
    assert_non_null(vn_book_find(&s->a->node->places.book, vn_place_key(&fourth)));
}

/* Who answers has not failed, however often it has to be asked. */
static void test_who_answers_stays(void **state)
{
    struct scene *s = *state;
    const struct vn_place there = {.height_us = 100, .flags = VN_PLACE_RELAYS};
    const struct vn_id c = vn_world_id(s->c);
    vn_places_hear(s->a->node, &c, &there, &c);
    for (int i = 0; i < 6; i++) {
        vn_places_want(s->a->node, &c);
        vn_world_run(&s->w, VN_PATH_WANT_MS);
        struct vn_peer *p = vn_world_peer(s->a, s->c);
        assert_true(p && vn_peer_fresh(s->a->node, p));
        assert_int_equal(0, entry(s->a, s->c)->failures);
        p->eks_until_ms = 0; /* as time would have it */
    }
}

static vn_status (*to_worker)(void *self, struct vn_post_msg *m);

static vn_status lose_questions(void *self, struct vn_post_msg *m)
{
    if (m->type != VN_CMD_STATS)
        return to_worker(self, m);
    vn_post_msg_free(m);
    return VN_OK;
}

/* A question to the worker, or its answer, is lost: the next one is asked. */
static void test_counters_that_are_lost(void **state)
{
    struct scene *s = *state;
    to_worker = s->a->to_worker.send;
    s->a->to_worker.send = lose_questions;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    keep_alive(s, 4);
    s->a->to_worker.send = to_worker;
    assert_int_equal(0, entry(s->a, s->b)->rtt_us);
    keep_alive(s, 15);
    assert_int_equal(2000, entry(s->a, s->b)->rtt_us);
}

/* As if from had sent it over Master; NULL: to the hub. */
static void send(const struct vn_world_node *from, const struct vn_world_node *to,
                 const struct vn_path_msg *m)
{
    uint8_t buf[VN_STATEMENT_MAX + 512];
    struct vn_id dst = to ? vn_world_id(to) : (struct vn_id){0};
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_path_encode(&w, m);
    assert_ok(vn_outbox_member(from->node, VN_T_PATH, to ? &dst : NULL, vn_writer_span(&w)));
    vn_world_run(from->world, 10);
}

/* d says that it and c, and many who do not exist, are where a is. */
static void test_liar(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    struct vn_path_msg m = {.type = VN_PATH_REPLY, .request = 77, .told_count = VN_PATH_TOLD_MAX};
    struct vn_place here;
    vn_places_own(s->a->node, &here);
    m.place = here;
    for (size_t i = 0; i < m.told_count; i++) {
        m.told[i].place = here;
        m.told[i].node.b[0] = (uint8_t)(i + 1);
    }
    /* Nobody asked. */
    uint64_t before = vn_world_drops_of(s->a, VN_NDROP_PATH);
    send(s->d, s->a, &m);
    assert_int_equal(before + 1, vn_world_drops_of(s->a, VN_NDROP_PATH));
    assert_null(vn_book_find(&s->a->node->places.book, vn_place_key(&m.told[0].node)));
    /* Asked, it gets six names in, and no more for that question. */
    struct vn_path_asked *asked = &s->a->node->places.asked[0];
    *asked = (struct vn_path_asked){.request = 77, .to = vn_world_id(s->d)};
    send(s->c, s->a, &m); /* not of c */
    assert_null(vn_book_find(&s->a->node->places.book, vn_place_key(&m.told[0].node)));
    m.told[5].node = vn_world_id(s->b);
    m.told[5].place.height_us = 5000000;
    m.told[4].place.error_q16 = VN_Q16 + 1; /* no coordinate */
    send(s->d, s->a, &m);
    assert_non_null(vn_book_find(&s->a->node->places.book, vn_place_key(&m.told[0].node)));
    assert_null(vn_book_find(&s->a->node->places.book, vn_place_key(&m.told[4].node)));
    assert_true(entry(s->a, s->b)->at.height_us < 5000000); /* its own word stands before */
    send(s->d, s->a, &m);
    assert_int_equal(before + 3, vn_world_drops_of(s->a, VN_NDROP_PATH));
    /* Not over a neighbour, who could name anybody as its source. */
    uint8_t buf[512];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_path_encode(&w, &m);
    const struct vn_envelope_send e = {.suite = s->d->node->suite,
                                       .type = VN_T_PATH,
                                       .realm = s->d->node->cfg.realm,
                                       .src = vn_world_id(s->d),
                                       .dst = vn_world_id(s->a),
                                       .hour_keys = &s->d->node->session.cred->hour_keys,
                                       .now_ms = vn_protocol_now(s->d->node),
                                       .body = vn_writer_span(&w)};
    const uint8_t nonce[16] = "another one";
    struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    assert_ok(vn_envelope_seal(&e, nonce, &b));
    struct vn_subject via = {.kind = VN_SUBJ_IN,
                             .name = vn_world_id(s->a),
                             .src = vn_world_id(s->d),
                             .via = vn_world_id(s->b)};
    *asked = (struct vn_path_asked){.request = 77, .to = vn_world_id(s->d)};
    vn_inbox_turn(s->a->node, &via, vn_buf_span(&b));
    vn_buf_done(&b);
    assert_int_equal(77, asked->request);
    assert_int_equal(before + 4, vn_world_drops_of(s->a, VN_NDROP_PATH));
    /* Who does not answer for its descriptor is forgotten. */
    for (int i = 0; i < 4; i++) {
        vn_places_want(s->a->node, &m.told[0].node);
        vn_world_run(&s->w, VN_PATH_WANT_MS);
    }
    assert_null(vn_book_find(&s->a->node->places.book, vn_place_key(&m.told[0].node)));
    /* And a relay is found all the same. */
    vn_world_cut(s->a, s->b, true);
    unsigned lost = 0;
    while (lost < 20 && vn_world_ping(s->a, s->b, false, 500) == UINT64_MAX)
        lost++;
    assert_true(lost < 20);
}

/* b sends the statement of d: unasked, and as its own. */
static void test_liar_of_taints(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 100);
    const struct vn_blob *of_d = &s->d->node->session.cred->statement;
    const struct vn_id b = vn_world_id(s->b);
    const struct vn_peer *peer = vn_world_peer(s->a, s->b);
    const uint64_t number = peer->statement.number;
    struct vn_path_msg m = {
        .type = VN_PATH_REPLY, .request = 77, .statement = VN_SPAN(of_d->p, of_d->n)};
    vn_places_own(s->b->node, &m.place);
    struct vn_path_asked *asked = &s->a->node->places.asked[0];
    for (int wanted = 0; wanted < 2; wanted++) {
        const uint64_t unasked = vn_world_drops_of(s->a, VN_NDROP_PATH),
                       others = vn_world_drops_of(s->a, VN_NDROP_STATEMENT);
        *asked = (struct vn_path_asked){.request = 77, .to = b, .statement = wanted};
        send(s->b, s->a, &m);
        assert_int_equal(unasked + !wanted, vn_world_drops_of(s->a, VN_NDROP_PATH));
        assert_int_equal(others + (uint64_t)wanted, vn_world_drops_of(s->a, VN_NDROP_STATEMENT));
        assert_true(peer->has_statement && peer->statement.number == number);
    }
}

/* Questions beyond the rate of a source get no answer; another's do. */
static void test_flood(void **state)
{
    struct scene *s = *state;
    struct vn_path_msg m = {.type = VN_PATH_QUERY, .request = 5, .of = vn_world_id(s->c)};
    vn_places_own(s->d->node, &m.place);
    uint64_t told = s->c->node->places.told;
    for (int i = 0; i < 200; i++)
        send(s->d, s->c, &m);
    uint64_t answered = s->c->node->places.told - told;
    assert_in_range(answered, VN_PATH_BURST, VN_PATH_BURST + 2 * VN_PATH_RATE + 1);
    assert_int_equal(200 - answered, vn_world_drops_of(s->c, VN_NDROP_RATE));
    assert_int_equal(answered, vn_world_drops_of(s->d, VN_NDROP_PATH) +
                                   vn_world_drops_of(s->d, VN_NDROP_RATE));
    told = s->c->node->places.told;
    send(s->a, s->c, &m);
    assert_int_equal(told + 1, s->c->node->places.told);
    /* On the hubs' subject nobody's descriptor is asked for, nor are answers told there; and not
     * everybody is asked whom he has near but by lot. */
    uint64_t before = vn_world_drops_of(s->c, VN_NDROP_PATH);
    m.of = (struct vn_id){0};
    send(s->a, s->c, &m);
    assert_int_equal(before + 1, vn_world_drops_of(s->c, VN_NDROP_PATH));
    m.of = vn_world_id(s->d); /* not c's to tell, to who is no neighbour */
    send(s->a, s->c, &m);
    assert_int_equal(before + 2, vn_world_drops_of(s->c, VN_NDROP_PATH));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, vn_world_teardown)

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        T(test_strangers_are_found),
        T(test_a_stranger_relays),
        T(test_who_does_not_relay_is_not_found),
        T(test_places_are_measured),
        T(test_master_away),
        T(test_who_answers_stays),
        T(test_counters_that_are_lost),
        T(test_liar),
        T(test_liar_of_taints),
        T(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
