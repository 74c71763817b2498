#include "conflux/netcheck_stream.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "crypto/tls_client.h"
#include "transport/stun.h"
#include "transport/turn.h"
#include "transport/udp.h"

struct stream {
    int fd;
    struct vn_tls_client *tls; /* NULL: plain TCP */
    uint64_t until_us;
    const char *why; /* it failed */
};

bool vn_netcheck_connect(const struct sockaddr *to, socklen_t n, uint32_t so_mark, int *ret_fd)
{
    const int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err = 0;
    socklen_t err_len = sizeof(err);
    if (fd < 0)
        return false;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if ((so_mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &so_mark, sizeof(so_mark)) != 0) ||
        (connect(fd, to, n) != 0 && errno != EINPROGRESS))
        err = errno;
    else if (poll(&p, 1, VN_NETCHECK_CONNECT_MS) != 1)
        err = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) != 0)
        err = errno;
    if (err) {
        close(fd);
        errno = err;
        return false;
    }
    *ret_fd = fd;
    return true;
}

static bool fail(struct stream *s, const char *why)
{
    s->why = why;
    return false;
}

static bool wait_for(struct stream *s, short events)
{
    struct pollfd p = {.fd = s->fd, .events = events};
    const uint64_t now_us = vn_clock_mono_us();
    return (now_us < s->until_us && poll(&p, 1, (int)((s->until_us - now_us) / 1000) + 1) == 1) ||
           fail(s, "no answer");
}

static bool send_all(struct stream *s, struct vn_span out)
{
    for (size_t done = 0; done < out.n;) {
        const ssize_t n = send(s->fd, out.p + done, out.n - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return fail(s, "the connection ended");
        else if (!wait_for(s, POLLOUT))
            return false;
    }
    return true;
}

static bool send_tls(struct stream *s)
{
    uint8_t bytes[4096];
    size_t n;
    while ((n = vn_tls_client_output(s->tls, bytes, sizeof(bytes))) > 0)
        if (!send_all(s, VN_SPAN(bytes, n)))
            return false;
    return true;
}

/* What one read of the network brings, which may be nothing. */
static bool hear(struct stream *s, uint8_t *ret, size_t cap, size_t *ret_n)
{
    uint8_t raw[4096];
    if (!wait_for(s, POLLIN))
        return false;
    const ssize_t n = recv(s->fd, s->tls ? raw : ret, s->tls ? sizeof(raw) : cap, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        *ret_n = 0;
        return true;
    }
    if (n <= 0)
        return fail(s, n < 0 ? "the connection ended" : "it closed the connection");
    *ret_n = (size_t)n;
    if (!s->tls)
        return true;
    if (vn_tls_client_feed(s->tls, VN_SPAN(raw, (size_t)n)) != VN_OK)
        return fail(s, "out of memory");
    *ret_n = vn_tls_client_read(s->tls, ret, cap);
    if (vn_tls_client_state(s->tls) == VN_TLS_CLIENT_FAILED)
        return fail(s, vn_tls_client_why(s->tls));
    return send_tls(s);
}

static bool shake_hands(struct stream *s, const struct vn_netcheck_server *server)
{
    const struct vn_tls_client_config cfg = {.host = server->host,
                                             .pin = server->pinned ? server->pin : NULL};
    uint8_t early[64];
    size_t n = 0;
    if (vn_tls_client_new(&cfg, &s->tls) != VN_OK)
        return fail(s, "out of memory");
    if (!send_tls(s))
        return false;
    while (vn_tls_client_state(s->tls) == VN_TLS_CLIENT_HANDSHAKE)
        if (!hear(s, early, sizeof(early), &n))
            return false;
    return n == 0 || fail(s, "it does not speak TURN");
}

static bool send_question(struct stream *s, const struct vn_stun_txid *txid)
{
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    vn_stun_begin(&w, VN_STUN_REQUEST, VN_STUN_BINDING, txid);
    if (vn_stun_end(&w, VN_SPAN_NONE, &out) != VN_OK)
        return fail(s, "out of memory");
    if (!s->tls)
        return send_all(s, out);
    if (vn_tls_client_write(s->tls, out) != VN_OK)
        return fail(s, "it closed the connection");
    return send_tls(s);
}

static bool ask(struct stream *s, struct vn_netcheck_server *server)
{
    uint8_t in[VN_STUN_BYTES_MAX];
    size_t have = 0, len, n;
    struct vn_stun_txid txid;
    struct vn_stun_msg m;
    if (vn_rng_bytes(txid.b, sizeof(txid.b)) != VN_OK)
        return fail(s, "no randomness");
    const uint64_t began_us = vn_clock_mono_us();
    if (!send_question(s, &txid))
        return false;
    for (;;) {
        const vn_status st = vn_turn_frame_len(VN_SPAN(in, have), &len);
        if (st == VN_ERR_MALFORMED || (st == VN_OK && len > sizeof(in)))
            return fail(s, "it does not speak TURN");
        if (st == VN_OK && len <= have)
            break;
        if (!hear(s, in + have, sizeof(in) - have, &n))
            return false;
        have += n;
    }
    if (vn_stun_decode(VN_SPAN(in, len), &m) != VN_OK ||
        memcmp(&m.txid, &txid, sizeof(txid)) != 0 ||
        (m.cls != VN_STUN_SUCCESS && m.cls != VN_STUN_ERROR))
        return fail(s, "it does not speak TURN");
    server->answered = true;
    server->rtt_us = (uint32_t)(vn_clock_mono_us() - began_us);
    if (m.cls == VN_STUN_SUCCESS && m.has_mapped)
        server->mapped = m.mapped;
    return true;
}

void vn_netcheck_ask_stream(struct vn_netcheck_server *server, uint32_t so_mark)
{
    struct sockaddr_storage ss;
    const socklen_t n = vn_addr_to_sockaddr(&server->addr, &ss);
    struct stream s = {.fd = -1};
    if (!vn_netcheck_connect((struct sockaddr *)&ss, n, so_mark, &s.fd)) {
        server->why = strerror(errno);
        return;
    }
    s.until_us = vn_clock_mono_us() + VN_NETCHECK_CONNECT_MS * UINT64_C(1000);
    if (server->kind != VN_ICE_SERVER_TURN_TLS || shake_hands(&s, server))
        (void)ask(&s, server);
    server->why = s.why;
    s.tls = vn_tls_client_free(s.tls);
    close(s.fd);
}
