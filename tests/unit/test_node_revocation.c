/* Revocation binds who does not cooperate, and is believed to Guardian alone. */
#include "base/limits.h"
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

static bool cut_off(void *arg)
{
    struct vn_node_status s = vn_world_status(arg);
    return s.stream_tx_count == 0 && s.stream_rx_count == 0;
}

/* Publishes the entries (after, to] as Guardian does. */
static void publish(struct vn_world *w, uint64_t after, uint64_t to)
{
    struct vn_buf list;
    vn_mem_authority_list(w->authority, after, to, &list);
    vn_mem_broker_inject(w->broker, "a.rev", list.p, list.len);
    vn_buf_done(&list);
}

/* As publish, but only to this node: the others' subscriptions are lost meanwhile. */
static void publish_to(struct vn_world *w, struct vn_world_node *who, uint64_t after, uint64_t to)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct vn_control *c = vn_mem_client_port(w->nodes[i].client);
        if (&w->nodes[i] != who)
            c->unsubscribe(c->self, "a.rev");
    }
    publish(w, after, to);
    vn_world_run(w, 10);
    for (size_t i = 0; i < w->count; i++) {
        const struct vn_control *c = vn_mem_client_port(w->nodes[i].client);
        if (&w->nodes[i] != who)
            assert_ok(c->subscribe(c->self, "a.rev", NULL));
    }
}

static void meet(struct vn_world_node *a, struct vn_world_node *b)
{
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
}

static int setup(void **state)
{
    vn_world_setup(state);
    struct vn_world *w = *state;
    meet(&w->nodes[0], &w->nodes[1]);
    return 0;
}

/* What Guardian takes from a member; the member's node hears nothing of it. */
static uint64_t take_taint_behind_its_back(struct vn_world *w, struct vn_world_node *n)
{
    struct vn_mem_member *m = vn_mem_authority_member(w->authority, n->member);
    return vn_mem_authority_revoke(w->authority, n->member, ++m->number);
}

static void test_uncooperative_node_is_cut(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    uint64_t number = take_taint_behind_its_back(w, b);
    publish_to(w, a, 0, number);
    vn_world_run(w, 500);
    assert_true(vn_world_ping(b, a, false, 100) < 100); /* a second to show the new statement */
    assert_true(vn_world_until(w, cut_off, a, 1000));
    vn_world_run(w, 10);
    /* It begins anew with the statement it likes. */
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
    assert_true(vn_world_status(a).drops[VN_NDROP_STATEMENT] > 0);
    assert_true(vn_world_ping(a, b, false, 5000) == UINT64_MAX);
    vn_world_run(w, 30000); /* a tether is any member's, but nothing uses it */
    assert_int_equal(vn_world_status(a).tether_count, 0);
}

/* Asking for ever newer statements does not put off the cut. */
static void test_raising_again_does_not_delay(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    uint64_t after = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t number = take_taint_behind_its_back(w, b);
        publish_to(w, a, after, number);
        after = number;
        vn_world_run(w, 400);
    }
    assert_true(cut_off(a));
}

static void test_cooperative_node_stays(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    vn_world_taints(b, "prod", NULL); /* its new statement is with a already */
    uint64_t number = vn_mem_authority_revoke(
        w->authority, b->member, vn_mem_authority_member(w->authority, b->member)->number);
    publish(w, 0, number);
    vn_world_run(w, 2000);
    assert_int_equal(vn_world_ping(a, b, false, 1000) < 10, true);
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
}

/* A node that lost Guardian's message about itself asks for its statement. */
static void test_own_minimum_renews(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_mem_member *m = vn_mem_authority_member(w->authority, b->member);
    publish(w, 0, vn_mem_authority_revoke(w->authority, b->member, m->number + 1));
    vn_world_run(w, 4000);
    assert_int_equal(m->renewals, 1);
    assert_true(vn_world_ping(a, b, false, 2000) < 100);
}

static void test_revoked_node(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    uint64_t number = vn_mem_authority_revoke(w->authority, b->member, 0);
    publish_to(w, a, 0, number);
    assert_true(cut_off(a)); /* at once */
    assert_int_equal(vn_world_status(a).tether_count, 0);
    assert_true(vn_world_ping(b, a, false, 6000) == UINT64_MAX);
    assert_true(vn_world_ping(a, b, false, 6000) == UINT64_MAX);
    publish_to(w, c, 0, number);
    assert_true(vn_world_ping(b, c, false, 6000) == UINT64_MAX);
    assert_true(vn_world_status(a).drops[VN_NDROP_REVOKED] > 0);
    assert_true(vn_world_status(c).drops[VN_NDROP_REVOKED] > 0);
    assert_true(vn_world_ping(a, c, false, 1000) < 100);
    /* Who joins later knows it too. */
    struct vn_world_node *d = vn_world_add(w, "dave", "home");
    assert_true(vn_world_ping(b, d, false, 6000) == UINT64_MAX);
    assert_true(vn_world_status(d).drops[VN_NDROP_REVOKED] > 0);
    /* The node itself hears of it and stops trying. */
    assert_int_equal(b->refused, 0);
    publish(w, 0, number);
    vn_world_run(w, 10);
    assert_int_equal(b->refused, 1);
    assert_true(cut_off(b));
    /* The session that Guardian has for it may be another node's by now. */
    vn_node_stop(b->node, w->now_us / 1000);
    vn_world_run(w, 100);
    assert_int_equal(b->stopped, 1);
    assert_int_equal(vn_mem_authority_member(w->authority, b->member)->logouts, 0);
}

