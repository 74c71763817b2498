#include "conflux/netcheck.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "conflux/netcheck_stream.h"
#include "crypto/rng.h"
#include "transport/stun.h"
#include "transport/udp.h"

/* Servers, and the second port of members. */
#define QUESTIONS_MAX (2 * VN_NETCHECK_SERVERS_MAX)

struct question {
    int fd;
    struct vn_addr to;
    const struct vn_stun_key *key; /* NULL: anybody's server */
    bool change_port;
    struct vn_stun_txid txid;
    uint64_t asked_us;
    bool answered;
    uint32_t rtt_us;
    struct vn_addr mapped;
};

/* ---- asking ---- */

static void send_question(struct question *q)
{
    uint8_t buf[128], name[VN_STUN_USERNAME_LEN];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    int err;
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, &q->txid);
    if (q->key) {
        vn_stun_key_username(q->key, name);
        vn_stun_put_username(&w, VN_SPAN_ARRAY(name));
        vn_stun_put_change(&w, q->change_port ? VN_STUN_CHANGE_PORT : 0);
    }
    q->asked_us = vn_clock_mono_us();
    if (vn_stun_end(&w, q->key ? VN_SPAN_ARRAY(q->key->key.b) : VN_SPAN_NONE, &out) == VN_OK)
        (void)!vn_udp_send(q->fd, out, &q->to, &err);
    vn_wipe(buf, sizeof(buf));
}

static void take_answer(struct question *list, size_t n, int fd, struct vn_span in)
{
    struct vn_stun_msg m;
    if (vn_stun_decode(in, &m) != VN_OK || m.cls != VN_STUN_SUCCESS || !m.has_mapped)
        return;
    for (size_t i = 0; i < n; i++) {
        struct question *q = &list[i];
        if (q->fd != fd || q->answered || memcmp(&q->txid, &m.txid, sizeof(m.txid)) != 0 ||
            (q->key && vn_stun_verify(&m, VN_SPAN_ARRAY(q->key->key.b)) != VN_OK))
            continue;
        q->answered = true;
        q->rtt_us = (uint32_t)(vn_clock_mono_us() - q->asked_us);
        q->mapped = m.mapped;
    }
}

static bool all_answered(const struct question *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!list[i].answered)
            return false;
    return true;
}

/* Reads what comes to any of the sockets until then. */
static void listen_until(struct question *list, size_t n, uint64_t until_us)
{
    uint64_t now_us;
    while ((now_us = vn_clock_mono_us()) < until_us && !all_answered(list, n)) {
        struct pollfd p[QUESTIONS_MAX];
        for (size_t i = 0; i < n; i++)
            p[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
        if (poll(p, n, (int)((until_us - now_us) / 1000) + 1) <= 0)
            continue;
        for (size_t i = 0; i < n; i++) {
            uint8_t buf[1500];
            const ssize_t got = p[i].revents ? recv(p[i].fd, buf, sizeof(buf), MSG_DONTWAIT) : -1;
            if (got > 0)
                take_answer(list, n, p[i].fd, VN_SPAN(buf, (size_t)got));
        }
    }
}

/* Each at 0, 150 and 450 ms; a second and a half at most. */
static void ask(struct question *list, size_t n)
{
    static const uint64_t wait_us[] = {150000, 300000, 1050000};
    for (size_t i = 0; i < n; i++)
        if (vn_rng_bytes(list[i].txid.b, sizeof(list[i].txid.b)) != VN_OK)
            return;
    for (size_t try = 0; try < VN_ARRAY_LEN(wait_us) && !all_answered(list, n); try++) {
        for (size_t i = 0; i < n; i++)
            if (!list[i].answered)
                send_question(&list[i]);
        listen_until(list, n, vn_clock_mono_us() + wait_us[try]);
    }
}

/* A socket of the address that the system uses towards to; -1: there is no way. */
static int open_towards(const struct vn_addr *to, uint32_t so_mark, struct vn_addr *ret_local)
{
    int fd;
    if (vn_udp_source_of(to, so_mark, ret_local) != VN_OK)
        return -1;
    ret_local->port = 0;
    return vn_udp_open(ret_local, so_mark, &fd) == VN_OK ? fd : -1;
}

/* ---- what the answers mean ---- */

enum vn_nat_mapping vn_nat_mapping_of(const struct vn_addr *local, const struct vn_nat_answer *all,
                                      size_t n)
{
    bool same_ip_seen = false, same_ip_differs = false, other_ip_seen = false,
         other_ip_differs = false;
    if (n == 0)
        return VN_NAT_UNKNOWN;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            const bool differs = !vn_addr_equal(&all[i].mapped, &all[k].mapped);
            if (vn_ip_equal(&all[i].server.ip, &all[k].server.ip)) {
                same_ip_seen = true;
                same_ip_differs |= differs;
            } else {
                other_ip_seen = true;
                other_ip_differs |= differs;
            }
        }
    if (same_ip_differs)
        return VN_NAT_ADDRESS_AND_PORT_DEPENDENT;
    if (other_ip_differs)
        return same_ip_seen ? VN_NAT_ADDRESS_DEPENDENT : VN_NAT_DEPENDENT;
    if (vn_addr_equal(&all[0].mapped, local))
        return VN_NAT_NONE;
    return other_ip_seen ? VN_NAT_ENDPOINT_INDEPENDENT : VN_NAT_UNKNOWN;
}

