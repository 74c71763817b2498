#include "control/http.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "base/list.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/addr_watch.h"
#include "crypto/tls.h"

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

/* ---- one transfer, however it is driven ---- */

struct transfer {
    CURL *easy;
    struct vn_buf *out;
    struct vn_buf request;
    struct curl_slist *headers;
    char *url;
    char error[CURL_ERROR_SIZE];
    bool want_binding;
    bool too_large;
    bool refused; /* an address, by may_connect */
    const struct vn_http_config *cfg;
    struct vn_http_response res;
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    const size_t len = size * n;
    if (t->want_binding && !t->res.has_binding) {
        /* libcurl shows the SSL object during a transfer only. */
        struct curl_tlssessioninfo *info = NULL;
        if (curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &info) == CURLE_OK && info &&
            info->internals && info->backend == CURLSSLBACKEND_OPENSSL)
            t->res.has_binding = vn_tls_binding(info->internals, t->res.binding) == VN_OK;
    }
    if (vn_buf_append(t->out, p, len) != VN_OK) {
        t->too_large = true;
        return 0;
    }
    return len;
}

static int on_socket_option(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const struct transfer *t = arg;
    (void)purpose;
    const uint32_t mark = t->cfg->so_mark;
    if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0 && errno != EPERM)
        return CURL_SOCKOPT_ERROR;
    /* libcurl makes a connection anew, and the request on it, when a kept one turns out dead. */
    const unsigned dead = VN_HTTP_DEAD_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
    return CURL_SOCKOPT_OK;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct transfer *t = arg;
    /* libcurl's struct ends with a struct sockaddr, and its memory with what the family needs. */
    const uint8_t *raw = (const uint8_t *)addr + offsetof(struct curl_sockaddr, addr);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct vn_ip ip;
    bool known = true;
    (void)purpose;
    if (addr->family == AF_INET && addr->addrlen >= sizeof(v4)) {
        memcpy(&v4, raw, sizeof(v4));
        ip = vn_ip_from_v4((const uint8_t *)&v4.sin_addr);
    } else if (addr->family == AF_INET6 && addr->addrlen >= sizeof(v6)) {
        memcpy(&v6, raw, sizeof(v6));
        memcpy(ip.b, &v6.sin6_addr, sizeof(ip.b));
    } else {
        known = false;
    }
    if (!known || !t->cfg->may_connect(t->cfg->may_connect_arg, &ip)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static void transfer_done(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    vn_buf_wipe(&t->request);
    free(t->url);
    vn_wipe(&t->res.binding, sizeof(t->res.binding));
}

static bool set_trust(CURL *e, const struct vn_http_config *cfg)
{
    if (!cfg->pinned) {
        struct curl_blob ca = {.flags = CURL_BLOB_COPY};
        if (cfg->ca_pem) {
            ca.data = (void *)(uintptr_t)cfg->ca_pem;
            ca.len = strlen(cfg->ca_pem);
            if (curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca) != CURLE_OK ||
                curl_easy_setopt(e, CURLOPT_CAPATH, NULL) != CURLE_OK)
                return false;
        }
        return curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    }
    char pin[64] = "sha256//";
    vn_b64_encode(VN_SPAN_ARRAY(cfg->pin), pin + 8);
    /* The key is named in the token, so name and dates of its certificate add nothing. */
    return curl_easy_setopt(e, CURLOPT_PINNEDPUBLICKEY, pin) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK;
}

static bool set_request(struct transfer *t, const struct vn_http_request *req)
{
    CURL *e = t->easy;
    bool ok = curl_easy_setopt(e, CURLOPT_URL, t->url) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method) == CURLE_OK;
    if (req->bearer)
        ok = ok && curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, req->bearer) == CURLE_OK;
    if (req->basic)
        ok = ok && curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_USERPWD, req->basic) == CURLE_OK;
    const bool post = strcmp(req->method, "POST") == 0;
    if (req->body.n || post) {
        vn_buf_init(&t->request, req->body.n + 1);
        if (vn_buf_reserve(&t->request, req->body.n + 1) != VN_OK ||
            vn_buf_append(&t->request, req->body.p, req->body.n) != VN_OK)
            return false;
        struct curl_slist *l =
            curl_slist_append(NULL, req->form ? "Content-Type: application/x-www-form-urlencoded"
                                              : "Content-Type: application/json");
        t->headers = l;
        /* No waiting for "100 Continue". */
        if (!l || !curl_slist_append(l, "Expect:"))
            return false;
        char header[600];
        const bool keyed = !req->api_key || ((size_t)snprintf(header, sizeof(header), "apikey: %s",
                                                              req->api_key) < sizeof(header) &&
                                             curl_slist_append(l, header));
        vn_wipe(header, sizeof(header));
        if (!keyed)
            return false;
        ok = ok && curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_POSTFIELDS, (char *)t->request.p) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)req->body.n) == CURLE_OK;
    }
    return ok;
}

