#include "control/nats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"
#include "control/nats_internal.h"

struct vn_nats {
    const struct vn_io *io;
    struct nats_shared *s;
    struct vn_io_watch *watch;
    pthread_t thread;
    struct vn_control port;
    struct vn_control_handler handler;
    enum vn_control_state state; /* as told to the handler */
    size_t payload_max;
};

/* ---- counted objects ---- */

struct nats_cred *vn_nats_cred_ref(struct nats_cred *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void vn_nats_cred_unref(struct nats_cred *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    for (size_t i = 0; i < c->url_count; i++)
        free(c->urls[i]);
    vn_secret_strp(&c->jwt);
    vn_secret_strp(&c->key_pem);
    free(c->ca_pem);
    free(c->cert_pem);
    vn_wipe(c, sizeof(*c));
    free(c);
}

struct nats_cred *vn_nats_cred_new(const struct vn_control_credentials *in)
{
    struct nats_cred *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    bool ok = in->url_count > 0 && in->url_count <= VN_ARRAY_LEN(c->urls);
    for (size_t i = 0; ok && i < in->url_count; i++) {
        ok = (c->urls[i] = strdup(in->urls[i])) != NULL;
        c->url_count = i + 1;
    }
    ok = ok && (c->jwt = strdup(in->jwt)) && (c->ca_pem = strdup(in->ca_pem)) &&
         (c->cert_pem = strdup(in->cert_pem)) && (c->key_pem = strdup(in->key_pem));
    if (!ok) {
        vn_nats_cred_unref(c);
        return NULL;
    }
    c->seed = in->nkey_seed;
    return c;
}

void vn_nats_sub_free(struct nats_sub *s)
{
    vn_list_remove(&s->link);
    free(s->subject);
    free(s->queue);
    free(s);
}

static void in_free(struct nats_in *in)
{
    vn_list_remove(&in->link);
    natsMsg_Destroy(in->msg);
    free(in);
}

void vn_nats_shared_ref(struct nats_shared *s)
{
    atomic_fetch_add(&s->refs, 1);
}

void vn_nats_shared_unref(struct nats_shared *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    VN_LIST_EACH(it, &s->subs)
    {
        vn_nats_sub_free(VN_LIST_ENTRY(it, struct nats_sub, link));
    }
    VN_LIST_EACH(it, &s->out)
    {
        free(VN_LIST_ENTRY(it, struct nats_out, link));
    }
    VN_LIST_EACH(it, &s->in)
    {
        in_free(VN_LIST_ENTRY(it, struct nats_in, link));
    }
    vn_nats_cred_unref(s->cred);
    pthread_mutex_destroy(&s->mu);
    close(s->wake_pump);
    close(s->wake_core);
    free(s);
}

static struct nats_shared *shared_new(void)
{
    struct nats_shared *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    vn_list_init(&s->subs);
    vn_list_init(&s->out);
    vn_list_init(&s->in);
    s->wake_pump = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->wake_core = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_pump < 0 || s->wake_core < 0 || pthread_mutex_init(&s->mu, NULL) != 0) {
        if (s->wake_pump >= 0)
            close(s->wake_pump);
        if (s->wake_core >= 0)
            close(s->wake_core);
        free(s);
        return NULL;
    }
    return s;
}

/* ---- towards the core thread ---- */

void vn_nats_wake(int fd)
{
    /* It fails only when the counter is full, and then the reader is awake. */
    (void)!eventfd_write(fd, 1);
}

static void deliver(struct nats_shared *s, struct nats_in *in)
{
    pthread_mutex_lock(&s->mu);
    const bool take = !s->stop && (!in->msg || s->in_count < VN_NATS_IN_MAX);
    const bool wake = take && vn_list_empty(&s->in);
    if (take) {
        vn_list_append(&s->in, &in->link);
        s->in_count++;
    } else {
        s->dropped++;
    }
    pthread_mutex_unlock(&s->mu);
    if (wake)
        vn_nats_wake(s->wake_core);
    if (!take)
        in_free(in);
}

void vn_nats_deliver(struct nats_shared *s, natsMsg *msg)
{
    struct nats_in *in = calloc(1, sizeof(*in));
    if (!in) {
        natsMsg_Destroy(msg);
        return;
    }
    vn_list_init(&in->link);
    in->msg = msg;
    deliver(s, in);
}

