/*
 * Every constant of the transport, with unit and source. "ours" marks a choice that no document
 * prescribes; change it when a measurement says so.
 */
#pragma once

/* ---- sockets ---- */
#define VN_UDP_SOCKBUF_BYTES                                                                       \
    (4 * 1024 * 1024) /* bytes asked of SO_SNDBUF, SO_RCVBUF; ours: above one SCTP window */
#define VN_UDP_READ_BYTES                                                                          \
    65536 /* bytes of one read: the most UDP_GRO joins (a UDP datagram's length field) */
#define VN_UDP_READ_COUNT 4  /* reads per system call; ours */
#define VN_UDP_READ_ROUNDS 4 /* system calls per readable event, the fairness bound; ours */
#define VN_UDP_GSO_SEGMENTS                                                                        \
    64 /* datagrams of one UDP_SEGMENT send: UDP_MAX_SEGMENTS before Linux 6.9 */
#define VN_UDP_GSO_BYTES                                                                           \
    65000 /* bytes of one UDP_SEGMENT send: below 65,535 less the IPv6 and UDP headers */
#define VN_UDP_TX_BYTES 131072 /* bytes gathered before a flush; ours: two full GSO sends */
#define VN_UDP_TX_COUNT 1024   /* datagrams gathered before a flush; ours */
#define VN_UDP_PENDING_BYTES                                                                       \
    (1024 * 1024) /* bytes kept while the socket is full, then dropped; ours */

/* ---- sizes on the path ---- */
#define VN_UDP_PAYLOAD_BYTES                                                                       \
    1232 /* 1,280 (RFC 8200 section 5) less IPv6 40 and UDP 8: passes every IPv6 path */
#define VN_DTLS_OVERHEAD_BYTES 37 /* RFC 6347 header 13, RFC 5288 nonce 8, tag 16 */
#define VN_UDP_PAYLOAD_MAX_BYTES                                                                   \
    1452 /* the same for 1,500: used once a probe of that size came back */

/* ---- ICE ---- */
#define VN_ICE_PACE_US 5000 /* Ta; RFC 8445 section 14.2 allows no less than 5 ms */
#define VN_ICE_RTO_US                                                                              \
    100000 /* first retransmission; ours (section 14.3: 500 ms): 60 ms set-up on 1 ms paths */
#define VN_ICE_RTO_MAX_US 1600000 /* longest gap of retransmissions; ours */
#define VN_ICE_TRANSMISSIONS 7    /* Rc of RFC 8489 section 6.2.1 */
#define VN_ICE_PAIRS_MAX 100      /* RFC 8445 section 6.1.2.5 */
#define VN_ICE_PRFLX_MAX 8        /* peer-reflexive remote candidates; ours */
#define VN_ICE_EARLY_MAX 8        /* checks remembered before the peer's answer; ours */
#define VN_ICE_NOMINATE_WAIT_US                                                                    \
    20000                      /* time given to better pairs after the first valid one; ours */
#define VN_STUN_BYTES_MAX 1500 /* longest STUN message read: one Ethernet frame */
#define VN_STUN_USERNAME_MAX                                                                       \
    513 /* bytes; RFC 8489 section 14.3 says fewer than 509; 513 is RFC 5389's */
#define VN_ICE_PROBE_COUNT 4  /* sends of the path-size probe; ours */
#define VN_ICE_PROBE_US 40000 /* gap between them; ours */

/* ---- consent and liveness ---- */
#define VN_CONSENT_MIN_US 4000000      /* RFC 7675 section 5.1: 5 s times 0.8 ... */
#define VN_CONSENT_MAX_US 6000000      /* ... to 1.2, at random */
#define VN_CONSENT_EXPIRES_US 15000000 /* without rewewal: half of RFC 7675's 30 s */
#define VN_CONSENT_RETRY_US 1000000    /* next try after an unanswered one; ours */
#define VN_LIVE_PROBE_US                                                                           \
    500000 /* silence, while sending, before a check and between checks; ours */
#define VN_LIVE_DOWN_US 3000000 /* silence, while sending, that ends the tether; ours */
#define VN_LIVE_LATE_US 500000  /* our own loop late by this: the counting starts again; ours */
#define VN_LIVE_REFUSED                                                                            \
    2 /* port-unreachable errors in a row, each after a check, that end it; ours */
#define VN_CONSENT_TXIDS                                                                           \
    16 /* checks whose answer is still recognised; 15 s at the fastest rate need 30, ours */

/* ---- DTLS ---- */
#define VN_DTLS_TIMER_US                                                                           \
    60000 /* first handshake retransmission; ours (RFC 6347: 1 s): set-up on lossy paths */
#define VN_DTLS_TIMER_MAX_US 2000000 /* the longest; ours */
#define VN_DTLS_RECORDS_MAX                                                                        \
    256 /* records handed on at once; ours: one GRO read of 64 and some to spare */

/* ---- SCTP ---- */
#define VN_SCTP_PORT 5000 /* both ends; RFC 8841's sctp-port example, what browsers use */
#define VN_SCTP_SNDBUF_BYTES (2 * 1024 * 1024) /* also bounds the congestion window; ours */
#define VN_SCTP_RCVBUF_BYTES                                                                       \
    (4 * 1024 * 1024)         /* advertised window; ours: never the bottleneck of 2 MB in flight */
#define VN_SCTP_STREAMS 16    /* streams each way; three are used, ours */
#define VN_SCTP_TICK_US 10000 /* while anything is outstanding; ours: bounds timer lateness */
#define VN_SCTP_IDLE_TICK_US 250000 /* else; ours: heart-beats only */
#define VN_SCTP_QUIET_US                                                                           \
    500000 /* without traffic before the slower tick; ours: over the delayed-SACK time */
#define VN_SCTP_RTO_MIN_MS 100     /* ours (RFC 9260: 1 s): loss repair on short paths */
#define VN_SCTP_RTO_INITIAL_MS 200 /* ours */
#define VN_SCTP_RTO_MAX_MS 3000    /* ours: liveness ends a dead tether after 3 s anyway */
#define VN_SCTP_INITIAL_CWND 32    /* packets; ours (RFC 9260: 4,380 B): one full message at once */
#define VN_SCTP_CHUNKS_MAX                                                                         \
    16384 /* chunks queued in one association; ours: 4 MB of full packets and room */
#define VN_SCTP_SACK_PACKETS                                                                       \
    8 /* packets per SACK; ours; the I bit asks for one when the sender stalls */
#define VN_SCTP_SACK_DELAY_MS 10   /* delayed SACK; ours */
#define VN_SCTP_HEARTBEAT_MS 30000 /* RFC 9260 section 16; ICE consent watches the path */
#define VN_SCTP_RTX_MAX 30         /* Association.Max.Retrans; ours: liveness decides first */
#define VN_BULK_LIFETIME_MS 30000  /* SPEC A11: the retransmission bound is a time, 30 s */
#define VN_DCEP_LABEL_MAX 64       /* bytes of label or protocol accepted; ours */

/* ---- tether ---- */
#define VN_TETHER_QUEUE_BULK_BYTES (1024 * 1024)    /* accepted and not yet given to SCTP; ours */
#define VN_TETHER_QUEUE_REALTIME_BYTES (256 * 1024) /* ours: 2 ms at 1 Gbit/s */
#define VN_TETHER_QUEUE_CONTROL_BYTES (1024 * 1024) /* ours */
#define VN_TETHER_BATCH 64                          /* messages per callback; ours */
