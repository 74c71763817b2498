/*
 * Every constant of the transport, with unit and source. "Ours" marks a choice that no document
 * prescribes; change it when a measurement says so.
 */
#pragma once

#include "base/limits.h"

/* ---- sockets ---- */

/* Bytes asked of SO_SNDBUF and SO_RCVBUF. Ours: above one SCTP window. */
#define VN_UDP_SOCKBUF_BYTES (4 * 1024 * 1024)
/* Bytes of one read: the most UDP_GRO joins, by the length field of UDP. */
#define VN_UDP_READ_BYTES 65536
/* Reads per system call, of what UDP_GRO joined and of single datagrams; and system calls per
 * readable event (the fairness bound). Ours. */
#define VN_UDP_READ_COUNT 4
#define VN_UDP_READ_SINGLES 32
#define VN_UDP_READ_ROUNDS 4
/* Datagrams of one UDP_SEGMENT send: UDP_MAX_SEGMENTS before Linux 6.9. */
#define VN_UDP_GSO_SEGMENTS 64
/* Bytes of one UDP_SEGMENT send: below 65,535 less the IPv6 and UDP headers. */
#define VN_UDP_GSO_BYTES 65000
/* Bytes and datagrams gathered before a flush, or kept while the socket is full. Ours. */
#define VN_UDP_TX_BYTES 131072
#define VN_UDP_TX_COUNT 1024

/* ---- sizes on the path ---- */

/* Bytes: 576 (RFC 791 section 3.1) less IPv4's 20 and UDP's 8. Ours: less is not served. */
#define VN_UDP_PAYLOAD_MIN_BYTES 548
/* Bytes: 1,280 (RFC 8200 section 5) less IPv6's 40 and UDP's 8. Passes every IPv6 path. */
#define VN_UDP_PAYLOAD_BYTES 1232
/* Bytes: the same for 1,500; used once a probe of that size came back. */
#define VN_UDP_PAYLOAD_MAX_BYTES 1452
/* Bytes: header 13 (RFC 6347 section 4.1), nonce 8 and tag 16 (RFC 5288). */
#define VN_DTLS_OVERHEAD_BYTES 37

/* ---- ICE ---- */

/* Ta; RFC 8445 section 14.2 allows no less than 5 ms. */
#define VN_ICE_PACE_US 5000
/* First retransmission. Ours (section 14.3 has 500 ms): set-up within 60 ms on 1 ms paths. */
#define VN_ICE_RTO_US 100000
#define VN_ICE_RTO_MAX_US 1600000
/* Rc of RFC 8489 section 6.2.1. */
#define VN_ICE_TRANSMISSIONS 7
/* RFC 8445 section 6.1.2.5. */
#define VN_ICE_PAIRS_MAX 100
/* Peer-reflexive remote candidates, and checks remembered before the peer's answer. Ours. */
#define VN_ICE_PRFLX_MAX 8
#define VN_ICE_EARLY_MAX 8
/* Time given to better pairs after the first valid one. Ours. */
#define VN_ICE_NOMINATE_WAIT_US 20000
/* Longest STUN message read: TURN's Data indication around a full-size datagram. */
#define VN_STUN_BYTES_MAX 1600
/* RFC 5389 section 15.3; RFC 8489 has 508. */
#define VN_STUN_USERNAME_MAX 513
/* REALM and NONCE: RFC 8489 sections 14.9 and 14.10, 128 characters. */
#define VN_STUN_TEXT_MAX 763
/* Sends of the path-size probe, and the gap between them. Ours. */
#define VN_ICE_PROBE_COUNT 4
#define VN_ICE_PROBE_US 40000

/* Questions to STUN servers of one tether, and transmissions of each: 0, 100, 300, 700 and 1,500
 * ms. Ours. */
#define VN_REFLEX_QUERIES_MAX 16
#define VN_REFLEX_TRANSMISSIONS 5
/* Server-reflexive candidates of one tether. Ours. */
#define VN_REFLEX_MAX 8

/* ---- STUN for members ---- */

/* Longest question looked at: without padding attributes one has 84 bytes. Ours. */
#define VN_STUN_QUESTION_MAX 256
/* Bytes: header 20, XOR-MAPPED-ADDRESS 24, MESSAGE-INTEGRITY 24, FINGERPRINT 8. */
#define VN_STUN_ANSWER_MAX 76
/* Questions a second of one source, at once, and of all together. Ours: 1 us each. */
#define VN_STUN_SOURCE_RATE 100
#define VN_STUN_SOURCE_BURST 200
#define VN_STUN_ALL_RATE 20000
/* Places in the table of sources. Ours: 64 KB. */
#define VN_STUN_SERVER_SOURCES 4096
/* Questions read per readable event. Ours. */
#define VN_STUN_SERVER_BATCH 64
/* ---- TURN ---- */

