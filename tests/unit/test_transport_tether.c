/* Whole tethers between two ends of one process, over loopback. */
#include <dirent.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/test.h"
#include "support/tether_pair.h"
#include "support/udp_proxy.h"
#include "transport/limits.h"
#include "transport/peer_conn_i.h"
#include "transport/sctp.h"
#include "transport/tether.h"

struct state {
    struct test_io *io, *io_b;
    struct tether_pair p;
    struct udp_proxy *proxy;
    size_t want;
};

static int set_up(void **state)
{
    struct state *s = calloc(1, sizeof(*s));
    if (!s)
        return -1;
    s->io = test_io_new();
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct state *s = *state;
    tether_pair_close(&s->p);
    s->proxy = udp_proxy_free(s->proxy);
    (void)test_io_free(s->io);
    (void)test_io_free(s->io_b);
    free(s);
    return 0;
}

static void up_through_proxy(struct state *s)
{
    s->proxy = udp_proxy_new(s->io);
    s->p.proxy = udp_proxy_addrs(s->proxy);
    assert_true(tether_pair_up(&s->p, s->io));
}

/* ---- what to wait for ---- */

static bool b_has_messages(void *arg)
{
    struct state *s = arg;
    return s->p.b.msg_count >= s->want;
}
static bool a_is_down(void *arg)
{
    return ((struct state *)arg)->p.a.down != 0;
}
static bool b_is_down(void *arg)
{
    return ((struct state *)arg)->p.b.down != 0;
}
static bool a_has_nothing_queued(void *arg)
{
    struct state *s = arg;
    struct vn_tether_stats st;
    s->p.a.port->stats(s->p.a.tether, &st);
    return st.queued_bytes == 0;
}
static bool both_are_down(void *arg)
{
    return a_is_down(arg) && b_is_down(arg);
}
static void wait_messages(struct state *s, size_t want)
{
    s->want = want;
    assert_true(tether_pair_until(&s->p, b_has_messages, s));
    assert_int_equal(s->p.b.msg_count, want);
}

/* ---- tests ---- */

static void comes_up_quickly(void **state)
{
    struct state *s = *state;
    assert_true(tether_pair_up(&s->p, s->io));
    print_message("# up after %u us\n", (unsigned)(s->p.b.up_us - s->p.opened_us));
    struct vn_tether_stats a, b;
    s->p.a.port->stats(s->p.a.tether, &a);
    s->p.b.port->stats(s->p.b.tether, &b);
    assert_true(vn_ip_equal(&a.remote.ip, &b.local.ip) && a.remote.port == b.local.port);
    assert_true(a.srtt_us > 0 && a.local_type == VN_CAND_HOST);
}

static void every_size_on_every_class(void **state)
{
    struct state *s = *state;
    static const size_t sizes[] = {0, 1, 1200, 1358, 1359, 4000, 65536, VN_TETHER_MSG_MAX};
    assert_true(tether_pair_up(&s->p, s->io));
    size_t n = 0;
    for (unsigned cls = 0; cls < 3; cls++)
        for (size_t i = 0; i < VN_ARRAY_LEN(sizes); i++, n++) {
            assert_true(tether_end_send(&s->p.a, (enum vn_tether_class)cls, sizes[i], (uint32_t)n));
            wait_messages(s, n + 1);
            assert_int_equal(s->p.b.classes[n], cls);
            assert_true(tether_msg_holds(s->p.b.msgs[n], sizes[i], (uint32_t)n));
        }
    /* And the other way. */
    assert_true(tether_end_send(&s->p.b, VN_TETHER_BULK, VN_TETHER_MSG_MAX, 99));
    for (int i = 0; i < 100 && !s->p.a.msg_count; i++)
        test_io_turn(s->io, 10);
    assert_int_equal(s->p.a.msg_count, 1);
    assert_true(tether_msg_holds(s->p.a.msgs[0], VN_TETHER_MSG_MAX, 99));
    struct vn_transport_counters c;
    vn_transport_counters(s->p.b.transport, &c);
    assert_true(c.drop_stranger == 0 && c.drop_kind == 0 && c.drop_channel == 0);
}

