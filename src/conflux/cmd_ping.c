#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conflux/cli.h"
#include "conflux/echo.h"

#define SEQS 65536 /* send times kept, by sequence number */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

struct target {
    char tag[64], address[VN_IP_TEXT];
    struct vn_ip ip;
};

struct run {
    const struct vn_cli *c;
    struct target to;
    struct vn_echo echo;
    uint64_t sent_us[SEQS]; /* 0: not sent, or answered */
    uint32_t sent, received, unreachable;
    double min, max, sum;
    json_t *rtts;
};

/* ---- whom ---- */

static void taints_text(char *const *taints, size_t n, char *ret, size_t cap)
{
    size_t len = (size_t)snprintf(ret, cap,
                                  n ? "this node's taints:"
                                    : "this node has no taints: it reaches nobody; add "
                                      "one with 'veilnet-conflux taint add NAME'");
    for (size_t i = 0; i < n && len < cap; i++)
        len += (size_t)snprintf(ret + len, cap - len, " %s", taints[i]);
}

/* The address of the wanted family; of IPv4 when it does not matter, or the very one that was
 * named. */
static bool pick_address(const struct vn_cli *c, const Vn__Local__Peer *p, const char *name,
                         struct target *ret)
{
    struct vn_ip named;
    const bool by_address = vn_ip_parse(name, &named) == VN_OK;
    for (size_t i = 0; i < p->n_addrs; i++) {
        struct vn_ip ip;
        if (vn_ip_parse(p->addrs[i], &ip) != VN_OK)
            continue;
        const bool v4 = vn_ip_is_v4(&ip);
        if ((by_address && !vn_ip_equal(&ip, &named)) || (c->o.v6 && v4) || (c->o.v4 && !v4))
            continue;
        ret->ip = ip;
        snprintf(ret->tag, sizeof(ret->tag), "%s", p->tag);
        snprintf(ret->address, sizeof(ret->address), "%s", p->addrs[i]);
        return true;
    }
    return false;
}

static int resolve(const struct vn_cli *c, const char *name, struct target *ret)
{
    Vn__Local__Resolve q = VN__LOCAL__RESOLVE__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    q.name = (char *)name;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_RESOLVE;
    rq.resolve = &q;
    int code;
    Vn__Local__Response *r = vn_cli_ask(c, &rq, 10000, &code);
    if (!r)
        return code;
    code = VN_EXIT_OK;
    char taints[512];
    taints_text(r->resolved->taints, r->resolved->n_taints, taints, sizeof(taints));
    if (r->resolved->n_owners == 0)
        code =
            vn_cli_fail(c, VN_EXIT_FAILURE,
                        "no node '%.64s' which this node may reach answered; %.380s", name, taints);
    else if (!pick_address(c, r->resolved->owners[0], name, ret))
        code = vn_cli_fail(c, VN_EXIT_FAILURE, "%.64s has no address of this family", name);
    vn__local__response__free_unpacked(r, NULL);
    return code;
}

/* ---- echoes ---- */

static void take_answers(struct run *r)
{
    uint16_t seq;
    for (;;) {
        const vn_status st = vn_echo_receive(&r->echo, &seq);
        if (st == VN_ERR_NOTFOUND) {
            r->unreachable++;
            if (!r->c->o.json)
                printf("%s: the network says unreachable\n", r->to.address);
            return;
        }
        if (st != VN_OK)
            return;
        if (!r->sent_us[seq])
            continue; /* twice, or late beyond counting */
        const double ms = (double)(vn_clock_mono_us() - r->sent_us[seq]) / 1000;
        r->sent_us[seq] = 0;
        r->min = r->received == 0 || ms < r->min ? ms : r->min;
        r->max = ms > r->max ? ms : r->max;
        r->sum += ms;
        r->received++;
        if (r->c->o.json)
            json_array_append_new(r->rtts, json_real(ms));
        else
            printf("answer from %s (%s): seq=%u time=%.2f ms\n", r->to.tag, r->to.address, seq, ms);
        fflush(stdout);
    }
}

/* Until the time, or as soon as everything sent was answered and early is set. */
static void wait_until_us(struct run *r, uint64_t end_us, bool early)
{
    while (!interrupted && !(early && r->received + r->unreachable >= r->sent)) {
        const uint64_t now = vn_clock_mono_us();
        if (now >= end_us)
            return;
        struct pollfd p = {.fd = r->echo.fd, .events = POLLIN};
        if (poll(&p, 1, (int)((end_us - now + 999) / 1000)) > 0)
            take_answers(r);
    }
}

