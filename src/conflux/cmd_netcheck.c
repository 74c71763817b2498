/* netcheck: what stands between this machine and others, and what would mend it. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_port.h"
#include "conflux/cli.h"
#include "conflux/netcheck_stream.h"
#include "control/http.h"
#include "host/host.h"

#define MASTERS_MAX 8

/* One service over TCP. */
struct reach {
    char url[300];
    bool reached;
    double ms;
    char detail[300]; /* why not */
};

struct report {
    bool running;
    char interface[IF_NAMESIZE]; /* the overlay's */
    bool ipv6;                   /* a global address */
    json_t *addresses;
    struct reach guardian, masters[MASTERS_MAX];
    size_t master_count;
    struct vn_netcheck net;
};

/* ---- this machine ---- */

static void list_addresses(struct report *r)
{
    struct ifaddrs *list;
    r->addresses = json_array();
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        char text[VN_IP_TEXT];
        const int family = i->ifa_addr ? i->ifa_addr->sa_family : 0;
        const socklen_t n =
            family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        struct vn_ip ip;
        if ((family != AF_INET && family != AF_INET6) || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK) || strcmp(i->ifa_name, r->interface) == 0 ||
            getnameinfo(i->ifa_addr, n, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        text[strcspn(text, "%")] = 0;
        if (vn_ip_parse(text, &ip) != VN_OK)
            continue;
        r->ipv6 |= !vn_ip_is_v4(&ip) && (ip.b[0] & 0xe0) == 0x20; /* 2000::/3 */
        json_array_append_new(r->addresses,
                              json_pack("{s:s, s:s}", "interface", i->ifa_name, "address", text));
    }
    freeifaddrs(list);
}

/* ---- what is reached over TCP ---- */

static void ask_guardian(struct report *r, const struct vn_conflux_config *cfg, uint32_t mark)
{
    struct vn_http_config hc = {.pinned = cfg->guardian.pinned, .so_mark = mark};
    struct reach *g = &r->guardian;
    memcpy(hc.pin, cfg->guardian.pin, sizeof(hc.pin));
    for (size_t i = 0; i < cfg->guardian.url_count && !g->reached; i++) {
        char url[sizeof(g->url) + 8];
        struct vn_buf body;
        struct vn_http_response res = {.status = VN_ERR_AGAIN};
        snprintf(g->url, sizeof(g->url), "%s", cfg->guardian.urls[i]);
        snprintf(url, sizeof(url), "%s/health", g->url);
        const uint64_t began = vn_clock_mono_us();
        vn_http_perform(&hc, &(struct vn_http_request){.method = "GET", .url = url}, &res, &body);
        g->ms = (double)(vn_clock_mono_us() - began) / 1000;
        g->reached = res.status == VN_OK;
        if (!g->reached)
            snprintf(g->detail, sizeof(g->detail), "%.299s", res.detail);
        vn_buf_wipe(&body);
    }
}

/* A server of NATS speaks first. */
static bool hears_info(int fd)
{
    char word[5];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, VN_NETCHECK_CONNECT_MS) == 1 &&
           recv(fd, word, sizeof(word), 0) == sizeof(word) &&
           memcmp(word, "INFO ", sizeof(word)) == 0;
}

static void ask_master(struct reach *m, const char *url, uint32_t mark)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char host[VN_HOST_MAX], port_text[8];
    uint16_t port = 4222;
    int fd;
    snprintf(m->url, sizeof(m->url), "%s", url);
    const char *at = strstr(url, "://");
    if (vn_host_port_parse(at ? at + 3 : url, host, &port) != VN_OK) {
        snprintf(m->detail, sizeof(m->detail), "its address is not understood");
        return;
    }
    snprintf(port_text, sizeof(port_text), "%u", port);
    const int found = getaddrinfo(host, port_text, &hints, &list);
    if (found != 0) {
        snprintf(m->detail, sizeof(m->detail), "%s", gai_strerror(found));
        return;
    }
    const uint64_t began = vn_clock_mono_us();
    if (!vn_netcheck_connect(list->ai_addr, list->ai_addrlen, mark, &fd)) {
        snprintf(m->detail, sizeof(m->detail), "%s", strerror(errno));
    } else {
        m->ms = (double)(vn_clock_mono_us() - began) / 1000;
        m->reached = hears_info(fd);
        if (!m->reached)
            snprintf(m->detail, sizeof(m->detail), "something else than a Master answers there");
        close(fd);
    }
    freeaddrinfo(list);
}

