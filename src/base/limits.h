/*
 * Every protocol constant and timer, with unit and source. D n: DESIGN section n of the protocol
 * (docs/protocol.md keeps the same numbers). Transport's own are in src/transport/limits.h.
 */
#pragma once

/*
 * Test builds (preset scaled) live faster, so that a day with all its renewals passes in half an
 * hour: what decides how often something is renewed and how long it is kept shrinks by the factor,
 * at Guardian and nodes alike. What waits for an answer or bounds a rate stays as it is, because
 * the network and the machine are not faster; hence the least value of some. Release builds cannot
 * have a factor: CMake refuses it, and scripts/check-binaries.sh looks.
 */
#ifndef VN_TIME_SCALE
#define VN_TIME_SCALE 1
#endif
#define VN_PACED_MS(ms, least_ms)                                                                  \
    ((ms) / VN_TIME_SCALE > (least_ms) ? (ms) / VN_TIME_SCALE : (least_ms))

/* ---- control channel ---- */
#define VN_MASTER_PAYLOAD_MAX 1048576 /* bytes of one of Guardian's, such as an account JWT */
#define VN_CONTROL_PAYLOAD_MAX 24576  /* bytes of one message of a node, broker limit */
#define VN_ENVELOPE_FRESH_MS VN_PACED_MS(90000, 15000) /* |sender's time - ours|, protocol time */
#define VN_ENVELOPE_REPLAY_MAX 65536 /* remembered (src, nonce) pairs; oldest go first */
#define VN_ENVELOPE_SRC_RATE 50      /* envelopes per second and source */
#define VN_ENVELOPE_SRC_BURST 100
#define VN_SOURCES_MAX 4096          /* token buckets kept; the least recently used goes */
#define VN_SOURCES_UNPROVEN_MAX 1024 /* of those: no signature was seen of them */
#define VN_TURNS_RATE 3000           /* signatures of others verified per second: half a core */
#define VN_TURNS_BURST 600           /* so many more at once; then messages wait for their turn */
#define VN_TURNS_MAX 512             /* messages that wait; the longest queue gives way */
#define VN_TURNS_SOURCE_MAX 8        /* of those from one source */
#define VN_HOUR_MS VN_PACED_MS(3600000ull, 60000ull) /* life of an hour key */
/* Neighbouring hours accepted around the boundary. */
#define VN_HOUR_GRACE_MS VN_PACED_MS(120000, 15000)
#define VN_QUERY_WAIT_1_MS 500 /* no answer after 0.5, 1 and 2 s: host unreachable */
#define VN_QUERY_WAIT_2_MS 1000
#define VN_QUERY_WAIT_3_MS 2000
#define VN_QUERY_RATE 50 /* own queries per second: a scan must not flood the broker */
#define VN_QUERY_BURST 100
#define VN_QUERY_COLLECT_MS 50 /* all answers within this of the first are kept */
#define VN_UNREACHABLE_MS VN_PACED_MS(10000, VN_LOST_REJECT_MIN_MS) /* remembered verdict */
/* A peer that was here before is asked for five times in 3 s; then it is unreachable for a 64th of
 * its absence, at least VN_LOST_REJECT_MIN_MS and at most VN_UNREACHABLE_MS. */
#define VN_QUERY_LOST_MS 750
#define VN_QUERY_LOST_TRIES 5
#define VN_QUERY_LOST_LAST_MS 250
#define VN_LOST_REJECT_MIN_MS 250
#define VN_LOST_SHARE 64
#define VN_DESCRIPTORS_MAX 4096 /* cached peers' descriptors */
#define VN_NEED_CERT_MS 1000    /* at most one NEED_CERT per source and this */

/* ---- the same in-band, while Master is away ---- */
#define VN_INBAND_RATE 50 /* messages per second from a neighbour, as from one source there */
#define VN_INBAND_BURST 100
#define VN_INBAND_PASS_RATE 10 /* of those to be passed on to others */
#define VN_INBAND_PASS_BURST 40
#define VN_INBAND_FANOUT 8      /* neighbours asked when it is not known who can reach whom */
#define VN_INBAND_FRESH_MS 2000 /* who was heard through a neighbour is answered so alone */
/* And so long in both ways, though the control channel is up here: perhaps not there. */
#define VN_INBAND_MEMORY_MS VN_PACED_MS(60000, 5000)
#define VN_KEEP_EVERY_MS VN_PACED_MS(20000, 1000) /* an unused tether that is wanted: told so */
#define VN_KEEP_MS (3 * VN_KEEP_EVERY_MS)         /* and kept by its peer, at most */