void vn_nats_deliver_state(struct nats_shared *s, enum vn_control_state state, const char *reason)
{
    struct nats_in *in = calloc(1, sizeof(*in));
    if (!in)
        return;
    vn_list_init(&in->link);
    in->state = state;
    snprintf(in->reason, sizeof(in->reason), "%s", reason ? reason : "");
    deliver(s, in);
}

static struct nats_in *take_in(struct nats_shared *s)
{
    struct nats_in *in = NULL;
    pthread_mutex_lock(&s->mu);
    if (!vn_list_empty(&s->in)) {
        in = VN_LIST_ENTRY(s->in.next, struct nats_in, link);
        vn_list_remove(&in->link);
        s->in_count--;
    }
    pthread_mutex_unlock(&s->mu);
    return in;
}

#define CORE_BURST 64 /* messages a turn of the core's loop takes at most */

static void on_wake(void *arg, unsigned events)
{
    struct vn_nats *n = arg;
    (void)events;
    eventfd_t ignored;
    (void)!eventfd_read(n->s->wake_core, &ignored);
    for (unsigned i = 0; i < CORE_BURST; i++) {
        struct nats_in *in = take_in(n->s);
        if (!in)
            return;
        if (!in->msg) {
            n->state = in->state;
            if (n->handler.state)
                n->handler.state(n->handler.arg, in->state, in->reason[0] ? in->reason : NULL);
        } else if (n->handler.message) {
            n->handler.message(
                n->handler.arg, natsMsg_GetSubject(in->msg),
                VN_SPAN(natsMsg_GetData(in->msg), (size_t)natsMsg_GetDataLength(in->msg)));
        }
        in_free(in);
    }
    vn_nats_wake(n->s->wake_core);
}

/* ---- the port ---- */

static void port_set_handler(void *self, const struct vn_control_handler *h)
{
    struct vn_nats *n = self;
    n->handler = h ? *h : (struct vn_control_handler){0};
}

static vn_status port_connect(void *self, const struct vn_control_credentials *c)
{
    struct vn_nats *n = self;
    struct nats_cred *cred = vn_nats_cred_new(c);
    if (!cred)
        return c->url_count == 0 ? VN_ERR_ARG : VN_ERR_NOMEM;
    pthread_mutex_lock(&n->s->mu);
    struct nats_cred *before = n->s->cred;
    n->s->cred = cred;
    n->s->cred_number++;
    n->s->wanted = true;
    pthread_mutex_unlock(&n->s->mu);
    vn_nats_cred_unref(before);
    vn_nats_wake(n->s->wake_pump);
    return VN_OK;
}

static void port_disconnect(void *self)
{
    struct vn_nats *n = self;
    pthread_mutex_lock(&n->s->mu);
    n->s->wanted = false;
    pthread_mutex_unlock(&n->s->mu);
    vn_nats_wake(n->s->wake_pump);
}

static struct nats_sub *find_sub(const struct nats_shared *s, const char *subject)
{
    VN_LIST_EACH(it, &s->subs)
    {
        struct nats_sub *sub = VN_LIST_ENTRY(it, struct nats_sub, link);
        if (strcmp(sub->subject, subject) == 0)
            return sub;
    }
    return NULL;
}

static vn_status port_subscribe(void *self, const char *subject, const char *queue)
{
    struct vn_nats *n = self;
    struct nats_sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return VN_ERR_NOMEM;
    vn_list_init(&sub->link);
    sub->subject = strdup(subject);
    sub->queue = queue ? strdup(queue) : NULL;
    if (!sub->subject || (queue && !sub->queue)) {
        vn_nats_sub_free(sub);
        return VN_ERR_NOMEM;
    }
    pthread_mutex_lock(&n->s->mu);
    const bool known = find_sub(n->s, subject) != NULL;
    if (!known) {
        vn_list_append(&n->s->subs, &sub->link);
        n->s->subs_number++;
    }
    pthread_mutex_unlock(&n->s->mu);
    if (known) {
        vn_nats_sub_free(sub);
        return VN_ERR_EXISTS;
    }
    vn_nats_wake(n->s->wake_pump);
    return VN_OK;
}

static void port_unsubscribe(void *self, const char *subject)
{
    struct vn_nats *n = self;
    pthread_mutex_lock(&n->s->mu);
    struct nats_sub *sub = find_sub(n->s, subject);
    if (sub) {
        vn_nats_sub_free(sub);
        n->s->subs_number++;
    }
    pthread_mutex_unlock(&n->s->mu);
    vn_nats_wake(n->s->wake_pump);
}