/* ---- the running node ---- */

static void take_servers(struct vn_netcheck *net, const Vn__Local__Netcheck *n)
{
    for (size_t i = 0; i < n->n_servers && net->count < VN_ARRAY_LEN(net->servers); i++) {
        const Vn__Local__StunServer *s = n->servers[i];
        struct vn_netcheck_server *out = &net->servers[net->count];
        if (s->ip.len != sizeof(out->addr.ip.b) || s->port == 0 || s->port > UINT16_MAX ||
            s->kind < VN_ICE_SERVER_STUN || s->kind > VN_ICE_SERVER_TURN_TLS)
            continue;
        memcpy(out->addr.ip.b, s->ip.data, s->ip.len);
        out->addr.port = (uint16_t)s->port;
        out->member = s->member;
        out->kind = (enum vn_ice_server_kind)s->kind;
        snprintf(out->host, sizeof(out->host), "%s", s->host);
        out->pinned = s->pin.len == sizeof(out->pin);
        if (out->pinned)
            memcpy(out->pin, s->pin.data, s->pin.len);
        net->count++;
    }
    if (n->key.len == sizeof(net->key.key.b)) {
        memcpy(net->key.key.b, n->key.data, n->key.len);
        net->key.generation = n->generation;
        net->key.hour = n->hour;
        net->has_key = true;
    }
}

/* An exit code; a node that does not run is none. */
static int ask_node(const struct vn_cli *c, struct report *r)
{
    Vn__Local__Nothing nothing = VN__LOCAL__NOTHING__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    int code = VN_EXIT_OK;
    Vn__Local__Response *s = vn_cli_status(c, true, &code);
    if (!s)
        return code == VN_EXIT_NOT_RUNNING ? VN_EXIT_OK : code;
    r->running = true;
    snprintf(r->interface, sizeof(r->interface), "%s", s->status->interface);
    for (size_t i = 0; i < s->status->n_masters && i < MASTERS_MAX; i++)
        ask_master(&r->masters[r->master_count++], s->status->masters[i], r->net.so_mark);
    vn__local__response__free_unpacked(s, NULL);
    rq.kind_case = VN__LOCAL__REQUEST__KIND_NETCHECK;
    rq.netcheck = &nothing;
    Vn__Local__Response *n = vn_cli_ask(c, &rq, 5000, &code);
    if (!n)
        return code;
    if (n->kind_case == VN__LOCAL__RESPONSE__KIND_NETCHECK) {
        take_servers(&r->net, n->netcheck);
        vn_wipe(n->netcheck->key.data, n->netcheck->key.len);
    }
    vn__local__response__free_unpacked(n, NULL);
    return VN_EXIT_OK;
}

/* ---- the verdict ---- */

static bool any_answered(const struct report *r, bool udp)
{
    for (size_t i = 0; i < r->net.count; i++)
        if (r->net.servers[i].answered && vn_netcheck_is_udp(&r->net.servers[i]) == udp)
            return true;
    return false;
}

static bool any_udp(const struct report *r)
{
    for (size_t i = 0; i < r->net.count; i++)
        if (vn_netcheck_is_udp(&r->net.servers[i]))
            return true;
    return false;
}

static bool any_master(const struct report *r)
{
    for (size_t i = 0; i < r->master_count; i++)
        if (r->masters[i].reached)
            return true;
    return false;
}

