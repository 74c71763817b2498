/*
 * A turn of a data thread with the TUN of a real host. Needs root and /dev/net/tun, else skipped.
 */
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/commands.h"
#include "host/host.h"
#include "lib/data_thread.h"
#include "loop/loop.h"
#include "support/inner.h"
#include "support/mem_tether.h"
#include "support/test.h"

#define SELF "10.66.0.1"
#define OTHER "10.66.0.2"

static struct vn_loop *loop;
static struct vn_host *host;
static struct vn_mem_net *net;
static struct vn_data_thread thread;
static char state_dir[] = "/tmp/vn-test-thread-XXXXXX";
static unsigned wanted, turns, wanted_at_first_end;

static vn_status to_node(void *self, struct vn_post_msg *m)
{
    (void)self;
    wanted += m->type == VN_EV_DEST_WANTED;
    vn_post_msg_free(m);
    return VN_OK;
}

static void turn_end(void *arg)
{
    (void)arg;
    if (turns++ == 0)
        wanted_at_first_end = wanted;
}

/* An echo's answer is there when the write of the question returns: it leaves in that turn, and not
 * when the descriptor is found readable. */
static void what_the_host_answers_at_once_goes_in_the_same_turn(void **state)
{
    (void)state;
    enum { ECHO_REQUEST = 8 };
    uint8_t echo[64];
    const uint8_t body[16] = {0};
    const size_t n =
        vn_inner_icmp(OTHER, SELF, ECHO_REQUEST, 0, VN_SPAN_ARRAY(body), echo, sizeof(echo));
    vn_loop_poll(loop);
    wanted = turns = 0;
    assert_ok(thread.tun.write(thread.tun.self, VN_SPAN(echo, n)));
    vn_loop_poll(loop);
    assert_true(turns > 0);
    assert_int_equal(1, wanted_at_first_end);
    assert_int_equal(1, wanted);
}

static int setup(void **state)
{
    (void)state;
    static const struct vn_mem_net_config mem = {.seed = 1};
    static const struct vn_post post = {.send = to_node};
    const struct vn_ip addrs[1] = {vn_inner_ip(SELF)};
    struct vn_prefix range;
    struct vn_host_error err = {0};
    assert_int_equal(0, unshare(CLONE_NEWNET));
    assert_non_null(mkdtemp(state_dir));
    assert_ok(vn_prefix_parse("10.66.0.0/16", &range));
    const struct vn_host_config c = {.mtu_bytes = VN_MTU_DEFAULT,
                                     .addrs = addrs,
                                     .addr_count = 1,
                                     .prefixes = &range,
                                     .prefix_count = 1,
                                     .state_dir = state_dir};
    if (vn_host_up(&c, &host, &err) != VN_OK)
        fail_msg("%s", err.what);
    assert_ok(vn_loop_new(&loop));
    assert_ok(vn_mem_net_new(&mem, 0, &net));
    thread.turn_end = turn_end;
    assert_ok(vn_data_thread_init(
        &thread, loop,
        &(struct vn_worker_config){.tether = vn_mem_net_port(net), .to_node = &post}));
    assert_ok(vn_data_thread_attach(&thread, host));
    struct vn_cmd_local *local;
    assert_ok(vn_post_msg_new(VN_CMD_LOCAL, sizeof(*local), &local));
    local->addrs[0] = addrs[0];
    local->addr_count = 1;
    local->ranges[0] = range;
    local->range_count = 1;
    vn_data_thread_command(&thread, &local->msg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_data_thread_done(&thread);
    loop = vn_loop_free(loop);
    net = vn_mem_net_free(net);
    host = vn_host_down(host);
    rmdir(state_dir);
    return 0;
}

int main(void)
{
    if (geteuid() != 0 || access("/dev/net/tun", F_OK) != 0) {
        puts("1..0 # SKIP needs root and /dev/net/tun");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_host_answers_at_once_goes_in_the_same_turn),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
