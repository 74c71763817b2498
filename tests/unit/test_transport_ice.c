/* Two ICE agents on a virtual wire with a virtual clock: 1 ms each way, losses and broken links by
 * rule. */
#include "transport/ice.h"

#include <stdlib.h>

#include "support/test.h"
#include "support/test_io.h"
#include "transport/limits.h"
#include "transport/stun.h"
#include "transport/udp.h"

#define MS 1000ull
#define PACKETS_MAX 256

struct agent {
    struct world *w;
    struct vn_ice *ice;
    struct vn_ice_params params;
    struct vn_candidate locals[4];
    size_t local_count;
    struct vn_ice_than than;
    unsigned sent;
};

struct packet {
    uint64_t at_us;
    struct agent *to;
    size_t local;
    struct vn_addr from;
    uint8_t b[VN_STUN_BYTES_MAX];
    size_t n;
};

struct world {
    uint64_t now_us;
    struct agent a, b;
    struct packet *wire;
    size_t count;
    uint64_t delay_us;
    unsigned drop_first; /* so many packets are lost */
    size_t mtu;          /* 0: any */
    bool (*passes)(const struct vn_addr *from, const struct vn_addr *to);
    struct vn_addr nat; /* port not 0: what b sees instead of a's address */
};

static struct vn_addr addr_of(const char *ip, uint16_t port)
{
    struct vn_addr a = {.port = port};
    assert_ok(vn_ip_parse(ip, &a.ip));
    return a;
}

static struct agent *owner(struct world *w, const struct vn_addr *to, size_t *ret_local)
{
    struct agent *both[] = {&w->a, &w->b};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < both[k]->local_count; i++)
            if (vn_addr_equal(&both[k]->locals[i].addr, to)) {
                *ret_local = i;
                return both[k];
            }
    return NULL;
}

static void on_send(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram)
{
    struct agent *from = arg;
    struct world *w = from->w;
    struct packet p = {
        .at_us = w->now_us + w->delay_us, .from = from->locals[local].addr, .n = datagram.n};
    from->sent++;
    if (w->drop_first) {
        w->drop_first--;
        return;
    }
    if (w->mtu && datagram.n > w->mtu)
        return;
    struct vn_addr dst = *to;
    if (w->nat.port && from == &w->a)
        p.from = w->nat;
    if (w->nat.port && vn_addr_equal(&dst, &w->nat))
        dst = w->a.locals[0].addr;
    p.to = owner(w, &dst, &p.local);
    if (!p.to || (w->passes && !w->passes(&p.from, &dst)) || w->count == PACKETS_MAX)
        return;
    memcpy(p.b, datagram.p, datagram.n);
    w->wire[w->count++] = p;
}

static void make(struct world *w, struct agent *e, bool controlling, uint64_t tie_breaker, char c)
{
    memset(e->params.ufrag, c, VN_ICE_UFRAG_LEN);
    memset(e->params.pwd, c + 1, VN_ICE_PWD_LEN);
    e->w = w;
    const struct vn_ice_config cfg = {.local = e->params,
                                      .controlling = controlling,
                                      .than = e->than,
                                      .tie_breaker = tie_breaker,
                                      .random = test_random(),
                                      .arg = e,
                                      .send = on_send};
    assert_ok(vn_ice_new(&cfg, &e->ice));
}

static void add_local(struct agent *e, const char *ip)
{
    struct vn_addr addr = addr_of(ip, (uint16_t)(4000 + e->local_count));
    size_t i = e->local_count++;
    assert_ok(vn_ice_add_local(e->ice, VN_CAND_HOST, &addr, (uint16_t)(65535 - i), &e->locals[i]));
}

static void add_relay(struct agent *e, const char *ip)
{
    struct vn_addr addr = addr_of(ip, (uint16_t)(5000 + e->local_count));
    size_t i = e->local_count++;
    assert_ok(vn_ice_add_local(e->ice, VN_CAND_RELAY, &addr, (uint16_t)(65535 - i), &e->locals[i]));
    assert_int_equal(e->locals[i].type, VN_CAND_RELAY);
    assert_int_equal(e->locals[i].priority >> 24, 0); /* RFC 8445 section 5.1.2.2 */
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    if (!w)
        return -1;
    w->wire = calloc(PACKETS_MAX, sizeof(*w->wire));
    w->now_us = 1000 * MS;
    w->delay_us = MS;
    make(w, &w->a, true, 5, 'a');
    make(w, &w->b, false, 6, 'm');
    *state = w;
    return w->wire ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    (void)vn_ice_free(w->a.ice);
    (void)vn_ice_free(w->b.ice);
    free(w->wire);
    free(w);
    return 0;
}

