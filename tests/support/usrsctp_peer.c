#include "support/usrsctp_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>

#include <usrsctp.h>

#include "base/list.h"
#include "transport/crc.h"
#include "transport/limits.h"

#define HEADER_LEN 12 /* RFC 9260 section 3.1 */

struct usrsctp_peer {
    struct vn_list link;
    uint64_t id; /* what the library knows as our address: a number, not a pointer */
    struct usrsctp_peer_config cfg;
    struct socket *so;
    enum vn_sctp_state state;
    uint32_t resets;
};

static struct {
    bool up;
    struct vn_list all;
    uint64_t next_id;
    uint64_t ticked_us; /* time the library's timers stand at */
    uint64_t clock_us;  /* and its clock, which never goes back */
} global = {.next_id = 1, .clock_us = UINT64_C(1000000000000)};

/* The library has no other way to be told the time: timers that run and a clock that stands make it
 * refuse to send again what it believes to have sent just now. */
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
                                                        void *restrict tz)
{
    (void)tz;
    *tv = (struct timeval){.tv_sec = (time_t)(global.clock_us / 1000000),
                           .tv_usec = (suseconds_t)(global.clock_us % 1000000)};
    return 0;
}

static void *addr_of(uint64_t id)
{
    return (void *)(uintptr_t)id;
}

static int conn_output(void *addr, void *packet, size_t n, uint8_t tos, uint8_t set_df)
{
    (void)tos;
    (void)set_df;
    VN_LIST_EACH(l, &global.all)
    {
        struct usrsctp_peer *s = VN_LIST_ENTRY(l, struct usrsctp_peer, link);
        const struct vn_dgram d = {packet, n};
        if (addr_of(s->id) == addr)
            s->cfg.output(s->cfg.arg, &d, 1);
    }
    return 0;
}

static void set_up(void)
{
    if (global.up)
        return;
    global.up = true;
    vn_list_init(&global.all);
    usrsctp_init_nothreads(0, conn_output, NULL);
    usrsctp_sysctl_set_sctp_blackhole(2);
    usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_sendspace(VN_SCTP_SNDBUF_BYTES);
    usrsctp_sysctl_set_sctp_recvspace(VN_SCTP_RCVBUF_BYTES);
    usrsctp_sysctl_set_sctp_rto_min_default(100);
    usrsctp_sysctl_set_sctp_rto_initial_default(200);
    usrsctp_sysctl_set_sctp_rto_max_default(2000);
    usrsctp_sysctl_set_sctp_init_rto_max_default(2000);
    usrsctp_sysctl_set_sctp_init_rtx_max_default(30);
    usrsctp_sysctl_set_sctp_assoc_rtx_max_default(30);
    usrsctp_sysctl_set_sctp_path_rtx_max_default(30);
}

void usrsctp_peer_finish(void)
{
    if (!global.up)
        return;
    /* An endpoint just closed may wait for a timer of its own before it goes. */
    for (int i = 0; i < 100 && usrsctp_finish() != 0; i++)
        usrsctp_handle_timers(100);
    global.up = false;
    global.ticked_us = 0;
}

void usrsctp_peer_advance(uint64_t now_us)
{
    if (!global.up)
        return;
    if (!global.ticked_us || now_us < global.ticked_us)
        global.ticked_us = now_us;
    const uint64_t ms = (now_us - global.ticked_us) / 1000;
    global.ticked_us += ms * 1000;
    global.clock_us += ms * 1000;
    if (ms > 0)
        usrsctp_handle_timers((uint32_t)ms);
}

static bool set_option(struct usrsctp_peer *s, int level, int name, const void *value, size_t n)
{
    return usrsctp_setsockopt(s->so, level, name, value, (socklen_t)n) == 0;
}

static bool configure(struct usrsctp_peer *s)
{
    const int on = 1;
    const uint16_t streams = s->cfg.streams ? s->cfg.streams : VN_SCTP_STREAMS;
    const struct sctp_initmsg init = {.sinit_num_ostreams = streams,
                                      .sinit_max_instreams = streams};
    const struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
    const struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE,
                                          .spp_hbinterval = 30000,
                                          .spp_pathmtu = (uint32_t)(s->cfg.mtu - HEADER_LEN),
                                          .spp_pathmaxrxt = 30};
    const struct sctp_assoc_value resets = {.assoc_id = SCTP_ALL_ASSOC,
                                            .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ |
                                                           SCTP_ENABLE_CHANGE_ASSOC_REQ};
    bool ok = usrsctp_set_non_blocking(s->so, 1) == 0 &&
              set_option(s, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close)) &&
              set_option(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on)) &&
              set_option(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init)) &&
              set_option(s, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof(on)) &&
              set_option(s, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &resets, sizeof(resets)) &&
              set_option(s, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path));
    for (size_t i = 0; i < VN_ARRAY_LEN(events); i++) {
        const struct sctp_event event = {
            .se_assoc_id = SCTP_ALL_ASSOC, .se_type = events[i], .se_on = 1};
        ok = ok && set_option(s, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof(event));
    }
    return ok;
}

static struct sockaddr_conn conn_addr(const struct usrsctp_peer *s)
{
    return (struct sockaddr_conn){
        .sconn_family = AF_CONN, .sconn_port = htons(VN_SCTP_PORT), .sconn_addr = addr_of(s->id)};
}

