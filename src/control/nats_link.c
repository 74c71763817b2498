#include "control/nats_nearest.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/sig.h"

#define DEAD_PEER_MS 6000 /* unacknowledged for so long: the path is dead */

struct link_sub {
    struct vn_list link;
    natsSubscription *sub;
    char *subject, *queue;
};

/* ---- libnats' event loop interface: all but attach are called by the pump ---- */

static natsStatus el_attach(void **user, void *loop, natsConnection *nc, natsSock fd)
{
    struct nats_link *l = loop;
    l->nc = nc;
    l->fd = fd;
    l->last_rx_ms = vn_clock_boot_ms();
    /* Found dead by the kernel without traffic of ours: Master's PING every 20 s needs an answer
     * that arrives. */
    const int on = 1, idle = 25, interval = 10, count = 3;
    const unsigned dead = DEAD_PEER_MS;
    const int room = VN_NATS_SNDBUF;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead)) != 0)
        vn_log(VN_LOG_DEBUG, "control_keepalive_failed");
    *user = l;
    return NATS_OK;
}

static natsStatus el_read(void *user, bool add)
{
    struct nats_link *l = user;
    if (!add) {
        natsSock fd = l->fd;
        l->fd = -1;
        natsConnection_ProcessCloseEvent(&fd);
    }
    return NATS_OK;
}

static natsStatus el_write(void *user, bool add)
{
    struct nats_link *l = user;
    l->want_write = add;
    return NATS_OK;
}

static natsStatus el_detach(void *user)
{
    (void)user;
    return NATS_OK;
}

/* ---- credentials ---- */

static natsStatus give_jwt(char **jwt, char **error, void *arg)
{
    const struct nats_cred *c = arg;
    (void)error;
    *jwt = strdup(c->jwt); /* freed by libnats */
    return *jwt ? NATS_OK : NATS_NO_MEMORY;
}

static void sig_freep(struct vn_sig_key **k)
{
    *k = vn_sig_free(*k);
}

static natsStatus sign_nonce(char **error, unsigned char **sig, int *sig_n, const char *nonce,
                             void *arg)
{
    const struct nats_cred *c = arg;
    (void)error;
    VN_CLEANUP(sig_freep) struct vn_sig_key *key = NULL;
    if (vn_sig_from_seed(VN_SIG_ED25519, VN_SPAN_ARRAY(c->seed.b), &key) != VN_OK)
        return NATS_ERR;
    uint8_t *out = malloc(vn_sig_len(VN_SIG_ED25519)); /* freed by libnats */
    if (!out)
        return NATS_NO_MEMORY;
    /* A server that wants no signature sends no nonce. */
    if (vn_sig_sign(key, NULL, nonce ? VN_SPAN_STR(nonce) : VN_SPAN_NONE, out) != VN_OK) {
        free(out);
        return NATS_ERR;
    }
    *sig = out;
    *sig_n = (int)vn_sig_len(VN_SIG_ED25519);
    return NATS_OK;
}

/* ---- making a connection ---- */

/* Without a handler libnats prints to standard error. A refused subject shows here and nowhere
 * else. */
static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus why, void *arg)
{
    char text[160] = "";
    (void)sub;
    (void)arg;
    natsConnection_ReadLastError(nc, text, sizeof(text));
    vn_log(why == NATS_NOT_PERMITTED ? VN_LOG_WARN : VN_LOG_DEBUG, "control_error",
           VN_KV_STR("reason", text));
}

static bool host_of(const char *url, char *ret, size_t cap)
{
    const char *p = strstr(url, "://");
    p = p ? p + 3 : url;
    const char *end;
    if (*p == '[') {
        end = strchr(++p, ']');
        if (!end)
            return false;
    } else {
        end = p + strcspn(p, ":/");
    }
    const size_t n = (size_t)(end - p);
    if (n == 0 || n >= cap)
        return false;
    memcpy(ret, p, n);
    ret[n] = 0;
    return true;
}

static natsStatus make_options(const struct nats_attempt *a, struct nats_link *l, natsOptions **ret)
{
    const struct nats_cred *c = a->cred;
    char host[256];
    natsOptions *o = NULL;
    if (!host_of(c->urls[a->url], host, sizeof(host)))
        return NATS_ADDRESS_MISSING;
    natsStatus s = natsOptions_Create(&o);
#define SET(call)                                                                                  \
    if (s == NATS_OK)                                                                              \
    s = (call)
    SET(natsOptions_SetURL(o, c->urls[a->url]));
    SET(natsOptions_SetName(o, "veilnet/" VN_VERSION));
    SET(natsOptions_SetTimeout(o, 5000));
    SET(natsOptions_SetSecure(o, true));
    SET(natsOptions_SetCATrustedCertificates(o, c->ca_pem));
    SET(natsOptions_SetCertificatesChain(o, c->cert_pem, c->key_pem));
    SET(natsOptions_SetExpectedHostname(o, host));
    SET(natsOptions_SetUserCredentialsCallbacks(o, give_jwt, a->cred, sign_nonce, a->cred));
    /* The pump reconnects, with the newest credentials, and looks for silence. */
    SET(natsOptions_SetAllowReconnect(o, false));
    SET(natsOptions_SetIgnoreDiscoveredServers(o, true));
    SET(natsOptions_SetPingInterval(o, 0));
    SET(natsOptions_SetNoEcho(o, true));
    SET(natsOptions_SetSendAsap(o, true));
    SET(natsOptions_UseGlobalMessageDelivery(o, true));
    /* Not less than a TLS record, or libnats would leave decrypted bytes behind that no poll
     * reports. */
    SET(natsOptions_SetIOBufSize(o, 16384));
    SET(natsOptions_SetErrorHandler(o, on_error, NULL));
    SET(natsOptions_SetEventLoop(o, l, el_attach, el_read, el_write, el_detach));
#undef SET
    if (s != NATS_OK) {
        natsOptions_Destroy(o);
        return s;
    }
    *ret = o;
    return NATS_OK;
}

