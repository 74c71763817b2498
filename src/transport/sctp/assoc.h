/*
 * One association and its parts; not for other layers, they use transport/sctp.h. TSNs are 64 bits
 * wide inside (vn_sctp_unwrap), so they never wrap; 0 is none.
 *
 * Files: setup.c association set-up and cookies; input.c packets and chunks in; end.c shutdown and
 * abort; rx.c which TSNs are here, and SACKs of it; reasm.c fragments to messages; order.c their
 * order; tx.c the queue and chunks in flight; ack.c SACKs of the peer and loss detection; output.c
 * packets out, and pacing; partial.c messages given up; pmtu.c the longest
 * packet that passes; reset.c streams; timers.c time; bbr.c
 * congestion control.
 */
#pragma once

#include "transport/limits.h"
#include "transport/sctp.h"
#include "transport/sctp/bbr.h"
#include "transport/sctp/wire.h"

enum vn_sctp_phase {               /* RFC 9260 section 4 */
                     VN_SCTP_IDLE, /* CLOSED, but open to INIT */
                     VN_SCTP_COOKIE_WAIT,
                     VN_SCTP_COOKIE_ECHOED,
                     VN_SCTP_ESTABLISHED,
                     VN_SCTP_SHUTDOWN_PENDING,
                     VN_SCTP_SHUTDOWN_SENT,
                     VN_SCTP_SHUTDOWN_RECEIVED,
                     VN_SCTP_SHUTDOWN_ACK_SENT,
                     VN_SCTP_ENDED,
};

/** What the peer's INIT or INIT ACK said. */
struct vn_sctp_peer {
    uint32_t tag, rwnd, tsn;
    uint16_t out_streams, in_streams;
    bool forward_tsn, reconfig, zero_checksum;
};

/* ---- receiving ---- */

/** Neighbouring fragments of one message; complete with begin and end. */
struct vn_sctp_run {
    struct vn_sctp_run *next; /* of the stream's waiting messages, or of the free ones */
    uint64_t since_us;        /* complete, and kept for the sake of order, since then */
    uint64_t first, last;     /* TSNs */
    struct vn_pktbuf *buf;
    size_t cap; /* bytes of data buf takes */
    uint32_t ppid;
    uint16_t stream, ssn;
    bool begin, end, unordered;
};

struct vn_sctp_in_stream {
    struct vn_sctp_run *head, *tail; /* complete, waiting for an earlier one; by number */
    uint16_t ssn;                    /* of the next message to hand up */
    /* complete and unordered, waiting for what was sent before them; by TSN */
    struct vn_sctp_run *held, *held_tail;
    uint64_t hold_us; /* how long; 0: not at all */
    bool anew;        /* its reset was told, and nothing of it since */
};

struct vn_sctp_rx {
    uint64_t cum, highest;
    uint64_t bits[VN_SCTP_CHUNKS_MAX / 64]; /* received above cum, by TSN */
    struct vn_sctp_run **slots;             /* runs by their first and last TSN, from cum on */
    size_t slot_count;                      /* a power of two, or 0 */
    struct vn_sctp_run *spare;
    size_t spare_count;
    size_t memory, held;               /* bytes of buffers; of data in them */
    size_t waiting;                    /* complete messages in streams */
    size_t held_count;                 /* of those, messages held for what was sent before them */
    uint64_t hold_due_us;              /* when one has waited long enough */
    struct vn_sctp_in_stream *streams; /* cfg.streams */

    struct vn_sctp_msg *ready; /* ring */
    size_t ready_cap, ready_at, ready_count;

    uint32_t dups[VN_SCTP_DUPS_MAX];
    size_t dup_count;
    unsigned unsacked; /* packets with data since the last SACK */
    bool sack_now, packet_had_data, packet_had_forward;
    uint64_t sack_due_us; /* UINT64_MAX: none */
};

/* ---- sending ---- */

struct vn_sctp_out_msg {
    struct vn_sctp_out_msg *next;
    struct vn_pktbuf *buf;
    uint64_t expires_us; /* UINT64_MAX: never */
    uint32_t retransmits;
    uint32_t ppid;
    uint32_t chunks; /* in the ring */
    uint16_t stream, ssn;
    size_t cut;     /* bytes that have a TSN */
    uint64_t first; /* TSN */
    bool unordered;
};

enum vn_sctp_chunk_state {
    VN_SCTP_IN_FLIGHT,
    VN_SCTP_LOST,   /* to be sent again */
    VN_SCTP_GAPPED, /* acknowledged, but not by the cumulative TSN */
    VN_SCTP_ABANDONED,
};

