/* Every allocation while a node is put together fails once, on whichever thread: what was made is
 * taken apart again. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "control/http.h"
#include "crypto/suite.h"
#include "lib/node_host.h"
#include "loop/loop.h"
#include "support/oom.h"
#include "support/test.h"

static struct vn_loop *loop;
static char state_dir[] = "/tmp/vn-lib-XXXXXX";

static vn_status node(void)
{
    const struct vn_guardian_address at = {.urls = {"https://192.0.2.1:8443"}, .url_count = 1};
    const struct vn_instance_config cfg = {.state_dir = state_dir,
                                           .realm = {{1}},
                                           .suite = VN_SUITE_DEFAULT,
                                           .guardian = &at,
                                           .conflux_token = "a.b.c"};
    struct vn_instance *i = NULL;
    char detail[256] = "";
    const vn_status st = vn_instance_new(loop, &cfg, &i, detail);
    assert_int_equal(i != NULL, st == VN_OK);
    if (st != VN_OK)
        assert_true(detail[0] != 0);
    vn_instance_free(i);
    vn_loop_poll(loop);
    return st;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    /* The control channel's thread goes its own way meanwhile, and can do without much. */
    assert_in_range(vn_oom_each(node, true), 30, 10000);
}

static int setup(void **state)
{
    (void)state;
    assert_ok(vn_http_global_init());
    assert_ok(vn_loop_new(&loop));
    return mkdtemp(state_dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop = vn_loop_free(loop);
    return rmdir(state_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
    };
    vn_log_setup(VN_LOG_ERROR, 0);
    return cmocka_run_group_tests(tests, setup, teardown);
}
