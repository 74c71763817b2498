#include "control/http.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/addr_watch.h"
#include "base/list.h"
#include "control/http_transfer.h"

vn_status vn_http_global_init(void)
{
    static bool done;
    if (done)
        return VN_OK;
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return VN_ERR_NOMEM;
    done = true;
    return VN_OK;
}

void vn_http_perform(const struct vn_http_config *cfg, const struct vn_http_request *req,
                     struct vn_http_response *ret, struct vn_buf *body)
{
    struct vn_http_transfer t;
    vn_buf_init(body, VN_HTTP_BODY_MAX);
    if (vn_http_global_init() != VN_OK || vn_http_transfer_init(&t, cfg, req, body) != VN_OK) {
        *ret = (struct vn_http_response){.status = VN_ERR_NOMEM, .detail = "out of memory"};
        return;
    }
    vn_http_transfer_finish(&t, curl_easy_perform(t.easy));
    *ret = t.res;
    vn_http_transfer_done(&t);
}

/* ---- on a loop ---- */

struct vn_http {
    const struct vn_io *io;
    struct vn_http_config cfg;
    CURLM *multi;                   /* NULL while idle */
    bool broken;                    /* a callback of ours failed: libcurl gives up on multi */
    struct vn_io_timer *timer;      /* libcurl's */
    struct vn_io_timer *idle_timer; /* closes what is kept alive */
    curl_socket_t kept;             /* of the last request; CURL_SOCKET_BAD: none */
    struct vn_list calls;
};

struct vn_http_call {
    struct vn_list link;
    struct vn_http *http;
    struct vn_http_transfer t;
    struct vn_buf body;
    void (*fn)(void *arg, const struct vn_http_response *res);
    void *arg;
};

struct sock {
    struct vn_http *http;
    struct vn_io_watch *watch;
    curl_socket_t fd;
};

static void call_free(struct vn_http_call *c)
{
    vn_list_remove(&c->link);
    if (c->http->multi)
        curl_multi_remove_handle(c->http->multi, c->t.easy);
    vn_http_transfer_done(&c->t);
    vn_buf_wipe(&c->body);
    free(c);
}

static void finish_ready(struct vn_http *h)
{
    int left;
    CURLMsg *m;
    while (h->multi && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE)
            continue;
        const CURLcode rc = m->data.result;
        struct vn_http_call *c = NULL;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        vn_http_transfer_finish(&c->t, rc);
        if (curl_easy_getinfo(c->t.easy, CURLINFO_ACTIVESOCKET, &h->kept) != CURLE_OK)
            h->kept = CURL_SOCKET_BAD;
        curl_multi_remove_handle(h->multi, c->t.easy);
        /* Out of the list, so that a cancel inside fn does not meet it. */
        vn_list_remove(&c->link);
        c->fn(c->arg, &c->t.res);
        call_free(c);
    }
    if (vn_list_empty(&h->calls))
        h->io->timer_arm(h->idle_timer, VN_HTTP_IDLE_MS * 1000ull);
}

static void on_ready(void *arg, unsigned events)
{
    struct vn_http *h = ((struct sock *)arg)->http;
    const curl_socket_t fd = ((struct sock *)arg)->fd; /* arg may be gone after the action */
    const int mask =
        (events & VN_IO_READ ? CURL_CSELECT_IN : 0) | (events & VN_IO_WRITE ? CURL_CSELECT_OUT : 0);
    int running;
    if (h->broken) /* libcurl 8.14 follows a null pointer when it is called once more */
        return;
    curl_multi_socket_action(h->multi, fd, mask, &running);
    finish_ready(h);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
    struct vn_http *h = arg;
    struct sock *k = sockp;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (k) {
            h->io->unwatch(k->watch);
            curl_multi_assign(h->multi, fd, NULL);
            free(k);
        }
        return 0;
    }
    const unsigned events =
        (what & CURL_POLL_IN ? VN_IO_READ : 0u) | (what & CURL_POLL_OUT ? VN_IO_WRITE : 0u);
    if (k) {
        h->io->rewatch(k->watch, events);
        return 0;
    }
    k = calloc(1, sizeof(*k));
    if (k) {
        *k = (struct sock){.http = h, .fd = fd};
        if (h->io->watch(h->io->self, fd, events, on_ready, k, &k->watch) == VN_OK) {
            curl_multi_assign(h->multi, fd, k);
            return 0;
        }
    }
    free(k);
    /* It sets no timer for us any more, so the transfers would wait for ever. */
    h->broken = true;
    h->io->timer_arm(h->timer, 0);
    return -1;
}

static void close_multi(struct vn_http *h)
{
    if (!h->multi)
        return;
    curl_multi_cleanup(h->multi);
    h->multi = NULL;
    h->kept = CURL_SOCKET_BAD;
    h->broken = false;
    h->io->timer_disarm(h->timer);
}

