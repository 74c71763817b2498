/* Ways that a node chooses itself: a relay where there is no direct one, and back. */
#include <stdlib.h>

#include "anchor.pb-c.h"
#include "base/log.h"
#include "core/node_i.h"
#include "support/test.h"
#include "support/world_way.h"

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c, *d;
};

/* a and b cannot reach each other; c and d are members like them. */
static void setup(struct scene *s, bool cut)
{
    memset(s, 0, sizeof(*s));
    vn_world_init(&s->w, VN_SUITE_DEFAULT);
    s->c = vn_world_add(&s->w, "carol", "home");
    s->d = vn_world_add(&s->w, "dave", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    vn_world_cut(s->a, s->b, cut);
}

/* Nobody named a relay: it asks whom it may reach, and goes through one of those. */
static void test_found_when_needed(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    uint64_t cold = vn_world_ping(s.a, s.b, false, 10000);
    assert_in_range(cold, VN_DIRECT_WAIT_MS, 3500);
    assert_non_null(world_relay(s.a, s.b));
    assert_int_equal(1, vn_world_counters(world_relay(s.a, s.b)).frames_relayed);
    /* b goes its own way, perhaps through the other one. */
    assert_true(vn_world_ping(s.b, s.a, false, 10000) < 3500);
    for (int i = 0; i < 100; i++) {
        assert_true(vn_world_ping(s.a, s.b, false, 1000) < 20);
        vn_world_run(&s.w, 200); /* the direct tether fails meanwhile */
    }
    assert_int_equal(0, s.a->unreachables);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* The direct path comes back: the stream moves, without a gap and under the same keys. */
static void test_moves_back(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3500);
    vn_world_cut(s.a, s.b, false);
    bool moved = false;
    for (int i = 0; i < 1000 && !moved; i++) {
        assert_true(vn_world_ping(s.a, s.b, false, 1000) < 20);
        vn_world_run(&s.w, 100);
        moved = !world_relay(s.a, s.b);
    }
    assert_true(moved);
    uint64_t relayed =
        vn_world_counters(s.c).frames_relayed + vn_world_counters(s.d).frames_relayed;
    assert_true(vn_world_ping(s.a, s.b, false, 1000) < 20);
    assert_int_equal(relayed,
                     vn_world_counters(s.c).frames_relayed + vn_world_counters(s.d).frames_relayed);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* The direct path dies under a stream: it goes on through a relay. */
static void test_direct_dies(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, false);
    assert_true(vn_world_ping(s.a, s.b, false, 5000) < 100);
    assert_null(world_relay(s.a, s.b));
    vn_world_cut(s.a, s.b, true);
    unsigned lost = 0;
    while (lost < 20 && vn_world_ping(s.a, s.b, false, 500) == UINT64_MAX)
        lost++;
    /* Until the silence is noticed: by the learner, if it has a standby, else by the tether; then a
     * second for a direct way. */
    assert_in_range(lost, 1, VN_MEM_SILENT_US / 500000 + 5);
    assert_non_null(world_relay(s.a, s.b));
    assert_int_equal(0, s.a->unreachables);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* The relay dies too: the other one takes over. */
static void test_relay_dies(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3500);
    struct vn_world_node *first = world_relay(s.a, s.b);
    vn_world_kill(first);
    vn_mem_net_break_of(s.w.net, vn_world_owner(first), VN_TETHER_DOWN_SILENT);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3000);
    struct vn_world_node *second = world_relay(s.a, s.b);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_int_equal(0, s.a->unreachables);
    vn_world_done(&s.w);
}

/* Nobody relays: a prompt unreachable. */
static void test_nobody_relays(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    s.c->no_relay = s.d->no_relay = true;
    vn_world_restart(s.c);
    vn_world_restart(s.d);
    assert_int_equal(UINT64_MAX, vn_world_ping(s.a, s.b, false, VN_TETHER_CONNECT_MS + 2000));
    assert_true(s.a->unreachables >= 1);
    assert_int_equal(0, vn_world_counters(s.c).frames_relayed);
    vn_world_done(&s.w);
}

static void rule(struct scene *s, enum vn_relay_rule relay)
{
    struct vn_buf word;
    vn_mem_authority_rule(s->w.authority, VN_ACCESS_TAINTS, relay, &word);
    vn_mem_broker_inject(s->w.broker, "a.rev", word.p, word.len);
    vn_world_run(&s->w, 100);
    vn_buf_done(&word);
}

/* The realm forbids relays: what goes through them ends, nobody asks them, and who has no other way
 * is unreachable. */