/* ---- identity ---- */
/* The semi-static KEM key: a new one every 10 min, two kept. */
#define VN_EKS_ROTATE_MS VN_PACED_MS(600000, 1000)
/* A descriptor lives as long as its ekS, at most this. */
#define VN_DESCRIPTOR_LIFE_MS VN_PACED_MS(900000, 1500)
#define VN_STATEMENT_TAGS_MAX 32 /* 16 taints and 16 scopes */

/* ---- revocation ---- */
#define VN_REVOCATION_ENTRIES_MAX 256 /* in one signed list */
#define VN_REVOCATION_PAUSE_MS 200    /* between two lists of Guardian: each goes to every node */
#define VN_REVOCATION_LISTS_MAX                                                                    \
    1024                        /* signed lists a node keeps for its peers; oldest go first        \
                                 */
#define VN_REVOCATIONS_MAX 8192 /* nodes whose revocation a node remembers; oldest go first */
#define VN_REVOCATION_LOGIN_MAX                                                                    \
    (VN_REVOCATIONS_MAX / VN_REVOCATION_ENTRIES_MAX) /* lists in a login answer */
#define VN_BROKER_REVOCATIONS_MAX 5000 /* users in an account JWT; above: a new signing key */
#define VN_REVOCATION_GRACE_MS 1000    /* to show a statement that is not below the minimum */
#define VN_REVOCATION_MESSAGE_MAX                                                                  \
    20480                         /* bytes of lists in one answer to a peer; at least one list */
#define VN_REVOCATION_WANT_RATE 5 /* answers per second and peer */
#define VN_REVOCATION_WANT_BURST 20

/* ---- commands of Guardian ---- */
/* Nodes that one node is quarantined from: as many as fit in a message. */
#define VN_QUARANTINE_ADDRS_MAX 512
#define VN_COMMAND_ID_LEN 16
#define VN_COMMAND_SESSIONS_MAX 48 /* in one answer */
#define VN_COMMAND_ROUTES_MAX 8    /* likewise, with all their ways */
#define VN_COMMAND_REMOTES_MAX 128 /* likewise */
#define VN_COMMAND_NETWORKS_MAX 64
#define VN_COMMAND_STATS_MAX 16 /* that wait for the worker's counters */
#define VN_COMMAND_WAIT_MS 3000 /* Guardian waits for an answer */
#define VN_COMMANDS_MAX 256     /* of Guardian's under way, all realms */

/* ---- handshake ---- */
#define VN_HS_RESEND_MS 250 /* first re-send of M1; doubles */
#define VN_HS_RESEND_MAX 5  /* re-sends before the attempt fails */
/* A repeated M1 gets the stored M2 for so long. */
#define VN_HS_M2_KEEP_MS (2 * VN_ENVELOPE_FRESH_MS)
#define VN_HS_SRC_RATE 20 /* handshakes per second and source */
#define VN_HS_SRC_BURST 40
#define VN_HS_PENDING_MAX 1024 /* half-open handshakes as responder, all sources */
#define VN_HS_RETRY_RATE 1     /* RETRY per second and source, but for cookies */
#define VN_HS_COOKIE_RATE 2    /* RETRY with a cookie, per second and source */
#define VN_HS_COOKIE_BURST 4
/* Of a secret until the next; of a cookie at its holder. */
#define VN_COOKIE_LIFE_MS VN_PACED_MS(120000, 15000)
#define VN_HS_LOAD_RATE 100      /* handshakes per second that are no load */
#define VN_HS_LOAD_ON 100        /* so many above that rate: cookies are asked for ... */
#define VN_HS_LOAD_OFF 20        /* ... until it is this few, */
#define VN_HS_LOAD_HOLD_MS 10000 /* and at least so long */
#define VN_JOBS_RUNNING 8        /* signatures given to the pool at a time */
#define VN_JOBS_MAX 512          /* waiting here; the longest queue gives way */
#define VN_JOBS_PEER_MAX 16      /* of those for one peer */
#define VN_JOBS_OWN_MAX 256      /* of those for no peer: queries, descriptor */
#define VN_JOBS_LOAD_ON 128      /* waiting and running: cookies are asked for ... */
#define VN_JOBS_LOAD_OFF 32      /* ... until it is this few */
#define VN_HS_OPEN_PER_PEER 4    /* streams of one peer open at once; the oldest goes */
#define VN_STREAMS_MAX 4096