static void test_forged_and_replayed(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_buf list;
    uint64_t number = vn_mem_authority_revoke(w->authority, b->member, 0);
    vn_mem_authority_list(w->authority, 0, number, &list);
    for (size_t i = 0; i < list.len; i += 61) {
        list.p[i] ^= 1;
        uint64_t drops = vn_world_drops(a);
        vn_mem_broker_inject(w->broker, "a.rev", list.p, list.len);
        vn_world_run(w, 50);
        list.p[i] ^= 1;
        assert_int_equal(vn_world_drops(a), drops + 1);
        assert_false(cut_off(a));
    }
    vn_mem_broker_inject(w->broker, "a.rev", list.p, list.len);
    vn_world_run(w, 10);
    assert_true(cut_off(a));
    uint64_t drops = vn_world_drops(a);
    vn_mem_broker_inject(w->broker, "a.rev", list.p, list.len); /* again: nothing new */
    vn_world_run(w, 10);
    assert_int_equal(vn_world_drops(a), drops);
    vn_buf_done(&list);
}

/* The second entry comes first: it counts at once, and the first is not taken for known. */
static void test_out_of_order(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    assert_true(vn_world_ping(c, a, false, 1000) < 100);
    uint64_t first = vn_mem_authority_revoke(w->authority, b->member, 0);
    uint64_t second = vn_mem_authority_revoke(w->authority, c->member, 0);
    struct vn_node_link links[4];
    publish(w, first, second);
    vn_world_run(w, 10);
    assert_int_equal(vn_node_links(a->node, links, 4), 1);
    publish(w, 0, first);
    vn_world_run(w, 10);
    assert_int_equal(vn_node_links(a->node, links, 4), 0);
}

static bool renewed(void *arg)
{
    return ((struct vn_mem_member *)arg)->renewals > 0;
}

/* A gap is closed by a renewal while Guardian is there. */
static void test_lost_list_is_fetched_from_guardian(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    uint64_t first = vn_mem_authority_revoke(w->authority, b->member, 0);
    uint64_t second = vn_mem_authority_revoke(w->authority, c->member, 0);
    publish_to(w, a, first, second);
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    struct vn_mem_member *m = vn_mem_authority_member(w->authority, a->member);
    assert_true(vn_world_until(w, renewed, m, 32000));
    vn_world_run(w, 10);
    assert_true(cut_off(a));
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
}

/* Guardian is away: who missed the list learns it from whom it next shakes hands with. */
static void test_peer_tells(void **state)
{
    (void)state;
    for (int initiator_lacks_it = 0; initiator_lacks_it < 2; initiator_lacks_it++) {
        struct vn_world w;
        struct vn_world_node *a, *b;
        vn_world_pair(&w, VN_SUITE_DEFAULT, "home", &a, &b);
        meet(a, b);
        struct vn_world_node *c = vn_world_add(&w, "carol", "home");
        uint64_t last = 0;
        for (int i = 0; i < 7; i++) { /* several lists, more than one message holds */
            uint64_t number = vn_mem_authority_revoke(w.authority, b->member, i ? 0 : 1);
            publish_to(&w, c, last, number);
            last = number;
        }
        assert_false(cut_off(a));
        assert_true(initiator_lacks_it ? vn_world_ping(a, c, false, 1000) < 100
                                       : vn_world_ping(c, a, false, 1000) < 100);
        vn_world_run(&w, 100);
        struct vn_node_link links[4];
        assert_int_equal(vn_node_links(a->node, links, 4), 1);
        assert_memory_equal(&links[0].node, &vn_mem_authority_member(w.authority, c->member)->node,
                            sizeof(links[0].node));
        vn_world_done(&w);
    }
}

static void test_expiry_forgets(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    a = vn_world_add(&w, "alice", "home");
    b = vn_world_add(&w, "bob", "home");
    vn_mem_authority_set_life(w.authority, 20000);
    uint64_t number = vn_mem_authority_revoke(w.authority, b->member, 0);
    publish_to(&w, a, 0, number);
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
    uint64_t drops = vn_world_status(a).drops[VN_NDROP_REVOKED];
    assert_true(drops > 0);
    vn_world_run(&w, 20000);
    assert_true(vn_world_ping(b, a, false, 5000) < 5000);
    assert_int_equal(vn_world_status(a).drops[VN_NDROP_REVOKED], drops);
    vn_world_done(&w);
}