struct vn_sctp_out_chunk {
    struct vn_sctp_out_msg *msg;
    uint64_t prev, next; /* TSNs in the list of the state */
    uint64_t seq;        /* of its last transmission, over all chunks */
    uint64_t sent_us;
    /* when that was: the rate sample of draft-cheng-iccrg-delivery-rate-estimation */
    uint64_t delivered, delivered_us, first_sent_us, lost, in_flight;
    uint32_t at;
    uint16_t len;
    uint16_t sends;
    uint8_t state; /* enum vn_sctp_chunk_state */
    bool app_limited;
};

/** A list of chunks, linked by TSN. */
struct vn_sctp_chunks {
    uint64_t head, tail;
};

struct vn_sctp_out_stream {
    struct vn_sctp_out_msg *head, *tail; /* not all cut into chunks */
    uint16_t ssn;
    enum { VN_SCTP_NO_RESET, VN_SCTP_RESET_WANTED, VN_SCTP_RESET_ASKED } reset;
    bool held;                          /* a reset is on its way */
    struct vn_sctp_out_msg *held_after; /* it waits for this one; NULL: none */
};

struct vn_sctp_tx {
    uint64_t cum, next;             /* acknowledged up to; the TSN to give out next */
    uint64_t forward;               /* Advanced.Peer.Ack.Point (RFC 3758 section 3.5) */
    struct vn_sctp_out_chunk *ring; /* [cum + 1, next), by TSN */
    size_t ring_count;              /* a power of two, or 0 */
    uint64_t *open;                 /* of the ring: neither gapped nor abandoned */
    struct vn_sctp_chunks sent, lost;
    struct vn_sctp_out_stream *streams; /* cfg.streams */
    unsigned used;                      /* the first so many have ever sent */
    unsigned turn;                      /* the stream whose turn it is */
    struct vn_sctp_out_msg *spare;
    size_t spare_count;

    size_t window;             /* bytes to accept */
    size_t waiting;            /* bytes without a TSN */
    size_t in_flight, unacked; /* bytes sent and not lost; bytes with a TSN and not acknowledged */
    size_t held;               /* bytes of messages kept */
    size_t messages;
    uint64_t rwnd;
    uint64_t seq;

    /* rate */
    uint64_t delivered, delivered_us, first_sent_us, lost_bytes, app_limited_until;
    /* round-trip time, RFC 9260 section 6.3.1 */
    uint64_t srtt_us, rttvar_us, rto_us, min_rtt_us;
    /* RACK (RFC 8985) */
    uint64_t rack_seq, rack_sent_us, rack_rtt_us;
    unsigned reorder; /* the window for reordering, in quarters of the shortest round trip */
    uint64_t reorder_rounds;
    uint64_t rack_due_us, probe_due_us, timeout_due_us, forward_due_us;
    bool probed, forward_now;

    struct vn_bbr bbr;
    uint64_t next_send_ns; /* pacing */
    uint64_t pace_due_us;
};

struct vn_sctp {
    struct vn_sctp_config cfg;
    enum vn_sctp_phase phase;
    enum vn_sctp_state state;
    struct vn_sctp_counters counters;
    uint32_t tag; /* the peer's packets carry it */
    uint32_t first_tsn;
    uint8_t key[32]; /* of our cookies */
    struct vn_sctp_peer peer;
    bool zero_checksum; /* ours to the peer */
    bool waits_for_end; /* of the turn: SACK or FORWARD-TSN */

    uint8_t *cookie; /* to echo; while it may have to be sent again */
    size_t cookie_len;
    unsigned attempts;       /* of T1 or T2 */
    uint64_t attempt_due_us; /* T1, T2: UINT64_MAX: not running */
    unsigned errors;         /* Association.Max.Retrans counts them */
    uint64_t heartbeat_due_us, heartbeat_sent_us;
    uint64_t heartbeat_nonce;
    bool heartbeat_open; /* one is unanswered */
    struct {
        uint64_t nonce;      /* of its probes */
        uint64_t due_us;     /* of the search */
        unsigned rounds;     /* of the search under way */
        unsigned suspicions; /* in a row, of a black hole */
        uint64_t suspect_us; /* not before */
        bool base_passes;    /* was seen since the first of them */
    } pmtu;
    unsigned replies; /* left for the packet being read */
    bool shutdown_wanted;

    struct vn_sctp_rx rx;
    struct vn_sctp_tx tx;