void vn_nats_attempt_run(struct nats_attempt *a)
{
    struct nats_link *l = calloc(1, sizeof(*l));
    natsOptions *o = NULL;
    if (!l) {
        a->status = NATS_NO_MEMORY;
        return;
    }
    l->fd = -1;
    vn_list_init(&l->subs);
    if (!vn_nats_nearest(a)) {
        free(l);
        a->status = NATS_NO_SERVER;
        snprintf(a->reason, sizeof(a->reason), "none of Master's addresses answers");
        return;
    }
    a->status = make_options(a, l, &o);
    natsConnection *nc = NULL;
    if (a->status == NATS_OK)
        a->status = natsConnection_Connect(&nc, o);
    natsOptions_Destroy(o);
    if (a->status == NATS_OK) {
        l->nc = nc;
        a->link = l;
        return;
    }
    const char *text = nats_GetLastError(NULL);
    snprintf(a->reason, sizeof(a->reason), "%s: %.100s", a->cred->urls[a->url],
             text && text[0] ? text : natsStatus_GetText(a->status));
    free(l);
}

void vn_nats_attempt_free(struct nats_attempt *a)
{
    vn_nats_link_free(a->link);
    vn_nats_cred_unref(a->cred);
    vn_nats_shared_unref(a->shared);
    free(a);
}

/* ---- subscriptions ---- */

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)nc;
    (void)sub;
    vn_nats_deliver(arg, msg);
}

/* The subscription's handler has returned for the last time. */
static void on_complete(void *arg)
{
    vn_nats_shared_unref(arg);
}

static void link_sub_free(struct link_sub *ls)
{
    vn_list_remove(&ls->link);
    natsSubscription_Destroy(ls->sub);
    free(ls->subject);
    free(ls->queue);
    free(ls);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool link_has(const struct nats_link *l, const struct nats_sub *want)
{
    VN_LIST_EACH(it, &l->subs)
    {
        const struct link_sub *ls = VN_LIST_ENTRY(it, struct link_sub, link);
        if (same(ls->subject, want->subject) && same(ls->queue, want->queue))
            return true;
    }
    return false;
}

static bool wanted(const struct nats_shared *s, const struct link_sub *ls)
{
    VN_LIST_EACH(it, &s->subs)
    {
        const struct nats_sub *want = VN_LIST_ENTRY(it, struct nats_sub, link);
        if (same(ls->subject, want->subject) && same(ls->queue, want->queue))
            return true;
    }
    return false;
}

static void link_subscribe(struct nats_link *l, struct nats_shared *s, const struct nats_sub *want)
{
    struct link_sub *ls = calloc(1, sizeof(*ls));
    if (!ls)
        return;
    vn_list_init(&ls->link);
    ls->subject = strdup(want->subject);
    ls->queue = want->queue ? strdup(want->queue) : NULL;
    natsStatus st = NATS_NO_MEMORY;
    vn_nats_shared_ref(s);
    if (ls->subject && (!want->queue || ls->queue))
        st = ls->queue ? natsConnection_QueueSubscribe(&ls->sub, l->nc, ls->subject, ls->queue,
                                                       on_message, s)
                       : natsConnection_Subscribe(&ls->sub, l->nc, ls->subject, on_message, s);
    if (st == NATS_OK) {
        st = natsSubscription_SetOnCompleteCB(ls->sub, on_complete, s);
        vn_list_append(&l->subs, &ls->link);
        return; /* if that failed the shared state is never freed, which is harmless */
    }
    vn_nats_shared_unref(s);
    link_sub_free(ls);
    vn_log(VN_LOG_DEBUG, "control_subscribe_failed", VN_KV_STR("reason", natsStatus_GetText(st)));
}

/* Called with s->mu held: libnats only appends to its buffer, and its delivery thread may wait a
 * moment. */
void vn_nats_link_sync(struct nats_link *l, struct nats_shared *s)
{
    VN_LIST_EACH(it, &s->subs)
    {
        const struct nats_sub *want = VN_LIST_ENTRY(it, struct nats_sub, link);
        if (!link_has(l, want))
            link_subscribe(l, s, want);
    }
    VN_LIST_EACH(it, &l->subs)
    {
        struct link_sub *ls = VN_LIST_ENTRY(it, struct link_sub, link);
        if (!wanted(s, ls)) {
            natsSubscription_Unsubscribe(ls->sub);
            link_sub_free(ls);
        }
    }
    l->subs_number = s->subs_number;
}

void vn_nats_link_flush(struct nats_link *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLOUT};
    /* With TLS libnats waits for a full socket, as long as that takes. One that is writable has a
     * third of VN_NATS_SNDBUF free, and no more than VN_NATS_BUFFERED_MAX and a message wait. */
    if (l->fd >= 0 && natsConnection_Buffered(l->nc) > 0 && poll(&p, 1, 0) == 1 &&
        (p.revents & POLLOUT))
        natsConnection_ProcessWriteEvent(l->nc);
}

void vn_nats_link_free(struct nats_link *l)
{
    if (!l)
        return;
    /* Empty its buffer first: with bytes left libnats would wait half a second for an answer only
     * we could read. */
    vn_nats_link_flush(l);
    natsConnection_Close(l->nc);
    VN_LIST_EACH(it, &l->subs)
    {
        link_sub_free(VN_LIST_ENTRY(it, struct link_sub, link));
    }
    natsConnection_Destroy(l->nc);
    free(l);
}
