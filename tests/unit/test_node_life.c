/* What a node does when its credentials end, and with credentials that do not verify. */
#include "support/node_world.h"
#include "support/test.h"

#define LIFE_MS 60000

static struct vn_world w;
static struct vn_world_node *a, *b;

static int setup(void **state)
{
    (void)state;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_world_done(&w);
    return 0;
}

static struct vn_mem_member *member(const struct vn_world_node *n)
{
    return vn_mem_authority_member(w.authority, n->member);
}

static bool renewed(void *arg)
{
    return member(arg)->renewals > 0;
}

static size_t streams(void)
{
    const struct vn_node_status sa = vn_world_status(a), sb = vn_world_status(b);
    return sa.stream_tx_count + sa.stream_rx_count + sb.stream_tx_count + sb.stream_rx_count;
}

/* Nobody is asked, and packets flow: the end of certificate and statement closes the stream all the
 * same, at both ends. */
static void streams_end_with_the_credentials(void **state)
{
    (void)state;
    vn_mem_authority_set_life(w.authority, LIFE_MS);
    a = vn_world_add(&w, "alice", "home");
    b = vn_world_add(&w, "bob", "home");
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    member(a)->refuse = member(b)->refuse = VN_ERR_AGAIN;
    /* Packets all the time, so that no stream ends for want of them. */
    const uint64_t came_us = w.now_us;
    uint32_t number = 1000;
    while (w.now_us < came_us + (LIFE_MS - 5000) * UINT64_C(1000)) {
        assert_true(vn_world_ping(a, b, false, 1000) < 100);
        vn_world_run(&w, 500);
    }
    assert_true(streams() > 0);
    while (w.now_us < came_us + (LIFE_MS + 1000) * UINT64_C(1000)) {
        vn_world_send(a, b, false, number++);
        vn_world_run(&w, 500);
    }
    assert_int_equal(streams(), 0);
    assert_true(vn_world_ping(a, b, false, 5000) == UINT64_MAX);
    assert_int_equal(streams(), 0);
    assert_non_null(strstr(vn_world_status(a).control_reason, "credentials have ended"));
    /* Guardian is back after long: so are they, soon. */
    vn_world_run(&w, LIFE_MS * 4);
    member(a)->renewals = member(b)->renewals = 0;
    member(a)->refuse = member(b)->refuse = VN_OK;
    assert_true(vn_world_until(&w, renewed, a, 9000) && vn_world_until(&w, renewed, b, 9000));
    assert_string_equal(vn_world_status(a).control_reason, "");
    assert_true(vn_world_ping(a, b, false, 15000) < 15000);
}

/* Nobody can be asked: packets are answered, not kept, and flow as soon as the channel is back. */
static void unreachable_without_control(void **state)
{
    (void)state;
    a = vn_world_add(&w, "alice", "home");
    b = vn_world_add(&w, "bob", "home");
    vn_mem_broker_set_up(w.broker, false);
    vn_world_run(&w, 100);
    vn_world_send(a, b, false, 1);
    vn_world_run(&w, 3000);
    assert_int_equal(a->unreachables, 0); /* most outages are shorter */
    vn_world_run(&w, 1000);
    assert_true(a->unreachables > 0);
    vn_mem_broker_set_up(w.broker, true);
    vn_world_run(&w, 100);
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
}

/* ---- credentials that do not verify ---- */

static void other_realm(struct vn_credentials *c)
{
    c->realm.id.b[0] ^= 1;
}

static void other_suite(struct vn_credentials *c)
{
    c->realm.suite = VN_SUITE_CNSA;
}

static void bad_root(struct vn_credentials *c)
{
    c->realm.root_cert.p[c->realm.root_cert.n - 1] ^= 1;
}

static void bad_issuing(struct vn_credentials *c)
{
    c->realm.issuing_cert.p[c->realm.issuing_cert.n - 1] ^= 1;
}

static void bad_command(struct vn_credentials *c)
{
    c->realm.command_cert.p[c->realm.command_cert.n - 1] ^= 1;
}

static void bad_certificate(struct vn_credentials *c)
{
    c->certificate.p[c->certificate.n - 1] ^= 1;
}

static void bad_statement(struct vn_credentials *c)
{
    c->statement.p[c->statement.n - 1] ^= 1;
}

static void cut_statement(struct vn_credentials *c)
{
    c->statement.n--;
}

/* The command certificate in the issuing one's place: signed by the root, but for something else.
 */
static void swapped_authorities(struct vn_credentials *c)
{
    const struct vn_blob issuing = c->realm.issuing_cert;
    c->realm.issuing_cert = c->realm.command_cert;
    c->realm.command_cert = issuing;
}

/* From a time when the certificate was not valid yet. */
static void too_early(struct vn_credentials *c)
{
    c->guardian_time_ms -= 7200000;
}

static void (*const CHANGES[])(struct vn_credentials *c) = {
    other_realm,     other_suite,   bad_root,      bad_issuing,         bad_command,
    bad_certificate, bad_statement, cut_statement, swapped_authorities, too_early};

static void renew(struct vn_world_node *n)
{
    member(n)->renewals = 0;
    vn_mem_broker_set_up(w.broker, false);
    vn_world_run(&w, 100);
    vn_mem_broker_set_up(w.broker, true);
    assert_true(vn_world_until(&w, renewed, n, 130000));
    vn_world_run(&w, 50);
}

/* The session that the node has goes on, and the next renewal is taken. */
static void what_does_not_verify_changes_nothing(void **state)
{
    (void)state;
    a = vn_world_add(&w, "alice", "home");
    b = vn_world_add(&w, "bob", "home");
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    for (size_t i = 0; i < VN_ARRAY_LEN(CHANGES); i++) {
        member(a)->change = CHANGES[i];
        renew(a);
        assert_non_null(strstr(vn_world_status(a).guardian_error, "do not verify"));
        assert_int_equal(a->refused, 0);
        assert_true(vn_world_ping(a, b, false, 1000) < 1000);
        assert_true(vn_world_ping(b, a, false, 1000) < 1000);
        member(a)->change = NULL;
        renew(a);
        assert_string_equal(vn_world_status(a).guardian_error, "");
        assert_true(vn_world_ping(a, b, false, 1000) < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_end_with_the_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(unreachable_without_control, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_verify_changes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