const char *vn_nat_mapping_name(enum vn_nat_mapping m)
{
    static const char *const names[] = {
        [VN_NAT_UNKNOWN] = "unknown",
        [VN_NAT_NONE] = "none",
        [VN_NAT_ENDPOINT_INDEPENDENT] = "endpoint-independent",
        [VN_NAT_ADDRESS_DEPENDENT] = "address-dependent",
        [VN_NAT_ADDRESS_AND_PORT_DEPENDENT] = "address-and-port-dependent",
        [VN_NAT_DEPENDENT] = "address-dependent or address-and-port-dependent",
    };
    return names[m];
}

const char *vn_nat_filtering_name(enum vn_nat_filtering f)
{
    static const char *const names[] = {
        [VN_FILTER_UNKNOWN] = "unknown",
        [VN_FILTER_NOT_BY_PORT] = "endpoint-independent or address-dependent",
        [VN_FILTER_BY_PORT] = "address-and-port-dependent",
    };
    return names[f];
}

/* ---- the tests ---- */

bool vn_netcheck_is_udp(const struct vn_netcheck_server *s)
{
    return s->kind != VN_ICE_SERVER_TURN_TCP && s->kind != VN_ICE_SERVER_TURN_TLS;
}

static const struct vn_stun_key *key_of(const struct vn_netcheck *c,
                                        const struct vn_netcheck_server *s)
{
    return s->member ? &c->key : NULL;
}

/*
 * RFC 5780 section 4.3: the same socket asks different addresses and ports. Returns a member that
 * answered on its second port too, or NULL.
 */