static void test_realm_forbids_relays(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3500);
    struct vn_world_node *relay = world_relay(s.a, s.b);
    rule(&s, VN_RELAYS_NONE);
    assert_int_equal(0, vn_world_status(relay).relay_count);
    assert_false(vn_world_status(relay).relay_allowed);
    uint64_t refused =
        vn_world_status(s.c).drops[VN_NDROP_CIRCUIT] + vn_world_status(s.d).drops[VN_NDROP_CIRCUIT];
    assert_int_equal(UINT64_MAX, vn_world_ping(s.a, s.b, false, VN_TETHER_CONNECT_MS + 2000));
    assert_true(s.a->unreachables >= 1);
    assert_int_equal(refused, vn_world_status(s.c).drops[VN_NDROP_CIRCUIT] +
                                  vn_world_status(s.d).drops[VN_NDROP_CIRCUIT]);
    rule(&s, VN_RELAYS_ALL);
    vn_world_run(&s.w, VN_UNREACHABLE_MS);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3500);
    assert_non_null(world_relay(s.a, s.b));
    vn_world_done(&s.w);
}

static void test_public_nodes_relay(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    s.c->node->cfg.public = true;
    rule(&s, VN_RELAYS_PUBLIC);
    assert_true(vn_world_status(s.c).relay_allowed);
    assert_false(vn_world_status(s.d).relay_allowed);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 10000); /* d refused it, perhaps */
    assert_ptr_equal(s.c, world_relay(s.a, s.b));
    vn_world_done(&s.w);
}

/* carol is in DE, dave in FR, and the settings of alice say what to make of it. */
static void settle(struct scene *s, const char *avoid, const char *prefer)
{
    static const char *const WHERE[] = {"DE", "FR"};
    struct vn_world_node *const relays[] = {s->c, s->d};
    for (size_t i = 0; i < 2; i++) {
        struct vn_mem_member *m = vn_mem_authority_member(s->w.authority, relays[i]->member);
        snprintf(m->country, sizeof(m->country), "%s", WHERE[i]);
        vn_world_restart(relays[i]);
    }
    assert_ok(vn_countries_parse(avoid, &s->a->avoid));
    assert_ok(vn_countries_parse(prefer, &s->a->prefer));
    vn_world_restart(s->a);
}

static void test_countries(void **state)
{
    (void)state;
    static const struct {
        const char *avoid, *prefer;
        bool carol, dave; /* who may be taken */
    } CASES[] = {
        {"DE", "", false, true},     {"FR", "", true, false},   {"", "DE", true, false},
        {"", "FR", false, true},     {"DE", "DE", false, true}, {"JP", "JP", true, true},
        {"DE,FR", "", false, false},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        struct scene s;
        setup(&s, true);
        settle(&s, CASES[i].avoid, CASES[i].prefer);
        /* Both are known and near: nothing but the settings tells them apart. */
        assert_true(vn_world_ping(s.a, s.c, false, 5000) < 1000);
        assert_true(vn_world_ping(s.a, s.d, false, 5000) < 1000);
        const uint64_t cold = vn_world_ping(s.a, s.b, false, 8000);
        if (!CASES[i].carol && !CASES[i].dave) {
            assert_true(cold == UINT64_MAX);
        } else {
            assert_true(cold < 5000);
            const struct vn_world_node *relay = world_relay(s.a, s.b);
            assert_true(relay == s.c ? CASES[i].carol : CASES[i].dave);
        }
        vn_world_done(&s.w);
    }
}

/* Guardian tells it to renew. */
static void renew(struct scene *s, const struct vn_world_node *n)
{
    Vn__Nothing none = VN__NOTHING__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    char subject[80];
    struct vn_buf command;
    c.kind_case = VN__COMMAND__KIND_RENEW;
    c.renew = &none;
    vn_mem_authority_command(s->w.authority, n->member, &c, subject, &command);
    vn_mem_broker_inject(s->w.broker, subject, command.p, command.len);
    vn_buf_done(&command);
}

/* What it carries ends with its right, and nothing new goes through it. */
static void test_relays_lose_their_right(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    struct vn_world_node *const relays[] = {s.c, s.d};
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3500);
    const struct vn_world_node *carrier = world_relay(s.a, s.b);
    assert_int_equal((int)vn_world_status(carrier).relay_count, 1);
    for (uint32_t lost = VN_RIGHT_RELAY;; lost = 0) {
        for (size_t i = 0; i < 2; i++) {
            vn_mem_authority_member(s.w.authority, relays[i]->member)->rights_lost = lost;
            renew(&s, relays[i]);
        }
        vn_world_run(&s.w, 1500);
        if (!lost)
            break;
        assert_int_equal((int)vn_world_status(carrier).relay_count, 0);
        assert_true(vn_world_ping(s.a, s.b, false, 8000) == UINT64_MAX);
    }
    /* A packet that meets the last refusal is answered with an unreachable; one of the next goes.
     */
    uint64_t took = UINT64_MAX;
    for (int i = 0; i < 10 && took == UINT64_MAX; i++)
        took = vn_world_ping(s.a, s.b, false, 2000);
    assert_true(took != UINT64_MAX);
    vn_world_done(&s.w);
}