static struct vn_world *filling;
static size_t filled;

/* Lists of 250 entries each; `filled` is in the first one, all others are nobody's. */
static void long_answer(struct vn_credentials *c)
{
    static struct vn_revocation_list l;
    const struct test_realm *r = vn_mem_authority_realm(filling->authority);
    for (uint64_t number = 0; number < 4000;) {
        struct vn_blob *b = &c->revocations[c->revocation_count++];
        l = (struct vn_revocation_list){.realm = r->id, .after = number};
        for (l.count = 0; l.count < 250; l.count++) {
            struct vn_revocation *e = &l.entries[l.count];
            *e = (struct vn_revocation){
                .number = ++number, .kind = VN_REVOKE_NODE, .until_ms = TEST_NOW_MS + 86400000};
            if (number == 1)
                e->node = vn_mem_authority_member(filling->authority, filled)->node;
            else
                memcpy(e->node.b, &number, sizeof(number));
        }
        l.to = number;
        b->p = malloc(VN_REVOCATION_LIST_MAX);
        assert_non_null(b->p);
        assert_ok(vn_revocation_list_issue(&l, r->command, b->p, &b->n));
    }
}

/* Who logs in after 4,000 nodes were revoked knows all of them, and misses nothing afterwards. */
static void test_long_login_answer(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    filling = w;
    filled = b->member;
    vn_mem_authority_member(w->authority, a->member)->change = long_answer;
    vn_world_kill(a);
    vn_world_revive(a);
    assert_int_equal(a->node->revocations.number, 4000);
    assert_true(vn_world_ping(b, a, false, 5000) == UINT64_MAX);
    assert_true(vn_world_status(a).drops[VN_NDROP_REVOKED] > 0);

    static struct vn_revocation_list next;
    static uint8_t bytes[VN_REVOCATION_LIST_MAX];
    size_t n;
    next = (struct vn_revocation_list){
        .realm = vn_mem_authority_realm(w->authority)->id, .after = 4000, .to = 4001, .count = 1};
    next.entries[0] = (struct vn_revocation){.number = 4001,
                                             .kind = VN_REVOKE_NODE,
                                             .node = {{9, 9, 9}},
                                             .until_ms = TEST_NOW_MS + 86400000};
    assert_ok(
        vn_revocation_list_issue(&next, vn_mem_authority_realm(w->authority)->command, bytes, &n));
    vn_mem_broker_inject(w->broker, "a.rev", bytes, n);
    vn_world_run(w, 32000);
    assert_int_equal(a->node->revocations.number, 4001);
    assert_int_equal(vn_mem_authority_member(w->authority, a->member)->renewals, 0);
}

/* More than a node keeps: the oldest go, the newest count, and nothing else happens. */
static void test_bounded(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    const struct test_realm *r = vn_mem_authority_realm(w->authority);
    static struct vn_revocation_list l;
    static uint8_t bytes[VN_REVOCATION_LIST_MAX];
    uint64_t number = 0;
    for (size_t i = 0; i < VN_REVOCATIONS_MAX / VN_REVOCATION_ENTRIES_MAX + 2; i++) {
        l = (struct vn_revocation_list){.realm = r->id, .after = number};
        for (l.count = 0; l.count < VN_REVOCATION_ENTRIES_MAX; l.count++) {
            struct vn_revocation *e = &l.entries[l.count];
            *e = (struct vn_revocation){
                .number = ++number, .kind = VN_REVOKE_NODE, .until_ms = TEST_NOW_MS + 86400000};
            memcpy(e->node.b, &number, sizeof(number));
        }
        l.to = number;
        size_t n;
        assert_ok(vn_revocation_list_issue(&l, r->command, bytes, &n));
        vn_mem_broker_inject(w->broker, "a.rev", bytes, n);
        vn_world_run(w, 50);
    }
    assert_int_equal(vn_world_drops(a), 0);
    assert_true(vn_world_ping(a, b, false, 1000) < 10);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, setup, vn_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(test_uncooperative_node_is_cut),
        PAIR(test_raising_again_does_not_delay),
        PAIR(test_cooperative_node_stays),
        PAIR(test_own_minimum_renews),
        PAIR(test_revoked_node),
        PAIR(test_forged_and_replayed),
        PAIR(test_out_of_order),
        PAIR(test_lost_list_is_fetched_from_guardian),
        cmocka_unit_test(test_peer_tells),
        cmocka_unit_test(test_expiry_forgets),
        PAIR(test_long_login_answer),
        PAIR(test_bounded),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
