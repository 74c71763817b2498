#include "control/http_transfer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/secret.h"
#include "base/text.h"
#include "crypto/tls.h"

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct vn_http_transfer *t = arg;
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
    const struct vn_http_transfer *t = arg;
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
    struct vn_http_transfer *t = arg;
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

void vn_http_transfer_done(struct vn_http_transfer *t)
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

static bool set_request(struct vn_http_transfer *t, const struct vn_http_request *req)
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

vn_status vn_http_transfer_init(struct vn_http_transfer *t, const struct vn_http_config *cfg,
                                const struct vn_http_request *req, struct vn_buf *out)
{
    const size_t body_max = cfg->body_max ? cfg->body_max : VN_HTTP_BODY_MAX;
    *t = (struct vn_http_transfer){.out = out, .want_binding = req->want_binding, .cfg = cfg};
    t->res.connection = t->res.max_age_s = -1;
    vn_buf_init(out, body_max);
    t->url = strdup(req->url);
    CURL *e = t->easy = curl_easy_init();
    if (!t->url || !e ||
        vn_buf_reserve(out, VN_MIN(body_max, (size_t)VN_HTTP_BODY_FIRST)) != VN_OK) {
        vn_http_transfer_done(t);
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
        vn_http_transfer_done(t);
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

void vn_http_explain(struct vn_http_transfer *t, CURLcode rc)
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

void vn_http_transfer_finish(struct vn_http_transfer *t, CURLcode rc)
{
    curl_off_t conn = -1;
    if (curl_easy_getinfo(t->easy, CURLINFO_CONN_ID, &conn) == CURLE_OK)
        t->res.connection = conn;
    if (rc != CURLE_OK) {
        vn_http_explain(t, rc);
        return;
    }
    t->res.status = VN_OK;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->res.code);
    t->res.max_age_s = max_age(t->easy);
    t->res.body = vn_buf_span(t->out);
}
