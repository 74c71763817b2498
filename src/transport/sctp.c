#include "transport/sctp.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <usrsctp.h>

#include "base/list.h"
#include "base/log.h"
#include "transport/crc.h"
#include "transport/limits.h"

#define HEADER_LEN 12 /* RFC 9260 section 3.1 */

/*
 * libusrsctp exports this option (netinet/sctp.h, sctp_uio.h) without declaring it in usrsctp.h:
 * bytes queued for sending, unacknowledged ones included. Without it queued_bytes could only be
 * guessed from chunk counts.
 */
#define SNDBUF_USE 0x00001101
struct sndbuf_use {
    sctp_assoc_t assoc_id;
    uint32_t sndbuf, rcvbuf;
};

struct vn_sctp {
    struct vn_list link;
    uint64_t id; /* what libusrsctp knows as our address: a number that is never used again, not a
                    pointer */
    struct vn_sctp_config cfg;
    struct socket *so;
    enum vn_sctp_state state;
    uint64_t active_us;      /* last input or send */
    struct vn_pktbuf *spare; /* what the next message is read into */
};

/* Process-wide, as libusrsctp is. */
static struct {
    unsigned users;
    pthread_t thread;
    struct vn_list all;
    struct vn_sctp *recent; /* packets come in runs of one association */
    size_t count;
    uint64_t next_id;
    uint64_t ticked_us; /* time libusrsctp's clock stands at */
} global = {.next_id = 1};

static void *addr_of(uint64_t id)
{
    return (void *)(uintptr_t)id;
}

static struct vn_sctp *find(const void *addr)
{
    if (global.recent && addr_of(global.recent->id) == addr)
        return global.recent;
    VN_LIST_EACH(l, &global.all)
    {
        struct vn_sctp *s = VN_LIST_ENTRY(l, struct vn_sctp, link);
        if (addr_of(s->id) == addr)
            return global.recent = s;
    }
    return NULL;
}

/* ---- process ---- */

/* The checksum is left to us (crc32c offload): libusrsctp computes it with tables, 8 times slower
 * than SSE4.2. */
static int conn_output(void *addr, void *packet, size_t n, uint8_t tos, uint8_t set_df)
{
    struct vn_sctp *s = find(addr);
    (void)tos;
    (void)set_df;
    if (!s || n < HEADER_LEN)
        return 0; /* freed meanwhile: lost on the way */
    uint8_t *p = packet;
    memset(p + 8, 0, 4);
    uint32_t crc = vn_crc32c(VN_SPAN(p, n));
    for (size_t i = 0; i < 4; i++)
        p[8 + i] =
            (uint8_t)(crc >> (8 * i)); /* RFC 9260 appendix A: least significant byte first */
    struct vn_dgram d = {p, n};
    s->cfg.output(s->cfg.arg, &d, 1);
    return 0;
}