static int send_all(struct run *r)
{
    const struct vn_options *o = &r->c->o;
    uint64_t next = vn_clock_mono_us();
    for (uint32_t i = 1; !interrupted && (o->count == 0 || i <= o->count); i++) {
        const uint16_t seq = (uint16_t)i;
        r->sent_us[seq] = vn_clock_mono_us();
        if (vn_echo_send(&r->echo, seq) == VN_OK)
            r->sent++;
        else if (errno != EHOSTUNREACH && errno != EAGAIN && errno != ENOBUFS)
            return vn_cli_fail(r->c, VN_EXIT_FAILURE, "cannot send to %s: %s", r->to.address,
                               strerror(errno));
        next += (uint64_t)o->interval_ms * 1000;
        if (o->count == 0 || i < o->count)
            wait_until_us(r, next, false);
    }
    wait_until_us(r, vn_clock_mono_us() + (uint64_t)o->wait_ms * 1000, true);
    return VN_EXIT_OK;
}

/* ---- what it was ---- */

static const Vn__Local__Link *link_of(const Vn__Local__Status *s, const char *address)
{
    for (size_t i = 0; i < s->n_links; i++) {
        for (size_t k = 0; k < s->links[i]->n_addrs; k++) {
            if (strcmp(s->links[i]->addrs[k], address) == 0)
                return s->links[i];
        }
    }
    return NULL;
}

static void report(struct run *r)
{
    int ignored;
    Vn__Local__Response *st = vn_cli_status(r->c, true, &ignored);
    const Vn__Local__Link *l = st ? link_of(st->status, r->to.address) : NULL;
    const double avg = r->received ? r->sum / r->received : 0;
    if (r->c->o.json) {
        json_t *path = l ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "kind", "direct", "local",
                                     l->local, "local_type", l->local_type, "remote", l->remote,
                                     "remote_type", l->remote_type, "rtt_us", (json_int_t)l->rtt_us)
                         : json_null();
        vn_cli_print(json_pack("{s:s, s:s, s:i, s:i, s:O, s:f, s:f, s:f, s:o}", "tag", r->to.tag,
                               "address", r->to.address, "sent", (int)r->sent, "received",
                               (int)r->received, "rtts_ms", r->rtts, "min_ms", r->min, "avg_ms",
                               avg, "max_ms", r->max, "path", path));
    } else {
        printf("%u sent, %u answered", r->sent, r->received);
        if (r->received)
            printf("; min/avg/max %.2f/%.2f/%.2f ms", r->min, avg, r->max);
        putchar('\n');
        if (l && l->local[0])
            printf("path: direct, %s (%s) - %s (%s), tether rtt %.2f ms\n", l->local, l->local_type,
                   l->remote, l->remote_type, (double)l->rtt_us / 1000);
    }
    if (st)
        vn__local__response__free_unpacked(st, NULL);
}

int vn_cmd_ping(struct vn_cli *c)
{
    if (c->o.word_count != 1)
        return vn_cli_fail(c, VN_EXIT_USAGE, "ping whom? a tag, an address or a node id");
    struct run *r = calloc(1, sizeof(*r));
    if (!r)
        return vn_cli_fail(c, VN_EXIT_FAILURE, "out of memory");
    r->c = c;
    int code = resolve(c, c->o.words[0], &r->to);
    if (code == VN_EXIT_OK) {
        const vn_status st = vn_echo_open(&r->to.ip, &r->echo);
        if (st == VN_ERR_DENIED)
            code = vn_cli_fail(c, VN_EXIT_FAILURE,
                               "may not send echoes: be root, or have CAP_NET_RAW");
        else if (st != VN_OK)
            code = vn_cli_fail(c, VN_EXIT_FAILURE, "cannot reach %s: %s", r->to.address,
                               strerror(errno));
    }
    if (code == VN_EXIT_OK) {
        const struct sigaction act = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &act, NULL);
        r->rtts = json_array();
        code = send_all(r);
        vn_echo_close(&r->echo);
        if (code == VN_EXIT_OK) {
            report(r);
            code = r->received ? VN_EXIT_OK : VN_EXIT_FAILURE;
        }
        json_decref(r->rtts);
    }
    free(r);
    return code;
}
