/*
 * check: labels, and frames that come late | -DFRAMES=true -DFAULTS=false
 * check: a relay that is killed, tethers that are cut | -DFRAMES=false -DFAULTS=true
 * check: frames of circuits that cross, by credit | -DCREDIT -DLOSSES=0
 * check: frames of such a circuit that the tether gives up | -DCREDIT -DLOSSES=2
 * proves: circuits over a relay: whatever crosses and whoever fails, nothing that a label carries
 * proves: comes to another circuit, and every half goes without waiting for an idle timer; every
 * proves: frame of circuits that cross two relays with full buffers arrives by credit, but for
 * proves: those that a tether gave up, and as many more for each that arrived all the same
 * bound: exhaustive; two circuits, two labels, a late frame each, or one relay or tether that
 * bound: fails; two circuits that cross two relays, three frames each, one place of a relay
 * bound: shared, two frames that are given up
 *
 * src/core/circuit.c, relay.c and label.c, then credit.c and turn.c. S sets up circuits over R
 * to D.
 * Circuit messages keep their order on a tether, frames overtake them. What a circuit is called
 * here (c) is what nobody there knows: it stands for the truth to which labels are compared; as
 * request it is what SETUP and ACCEPT carry. A tether has a number (t), as its handle does.
 */
#ifndef CREDIT

#define N 2 /* circuits */
#define L 2 /* labels that each node gives out on a tether: few, so that they come again */

mtype = { SETUP, ACCEPT, REFUSE, TEARDOWN };
mtype = { NONE, EXPECT, UP };

/* { type, circuit, label } on the tether of this number, each way. */
chan sr[2] = [2] of { mtype, byte, byte };
chan rs[2] = [2] of { mtype, byte, byte };
chan rd[2] = [2] of { mtype, byte, byte };
chan dr[2] = [2] of { mtype, byte, byte };

/* Halves. Labels are 1..L; own is what arrives here, other what is put before what is sent. */
typedef half { mtype state = NONE; byte own, other, t };
#define DROP(h) h.state = NONE; h.own = 0; h.other = 0; h.t = 0
half s[N], in[N], out[N], d[N];
bool opened[N], sent[N], d_ends[N];

/* One frame of each circuit, between S and R and then between R and D. */
typedef frame { byte label, t };
frame up[N], down[N]; /* label 0: not under way */

byte st, rt; /* tether S-R and R-D that is the newest: 0 or 1 */
bool s_lost, d_lost, r_lost_s, r_lost_d; /* has not noticed yet that the tether before is gone */

/* Any of the circuits. */
#define ANY(p, l, x) (p(0, l, x) || p(1, l, x))

/* What names this label of this tether is still under way to who gave it out, or will be: who has
 * it at the other end has not heard yet. 60 s without its use stand for that there is nothing. */
#define late_s(k, l, x) \
    (rs[x] ?? [TEARDOWN, k, l] || sr[x] ?? [SETUP, k, l] || \
     (in[k].state != NONE && in[k].other == l && in[k].t == x))
#define late_in(k, l, x) \
    ((up[k].label == l && up[k].t == x) || sr[x] ?? [TEARDOWN, k, l] || rs[x] ?? [ACCEPT, k, l] || \
     (s[k].state == UP && s[k].other == l && s[k].t == x))
#define late_out(k, l, x) \
    (dr[x] ?? [TEARDOWN, k, l] || rd[x] ?? [SETUP, k, l] || \
     (d[k].state != NONE && d[k].other == l && d[k].t == x))
#define late_d(k, l, x) \
    ((down[k].label == l && down[k].t == x) || rd[x] ?? [TEARDOWN, k, l] || \
     dr[x] ?? [ACCEPT, k, l] || \
     (out[k].state == UP && out[k].other == l && out[k].t == x))

#define has(h, k, l, x) (h[k].state != NONE && h[k].own == l && h[k].t == x)
#define has_s(k, l, x) has(s, k, l, x)
#define has_in(k, l, x) has(in, k, l, x)
#define has_out(k, l, x) has(out, k, l, x)
#define has_d(k, l, x) has(d, k, l, x)

/* A label for half c that no other has, and that is not late; 0: there is none. */
#define PICK(h, c, x, taken, late) \
    if \
    :: !ANY(taken, 1, x) && !ANY(late, 1, x) -> h[c].own = 1 \
    :: !ANY(taken, 2, x) && !ANY(late, 2, x) -> h[c].own = 2 \
    :: else -> h[c].own = 0 \
    fi

/* Who has this label on this tether; N: nobody. */
#define BY_LABEL(h, l, x) \
    k = 0; \
    do \
    :: k < N && !(h[k].state != NONE && h[k].own == l && h[k].t == x) -> k++ \
    :: else -> break \
    od