/* Whoever waits may ask again, which makes a new multi. */
static void fail_all(struct vn_http *h)
{
    VN_LIST_EACH(it, &h->calls)
    {
        curl_multi_remove_handle(h->multi, VN_LIST_ENTRY(it, struct vn_http_call, link)->t.easy);
    }
    close_multi(h);
    struct vn_list failed;
    vn_list_init(&failed);
    while (!vn_list_empty(&h->calls)) {
        struct vn_list *first = h->calls.next;
        vn_list_remove(first);
        vn_list_append(&failed, first);
    }
    /* Answering one may cancel another. */
    while (!vn_list_empty(&failed)) {
        struct vn_http_call *c = VN_LIST_ENTRY(failed.next, struct vn_http_call, link);
        vn_list_remove(&c->link);
        vn_http_explain(&c->t, CURLE_OUT_OF_MEMORY);
        c->fn(c->arg, &c->t.res);
        call_free(c);
    }
}

static void on_timer(void *arg)
{
    struct vn_http *h = arg;
    int running;
    if (!h->multi)
        return;
    if (h->broken) {
        fail_all(h);
        return;
    }
    curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_ready(h);
}

static int on_timeout_wish(CURLM *multi, long ms, void *arg)
{
    struct vn_http *h = arg;
    (void)multi;
    if (ms < 0)
        h->io->timer_disarm(h->timer);
    else
        h->io->timer_arm(h->timer, (uint64_t)ms * 1000);
    return 0;
}

static void on_idle(void *arg)
{
    struct vn_http *h = arg;
    if (!vn_list_empty(&h->calls))
        return;
    close_multi(h);
    malloc_trim(0);
}

static vn_status open_multi(struct vn_http *h)
{
    if (h->broken)
        return VN_ERR_NOMEM;
    if (h->multi)
        return VN_OK;
    CURLM *m = h->multi = curl_multi_init();
    if (!m)
        return VN_ERR_NOMEM;
    if (curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timeout_wish) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_TIMERDATA, h) != CURLM_OK ||
        curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, 4L) != CURLM_OK) {
        close_multi(h);
        return VN_ERR_NOMEM;
    }
    return VN_OK;
}

vn_status vn_http_new(const struct vn_io *io, const struct vn_http_config *cfg,
                      struct vn_http **ret)
{
    vn_status st = vn_http_global_init();
    if (st != VN_OK)
        return st;
    struct vn_http *h = calloc(1, sizeof(*h));
    if (!h)
        return VN_ERR_NOMEM;
    h->io = io;
    h->cfg = *cfg;
    h->kept = CURL_SOCKET_BAD;
    vn_list_init(&h->calls);
    st = io->timer_new(io->self, on_timer, h, &h->timer);
    if (st == VN_OK)
        st = io->timer_new(io->self, on_idle, h, &h->idle_timer);
    if (st != VN_OK) {
        vn_http_free(h);
        return st;
    }
    *ret = h;
    return VN_OK;
}

struct vn_http *vn_http_free(struct vn_http *h)
{
    if (!h)
        return NULL;
    VN_LIST_EACH(it, &h->calls)
    {
        call_free(VN_LIST_ENTRY(it, struct vn_http_call, link));
    }
    close_multi(h);
    h->io->timer_free(h->timer);
    h->io->timer_free(h->idle_timer);
    free(h);
    return NULL;
}

vn_status vn_http_start(struct vn_http *h, const struct vn_http_request *req,
                        void (*fn)(void *arg, const struct vn_http_response *res), void *arg,
                        struct vn_http_call **ret)
{
    /* Nothing would come back to an address that is not this machine's any more. */
    if (h->kept != CURL_SOCKET_BAD && vn_list_empty(&h->calls) && vn_addr_watch_gone(h->kept))
        close_multi(h);
    vn_status st = open_multi(h);
    if (st != VN_OK)
        return st;
    struct vn_http_call *c = calloc(1, sizeof(*c));
    if (!c)
        return VN_ERR_NOMEM;
    *c = (struct vn_http_call){.http = h, .fn = fn, .arg = arg};
    vn_list_init(&c->link);
    st = vn_http_transfer_init(&c->t, &h->cfg, req, &c->body);
    if (st != VN_OK) {
        vn_buf_wipe(&c->body);
        free(c);
        return st;
    }
    h->io->timer_disarm(h->idle_timer);
    if (curl_easy_setopt(c->t.easy, CURLOPT_PRIVATE, c) != CURLE_OK ||
        curl_multi_add_handle(h->multi, c->t.easy) != CURLM_OK) {
        call_free(c);
        return VN_ERR_NOMEM;
    }
    vn_list_append(&h->calls, &c->link);
    *ret = c;
    return VN_OK;
}

void vn_http_cancel(struct vn_http_call *c)
{
    if (!c)
        return;
    struct vn_http *h = c->http;
    call_free(c);
    if (vn_list_empty(&h->calls))
        h->io->timer_arm(h->idle_timer, VN_HTTP_IDLE_MS * 1000ull);
}
