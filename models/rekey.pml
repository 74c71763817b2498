/*
 * check: every frame opens, and both ends come to the same keys |
 * proves: rekeying: a frame within the receiver's bounds opens whatever was lost, repeated or
 * proves: overtaken; at no time do the ends have two keys for one epoch; from every state both come
 * proves: to the same epoch and control keys by a KEM step, once messages arrive
 * bound: exhaustive; 5 epochs, 2 KEM offers, then 1 more
 * long: the same with one epoch more | -DEPOCHS=6
 * long: the same with one offer more | -DEPOCHS=4 -DOFFERS=3
 * long_bound: exhaustive; 6 epochs and 2 KEM offers, 4 and 3, then 1 more
 *
 * Rekeying of docs/state-machines.md: the workers' src/core/tx_keys.c and rx_keys.c, the nodes'
 * src/core/rekey.c, and the mailboxes between them, which neither lose nor reorder. What was sent
 * once can be delivered at any time and any number of times, or never; timers fire at any time.
 *
 * Keys: kem[e] says how the source came to epoch e: by the secret of this number, or 0, by a
 * symmetric step. So two chain keys are the same when this is the same up to their epoch, and
 * control keys are named by the secret they come from. A destination that mixed a secret into
 * another chain than the source's has made BAD keys; who decapsulates what was encapsulated for
 * another key gets the secret NOISE.
 *
 * At some moment, in any state, `calm` begins: from then on every message arrives (once, of each
 * that was ever sent), no timer is early, and the source wants one more KEM step.
 */
#ifndef EPOCHS
#define EPOCHS 5 /* before calm */
#endif
#ifndef OFFERS
#define OFFERS 2
#endif
#define AHEAD 4 /* VN_REKEY_AHEAD_MAX: of so many epochs one frame arrives, else the stream is lost */
#define ALL_EPOCHS (EPOCHS + 4)
#define ALL_OFFERS (OFFERS + 2)
#define SECRETS (ALL_OFFERS + 1) /* counted from one; one offer twice */
#define BAD 20
#define NOISE 21
#define NONE 22

bool calm;

/* ---- source ---- */
mtype = { DUE, TAKEN, READY, BEGUN };
chan s_up = [3] of { mtype, byte }; /* worker to node: offer, or secret */
chan s_down = [3] of { byte, byte }; /* TX_KEM: epoch, secret; 0: unanswered */

byte tx_epoch;
byte kem[ALL_EPOCHS + 1];
bool awaited;
byte asked; /* epoch of the last KEM step asked for: none is asked for twice */
bool calm_step;

byte dk;      /* offer that awaits its answer */
byte s_epoch;
byte s_ctl, s_old = NONE;

/* ---- destination ---- */
chan d_down = [3] of { byte, byte, byte }; /* RX_KEM: epoch, taken, secret */
chan d_up = [4] of { mtype, byte, byte };  /* READY: secret, control keys; BEGUN: epoch */

byte d_ctl, d_old = NONE, d_next = NONE;
byte r_offer, r_epoch, r_secret, taken;
bool answered, twice;

byte rx_epoch;
byte pend_epoch, pend; /* the step announced: its control keys' name stands for its chain key's */

/* ---- the network: what was sent so far ---- */
byte offers, secrets;
byte offer_epoch[ALL_OFFERS + 1], secret_offer[SECRETS + 1];
#define OFFER(o, ctl) ((o) * (SECRETS + 1) + (ctl))
#define ANSWER(s, ctl) ((s) * (SECRETS + 1) + (ctl))
bool offer[(ALL_OFFERS + 1) * (SECRETS + 1)], offered[(ALL_OFFERS + 1) * (SECRETS + 1)];
bool answer[(SECRETS + 1) * (SECRETS + 1)], heard[(SECRETS + 1) * (SECRETS + 1)];

#define behind (tx_epoch - rx_epoch)
#define may_step (behind < AHEAD && tx_epoch < EPOCHS)

inline ask() {
    awaited = true;
    asked = tx_epoch + 1;
    offers++;
    offer_epoch[offers] = asked;
    s_up!DUE(offers)
}