static void a_longer_message_is_refused(void **state)
{
    struct state *s = *state;
    assert_true(tether_pair_up(&s->p, s->io));
    struct vn_pktbuf *b = tether_msg_new(VN_TETHER_MSG_MAX + 1, 1);
    size_t taken = 9;
    assert_status(VN_ERR_ARG, s->p.a.port->send(s->p.a.tether, VN_TETHER_BULK, &b, 1, &taken));
    assert_int_equal(taken, 0);
    (void)vn_pktbuf_free(b);
}

static bool a_is_worn(void *arg)
{
    return ((struct state *)arg)->p.a.worn > 0;
}

/* Whose key is used up is told in time; what he had sent has arrived when it ends. */
static void a_worn_key_is_told(void **state)
{
    struct state *s = *state;
    enum { MESSAGE = 10000, KEY = 2000000 };
    s->p.key_bytes = KEY;
    assert_true(tether_pair_up(&s->p, s->io));
    size_t n = 0;
    for (; n < 150; n++) { /* what goes twice, on a busy machine, counts twice */
        assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, MESSAGE, (uint32_t)n));
        wait_messages(s, n + 1);
        assert_false(a_is_worn(s));
    }
    while (!a_is_worn(s)) {
        assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, MESSAGE, (uint32_t)n));
        wait_messages(s, ++n);
    }
    assert_in_range(n * MESSAGE, KEY / 4 * 3, KEY / 8 * 7);
    assert_true(s->p.a.down == 0 && s->p.b.down == 0 && s->p.b.worn == 0);
    while (!both_are_down(s)) {
        (void)tether_end_send(&s->p.a, VN_TETHER_BULK, MESSAGE, (uint32_t)n++);
        tether_pair_for(&s->p, 5);
        assert_true(n * MESSAGE < 2 * KEY);
    }
    assert_true(s->p.b.msg_count * MESSAGE > KEY / 8 * 7);
    assert_int_equal(s->p.a.worn, 1);
    assert_int_equal(s->p.b.worn, 0);
}

static void control_keeps_its_order(void **state)
{
    struct state *s = *state;
    up_through_proxy(s);
    *udp_proxy_rule(s->proxy) = (struct udp_proxy_rule){.lose_per_mille = 50, .swap = true};
    for (uint32_t i = 0; i < 300; i++)
        assert_true(tether_end_send(&s->p.a, VN_TETHER_CONTROL, 1 + i * 13 % 3000, i));
    wait_messages(s, 300);
    for (uint32_t i = 0; i < 300; i++)
        assert_true(tether_msg_holds(s->p.b.msgs[i], 1 + i * 13 % 3000, i));
}

/* Five in a hundred datagrams lost, some swapped: bulk is complete, each message whole and once. */
static void bulk_survives_loss(void **state)
{
    struct state *s = *state;
    enum { COUNT = 60 };
    bool seen[COUNT] = {false};
    up_through_proxy(s);
    *udp_proxy_rule(s->proxy) = (struct udp_proxy_rule){.lose_per_mille = 50, .swap = true};
    for (uint32_t i = 0; i < COUNT; i++) {
        while (!tether_end_send(&s->p.a, VN_TETHER_BULK, 30000 + i, i))
            test_io_turn(s->io, 10);
    }
    wait_messages(s, COUNT);
    for (size_t k = 0; k < COUNT; k++) {
        size_t i = s->p.b.msgs[k]->len - 30000;
        assert_true(i < COUNT && !seen[i]);
        seen[i] = true;
        assert_true(tether_msg_holds(s->p.b.msgs[k], 30000 + i, (uint32_t)i));
    }
}

/* A bottleneck far below what the window holds: what is lost comes again, and nothing ends. */
static void a_bottleneck_ends_nothing(void **state)
{
    struct state *s = *state;
    enum { COUNT = 60 };
    up_through_proxy(s);
    udp_proxy_rule(s->proxy)->bytes_per_ms = 4000;
    for (uint32_t i = 0; i < COUNT; i++)
        while (!tether_end_send(&s->p.a, VN_TETHER_BULK, 60000, i))
            test_io_turn(s->io, 10);
    wait_messages(s, COUNT);
    assert_true(s->p.a.down == 0 && s->p.b.down == 0);
}

static bool up_both(void *arg)
{
    struct state *s = arg;
    return s->p.a.up && s->p.b.up;
}