struct usrsctp_peer *usrsctp_peer_new(const struct usrsctp_peer_config *cfg, uint64_t now_us)
{
    set_up();
    struct usrsctp_peer *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->cfg = *cfg;
    s->id = global.next_id++;
    vn_list_append(&global.all, &s->link);
    usrsctp_peer_advance(now_us);
    usrsctp_register_address(addr_of(s->id));
    s->so = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    struct sockaddr_conn here = conn_addr(s);
    if (!s->so || !configure(s) || usrsctp_bind(s->so, (struct sockaddr *)&here, sizeof(here)) != 0)
        abort();
    return s;
}

struct usrsctp_peer *usrsctp_peer_free(struct usrsctp_peer *s)
{
    if (!s)
        return NULL;
    usrsctp_close(s->so); /* lingering for 0 s sends ABORT, still through our output */
    usrsctp_deregister_address(addr_of(s->id));
    vn_list_remove(&s->link);
    free(s);
    return NULL;
}

void usrsctp_peer_connect(struct usrsctp_peer *s)
{
    struct sockaddr_conn peer = conn_addr(s);
    if (usrsctp_connect(s->so, (struct sockaddr *)&peer, sizeof(peer)) != 0 && errno != EINPROGRESS)
        abort();
}

void usrsctp_peer_shutdown(struct usrsctp_peer *s)
{
    if (usrsctp_shutdown(s->so, SHUT_WR) != 0)
        abort();
}

void usrsctp_peer_reset(struct usrsctp_peer *s, uint16_t stream)
{
    uint8_t room[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)] = {0};
    struct sctp_reset_streams r = {.srs_flags = SCTP_STREAM_RESET_OUTGOING,
                                   .srs_number_streams = 1};
    memcpy(room, &r, sizeof(r));
    memcpy(room + sizeof(r), &stream, sizeof(stream));
    if (!set_option(s, IPPROTO_SCTP, SCTP_RESET_STREAMS, room, sizeof(room)))
        abort();
}

enum vn_sctp_state usrsctp_peer_state(const struct usrsctp_peer *s)
{
    return s->state;
}

uint32_t usrsctp_peer_resets(const struct usrsctp_peer *s)
{
    return s->resets;
}

void usrsctp_peer_input(struct usrsctp_peer *s, struct vn_dgram packet)
{
    usrsctp_conninput(addr_of(s->id), packet.p, packet.n, 0);
}

static void take_notification(struct usrsctp_peer *s, const uint8_t *p, size_t n)
{
    union sctp_notification note = {0};
    memcpy(&note, p, VN_MIN(n, sizeof(note)));
    if (note.sn_header.sn_type == SCTP_STREAM_RESET_EVENT &&
        (note.sn_strreset_event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN)) {
        const size_t at = sizeof(struct sctp_stream_reset_event);
        for (size_t i = at; i + 2 <= n; i += 2) {
            uint16_t stream;
            memcpy(&stream, p + i, 2);
            s->resets |= 1u << (stream & 31);
        }
    }
    if (note.sn_header.sn_type != SCTP_ASSOC_CHANGE)
        return;
    switch (note.sn_assoc_change.sac_state) {
    case SCTP_COMM_UP:
        s->state = VN_SCTP_OPEN;
        break;
    case SCTP_SHUTDOWN_COMP:
    case SCTP_COMM_LOST:
        s->state = VN_SCTP_CLOSED;
        break;
    default:
        s->state = VN_SCTP_FAILED;
    }
}

size_t usrsctp_peer_receive(struct usrsctp_peer *s, struct vn_sctp_msg *ret, size_t cap)
{
    size_t count = 0;
    while (count < cap) {
        struct vn_pktbuf *b;
        struct sctp_rcvinfo info = {0};
        socklen_t info_len = sizeof(info), from_len = 0;
        unsigned info_type = SCTP_RECVV_NOINFO;
        int flags = 0;
        if (vn_pktbuf_new(s->cfg.message_max + 1, &b) != VN_OK)
            abort();
        const ssize_t n = usrsctp_recvv(s->so, b->data, s->cfg.message_max + 1, NULL, &from_len,
                                        &info, &info_len, &info_type, &flags);
        if (n <= 0 || (flags & MSG_NOTIFICATION)) {
            if (n > 0)
                take_notification(s, b->data, (size_t)n);
            else if (n == 0 && s->state == VN_SCTP_OPEN)
                s->state = VN_SCTP_CLOSED;
            else if (n < 0 && errno == ECONNRESET)
                s->state = VN_SCTP_CLOSED;
            (void)vn_pktbuf_free(b);
            if (n <= 0)
                break;
            continue;
        }
        if (!(flags & MSG_EOR) || info_type != SCTP_RECVV_RCVINFO)
            abort();
        b->len = (size_t)n;
        ret[count++] = (struct vn_sctp_msg){info.rcv_sid, ntohl(info.rcv_ppid), b};
    }
    return count;
}

bool usrsctp_peer_send(struct usrsctp_peer *s, uint16_t stream, uint32_t ppid,
                       const struct vn_sctp_how *how, struct vn_span msg)
{
    struct sctp_sendv_spa spa = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = {.snd_sid = stream,
                          .snd_ppid = htonl(ppid),
                          .snd_flags = how->unordered ? SCTP_UNORDERED : 0},
    };
    if (how->limit != VN_SCTP_RELIABLE) {
        spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        spa.sendv_prinfo.pr_policy =
            how->limit == VN_SCTP_MILLISECONDS ? SCTP_PR_SCTP_TTL : SCTP_PR_SCTP_RTX;
        spa.sendv_prinfo.pr_value = how->value;
    }
    return usrsctp_sendv(s->so, msg.p, msg.n, NULL, 0, &spa, sizeof(spa), SCTP_SENDV_SPA, 0) >= 0;
}