static void signal_all(struct world *w, const struct agent *from, struct agent *to)
{
    for (size_t i = 0; i < from->local_count; i++)
        vn_ice_add_remote(to->ice, &from->locals[i], w->now_us);
}

static void start(struct world *w, struct agent *e, const struct agent *peer)
{
    assert_ok(vn_ice_start(e->ice, &peer->params, w->now_us));
}

static void start_both(struct world *w)
{
    signal_all(w, &w->a, &w->b);
    start(w, &w->b, &w->a);
    signal_all(w, &w->b, &w->a);
    start(w, &w->a, &w->b);
}

/* Moves the world to the next event; false when nothing would ever happen. */
static bool step(struct world *w)
{
    uint64_t next = VN_MIN(vn_ice_deadline(w->a.ice), vn_ice_deadline(w->b.ice));
    for (size_t i = 0; i < w->count; i++)
        next = VN_MIN(next, w->wire[i].at_us);
    if (next == UINT64_MAX)
        return false;
    w->now_us = VN_MAX(w->now_us, next);
    for (size_t i = 0; i < w->count;) {
        if (w->wire[i].at_us > w->now_us) {
            i++;
            continue;
        }
        struct packet p = w->wire[i];
        memmove(&w->wire[i], &w->wire[i + 1], (--w->count - i) * sizeof(p));
        (void)vn_ice_input(p.to->ice, p.local, &p.from, VN_SPAN(p.b, p.n), w->now_us);
    }
    vn_ice_tick(w->a.ice, w->now_us);
    vn_ice_tick(w->b.ice, w->now_us);
    return true;
}

static bool both_in(struct world *w, enum vn_ice_state state, uint64_t max_us)
{
    uint64_t end = w->now_us + max_us;
    for (int i = 0; i < 20000; i++) {
        if (vn_ice_state(w->a.ice) == state && vn_ice_state(w->b.ice) == state)
            return true;
        if (w->now_us > end || !step(w))
            return false;
    }
    fail_msg("the agents run in circles");
    return false;
}

static void same_pair(struct world *w, struct vn_ice_selected *ret_a)
{
    struct vn_ice_selected a, b;
    assert_true(vn_ice_selected(w->a.ice, &a) && vn_ice_selected(w->b.ice, &b));
    assert_true(vn_addr_equal(&a.local_addr, &b.remote_addr));
    assert_true(vn_addr_equal(&a.remote_addr, &b.local_addr));
    *ret_a = a;
}

static void selects_the_best_pair_in_two_round_trips(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    add_local(&w->a, "2001:db8::1");
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "2001:db8::2");
    add_local(&w->b, "192.0.2.2");
    uint64_t began = w->now_us;
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    assert_in_range(w->now_us - began, 4 * MS, 6 * MS);
    same_pair(w, &pair);
    assert_true(!vn_ip_is_v4(&pair.local_addr.ip));
    assert_true(pair.local_type == VN_CAND_HOST && pair.remote_type == VN_CAND_HOST);
    assert_true(vn_ice_is_valid(w->a.ice, pair.local, &pair.remote_addr));
    assert_true(vn_ice_srtt_us(w->a.ice) == 2 * MS);
}

/* Checks cross on the way: each side's triggered check and nomination overtake answers to earlier
 * ones. */
static void long_paths_need_few_checks(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    static const uint64_t delays[] = {6, 40, 90, 300};
    for (size_t i = 0; i < VN_ARRAY_LEN(delays); i++) {
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        w = *state;
        w->delay_us = delays[i] * MS;
        add_local(&w->a, "192.0.2.1");
        add_local(&w->b, "192.0.2.2");
        start_both(w);
        assert_true(both_in(w, VN_ICE_SELECTED, 5000 * MS));
        same_pair(w, &pair);
        for (int k = 0; k < 1000 && step(w); k++)
            ;
        assert_in_range(w->a.sent, 6, 24);
    }
}

static bool only_v4(const struct vn_addr *from, const struct vn_addr *to)
{
    (void)to;
    return vn_ip_is_v4(&from->ip);
}