/* ---- streams ---- */
#define VN_STREAM_CTL_WINDOW 1024   /* replay window of control packets, bits */
#define VN_STREAM_CTL_RESEND_MS 250 /* BIND and others that await an answer; doubles */
#define VN_STREAM_CTL_RESEND_MAX 5
#define VN_REKEY_STEP_MS VN_PACED_MS(10000, 200)  /* symmetric step, while sending */
#define VN_REKEY_KEM_MS VN_PACED_MS(120000, 2000) /* KEM step, while sending */
#define VN_REKEY_KEM_BYTES (1ull << 37)
/* After a KEM step that was not answered. */
#define VN_REKEY_RETRY_MS VN_PACED_MS(10000, VN_REKEY_OFFER_MIN_MS)
#define VN_REKEY_AHEAD_MAX 16  /* symmetric steps that a receiver tries */
#define VN_REKEY_AHEAD_RATE 10 /* and how often in a second, per stream: a try costs 40 us */
#define VN_REKEY_AHEAD_BURST 20
#define VN_REKEY_OFFER_MIN_MS 1000 /* another offer of the same stream sooner is refused */
#define VN_EPOCHS_OLD_MAX 8        /* kept by a receiver beside the present one */
/* Twice the 30 s for which a tether goes on with a bulk frame. */
#define VN_EPOCH_KEEP_MS VN_PACED_MS(60000, 1000)
#define VN_IDLE_MS VN_PACED_MS(60000, 1000) /* default life of an idle stream and tether */

/* ---- frames ---- */
#define VN_FRAME_MAX 65536              /* bytes of a frame with its headers and tag */
#define VN_FRAME_MS 1                   /* of its path, unless it is a single packet */
#define VN_FRAME_PACKETS_MAX 512        /* packets in one frame */
#define VN_GSO_SEGMENTS_MAX 64          /* segments of one inner packet before segmentation */
#define VN_SUPER_PACKET_MAX 65000       /* inner packet before segmentation; one fits in a frame */
#define VN_SUPER_PACKET_OURS 60400      /* that our kernel makes: see transport/peer_conn_tx.c */
#define VN_LANE_FRAMES_MAX (1ull << 32) /* per key: then a step */
#define VN_LANE_BYTES_MAX (1ull << 40)
#define VN_LANES_MAX 16              /* workers of a peer */
#define VN_WORKERS_MAX 8             /* of this node */
#define VN_HAND_FRAMES 4             /* of a stream and class on the way to the first worker */
#define VN_HAND_BYTES_MAX (8u << 20) /* of memory: frames on the way to one of the others */
#define VN_REPLAY_BITS_MIN 1024
#define VN_REPLAY_BITS_MAX 65536
#define VN_EARLY_FRAMES_MAX 16 /* frames held per label between SETUP and BIND */
#define VN_MTU_DEFAULT 1500
#define VN_MTU_MIN 1280
#define VN_MTU_MAX 9000

/* ---- delivery (D 7) ---- */
/* The destination reports what arrived after so many bytes, frames or time, or a quarter of the
 * round trip; of little it reports later, since little goes again for it. */
#define VN_REPORT_BYTES (512u << 10)
#define VN_REPORT_FRAMES 2048
#define VN_REPORT_US 20000
#define VN_REPORT_LITTLE_BYTES 65536
#define VN_REPORT_LITTLE_US 3000000
/* So long a stream may send through a relay without a report of anything new, or wait for credit of
 * it: then the relay drops its frames. Two reports of little, for one may be lost, and what a busy
 * machine adds. A pause in sending counts for little: after one that is long, the last report may
 * be all that was lost. */
#define VN_OVERDUE_MS 8000
#define VN_OVERDUE_PAUSE_US 1000000ull
/* Frames behind the newest of which a report tells, and so wide is the replay window where relays
 * are between: 2 KB for a lane. */
#define VN_REPORT_SPAN 8192
/* Of real-time frames that come through relays the destination tells how many did, after so long or
 * so many: of those that were sent before the last time, for the others may be under way. Of a
 * stream there are so many counts, each of one circuit and lane; the source remembers that many
 * frames of a lane. */
