/* A TURN server, for its own files: relay.c (life, datagrams) and relay_stream.c (TCP and TLS). */
#pragma once

#include "base/buf.h"
#include "crypto/tls_client.h"
#include "transport/limits.h"
#include "transport/relay.h"

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

/** Datagrams of one peer, on their way to the owner. */
struct vn_relay_batch {
    const struct vn_relay_sink *sink;
    struct vn_addr from;
    struct vn_dgram d[64];
    size_t n;
};

static inline uint64_t vn_relay_now(const struct vn_relay *r)
{
    return r->io->now_us(r->io->self);
}

/* ---- relay.c ---- */
/** It is of no use from now on; why: static. The first reason stays. */
void vn_relay_fail(struct vn_relay *r, const char *why);
/** The socket takes bytes: says the first thing to the server. */
void vn_relay_start_turn(struct vn_relay *r);
/** Whether the loop is to tell when it may be written to. */
void vn_relay_update_watch(struct vn_relay *r);
/** One whole message of the server. What it brings stays in the batch until vn_relay_flush, which
 * comes before its bytes go. */
void vn_relay_take(struct vn_relay *r, struct vn_dgram in, struct vn_relay_batch *b);
void vn_relay_flush(struct vn_relay_batch *b);

/* ---- relay_stream.c ---- */
/** Begins to connect. VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_relay_open_stream(struct vn_relay *r, uint32_t so_mark);
/** Sends a message, or drops it whole. */
void vn_relay_send_stream(struct vn_relay *r, struct vn_span message);
/** What waits, as far as it goes. */
void vn_relay_write_out(struct vn_relay *r);
/** What TLS has to say goes behind what waits already. */
void vn_relay_take_tls_output(struct vn_relay *r);
void vn_relay_read_stream(struct vn_relay *r, struct vn_relay_batch *b);