static void a_dead_better_pair_costs_a_moment(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    w->passes = only_v4;
    add_local(&w->a, "2001:db8::1");
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "2001:db8::2");
    add_local(&w->b, "192.0.2.2");
    uint64_t began = w->now_us;
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    assert_in_range(w->now_us - began, VN_ICE_NOMINATE_WAIT_US, VN_ICE_NOMINATE_WAIT_US + 20 * MS);
    same_pair(w, &pair);
    assert_true(vn_ip_is_v4(&pair.local_addr.ip));
}

/* The offerer's peer starts at once; its checks arrive before the answer does. */
static unsigned direct_from; /* checks between hosts that are lost at first */

static bool relays_only(const struct vn_addr *from, const struct vn_addr *to)
{
    if (from->port >= 5000 || to->port >= 5000)
        return true;
    if (direct_from == 0)
        return true;
    direct_from--;
    return false;
}

/* A relayed pair works at once, the direct one after some losses: it is worth the wait. */
static void a_direct_pair_is_waited_for(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    w->passes = relays_only;
    direct_from = 3;
    add_local(&w->a, "192.0.2.1");
    add_relay(&w->a, "192.0.2.100");
    add_local(&w->b, "192.0.2.2");
    add_relay(&w->b, "192.0.2.101");
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    same_pair(w, &pair);
    assert_int_equal(direct_from, 0);
    assert_true(pair.local_type == VN_CAND_HOST && pair.remote_type == VN_CAND_HOST);
}

static void a_relay_is_taken_in_the_end(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    const uint64_t began = w->now_us;
    w->passes = relays_only;
    direct_from = 1000000;
    add_local(&w->a, "192.0.2.1");
    add_relay(&w->a, "192.0.2.100");
    add_local(&w->b, "192.0.2.2");
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 2000 * MS));
    assert_in_range(w->now_us - began, VN_ICE_NOMINATE_RELAY_US,
                    VN_ICE_NOMINATE_RELAY_US + 50 * MS);
    same_pair(w, &pair);
    assert_int_equal(pair.local_type, VN_CAND_RELAY);
}

/* Where only relays may be used nobody waits for a direct pair; and a check that comes before the
 * candidate does not make a relayed address look like a direct one. */
static void relays_among_themselves(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    const uint64_t began = w->now_us;
    add_relay(&w->a, "192.0.2.100");
    add_relay(&w->b, "192.0.2.101");
    signal_all(w, &w->b, &w->a);
    start(w, &w->a, &w->b);
    start(w, &w->b, &w->a); /* which learns a's address by its check */
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    assert_in_range(w->now_us - began, 0, VN_ICE_NOMINATE_WAIT_US);
    same_pair(w, &pair);
    assert_true(vn_ice_selected(w->b.ice, &pair));
    assert_int_equal(pair.remote_type, VN_CAND_PRFLX);
    struct vn_addr known[4];
    assert_int_equal(vn_ice_remotes(w->b.ice, known, 4), 1);
    assert_true(vn_addr_equal(&known[0], &w->a.locals[0].addr));
}

static void checks_before_the_answer_are_answered_and_remembered(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    signal_all(w, &w->a, &w->b);
    start(w, &w->b, &w->a);
    for (int i = 0; i < 20 && !vn_ice_is_valid(w->b.ice, 0, &w->a.locals[0].addr); i++)
        (void)step(w);
    assert_true(vn_ice_is_valid(w->b.ice, 0, &w->a.locals[0].addr));
    assert_int_equal(vn_ice_state(w->a.ice), VN_ICE_NEW);
    /* No candidate of b is ever signalled: a knows it from the checks (peer-reflexive). */
    uint64_t began = w->now_us;
    start(w, &w->a, &w->b);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    assert_in_range(w->now_us - began, 3 * MS, 6 * MS);
    same_pair(w, &pair);
    assert_int_equal(pair.remote_type, VN_CAND_PRFLX);
}