/* Transmissions of a request, the first gap as in ICE: the last is given up after 12.7 s. Ours: Rc
 * of RFC 8489 section 6.2.1. On a stream a request goes once and has the same time. */
#define VN_TURN_TRANSMISSIONS 7
/* Stale nonces in a row of one request. Ours. */
#define VN_TURN_STALE_MAX 4
/* Peers' addresses with a permission, and peers with a channel, of one allocation. Ours: one
 * channel is used at a time. */
#define VN_TURN_PERMISSIONS_MAX 24
#define VN_TURN_CHANNELS_MAX 8
/* RFC 8656 section 12: channel numbers. */
#define VN_TURN_CHANNEL_FIRST 0x4000
#define VN_TURN_CHANNEL_LAST 0x4fff
/* Bytes of ChannelData's header, RFC 8656 section 12.4. */
#define VN_TURN_CHANNEL_HEADER 4
/* Permissions live 5 minutes, channels 10 (RFC 8656 sections 9 and 12); both are renewed so often.
 * Ours. */
#define VN_TURN_RENEW_US (VN_PACED_MS(240000ull, 2000ull) * 1000)
/* Bounds on what a server says an allocation's life is. RFC 8656 section 3.2 has 600 s, 7.2 lets it
 * say 3,600; the least is ours. */
#define VN_TURN_LIFETIME_MIN_S 4
#define VN_TURN_LIFETIME_MAX_S 3600
/* An allocation is renewed so long before its end, or after half of a shorter life. RFC 8656
 * section 8. */
#define VN_TURN_REFRESH_BEFORE_US 60000000
/* And not sooner. Ours. */
#define VN_TURN_REFRESH_MIN_US 2000000

/* Bytes of the longest frame of a TURN server's stream that is read; longer ones are skipped. Ours:
 * a full-size datagram and what is around it. */
#define VN_RELAY_FRAME_MAX 2048
/* Bytes read at once, and bytes that wait for the stream before datagrams are dropped; from the
 * lower mark on SCTP gives none. Ours. */
#define VN_RELAY_READ_BYTES 16384
#define VN_RELAY_OUT_BYTES (256 * 1024)
#define VN_RELAY_OUT_LOW_BYTES (64 * 1024)
/* Local candidates that are kept free for relayed ones. Ours. */
#define VN_RELAYS_RESERVED 2
/* Connections to TURN servers of one peer connection. */
#define VN_RELAYS_MAX VN_ICE_SERVERS_MAX
/* The first server is asked so long after the beginning, unless only relays may be used, and each
 * other so long after the one before, while none has answered. Ours: on a direct path checks are
 * through by then. */
#define VN_RELAY_DELAY_US 150000
#define VN_RELAY_STAGGER_US 250000
/* Time given to direct pairs after the first valid one, when that is relayed. Ours: two
 * retransmissions of a check. */
#define VN_ICE_NOMINATE_RELAY_US 400000

/* A restart for a better pair is asked for so long after the pair was selected if one can be, then
 * each time after twice as long, at most the second; and so long after an address came up. Ours. */
#define VN_BETTER_FIRST_US 5000000
#define VN_BETTER_MAX_US 300000000
#define VN_BETTER_CHANGE_US 500000
/* How long such a restart looks: five transmissions of a check. Ours. */
#define VN_BETTER_SEARCH_US 3100000ull

/* ---- consent and liveness ---- */

/* RFC 7675 section 5.1: 5 s times 0.8 to 1.2, at random. */
#define VN_CONSENT_MIN_US 4000000
#define VN_CONSENT_MAX_US 6000000
/* Half of RFC 7675's 30 s. */
#define VN_CONSENT_EXPIRES_US 15000000
/* Next try after an unanswered one. Ours. */
#define VN_CONSENT_RETRY_US 1000000
/* Silence, while sending, before a check and between checks; and what ends the tether. Ours. */
#define VN_LIVE_PROBE_US 500000
#define VN_LIVE_DOWN_US 3000000
/* Our own loop late by so much: the counting starts again. Ours. */
#define VN_LIVE_LATE_US 500000
/* Port-unreachable errors in a row, each after a check, that end the tether. Ours. */
#define VN_LIVE_REFUSED 2
/* A tether without its address looks so often whether there is another way to its peer. Ours. */
#define VN_ROAM_RETRY_US 200000
/* Checks whose answer is still recognised: 15 s of the routine ones, 8 s of the fastest. Ours. */
#define VN_CONSENT_TXIDS 16

