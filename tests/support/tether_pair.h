/* Two tethers of one process that signal to each other directly: what core does over the control
 * channel, in memory. */
#pragma once

#include "support/test_io.h"
#include "transport/transport.h"

#define TETHER_END_MSGS 4096

struct tether_pair;

struct tether_end {
    struct tether_pair *pair;
    struct tether_end *peer;
    struct vn_transport *transport;
    const struct vn_tether_port *port;
    struct vn_tether *tether;
    struct vn_tether_config cfg;
    struct vn_candidate candidates[VN_TETHER_CANDIDATES_MAX];
    size_t candidate_count;
    bool gathered, up;
    uint64_t up_us;
    enum vn_tether_down down; /* 0: not */
    unsigned stranded, restarted, better, worn;
    unsigned writable[3];
    size_t given_up[3]; /* bytes */
    bool close_on_message, close_on_up, close_on_down;
    void (*when_up)(struct tether_end *e); /* called inside `up`; NULL: not */

    /* received: kept, or handed to `sink` if set (which then owns them) */
    struct vn_pktbuf *msgs[TETHER_END_MSGS];
    enum vn_tether_class classes[TETHER_END_MSGS];
    size_t msg_count;
    void (*sink)(struct tether_end *e, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n);
    void *sink_arg;
};

struct tether_pair {
    struct test_io *io;
    struct test_io *io_b;   /* of end b; NULL: the same. Not turning it freezes b. */
    struct tether_end a, b; /* a offers: controls, is the DTLS server */
    struct vn_secret32 psk;
    uint64_t key_bytes;          /* as struct vn_transport_config has it, for both ends */
    bool v4_only;                /* signal only IPv4 candidates */
    const struct vn_addr *proxy; /* as udp_proxy_addrs: told to the ends instead of any candidate */
    bool trickle;                /* candidates are passed on as they come, also before start */
    uint64_t opened_us;
};

/** Makes both transports (loopback allowed) and opens both tethers. a and b may be given other
 * loops later on. */
void tether_pair_open(struct tether_pair *p, struct test_io *io);
/** Starts both ends with each other's parameters and candidates. */
void tether_pair_start(struct tether_pair *p);
void tether_pair_start_end(struct tether_pair *p, struct tether_end *e,
                           const struct vn_secret32 *psk);
/** ICE restart: new parameters, and gathering; the peer's are not told. */
void tether_end_restart(struct tether_end *e, bool better);
/** Of both ends, up to the exchange of parameters and candidates; false: they did not gather. */
bool tether_pair_restart(struct tether_pair *p, bool better);
void tether_pair_signal(struct tether_end *from);
/** open, gather, start, until both are up; false after TEST_IO_WAIT_MS each. */
bool tether_pair_up(struct tether_pair *p, struct test_io *io);
/** Turns both loops until done(arg); false after TEST_IO_WAIT_MS. */
bool tether_pair_until(struct tether_pair *p, bool (*done)(void *arg), void *arg);
/** Turns both loops for so long. */
void tether_pair_for(struct tether_pair *p, int ms);
void tether_pair_close(struct tether_pair *p);
void tether_end_close(struct tether_end *e);

/** A message of n bytes whose content follows from seed. */
struct vn_pktbuf *tether_msg_new(size_t n, uint32_t seed);
bool tether_msg_holds(const struct vn_pktbuf *b, size_t n, uint32_t seed);
/** Sends one message now; returns whether it was taken (else freed). */
bool tether_end_send(struct tether_end *e, enum vn_tether_class cls, size_t n, uint32_t seed);