/* As other implementations choose them, and as they may not. */
static void credentials_of_other_lengths(void **state)
{
    (void)state;
    static const size_t lens[][2] = {
        {VN_ICE_UFRAG_MIN, VN_ICE_PWD_MIN}, {VN_ICE_UFRAG_MAX, VN_ICE_PWD_MAX}, {8, 21}, {3, 24}};
    for (size_t i = 0; i < VN_ARRAY_LEN(lens); i++)
        for (int early = 0; early < 2; early++) {
            void *fresh;
            assert_int_equal(set_up(&fresh), 0);
            struct world *w = fresh;
            w->b.ice = vn_ice_free(w->b.ice);
            memset(&w->b.params, 0, sizeof(w->b.params));
            memset(w->b.params.ufrag, 'x', lens[i][0]);
            memset(w->b.params.pwd, 'y', lens[i][1]);
            const struct vn_ice_config cfg = {.local = w->b.params,
                                              .tie_breaker = 6,
                                              .random = test_random(),
                                              .arg = &w->b,
                                              .send = on_send};
            assert_ok(vn_ice_new(&cfg, &w->b.ice));
            add_local(&w->a, "192.0.2.1");
            add_local(&w->b, "192.0.2.2");
            signal_all(w, &w->a, &w->b);
            start(w, &w->b, &w->a);
            while (early && i < 2 && !vn_ice_is_valid(w->b.ice, 0, &w->a.locals[0].addr))
                assert_true(step(w));
            if (i < 2) {
                start(w, &w->a, &w->b);
                assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
            } else {
                assert_status(VN_ERR_ARG, vn_ice_start(w->a.ice, &w->b.params, w->now_us));
            }
            (void)tear_down(&fresh);
        }
}

static void candidates_may_come_last(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    start(w, &w->a, &w->b);
    start(w, &w->b, &w->a);
    w->now_us += 300 * MS;
    signal_all(w, &w->b, &w->a);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    same_pair(w, &pair);
}

static void a_nat_makes_candidates_peer_reflexive(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected a, b;
    w->nat = addr_of("203.0.113.7", 61000);
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "198.51.100.2");
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    assert_true(vn_ice_selected(w->a.ice, &a) && vn_ice_selected(w->b.ice, &b));
    assert_int_equal(a.local_type, VN_CAND_PRFLX);
    assert_int_equal(b.remote_type, VN_CAND_PRFLX);
    assert_true(vn_addr_equal(&a.local_addr, &w->nat) && vn_addr_equal(&b.remote_addr, &w->nat));
}

static void losses_are_made_good(void **state)
{
    struct world *w = *state;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    w->drop_first = 6;
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 3000 * MS));
}

static void both_controlling(void **state, bool controlling)
{
    struct world *w = *state;
    struct vn_ice_selected pair;
    (void)vn_ice_free(w->a.ice);
    (void)vn_ice_free(w->b.ice);
    make(w, &w->a, controlling, 5, 'a');
    make(w, &w->b, controlling, 6, 'm');
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    same_pair(w, &pair);
}

static void two_controlling_agents_agree(void **state)
{
    both_controlling(state, true);
}

static void two_controlled_agents_agree(void **state)
{
    both_controlling(state, false);
}

static void no_answer_fails_after_ten_seconds(void **state)
{
    struct world *w = *state;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    w->drop_first = UINT32_MAX;
    start_both(w);
    uint64_t began = w->now_us;
    assert_true(both_in(w, VN_ICE_FAILED, 20000 * MS));
    assert_true(w->now_us - began == 10000 * MS);
    assert_in_range(w->a.sent, VN_ICE_TRANSMISSIONS, VN_ICE_TRANSMISSIONS);
    assert_true(vn_ice_deadline(w->a.ice) == UINT64_MAX);
}

static void the_size_probe_tells_long_from_short_paths(void **state)
{
    struct world *w = *state;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    w->mtu = 1300;
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    for (int i = 0; i < 100 && step(w);)
        i++;
    assert_false(vn_ice_full_size_passes(w->a.ice));
}

static void the_size_probe_passes(void **state)
{
    struct world *w = *state;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    w->mtu = VN_UDP_PAYLOAD_MAX_BYTES;
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    uint64_t selected = w->now_us;
    while (!vn_ice_full_size_passes(w->a.ice) && step(w))
        ;
    assert_true(w->now_us - selected <= 2 * MS); /* one round trip */
}

static void consent_is_answered(void **state)
{
    struct world *w = *state;
    add_local(&w->a, "192.0.2.1");
    add_local(&w->b, "192.0.2.2");
    start_both(w);
    assert_true(both_in(w, VN_ICE_SELECTED, 1000 * MS));
    while (step(w))
        ;
    uint64_t before = vn_ice_last_answer_us(w->a.ice);
    w->now_us += 5000 * MS;
    vn_ice_consent_check(w->a.ice, w->now_us);
    while (step(w))
        ;
    assert_true(vn_ice_last_answer_us(w->a.ice) > before);
    assert_true(vn_ice_last_heard_us(w->b.ice) > before);
}

