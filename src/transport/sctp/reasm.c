/*
 * Fragments to messages (RFC 9260 section 6.9).
 *
 * Fragments of one message have neighbouring TSNs. What has arrived of it lies in runs: buffers of
 * neighbouring fragments that grow at their end and are joined when a hole between two is filled.
 * A run is found by its first and last TSN, so every fragment costs the same; those of the usual
 * case, in order, are copied once, into the buffer that goes up.
 */
#include <stdlib.h>

#include "transport/sctp/assoc.h"

#define SPARE_MAX 32
#define START_BYTES 4096 /* of a run's first buffer */

static struct vn_sctp_run **slot(struct vn_sctp_rx *rx, uint64_t tsn)
{
    return &rx->slots[tsn & (rx->slot_count - 1)];
}

/* Slots for [cum, tsn + 1]. */
static bool have_slots(struct vn_sctp_rx *rx, uint64_t tsn)
{
    const uint64_t top = VN_MAX(rx->highest, tsn);
    const size_t need = (size_t)(top - rx->cum) + 2;
    size_t n = VN_MAX(rx->slot_count, (size_t)64);
    while (n < need)
        n *= 2;
    if (n == rx->slot_count)
        return true;
    struct vn_sctp_run **fresh = calloc(n, sizeof(struct vn_sctp_run *));
    if (!fresh)
        return false;
    for (uint64_t t = rx->cum; rx->slots && t <= rx->highest; t++)
        fresh[t & (n - 1)] = *slot(rx, t);
    free(rx->slots);
    rx->slots = fresh;
    rx->slot_count = n;
    return true;
}

/* ---- runs ---- */

static struct vn_sctp_run *run_new(struct vn_sctp_rx *rx)
{
    struct vn_sctp_run *r = rx->spare;
    if (!r)
        return calloc(1, sizeof(*r));
    rx->spare = r->next;
    rx->spare_count--;
    *r = (struct vn_sctp_run){0};
    return r;
}

/* Without its buffer. */
static void run_free(struct vn_sctp_rx *rx, struct vn_sctp_run *r)
{
    if (rx->spare_count == SPARE_MAX) {
        free(r);
        return;
    }
    r->next = rx->spare;
    rx->spare = r;
    rx->spare_count++;
}

struct vn_pktbuf *vn_sctp_run_give_up(struct vn_sctp_rx *rx, struct vn_sctp_run *r)
{
    struct vn_pktbuf *buf = r->buf;
    rx->memory -= buf->cap;
    rx->held -= buf->len;
    run_free(rx, r);
    return buf;
}

static void forget_ends(struct vn_sctp_rx *rx, const struct vn_sctp_run *r)
{
    if (r->first >= rx->cum)
        *slot(rx, r->first) = NULL;
    if (r->last >= rx->cum)
        *slot(rx, r->last) = NULL;
}

/* How large a buffer to take for n bytes: one whole message at the second try if it has its
 * beginning, so that a long message moves once at most. */
static size_t run_size(const struct vn_sctp *s, const struct vn_sctp_run *r, size_t n)
{
    size_t size = START_BYTES;
    if (n > size)
        size = r->begin ? (size_t)VN_SCTP_RUN_BYTES : r->cap * 2;
    while (size < n)
        size *= 2;
    return VN_MIN(size, s->cfg.message_max);
}

static vn_status run_append(struct vn_sctp *s, struct vn_sctp_run *r, struct vn_span data)
{
    struct vn_sctp_rx *rx = &s->rx;
    const size_t had = r->buf ? r->buf->len : 0, n = had + data.n;
    if (n > s->cfg.message_max)
        return VN_ERR_LIMIT;
    if (n > r->cap) {
        const bool whole = r->begin && r->end && !r->buf;
        const size_t size = whole ? n : run_size(s, r, n);
        struct vn_pktbuf *b;
        if (vn_pktbuf_new(size, &b) != VN_OK)
            return VN_ERR_NOMEM;
        if (had > 0)
            memcpy(vn_pktbuf_put(b, had), r->buf->data, had);
        rx->memory += b->cap;
        if (r->buf)
            rx->memory -= r->buf->cap;
        (void)vn_pktbuf_free(r->buf);
        r->buf = b;
        r->cap = size;
    }
    memcpy(vn_pktbuf_put(r->buf, data.n), data.p, data.n);
    rx->held += data.n;
    return VN_OK;
}

