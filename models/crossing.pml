/*
 * check: one tether, the smaller node's if it offered one | -DSENDS=2
 * check: the same when messages get lost, and on it every stream that is wanted | -DLOSSES=2
 * check: beside one that is up | -DSENDS=2 -DFIRST=true
 * check: the same when messages get lost | -DLOSSES=2 -DFIRST=true
 * long: one tether, the smaller node's if it offered one | -DSENDS=3
 * long: beside one that is up | -DSENDS=3 -DFIRST=true
 * proves: crossing set-ups: whatever crosses, repeats and overtakes, both ends come to wait for one
 * proves: and the same tether; of two crossing offers the smaller node id's stands; every stream
 * proves: that either end wants comes to be open on it; beside one that is up no stream is ever
 * proves: without a tether that both ends have, unless the first one is lost by itself, and in the
 * proves: end only the new one is left
 * bound: exhaustive; two nodes, one offer each, sent twice at any time, or up to 3 times with two
 * bound: messages lost
 * long_bound: exhaustive; two nodes, one offer each, sent up to 3 times; messages lost, or none
 *
 * Offers and answers of src/core/hop_signal.c, then circuits and BIND of circuit.c and bind.c. Node
 * 0 has the smaller id. The tether is numbered by its offerer plus one. Each sending is an envelope
 * of its own, dated by a common clock, which may stand still; the envelope's nonce sees to it that
 * it counts once. The handshakes of the two streams are handshake.pml's: here they take any time.
 *
 * With FIRST both have a tether, number 0, with a stream of each on it; offers that are made while
 * it is there say so, and hop_renew.c moves the streams. It may break at any time, once.
 */
#ifndef FIRST
#define FIRST false
#endif
#ifndef SENDS
#define SENDS 3
#endif
#ifdef LOSSES
#define may_repeat timeout /* it waits for an answer that would have come */
#define STREAMS true
#else
#define LOSSES 0
#define may_repeat true
#define STREAMS false
#endif

mtype = { NONE, EXPECT_GATHERED, EXPECT_ANSWER, EXPECT_UP, UP };

mtype state[2] = NONE;
byte tether[2];
bool offerer[2];
byte signalled[2]; /* date of the last offer or answer taken */
byte clock = 1;
bool offered[2]; /* ever */
byte losses;

byte sends[2];
byte offer[6];  /* [node * SENDS + i]: its date; 0: not under way */
byte answers[2];
byte answer[6]; /* to this node's offers, likewise */

bool first[2] = FIRST;
bool beside[2]; /* its offer was made with that one up */
bool moved[2];  /* its stream has left that one for the other */
bool broken;

/* The stream of each node to the other. */
bool wants[2], keyed[2], open[2];
mtype = { SETUP, ACCEPT, BIND, BOUND };
mtype carried[2]; /* its last message in-band */

inline tick() {
    if
    :: clock++
    :: skip
    fi
}

inline send_offer(me) {
    tick();
    offer[me * SENDS + sends[me]] = clock;
    sends[me]++
}

inline send_answer(me) {
    tick();
    answer[(1 - me) * SENDS + answers[1 - me]] = clock;
    answers[1 - me]++
}

#define repeats(me) (state[me] == EXPECT_ANSWER && sends[me] < SENDS)
#define waiting(me) (state[me] == EXPECT_GATHERED || state[me] == EXPECT_ANSWER)

inline on_offer(me, date) {
    if
    :: state[me] != NONE && !offerer[me] ->
        if
        :: state[me] == EXPECT_UP -> send_answer(me) /* the answer again */
        :: else
        fi
    :: else ->
        if
        :: date <= signalled[me] -> skip
        :: date > signalled[me] && offerer[me] && waiting(me) && me == 0 -> skip
        :: else ->
            signalled[me] = date;
            state[me] = EXPECT_GATHERED;
            offerer[me] = false;
            first[me] = first[me] && beside[1 - me];
            tether[me] = 2 - me
        fi
    fi
}

#define TAKE(me, i) \
    :: atomic { offer[(1 - me) * SENDS + i] != 0 -> \
        date = offer[(1 - me) * SENDS + i]; \
        offer[(1 - me) * SENDS + i] = 0; \
        on_offer(me, date); \
        date = 0 } \
    :: atomic { offer[(1 - me) * SENDS + i] != 0 && losses < LOSSES -> \
        losses++; \
        offer[(1 - me) * SENDS + i] = 0 }