/* ---- DTLS ---- */

/* First retransmission of a flight. Ours (RFC 6347: 1 s): set-up on lossy paths. */
#define VN_DTLS_TIMER_US 60000
#define VN_DTLS_TIMER_MAX_US 2000000
/* Bytes of all certificates a peer may send: a browser's one has some 300. Ours. */
#define VN_DTLS_CERT_MAX 4096
/* Days one of ours is valid, as a browser's; nobody checks. */
#define VN_DTLS_CERT_DAYS 30
/* RFC 5246 section 6.2.1 */
#define VN_DTLS_PLAIN_MAX 16384
/* OpenSSL's own records of epoch 1 have numbers below this, and explicit nonces less than this
 * above its first; ours go on from there. It sends a few in one handshake. */
#define VN_DTLS_OURS_FROM 65536
/* Records of all types, a power of two. Ours: 5 MB of full packets. */
#define VN_DTLS_REPLAY_BITS 4096
/* Bytes sealed under one key; when the last eighth begins, its user is told: at 10 Gbit/s he has a
 * minute and a half for another one. Ours. */
#define VN_DTLS_BYTES_MAX (1ull << 40)
#define VN_DTLS_SPARE_SHARE 8
/* Bytes of the server's CCS and Finished: 14 and 61. */
#define VN_DTLS_FLIGHT_MAX 128
/* How often they are sent again, and the gap between. Ours. */
#define VN_DTLS_ANSWERS_MAX 10
#define VN_DTLS_ANSWER_US 200000
/* Records of epoch 1 held until the handshake ends, and bytes of each. Ours. */
#define VN_DTLS_EARLY_MAX 16
#define VN_DTLS_EARLY_BYTES 1500
/* Records handed on at once: a batch of 64 datagrams, and some to spare. Ours. */
#define VN_DTLS_RECORDS_MAX 256

/* ---- SCTP ---- */

/* At both ends: the example of RFC 8841, and what browsers use. */
#define VN_SCTP_PORT 5000
/*
 * Bytes sent or waiting in SCTP; bounds the congestion window too, and with it the queue in front
 * of the peer. Ours: DESIGN section 9 has 1 MB on short paths (decisions.md); 1 Gbit/s for 1.5
 * round trips on long ones.
 */
#define VN_SCTP_SNDBUF_BYTES (768 * 1024)
#define VN_SCTP_SNDBUF_MAX_BYTES (4 * 1024 * 1024)
#define VN_SCTP_SNDBUF_BYTES_PER_US 190
/* Bytes waiting in SCTP that are always accepted, however small the congestion window. Ours: a
 * burst to send and one in the making. */
#define VN_SCTP_SNDBUF_WAIT_BYTES 196608
/* Milliseconds of the path's rate that wait in SCTP, once it is known, and the least of it: two
 * packets; what goes beyond with one message is welcome. Ours. */
#define VN_SCTP_WAIT_MS 4
#define VN_SCTP_WAIT_LEAST_BYTES 2904
/* The same for a stream with nothing waiting, so that bulk keeps no other from being sent. Ours:
 * two of the longest messages. */
#define VN_SCTP_SNDBUF_RESERVE_BYTES 133120
/* Messages queued or sent and not acknowledged. Ours: 1 KB each fill the window. */
#define VN_SCTP_MESSAGES_MAX 8192
/* The advertised window. Ours: never what limits 4 MB in flight. */
#define VN_SCTP_RCVBUF_BYTES (6 * 1024 * 1024)
/*
 * Bytes of buffers that received data may take. Ours: the first is where new data is refused, with
 * room for the buffers of unfinished messages; the second is for what fills holes, beyond which the
 * association ends.
 */
#define VN_SCTP_RX_MEMORY_BYTES (12 * 1024 * 1024)
#define VN_SCTP_RX_MEMORY_MAX_BYTES (18 * 1024 * 1024)
/* Complete messages that wait for an earlier one. Ours. */
#define VN_SCTP_WAITING_MAX 4096
/* Each way, unless the owner says otherwise, and what it may say. Ours: a tether uses three; data
 * channels have the numbers to 65,534, and browsers open the lowest. */
#define VN_SCTP_STREAMS 16
#define VN_SCTP_STREAMS_MAX 1024
/* Streams named in one RE-CONFIG or FORWARD-TSN; the rest is for the next one. Ours. */
#define VN_SCTP_STREAMS_NAMED 16
/* Bytes of SCTP packets: those of an IPv4 packet of 576 bytes less what is around them; an Ethernet
 * frame. */