/* ---- fragments ---- */

static bool is_same_message(const struct vn_sctp_run *r, const struct vn_sctp_fragment *f)
{
    return r && r->stream == f->stream && r->unordered == f->unordered &&
           (f->unordered || r->ssn == f->ssn);
}

static bool is_over_bound(const struct vn_sctp *s, const struct vn_sctp_fragment *f)
{
    const struct vn_sctp_rx *rx = &s->rx;
    if (f->tsn == rx->cum + 1) /* helps to get rid of the rest */
        return rx->memory > VN_SCTP_RX_MEMORY_MAX_BYTES;
    return rx->memory > VN_SCTP_RX_MEMORY_BYTES || rx->waiting >= VN_SCTP_WAITING_MAX;
}

static void drop_run(struct vn_sctp_rx *rx, struct vn_sctp_run *r)
{
    forget_ends(rx, r);
    (void)vn_pktbuf_free(vn_sctp_run_give_up(rx, r));
}

/*
 * The run that f goes on, and the one that goes on from f. A run beside f that is not one with it
 * can never become whole, and f neither in the same case: false then. So no incomplete run ends
 * beside a TSN that is here, unless a message does: finding runs by their ends relies on it.
 */
static bool find_neighbours(struct vn_sctp_rx *rx, const struct vn_sctp_fragment *f,
                            struct vn_sctp_run **ret_left, struct vn_sctp_run **ret_right)
{
    const bool has_left = vn_sctp_rx_has(rx, f->tsn - 1);
    const bool has_right = f->tsn < rx->highest && vn_sctp_rx_has(rx, f->tsn + 1);
    struct vn_sctp_run *left = has_left ? *slot(rx, f->tsn - 1) : NULL;
    struct vn_sctp_run *right = has_right ? *slot(rx, f->tsn + 1) : NULL;
    if (left && left->end)
        left = NULL; /* the message before */
    if (right && right->begin)
        right = NULL; /* the message after */
    if (left && (f->begin || !is_same_message(left, f))) {
        drop_run(rx, left);
        left = NULL;
    }
    if (right && (f->end || !is_same_message(right, f))) {
        drop_run(rx, right);
        right = NULL;
    }
    const bool cut = (has_left && !f->begin && !left) || (has_right && !f->end && !right);
    if (cut && left)
        drop_run(rx, left);
    if (cut && right)
        drop_run(rx, right);
    *ret_left = left;
    *ret_right = right;
    return !cut;
}

static struct vn_sctp_run *run_for(struct vn_sctp_rx *rx, const struct vn_sctp_fragment *f)
{
    struct vn_sctp_run *r = run_new(rx);
    if (r) {
        r->first = f->tsn;
        r->ppid = f->ppid;
        r->stream = f->stream;
        r->ssn = f->ssn;
        r->begin = f->begin;
        r->unordered = f->unordered;
    }
    return r;
}

/* Both or nothing. */
static vn_status append_both(struct vn_sctp *s, struct vn_sctp_run *r, struct vn_span data,
                             const struct vn_sctp_run *right)
{
    vn_status st = run_append(s, r, data);
    if (st != VN_OK || !right)
        return st;
    st = run_append(s, r, vn_pktbuf_span(right->buf));
    if (st != VN_OK) {
        r->buf->len -= data.n;
        s->rx.held -= data.n;
    }
    return st;
}

