/*
 * The control channel over libnats: the port ports/control.h.
 *
 * All work on connections is done by one thread, the pump: it polls the sockets, reads, writes,
 * subscribes. Connecting blocks (names, TCP, TLS), so each attempt has a short-lived thread of its
 * own and hands the finished connection to the pump; an attempt that hangs is abandoned. The core
 * thread only appends to queues, and gets messages from a queue and an eventfd: it never waits for
 * the network.
 *
 * New credentials make a second connection; the old one is read for two seconds more, so nothing on
 * its way is lost. Where the second one took long to come, the path was disturbed and what the old
 * one still carries may come too late: the handler hears of a loss and a return. Subscriptions
 * without a queue may then deliver a message twice; the envelope's replay check knows.
 */
#pragma once

#include "ports/control.h"
#include "ports/io.h"

#define VN_NATS_CONNECT_MS 10000 /* an attempt that takes longer is abandoned */
#define VN_NATS_NEAREST_MS 3000  /* in which one of several addresses must answer */
/* How long a replaced connection is still read. What Master sends to it as it closes is lost: half
 * of a queue group's messages in the time that one takes from there to here. */
#define VN_NATS_RETIRE_MS 2000
#define VN_NATS_SLOW_MS 1000   /* to connect: the path is disturbed, or very long */
#define VN_NATS_DOUBT_MS 60000 /* a long path is not doubted more often */
#define VN_NATS_SILENCE_MS                                                                         \
    150000 /* Master pings every 20 s (at most every 2 min): longer silence is a dead broker */
#define VN_NATS_RETRY_MAX_MS 5000
#define VN_NATS_OUT_MAX 4096 /* messages waiting to be written */
#define VN_NATS_IN_MAX 16384 /* messages waiting for the core thread; more are dropped */

struct vn_nats;

/** io outlives the object. Starts the pump. Handler and connect come afterwards. */
VN_MUST_CHECK vn_status vn_nats_new(const struct vn_io *io, struct vn_nats **ret);
/** Writes what was published, closes, wipes. Not inside a callback. Returns NULL; NULL is fine. */
struct vn_nats *vn_nats_free(struct vn_nats *n);
/** Messages may be so long, VN_CONTROL_PAYLOAD_MAX without it; the credentials must permit that. */
void vn_nats_set_payload_max(struct vn_nats *n, size_t bytes);
/** Lives as long as n. */
const struct vn_control *vn_nats_port(const struct vn_nats *n);
/** As the port's publish; who gets it may answer on the subject `answer`, which is subscribed to.
 */
VN_MUST_CHECK vn_status vn_nats_ask(struct vn_nats *n, const char *subject, const char *answer,
                                    struct vn_span payload);
/** Messages dropped because the core thread did not keep up. */
uint64_t vn_nats_dropped(struct vn_nats *n);