/* a is cut off from b and from every relay, but not from Master, and b answers there: what waits is
 * told soon that there is no way, and every packet after it at once, until there is one. */
static void test_parted(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 3500);
    uint64_t took = UINT64_MAX;
    vn_world_cut(s.a, s.c, true);
    vn_world_cut(s.a, s.d, true);
    uint64_t ms = 0;
    for (; ms < 30000 && s.a->unreachables == 0; ms += 100) {
        vn_world_send(s.a, s.b, false, 1000);
        vn_world_run(&s.w, 100);
    }
    assert_in_range(ms, VN_NO_WAY_MS, VN_MEM_SILENT_US / 1000 + VN_NO_WAY_MS + 500);
    for (int i = 0; i < 60; i++) {
        const size_t before = s.a->unreachables;
        vn_world_send(s.a, s.b, false, 1000);
        vn_world_run(&s.w, 500);
        assert_true(s.a->unreachables > before);
    }
    vn_world_cut(s.a, s.c, false);
    vn_world_cut(s.a, s.d, false);
    for (int i = 0; i < 20 && took == UINT64_MAX; i++)
        took = vn_world_ping(s.a, s.b, false, 1000);
    assert_true(took != UINT64_MAX);
    const size_t before = s.a->unreachables;
    for (int i = 0; i < 20; i++)
        assert_true(vn_world_ping(s.a, s.b, false, 1000) < 100);
    assert_int_equal(before, s.a->unreachables);
    vn_world_done(&s.w);
}

static void add_rule(struct vn_route_rules *l, enum vn_relay_wish wish, const char *what)
{
    struct vn_route_rule r;
    assert_ok(vn_route_rule_parse(wish, what, &r));
    assert_ok(vn_route_rules_put(l, &r));
}

/* Rules by node, by a taint that alice carries too, and by country: who may be taken for the first
 * circuit, when both relays are known and near. */
static void test_rules(void **state)
{
    (void)state;
    static const struct {
        enum vn_relay_wish wish;
        const char *what, *besides; /* excluded */
        bool carol, dave;           /* who may be taken */
    } CASES[] = {
        {VN_RELAY_EXCLUDE, "carol", NULL, false, true},
        {VN_RELAY_EXCLUDE, "10.66.0.2", NULL, true, false},
        {VN_RELAY_PREFER, "dave", NULL, false, true},
        {VN_RELAY_PIN, "fd66::1", NULL, true, false},
        {VN_RELAY_PIN, "carol", "country:DE", false, true},
        {VN_RELAY_EXCLUDE, "taint:lab", NULL, false, true},
        {VN_RELAY_PREFER, "taint:lab", NULL, true, false},
        {VN_RELAY_PIN, "taint:lab", "dave", true, false},
        {VN_RELAY_PREFER, "country:FR", NULL, false, true},
        {VN_RELAY_EXCLUDE, "taint:home", NULL, false, false},
        {VN_RELAY_EXCLUDE, "taint:theirs", NULL, true, true}, /* not alice's: says nothing */
        {VN_RELAY_EXCLUDE, "nobody", NULL, true, true},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        struct scene s;
        setup(&s, true);
        vn_world_taints(s.c, "lab", NULL);
        vn_world_taints(s.a, "lab", NULL);
        add_rule(&s.a->rules, CASES[i].wish, CASES[i].what);
        if (CASES[i].besides)
            add_rule(&s.a->rules, VN_RELAY_EXCLUDE, CASES[i].besides);
        settle(&s, "", "");
        assert_true(vn_world_ping(s.a, s.c, false, 5000) < 1000);
        assert_true(vn_world_ping(s.a, s.d, false, 5000) < 1000);
        const uint64_t cold = vn_world_ping(s.a, s.b, false, 8000);
        const struct vn_world_node *relay = cold == UINT64_MAX ? NULL : world_relay(s.a, s.b);
        if (!CASES[i].carol && !CASES[i].dave)
            assert_null(relay);
        else
            assert_true(relay && (relay == s.c ? CASES[i].carol : CASES[i].dave));
        vn_world_done(&s.w);
    }
}