static vn_status transfer_init(struct transfer *t, const struct vn_http_config *cfg,
                               const struct vn_http_request *req, struct vn_buf *out)
{
    const size_t body_max = cfg->body_max ? cfg->body_max : VN_HTTP_BODY_MAX;
    *t = (struct transfer){.out = out, .want_binding = req->want_binding, .cfg = cfg};
    t->res.connection = t->res.max_age_s = -1;
    vn_buf_init(out, body_max);
    t->url = strdup(req->url);
    CURL *e = t->easy = curl_easy_init();
    if (!t->url || !e ||
        vn_buf_reserve(out, VN_MIN(body_max, (size_t)VN_HTTP_BODY_FIRST)) != VN_OK) {
        transfer_done(t);
        return VN_ERR_NOMEM;
    }
    const bool ok =
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_SSLVERSION,
                         cfg->tls12 ? (long)CURL_SSLVERSION_TLSv1_2
                                    : (long)CURL_SSLVERSION_TLSv1_3) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)VN_HTTP_CONNECT_MS) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
                         cfg->timeout_ms ? (long)cfg->timeout_ms : (long)VN_HTTP_TIMEOUT_MS) ==
            CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)body_max) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_USERAGENT, "veilnet/" VN_VERSION) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket_option) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, t) == CURLE_OK &&
        (!cfg->may_connect ||
         (curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
          curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK &&
          curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L) == CURLE_OK)) &&
        set_trust(e, cfg) && set_request(t, req);
    if (!ok) {
        transfer_done(t);
        return VN_ERR_NOMEM;
    }
    return VN_OK;
}

/* scheme://host:port of a URL, for messages */
static void origin_of(const char *url, char *ret, size_t n)
{
    const char *host = strstr(url, "://");
    const size_t len =
        host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : strcspn(url, "/?#");
    snprintf(ret, n, "%.*s", (int)VN_MIN(len, (size_t)128), url);
}

static void explain(struct transfer *t, CURLcode rc)
{
    struct vn_http_response *r = &t->res;
    char at[144];
    origin_of(t->url, at, sizeof(at));
    const char *why = t->error[0] ? t->error : curl_easy_strerror(rc);
    long os = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
    if (rc == CURLE_OPERATION_TIMEDOUT)
        why = "no answer in time";
    else if (rc == CURLE_COULDNT_CONNECT && os)
        why = strerror((int)os);
    r->status = VN_ERR_AGAIN;
    if (rc == CURLE_COULDNT_CONNECT && t->refused) {
        r->status = VN_ERR_DENIED;
        snprintf(r->detail, sizeof(r->detail), "%s is in a network that is not public", at);
        return;
    }
    switch ((int)rc) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        r->status = VN_ERR_ARG;
        snprintf(r->detail, sizeof(r->detail), "%s is not an address of the form https://HOST:PORT",
                 at);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
        snprintf(r->detail, sizeof(r->detail),
                 "the name in %s does not resolve: check it, or this machine's DNS", at);
        break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        snprintf(r->detail, sizeof(r->detail),
                 "cannot reach %s: check that it runs, and that this port is open in its firewall "
                 "(%.100s)",
                 at, why);
        break;
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        r->status = VN_ERR_AUTH;
        snprintf(r->detail, sizeof(r->detail),
                 "%s has not the key that the token names: check the address, or get a new token "
                 "from its administrator",
                 at);
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        r->status = VN_ERR_AUTH;
        snprintf(r->detail, sizeof(r->detail), "the certificate of %s does not verify (%.140s)", at,
                 why);
        break;
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_WRITE_ERROR:
        r->status = t->too_large || rc == CURLE_FILESIZE_EXCEEDED ? VN_ERR_LIMIT : VN_ERR_AGAIN;
        snprintf(r->detail, sizeof(r->detail), "the answer of %s is too large", at);
        break;
    case CURLE_SSL_CONNECT_ERROR:
        snprintf(r->detail, sizeof(r->detail), "%s does not speak TLS %s (%.140s)", at,
                 t->cfg->tls12 ? "1.2" : "1.3", why);
        break;
    case CURLE_OUT_OF_MEMORY:
        r->status = VN_ERR_NOMEM;
        snprintf(r->detail, sizeof(r->detail), "out of memory");
        break;
    default:
        snprintf(r->detail, sizeof(r->detail), "the request to %s failed (%.140s)", at, why);
    }
}

/* RFC 9111 section 5.2.2: how long the answer may be used. */
static int64_t max_age(CURL *e)
{
    struct curl_header *h;
    if (curl_easy_header(e, "Cache-Control", 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return -1;
    if (strcasestr(h->value, "no-store") || strcasestr(h->value, "no-cache"))
        return 0;
    const char *p = strcasestr(h->value, "max-age=");
    return p ? (int64_t)VN_MIN(strtoull(p + 8, NULL, 10), (unsigned long long)INT32_MAX) : -1;
}

static void transfer_finish(struct transfer *t, CURLcode rc)
{
    curl_off_t conn = -1;
    if (curl_easy_getinfo(t->easy, CURLINFO_CONN_ID, &conn) == CURLE_OK)
        t->res.connection = conn;
    if (rc != CURLE_OK) {
        explain(t, rc);
        return;
    }
    t->res.status = VN_OK;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->res.code);
    t->res.max_age_s = max_age(t->easy);
    t->res.body = vn_buf_span(t->out);
}

void vn_http_perform(const struct vn_http_config *cfg, const struct vn_http_request *req,
                     struct vn_http_response *ret, struct vn_buf *body)
{
    struct transfer t;
    vn_buf_init(body, VN_HTTP_BODY_MAX);
    if (vn_http_global_init() != VN_OK || transfer_init(&t, cfg, req, body) != VN_OK) {
        *ret = (struct vn_http_response){.status = VN_ERR_NOMEM, .detail = "out of memory"};
        return;
    }
    transfer_finish(&t, curl_easy_perform(t.easy));
    *ret = t.res;
    transfer_done(&t);
}

/* ---- the same on a loop ---- */

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
    struct transfer t;
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
    transfer_done(&c->t);
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
        transfer_finish(&c->t, rc);
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
        explain(&c->t, CURLE_OUT_OF_MEMORY);
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
    st = transfer_init(&c->t, &h->cfg, req, &c->body);
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