vn_status vn_sctp_global_init(void)
{
    if (global.users++ > 0) {
        assert(pthread_equal(global.thread, pthread_self()));
        return VN_OK;
    }
    global.thread = pthread_self();
    vn_list_init(&global.all);
    usrsctp_init_nothreads(0, conn_output, NULL);
    usrsctp_enable_crc32c_offload();
    usrsctp_sysctl_set_sctp_blackhole(2); /* strangers' packets get no ABORT */
    usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auto_asconf(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_sendspace(VN_SCTP_SNDBUF_BYTES);
    usrsctp_sysctl_set_sctp_recvspace(VN_SCTP_RCVBUF_BYTES);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(VN_SCTP_CHUNKS_MAX);
    usrsctp_sysctl_set_sctp_max_burst_default(0); /* none: bursts become one GSO send */
    /* Its own bound on fast retransmissions stays: a full window of them would be lost again. */
    usrsctp_sysctl_set_sctp_max_retran_chunk(UINT16_MAX); /* the bound is a time, not a count */
    usrsctp_sysctl_set_sctp_use_cwnd_based_maxburst(0);
    usrsctp_sysctl_set_sctp_initial_cwnd(VN_SCTP_INITIAL_CWND);
    usrsctp_sysctl_set_sctp_rto_min_default(VN_SCTP_RTO_MIN_MS);
    usrsctp_sysctl_set_sctp_rto_initial_default(VN_SCTP_RTO_INITIAL_MS);
    usrsctp_sysctl_set_sctp_rto_max_default(VN_SCTP_RTO_MAX_MS);
    usrsctp_sysctl_set_sctp_init_rto_max_default(VN_SCTP_RTO_MAX_MS);
    usrsctp_sysctl_set_sctp_init_rtx_max_default(VN_SCTP_RTX_MAX);
    usrsctp_sysctl_set_sctp_assoc_rtx_max_default(VN_SCTP_RTX_MAX);
    usrsctp_sysctl_set_sctp_path_rtx_max_default(VN_SCTP_RTX_MAX);
    usrsctp_sysctl_set_sctp_heartbeat_interval_default(VN_SCTP_HEARTBEAT_MS);
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(VN_SCTP_SACK_DELAY_MS);
    usrsctp_sysctl_set_sctp_sack_freq_default(VN_SCTP_SACK_PACKETS);
    usrsctp_sysctl_set_sctp_nr_outgoing_streams_default(VN_SCTP_STREAMS);
    usrsctp_sysctl_set_sctp_nr_incoming_streams_default(VN_SCTP_STREAMS);
    return VN_OK;
}

void vn_sctp_global_done(void)
{
    assert(global.users > 0 && pthread_equal(global.thread, pthread_self()));
    if (--global.users > 0)
        return;
    /* An endpoint just closed may wait for a timer of its own before it goes. */
    for (int i = 0; i < 100 && usrsctp_finish() != 0; i++)
        usrsctp_handle_timers(100);
    global.ticked_us = 0;
}

/* libusrsctp counts milliseconds; what is left over is carried to the next call. */
static void advance(uint64_t now_us)
{
    if (!global.ticked_us || now_us < global.ticked_us)
        global.ticked_us = now_us;
    uint64_t ms = (now_us - global.ticked_us) / 1000;
    if (ms == 0)
        return;
    global.ticked_us += ms * 1000;
    usrsctp_handle_timers((uint32_t)VN_MIN(ms, (uint64_t)UINT32_MAX));
}

uint64_t vn_sctp_tick(uint64_t now_us)
{
    bool busy = false;
    if (global.users == 0 || global.count == 0)
        return UINT64_MAX;
    advance(now_us);
    VN_LIST_EACH(l, &global.all)
    {
        struct vn_sctp *s = VN_LIST_ENTRY(l, struct vn_sctp, link);
        busy |= s->state == VN_SCTP_CONNECTING || now_us - s->active_us < VN_SCTP_QUIET_US ||
                vn_sctp_outstanding(s) > 0;
    }
    return busy ? VN_SCTP_TICK_US : VN_SCTP_IDLE_TICK_US;
}

/* ---- association ---- */

static bool set_option(struct vn_sctp *s, int level, int name, const void *value, size_t n)
{
    return usrsctp_setsockopt(s->so, level, name, value, (socklen_t)n) == 0;
}

static bool configure(struct vn_sctp *s)
{
    const int on = 1, off = 0;
    const struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    const struct sctp_event event = {
        .se_assoc_id = SCTP_ALL_ASSOC, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1};
    const struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE,
                                          .spp_hbinterval = VN_SCTP_HEARTBEAT_MS,
                                          .spp_pathmtu = (uint32_t)(s->cfg.mtu - HEADER_LEN),
                                          .spp_pathmaxrxt = VN_SCTP_RTX_MAX};
    const struct sctp_initmsg init = {.sinit_num_ostreams = VN_SCTP_STREAMS,
                                      .sinit_max_instreams = VN_SCTP_STREAMS};
    return usrsctp_set_non_blocking(s->so, 1) == 0 &&
           set_option(s, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close)) &&
           set_option(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on)) &&
           set_option(s, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof(on)) &&
           set_option(s, IPPROTO_SCTP, SCTP_EXPLICIT_EOR, &off, sizeof(off)) &&
           set_option(s, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof(event)) &&
           set_option(s, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path)) &&
           set_option(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init));
}

static struct sockaddr_conn conn_addr(const struct vn_sctp *s)
{
    return (struct sockaddr_conn){
        .sconn_family = AF_CONN, .sconn_port = htons(VN_SCTP_PORT), .sconn_addr = addr_of(s->id)};
}