/* As if it had as many as it may. */
static void fill_tethers(struct vn_world_node *n, bool fill)
{
    struct vn_map *m = n->node->hops.by_handle;
    static size_t added;
    for (; fill && vn_map_count(m) < VN_TETHERS_MAX; added++)
        assert_ok(vn_map_put(m, &(uint32_t){UINT32_MAX - (uint32_t)added}, n));
    for (; !fill && added > 0; added--)
        assert_non_null(vn_map_take(m, &(uint32_t){UINT32_MAX - (uint32_t)added + 1}));
}

/* No tether to the peer can be made, and four relays, which are asked first, have no room: the
 * fifth carries it. */
static void test_four_refuse(void **state)
{
    (void)state;
    static const char *const names[] = {"carol", "dave", "erin", "frank", "grace"};
    struct scene s;
    setup(&s, false);
    struct vn_world_node *relays[] = {s.c, s.d, vn_world_add(&s.w, names[2], "home"),
                                      vn_world_add(&s.w, names[3], "home"),
                                      vn_world_add(&s.w, names[4], "home")};
    const size_t full = VN_ARRAY_LEN(relays) - 1;
    for (size_t i = 0; i < full; i++)
        add_rule(&s.a->rules, VN_RELAY_PREFER, names[i]);
    vn_world_restart(s.a);
    for (size_t i = 0; i <= full; i++) {
        assert_true(vn_world_ping(s.a, relays[i], false, 5000) < 1000);
        relays[i]->node->relaying.count = i < full ? VN_RELAY_CIRCUITS_MAX : 0;
    }
    fill_tethers(s.a, true);
    assert_true(vn_world_ping(s.a, s.b, false, 8000) < 3500);
    assert_int_equal(1, vn_world_counters(relays[full]).frames_relayed);
    for (size_t i = 0; i < full; i++)
        assert_int_equal(1, vn_world_drops_of(relays[i], VN_NDROP_CIRCUIT));
    assert_int_equal(0, s.a->unreachables);
    fill_tethers(s.a, false);
    vn_world_done(&s.w);
}

/* Nor is there a relay: that is told, and nothing waits for ever. */
static void test_no_room_for_a_tether(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, false);
    fill_tethers(s.a, true);
    assert_int_equal(UINT64_MAX, vn_world_ping(s.a, s.b, false, VN_NO_WAY_MS + 1500));
    assert_true(s.a->unreachables > 0);
    fill_tethers(s.a, false);
    vn_world_run(&s.w, VN_UNREACHABLE_MS);
    assert_true(vn_world_ping(s.a, s.b, false, 5000) < 2000);
    vn_world_done(&s.w);
}

/* Nobody here shares a stream with the relays: what they carry comes with their answers. */
static void test_taints_of_strangers(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    vn_world_taints(s.c, "lab", "home");
    vn_world_taints(s.d, "lab", "home");
    vn_world_taints(s.a, "attic", NULL);
    vn_world_taints(s.c, "attic", NULL);
    add_rule(&s.a->rules, VN_RELAY_EXCLUDE, "taint:attic");
    vn_world_restart(s.a);
    assert_true(vn_world_ping(s.a, s.b, false, 10000) < 8000);
    assert_ptr_equal(s.d, world_relay(s.a, s.b));
    const struct vn_id b = vn_world_status(s.b).node, c = vn_world_status(s.c).node;
    struct vn_node_way ways[VN_NODE_WAYS_MAX];
    const size_t count = vn_node_ways(s.a->node, &b, ways, VN_ARRAY_LEN(ways));
    for (size_t i = 1; i < count; i++) {
        if (!vn_id_equal(&ways[i].relay, &c))
            continue;
        assert_string_equal("unwanted", ways[i].why);
        assert_string_equal("exclude", ways[i].wish);
        assert_string_equal("taint:attic", ways[i].rule);
    }
    vn_world_done(&s.w);
}

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_when_needed),
        cmocka_unit_test(test_moves_back),
        cmocka_unit_test(test_direct_dies),
        cmocka_unit_test(test_relay_dies),
        cmocka_unit_test(test_nobody_relays),
        cmocka_unit_test(test_realm_forbids_relays),
        cmocka_unit_test(test_public_nodes_relay),
        cmocka_unit_test(test_countries),
        cmocka_unit_test(test_relays_lose_their_right),
        cmocka_unit_test(test_parted),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_four_refuse),
        cmocka_unit_test(test_no_room_for_a_tether),
        cmocka_unit_test(test_taints_of_strangers),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