vn_status vn_sctp_reassemble(struct vn_sctp *s, const struct vn_sctp_fragment *f, uint64_t now_us)
{
    struct vn_sctp_rx *rx = &s->rx;
    struct vn_sctp_run *left, *right;
    if (is_over_bound(s, f) || !have_slots(rx, f->tsn) || !vn_sctp_have_ready_room(rx))
        return VN_ERR_NOMEM;
    if (!find_neighbours(rx, f, &left, &right) || f->stream >= s->cfg.streams) {
        *slot(rx, f->tsn) = NULL;
        return VN_ERR_MALFORMED;
    }
    struct vn_sctp_run *r = left ? left : run_for(rx, f);
    if (!r)
        return VN_ERR_NOMEM;
    r->end = f->end;
    const vn_status st = append_both(s, r, f->data, right);
    if (st != VN_OK) {
        r->end = false;
        if (!left) {
            if (r->buf)
                rx->memory -= r->buf->cap;
            (void)vn_pktbuf_free(r->buf);
            run_free(rx, r);
        }
        return st;
    }
    r->last = f->tsn;
    *slot(rx, f->tsn) = NULL;
    if (right) {
        r->last = right->last;
        r->end = right->end;
        *slot(rx, right->first) = NULL;
        (void)vn_pktbuf_free(vn_sctp_run_give_up(rx, right));
    }
    if (r->begin && r->end) {
        forget_ends(rx, r);
        vn_sctp_complete(s, r, now_us);
        return VN_OK;
    }
    if (r->first >= rx->cum)
        *slot(rx, r->first) = r;
    *slot(rx, r->last) = r;
    return VN_OK;
}

/* ---- what is not awaited any more (RFC 3758 section 3.6) ---- */

/* Beside an incomplete run, at its end or else at its beginning, is a TSN that is not here. */
void vn_sctp_skip_runs(struct vn_sctp *s, uint64_t from, uint64_t to)
{
    struct vn_sctp_rx *rx = &s->rx;
    const bool parts = !vn_sctp_rx_has(rx, to); /* else a run may reach beyond it */
    for (uint64_t tsn = from; rx->slots && tsn <= to && tsn <= rx->highest; tsn++) {
        const bool edge =
            !vn_sctp_rx_has(rx, tsn - 1) || tsn == rx->highest || !vn_sctp_rx_has(rx, tsn + 1);
        struct vn_sctp_run *r = edge && vn_sctp_rx_has(rx, tsn) ? *slot(rx, tsn) : NULL;
        if (r)
            drop_run(rx, r);
    }
    if (!rx->slots)
        return;
    if (parts)
        *slot(rx, to) = NULL; /* what was there before it */
    if (parts && to < rx->highest && vn_sctp_rx_has(rx, to + 1)) {
        struct vn_sctp_run *r = *slot(rx, to + 1);
        if (r && r->first == to + 1 && !r->begin)
            drop_run(rx, r); /* its beginning will not come */
    }
}

static void free_list(struct vn_sctp_rx *rx, struct vn_sctp_run *r)
{
    while (r) {
        struct vn_sctp_run *next = r->next;
        (void)vn_pktbuf_free(vn_sctp_run_give_up(rx, r));
        r = next;
    }
}

void vn_sctp_reasm_done(struct vn_sctp *s)
{
    struct vn_sctp_rx *rx = &s->rx;
    struct vn_sctp_msg m;
    while (vn_sctp_receive(s, &m, 1) == 1)
        (void)vn_pktbuf_free(m.buf);
    vn_sctp_skip_runs(s, rx->cum, rx->highest);
    for (size_t i = 0; i < s->cfg.streams; i++) {
        free_list(rx, rx->streams[i].head);
        free_list(rx, rx->streams[i].held);
    }
    for (struct vn_sctp_run *r; (r = rx->spare);) {
        rx->spare = r->next;
        free(r);
    }
    free(rx->slots);
    free(rx->ready);
    free(rx->streams);
}
