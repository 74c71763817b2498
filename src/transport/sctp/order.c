/*
 * Complete messages on their way up: in the order of their numbers (RFC 9260 section 6.6), held
 * back for the sake of order, and ready for the owner.
 */
#include <stdlib.h>

#include "transport/sctp/assoc.h"

/* ---- messages for the owner ---- */

bool vn_sctp_have_ready_room(struct vn_sctp_rx *rx)
{
    if (rx->ready_count < rx->ready_cap)
        return true;
    const size_t n = VN_MAX(rx->ready_cap * 2, (size_t)64);
    struct vn_sctp_msg *fresh = calloc(n, sizeof(*fresh));
    if (!fresh)
        return false;
    for (size_t i = 0; i < rx->ready_count; i++)
        fresh[i] = rx->ready[(rx->ready_at + i) & (rx->ready_cap - 1)];
    free(rx->ready);
    rx->ready = fresh;
    rx->ready_cap = n;
    rx->ready_at = 0;
    return true;
}

static void hand_up(struct vn_sctp_rx *rx, uint16_t stream, uint32_t ppid, struct vn_pktbuf *buf)
{
    rx->ready[(rx->ready_at + rx->ready_count++) & (rx->ready_cap - 1)] =
        (struct vn_sctp_msg){stream, ppid, buf};
    rx->streams[stream].anew = !buf;
    if (!buf)
        return;
    rx->memory += buf->cap;
    rx->held += buf->len;
}

size_t vn_sctp_receive(struct vn_sctp *s, struct vn_sctp_msg *ret, size_t cap)
{
    struct vn_sctp_rx *rx = &s->rx;
    const size_t n = VN_MIN(cap, rx->ready_count);
    for (size_t i = 0; i < n; i++) {
        ret[i] = rx->ready[rx->ready_at];
        rx->ready_at = (rx->ready_at + 1) & (rx->ready_cap - 1);
        if (!ret[i].buf)
            continue;
        rx->memory -= ret[i].buf->cap;
        rx->held -= ret[i].buf->len;
    }
    rx->ready_count -= n;
    return n;
}

/* ---- messages in order ---- */

static bool is_before(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b) < 0;
}

static void hand_up_in_order(struct vn_sctp_rx *rx, struct vn_sctp_in_stream *st)
{
    while (st->head && !is_before(st->ssn, st->head->ssn) && vn_sctp_have_ready_room(rx)) {
        struct vn_sctp_run *r = st->head;
        const bool next = r->ssn == st->ssn; /* else a number given twice */
        const uint16_t stream = r->stream;
        const uint32_t ppid = r->ppid;
        st->head = r->next;
        if (!st->head)
            st->tail = NULL;
        rx->waiting--;
        struct vn_pktbuf *buf = vn_sctp_run_give_up(rx, r);
        if (next)
            hand_up(rx, stream, ppid, buf);
        else
            (void)vn_pktbuf_free(buf);
        st->ssn += next;
    }
}

static void queue_in_order(struct vn_sctp_rx *rx, struct vn_sctp_run *r)
{
    struct vn_sctp_in_stream *st = &rx->streams[r->stream];
    rx->waiting++;
    if (!st->tail || is_before(st->tail->ssn, r->ssn)) {
        r->next = NULL;
        if (st->tail)
            st->tail->next = r;
        else
            st->head = r;
        st->tail = r;
    } else {
        struct vn_sctp_run **at = &st->head;
        while (is_before((*at)->ssn, r->ssn))
            at = &(*at)->next;
        r->next = *at;
        *at = r;
    }
    hand_up_in_order(rx, st);
}

/*
 * Unordered messages of a stream with hold_us wait for what was sent before them, as long as a
 * retransmission may take: TCP inside the messages takes a message that was overtaken for lost, and
 * slows down.
 */
static void queue_unordered(struct vn_sctp_rx *rx, struct vn_sctp_run *r, uint64_t now_us)
{
    struct vn_sctp_in_stream *st = &rx->streams[r->stream];
    struct vn_sctp_run **at = &st->held;
    r->since_us = now_us;
    rx->waiting++;
    rx->held_count++;
    if (st->held && st->held_tail->first < r->first)
        at = &st->held_tail->next;
    while (*at && (*at)->first < r->first)
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    if (!r->next)
        st->held_tail = r;
}

static void release_stream(struct vn_sctp_rx *rx, struct vn_sctp_in_stream *st, uint64_t now_us)
{
    for (struct vn_sctp_run *r; (r = st->held) && vn_sctp_have_ready_room(rx);) {
        const uint64_t due_us = r->since_us + st->hold_us;
        if (r->first > rx->cum + 1 && due_us > now_us) {
            rx->hold_due_us = VN_MIN(rx->hold_due_us, due_us);
            return;
        }
        st->held = r->next;
        rx->waiting--;
        rx->held_count--;
        const uint16_t stream = r->stream;
        const uint32_t ppid = r->ppid;
        hand_up(rx, stream, ppid, vn_sctp_run_give_up(rx, r));
    }
}

void vn_sctp_release(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_rx *rx = &s->rx;
    rx->hold_due_us = VN_SCTP_NEVER;
    for (size_t i = 0; i < s->cfg.streams && rx->held_count > 0; i++)
        if (rx->streams[i].held)
            release_stream(rx, &rx->streams[i], now_us);
}

void vn_sctp_hold(struct vn_sctp *s, uint16_t stream, uint64_t hold_us)
{
    s->rx.streams[stream].hold_us = hold_us;
}

void vn_sctp_complete(struct vn_sctp *s, struct vn_sctp_run *r, uint64_t now_us)
{
    struct vn_sctp_rx *rx = &s->rx;
    struct vn_sctp_in_stream *st = &rx->streams[r->stream];
    if (!r->unordered && is_before(r->ssn, st->ssn)) {
        (void)vn_pktbuf_free(
            vn_sctp_run_give_up(rx, r)); /* of a number that was already handed up */
        s->counters.drop_chunk++;
    } else if (!r->unordered) {
        queue_in_order(rx, r);
    } else if (st->hold_us && (st->held || r->first > rx->cum + 1)) {
        queue_unordered(rx, r, now_us);
    } else {
        const uint16_t stream = r->stream;
        const uint32_t ppid = r->ppid;
        hand_up(rx, stream, ppid, vn_sctp_run_give_up(rx, r));
    }
}

void vn_sctp_start_anew(struct vn_sctp *s, uint16_t stream)
{
    s->rx.streams[stream].ssn = 0;
    if (!s->rx.streams[stream].anew) /* resets alone fill no memory */
        hand_up(&s->rx, stream, 0, NULL);
}

void vn_sctp_skip_ssn(struct vn_sctp *s, uint16_t stream, uint16_t ssn)
{
    struct vn_sctp_in_stream *st = &s->rx.streams[stream];
    while (st->head && !is_before(ssn, st->head->ssn)) {
        st->ssn = st->head->ssn;
        hand_up_in_order(&s->rx, st);
        if (st->head && st->head->ssn == st->ssn)
            return; /* no memory to hand it up: at the next one */
    }
    if (!is_before(ssn, st->ssn))
        st->ssn = (uint16_t)(ssn + 1);
    hand_up_in_order(&s->rx, st);
}