#define VN_TALLY_US 1000000
/* The first of a circuit sooner: the source holds later ones against the first that it gets. */
#define VN_TALLY_EARLY_US 250000
#define VN_TALLY_EARLY 4
#define VN_TALLY_FRAMES 1024
#define VN_TALLIES_MAX 16
#define VN_TALLY_SENT 4096
/* A frame that is missing for so long after later ones came was dropped. A relay is left that drops
 * some, and more than a share, of the last frames, twice as many at most. */
#define VN_MISSED_US 1000000ull
#define VN_MISSED_PERMILLE 15
#define VN_MISSED_LEAST 8
#define VN_MISSED_FRAMES 1024
/* What a source keeps of a stream until it is reported, in bytes of memory: twice what is under
 * way, within these; and of all streams of a node. */
#define VN_RETAIN_MIN (1u << 20)
#define VN_RETAIN_MAX (32u << 20)
#define VN_RETAIN_NODE_MAX (128u << 20)
#define VN_RETAIN_FRAMES_MAX 16384
#define VN_RETAIN_US 30000000ull /* older frames do not go again */

/* ---- memory ---- */
#define VN_STACK_WIPED 32768 /* bytes; ML-KEM and ML-DSA of OpenSSL 3.5 need less */

/* ---- tethers and circuits ---- */
#define VN_TETHERS_MAX 1024
#define VN_TETHER_CONNECT_MS 10000 /* offer to `up` */
#define VN_STUN_SERVERS_MAX 4      /* that Guardian names and a node asks */
#define VN_MEMBER_STUN_MAX 4       /* public nodes of the realm, likewise */
#define VN_ICE_SERVERS_MAX 8       /* STUN and TURN servers of a login answer, all together */
#define VN_ICE_HOST_MAX 254        /* bytes of a server's name with its NUL: a DNS name */
#define VN_TURN_USERNAME_MAX 128   /* bytes; RFC 8489 has 508 */
#define VN_TURN_CREDENTIAL_MAX 128 /* bytes of a TURN password */
#define VN_OFFER_RESEND_MS 500
#define VN_OFFER_RESEND_MAX 4
#define VN_REFUSAL_RATE 4 /* per second and peer: of answers to offers that were given up */
#define VN_REFUSAL_BURST 8
#define VN_LABELS_PER_NEIGHBOUR_MAX 4096
#define VN_LABEL_REUSE_MS VN_PACED_MS(60000, 1000)
#define VN_DIRECT_WAIT_MS 1000 /* for the tether to a peer, then a relay is tried */
/* A stream has lost its last way and found no other: its packets are answered with host
 * unreachable, while the search goes on. */
#define VN_NO_WAY_MS 4000
#define VN_NO_WAY_COUNTS_MS 6000 /* what was found so counts no longer, unless found again */
#define VN_DIRECT_AGAIN_MS 5000  /* while a relay carries the stream; doubles to */
#define VN_DIRECT_AGAIN_MAX_MS 300000
#define VN_RELAY_AVOID_MS 10000   /* one that failed is not tried again so soon */
#define VN_STREAM_CIRCUITS_MAX 32 /* bound to one stream to us */
/* Arms with a relay for one destination: each has a tether that costs something by being there. */
#define VN_LEARN_RELAYS_MAX 8
/* An answer that took so much longer than the path's others, or half as long again, was lost on the
 * way and sent again: a tether waits at least 100 ms for that (VN_SCTP_RTO_MIN_MS). */
#define VN_ANSWER_LATE_US 50000
/* Real-time frames go by a second path too while more than that share of them is lost on the
 * first; a few of the last so many. */
#define VN_LOSSY_PERMILLE 10
#define VN_LOSSY_LEAST 3
#define VN_LOSSY_FRAMES 1024
#define VN_COPIES_MAX 16          /* that wait for the second path */
#define VN_COPIES_SHARE 4         /* at most that part of what its first tether lets through, */
#define VN_COPIES_RATE 1000000    /* and so many bytes a second */
#define VN_COPIES_BURST_US 100000 /* ahead of that */
/* The least room that a way is taken to have: what is full delays a packet by 11 ms, not for ever.
 */