/* The first thing that is wrong, and what to do; good: nothing is. */
static const char *verdict(const struct report *r, bool *ret_good)
{
    *ret_good = false;
    if (!r->guardian.reached)
        return "Guardian cannot be reached: start it, open its port (8443/tcp) in its firewall, or "
               "let this machine out to it";
    if (!r->running)
        return "the node is not running, so Master, STUN servers and NAT were not tried: start it "
               "with 'veilnet-conflux run'";
    if (r->master_count == 0)
        return "the node has not logged in yet: 'veilnet-conflux status' says what it waits for";
    if (!any_master(r))
        return "no Master can be reached: open its port (4222/tcp) in its firewall, or let this "
               "machine out to it";
    if (!any_udp(r))
        return "no server is known that tells outer addresses: register a node that others can "
               "send to with --public, or name a STUN server with 'veilnet-guardian run --stun'";
    if (!any_answered(r, true) && any_answered(r, false))
        return "no answer over UDP: every peer is reached through a TURN server over TCP, slower "
               "than need be; allow outgoing UDP (and answers to it) in this machine's or "
               "network's firewall";
    if (!any_answered(r, true))
        return "no answer over UDP: allow outgoing UDP (and answers to it) in this machine's or "
               "network's firewall; without it only a relay over TCP helps";
    switch (r->net.mapping) {
    case VN_NAT_ADDRESS_DEPENDENT:
    case VN_NAT_ADDRESS_AND_PORT_DEPENDENT:
    case VN_NAT_DEPENDENT:
        return "this NAT takes another port for every peer: peers with an open address are reached "
               "directly, others behind NAT only through a relay; set the router to "
               "endpoint-independent NAT (\"full cone\"), forward a port, or use IPv6";
    default:
        *ret_good = true;
        return "well: peers are reached directly wherever their own network lets them be";
    }
}

/* ---- showing ---- */

static void addr_text(const struct vn_addr *a, char *ret, size_t cap)
{
    char ip[VN_IP_TEXT];
    vn_ip_format(&a->ip, ip);
    if (vn_ip_is_v4(&a->ip))
        snprintf(ret, cap, "%s:%u", ip, a->port);
    else
        snprintf(ret, cap, "[%s]:%u", ip, a->port);
}

static json_t *reach_json(const struct reach *m)
{
    return json_pack("{s:s, s:b, s:o, s:s}", "url", m->url, "reached", m->reached, "ms",
                     m->reached ? json_real(m->ms) : json_null(), "detail", m->detail);
}

static const char *kind_name(const struct vn_netcheck_server *s)
{
    static const char *const names[] = {[VN_ICE_SERVER_STUN] = "STUN",
                                        [VN_ICE_SERVER_TURN_UDP] = "TURN",
                                        [VN_ICE_SERVER_TURN_TCP] = "TURN TCP",
                                        [VN_ICE_SERVER_TURN_TLS] = "TURN TLS"};
    return s->member ? "public node" : names[s->kind];
}

static json_t *server_json(const struct vn_netcheck_server *s)
{
    char at[VN_IP_TEXT + 16], outer[VN_IP_TEXT + 16];
    addr_text(&s->addr, at, sizeof(at));
    addr_text(&s->mapped, outer, sizeof(outer));
    return json_pack("{s:s, s:s, s:b, s:o, s:s?, s:s?}", "address", at, "kind", kind_name(s),
                     "answered", s->answered, "ms",
                     s->answered ? json_real(s->rtt_us / 1000.0) : json_null(), "outer",
                     s->mapped.port ? outer : NULL, "detail", s->answered ? NULL : s->why);
}

static json_t *hairpin_json(enum vn_nat_hairpin h)
{
    return h == VN_HAIRPIN_UNKNOWN ? json_null() : json_boolean(h == VN_HAIRPIN_YES);
}