vn_status vn_sctp_new(const struct vn_sctp_config *cfg, uint64_t now_us, struct vn_sctp **ret)
{
    assert(global.users > 0);
    struct vn_sctp *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->cfg = *cfg;
    s->id = global.next_id++;
    s->active_us = now_us;
    vn_list_append(&global.all, &s->link);
    global.count++;
    advance(now_us);
    usrsctp_register_address(addr_of(s->id));
    s->so = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    struct sockaddr_conn here = conn_addr(s);
    if (!s->so || !configure(s) ||
        usrsctp_bind(s->so, (struct sockaddr *)&here, sizeof(here)) != 0) {
        (void)vn_sctp_free(s);
        return VN_ERR_NOMEM;
    }
    *ret = s;
    return VN_OK;
}

struct vn_sctp *vn_sctp_free(struct vn_sctp *s)
{
    if (!s)
        return NULL;
    if (s->so)
        usrsctp_close(s->so); /* lingering for 0 s sends ABORT, still through our output */
    usrsctp_deregister_address(addr_of(s->id));
    vn_list_remove(&s->link);
    if (global.recent == s)
        global.recent = NULL;
    global.count--;
    (void)vn_pktbuf_free(s->spare);
    free(s);
    return NULL;
}

vn_status vn_sctp_connect(struct vn_sctp *s, uint64_t now_us)
{
    struct sockaddr_conn peer = conn_addr(s);
    s->active_us = now_us;
    if (usrsctp_connect(s->so, (struct sockaddr *)&peer, sizeof(peer)) != 0 && errno != EINPROGRESS)
        return VN_ERR_STATE;
    return VN_OK;
}

enum vn_sctp_state vn_sctp_state(const struct vn_sctp *s)
{
    return s->state;
}