vn_status vn_nats_ask(struct vn_nats *n, const char *subject, const char *answer,
                      struct vn_span payload)
{
    if (n->state != VN_CONTROL_UP)
        return VN_ERR_AGAIN;
    /* More than that and the broker would close the connection. */
    if (payload.n > n->payload_max)
        return VN_ERR_LIMIT;
    struct nats_out *m = malloc(sizeof(*m) + payload.n);
    if (!m)
        return VN_ERR_NOMEM;
    if ((size_t)snprintf(m->subject, sizeof(m->subject), "%s", subject) >= sizeof(m->subject) ||
        (size_t)snprintf(m->answer, sizeof(m->answer), "%s", answer) >= sizeof(m->answer)) {
        free(m);
        return VN_ERR_ARG;
    }
    m->n = payload.n;
    if (payload.n)
        memcpy(m->payload, payload.p, payload.n);
    pthread_mutex_lock(&n->s->mu);
    const bool full = n->s->out_count >= VN_NATS_OUT_MAX;
    if (!full) {
        vn_list_append(&n->s->out, &m->link);
        n->s->out_count++;
    }
    pthread_mutex_unlock(&n->s->mu);
    if (full) {
        free(m);
        return VN_ERR_LIMIT;
    }
    vn_nats_wake(n->s->wake_pump);
    return VN_OK;
}

static vn_status port_publish(void *self, const char *subject, struct vn_span payload)
{
    return vn_nats_ask(self, subject, "", payload);
}

uint64_t vn_nats_dropped(struct vn_nats *n)
{
    pthread_mutex_lock(&n->s->mu);
    const uint64_t dropped = n->s->dropped;
    pthread_mutex_unlock(&n->s->mu);
    return dropped;
}

void vn_nats_set_payload_max(struct vn_nats *n, size_t bytes)
{
    n->payload_max = bytes;
}

const struct vn_control *vn_nats_port(const struct vn_nats *n)
{
    return &n->port;
}

/* libnats adds the system's authorities to the one given; ours alone may vouch for Master. libcurl
 * has its own list. */
static bool trust_nothing_else(void)
{
    return setenv("SSL_CERT_FILE", "/dev/null", 1) == 0 &&
           setenv("SSL_CERT_DIR", "/dev/null", 1) == 0;
}

static bool start_pump(struct vn_nats *n)
{
    /* Signals are the loop's. */
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_BLOCK, &all, &before) != 0)
        return false;
    vn_nats_shared_ref(n->s);
    /* libnats starts its threads now, with the same mask. */
    const bool ok =
        nats_Open(-1) == NATS_OK && pthread_create(&n->thread, NULL, vn_nats_pump, n->s) == 0;
    if (ok)
        pthread_setname_np(n->thread, "vn-control");
    else
        vn_nats_shared_unref(n->s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

vn_status vn_nats_new(const struct vn_io *io, struct vn_nats **ret)
{
    struct vn_nats *n = calloc(1, sizeof(*n));
    if (!n)
        return VN_ERR_NOMEM;
    n->io = io;
    n->state = VN_CONTROL_DOWN;
    n->payload_max = VN_CONTROL_PAYLOAD_MAX;
    n->port = (struct vn_control){
        .self = n,
        .set_handler = port_set_handler,
        .connect = port_connect,
        .disconnect = port_disconnect,
        .subscribe = port_subscribe,
        .unsubscribe = port_unsubscribe,
        .publish = port_publish,
    };
    n->s = trust_nothing_else() ? shared_new() : NULL;
    vn_status st = VN_ERR_NOMEM;
    if (!n->s)
        goto fail;
    st = io->watch(io->self, n->s->wake_core, VN_IO_READ, on_wake, n, &n->watch);
    if (st != VN_OK)
        goto fail_shared;
    if (!start_pump(n)) {
        st = VN_ERR_IO;
        goto fail_watch;
    }
    *ret = n;
    return VN_OK;

fail_watch:
    io->unwatch(n->watch);
fail_shared:
    vn_nats_shared_unref(n->s);
fail:
    free(n);
    return st;
}

struct vn_nats *vn_nats_free(struct vn_nats *n)
{
    if (!n)
        return NULL;
    n->io->unwatch(n->watch);
    pthread_mutex_lock(&n->s->mu);
    n->s->stop = true;
    pthread_mutex_unlock(&n->s->mu);
    vn_nats_wake(n->s->wake_pump);
    pthread_join(n->thread, NULL);
    vn_nats_shared_unref(n->s);
    free(n);
    return NULL;
}
