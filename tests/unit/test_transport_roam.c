/* Addresses that go while a tether runs, in a network namespace of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "support/test.h"
#include "support/tether_pair.h"
#include "transport/limits.h"

static int control;

static void interface(const char *name, unsigned long request, struct ifreq *r)
{
    snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
    if (ioctl(control, request, r) != 0)
        fail_msg("%s: %s", name, strerror(errno));
}

/* lo:1 has 10.9.9.1, and so on. */
static void name_of(unsigned number, char *ret, size_t n)
{
    snprintf(ret, n, "lo:%u", number);
}

static void add_address(unsigned number)
{
    char name[IFNAMSIZ], text[32];
    struct ifreq r = {.ifr_flags = 0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    name_of(number, name, sizeof(name));
    snprintf(text, sizeof(text), "10.9.9.%u", number);
    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    memcpy(&r.ifr_addr, &in, sizeof(in));
    interface(name, SIOCSIFADDR, &r);
    assert_int_equal(inet_pton(AF_INET, "255.255.255.255", &in.sin_addr), 1);
    memcpy(&r.ifr_netmask, &in, sizeof(in));
    interface(name, SIOCSIFNETMASK, &r);
}

static void remove_address(unsigned number)
{
    char name[IFNAMSIZ];
    struct ifreq r = {.ifr_flags = 0};
    name_of(number, name, sizeof(name));
    interface(name, SIOCSIFFLAGS, &r); /* an alias that is down is gone */
}

static bool message_came(void *arg)
{
    return ((struct tether_pair *)arg)->b.msg_count > 0;
}

static bool both_gathered(void *arg)
{
    const struct tether_pair *p = arg;
    return p->a.gathered && p->b.gathered;
}

static bool both_up(void *arg)
{
    const struct tether_pair *p = arg;
    return p->a.up && p->b.up;
}

/* The peer hears of this address of the end only. */
static void tell_only(struct tether_end *e, unsigned number)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->candidate_count; i++)
        if (e->candidates[i].addr.ip.b[15] == number && e->candidates[i].addr.ip.b[12] == 10)
            e->candidates[kept++] = e->candidates[i];
    e->candidate_count = kept;
}

static void expect_address(const struct vn_addr *a, unsigned number)
{
    assert_int_equal(a->ip.b[12], 10);
    assert_int_equal(a->ip.b[15], number);
}

/* Up between these two addresses. */
static void up(struct tether_pair *p, struct test_io *io, unsigned a, unsigned b)
{
    struct vn_tether_stats stats;
    *p = (struct tether_pair){.v4_only = true};
    tether_pair_open(p, io);
    assert_true(tether_pair_until(p, both_gathered, p));
    tell_only(&p->a, a);
    tell_only(&p->b, b);
    tether_pair_start(p);
    assert_true(tether_pair_until(p, both_up, p));
    p->a.port->stats(p->a.tether, &stats);
    expect_address(&stats.local, a);
    expect_address(&stats.remote, b);
}

static bool a_stranded(void *arg)
{
    return ((struct tether_pair *)arg)->a.stranded > 0;
}

static bool both_restarted(void *arg)
{
    const struct tether_pair *p = arg;
    return p->a.restarted && p->b.restarted;
}

/* What was sent meanwhile arrives when both ends have agreed on another pair. */
static void moves_at_once(struct tether_pair *p)
{
    assert_true(tether_pair_until(p, a_stranded, p));
    assert_true(tether_end_send(&p->a, VN_TETHER_BULK, 100, 1));
    assert_true(tether_pair_restart(p, false));
    assert_true(tether_pair_until(p, both_restarted, p));
    assert_true(tether_pair_until(p, message_came, p));
    assert_true(tether_msg_holds(p->b.msgs[0], 100, 1));
    assert_true(p->a.down == 0 && p->b.down == 0);
}