#define HEAR(me, i) \
    :: atomic { answer[me * SENDS + i] != 0 -> \
        if \
        :: offerer[me] && state[me] == EXPECT_ANSWER -> \
            state[me] = EXPECT_UP; \
            if \
            :: answer[me * SENDS + i] > signalled[me] -> \
                signalled[me] = answer[me * SENDS + i] \
            :: else \
            fi \
        :: else \
        fi; \
        answer[me * SENDS + i] = 0 } \
    :: atomic { answer[me * SENDS + i] != 0 && losses < LOSSES -> \
        losses++; \
        answer[me * SENDS + i] = 0 }

#define NODE(me) \
    byte date; \
    do \
    :: atomic { wants[me] && state[me] == NONE && !offered[me] -> \
        state[me] = EXPECT_GATHERED; \
        offerer[me] = true; \
        offered[me] = true; \
        beside[me] = first[me]; \
        tether[me] = me + 1 } \
    :: atomic { state[me] == EXPECT_GATHERED && offerer[me] -> \
        state[me] = EXPECT_ANSWER; \
        send_offer(me) } \
    :: atomic { state[me] == EXPECT_GATHERED && !offerer[me] -> \
        state[me] = EXPECT_UP; \
        send_answer(me) } \
    :: atomic { may_repeat && repeats(me) -> send_offer(me) } \
    TAKE(me, 0) \
    TAKE(me, 1) \
    TAKE(me, SENDS - 1) \
    HEAR(me, 0) \
    HEAR(me, 1) \
    HEAR(me, SENDS - 1) \
    /* Both ends have the secret of the same offer: ICE and DTLS come to an end. */ \
    :: atomic { state[me] == EXPECT_UP && tether[0] == tether[1] && \
                (state[1 - me] == EXPECT_UP || state[1 - me] == UP) -> \
        state[me] = UP } \
    :: atomic { STREAMS && wants[me] && !keyed[me] -> keyed[me] = true } \
    :: atomic { STREAMS && wants[me] && state[me] == UP && carried[me] == 0 -> carried[me] = SETUP } \
    :: atomic { carried[me] == ACCEPT && keyed[me] -> carried[me] = BIND } \
    :: atomic { carried[me] == BOUND && !open[me] -> open[me] = true } \
    /* SETUP to BOUND on the new one. What none uses is closed, and the other end hears of it. */ \
    :: atomic { FIRST && state[0] == UP && state[1] == UP && !moved[me] -> moved[me] = true } \
    :: atomic { first[me] && moved[0] && moved[1] -> first[me] = false } \
    :: atomic { FIRST && first[me] && !first[1 - me] -> first[me] = false } \
    /* The other's stream. */ \
    :: atomic { carried[1 - me] == SETUP && state[me] == UP -> carried[1 - me] = ACCEPT } \
    :: atomic { carried[1 - me] == BIND && state[me] == UP -> \
        assert(tether[0] == tether[1]); \
        carried[1 - me] = BOUND } \
    :: atomic { timeout && !repeats(0) && !repeats(1) -> \
        assert(tether[0] == tether[1] && state[0] == state[1]); \
        assert(!offered[0] || tether[0] == 1); \
        assert(first[0] == first[1] && (!first[me] || state[me] == NONE)); \
        assert(!wants[me] || (offerer[0] != offerer[1] && (open[me] || !STREAMS))); \
        break } \
    od

active proctype smaller() { NODE(0) }
active proctype larger() { NODE(1) }

active proctype programs() {
    if
    :: atomic { wants[0] = true; wants[1] = true }
    :: wants[0] = true
    :: wants[1] = true
    fi
}

active proctype fate() {
    if
    :: skip
    :: atomic { first[0] -> first[0] = false; broken = true }
    :: atomic { first[1] -> first[1] = false; broken = true }
    fi
}

#define carries(me) (moved[me] -> state[0] == UP && state[1] == UP : first[0] && first[1])

active proctype unbroken() {
end:
    atomic { FIRST && !broken && !(carries(0) && carries(1)) -> assert(false) }
}