static bool b_has_control(void *arg)
{
    const struct state *s = arg;
    for (size_t i = 0; i < s->p.b.msg_count; i++)
        if (s->p.b.classes[i] == VN_TETHER_CONTROL)
            return true;
    return false;
}

static bool a_queues_nothing(void *arg)
{
    const struct state *s = arg;
    return s->p.a.tether->members[0].pc->channels[0].queue.bytes == 0;
}

static bool rate_is_known(void *arg)
{
    struct state *s = arg;
    (void)tether_end_send(&s->p.a, VN_TETHER_BULK, 30000, 1);
    return vn_sctp_rate(s->p.a.tether->members[0].pc->sctp) > 0 &&
           s->p.b.msg_count < TETHER_END_MSGS;
}

/* Once the rate of a slow path is known, little of bulk is taken ahead. */
static void little_is_taken_ahead(void **state)
{
    struct state *s = *state;
    const struct vn_pktqueue *q;
    up_through_proxy(s);
    udp_proxy_rule(s->proxy)->bytes_per_ms = 4000;
    q = &s->p.a.tether->members[0].pc->channels[0].queue;
    assert_true(tether_pair_until(&s->p, rate_is_known, s));
    assert_true(tether_pair_until(&s->p, a_queues_nothing, s));
    while (tether_end_send(&s->p.a, VN_TETHER_BULK, 1000, 1))
        continue;
    const uint64_t rate = vn_sctp_rate(s->p.a.tether->members[0].pc->sctp);
    const size_t most =
        (size_t)VN_MAX(rate / 1000 * VN_TETHER_QUEUE_MS, (uint64_t)VN_TETHER_QUEUE_LEAST_BYTES);
    assert_in_range(q->bytes, VN_TETHER_QUEUE_LEAST_BYTES, most + 1000);
}

static void control_does_not_wait_for_bulk(void **state)
{
    struct state *s = *state;
    uint32_t bulk = 0;
    up_through_proxy(s);
    udp_proxy_rule(s->proxy)->deaf = 1u << 0;
    while (tether_end_send(&s->p.a, VN_TETHER_BULK, 30000, bulk))
        bulk++;
    assert_true(tether_end_send(&s->p.a, VN_TETHER_CONTROL, 10, 1));
    assert_true(tether_end_send(&s->p.a, VN_TETHER_REALTIME, 10, 1));
    wait_messages(s, 2);
    assert_true(b_has_control(s));
    udp_proxy_rule(s->proxy)->deaf = 0;
    wait_messages(s, 2 + bulk);
}

static bool first_members_up(void *arg)
{
    const struct state *s = arg;
    return s->p.a.tether->members[0].up && s->p.b.tether->members[0].up;
}

static bool both_gathered(void *arg)
{
    const struct state *s = arg;
    return s->p.a.gathered && s->p.b.gathered;
}

static bool b_is_up(void *arg)
{
    return ((struct state *)arg)->p.b.up;
}

static void start_through_proxy(struct state *s)
{
    tether_pair_open(&s->p, s->io);
    assert_true(tether_pair_until(&s->p, both_gathered, s));
    tether_pair_start(&s->p);
}

static void it_is_up_when_all_its_connections_are(void **state)
{
    struct state *s = *state;
    s->proxy = udp_proxy_new(s->io);
    s->p.proxy = udp_proxy_addrs(s->proxy);
    udp_proxy_rule(s->proxy)->deaf = 1u << 1;
    start_through_proxy(s);
    assert_true(tether_pair_until(&s->p, first_members_up, s));
    tether_pair_for(&s->p, 100);
    assert_false(s->p.a.up || s->p.b.up || s->p.a.tether->members[1].up);
    udp_proxy_rule(s->proxy)->deaf = 0;
    assert_true(tether_pair_until(&s->p, up_both, s));
}

static bool a_has_message(void *arg)
{
    return ((struct state *)arg)->p.a.msg_count > 0;
}

static struct udp_proxy *proxy_of_round;

/* The channels' openings on connection 1, when it is the later one, are still to be sent. */
static void bulk_overtakes(struct tether_end *e)
{
    udp_proxy_rule(proxy_of_round)->deaf = 1u << 1;
    assert_true(tether_end_send(e, VN_TETHER_BULK, 100, 1));
}

