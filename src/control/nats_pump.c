/*
 * The pump's timers, all on CLOCK_BOOTTIME:
 *   retry    armed by a lost connection or a failed attempt; an attempt begins
 *   attempt  armed with an attempt, VN_NATS_CONNECT_MS; it is abandoned
 *   retire   armed when new credentials made a new connection; the old one is closed
 *   silence  moved by every arrival; the connection is taken for dead
 */
#include "control/nats_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/addr_watch.h"
#include "base/boot_timer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "crypto/rng.h"

struct pump {
    struct nats_shared *s;
    struct nats_link *current, *old;
    struct nats_attempt *attempt;
    uint64_t attempt_cred; /* what the attempt connects with */
    uint64_t retry_ms;     /* not before */
    uint64_t retire_ms;
    uint64_t wanted_ms; /* since when attempts have not succeeded; 0: none was made */
    uint64_t doubt_ms;  /* no slow hand-over counts as a loss before */
    unsigned failures;  /* rounds through all URLs */
    unsigned tried;     /* a bit for each URL that failed in this round */
    bool abandoned;     /* an attempt, since one ended by itself */
    enum vn_control_state told;
    char told_url[VN_NATS_REASON_MAX]; /* with UP */
    uint64_t now_ms;
    int addr_watch;  /* -1: none */
    int timer;       /* -1: poll waits without it, and longer after a sleep of the machine */
    uint64_t set_ms; /* what it fires at, at next_deadline or before; UINT64_MAX: it does not */
};

static void tell(struct pump *p, enum vn_control_state state, const char *reason)
{
    if (state == VN_CONTROL_UP && p->told == VN_CONTROL_UP &&
        strncmp(p->told_url, reason, sizeof(p->told_url) - 1) == 0)
        return;
    p->told = state;
    snprintf(p->told_url, sizeof(p->told_url), "%s", state == VN_CONTROL_UP ? reason : "");
    vn_nats_deliver_state(p->s, state, reason);
}

/* Half to all of min(5 s, 0.5 s * 2^failures): nodes that lost the same broker do not come back
 * together. */
static uint64_t retry_delay_ms(unsigned failures)
{
    uint64_t max = 500ull << VN_MIN(failures, 5u);
    max = VN_MIN(max, (uint64_t)VN_NATS_RETRY_MAX_MS);
    uint32_t r = 0;
    if (vn_rng_bytes(&r, sizeof(r)) != VN_OK)
        r = UINT32_MAX / 2;
    return max / 2 + (max / 2 * r) / UINT32_MAX;
}

static void *attempt_thread(void *arg)
{
    struct nats_attempt *a = arg;
    struct nats_shared *s = a->shared;
    vn_nats_shared_ref(s);
    vn_nats_attempt_run(a);
    vn_wipe_stack(); /* of the TLS handshake; the C library keeps stacks of threads that ended */
    pthread_mutex_lock(&s->mu);
    /* As long as the pump awaits it, it is the pump's, even when all of it is about to end. */
    const bool awaited = s->awaited == a;
    if (awaited)
        s->finished = true;
    pthread_mutex_unlock(&s->mu);
    if (awaited)
        vn_nats_wake(s->wake_pump);
    else
        vn_nats_attempt_free(a);
    vn_nats_shared_unref(s);
    return NULL;
}

