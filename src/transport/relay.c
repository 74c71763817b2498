#include "transport/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/tls_client.h"
#include "transport/limits.h"

struct vn_relay {
    const struct vn_io *io;
    enum vn_ice_server_kind kind;
    struct vn_addr server;
    int fd;
    struct vn_io_watch *watch;
    void (*on_ready)(void *arg, unsigned events);
    bool watch_write, connected;
    struct vn_tls_client *tls; /* TURN over TLS */
    struct vn_turn *turn;
    struct vn_buf out; /* of the stream: not written yet */
    bool dropped;      /* a message found no room in it */
    uint8_t in[VN_RELAY_READ_BYTES + VN_RELAY_FRAME_MAX];
    size_t in_len, skip; /* of the stream: frames not taken yet, bytes to be passed over */
    bool failed;
    const char *why;
};

static uint64_t now_of(const struct vn_relay *r)
{
    return r->io->now_us(r->io->self);
}

static void fail(struct vn_relay *r, const char *why)
{
    if (!r->failed)
        r->why = why;
    r->failed = true;
}

bool vn_relay_is_udp(const struct vn_relay *r)
{
    return r->kind == VN_ICE_SERVER_TURN_UDP;
}

/* ---- sending ---- */

static unsigned wanted(const struct vn_relay *r)
{
    const bool write = r->watch_write || !r->connected || r->out.len > 0;
    return write ? VN_IO_READ | VN_IO_WRITE : VN_IO_READ;
}

static void update_watch(struct vn_relay *r)
{
    r->io->rewatch(r->watch, wanted(r));
}

void vn_relay_watch_write(struct vn_relay *r, bool on)
{
    r->watch_write = on;
    update_watch(r);
}

static void write_out(struct vn_relay *r)
{
    size_t done = 0;
    while (r->connected && done < r->out.len) {
        const ssize_t n = send(r->fd, r->out.p + done, r->out.len - done, MSG_NOSIGNAL);
        if (n > 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            if (errno != EAGAIN)
                fail(r, "the connection ended");
            break;
        }
    }
    vn_buf_consume(&r->out, done);
}

/* What TLS has to say goes behind what waits already. */
static void take_tls_output(struct vn_relay *r)
{
    uint8_t bytes[4096];
    size_t n;
    while (r->tls && (n = vn_tls_client_output(r->tls, bytes, sizeof(bytes))) > 0)
        if (vn_buf_append(&r->out, bytes, n) != VN_OK)
            fail(r, "out of memory"); /* a record that is cut ends the stream */
}

static void send_stream(struct vn_relay *r, struct vn_span message)
{
    const bool was_empty = r->out.len == 0;
    if (r->failed)
        return;
    if (r->out.len + message.n > VN_RELAY_OUT_BYTES) {
        r->dropped = true; /* whole, as a datagram would be */
        return;
    }
    if (r->tls) {
        if (vn_tls_client_write(r->tls, message) == VN_ERR_NOMEM)
            fail(r, "out of memory");
        take_tls_output(r);
    } else if (vn_buf_append(&r->out, message.p, message.n) != VN_OK) {
        r->dropped = true;
    }
    if (was_empty) {
        write_out(r);
        if (r->out.len > 0)
            update_watch(r);
    }
}

static void on_turn_send(void *arg, struct vn_span message)
{
    struct vn_relay *r = arg;
    int err;
    if (!vn_relay_is_udp(r))
        send_stream(r, message);
    else if (vn_udp_send(r->fd, message, NULL, &err) != VN_OK)
        r->dropped = true;
}

bool vn_relay_send(struct vn_relay *r, const struct vn_addr *peer, struct vn_span datagram)
{
    r->dropped = false;
    if (r->turn && !r->failed)
        vn_turn_send(r->turn, peer, datagram);
    return !r->dropped;
}

size_t vn_relay_waiting(const struct vn_relay *r)
{
    return r->out.len;
}

/* ---- receiving ---- */

struct batch {
    const struct vn_relay_sink *sink;
    struct vn_addr from;
    struct vn_dgram d[64];
    size_t n;
};

static void flush_batch(struct batch *b)
{
    if (b->n > 0)
        b->sink->take(b->sink->arg, &b->from, b->d, b->n);
    b->n = 0;
}

static void take_message(struct vn_relay *r, struct vn_dgram in, struct batch *b)
{
    struct vn_addr from;
    struct vn_dgram data;
    const enum vn_turn_input what = vn_turn_input(r->turn, in, now_of(r), &from, &data);
    if (what == VN_TURN_IN_DATA) {
        if (b->n == VN_ARRAY_LEN(b->d) || (b->n > 0 && !vn_addr_equal(&from, &b->from)))
            flush_batch(b);
        b->from = from;
        b->d[b->n++] = data;
    } else if (what != VN_TURN_IN_CONTROL) {
        b->sink->drop(b->sink->arg, what);
    }
}