/* b is up and sends; a is not, as one of its connections lacks a channel. That no message comes
 * early is looked at in tether_pair.c. */
static void nothing_comes_before_up(void **state)
{
    struct state *s = *state;
    int late = 0;
    for (int round = 0; round < 20 && late < 3; round++) {
        proxy_of_round = s->proxy = udp_proxy_new(s->io);
        s->p.proxy = udp_proxy_addrs(s->proxy);
        s->p.b.when_up = bulk_overtakes;
        start_through_proxy(s);
        assert_true(tether_pair_until(&s->p, b_is_up, s));
        tether_pair_for(&s->p, 50);
        late += !s->p.a.up;
        udp_proxy_rule(s->proxy)->deaf = 0;
        assert_true(tether_pair_until(&s->p, a_has_message, s));
        tether_pair_close(&s->p);
        memset(&s->p, 0, sizeof(s->p));
        s->proxy = udp_proxy_free(s->proxy);
    }
    assert_true(late > 0);
}

static void one_lost_connection_ends_it(void **state)
{
    struct state *s = *state;
    up_through_proxy(s);
    tether_pair_for(&s->p, 1000); /* b sends nothing any more, and so does not notice by itself */
    udp_proxy_rule(s->proxy)->deaf = 1u << 1;
    assert_true(tether_end_send(&s->p.a, VN_TETHER_CONTROL, 10, 1));
    assert_true(tether_pair_until(&s->p, both_are_down, s));
    /* The other one says so at once. */
    assert_int_equal(s->p.a.down, VN_TETHER_DOWN_SILENT);
    assert_int_equal(s->p.b.down, VN_TETHER_DOWN_CLOSED);
    struct vn_tether_stats st;
    s->p.a.port->stats(s->p.a.tether, &st);
    assert_int_equal(st.tx_msgs, 1);
}

static void realtime_is_not_repeated(void **state)
{
    struct state *s = *state;
    up_through_proxy(s);
    assert_true(tether_end_send(&s->p.a, VN_TETHER_REALTIME, 100, 1000)); /* confirms the channel */
    wait_messages(s, 1);
    tether_pair_for(&s->p, 30);
    *udp_proxy_rule(s->proxy) = (struct udp_proxy_rule){.lose_per_mille = 200};
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(tether_end_send(&s->p.a, VN_TETHER_REALTIME, 1000, i));
        test_io_turn(s->io, 1);
    }
    *udp_proxy_rule(s->proxy) = (struct udp_proxy_rule){0};
    assert_true(tether_pair_until(&s->p, a_has_nothing_queued, s));
    tether_pair_for(&s->p, 300);
    /* Of 201 at 20 % loss, 110 to 199 arrive with all likelihood, none of them twice. */
    assert_in_range(s->p.b.msg_count, 110, 199);
    assert_true(s->p.a.given_up[VN_TETHER_REALTIME] >= 1000 * (201 - s->p.b.msg_count));
    assert_int_equal(0, s->p.a.given_up[VN_TETHER_BULK] + s->p.a.given_up[VN_TETHER_CONTROL]);
    bool seen[200] = {false};
    for (size_t k = 1; k < s->p.b.msg_count; k++) {
        uint32_t i = 0;
        while (i < 200 && !tether_msg_holds(s->p.b.msgs[k], 1000, i))
            i++;
        assert_true(i < 200 && !seen[i]);
        seen[i] = true;
    }
    size_t before = s->p.b.msg_count;
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 5000, 5));
    wait_messages(s, before + 1);
}

/* Only datagrams that fit a 1,280-byte IPv6 path get through. */
/* IPv4 packets of 576 bytes, and no more. */
static void the_shortest_paths_are_served(void **state)
{
    struct state *s = *state;
    s->proxy = udp_proxy_new(s->io);
    s->p.proxy = udp_proxy_addrs(s->proxy);
    udp_proxy_rule(s->proxy)->longest = VN_UDP_PAYLOAD_MIN_BYTES;
    assert_true(tether_pair_up(&s->p, s->io));
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 60000, 1));
    wait_messages(s, 1);
    assert_true(tether_msg_holds(s->p.b.msgs[0], 60000, 1));
}