/* ---- S ---- */

#define S_STEPS(c) \
    :: atomic { !opened[c] && !s_lost && nfull(sr[st]) -> \
        opened[c] = true; \
        PICK(s, c, st, has_s, late_s); \
        if \
        :: s[c].own == 0 -> skip \
        :: else -> s[c].state = EXPECT; s[c].t = st; sr[st] ! SETUP, c, s[c].own \
        fi } \
    /* given up: the timer; nobody is told, since S has no label yet */ \
    :: atomic { s[c].state == EXPECT -> DROP(s[c]) } \
    /* BIND went through; frames follow */ \
    :: atomic { s[c].state == UP && up[c].label == 0 && down[c].label == 0 && d[c].state == UP && \
                !sent[c] && FRAMES -> sent[c] = true; up[c].label = s[c].other; up[c].t = s[c].t } \
    :: atomic { s[c].state == UP && nfull(sr[s[c].t]) -> \
        sr[s[c].t] ! TEARDOWN, c, s[c].other; DROP(s[c]) }

#define S_HEARS(x) \
    :: atomic { !(s_lost && x != st) && nempty(rs[x]) && nfull(sr[x]) -> \
        rs[x] ? m, c, l; \
        if \
        :: m == ACCEPT -> \
            if \
            :: s[c].state == EXPECT && s[c].t == x -> s[c].state = UP; s[c].other = l \
            :: else -> sr[x] ! TEARDOWN, c, l \
            fi \
        :: m == REFUSE -> \
            if \
            :: s[c].state == EXPECT && s[c].t == x -> DROP(s[c]) \
            :: else \
            fi \
        :: else -> \
            BY_LABEL(s, l, x); \
            assert(k == N || k == c); \
            if \
            :: k < N -> DROP(s[k]) \
            :: else \
            fi \
        fi; m = 0; c = 0; l = 0; k = 0 }

#define LOSE_S(c) \
    if \
    :: s[c].state != NONE && s[c].t != st -> DROP(s[c]) \
    :: else \
    fi

active proctype source() {
    mtype m;
    byte c, l, k;
end:
    do
    S_STEPS(0)
    S_STEPS(1)
    S_HEARS(0)
    S_HEARS(1)
    :: atomic { s_lost -> LOSE_S(0); LOSE_S(1); s_lost = false }
    od
}

/* ---- R ---- */

/* One half is gone: the other one's neighbour learns of it. */
inline tell_up(x) {
    if
    :: in[x].state == EXPECT -> rs[in[x].t] ! REFUSE, x, 0
    :: in[x].state == UP -> rs[in[x].t] ! TEARDOWN, x, in[x].other
    :: else
    fi;
    DROP(in[x])
}

inline tell_down(x) {
    if
    :: out[x].state == UP -> rd[out[x].t] ! TEARDOWN, x, out[x].other
    :: else
    fi;
    DROP(out[x])
}

#define R_HEARS_S(x) \
    :: atomic { !(r_lost_s && x != st) && nempty(sr[x]) && \
                nfull(rs[x]) && nfull(rd[rt]) && nfull(rd[0]) -> \
        sr[x] ? m, c, l; \
        if \
        :: m == SETUP -> \
            PICK(in, c, x, has_in, late_in); \
            if \
            :: in[c].own != 0 -> PICK(out, c, rt, has_out, late_out) \
            :: else -> out[c].own = 0 \
            fi; \
            if \
            :: out[c].own == 0 || r_lost_d -> rs[x] ! REFUSE, c, 0 \
            :: else -> \
                in[c].state = EXPECT; in[c].other = l; in[c].t = x; \
                out[c].state = EXPECT; out[c].t = rt; \
                rd[rt] ! SETUP, c, out[c].own \
            fi \
        :: else -> \
            BY_LABEL(in, l, x); \
            assert(k == N || k == c); \
            if \
            :: k < N -> DROP(in[k]); tell_down(k) \
            :: else \
            fi \
        fi; m = 0; c = 0; l = 0; k = 0 }

#define R_HEARS_D(x) \
    :: atomic { !(r_lost_d && x != rt) && nempty(dr[x]) && \
                nfull(rd[x]) && nfull(rs[st]) && nfull(rs[0]) -> \
        dr[x] ? m, c, l; \
        if \
        :: m == ACCEPT -> \
            if \
            :: out[c].state == EXPECT && out[c].t == x -> \
                out[c].state = UP; out[c].other = l; \
                in[c].state = UP; rs[in[c].t] ! ACCEPT, c, in[c].own \
            :: else -> rd[x] ! TEARDOWN, c, l \
            fi \
        :: m == REFUSE -> \
            if \
            :: out[c].state == EXPECT && out[c].t == x -> DROP(out[c]); tell_up(c) \
            :: else \
            fi \
        :: else -> \
            BY_LABEL(out, l, x); \
            assert(k == N || k == c); \
            if \
            :: k < N -> DROP(out[k]); tell_up(k) \
            :: else \
            fi \
        fi; m = 0; c = 0; l = 0; k = 0 }