static void read_datagrams(struct vn_relay *r, struct vn_udp_rx *rx, struct batch *b)
{
    for (unsigned round = 0; round < VN_UDP_READ_ROUNDS; round++) {
        const struct vn_udp_run *runs;
        size_t count;
        int err;
        const vn_status st = vn_udp_read(r->fd, rx, &runs, &count, &err);
        if (st == VN_ERR_AGAIN)
            return;
        if (st != VN_OK) {
            if (err == ECONNREFUSED)
                fail(r, "its port is closed");
            return;
        }
        for (size_t i = 0; i < count; i++)
            for (size_t at = 0; at < runs[i].n; at += runs[i].seg)
                take_message(
                    r, (struct vn_dgram){runs[i].p + at, VN_MIN(runs[i].seg, runs[i].n - at)}, b);
        flush_batch(b); /* before the storage is read into again */
        if (!vn_udp_more(rx))
            return;
    }
}

/* Takes whole frames from the front. */
static void cut_frames(struct vn_relay *r, struct batch *b)
{
    size_t at = 0;
    while (at < r->in_len && !r->failed) {
        size_t n = 0;
        const size_t left = r->in_len - at;
        if (r->skip > 0) {
            n = VN_MIN(r->skip, left);
            r->skip -= n;
            at += n;
            continue;
        }
        const vn_status st = vn_turn_frame_len(VN_SPAN(r->in + at, left), &n);
        if (st == VN_ERR_MALFORMED)
            fail(r, "it does not speak TURN");
        if (st != VN_OK)
            break;
        if (n > VN_RELAY_FRAME_MAX) { /* of a peer that sends what no path carries whole */
            r->skip = n;
            b->sink->drop(b->sink->arg, VN_TURN_IN_MALFORMED);
            continue;
        }
        if (n > left)
            break;
        take_message(r, (struct vn_dgram){r->in + at, n}, b);
        at += n;
    }
    flush_batch(b);
    memmove(r->in, r->in + at, r->in_len - at);
    r->in_len -= at;
}

static void start_turn(struct vn_relay *r)
{
    vn_turn_tick(r->turn, now_of(r));
}

static void feed_tls(struct vn_relay *r, struct vn_span bytes, struct batch *b)
{
    const bool was_open = vn_tls_client_state(r->tls) == VN_TLS_CLIENT_OPEN;
    size_t n;
    if (vn_tls_client_feed(r->tls, bytes) != VN_OK)
        fail(r, "out of memory");
    take_tls_output(r);
    if (!was_open && vn_tls_client_state(r->tls) == VN_TLS_CLIENT_OPEN)
        start_turn(r);
    while (!r->failed &&
           (n = vn_tls_client_read(r->tls, r->in + r->in_len, sizeof(r->in) - r->in_len)) > 0) {
        r->in_len += n;
        cut_frames(r, b);
    }
    if (vn_tls_client_state(r->tls) == VN_TLS_CLIENT_FAILED)
        fail(r, vn_tls_client_why(r->tls));
    else if (vn_tls_client_state(r->tls) == VN_TLS_CLIENT_CLOSED)
        fail(r, "it closed the connection");
}

static void read_stream(struct vn_relay *r, struct batch *b)
{
    uint8_t bytes[VN_RELAY_READ_BYTES];
    for (unsigned round = 0; round < VN_UDP_READ_ROUNDS && !r->failed; round++) {
        uint8_t *to = r->tls ? bytes : r->in + r->in_len;
        const size_t cap = r->tls ? sizeof(bytes) : sizeof(r->in) - r->in_len;
        const ssize_t n = recv(r->fd, to, cap, 0);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                fail(r, "the connection ended");
            return;
        }
        if (n == 0) {
            fail(r, "it closed the connection");
            return;
        }
        if (r->tls) {
            feed_tls(r, VN_SPAN(bytes, (size_t)n), b);
        } else {
            r->in_len += (size_t)n;
            cut_frames(r, b);
        }
    }
}

static void on_connected(struct vn_relay *r)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        errno = error;
        fail(r, error == ECONNREFUSED ? "its port is closed" : "it cannot be reached");
        return;
    }
    r->connected = true;
    if (!r->tls)
        start_turn(r);
}

void vn_relay_input(struct vn_relay *r, unsigned events, struct vn_udp_rx *rx,
                    const struct vn_relay_sink *sink)
{
    struct batch b = {.sink = sink};
    if (r->failed)
        return;
    if (!r->connected && events)
        on_connected(r);
    if (!r->failed && (events & VN_IO_READ)) {
        if (vn_relay_is_udp(r))
            read_datagrams(r, rx, &b);
        else
            read_stream(r, &b);
    }
    if (!r->failed)
        write_out(r);
    update_watch(r);
}

/* ---- life ---- */

