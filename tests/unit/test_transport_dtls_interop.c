/* Our records and OpenSSL's against each other: one end is a plain OpenSSL program's. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/dtls_rig.h"
#include "support/test.h"

enum { PAIRS = 8, MESSAGES = 60 };

static struct dtls_rig *make(bool ours_is_client)
{
    struct dtls_rig *r = dtls_rig_new();
    dtls_rig_ours(r, ours_is_client, "identity.0", 7);
    dtls_rig_plain(r, !ours_is_client, "identity.0", 7);
    return r;
}

static void exchange(struct dtls_rig *r)
{
    struct dtls_end *ends[] = {&r->client, &r->server};
    uint8_t message[1400];
    dtls_rig_run(r);
    for (size_t k = 0; k < 2; k++) {
        struct dtls_end *from = ends[k], *to = ends[1 - k];
        for (size_t i = 0; i < MESSAGES; i++) {
            const size_t n = 1 + i * (sizeof(message) - 1) / (MESSAGES - 1);
            memset(message, (int)i, sizeof(message));
            to->got_count = 0;
            dtls_end_send(from, VN_SPAN(message, n));
            dtls_rig_run(r);
            assert_int_equal(to->got_count, 1);
            assert_span_equal(VN_SPAN(to->got[0].b, to->got[0].n), VN_SPAN(message, n));
        }
    }
}

static void both_roles_both_ways(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct dtls_rig *r = make(role);
        assert_true(dtls_rig_connect(r, 10000));
        exchange(r);
        (void)dtls_rig_free(r);
    }
}

/* close_notify, from either end, in either role: told, and answered by the other's own. */
static void closing(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        for (int who = 0; who < 2; who++) {
            struct dtls_rig *r = make(role);
            assert_true(dtls_rig_connect(r, 10000));
            dtls_end_close(who ? &r->client : &r->server);
            (void)dtls_rig_carry(r, who ? &r->client : &r->server);
            assert_true(dtls_end_closed(who ? &r->server : &r->client));
            (void)dtls_rig_carry(r, who ? &r->server : &r->client);
            assert_true(dtls_end_closed(who ? &r->client : &r->server));
            (void)dtls_rig_free(r);
        }
    }
}

/* Flights lost, repeated and reordered; many at once, since the timers are real ones. */
static void bad_links(void **state)
{
    (void)state;
    struct dtls_rig *rigs[PAIRS];
    bool done[PAIRS] = {false};
    size_t open = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        rigs[i] = make(i % 2);
        rigs[i]->loss = 25;
        rigs[i]->repeat = rigs[i]->reorder = 20;
        dtls_rig_start(rigs[i]);
    }
    const uint64_t end = vn_clock_mono_us() + 30000000;
    for (; open < PAIRS && vn_clock_mono_us() < end; usleep(1000)) {
        for (size_t i = 0; i < PAIRS; i++) {
            dtls_rig_timers(rigs[i]);
            dtls_rig_run(rigs[i]);
            if (!done[i] && dtls_end_open(&rigs[i]->client) && dtls_end_open(&rigs[i]->server)) {
                done[i] = true;
                open++;
            }
        }
    }
    assert_int_equal(open, PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        rigs[i]->loss = rigs[i]->repeat = rigs[i]->reorder = 0;
        exchange(rigs[i]);
        (void)dtls_rig_free(rigs[i]);
    }
}

/* Records of ours that arrive twice, or in another order, are no trouble for OpenSSL, and back. */
static void data_out_of_order(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct dtls_rig *r = make(role);
        assert_true(dtls_rig_connect(r, 10000));
        struct dtls_end *ends[] = {&r->client, &r->server};
        for (size_t k = 0; k < 2; k++) {
            struct dtls_end *from = ends[k], *to = from->peer;
            for (uint8_t i = 0; i < 10; i++)
                dtls_end_send(from, VN_SPAN(&i, 1));
            to->got_count = 0;
            for (size_t twice = 0; twice < 2; twice++)
                for (size_t i = 10; i-- > 0;)
                    dtls_end_take(to, VN_SPAN(from->sent[i].b, from->sent[i].n));
            from->count = 0;
            assert_int_equal(to->got_count, 10);
            for (size_t i = 0; i < 10; i++)
                assert_int_equal(to->got[i].b[0], 9 - i);
        }
        (void)dtls_rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_roles_both_ways),
        cmocka_unit_test(closing),
        cmocka_unit_test(bad_links),
        cmocka_unit_test(data_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