/* With s->mu held. */
static void begin_attempt(struct pump *p)
{
    struct nats_shared *s = p->s;
    struct nats_attempt *a = calloc(1, sizeof(*a));
    p->retry_ms = p->now_ms + 1000;
    if (!a)
        return;
    vn_nats_shared_ref(s);
    a->shared = s;
    a->cred = vn_nats_cred_ref(s->cred);
    a->tried = p->tried;
    a->url = s->cred->url_count;
    a->started_ms = p->now_ms;
    if (!p->wanted_ms)
        p->wanted_ms = p->now_ms;
    pthread_attr_t attr;
    pthread_t t;
    if (pthread_attr_init(&attr) != 0) {
        vn_nats_attempt_free(a);
        return;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    s->awaited = a;
    s->finished = false;
    if (pthread_create(&t, &attr, attempt_thread, a) == 0) {
        pthread_setname_np(t, "vn-connect");
        p->attempt = a;
        p->attempt_cred = s->cred_number;
    } else {
        s->awaited = NULL;
        vn_nats_attempt_free(a);
    }
    pthread_attr_destroy(&attr);
}

/* failed: bits of what is not tried again in this round, of all. */
static void attempt_failed(struct pump *p, unsigned failed, unsigned all, natsStatus why,
                           const char *reason)
{
    p->abandoned = false;
    pthread_mutex_lock(&p->s->mu);
    const bool newer = p->s->cred_number != p->attempt_cred;
    pthread_mutex_unlock(&p->s->mu);
    p->tried |= failed;
    p->retry_ms = p->now_ms;
    if (newer) {
        p->tried = 0;
    } else if (p->tried == all) {
        p->tried = 0;
        p->retry_ms += retry_delay_ms(p->failures);
        p->failures++;
    }
    vn_log(VN_LOG_DEBUG, "control_connect_failed", VN_KV_STR("reason", reason));
    if (!p->current)
        tell(p, why == NATS_CONNECTION_AUTH_FAILED ? VN_CONTROL_REFUSED : VN_CONTROL_DOWN, reason);
}

static void attempt_succeeded(struct pump *p, struct nats_link *l, const char *url)
{
    const bool slow = p->current && p->now_ms >= p->wanted_ms + VN_NATS_SLOW_MS;
    p->wanted_ms = 0;
    p->abandoned = false;
    l->cred_number = p->attempt_cred;
    vn_nats_link_free(p->old); /* only if the connection in between was lost */
    p->old = p->current;
    p->current = l;
    p->retire_ms = p->now_ms + VN_NATS_RETIRE_MS;
    p->failures = 0;
    p->tried = 0;
    /* SUB goes before every PUB on this connection, so an answer finds its subscription. */
    pthread_mutex_lock(&p->s->mu);
    vn_nats_link_sync(l, p->s);
    pthread_mutex_unlock(&p->s->mu);
    if (slow && p->now_ms >= p->doubt_ms) {
        p->doubt_ms = p->now_ms + VN_NATS_DOUBT_MS;
        tell(p, VN_CONTROL_DOWN, "Master was slow to answer, and may have said more");
    }
    tell(p, VN_CONTROL_UP, url);
}

static void look_at_attempt(struct pump *p)
{
    struct nats_attempt *a = p->attempt;
    if (!a)
        return;
    pthread_mutex_lock(&p->s->mu);
    const bool finished = p->s->finished;
    const bool expired = !finished && p->now_ms >= a->started_ms + VN_NATS_CONNECT_MS;
    if (finished || expired)
        p->s->awaited = NULL;
    p->s->finished = false;
    const size_t count = a->cred->url_count;
    const unsigned all = (1u << count) - 1, failed = a->url < count ? 1u << a->url : all;
    pthread_mutex_unlock(&p->s->mu);
    if (expired) {
        p->attempt = NULL; /* its thread frees it */
        attempt_failed(p, failed, all, NATS_TIMEOUT, "Master does not answer");
    } else if (finished) {
        p->attempt = NULL;
        struct nats_link *l = VN_TAKE(a->link);
        if (l)
            attempt_succeeded(p, l, a->cred->urls[a->url]);
        else
            attempt_failed(p, failed, all, a->status, a->reason);
        vn_nats_attempt_free(a);
    }
}

static void drop_out_queue(struct nats_shared *s)
{
    pthread_mutex_lock(&s->mu);
    VN_LIST_EACH(it, &s->out)
    {
        vn_list_remove(it);
        free(VN_LIST_ENTRY(it, struct nats_out, link));
    }
    s->out_count = 0;
    pthread_mutex_unlock(&s->mu);
}

static void lost_current(struct pump *p, const char *why)
{
    char reason[VN_NATS_REASON_MAX];
    snprintf(reason, sizeof(reason), "%s", why ? why : "");
    if (!why && natsConnection_ReadLastError(p->current->nc, reason, sizeof(reason)) == NATS_OK)
        snprintf(reason, sizeof(reason), "the connection was closed");
    vn_nats_link_free(p->current);
    p->current = NULL;
    p->failures = 0;
    p->tried = 0;
    p->retry_ms = p->now_ms + retry_delay_ms(0);
    drop_out_queue(p->s);
    tell(p, VN_CONTROL_DOWN, reason);
}

static void look_at_links(struct pump *p)
{
    if (p->old && (p->old->fd < 0 || p->now_ms >= p->retire_ms)) {
        vn_nats_link_free(p->old);
        p->old = NULL;
    }
    if (!p->current)
        return;
    if (p->current->fd < 0)
        lost_current(p, NULL);
    else if (p->now_ms >= p->current->last_rx_ms + VN_NATS_SILENCE_MS)
        lost_current(p, "Master went silent");
}

/* It may be made from an address that went, which nothing tells it. Once only, or a machine whose
 * interfaces come and go all the time would never connect. Its thread frees it. */
static void abandon_attempt(struct pump *p)
{
    if (!p->attempt || p->abandoned)
        return;
    pthread_mutex_lock(&p->s->mu);
    const bool finished = p->s->finished;
    if (!finished)
        p->s->awaited = NULL;
    pthread_mutex_unlock(&p->s->mu);
    if (finished)
        return;
    p->attempt = NULL;
    p->abandoned = true;
    p->retry_ms = p->now_ms + retry_delay_ms(0);
}

/* Addresses came or went. */
static void look_at_addresses(struct pump *p)
{
    vn_addr_watch_drain(p->addr_watch);
    if (p->old && p->old->fd >= 0 && vn_addr_watch_gone(p->old->fd)) {
        vn_nats_link_free(p->old);
        p->old = NULL;
    }
    abandon_attempt(p);
    if (p->current && p->current->fd >= 0 && vn_addr_watch_gone(p->current->fd))
        lost_current(p, "this machine's address changed");
    else if (!p->current)
        p->retry_ms = VN_MIN(p->retry_ms, p->now_ms + retry_delay_ms(0));
}

static void write_out(struct pump *p)
{
    struct nats_shared *s = p->s;
    while (p->current && p->current->fd >= 0 &&
           natsConnection_Buffered(p->current->nc) < VN_NATS_BUFFERED_MAX) {
        struct nats_out *m = NULL;
        pthread_mutex_lock(&s->mu);
        /* New credentials bring new permissions: what changes with them waits for their link. */
        if (p->current->subs_number != s->subs_number && p->current->cred_number == s->cred_number)
            vn_nats_link_sync(p->current, s);
        if (!vn_list_empty(&s->out)) {
            m = VN_LIST_ENTRY(s->out.next, struct nats_out, link);
            vn_list_remove(&m->link);
            s->out_count--;
        }
        pthread_mutex_unlock(&s->mu);
        if (!m)
            break;
        natsConnection *nc = p->current->nc;
        const natsStatus st =
            m->answer[0]
                ? natsConnection_PublishRequest(nc, m->subject, m->answer, m->payload, (int)m->n)
                : natsConnection_Publish(nc, m->subject, m->payload, (int)m->n);
        if (st != NATS_OK)
            vn_log(VN_LOG_DEBUG, "control_publish_failed",
                   VN_KV_STR("reason", natsStatus_GetText(st)));
        free(m);
    }
    /* Most often the socket takes it now, and poll need not be asked. */
    if (p->current && p->current->want_write)
        vn_nats_link_flush(p->current);
}

static void link_ready(struct nats_link *l, short revents, uint64_t now_ms)
{
    if (revents & (POLLIN | POLLERR | POLLHUP)) {
        l->last_rx_ms = now_ms;
        natsConnection_ProcessReadEvent(l->nc);
    }
    if (revents & POLLOUT)
        vn_nats_link_flush(l);
}

static uint64_t next_deadline(const struct pump *p, bool idle)
{
    uint64_t at = UINT64_MAX;
    if (p->attempt)
        at = p->attempt->started_ms + VN_NATS_CONNECT_MS;
    else if (!idle)
        at = p->retry_ms;
    if (p->old)
        at = VN_MIN(at, p->retire_ms);
    if (p->current)
        at = VN_MIN(at, p->current->last_rx_ms + VN_NATS_SILENCE_MS);
    return at;
}

static void close_all(struct pump *p)
{
    vn_nats_link_free(p->current);
    vn_nats_link_free(p->old);
    p->current = p->old = NULL;
}

/* Milliseconds for poll: without end, where the timer knows. */
static int set_timer(struct pump *p, uint64_t at_ms)
{
    if (at_ms == UINT64_MAX)
        return -1;
    const uint64_t after_ms = at_ms > p->now_ms ? at_ms - p->now_ms : 0;
    if (p->timer < 0)
        return (int)VN_MIN(after_ms, (uint64_t)3600000);
    if (at_ms < p->set_ms) { /* what is due later than before costs a turn, and no call */
        p->set_ms = at_ms;
        vn_boot_timer_arm(p->timer, after_ms);
    }
    return -1;
}

/* Waits for something to do. */
static void wait_turn(struct pump *p, bool idle)
{
    struct pollfd fds[5] = {{.fd = p->s->wake_pump, .events = POLLIN},
                            {.fd = -1},
                            {.fd = -1},
                            {.fd = p->addr_watch, .events = POLLIN},
                            {.fd = p->timer, .events = POLLIN}};
    struct nats_link *links[3] = {NULL, p->current, p->old};
    for (size_t i = 1; i < VN_ARRAY_LEN(links); i++) {
        if (links[i] && links[i]->fd >= 0)
            fds[i] =
                (struct pollfd){.fd = links[i]->fd,
                                .events = (short)(POLLIN | (links[i]->want_write ? POLLOUT : 0))};
    }
    if (poll(fds, VN_ARRAY_LEN(fds), set_timer(p, next_deadline(p, idle))) < 0)
        return;
    p->now_ms = vn_clock_boot_ms();
    if (fds[0].revents) {
        eventfd_t ignored;
        (void)!eventfd_read(p->s->wake_pump, &ignored);
    }
    for (size_t i = 1; i < VN_ARRAY_LEN(links); i++) {
        if (fds[i].revents)
            link_ready(links[i], fds[i].revents, p->now_ms);
    }
    if (fds[3].revents)
        look_at_addresses(p);
    if (fds[4].revents) {
        vn_boot_timer_drain(p->timer);
        p->set_ms = UINT64_MAX;
    }
}

void *vn_nats_pump(void *arg)
{
    struct pump p = {
        .s = arg,
        .now_ms = vn_clock_boot_ms(),
        .told = VN_CONTROL_DOWN,
        .addr_watch = vn_addr_watch_open(),
        .timer = vn_boot_timer_open(),
        .set_ms = UINT64_MAX,
    };
    struct nats_shared *s = p.s;
    uint64_t seen_cred = 0;
    for (;;) {
        p.now_ms = vn_clock_boot_ms();
        look_at_attempt(&p);
        look_at_links(&p);

        pthread_mutex_lock(&s->mu);
        const bool stop = s->stop, want = s->wanted;
        if (seen_cred !=
            s->cred_number) { /* new credentials do not wait for the old ones' back-off */
            seen_cred = s->cred_number;
            p.retry_ms = p.now_ms;
            p.failures = 0;
            p.tried = 0;
        }
        /* One hand-over at a time, or what the broker still sends to the link before is lost. */
        const bool newer = p.current && p.current->cred_number != s->cred_number;
        const bool need = want && !p.attempt && (!p.current || (newer && !p.old));
        if (!stop && need && p.now_ms >= p.retry_ms)
            begin_attempt(&p);
        pthread_mutex_unlock(&s->mu);

        write_out(&p);
        if (stop)
            break;
        if (!want && (p.current || p.old)) {
            close_all(&p);
            tell(&p, VN_CONTROL_DOWN, NULL);
        }
        wait_turn(&p, !need);
    }
    pthread_mutex_lock(&s->mu);
    const bool finished = s->finished;
    s->awaited = NULL;
    pthread_mutex_unlock(&s->mu);
    if (finished)
        vn_nats_attempt_free(p.attempt);
    close_all(&p);
    if (p.addr_watch >= 0)
        close(p.addr_watch);
    if (p.timer >= 0)
        close(p.timer);
    nats_ReleaseThreadMemory();
    vn_nats_shared_unref(s);
    return NULL;
}
