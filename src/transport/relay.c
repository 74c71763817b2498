#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "transport/relay_i.h"

void vn_relay_fail(struct vn_relay *r, const char *why)
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

void vn_relay_update_watch(struct vn_relay *r)
{
    r->io->rewatch(r->watch, wanted(r));
}

void vn_relay_watch_write(struct vn_relay *r, bool on)
{
    r->watch_write = on;
    vn_relay_update_watch(r);
}

static void on_turn_send(void *arg, struct vn_span message)
{
    struct vn_relay *r = arg;
    int err;
    if (!vn_relay_is_udp(r))
        vn_relay_send_stream(r, message);
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

void vn_relay_flush(struct vn_relay_batch *b)
{
    if (b->n > 0)
        b->sink->take(b->sink->arg, &b->from, b->d, b->n);
    b->n = 0;
}

void vn_relay_take(struct vn_relay *r, struct vn_dgram in, struct vn_relay_batch *b)
{
    struct vn_addr from;
    struct vn_dgram data;
    const enum vn_turn_input what = vn_turn_input(r->turn, in, vn_relay_now(r), &from, &data);
    if (what == VN_TURN_IN_DATA) {
        if (b->n == VN_ARRAY_LEN(b->d) || (b->n > 0 && !vn_addr_equal(&from, &b->from)))
            vn_relay_flush(b);
        b->from = from;
        b->d[b->n++] = data;
    } else if (what != VN_TURN_IN_CONTROL) {
        b->sink->drop(b->sink->arg, what);
    }
}

static void read_datagrams(struct vn_relay *r, struct vn_udp_rx *rx, struct vn_relay_batch *b)
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
                vn_relay_fail(r, "its port is closed");
            return;
        }
        for (size_t i = 0; i < count; i++)
            for (size_t at = 0; at < runs[i].n; at += runs[i].seg)
                vn_relay_take(
                    r, (struct vn_dgram){runs[i].p + at, VN_MIN(runs[i].seg, runs[i].n - at)}, b);
        vn_relay_flush(b); /* before the storage is read into again */
        if (!vn_udp_more(rx))
            return;
    }
}

void vn_relay_start_turn(struct vn_relay *r)
{
    vn_turn_tick(r->turn, vn_relay_now(r));
}

static void on_connected(struct vn_relay *r)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        errno = error;
        vn_relay_fail(r, error == ECONNREFUSED ? "its port is closed" : "it cannot be reached");
        return;
    }
    r->connected = true;
    if (!r->tls)
        vn_relay_start_turn(r);
}

void vn_relay_input(struct vn_relay *r, unsigned events, struct vn_udp_rx *rx,
                    const struct vn_relay_sink *sink)
{
    struct vn_relay_batch b = {.sink = sink};
    if (r->failed)
        return;
    if (!r->connected && events)
        on_connected(r);
    if (!r->failed && (events & VN_IO_READ)) {
        if (vn_relay_is_udp(r))
            read_datagrams(r, rx, &b);
        else
            vn_relay_read_stream(r, &b);
    }
    if (!r->failed)
        vn_relay_write_out(r);
    vn_relay_update_watch(r);
}

/* ---- life ---- */

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
    vn_status st = vn_relay_is_udp(r) ? open_datagrams(r, cfg->so_mark)
                                      : vn_relay_open_stream(r, cfg->so_mark);
    if (st == VN_OK)
        st = vn_turn_new(&turn, vn_relay_now(r), &r->turn);
    if (st == VN_OK && s->kind == VN_ICE_SERVER_TURN_TLS)
        st = vn_tls_client_new(&tls, &r->tls);
    if (st == VN_OK)
        st = vn_relay_hand_over(r, cfg->arg);
    if (st != VN_OK) {
        (void)vn_relay_close(r);
        return st;
    }
    vn_relay_take_tls_output(r); /* the first flight, once connected */
    if (vn_relay_is_udp(r))
        vn_relay_start_turn(r);
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
    vn_turn_permit(r->turn, peer, vn_relay_now(r));
}

void vn_relay_bind(struct vn_relay *r, const struct vn_addr *peer)
{
    vn_turn_bind(r->turn, peer, vn_relay_now(r));
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
        vn_turn_tick(r->turn, vn_relay_now(r));
}

uint64_t vn_relay_deadline(const struct vn_relay *r)
{
    return may_speak(r) ? vn_turn_deadline(r->turn) : UINT64_MAX;
}