void vn_sctp_set_window(struct vn_sctp *s, size_t bytes)
{
    const int size = (int)bytes;
    (void)set_option(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void set_state(struct vn_sctp *s, enum vn_sctp_state state, const char *reason)
{
    static const char *const names[] = {"connecting", "open", "closed", "failed"};
    if (state <= s->state)
        return; /* what ended stays ended */
    s->state = state;
    vn_log(VN_LOG_DEBUG, "sctp_state", VN_KV_STR("state", names[state]),
           VN_KV_STR("reason", reason));
}

static bool checksum_holds(const struct vn_dgram *d)
{
    uint8_t *p = d->p;
    uint8_t said[4];
    memcpy(said, p + 8, 4);
    memset(p + 8, 0, 4);
    uint32_t crc = vn_crc32c(VN_SPAN(p, d->n));
    memcpy(p + 8, said, 4);
    const uint8_t want[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                             (uint8_t)(crc >> 24)};
    return memcmp(said, want, 4) == 0;
}

void vn_sctp_input(struct vn_sctp *s, const struct vn_dgram *packets, size_t n, uint64_t now_us)
{
    advance(now_us);
    s->active_us = now_us;
    for (size_t i = 0; i < n; i++)
        if (packets[i].n >= HEADER_LEN + 4 && checksum_holds(&packets[i]))
            usrsctp_conninput(addr_of(s->id), packets[i].p, packets[i].n, 0);
}

/* ---- messages ---- */

static void take_notification(struct vn_sctp *s, struct vn_span in)
{
    union sctp_notification note;
    if (in.n < sizeof(note.sn_assoc_change))
        return;
    memcpy(&note.sn_assoc_change, in.p, sizeof(note.sn_assoc_change));
    if (note.sn_header.sn_type != SCTP_ASSOC_CHANGE)
        return;
    switch (note.sn_assoc_change.sac_state) {
    case SCTP_COMM_UP:
        set_state(s, VN_SCTP_OPEN, "established");
        break;
    case SCTP_SHUTDOWN_COMP:
        set_state(s, VN_SCTP_CLOSED, "shut down");
        break;
    case SCTP_COMM_LOST: /* the error that follows tells why */
        break;
    default: /* could not start, or the peer restarted under us */
        set_state(s, VN_SCTP_FAILED, "not started, or restarted");
    }
}

/* A long message goes up in the buffer it was read into, a short one in a buffer of its size. */
static struct vn_pktbuf *take_buffer(struct vn_sctp *s, size_t n)
{
    struct vn_pktbuf *b;
    if (n > s->cfg.message_max / 2) {
        b = VN_TAKE(s->spare);
        b->len = n;
        return b;
    }
    if (vn_pktbuf_new(n, &b) != VN_OK)
        return NULL;
    memcpy(vn_pktbuf_put(b, n), s->spare->data, n);
    return b;
}

size_t vn_sctp_receive(struct vn_sctp *s, struct vn_sctp_msg *ret, size_t cap)
{
    size_t count = 0;
    while (count < cap && s->state <= VN_SCTP_OPEN) {
        /* One byte more than allowed, so that a longer message shows. */
        if (!s->spare && vn_pktbuf_new(s->cfg.message_max + 1, &s->spare) != VN_OK)
            break;
        struct sctp_rcvinfo info = {0};
        socklen_t info_len = sizeof(info), from_len = 0;
        unsigned info_type = SCTP_RECVV_NOINFO;
        int flags = 0;
        ssize_t n = usrsctp_recvv(s->so, s->spare->data, s->cfg.message_max + 1, NULL, &from_len,
                                  &info, &info_len, &info_type, &flags);
        if (n < 0) {
            if (errno != EAGAIN && errno != ENOTCONN)
                set_state(s, errno == ECONNRESET ? VN_SCTP_CLOSED : VN_SCTP_FAILED,
                          strerror(errno));
            break;
        }
        if (n == 0) {
            set_state(s, VN_SCTP_CLOSED, "end of stream");
            break;
        }
        if (flags & MSG_NOTIFICATION) {
            take_notification(s, VN_SPAN(s->spare->data, (size_t)n));
            continue;
        }
        if (!(flags & MSG_EOR) || (size_t)n > s->cfg.message_max ||
            info_type != SCTP_RECVV_RCVINFO) {
            set_state(s, VN_SCTP_FAILED, "a message longer than any of ours");
            break;
        }
        struct vn_pktbuf *b = take_buffer(s, (size_t)n);
        if (b)
            ret[count++] = (struct vn_sctp_msg){info.rcv_sid, ntohl(info.rcv_ppid), b};
    }
    return count;
}

vn_status vn_sctp_send(struct vn_sctp *s, uint16_t stream, uint32_t ppid,
                       enum vn_sctp_reliability r, struct vn_span msg, uint64_t now_us)
{
    struct sctp_sendv_spa spa = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = {.snd_sid = stream, .snd_ppid = htonl(ppid)},
    };
    if (s->state > VN_SCTP_OPEN)
        return VN_ERR_STATE;
    if (r != VN_SCTP_RELIABLE_ORDERED)
        spa.sendv_sndinfo.snd_flags = SCTP_UNORDERED;
    if (r == VN_SCTP_TIMED_UNORDERED || r == VN_SCTP_ONCE_UNORDERED) {
        spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        bool timed = r == VN_SCTP_TIMED_UNORDERED;
        spa.sendv_prinfo.pr_policy = timed ? SCTP_PR_SCTP_TTL : SCTP_PR_SCTP_RTX;
        spa.sendv_prinfo.pr_value = timed ? VN_BULK_LIFETIME_MS : 0;
    }
    advance(now_us);
    if (usrsctp_sendv(s->so, msg.p, msg.n, NULL, 0, &spa, sizeof(spa), SCTP_SENDV_SPA, 0) >= 0) {
        s->active_us = now_us;
        return VN_OK;
    }
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? VN_ERR_AGAIN : VN_ERR_STATE;
}

size_t vn_sctp_outstanding(struct vn_sctp *s)
{
    struct sndbuf_use use = {0};
    socklen_t n = sizeof(use);
    if (s->state > VN_SCTP_OPEN ||
        usrsctp_getsockopt(s->so, IPPROTO_SCTP, SNDBUF_USE, &use, &n) != 0)
        return 0;
    return use.sndbuf;
}

uint32_t vn_sctp_srtt_us(struct vn_sctp *s)
{
    struct sctp_status status = {0};
    socklen_t n = sizeof(status);
    if (s->state != VN_SCTP_OPEN ||
        usrsctp_getsockopt(s->so, IPPROTO_SCTP, SCTP_STATUS, &status, &n) != 0)
        return 0;
    return status.sstat_primary.spinfo_srtt * 1000;
}