static const struct vn_netcheck_server *ask_servers(struct vn_netcheck *c, bool v4)
{
    struct question list[QUESTIONS_MAX];
    struct vn_netcheck_server *of[QUESTIONS_MAX];
    struct vn_nat_answer answers[QUESTIONS_MAX];
    const struct vn_netcheck_server *second = NULL;
    struct vn_addr local = {.port = 0};
    size_t n = 0, answered = 0;
    int fd = -1;
    for (size_t i = 0; i < c->count; i++) {
        struct vn_netcheck_server *s = &c->servers[i];
        if (!vn_netcheck_is_udp(s) || vn_ip_is_v4(&s->addr.ip) != v4 || (s->member && !c->has_key))
            continue;
        if (fd < 0)
            fd = open_towards(&s->addr, c->so_mark, &local);
        if (fd < 0)
            continue;
        for (unsigned k = 0; k <= (s->member ? 1u : 0u); k++) {
            of[n] = s;
            list[n] = (struct question){.fd = fd, .to = s->addr, .key = key_of(c, s)};
            list[n++].to.port = (uint16_t)(s->addr.port + k);
        }
    }
    if (fd < 0)
        return NULL;
    ask(list, n);
    close(fd);
    for (size_t i = 0; i < n; i++) {
        if (!list[i].answered)
            continue;
        answers[answered++] =
            (struct vn_nat_answer){.server = list[i].to, .mapped = list[i].mapped};
        if (list[i].to.port != of[i]->addr.port) {
            second = of[i];
            continue;
        }
        of[i]->answered = true;
        of[i]->rtt_us = list[i].rtt_us;
        of[i]->mapped = list[i].mapped;
    }
    if (v4)
        c->mapping = vn_nat_mapping_of(&local, answers, answered);
    else
        c->ipv6_answered = answered > 0;
    return second;
}

/* RFC 5780 section 4.4, test III: may a port answer that was not asked? From a socket that never
 * asked it. */
static void test_filtering(struct vn_netcheck *c, const struct vn_netcheck_server *by)
{
    struct vn_addr local;
    struct question q = {.fd = open_towards(&by->addr, c->so_mark, &local),
                         .to = by->addr,
                         .key = &c->key,
                         .change_port = true};
    if (q.fd < 0)
        return;
    ask(&q, 1);
    close(q.fd);
    c->filtering = q.answered ? VN_FILTER_NOT_BY_PORT : VN_FILTER_BY_PORT;
}

/* RFC 5780 section 4.5: is what is sent to our own outer address returned to us? */
static void test_hairpin(struct vn_netcheck *c, const struct vn_netcheck_server *by)
{
    struct vn_addr local, local2;
    struct question q = {
        .fd = open_towards(&by->addr, c->so_mark, &local), .to = by->addr, .key = key_of(c, by)};
    const int fd = open_towards(&by->addr, c->so_mark, &local2);
    if (q.fd >= 0 && fd >= 0)
        ask(&q, 1);
    if (q.answered) {
        static const uint8_t probe[] = "veilnet hairpin";
        uint8_t nonce[16], got[64];
        int err;
        c->hairpin = VN_HAIRPIN_NO;
        if (vn_rng_bytes(nonce, sizeof(nonce)) != VN_OK)
            memcpy(nonce, probe, sizeof(nonce));
        for (unsigned try = 0; try < 3 && c->hairpin == VN_HAIRPIN_NO; try++) {
            struct pollfd p = {.fd = q.fd, .events = POLLIN};
            (void)!vn_udp_send(fd, VN_SPAN_ARRAY(nonce), &q.mapped, &err);
            if (poll(&p, 1, 200) > 0 &&
                recv(q.fd, got, sizeof(got), MSG_DONTWAIT) == (ssize_t)sizeof(nonce) &&
                memcmp(got, nonce, sizeof(nonce)) == 0)
                c->hairpin = VN_HAIRPIN_YES;
        }
    }
    if (q.fd >= 0)
        close(q.fd);
    if (fd >= 0)
        close(fd);
}

void vn_netcheck_run(struct vn_netcheck *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (!vn_netcheck_is_udp(&c->servers[i]))
            vn_netcheck_ask_stream(&c->servers[i], c->so_mark);
    const struct vn_netcheck_server *second = ask_servers(c, true);
    (void)ask_servers(c, false);
    if (c->mapping == VN_NAT_NONE)
        return;
    if (second)
        test_filtering(c, second);
    for (size_t i = 0; i < c->count; i++)
        if (c->servers[i].answered && vn_netcheck_is_udp(&c->servers[i]) &&
            vn_ip_is_v4(&c->servers[i].addr.ip)) {
            test_hairpin(c, &c->servers[i]);
            break;
        }
}