/* ---- hostile input ---- */

static struct vn_span forged(uint8_t *buf, size_t cap, const char *username, const char *pwd,
                             enum vn_stun_class cls, bool priority)
{
    struct vn_writer w = vn_writer_of(buf, cap);
    struct vn_span out;
    struct vn_stun_txid txid = {{1}};
    vn_stun_begin(&w, cls, VN_STUN_BINDING, &txid);
    if (username)
        vn_stun_put_username(&w, VN_SPAN_STR(username));
    if (priority) {
        vn_stun_put_priority(&w, 1);
        vn_stun_put_role(&w, VN_STUN_CONTROLLED, 1);
    }
    assert_ok(vn_stun_end(&w, VN_SPAN_STR(pwd), &out));
    return out;
}

static void strangers_get_silence(void **state)
{
    struct world *w = *state;
    uint8_t buf[256];
    struct vn_addr from = addr_of("198.51.100.66", 666);
    add_local(&w->a, "192.0.2.1");
    const char *pwd = "bbbbbbbbbbbbbbbbbbbbbbbb", *wrong = "bbbbbbbbbbbbbbbbbbbbbbbx";
    struct vn_ice *a = w->a.ice;
    uint64_t now = w->now_us;
    assert_int_equal(vn_ice_input(a, 0, &from, VN_SPAN_LIT("\0\1junk"), now),
                     VN_ICE_DROP_MALFORMED);
    assert_int_equal(
        vn_ice_input(a, 0, &from,
                     forged(buf, sizeof(buf), "aaaaaaaa:mmmmmmmm", wrong, VN_STUN_REQUEST, true),
                     now),
        VN_ICE_DROP_AUTH);
    assert_int_equal(
        vn_ice_input(a, 0, &from,
                     forged(buf, sizeof(buf), "aaaaaaax:mmmmmmmm", pwd, VN_STUN_REQUEST, true),
                     now),
        VN_ICE_DROP_AUTH);
    assert_int_equal(
        vn_ice_input(a, 0, &from, forged(buf, sizeof(buf), NULL, pwd, VN_STUN_REQUEST, true), now),
        VN_ICE_DROP_AUTH);
    assert_int_equal(
        vn_ice_input(a, 0, &from, forged(buf, sizeof(buf), NULL, pwd, VN_STUN_SUCCESS, false), now),
        VN_ICE_DROP_UNKNOWN);
    assert_int_equal(vn_ice_input(a, 0, &from,
                                  forged(buf, sizeof(buf), NULL, pwd, VN_STUN_INDICATION, false),
                                  now),
                     VN_ICE_DROP_UNKNOWN);
    assert_int_equal(w->a.sent, 0);
    /* With the password it is answered; more senders than are remembered are counted. */
    for (unsigned i = 0; i < VN_ICE_EARLY_MAX; i++) {
        from.port = (uint16_t)(1000 + i);
        assert_int_equal(
            vn_ice_input(a, 0, &from,
                         forged(buf, sizeof(buf), "aaaaaaaa:mmmmmmmm", pwd, VN_STUN_REQUEST, true),
                         now),
            VN_ICE_OK);
    }
    from.port = 999;
    assert_int_equal(
        vn_ice_input(a, 0, &from,
                     forged(buf, sizeof(buf), "aaaaaaaa:mmmmmmmm", pwd, VN_STUN_REQUEST, true),
                     now),
        VN_ICE_DROP_LIMIT);
    /* Once the peer is known, only it is. */
    struct vn_ice_params peer = {.ufrag = "zzzzzzzz", .pwd = "yyyyyyyyyyyyyyyyyyyyyyyy"};
    assert_ok(vn_ice_start(a, &peer, now));
    assert_int_equal(
        vn_ice_input(a, 0, &from,
                     forged(buf, sizeof(buf), "aaaaaaaa:mmmmmmmm", pwd, VN_STUN_REQUEST, true),
                     now),
        VN_ICE_DROP_AUTH);
}