#define R_STEPS(x) \
    /* no ACCEPT came in time */ \
    :: atomic { out[x].state == EXPECT && nfull(rs[in[x].t]) -> DROP(out[x]); tell_up(x) } \
    /* a frame from S, whenever it comes */ \
    :: atomic { up[x].label != 0 && down[x].label == 0 -> \
        if \
        :: r_lost_s && up[x].t != st -> skip \
        :: else -> \
            BY_LABEL(in, up[x].label, up[x].t); \
            assert(k == N || k == x); \
            if \
            :: k < N && in[k].state == UP -> down[x].label = out[k].other; down[x].t = out[k].t \
            :: else \
            fi \
        fi; \
        up[x].label = 0; up[x].t = 0; k = 0 }

#define LOSE_IN(x) \
    if \
    :: in[x].state != NONE && in[x].t != st -> DROP(in[x]); tell_down(x) \
    :: else \
    fi
#define LOSE_OUT(x) \
    if \
    :: out[x].state != NONE && out[x].t != rt -> DROP(out[x]); tell_up(x) \
    :: else \
    fi

active proctype relay() {
    mtype m;
    byte c, l, k;
end:
    do
    R_HEARS_S(0)
    R_HEARS_S(1)
    R_HEARS_D(0)
    R_HEARS_D(1)
    R_STEPS(0)
    R_STEPS(1)
    :: atomic { r_lost_s && len(rd[rt]) == 0 -> LOSE_IN(0); LOSE_IN(1); r_lost_s = false }
    :: atomic { r_lost_d && len(rs[st]) == 0 -> LOSE_OUT(0); LOSE_OUT(1); r_lost_d = false }
    od
}

/* ---- D ---- */

#define D_HEARS(x) \
    :: atomic { !(d_lost && x != rt) && nempty(rd[x]) && nfull(dr[x]) -> \
        rd[x] ? m, c, l; \
        if \
        :: m == SETUP -> \
            if \
            :: PICK(d, c, x, has_d, late_d); \
               if \
               :: d[c].own != 0 -> \
                    d[c].state = UP; d[c].other = l; d[c].t = x; dr[x] ! ACCEPT, c, d[c].own; \
                    if \
                    :: d_ends[c] = true \
                    :: skip \
                    fi \
               :: else -> dr[x] ! REFUSE, c, 0 \
               fi \
            :: dr[x] ! REFUSE, c, 0 \
            fi \
        :: else -> \
            BY_LABEL(d, l, x); \
            assert(k == N || k == c); \
            if \
            :: k < N -> DROP(d[k]) \
            :: else \
            fi \
        fi; m = 0; c = 0; l = 0; k = 0 }

#define D_STEPS(x) \
    /* the stream ended here; whether it will is drawn, so that nothing waits for that */ \
    :: atomic { d[x].state == UP && d_ends[x] && nfull(dr[d[x].t]) && !(d_lost && d[x].t != rt) -> \
        dr[d[x].t] ! TEARDOWN, x, d[x].other; d_ends[x] = false; DROP(d[x]) } \
    :: atomic { down[x].label != 0 -> \
        BY_LABEL(d, down[x].label, down[x].t); \
        assert(k == N || k == x); \
        down[x].label = 0; down[x].t = 0; k = 0 }

#define LOSE_D(x) \
    if \
    :: d[x].state != NONE && d[x].t != rt -> DROP(d[x]) \
    :: else \
    fi

#define clean(x) \
    (s[x].state == NONE && in[x].state == NONE && out[x].state == NONE && d[x].state == NONE)

active proctype destination() {
    mtype m;
    byte c, l, k;
end:
    do
    D_HEARS(0)
    D_HEARS(1)
    D_STEPS(0)
    D_STEPS(1)
    :: atomic { d_lost -> LOSE_D(0); LOSE_D(1); d_lost = false }
    od
}

inline flush(q) {
    do
    :: nempty(q) -> q ? _, _, _
    :: empty(q) -> break
    od
}

#define FORGET(x) DROP(in[x]); DROP(out[x])