/* The path becomes a short one: checks still pass, and so does nothing else. */
static void a_black_hole_ends_it(void **state)
{
    struct state *s = *state;
    up_through_proxy(s);
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 60000, 1));
    wait_messages(s, 1);
    udp_proxy_rule(s->proxy)->longest = 1000;
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 60000, 2));
    assert_true(tether_pair_until(&s->p, both_are_down, s));
    assert_int_equal(s->p.a.down, VN_TETHER_DOWN_SCTP_FAILED);
}

static void short_paths_are_served(void **state)
{
    struct state *s = *state;
    s->proxy = udp_proxy_new(s->io);
    s->p.proxy = udp_proxy_addrs(s->proxy);
    udp_proxy_rule(s->proxy)->longest = VN_UDP_PAYLOAD_BYTES;
    assert_true(tether_pair_up(&s->p, s->io));
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 60000, 1));
    wait_messages(s, 1);
    assert_true(tether_msg_holds(s->p.b.msgs[0], 60000, 1));
}

static void back_pressure_and_writable(void **state)
{
    struct state *s = *state;
    enum { SIZE = 60000 };
    s->io_b = s->p.io_b = test_io_new();
    assert_true(tether_pair_up(&s->p, s->io));
    /* b is frozen: a takes what it may hold and no more. */
    uint32_t n = 0;
    while (n < 1000 && tether_end_send(&s->p.a, VN_TETHER_BULK, SIZE, n))
        n++;
    assert_in_range(n, VN_TETHER_QUEUE_BULK_BYTES / SIZE,
                    (VN_TETHER_QUEUE_BULK_BYTES + VN_SCTP_SNDBUF_BYTES + 1000000) / SIZE);
    struct vn_tether_stats st;
    s->p.a.port->stats(s->p.a.tether, &st);
    assert_in_range(st.queued_bytes, (size_t)n * SIZE / 2, (size_t)n * SIZE * 2);
    assert_int_equal(s->p.a.writable[VN_TETHER_BULK], 0);
    /* The other classes have room of their own. */
    assert_true(tether_end_send(&s->p.a, VN_TETHER_CONTROL, 10, 7));
    wait_messages(s, n + 1);
    assert_int_equal(s->p.a.writable[VN_TETHER_BULK], 1);
    assert_true(tether_pair_until(&s->p, a_has_nothing_queued, s));
}

/* Those of the network; *ret_all: and those over addresses, which a transport has while it has
 * tethers. */