static void another_way_is_there(void **state)
{
    (void)state;
    static struct tether_pair p;
    struct test_io *io = test_io_new();
    add_address(1);
    add_address(2);
    up(&p, io, 1, 2);
    remove_address(1);
    moves_at_once(&p);
    struct vn_tether_stats stats;
    p.a.port->stats(p.a.tether, &stats);
    expect_address(&stats.local, 2);
    tether_pair_close(&p);
    (void)test_io_free(io);
    remove_address(2);
}

/* A route alone tells nobody, so it is looked for. */
static void another_way_comes_later(void **state)
{
    (void)state;
    static struct tether_pair p;
    struct test_io *io = test_io_new();
    add_address(1);
    add_address(2);
    up(&p, io, 1, 1);
    remove_address(1);
    tether_pair_for(&p, 2 * VN_ROAM_RETRY_US / 1000);
    assert_true(p.a.stranded == 0 && p.a.down == 0 && p.b.down == 0);

    char lo[] = "lo";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a090901)}};
    struct rtentry route = {.rt_flags = RTF_UP | RTF_HOST, .rt_dev = lo};
    memcpy(&route.rt_dst, &to, sizeof(to));
    assert_int_equal(ioctl(control, SIOCADDRT, &route), 0);
    assert_true(tether_pair_until(&p, a_stranded, &p));
    assert_int_equal(ioctl(control, SIOCDELRT, &route), 0);
    tether_pair_close(&p);
    (void)test_io_free(io);
    remove_address(2);
}

/* Nothing to go to: the tether waits, and carries on if the address is back in time. */
static void gone_and_back(void **state)
{
    (void)state;
    struct test_io *io = test_io_new();
    add_address(1);
    static struct tether_pair pair, *p = &pair;
    up(p, io, 1, 1);
    remove_address(1);
    tether_pair_for(p, 300);
    assert_true(p->a.down == 0 && p->b.down == 0);
    add_address(1);
    tether_pair_for(p, 100);
    assert_true(tether_end_send(&p->a, VN_TETHER_BULK, 100, 1));
    assert_true(tether_pair_until(p, message_came, p));
    assert_true(p->a.down == 0 && p->b.down == 0);
    tether_pair_close(p);
    (void)test_io_free(io);
    remove_address(1);
}

/* Another address comes and goes: none of the tether's business. */
static void another_goes(void **state)
{
    (void)state;
    struct test_io *io = test_io_new();
    add_address(1);
    static struct tether_pair pair, *p = &pair;
    up(p, io, 1, 1);
    add_address(2);
    remove_address(2);
    tether_pair_for(p, 100);
    assert_true(p->a.down == 0 && p->b.down == 0);
    tether_pair_close(p);
    (void)test_io_free(io);
    remove_address(1);
}

static bool a_looks_for_better(void *arg)
{
    return ((struct tether_pair *)arg)->a.better == VN_HOP_PCS;
}

/* Another address comes, the tether's own goes, and nothing leads to the peer: the other one is
 * looked at soon, and once, however long the own one is waited for. */
static void another_comes_before_it_waits(void **state)
{
    (void)state;
    struct test_io *io = test_io_new();
    add_address(1);
    static struct tether_pair pair, *p = &pair;
    up(p, io, 1, 1);
    add_address(2);
    remove_address(1);
    assert_true(tether_pair_until(p, a_looks_for_better, p));
    tether_pair_for(p, 2 * VN_BETTER_CHANGE_US / 1000);
    assert_int_equal(VN_HOP_PCS, p->a.better);
    assert_true(p->a.stranded == 0 && p->a.down == 0);
    tether_pair_close(p);
    (void)test_io_free(io);
    remove_address(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_way_is_there),
        cmocka_unit_test(another_way_comes_later),
        cmocka_unit_test(gone_and_back),
        cmocka_unit_test(another_goes),
        cmocka_unit_test(another_comes_before_it_waits),
    };
    struct ifreq r = {.ifr_flags = IFF_UP};
    vn_log_setup(VN_LOG_ERROR, 0);
    if (unshare(CLONE_NEWNET) != 0) {
        printf("1..0 # SKIP no right to make a network namespace\n");
        return 77;
    }
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    interface("lo", SIOCSIFFLAGS, &r);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(control);
    return failed;
}