    struct {                      /* RFC 6525 */
        uint32_t out_seq, in_seq; /* of our next request; of the peer's next */
        uint32_t in_result;       /* of the peer's last one */
        unsigned wanted, asked;   /* streams */
        uint32_t last_tsn;        /* what must have arrived before */
        uint64_t due_us;          /* UINT64_MAX: nothing is asked */
        unsigned attempts;
    } reset;
};

#define VN_SCTP_NEVER UINT64_MAX
/** Bytes of the longest FORWARD-TSN. */
#define VN_SCTP_FORWARD_MAX (8 + 4 * VN_SCTP_STREAMS_NAMED)

static inline bool vn_sctp_has_data_phase(const struct vn_sctp *s)
{
    return s->phase >= VN_SCTP_ESTABLISHED && s->phase < VN_SCTP_ENDED;
}

/* setup.c */
void vn_sctp_send_init(struct vn_sctp *s);
void vn_sctp_send_cookie(struct vn_sctp *s);
void vn_sctp_take_init(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
void vn_sctp_take_init_ack(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
void vn_sctp_take_cookie_echo(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
void vn_sctp_take_cookie_ack(struct vn_sctp *s, uint64_t now_us);

/* end.c */
void vn_sctp_end(struct vn_sctp *s, enum vn_sctp_state state, const char *reason);
/** Sends ABORT with one cause and ends the association as failed. */
void vn_sctp_abort(struct vn_sctp *s, enum vn_sctp_cause cause, const char *reason);
void vn_sctp_send_abort(struct vn_sctp *s, uint32_t tag, enum vn_sctp_cause cause,
                        const char *reason);
void vn_sctp_take_shutdown(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
void vn_sctp_take_shutdown_ack(struct vn_sctp *s);
void vn_sctp_send_shutdown_complete(struct vn_sctp *s);
/** Moves a shutdown on when all is acknowledged. */
void vn_sctp_go_on_shutting(struct vn_sctp *s, uint64_t now_us);
void vn_sctp_repeat_shutdown(struct vn_sctp *s, uint64_t now_us);

/* input.c */
/** Sends one packet with what was written after the header; uses up a reply of the packet. */
void vn_sctp_reply(struct vn_sctp *s, struct vn_writer *w);

/* rx.c */
void vn_sctp_rx_init(struct vn_sctp *s);
void vn_sctp_rx_done(struct vn_sctp *s);
bool vn_sctp_rx_has(const struct vn_sctp_rx *rx, uint64_t tsn);
void vn_sctp_rx_mark(struct vn_sctp *s, uint64_t tsn);
/** All up to cum counts as received; false: it is outside the window. */
bool vn_sctp_rx_skip(struct vn_sctp *s, uint64_t cum);
void vn_sctp_take_data(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
/** Decides when to send a SACK for what came in. */
void vn_sctp_rx_settle(struct vn_sctp *s, uint64_t now_us);
bool vn_sctp_sack_is_due(const struct vn_sctp *s, uint64_t now_us);
/** Writes a SACK of at most cap bytes. */
void vn_sctp_write_sack(struct vn_sctp *s, struct vn_writer *w, size_t cap);

/* reasm.c */
struct vn_sctp_fragment {
    uint64_t tsn;
    uint32_t ppid;
    uint16_t stream, ssn;
    bool begin, end, unordered;
    struct vn_span data;
};
/** VN_ERR_NOMEM: not now; VN_ERR_MALFORMED: the data means nothing, the TSN counts; VN_ERR_LIMIT:
 * too long for any message. */
VN_MUST_CHECK vn_status vn_sctp_reassemble(struct vn_sctp *s, const struct vn_sctp_fragment *f,
                                           uint64_t now_us);
/** Forgets the incomplete messages with a TSN in (from, to]. */
void vn_sctp_skip_runs(struct vn_sctp *s, uint64_t from, uint64_t to);
void vn_sctp_reasm_done(struct vn_sctp *s);
/** Frees the run and returns its buffer. */
struct vn_pktbuf *vn_sctp_run_give_up(struct vn_sctp_rx *rx, struct vn_sctp_run *r);

/* order.c */
/** Makes room for one message more for the owner; false: no memory. */
bool vn_sctp_have_ready_room(struct vn_sctp_rx *rx);
/** A run has its beginning and its end; there is room for one message. */
void vn_sctp_complete(struct vn_sctp *s, struct vn_sctp_run *r, uint64_t now_us);
/** The peer starts the stream anew; there is room for one message. */
void vn_sctp_start_anew(struct vn_sctp *s, uint16_t stream);
/** Hands up unordered messages that need not wait, or not any longer. */
void vn_sctp_release(struct vn_sctp *s, uint64_t now_us);
/** Messages of the stream up to this number are not awaited any more. */
void vn_sctp_skip_ssn(struct vn_sctp *s, uint16_t stream, uint16_t ssn);

/* tx.c */
void vn_sctp_tx_init(struct vn_sctp *s, uint64_t now_us);
void vn_sctp_tx_done(struct vn_sctp *s);
struct vn_sctp_out_chunk *vn_sctp_chunk(struct vn_sctp_tx *tx, uint64_t tsn);
void vn_sctp_chunks_append(struct vn_sctp_tx *tx, struct vn_sctp_chunks *l, uint64_t tsn);
void vn_sctp_chunks_remove(struct vn_sctp_tx *tx, struct vn_sctp_chunks *l, uint64_t tsn);
/** Gives the next fragment a TSN; 0: none waits, or there is no memory. room: bytes of data. */
uint64_t vn_sctp_cut(struct vn_sctp *s, size_t room, uint64_t now_us);
/** Bytes of that fragment, room or not; 0: none waits. */
size_t vn_sctp_next_len(const struct vn_sctp *s);
/** One chunk of it has left the ring; the last one of a message that is all cut frees it. */
void vn_sctp_msg_drop_chunk(struct vn_sctp *s, struct vn_sctp_out_msg *m);
/** Frees a message of which no chunk is in the ring, and no stream knows. */
void vn_sctp_msg_forget(struct vn_sctp *s, struct vn_sctp_out_msg *m);
struct vn_sctp_out_msg *vn_sctp_stream_pop(struct vn_sctp_out_stream *st);

/* ack.c */
void vn_sctp_take_sack(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
void vn_sctp_take_cum(struct vn_sctp *s, uint64_t cum, uint64_t now_us);
/** Marks what RACK holds for lost by now. */
void vn_sctp_detect_loss(struct vn_sctp *s, uint64_t now_us);
void vn_sctp_mark_lost(struct vn_sctp *s, uint64_t tsn);
void vn_sctp_take_rtt(struct vn_sctp *s, uint64_t rtt_us);
/** Starts and stops the probe and timeout timers. */
void vn_sctp_arm_timeouts(struct vn_sctp *s, uint64_t now_us, bool progress);

/* partial.c */
/** Counts it, and tells who asked. */
void vn_sctp_gave_up(struct vn_sctp *s, const struct vn_sctp_out_msg *m);
/** False: the peer does not know how (RFC 3758 section 3.3.1); the message stays. */
bool vn_sctp_abandon(struct vn_sctp *s, struct vn_sctp_out_msg *m);
/** Moves the Advanced.Peer.Ack.Point; arms FORWARD-TSN if it is ahead. */
void vn_sctp_advance_forward(struct vn_sctp *s);
void vn_sctp_write_forward_tsn(struct vn_sctp *s, struct vn_writer *w, uint64_t now_us);
void vn_sctp_take_forward_tsn(struct vn_sctp *s, const struct vn_sctp_tlv *c);

/* output.c */
void vn_sctp_output(struct vn_sctp *s, uint64_t now_us);
/** Sends a chunk of one's own making, alone in its packet. */
void vn_sctp_send_packet(struct vn_sctp *s, struct vn_writer *w, bool zero_allowed);
/** Sends a chunk now, whatever the windows say. */
void vn_sctp_send_probe(struct vn_sctp *s, uint64_t now_us);

/* pmtu.c */
/** The association is open: the search begins. */
void vn_sctp_pmtu_start(struct vn_sctp *s, uint64_t now_us);
/** pmtu.due_us has come. */
void vn_sctp_pmtu_tick(struct vn_sctp *s, uint64_t now_us);
/** Packets were lost that should not have been; may end the association. */
void vn_sctp_pmtu_lost(struct vn_sctp *s, uint64_t now_us);
/** A packet of this size arrived there. */
void vn_sctp_pmtu_passes(struct vn_sctp *s, size_t size);
/** What a HEARTBEAT ACK returns; false: it is not of a probe. */
bool vn_sctp_pmtu_ack(struct vn_sctp *s, struct vn_reader info);

/* reset.c */
void vn_sctp_take_reconfig(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us);
void vn_sctp_go_on_resetting(struct vn_sctp *s, uint64_t now_us);
void vn_sctp_repeat_reset(struct vn_sctp *s, uint64_t now_us);
