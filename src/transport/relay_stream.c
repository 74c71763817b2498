/* TURN over TCP and TLS: messages are cut from the stream, and wait here until it takes them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "transport/relay_i.h"

vn_status vn_relay_open_stream(struct vn_relay *r, uint32_t so_mark)
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

/* ---- sending ---- */

void vn_relay_write_out(struct vn_relay *r)
{
    size_t done = 0;
    while (r->connected && done < r->out.len) {
        const ssize_t n = send(r->fd, r->out.p + done, r->out.len - done, MSG_NOSIGNAL);
        if (n > 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            if (errno != EAGAIN)
                vn_relay_fail(r, "the connection ended");
            break;
        }
    }
    vn_buf_consume(&r->out, done);
}

void vn_relay_take_tls_output(struct vn_relay *r)
{
    uint8_t bytes[4096];
    size_t n;
    while (r->tls && (n = vn_tls_client_output(r->tls, bytes, sizeof(bytes))) > 0)
        if (vn_buf_append(&r->out, bytes, n) != VN_OK)
            vn_relay_fail(r, "out of memory"); /* a record that is cut ends the stream */
}

void vn_relay_send_stream(struct vn_relay *r, struct vn_span message)
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
            vn_relay_fail(r, "out of memory");
        vn_relay_take_tls_output(r);
    } else if (vn_buf_append(&r->out, message.p, message.n) != VN_OK) {
        r->dropped = true;
    }
    if (was_empty) {
        vn_relay_write_out(r);
        if (r->out.len > 0)
            vn_relay_update_watch(r);
    }
}

/* ---- receiving ---- */

/* Takes whole frames from the front. */
static void cut_frames(struct vn_relay *r, struct vn_relay_batch *b)
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
            vn_relay_fail(r, "it does not speak TURN");
        if (st != VN_OK)
            break;
        if (n > VN_RELAY_FRAME_MAX) { /* of a peer that sends what no path carries whole */
            r->skip = n;
            b->sink->drop(b->sink->arg, VN_TURN_IN_MALFORMED);
            continue;
        }
        if (n > left)
            break;
        vn_relay_take(r, (struct vn_dgram){r->in + at, n}, b);
        at += n;
    }
    vn_relay_flush(b);
    memmove(r->in, r->in + at, r->in_len - at);
    r->in_len -= at;
}

static void feed_tls(struct vn_relay *r, struct vn_span bytes, struct vn_relay_batch *b)
{
    const bool was_open = vn_tls_client_state(r->tls) == VN_TLS_CLIENT_OPEN;
    size_t n;
    if (vn_tls_client_feed(r->tls, bytes) != VN_OK)
        vn_relay_fail(r, "out of memory");
    vn_relay_take_tls_output(r);
    if (!was_open && vn_tls_client_state(r->tls) == VN_TLS_CLIENT_OPEN)
        vn_relay_start_turn(r);
    while (!r->failed &&
           (n = vn_tls_client_read(r->tls, r->in + r->in_len, sizeof(r->in) - r->in_len)) > 0) {
        r->in_len += n;
        cut_frames(r, b);
    }
    if (vn_tls_client_state(r->tls) == VN_TLS_CLIENT_FAILED)
        vn_relay_fail(r, vn_tls_client_why(r->tls));
    else if (vn_tls_client_state(r->tls) == VN_TLS_CLIENT_CLOSED)
        vn_relay_fail(r, "it closed the connection");
}

void vn_relay_read_stream(struct vn_relay *r, struct vn_relay_batch *b)
{
    uint8_t bytes[VN_RELAY_READ_BYTES];
    for (unsigned round = 0; round < VN_UDP_READ_ROUNDS && !r->failed; round++) {
        uint8_t *to = r->tls ? bytes : r->in + r->in_len;
        const size_t cap = r->tls ? sizeof(bytes) : sizeof(r->in) - r->in_len;
        const ssize_t n = recv(r->fd, to, cap, 0);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                vn_relay_fail(r, "the connection ended");
            return;
        }
        if (n == 0) {
            vn_relay_fail(r, "it closed the connection");
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