#define VN_WAY_ROOM_LEAST_KBPS 1000
/* Questions about relays: so many soon after a stream of ours began, then now and then. */
#define VN_PATH_EAGER_ASKS 8
#define VN_PATH_EAGER_MS 400
#define VN_PATH_READY_MIN 4 /* fewer descriptors of relays: those of hubs are asked for at once */
#define VN_PATH_ASK_MS 60000
#define VN_PATH_RATE 2 /* questions and digests per second and source or neighbour */
#define VN_PATH_BURST 32
#define VN_PATH_ANSWERS_RATE 100 /* per second, to all */
#define VN_PATH_ANSWERS_BURST 200
#define VN_PATH_WANTS_RATE 10 /* descriptors of relays asked for per second */
#define VN_PATH_WANTS_BURST 20
#define VN_PATH_WANT_MS 1000    /* for the same one again */
#define VN_DIGEST_MS 60000      /* to one neighbour */
#define VN_DIGEST_SHARE_MS 2000 /* between two to different ones */
#define VN_PATH_TOLD_MAX 6      /* relays that one message names */
#define VN_DIGEST_TOLD_MAX 3
#define VN_DIGEST_HEADROOM 8192 /* of 65,535: told again at once when it changed by so much */
#define VN_PLACES_LOOK_MS 2000  /* while a tether is up: load and round trips */
#define VN_PLACE_MOVE_MS 10000  /* a neighbour's round trip counts so often */
#define VN_RELAY_KBPS 1000000   /* what a node forwards for others, if it does nothing else */
#define VN_SETUP_RATE 50        /* SETUP per second and neighbour */
#define VN_SETUP_BURST 100
#define VN_SETUP_RESEND_MS 500
/* A relay is tried that does not answer: another one beside it after some round trips of its way,
 * or so long where they are not known. */
#define VN_RACE_TRIPS 8
#define VN_RACE_LEAST_MS 1000
#define VN_RACE_WAIT_MS 2000
#define VN_RACE_MAX 3  /* relays at a time, for one stream */
#define VN_RACE_RATE 5 /* per second, of all streams: those that are tried beside another */
#define VN_RACE_BURST 20
#define VN_SETUP_WAIT_MS 3000
/* Through relays, which may have to make a tether: again after 1 s and 2 s more, lost 3 s later. */
#define VN_SETUP_SEALED_RESEND_MS 1000
#define VN_SETUP_SEALED_SENDS 3
#define VN_SETUP_SEALED_WAIT_MS 6000
/* SETUPs to one neighbour, a little less than it takes; those that wait are of its other
 * neighbours, so many of each at most, and of this node. */
#define VN_SETUP_PACE_RATE 40
#define VN_SETUP_PACE_BURST 80
#define VN_SETUP_QUEUE_MAX 240  /* VN_SETUP_PACE_RATE in VN_SETUP_SEALED_WAIT_MS */
#define VN_CIRCUIT_RELAYS_MAX 3 /* on one path: two for speed, a third to get there at all */
#define VN_SETUP_OPEN_RATE 500  /* sealed SETUPs opened per second, of all neighbours */
#define VN_SETUP_OPEN_BURST 1000
#define VN_KEEP_WARM_MAX 8         /* peers whose streams do not end for idleness */
#define VN_VIA_NAME_MAX 64         /* a relay in the settings, with its NUL: tag, id or address */
#define VN_FAILED_EVERY_MS 10      /* failure reports to one neighbour: at most so often */
#define VN_RELAY_CIRCUITS_MAX 2048 /* through this node: each may have one frame waiting here */
#define VN_RELAY_POOL_BYTES (64u << 20)  /* that circuits share beyond their one frame each */
#define VN_RELAY_WINDOW_MIN (256u << 10) /* granted at first, while the pool has it */
#define VN_RELAY_WINDOW_MAX (8u << 20)
/* A circuit's rate is taken over so long, or the tether's round trip. */
#define VN_RELAY_RATE_US 10000
/* A circuit without a frame for so long ends. */
#define VN_RELAY_IDLE_MS VN_PACED_MS(150000, 2500)

/* ---- egress ---- */
#define VN_EGRESS_QUEUE_PACKETS 1024 /* per destination with a stream, one that re-routes too */
#define VN_EGRESS_QUEUE_BYTES (640u << 10)
#define VN_EGRESS_WAIT_PACKETS 64 /* per destination that the node was asked about */
#define VN_EGRESSERS_MAX 4096
#define VN_CODEL_INTERVAL_US 20000 /* about the longest round trip; raised with the path's */
#define VN_CODEL_INTERVAL_MAX_US 1000000
#define VN_CODEL_TARGET_DIV 20     /* standing wait that is fine: a twentieth of it */
#define VN_CODEL_REFRESH_US 100000 /* how often a path's time is looked at */
#define VN_MAILBOX_MAX 65536       /* messages waiting in one direction */