active proctype source_worker() {
    byte epoch, secret;
end:
    do
    /* A symmetric step: of time, or of a limit, which waits for nothing. */
    :: atomic { !calm && may_step -> tx_epoch++ }
    :: atomic { !calm && !awaited && may_step && tx_epoch + 1 > asked && offers < OFFERS &&
                nfull(s_up) ->
        ask() }
    :: atomic { awaited && !calm -> awaited = false }
    :: atomic { nempty(s_down) && nfull(s_up) ->
        s_down?epoch, secret;
        awaited = false;
        if
        :: secret != 0 && epoch == tx_epoch + 1 ->
            tx_epoch = epoch;
            kem[epoch] = secret;
            calm_step = calm_step || calm;
            s_up!TAKEN(secret)
        :: else
        fi;
        epoch = 0;
        secret = 0 }
    od
}

#define HEAR(s, ctl) \
    :: atomic { answer[ANSWER(s, ctl)] && !(calm && heard[ANSWER(s, ctl)]) && \
                ((ctl) == s_ctl || (ctl) == s_old) && nfull(s_down) -> \
        heard[ANSWER(s, ctl)] = calm; \
        if \
        :: dk != 0 && offer_epoch[secret_offer[s]] == s_epoch -> \
            s_down!s_epoch, (secret_offer[s] == dk -> (s) : NOISE); \
            dk = 0 \
        :: else \
        fi }
#if OFFERS > 2
#define HEAR_ALL(s) HEAR(s, 0) HEAR(s, 1) HEAR(s, 2) HEAR(s, 3) HEAR(s, 4) HEAR(s, 5) HEAR(s, 6)
#define OPEN_ALL(o) OPEN(o, 0) OPEN(o, 1) OPEN(o, 2) OPEN(o, 3) OPEN(o, 4) OPEN(o, 5) OPEN(o, 6)
#else
#define HEAR_ALL(s) HEAR(s, 0) HEAR(s, 1) HEAR(s, 2) HEAR(s, 3) HEAR(s, 4) HEAR(s, 5)
#define OPEN_ALL(o) OPEN(o, 0) OPEN(o, 1) OPEN(o, 2) OPEN(o, 3) OPEN(o, 4) OPEN(o, 5)
#endif

active proctype source_node() {
    byte x;
end:
    do
    :: atomic { s_up?[DUE, x] ->
        s_up?DUE(x);
        dk = x;
        s_epoch = offer_epoch[x];
        offer[OFFER(x, s_ctl)] = true;
        x = 0 }
    :: atomic { s_up?[TAKEN, x] ->
        s_up?TAKEN(x);
        s_old = s_ctl;
        s_ctl = x;
        x = 0 }
    :: atomic { dk != 0 && !calm && nfull(s_down) -> s_down!s_epoch, 0; dk = 0 }
    :: atomic { s_old != NONE -> s_old = NONE }
    HEAR_ALL(1)
    HEAR_ALL(2)
    HEAR_ALL(3)
    HEAR_ALL(4)
    HEAR_ALL(5)
#if OFFERS > 2
    HEAR_ALL(6)
#endif
    od
}

/* Steps from `from` to `to` are all symmetric. */
inline symmetric(from, to, ret) {
    k = from + 1;
    ret = true;
    do
    :: k <= to -> ret = ret && kem[k] == 0; k++
    :: else -> break
    od;
    k = 0
}

inline adopt() {
    d_old = d_ctl;
    d_ctl = d_next;
    d_next = NONE;
    taken = r_epoch
}

/* vn_rekey_on_offer */
inline on_offer(o) {
    if
    :: o == r_offer && answered -> answer[ANSWER(r_secret, d_ctl)] = true
    :: o == r_offer && !answered && (twice || !calm) -> skip
    :: o != r_offer && (offer_epoch[o] <= r_epoch || !calm) -> skip /* or too soon after another */
    :: o == r_offer && !answered && !twice || offer_epoch[o] > r_epoch ->
        twice = twice || o == r_offer;
        r_epoch = offer_epoch[o];
        r_offer = o;
        answered = false;
        d_next = NONE;
        secrets++;
        r_secret = secrets;
        secret_offer[secrets] = o;
        d_down!r_epoch, taken, r_secret
    fi
}