static size_t open_sockets(size_t *ret_all)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    *ret_all = 0;
    for (struct dirent *e; (e = readdir(d));) {
        int domain;
        socklen_t len = sizeof(domain);
        if (getsockopt((int)strtol(e->d_name, NULL, 10), SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
            continue;
        ++*ret_all;
        n += domain != AF_NETLINK;
    }
    closedir(d);
    return n;
}

static void close_ends_the_peer_at_once(void **state)
{
    struct state *s = *state;
    size_t all_before, all, before = open_sockets(&all_before);
    for (int which = 0; which < 2; which++) {
        assert_true(tether_pair_up(&s->p, s->io));
        assert_int_equal(open_sockets(&all),
                         before + (size_t)2 * VN_HOP_PCS); /* the selected ones only */
        struct tether_end *closes = which ? &s->p.a : &s->p.b;
        tether_end_close(closes);
        assert_int_equal(open_sockets(&all), before + VN_HOP_PCS);
        assert_true(tether_pair_until(&s->p, which ? b_is_down : a_is_down, s));
        assert_int_equal(closes->peer->down, VN_TETHER_DOWN_CLOSED);
        assert_int_equal(open_sockets(&all), before);
        size_t taken;
        assert_status(VN_ERR_STATE, closes->peer->port->send(closes->peer->tether, VN_TETHER_BULK,
                                                             NULL, 0, &taken));
        tether_end_close(closes->peer);
        (void)open_sockets(&all);
        assert_int_equal(all, all_before);
        tether_pair_close(&s->p);
        memset(&s->p, 0, sizeof(s->p));
    }
}

static void close_while_connecting(void **state)
{
    struct state *s = *state;
    for (int turns = 0; turns < 12; turns++) {
        tether_pair_open(&s->p, s->io);
        for (int i = 0; i < 3; i++)
            test_io_turn(s->io, 1);
        tether_pair_start(&s->p);
        for (int i = 0; i < turns; i++)
            test_io_turn(s->io, 0);
        tether_end_close(&s->p.b);
        test_io_turn(s->io, 1);
        tether_pair_close(&s->p);
        memset(&s->p, 0, sizeof(s->p));
    }
}

static void close_inside_callbacks(void **state)
{
    struct state *s = *state;
    s->p.b.close_on_message = s->p.a.close_on_down = true;
    assert_true(tether_pair_up(&s->p, s->io));
    for (uint32_t i = 0; i < 20; i++)
        assert_true(tether_end_send(&s->p.a, i % 2 ? VN_TETHER_BULK : VN_TETHER_CONTROL, 3000, i));
    assert_true(tether_pair_until(&s->p, a_is_down, s));
    assert_null(s->p.a.tether);
    assert_null(s->p.b.tether);
    tether_pair_close(&s->p);
    memset(&s->p, 0, sizeof(s->p));

    s->p.b.close_on_up = true;
    tether_pair_open(&s->p, s->io);
    tether_pair_for(&s->p, 5);
    tether_pair_start(&s->p);
    assert_true(tether_pair_until(&s->p, a_is_down, s));
    assert_null(s->p.b.tether);
}

static void another_key_is_refused(void **state)
{
    struct state *s = *state;
    struct vn_secret32 other = {{1}};
    tether_pair_open(&s->p, s->io);
    tether_pair_for(&s->p, 5);
    tether_pair_start_end(&s->p, &s->p.a, &s->p.psk);
    tether_pair_start_end(&s->p, &s->p.b, &other);
    tether_pair_signal(&s->p.a);
    tether_pair_signal(&s->p.b);
    assert_true(tether_pair_until(&s->p, both_are_down, s));
    assert_int_equal(s->p.a.down, VN_TETHER_DOWN_DTLS_FAILED);
    assert_false(s->p.a.up || s->p.b.up);
}

static void candidates_before_and_after_start(void **state)
{
    struct state *s = *state;
    /* a knows b's candidates long before it may start; b gets a's long after. */
    tether_pair_open(&s->p, s->io);
    tether_pair_for(&s->p, 5);
    tether_pair_signal(&s->p.b);
    tether_pair_start_end(&s->p, &s->p.b, &s->p.psk);
    tether_pair_for(&s->p, 50);
    tether_pair_start_end(&s->p, &s->p.a, &s->p.psk);
    assert_true(tether_pair_until(&s->p, up_both, s));
    tether_pair_close(&s->p);
    memset(&s->p, 0, sizeof(s->p));
    /* Trickled one by one, the first of them before anything started. */
    s->p.trickle = true;
    tether_pair_open(&s->p, s->io);
    tether_pair_start(&s->p);
    assert_true(tether_pair_until(&s->p, up_both, s));
    assert_status(VN_ERR_STATE,
                  s->p.a.port->start(s->p.a.tether, &(const struct vn_tether_start){0}));
}

static void a_silent_path_is_noticed_by_both(void **state)
{
    struct state *s = *state;
    up_through_proxy(s);
    udp_proxy_rule(s->proxy)->lose_all = true;
    const uint64_t began = vn_clock_mono_us();
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 100, 1));
    assert_true(tether_pair_until(&s->p, a_is_down, s));
    assert_int_equal(s->p.a.down, VN_TETHER_DOWN_SILENT);
    /* a sends, so it does not wait for consent to expire */
    assert_true(vn_clock_mono_us() - began < VN_CONSENT_EXPIRES_US - VN_CONSENT_MAX_US);
    /* b sends nothing; at the latest its consent expires. */
    assert_true(tether_pair_until(&s->p, b_is_down, s));
    assert_int_equal(s->p.b.down, VN_TETHER_DOWN_SILENT);
}

static void a_short_break_does_no_harm(void **state)
{
    struct state *s = *state;
    up_through_proxy(s);
    udp_proxy_rule(s->proxy)->lose_all = true;
    for (uint32_t i = 0; i < 5; i++)
        assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 10000, i));
    tether_pair_for(&s->p, 1500);
    udp_proxy_rule(s->proxy)->lose_all = false;
    wait_messages(s, 5);
    assert_int_equal(s->p.a.down, 0);
}