/* Once a tether dies, or the relay with both; another tether is made at once. */
active proctype world() {
    if
    :: true -> skip
    :: atomic { FAULTS -> /* S-R is cut */
        flush(sr[0]); flush(rs[0]); st = 1; s_lost = true; r_lost_s = true }
    :: atomic { FAULTS -> /* R-D is cut */
        flush(rd[0]); flush(dr[0]); rt = 1; d_lost = true; r_lost_d = true }
    :: atomic { FAULTS -> /* R is killed and comes back without a memory */
        flush(sr[0]); flush(rs[0]); flush(rd[0]); flush(dr[0]);
        FORGET(0); FORGET(1);
        st = 1; rt = 1; s_lost = true; d_lost = true }
    fi;
    /* When nothing happens any more, nothing is left. */
    atomic { timeout -> assert(clean(0) && clean(1)) }
}

#else /* CREDIT */

#define LENGTH 3 /* frames */
#define SHARED 1 /* places of a relay for whoever needs more than its own */

/*
 * Circuit 0 goes A, P, Q, B and circuit 1 goes C, Q, P, E: each relay has both, the tether between
 * them has one frame under way each way. Hop h of a circuit ends at relay 0 or 1, or at its end.
 */
byte sent[6], limit[6], received[6], consumed[6]; /* [circuit * 3 + hop], in frames */
byte share[6];                                     /* of the pool of the relay where the hop ends */
byte pool[2];
bool pipe[2];     /* the tether between the relays is full, in this direction */
byte credit[6];   /* the last grant, under way or there; 0: none but the first frame */
byte losses;      /* frames that the tether between the relays has given up, of both */
byte lost[2];     /* of which did not get through, or were refused for want of credit */

#define granted(i) (credit[i] > 1 -> credit[i] : 1)
#define relay_of(c, h) ((c) == 0 -> (h) : 1 - (h))
#define waiting(i) (received[i] - consumed[i])

inline grant(i, c, h) {
    if
    :: h < 2 && share[i] == 0 && pool[relay_of(c, h)] < SHARED ->
        share[i] = 1;
        pool[relay_of(c, h)]++
    :: h < 2 && share[i] == 1 -> share[i] = 0; pool[relay_of(c, h)]--
    :: true
    fi;
    credit[i] = (consumed[i] + 1 + share[i] > credit[i] -> consumed[i] + 1 + share[i] : credit[i])
}

#define HOP(c, h) \
    /* the sender of the hop has a frame and credit; between the relays the tether must take it */ \
    :: atomic { sent[c * 3 + h] < limit[c * 3 + h] && sent[c * 3 + h] < LENGTH && \
                (h == 0 || waiting(c * 3 + h - 1) > 0) && (h != 1 || !pipe[c]) -> \
        sent[c * 3 + h]++; \
        if \
        :: h > 0 -> consumed[c * 3 + h - 1]++; grant(c * 3 + h - 1, c, h - 1) \
        :: else \
        fi; \
        if \
        :: h == 1 -> pipe[c] = true \
        :: else -> received[c * 3 + h]++ \
        fi } \
    /* it is granted what there is */ \
    :: atomic { credit[c * 3 + h] > limit[c * 3 + h] -> limit[c * 3 + h] = credit[c * 3 + h] }

/* A relay counts what it takes, and takes no more than it has granted. */
#define ARRIVES(c) \
    if \
    :: received[c * 3 + 1] < granted(c * 3 + 1) -> received[c * 3 + 1]++; \
        assert(waiting(c * 3 + 1) <= 1 + SHARED) \
    :: else -> assert(losses > 0); lost[c]++ \
    fi

#define CIRCUIT(c) \
    do \
    HOP(c, 0) \
    HOP(c, 1) \
    HOP(c, 2) \
    /* a relay reads what comes, whatever else waits there */ \
    :: atomic { pipe[c] -> pipe[c] = false; ARRIVES(c) } \
    /* the tether gives it up: its sender counts it no more, whether it arrived or not */ \
    :: atomic { pipe[c] && losses < LOSSES -> pipe[c] = false; losses++; sent[c * 3 + 1]--; \
        if \
        :: true -> lost[c]++ \
        :: true -> ARRIVES(c) \
        fi } \
    /* the end writes frames out */ \
    :: atomic { waiting(c * 3 + 2) > 0 -> consumed[c * 3 + 2]++; grant(c * 3 + 2, c, 2) } \
    :: atomic { timeout -> assert(consumed[c * 3 + 2] + lost[c] == LENGTH); break } \
    od

active proctype forth() { CIRCUIT(0) }
active proctype back() { CIRCUIT(1) }

init {
    d_step {
        limit[0] = 1; limit[1] = 1; limit[2] = 1;
        limit[3] = 1; limit[4] = 1; limit[5] = 1
    }
}
#endif