static void limits_hold(void **state)
{
    struct world *w = *state;
    struct vn_candidate c = {.type = VN_CAND_HOST, .priority = 1};
    for (size_t i = 0; i < 4; i++)
        add_local(&w->a, "192.0.2.1");
    start(w, &w->a, &w->b);
    for (uint16_t i = 0; i < 100; i++) {
        c.addr = addr_of("198.51.100.9", (uint16_t)(1 + i));
        c.priority = 1u + i;
        vn_ice_add_remote(w->a.ice, &c, w->now_us);
    }
    /* 16 candidates, 4 sockets: 64 pairs, each checked at most 7 times within the ten seconds. */
    while (step(w))
        ;
    assert_int_equal(vn_ice_state(w->a.ice), VN_ICE_FAILED);
    assert_int_equal(w->a.sent, 64 * VN_ICE_TRANSMISSIONS);
}

/* ---- better than another ---- */

static bool only_relays(const struct vn_addr *from, const struct vn_addr *to)
{
    return from->port >= 5000 && to->port >= 5000;
}

/* Both agents begin anew, for a pair that is better than `than`. Whether they find one. */
static bool find_better(struct world *w, const struct vn_ice_than *than)
{
    struct agent *const both[] = {&w->a, &w->b};
    for (size_t i = 0; i < 2; i++) {
        (void)vn_ice_free(both[i]->ice);
        both[i]->local_count = 0;
        both[i]->than = *than;
        make(w, both[i], i == 0, 5 + i, i == 0 ? 'a' : 'm');
    }
    add_local(&w->a, "192.0.2.1");
    add_local(&w->a, "203.0.113.1");
    add_relay(&w->a, "198.51.100.1");
    add_local(&w->b, "192.0.2.2");
    add_relay(&w->b, "198.51.100.2");
    start_both(w);
    if (both_in(w, VN_ICE_SELECTED, 3000 * MS))
        return true;
    assert_false(vn_ice_selected(w->a.ice, &(struct vn_ice_selected){0}));
    assert_false(vn_ice_selected(w->b.ice, &(struct vn_ice_selected){0}));
    return false;
}

static void nothing_is_nominated_but_what_is_better(void **state)
{
    struct world *w = *state;
    struct vn_ice_selected s;
    const struct vn_ice_than none = {.set = false};
    assert_true(find_better(w, &none));
    const struct vn_ice_than best = vn_ice_than(w->a.ice);
    assert_true(best.set && !best.relayed);
    assert_false(vn_ice_could_be_better(w->a.ice));
    assert_false(find_better(w, &best));

    /* its address was the second; the first has a better pair */
    struct vn_ice_than than = best;
    than.local = addr_of("203.0.113.1", 9);
    assert_true(find_better(w, &than));
    same_pair(w, &s);
    assert_true(vn_ip_equal(&s.local_addr.ip, &w->a.locals[0].addr.ip));
    /* on a long path, where checks of both cross, it is the same; */
    w->delay_us = 50 * MS;
    than.rtt_us = 100 * MS;
    assert_true(find_better(w, &than));
    /* but a slower one is none */
    than.rtt_us -= VN_ICE_NOMINATE_WAIT_US + 1;
    assert_false(find_better(w, &than));

    /* anything direct is better than a relay, however slow, and another relay is not */
    than.relayed = true;
    assert_true(find_better(w, &than));
    w->delay_us = MS;
    w->passes = only_relays;
    assert_false(find_better(w, &than));
    assert_true(find_better(w, &none));
    assert_true(vn_ice_than(w->a.ice).relayed);
    assert_true(vn_ice_could_be_better(w->a.ice));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(selects_the_best_pair_in_two_round_trips),
        TEST(long_paths_need_few_checks),
        TEST(a_dead_better_pair_costs_a_moment),
        TEST(a_direct_pair_is_waited_for),
        TEST(a_relay_is_taken_in_the_end),
        TEST(relays_among_themselves),
        TEST(nothing_is_nominated_but_what_is_better),
        TEST(checks_before_the_answer_are_answered_and_remembered),
        cmocka_unit_test(credentials_of_other_lengths),
        TEST(candidates_may_come_last),
        TEST(a_nat_makes_candidates_peer_reflexive),
        TEST(losses_are_made_good),
        TEST(two_controlling_agents_agree),
        TEST(two_controlled_agents_agree),
        TEST(no_answer_fails_after_ten_seconds),
        TEST(the_size_probe_tells_long_from_short_paths),
        TEST(the_size_probe_passes),
        TEST(consent_is_answered),
        TEST(strangers_get_silence),
        TEST(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
