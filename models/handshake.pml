/*
 * check: agreement and no second stream |
 * check: ends in a stream when messages arrive | -DFAIR
 * proves: handshake: both ends that finish hold the same keys; a replayed M1 makes no second
 * proves: stream; one half-open; stale keys, missing certificate and cookies end in a stream
 * bound: exhaustive; 3 M1s (4 when none is lost), 2 key rotations, 1 lost certificate, 2 cookie secrets, load on and off at any time
 *
 * The stream handshake of docs/state-machines.md between one initiator and one responder. What
 * was sent once can be delivered at any time and any number of times: that is loss, duplication,
 * replay and reordering at once. Forgery is left to cryptography: nobody else makes messages.
 * sid and TAI64N of an M1 are its number; a cookie is the number of the secret it was made under.
 *
 * With FAIR every message arrives, once, and nobody gives up; then the end must be a stream.
 */
#ifdef FAIR
#define M1S 4
#else
#define M1S 3
#endif
#define ARRAY 5 /* counted from one */
#define ROTATIONS 2
#define SECRETS 2
#define RESTARTS 4 /* HS_RESTARTS_MAX */

mtype = { NEW, EXPECT_M2, KEYED };

/* initiator */
mtype i_state = NEW;
byte i_cur;   /* number of the present M1; 0: none yet */
byte i_kid;   /* the responder's key as known here */
byte i_key;   /* of the finished handshake: what M2 carried */
byte i_cookie; /* held for this responder, and for its next M1 too; 0: none */
bool i_need_cert;
byte i_restarts;

/* responder */
byte r_kid;         /* newest key; the one before opens too */
byte r_tai;         /* newest M1 accepted */
bool r_has_cert;    /* the initiator's certificate is cached */
bool r_load;
byte r_secret = 1; /* newest secret of cookies */
bool r_before;     /* the one before is still good */
byte r_fresh;       /* encapsulations so far: each is another key */
byte r_made[ARRAY];   /* streams ever made for this M1 */
byte r_key[ARRAY];    /* key of the stream; 0: no stream */
bool r_open[ARRAY];
bool r_lost;

/* the network: what was sent so far */
#define CELL(n, c) ((n) * (SECRETS + 1) + (c))
bool m1[ARRAY * (SECRETS + 1)]; /* with this cookie */
bool m1_cert[ARRAY];
byte m1_kid[ARRAY];
byte m2[ARRAY]; /* the key it carries */
bool retry_cert[ARRAY], retry_cookie[ARRAY * (SECRETS + 1)];
byte retry_kid[ARRAY]; /* the key it names, plus one */
bool bound[ARRAY]; /* BIND under the key */

inline new_m1() {
    i_cur++;
    m1[CELL(i_cur, i_cookie)] = true;
    m1_kid[i_cur] = i_kid;
    m1_cert[i_cur] = i_need_cert;
    i_state = EXPECT_M2
}

#ifdef FAIR
bool got[ARRAY * (SECRETS + 1)], heard[ARRAY * (SECRETS + 1)];
byte r_flips;
#define may_deliver(flag) (!flag)
#define mark(flag) flag = true
#define MAY_END false
#define may_flip (r_flips < 3)
#define flipped r_flips++
#define may_restart (i_restarts < RESTARTS)
#define restarted i_restarts++
#else
#define may_deliver(flag) true
#define mark(flag) skip
#define MAY_END true
#define may_flip true
#define flipped skip
#define may_restart true
#define restarted skip
#endif
#define half_open(n) (r_key[n] != 0 && !r_open[n])

#define right(c) ((c) == r_secret || (r_before && (c) + 1 == r_secret && (c) != 0))

