/* Every allocation while a transport and a tether are made, started and closed fails once. */
#include <stdlib.h>

#include "base/log.h"
#include "support/oom.h"
#include "support/test.h"
#include "support/test_io.h"
#include "transport/transport.h"

static void ignore_candidate(void *arg, const struct vn_candidate *c)
{
    (void)arg;
    (void)c;
}

static void ignore_gathered(void *arg)
{
    (void)arg;
}

static void note_down(void *arg, enum vn_tether_down why)
{
    (void)why;
    *(bool *)arg = true;
}

/* Everything up to the first check on its way; true if all of it worked. */
static vn_status make_and_close(struct test_io *io)
{
    bool down = false;
    struct vn_transport *t = NULL;
    struct vn_tether *tether = NULL;
    const struct vn_transport_config cfg = {
        .io = test_io_port(io), .random = test_random(), .allow_loopback = true};
    const struct vn_tether_handler h = {.arg = &down,
                                        .candidate = ignore_candidate,
                                        .gathered = ignore_gathered,
                                        .down = note_down};
    const struct vn_tether_config tc = {
        .local = {{.ufrag = "aaaaaaaa", .pwd = "bbbbbbbbbbbbbbbbbbbbbbbb"},
                  {.ufrag = "aaaaaaa2", .pwd = "bbbbbbbbbbbbbbbbbbbbbbb2"}},
        .controlling = true};
    const struct vn_tether_start start = {
        .remote = {{.ufrag = "cccccccc", .pwd = "dddddddddddddddddddddddd"},
                   {.ufrag = "ccccccc2", .pwd = "ddddddddddddddddddddddd2"}}};
    vn_status st = vn_transport_new(&cfg, &t);
    if (st != VN_OK)
        return st;
    const struct vn_tether_port *port = vn_transport_port(t);
    st = port->open(port->self, &tc, &h, &tether);
    if (st == VN_OK) {
        test_io_turn(io, 0);
        st = port->start(tether, &start);
        test_io_turn(io, 0);
        port->close(tether);
    }
    (void)vn_transport_free(t);
    assert_false(down);
    return st;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    struct test_io *io = test_io_new();
    for (size_t n = 1;; n++) {
        vn_oom_arm(n);
        vn_status st = make_and_close(io);
        if (!vn_oom_disarm()) {
            assert_ok(st);
            assert_in_range(n, 10, 1000);
            break;
        }
        /* A failure that can be done without is no failure. */
        assert_true(st == VN_OK || st == VN_ERR_NOMEM || st == VN_ERR_CRYPTO);
        test_io_turn(io, 0);
    }
    (void)test_io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
    };
    vn_log_setup(VN_LOG_ERROR, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