#define OPEN(o, ctl) \
    :: atomic { offer[OFFER(o, ctl)] && !(calm && offered[OFFER(o, ctl)]) && nfull(d_down) && \
                ((ctl) == d_ctl || (ctl) == d_next || (ctl) == d_old) -> \
        offered[OFFER(o, ctl)] = calm; \
        if \
        :: (ctl) == d_next -> adopt() \
        :: else \
        fi; \
        on_offer(o) }

active proctype destination_node() {
    byte x, name;
end:
    do
    OPEN_ALL(1)
    OPEN_ALL(2)
    OPEN_ALL(3)
    OPEN_ALL(4)
#if OFFERS > 2
    OPEN_ALL(5)
#endif
    :: atomic { d_up?[READY, x, name] ->
        d_up?READY(x, name);
        if
        :: x == r_secret ->
            d_next = name;
            answered = true;
            answer[ANSWER(r_secret, d_ctl)] = true
        :: else
        fi;
        x = 0;
        name = 0 }
    :: atomic { d_up?[BEGUN, x, name] ->
        d_up?BEGUN(x, name);
        if
        :: d_next != NONE && x == r_epoch -> adopt()
        :: else
        fi;
        x = 0;
        name = 0 }
    :: atomic { d_old != NONE -> d_old = NONE }
    od
}

/* A frame of epoch e. */
#define FRAME(e) \
    :: atomic { (e) <= tx_epoch && (e) > rx_epoch && nfull(d_up) && (!calm || (e) == tx_epoch) -> \
        assert((e) - rx_epoch <= AHEAD); \
        symmetric(rx_epoch, e, plain); \
        with = pend_epoch != 0 && pend_epoch <= (e); \
        if \
        :: with -> symmetric(pend_epoch, e, with); with = with && pend == kem[pend_epoch] \
        :: else \
        fi; \
        assert(plain || with); \
        rx_epoch = e; \
        if \
        :: pend_epoch != 0 && pend_epoch <= (e) -> \
            if \
            :: with -> d_up!BEGUN(pend_epoch, 0) \
            :: else \
            fi; \
            pend_epoch = 0; \
            pend = 0 \
        :: else \
        fi; \
        plain = false; \
        with = false }

active proctype destination_worker() {
    byte epoch, was, secret, k;
    bool plain, with;
end:
    do
    :: atomic { nempty(d_down) && nfull(d_up) ->
        d_down?epoch, was, secret;
        if
        :: pend_epoch != 0 && pend_epoch == was ->
            symmetric(rx_epoch, pend_epoch - 1, plain);
            assert(plain && pend == kem[pend_epoch]);
            rx_epoch = pend_epoch;
            pend_epoch = 0;
            pend = 0
        :: else
        fi;
        if
        :: epoch > rx_epoch && epoch - rx_epoch <= AHEAD ->
            symmetric(rx_epoch, epoch - 1, plain);
            pend_epoch = epoch;
            pend = (plain -> secret : BAD);
            d_up!READY(secret, pend)
        :: else
        fi;
        epoch = 0;
        was = 0;
        secret = 0;
        plain = false }
    FRAME(1)
    FRAME(2)
    FRAME(3)
    FRAME(4)
    FRAME(5)
    FRAME(6)
    FRAME(7)
    FRAME(8)
    FRAME(9)
    FRAME(10)
    od
}

/* In calm, all that was to arrive has arrived before time goes on. */
active proctype time() {
    atomic { calm = true };
    do
    :: atomic { timeout ->
        if
        :: dk != 0 -> s_down!s_epoch, 0; dk = 0
        :: awaited && dk == 0 -> awaited = false /* nobody answers the question any more */
        :: !awaited && dk == 0 && !calm_step && tx_epoch < asked -> tx_epoch++
        :: !awaited && dk == 0 && !calm_step && tx_epoch >= asked -> ask()
        :: !awaited && dk == 0 && calm_step -> break
        fi }
    od;
    assert(rx_epoch == tx_epoch && s_ctl == d_ctl)
}