#define VN_SCTP_MTU_MIN 508
#define VN_SCTP_MTU_MAX 1500
/* Bytes of a message's buffer that is expected to grow: the longest of ours. */
#define VN_SCTP_RUN_BYTES 66560
/* Bytes sent at once by pacing: what one UDP_SEGMENT call takes. */
#define VN_SCTP_BURST_BYTES 65000
/* Ours (RFC 9260 section 16: 1 s, 1 s, 60 s): short paths; liveness ends what is dead after 3 s. */
#define VN_SCTP_RTO_MIN_MS 100
#define VN_SCTP_RTO_INITIAL_MS 200
#define VN_SCTP_RTO_MAX_MS 3000
/* Towards others: above twice their delay of SACKs. */
#define VN_SCTP_RTO_MIN_FOREIGN_MS 400
/* Packets. Ours (RFC 9260: 4,380 B): half a full message at once. */
#define VN_SCTP_INITIAL_CWND 32
/* TSNs between the lowest and the highest not acknowledged, each way; a power of two. Ours: 4 MB of
 * full packets, and room. */
#define VN_SCTP_CHUNKS_MAX 16384
/* Packets per SACK and the delay. Ours; the I bit asks for one when the sender stalls. */
#define VN_SCTP_SACK_PACKETS 8
#define VN_SCTP_SACK_DELAY_MS 10
/* Others' delay: RFC 9260 section 6.2. */
#define VN_SCTP_SACK_DELAY_FOREIGN_MS 200
/* Duplicate TSNs reported in one SACK. Ours. */
#define VN_SCTP_DUPS_MAX 16
/* Probes for a longer packet: rounds, and the least gap; the next search (PMTU_RAISE_TIMER of RFC
 * 8899 section 5.1.1). */
#define VN_SCTP_PMTU_ROUNDS 3
#define VN_SCTP_PMTU_GAP_US UINT64_C(150000)
#define VN_SCTP_PMTU_RAISE_US UINT64_C(600000000)
/* Probes of both sizes for nothing but the base's answer before it is a black hole. Ours. */
#define VN_SCTP_PMTU_SUSPICIONS 4
/* RFC 9260 section 16; ICE's consent watches the path. */
#define VN_SCTP_HEARTBEAT_MS 30000
/* Association.Max.Retrans, and attempts at set-up and shutdown. Ours: liveness decides first. */
#define VN_SCTP_RTX_MAX 30
/* Valid.Cookie.Life, RFC 9260 section 16. */
#define VN_SCTP_COOKIE_US 60000000
/* RFC 8985 section 6.2: the reordering window in quarters of the shortest round trip, at most, and
 * the round trips after which it shrinks again; its least value is ours. */
#define VN_SCTP_REORDER_MAX 16
#define VN_SCTP_REORDER_ROUNDS 16
#define VN_SCTP_REORDER_MIN_US 1000
/* draft-ietf-ccwg-bbr: MinRTTFilterLen, ProbeRTTInterval, ProbeRTTDuration. */
#define VN_SCTP_MIN_RTT_US 10000000
#define VN_SCTP_PROBE_RTT_US 5000000
#define VN_SCTP_PROBE_RTT_FOR_US 200000
/* SPEC A11: the bound of retransmission is a time, 30 s. */
#define VN_BULK_LIFETIME_MS 30000
/*
 * How long a message of bulk that overtook another waits for it: shortest round trips (a
 * retransmission takes one and a half, and may be lost again), and the bounds. Ours.
 */
#define VN_BULK_HOLD_RTTS 4
#define VN_BULK_HOLD_MIN_US 5000
#define VN_BULK_HOLD_MAX_US 300000
/* Bytes of a channel's label or protocol. Ours. */
#define VN_DCEP_LABEL_MAX 256
/* Bytes of SCTP packets towards others: what browsers send and expect to get through. */
#define VN_SCTP_MTU_FOREIGN 1191

/* ---- tether ---- */

/* Bytes accepted and not yet given to SCTP, per class. Ours: bulk has SCTP's buffer besides. */
#define VN_TETHER_QUEUE_BULK_BYTES (256 * 1024)
#define VN_TETHER_QUEUE_REALTIME_BYTES (256 * 1024)
#define VN_TETHER_QUEUE_CONTROL_BYTES (1024 * 1024)
/* Milliseconds of the path's rate that a shallow queue holds, and the least of it, beyond which one
 * message may go. Ours: DESIGN section 9 has at most two frames ahead. */
#define VN_TETHER_QUEUE_MS 2
#define VN_TETHER_QUEUE_LEAST_BYTES 2904
/* Messages per callback. Ours. */
#define VN_TETHER_BATCH 64