static json_t *report_json(const struct report *r)
{
    json_t *masters = json_array(), *servers = json_array();
    bool good;
    const char *words = verdict(r, &good);
    for (size_t i = 0; i < r->master_count; i++)
        json_array_append_new(masters, reach_json(&r->masters[i]));
    for (size_t i = 0; i < r->net.count; i++)
        json_array_append_new(servers, server_json(&r->net.servers[i]));
    return json_pack("{s:b, s:O, s:{s:b, s:b}, s:{s:s, s:s, s:o}, s:o, s:o, s:o, s:b, s:s}",
                     "running", r->running, "addresses", r->addresses, "ipv6", "address", r->ipv6,
                     "answered", r->net.ipv6_answered, "nat", "mapping",
                     vn_nat_mapping_name(r->net.mapping), "filtering",
                     vn_nat_filtering_name(r->net.filtering), "hairpin",
                     hairpin_json(r->net.hairpin), "guardian", reach_json(&r->guardian), "masters",
                     masters, "servers", servers, "good", good, "verdict", words);
}

static void print_reach(const char *what, const struct reach *m)
{
    if (m->reached)
        printf("  %-11s %s, %.1f ms\n", what, m->url, m->ms);
    else
        printf("  %-11s %s: not reached (%s)\n", what, m->url, m->detail);
}

static void print_report(const struct report *r)
{
    bool good;
    const char *words = verdict(r, &good);
    for (size_t i = 0; i < json_array_size(r->addresses); i++) {
        const json_t *a = json_array_get(r->addresses, i);
        printf("  %-11s %s on %s\n", i ? "" : "addresses",
               json_string_value(json_object_get(a, "address")),
               json_string_value(json_object_get(a, "interface")));
    }
    printf("  %-11s %s\n", "IPv6",
           r->net.ipv6_answered ? "yes"
           : r->ipv6            ? "an address, no answer seen"
                                : "no");
    print_reach("Guardian", &r->guardian);
    for (size_t i = 0; i < r->master_count; i++)
        print_reach("Master", &r->masters[i]);
    for (size_t i = 0; i < r->net.count; i++) {
        const struct vn_netcheck_server *s = &r->net.servers[i];
        char at[VN_IP_TEXT + 16], outer[VN_IP_TEXT + 16];
        addr_text(&s->addr, at, sizeof(at));
        addr_text(&s->mapped, outer, sizeof(outer));
        printf("  %-11s %s", kind_name(s), at);
        if (!s->answered)
            printf(": %s\n", s->why ? s->why : "no answer");
        else if (s->mapped.port)
            printf(", %.1f ms, sees %s\n", s->rtt_us / 1000.0, outer);
        else
            printf(", %.1f ms\n", s->rtt_us / 1000.0);
    }
    if (r->running) {
        printf("  %-11s mapping %s, filtering %s, hairpin %s\n", "NAT",
               vn_nat_mapping_name(r->net.mapping), vn_nat_filtering_name(r->net.filtering),
               r->net.hairpin == VN_HAIRPIN_YES  ? "yes"
               : r->net.hairpin == VN_HAIRPIN_NO ? "no"
                                                 : "unknown");
    }
    printf("%s %s\n", good ? "ok:" : "!", words);
}

int vn_cmd_netcheck(struct vn_cli *c)
{
    static struct report r;
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config cfg = {0};
    int code = vn_cli_config(c, &cfg);
    if (code != VN_EXIT_OK)
        return code;
    /* Without the privilege for it the system's routes decide. */
    r.net.so_mark = geteuid() == 0 ? VN_HOST_MARK : 0;
    ask_guardian(&r, &cfg, r.net.so_mark);
    code = ask_node(c, &r);
    if (code == VN_EXIT_OK) {
        list_addresses(&r);
        vn_netcheck_run(&r.net);
        if (c->o.json)
            vn_cli_print(report_json(&r));
        else
            print_report(&r);
        json_decref(r.addresses);
        code = r.running ? VN_EXIT_OK : VN_EXIT_NOT_RUNNING;
    }
    vn_wipe(&r, sizeof(r));
    return code;
}
