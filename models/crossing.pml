/*
 * check: both ends hold the same tether when every message arrives |
 * proves: crossing tether offers: whatever crosses and repeats, in whatever order, both ends
 * proves: come to wait for one and the same tether
 * bound: exhaustive; two nodes, one offer each, sent up to 3 times; every message arrives, once
 *
 * Offers and answers of src/core/hop_signal.c. Node 0 has the smaller id. The tether is numbered
 * by its offerer plus one. Each sending is an envelope of its own, dated by a common clock; the
 * envelope's nonce sees to it that it counts once.
 */
#define SENDS 3

mtype = { NONE, EXPECT_ANSWER, EXPECT_UP };

mtype state[2] = NONE;
byte tether[2];
bool offerer[2];
byte signalled[2]; /* date of the last offer or answer taken */
byte clock = 1;

byte sends[2];
byte offer[6];  /* [node * SENDS + i]: its date; 0: not under way */
byte answers[2];
byte answer[6]; /* to this node's offers, likewise */

inline send_offer(me) {
    clock++;
    offer[me * SENDS + sends[me]] = clock;
    sends[me]++
}

inline send_answer(me) {
    clock++;
    answer[(1 - me) * SENDS + answers[1 - me]] = clock;
    answers[1 - me]++
}

inline on_offer(me, date) {
    if
    :: state[me] != NONE && !offerer[me] && tether[me] == 2 - me ->
        send_answer(me) /* the answer again */
    :: else ->
        if
        :: date < signalled[me] -> skip
        :: date >= signalled[me] && offerer[me] && state[me] == EXPECT_ANSWER && me == 0 -> skip
        :: else ->
            signalled[me] = date;
            state[me] = EXPECT_UP;
            offerer[me] = false;
            tether[me] = 2 - me;
            send_answer(me)
        fi
    fi
}

#define TAKE(me, i) \
    :: atomic { offer[(1 - me) * SENDS + i] != 0 -> \
        date = offer[(1 - me) * SENDS + i]; \
        offer[(1 - me) * SENDS + i] = 0; \
        on_offer(me, date); \
        date = 0 }

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
        answer[me * SENDS + i] = 0 }

#define NODE(me) \
    byte date; \
    do \
    :: atomic { state[me] == NONE && sends[me] == 0 -> \
        state[me] = EXPECT_ANSWER; \
        offerer[me] = true; \
        tether[me] = me + 1; \
        send_offer(me) } \
    :: atomic { state[me] == EXPECT_ANSWER && sends[me] < SENDS -> send_offer(me) } \
    TAKE(me, 0) \
    TAKE(me, 1) \
    TAKE(me, 2) \
    HEAR(me, 0) \
    HEAR(me, 1) \
    HEAR(me, 2) \
    :: atomic { timeout -> \
        assert(state[0] == EXPECT_UP && state[1] == EXPECT_UP); \
        assert(tether[0] == tether[1] && offerer[0] != offerer[1]); \
        break } \
    od

active proctype smaller() { NODE(0) }
active proctype larger() { NODE(1) }
