/* Reading a socket: datagrams that the system joined, and single ones. */
#include "transport/udp.h"

#include <unistd.h>

#include "support/test.h"
#include "transport/limits.h"

#define DATAGRAM 100u

static void open_pair(int ret_fds[2])
{
    struct vn_addr a[2] = {{.port = 0}, {.port = 0}};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(vn_ip_parse("127.0.0.1", &a[i].ip));
        assert_ok(vn_udp_open(&a[i], 0, &ret_fds[i]));
    }
    for (size_t i = 0; i < 2; i++)
        assert_ok(vn_udp_connect(ret_fds[i], &a[!i]));
}

/* With its number in front. */
static void send_one(int fd, uint8_t number)
{
    uint8_t bytes[DATAGRAM] = {number};
    int err;
    assert_ok(vn_udp_send(fd, VN_SPAN(bytes, sizeof(bytes)), NULL, &err));
}

static void send_joined(int fd, struct vn_udp_tx *tx, uint8_t from, size_t count)
{
    size_t dropped;
    int err;
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = vn_udp_tx_room(tx, DATAGRAM);
        memset(p, 0, DATAGRAM);
        p[0] = (uint8_t)(from + i);
        vn_udp_tx_keep(tx, DATAGRAM);
    }
    assert_ok(vn_udp_flush(fd, tx, NULL, &dropped, &err));
    assert_int_equal(dropped, 0);
}

/* Reads once; *number goes on with each datagram, and they come in order. Returns the runs. */
static size_t read_some(int fd, struct vn_udp_rx *rx, uint8_t *number)
{
    const struct vn_udp_run *runs;
    size_t count;
    int err;
    assert_ok(vn_udp_read(fd, rx, &runs, &count, &err));
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < runs[i].n; at += runs[i].seg)
            assert_int_equal(runs[i].p[at], (*number)++);
    return count;
}

/* Whoever's system joins nothing reads many at once; joined ones are long, so few are. */
static void single_ones_come_many_at_once(void **state)
{
    (void)state;
    struct vn_udp_rx *rx;
    struct vn_udp_tx *tx;
    int fds[2];
    uint8_t got = 0, sent = 0;
    assert_ok(vn_udp_rx_new(&rx));
    assert_ok(vn_udp_tx_new(&tx));
    open_pair(fds);
    while (sent < VN_UDP_READ_COUNT + VN_UDP_READ_SINGLES)
        send_one(fds[0], sent++);
    assert_int_equal(read_some(fds[1], rx, &got), VN_UDP_READ_COUNT);
    assert_true(vn_udp_more(rx));
    assert_int_equal(read_some(fds[1], rx, &got), VN_UDP_READ_SINGLES);
    assert_int_equal(got, sent);

    send_joined(fds[0], tx, sent, 10);
    const size_t runs = read_some(fds[1], rx, &got);
    assert_false(vn_udp_more(rx));
    assert_int_equal(got, sent + 10);
    if (runs == 1) { /* else this system joins nothing */
        sent = got;
        const uint8_t end = (uint8_t)(got + VN_UDP_READ_COUNT + 1);
        while (sent < end)
            send_one(fds[0], sent++);
        assert_int_equal(read_some(fds[1], rx, &got), VN_UDP_READ_COUNT);
        assert_true(vn_udp_more(rx));
    }
    close(fds[0]);
    close(fds[1]);
    (void)vn_udp_tx_free(tx);
    (void)vn_udp_rx_free(rx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_ones_come_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