static vn_status open_stream(struct vn_relay *r, uint32_t so_mark)
{
    struct sockaddr_storage ss;
    const socklen_t n = vn_addr_to_sockaddr(&r->server, &ss);
    const int on = 1, low = VN_RELAY_OUT_LOW_BYTES;
    r->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd < 0)
        return VN_ERR_IO;
    (void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* What waits should wait where it is counted. */
    (void)setsockopt(r->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
    /* As in vn_udp_open: without its mark it would be routed into the overlay it carries. */
    if (so_mark && setsockopt(r->fd, SOL_SOCKET, SO_MARK, &so_mark, sizeof(so_mark)) != 0)
        return VN_ERR_IO;
    return connect(r->fd, (struct sockaddr *)&ss, n) == 0 || errno == EINPROGRESS ? VN_OK
                                                                                  : VN_ERR_IO;
}

static vn_status open_datagrams(struct vn_relay *r, uint32_t so_mark)
{
    struct vn_addr from;
    vn_status st = vn_udp_source_of(&r->server, so_mark, &from);
    from.port = 0;
    if (st == VN_OK)
        st = vn_udp_open(&from, so_mark, &r->fd);
    r->connected = true;
    return st == VN_OK ? vn_udp_connect(r->fd, &r->server) : st;
}

vn_status vn_relay_hand_over(struct vn_relay *r, void *arg)
{
    r->io->unwatch(r->watch);
    r->watch = NULL;
    return r->io->watch(r->io->self, r->fd, wanted(r), r->on_ready, arg, &r->watch);
}

vn_status vn_relay_open(const struct vn_relay_config *cfg, struct vn_relay **ret)
{
    const struct vn_ice_server *s = cfg->server;
    struct vn_relay *r = calloc(1, sizeof(*r));
    if (!r)
        return VN_ERR_NOMEM;
    r->io = cfg->io;
    r->on_ready = cfg->on_ready;
    r->kind = s->kind;
    r->server = s->addr;
    r->fd = -1;
    vn_buf_init(&r->out, 2 * VN_RELAY_OUT_BYTES); /* TLS adds to what was let in */
    const struct vn_turn_config turn = {.username = s->username,
                                        .password = s->credential,
                                        .stream = !vn_relay_is_udp(r),
                                        .v6 = !vn_ip_is_v4(&s->addr.ip),
                                        .random = cfg->random,
                                        .arg = r,
                                        .send = on_turn_send};
    const struct vn_tls_client_config tls = {.host = s->host, .pin = s->pinned ? s->pin : NULL};
    vn_status st =
        vn_relay_is_udp(r) ? open_datagrams(r, cfg->so_mark) : open_stream(r, cfg->so_mark);
    if (st == VN_OK)
        st = vn_turn_new(&turn, now_of(r), &r->turn);
    if (st == VN_OK && s->kind == VN_ICE_SERVER_TURN_TLS)
        st = vn_tls_client_new(&tls, &r->tls);
    if (st == VN_OK)
        st = vn_relay_hand_over(r, cfg->arg);
    if (st != VN_OK) {
        (void)vn_relay_close(r);
        return st;
    }
    take_tls_output(r); /* the first flight, once connected */
    if (vn_relay_is_udp(r))
        start_turn(r);
    *ret = r;
    return VN_OK;
}

struct vn_relay *vn_relay_close(struct vn_relay *r)
{
    if (!r)
        return NULL;
    r->turn = vn_turn_free(r->turn);
    r->io->unwatch(r->watch);
    if (r->fd >= 0)
        close(r->fd);
    r->tls = vn_tls_client_free(r->tls);
    vn_buf_done(&r->out);
    vn_wipe(r->in, sizeof(r->in));
    free(r);
    return NULL;
}

enum vn_relay_state vn_relay_state(const struct vn_relay *r)
{
    if (r->failed || vn_turn_state(r->turn) == VN_TURN_FAILED)
        return VN_RELAY_FAILED;
    return vn_turn_state(r->turn) == VN_TURN_ALLOCATED ? VN_RELAY_READY : VN_RELAY_CONNECTING;
}

const char *vn_relay_why(const struct vn_relay *r, unsigned *ret_code)
{
    *ret_code = vn_turn_error(r->turn);
    return r->why ? r->why : *ret_code ? "it refused" : "it does not answer";
}

struct vn_addr vn_relay_addr(const struct vn_relay *r)
{
    return vn_turn_relayed(r->turn);
}

const struct vn_addr *vn_relay_server(const struct vn_relay *r)
{
    return &r->server;
}

int vn_relay_fd(const struct vn_relay *r)
{
    return r->fd;
}

void vn_relay_permit(struct vn_relay *r, const struct vn_addr *peer)
{
    vn_turn_permit(r->turn, peer, now_of(r));
}

void vn_relay_bind(struct vn_relay *r, const struct vn_addr *peer)
{
    vn_turn_bind(r->turn, peer, now_of(r));
}

uint16_t vn_relay_channel(const struct vn_relay *r, const struct vn_addr *peer)
{
    return vn_turn_channel(r->turn, peer);
}

static bool may_speak(const struct vn_relay *r)
{
    return r->connected && !r->failed &&
           (!r->tls || vn_tls_client_state(r->tls) == VN_TLS_CLIENT_OPEN);
}

void vn_relay_tick(struct vn_relay *r)
{
    if (may_speak(r))
        vn_turn_tick(r->turn, now_of(r));
}

uint64_t vn_relay_deadline(const struct vn_relay *r)
{
    return may_speak(r) ? vn_turn_deadline(r->turn) : UINT64_MAX;
}