/* Any M1, with any cookie or none, at any time. */
inline on_m1(n, c) {
    if
    :: r_key[n] != 0 -> m2[n] = r_key[n]                    /* (1) the stored M2 again */
    :: else ->
        if
        :: r_load && !right(c) -> retry_cookie[CELL(n, r_secret)] = true /* (3) */
        :: else ->
            if
            :: m1_kid[n] + 1 < r_kid -> retry_kid[n] = r_kid + 1
            :: else ->
                if
                :: n <= r_tai -> skip                       /* (6) not newer */
                :: else ->
                    if
                    :: !m1_cert[n] && !r_has_cert -> retry_cert[n] = true
                    :: else ->
                        r_has_cert = true;
                        r_tai = n;
                        /* a newer one takes the half-open one's place */
                        k = 1;
                        do
                        :: k <= M1S ->
                            if
                            :: r_key[k] != 0 && !r_open[k] -> r_key[k] = 0
                            :: else
                            fi;
                            k++
                        :: else -> break
                        od;
                        r_fresh++;
                        r_key[n] = r_fresh;
                        r_made[n]++;
                        assert(r_made[n] == 1);
                        assert(half_open(1) + half_open(2) + half_open(3) + half_open(4) == 1);
                        m2[n] = r_fresh
                    fi
                fi
            fi
        fi
    fi;
    k = 0
}

/* The same M1 at once, but for mac2. A cookie that is held already brings nothing. */
#define COOKIE(c) \
    :: atomic { i_state == EXPECT_M2 && retry_cookie[CELL(i_cur, c)] && i_cookie != c && \
                may_deliver(heard[CELL(i_cur, c)]) && may_restart -> \
        mark(heard[CELL(i_cur, c)]); \
        i_cookie = c; \
        restarted; \
        m1[CELL(i_cur, c)] = true }

active proctype initiator() {
    do
    :: atomic { i_state == NEW && i_cur < M1S -> new_m1() }
    :: atomic { i_state == EXPECT_M2 && m2[i_cur] != 0 ->
        i_key = m2[i_cur];
        i_state = KEYED;
        bound[i_cur] = true }
    COOKIE(1)
    COOKIE(2)
    :: atomic { i_cookie != 0 && MAY_END -> i_cookie = 0 } /* 120 s */
    :: atomic { i_state == EXPECT_M2 && retry_kid[i_cur] > i_kid + 1 && i_cur < M1S &&
                may_restart ->
        i_kid = retry_kid[i_cur] - 1;
        restarted;
        new_m1() }
    :: atomic { i_state == EXPECT_M2 && retry_cert[i_cur] && !i_need_cert && i_cur < M1S &&
                may_restart ->
        i_need_cert = true;
        restarted;
        new_m1() }
    :: atomic { MAY_END && i_state == EXPECT_M2 && i_cur < M1S -> new_m1() }
    :: atomic { MAY_END && i_state == KEYED && i_cur < M1S -> i_state = NEW }
    :: atomic { timeout -> assert(i_state == KEYED && r_open[i_cur]); break }
    od
}

#define M1(n, c) \
    :: atomic { m1[CELL(n, c)] && may_deliver(got[CELL(n, c)]) -> \
        mark(got[CELL(n, c)]); \
        on_m1(n, c) }

#define DELIVER(n) \
    M1(n, 0) \
    M1(n, 1) \
    M1(n, 2) \
    :: atomic { bound[n] && half_open(n) && i_state == KEYED && i_cur == n -> \
        assert(r_key[n] == i_key); \
        r_open[n] = true } \
    /* 30 s without BIND, or idle: the stream is gone, the time of its M1 is not */ \
    :: atomic { MAY_END && r_key[n] != 0 -> r_key[n] = 0; r_open[n] = false }

active proctype responder() {
    byte k;
end:
    do
    DELIVER(1)
    DELIVER(2)
    DELIVER(3)
    DELIVER(4)
    :: atomic { r_kid < ROTATIONS -> r_kid++ }
    :: atomic { may_flip -> r_load = !r_load; flipped }
    :: atomic { r_secret < SECRETS -> r_secret++; r_before = true }
    :: atomic { r_before -> r_before = false }
    :: atomic { r_has_cert && !r_lost -> r_has_cert = false; r_lost = true }
    od
}