/* The peer's process dies: its port answers with ICMP errors. */
static void a_killed_peer_is_noticed(void **state)
{
    struct state *s = *state;
    s->io_b = s->p.io_b = test_io_new();
    assert_true(tether_pair_up(&s->p, s->io));
    tether_pair_for(&s->p, 100);
    /* What the kernel does at the end of a process: the socket goes without a word. */
    const struct vn_pc *b = s->p.b.tether->members[0].pc;
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(other >= 0 && dup2(other, b->sockets[b->pair.local].fd) >= 0);
    close(other);
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 100, 1));
    assert_true(test_io_until(s->io, a_is_down, s));
    assert_int_equal(s->p.a.down, VN_TETHER_DOWN_SILENT);
    struct vn_transport_counters c;
    vn_transport_counters(s->p.a.transport, &c);
    assert_true(c.refused >= VN_LIVE_REFUSED);
}

static void idle_tethers_stay_up(void **state)
{
    struct state *s = *state;
    assert_true(tether_pair_up(&s->p, s->io));
    tether_pair_for(&s->p, 200);
    struct vn_transport_counters before, after;
    vn_transport_counters(s->p.a.transport, &before);
    tether_pair_for(&s->p, 7000);
    assert_true(s->p.a.down == 0 && s->p.b.down == 0);
    vn_transport_counters(s->p.a.transport, &after);
    /* Consent both ways on each connection: one to two checks each, and their answers; some more
     * where an answer takes a second. */
    assert_in_range(after.tx_datagrams - before.tx_datagrams, 2 * VN_HOP_PCS, 12 * VN_HOP_PCS);
    assert_true(tether_end_send(&s->p.a, VN_TETHER_CONTROL, 10, 1));
    wait_messages(s, 1);
}

static int stranger(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0);
    return fd;
}

static void flood(int fd, const struct vn_addr *to, int count)
{
    struct sockaddr_storage ss;
    socklen_t n = vn_addr_to_sockaddr(to, &ss);
    for (int i = 0; i < count; i++) {
        uint8_t junk[1400];
        size_t len = 1 + vn_test_below(sizeof(junk));
        vn_test_fill(junk, len);
        switch (i % 4) {
        case 0: /* looks like STUN */
            junk[0] = 0;
            junk[1] = 1;
            if (len >= 8)
                memcpy(junk + 4, "\x21\x12\xa4\x42", 4);
            break;
        case 1: /* looks like DTLS */
            junk[0] = (uint8_t)(20 + i % 44);
            break;
        default:
            break;
        }
        (void)sendto(fd, junk, len, MSG_DONTWAIT, (struct sockaddr *)&ss, n);
    }
}

static const struct vn_candidate *loopback_candidate(const struct tether_end *e)
{
    for (size_t i = 0; i < e->candidate_count; i++)
        if (vn_ip_is_v4(&e->candidates[i].addr.ip) && vn_addr_is_loopback(&e->candidates[i].addr))
            return &e->candidates[i];
    fail_msg("no loopback candidate");
    return NULL;
}

static void floods_cost_nothing(void **state)
{
    struct state *s = *state;
    int fd = stranger();
    tether_pair_open(&s->p, s->io);
    tether_pair_for(&s->p, 5);
    /* While connecting: every kind is dropped and counted, and nothing is kept. */
    tether_pair_start_end(&s->p, &s->p.b, &s->p.psk);
    const struct vn_addr to = loopback_candidate(&s->p.b)->addr;
    flood(fd, &to, 2000);
    tether_pair_for(&s->p, 20);
    size_t memory = mallinfo2().uordblks;
    for (int i = 0; i < 20; i++) {
        flood(fd, &to, 1000);
        tether_pair_for(&s->p, 5);
    }
    assert_true(mallinfo2().uordblks <= memory + 65536);
    struct vn_transport_counters c;
    vn_transport_counters(s->p.b.transport, &c);
    assert_true(c.drop_stranger > 0 && c.drop_kind > 0);
    assert_true(c.drop_stun_malformed + c.drop_stun_auth > 0);
    assert_null(s->p.b.tether->members[0].pc->dtls);
    /* It comes up regardless. */
    tether_pair_start_end(&s->p, &s->p.a, &s->p.psk);
    tether_pair_signal(&s->p.a);
    tether_pair_signal(&s->p.b);
    assert_true(tether_pair_until(&s->p, up_both, s));
    /* Now the kernel drops them. */
    vn_transport_counters(s->p.b.transport, &c);
    uint64_t before = c.rx_datagrams;
    struct vn_tether_stats st;
    s->p.b.port->stats(s->p.b.tether, &st);
    flood(fd, &st.local, 1000);
    tether_pair_for(&s->p, 30);
    vn_transport_counters(s->p.b.transport, &c);
    assert_true(c.rx_datagrams - before < 20);
    assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 5000, 1));
    wait_messages(s, 1);
    close(fd);
}

static void excluded_prefixes_are_no_candidates(void **state)
{
    struct state *s = *state;
    struct vn_prefix all[2];
    tether_pair_open(&s->p, s->io);
    tether_pair_for(&s->p, 5);
    assert_true(s->p.a.candidate_count > 0);
    tether_end_close(&s->p.a);
    assert_ok(vn_prefix_parse("0.0.0.0/0", &all[0]));
    assert_ok(vn_prefix_parse("::/0", &all[1]));
    assert_ok(vn_transport_exclude(s->p.a.transport, all, 2));
    tether_pair_close(&s->p);
    memset(&s->p, 0, sizeof(s->p));

    const struct vn_transport_config cfg = {
        .io = test_io_port(s->io), .random = test_random(), .allow_loopback = true};
    assert_ok(vn_transport_new(&cfg, &s->p.a.transport));
    assert_ok(vn_transport_exclude(s->p.a.transport, all, 2));
    tether_pair_open(&s->p, s->io);
    assert_true(tether_pair_until(&s->p, a_is_down, s));
    assert_int_equal(s->p.a.down, VN_TETHER_DOWN_NO_INTERFACE);
    assert_int_equal(s->p.a.candidate_count, 0);
}

static bool has_five(void *arg)
{
    return ((struct tether_pair *)arg)->b.msg_count >= 5;
}

static void many_at_once(void **state)
{
    struct state *s = *state;
    enum { COUNT = 20 };
    struct tether_pair *pairs = calloc(COUNT, sizeof(*pairs));
    assert_non_null(pairs);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(tether_pair_up(&pairs[i], s->io));
    for (uint32_t k = 0; k < 5; k++)
        for (size_t i = 0; i < COUNT; i++)
            assert_true(tether_end_send(&pairs[i].a, VN_TETHER_BULK, 10000, k));
    for (size_t i = 0; i < COUNT; i++)
        assert_true(tether_pair_until(&pairs[i], has_five, &pairs[i]));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(pairs[i].b.msg_count, 5);
        tether_pair_close(&pairs[i]);
    }
    free(pairs);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(comes_up_quickly),
        TEST(every_size_on_every_class),
        TEST(a_longer_message_is_refused),
        TEST(a_worn_key_is_told),
        TEST(control_keeps_its_order),
        TEST(bulk_survives_loss),
        TEST(a_bottleneck_ends_nothing),
        TEST(little_is_taken_ahead),
        TEST(control_does_not_wait_for_bulk),
        TEST(it_is_up_when_all_its_connections_are),
        TEST(nothing_comes_before_up),
        TEST(one_lost_connection_ends_it),
        TEST(realtime_is_not_repeated),
        TEST(short_paths_are_served),
        TEST(the_shortest_paths_are_served),
        TEST(a_black_hole_ends_it),
        TEST(back_pressure_and_writable),
        TEST(close_ends_the_peer_at_once),
        TEST(close_while_connecting),
        TEST(close_inside_callbacks),
        TEST(another_key_is_refused),
        TEST(candidates_before_and_after_start),
        TEST(a_silent_path_is_noticed_by_both),
        TEST(a_short_break_does_no_harm),
        TEST(a_killed_peer_is_noticed),
        TEST(idle_tethers_stay_up),
        TEST(floods_cost_nothing),
        TEST(excluded_prefixes_are_no_candidates),
        TEST(many_at_once),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
