#include "guardian/http_conn.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/tls.h"

#define HEADER_BYTES_MAX 8192 /* of one request */
#define KEEPALIVE_S 30
#define DISCARD_MAX (1u << 20) /* bytes of a refused body that are still read */

/* SSL_OP_NO_TLSv1, _1 and _2 of OpenSSL's ABI: TLS 1.3 alone, because a login binds its exporter.
 */
#define ONLY_TLS13 ((1l << 26) | (1l << 28) | (1l << 27))

struct vn_web {
    struct vn_guardian *g;
    struct lws_context *context;
    struct vn_rates *rates;
    uint64_t requests; /* so many heads were read */
    char cert_path[VN_PATH_MAX + 16], key_path[VN_PATH_MAX + 16];
};

static vn_status conn_binding(struct vn_web_conn *web, uint8_t ret[32])
{
    struct vn_http_conn *c = VN_CONTAINER_OF(web, struct vn_http_conn, web);
    return vn_tls_binding(lws_get_ssl(c->wsi), ret);
}

static vn_status conn_peer(struct vn_web_conn *web, struct vn_ip *ret)
{
    struct vn_http_conn *c = VN_CONTAINER_OF(web, struct vn_http_conn, web);
    char text[VN_IP_TEXT];
    return lws_get_peer_simple(c->wsi, text, sizeof(text)) ? vn_ip_parse(text, ret) : VN_ERR_IO;
}

static void dispatch(struct vn_http_conn *c, struct vn_web *h)
{
    c->receiving = false;
    lws_set_timer_usecs(c->wsi, LWS_SET_TIMER_USEC_CANCEL);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, VN_WEB_ANSWER_S);
    const struct vn_web_call call = {.route = c->route,
                                     .path_id = c->path_id,
                                     .query = c->query,
                                     .bearer = c->bearer,
                                     .body = vn_buf_span(&c->body)};
    vn_web_dispatch(h->g, h->rates, &c->web, &call);
    vn_wipe(c->bearer, sizeof(c->bearer));
    vn_buf_wipe(&c->body); /* may hold a password, and the connection may live on */
    vn_buf_init(&c->body, VN_WEB_BODY_MAX);
}

/* ---- libwebsockets ---- */

static void conn_reset(struct vn_http_conn *c)
{
    vn_web_forget(&c->web);
    vn_buf_done(&c->body);
    vn_buf_init(&c->body, VN_WEB_BODY_MAX);
    c->receiving = c->too_large = false;
    lws_set_timer_usecs(c->wsi, LWS_SET_TIMER_USEC_CANCEL);
    c->status = 0;
    free(c->out);
    c->out = NULL;
}

static struct vn_http_conn *conn_of(struct lws *wsi, bool make)
{
    struct vn_web *h = lws_context_user(lws_get_context(wsi));
    struct vn_http_conn *c = lws_get_opaque_user_data(wsi);
    if (!c && make) {
        c = calloc(1, sizeof(*c));
        if (c) {
            c->web = (struct vn_web_conn){
                .answer = vn_http_answer, .peer = conn_peer, .binding = conn_binding};
            c->wsi = wsi;
            c->metrics = &h->g->metrics;
            vn_buf_init(&c->body, VN_WEB_BODY_MAX);
            lws_set_opaque_user_data(wsi, c);
        }
    }
    return c;
}

static bool header(struct lws *wsi, enum lws_token_indexes token, char *dst, size_t cap)
{
    int n = lws_hdr_copy(wsi, dst, (int)cap, token);
    if (n < 0)
        dst[0] = 0;
    return n >= 0;
}

/* Returns the status of a refusal, or 0. */
static unsigned read_method(struct lws *wsi, enum vn_web_method *ret)
{
    char *unused;
    int unused_n;
    switch (lws_http_get_uri_and_method(wsi, &unused, &unused_n)) {
    case LWSHUMETH_GET:
        *ret = VN_WEB_GET;
        return 0;
    case LWSHUMETH_POST:
        *ret = VN_WEB_POST;
        return 0;
    case LWSHUMETH_DELETE:
        *ret = VN_WEB_DELETE;
        return 0;
    default:
        return 405;
    }
}

/* Finds the route. Returns false after answering. */
static bool find_route(struct vn_http_conn *c, const char *uri, size_t uri_n)
{
    char path[256];
    unsigned allowed = 0;
    enum vn_web_method method;
    c->route = NULL;
    if (read_method(c->wsi, &method) != 0) {
        vn_http_refuse(c, 405, "use GET, POST or DELETE");
        return false;
    }
    if (uri_n < sizeof(path)) {
        memcpy(path, uri, uri_n);
        path[uri_n] = 0;
        memset(c->path_id, 0, sizeof(c->path_id));
        c->route = vn_route_find(method, path, c->path_id, &allowed);
    }
    if (c->route)
        return true;
    if (allowed)
        vn_http_refuse(c, 405, "this path exists, but not with this method: see /openapi.json");
    else
        vn_http_refuse(c, 404, "there is no such path: see /openapi.json");
    return false;
}

/* Returns false after answering. */
static bool read_args(struct vn_http_conn *c)
{
    size_t used = 0;
    memset(c->query, 0, sizeof(c->query));
    for (int i = 0;; i++) {
        char arg[VN_WEB_QUERY_MAX];
        int n = lws_hdr_copy_fragment(c->wsi, arg, sizeof(arg), WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n == 0)
            continue;
        if (n < 0 && lws_hdr_fragment_length(c->wsi, WSI_TOKEN_HTTP_URI_ARGS, i) <= 0)
            return true; /* there is none */
        /* one NUL behind it, and one behind all of them */
        if (n < 0 || used + (size_t)n + 2 > sizeof(c->query) || strlen(arg) != (size_t)n) {
            vn_http_refuse(c, 400, "what follows the ? is too long, or no text: correct it");
            return false;
        }
        memcpy(c->query + used, arg, (size_t)n);
        used += (size_t)n + 1;
    }
}

/* Of the body to come. Returns false after answering. */
static bool read_length(struct vn_http_conn *c, unsigned long *ret)
{
    char value[32], *end;
    *ret = 0;
    if (lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING)) {
        vn_http_refuse(c, 411, "send the body with a content-length, not in chunks");
        return false;
    }
    if (!lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
        return true;
    if (!header(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, value, sizeof(value)) || !*value ||
        strspn(value, "0123456789") != strlen(value)) {
        vn_http_refuse(c, 400, "the content-length is no number: correct it");
        return false;
    }
    *ret = strtoul(value, &end, 10);
    return true;
}

/* Returns false after answering. */
static bool read_bearer(struct vn_http_conn *c)
{
    char auth[sizeof(c->bearer) + 8];
    c->bearer[0] = 0;
    if (!lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_AUTHORIZATION))
        return true;
    bool ok = header(c->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, auth, sizeof(auth)) &&
              strncasecmp(auth, "Bearer ", 7) == 0;
    const size_t n = ok ? strlen(auth + 7) : 0;
    if (ok && n < sizeof(c->bearer)) /* no token of ours is longer */
        memcpy(c->bearer, auth + 7, n + 1);
    else if (!ok)
        vn_http_refuse(c, 401, "the authorization header must be \"Bearer\" and a token");
    vn_wipe(auth, sizeof(auth));
    return ok;
}

static size_t body_max(const struct vn_route *route)
{
    return route->body_max ? route->body_max : VN_WEB_BODY_USUAL;
}

static void refuse_body(struct vn_http_conn *c)
{
    char detail[80];
    snprintf(detail, sizeof(detail), "the body may have %zu bytes at most: send less",
             body_max(c->route));
    vn_http_refuse(c, 413, detail);
}

/* The head of a request is there. */
static int on_head(struct vn_web *h, struct lws *wsi, const char *uri, size_t uri_n)
{
    struct vn_http_conn *c = conn_of(wsi, true);
    unsigned long length;
    if (!c)
        return -1;
    conn_reset(c);
    c->web.number = ++h->requests;
    c->began_us = vn_clock_mono_us();
    if (!find_route(c, uri, uri_n) || !read_args(c) || !read_length(c, &length) || !read_bearer(c))
        return 0;
    /* Closing on unread bytes resets the connection, and the client never sees why. */
    c->too_large = length > body_max(c->route);
    if (length > DISCARD_MAX) {
        refuse_body(c);
        return 0;
    }
    if (length == 0) {
        dispatch(c, h);
        return 0;
    }
    c->receiving = true;
    /* One deadline for the whole body: a sender who drips bytes gains nothing. */
    lws_set_timer_usecs(wsi, (lws_usec_t)VN_WEB_REQUEST_MS * 1000);
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    struct vn_web *h = lws_context_user(lws_get_context(wsi));
    struct vn_http_conn *c;
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        vn_tls_no_tickets(user);
        return 0;
    case LWS_CALLBACK_HTTP:
        return on_head(h, wsi, in, n);
    case LWS_CALLBACK_HTTP_BODY:
        c = conn_of(wsi, false);
        if (c && c->receiving && !c->too_large && vn_buf_append(&c->body, in, n) != VN_OK)
            c->too_large = true;
        /* It lies in a buffer that all connections share, until the next one reads. */
        vn_wipe(in, n);
        return 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        c = conn_of(wsi, false);
        if (c && c->receiving && c->too_large)
            refuse_body(c);
        else if (c && c->receiving)
            dispatch(c, h);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        c = conn_of(wsi, false);
        return c ? vn_http_write(c) : 0;
    case LWS_CALLBACK_TIMER:
        c = conn_of(wsi, false);
        return c && c->receiving ? -1 : 0;
    case LWS_CALLBACK_CLOSED_HTTP:
        c = conn_of(wsi, false);
        if (c)
            conn_reset(c);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        c = conn_of(wsi, false);
        if (c) {
            lws_set_opaque_user_data(wsi, NULL);
            conn_reset(c);
            vn_wipe(c, sizeof(*c));
            free(c);
        }
        return 0;
    default:
        return 0;
    }
}

static void on_log(int level, const char *line)
{
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
    vn_log(level == LLL_ERR ? VN_LOG_WARN : VN_LOG_DEBUG, "http_library",
           VN_KV_STR("detail", text));
}

vn_status vn_web_open(struct vn_guardian *g, struct vn_web **ret)
{
    struct vn_web *h = calloc(1, sizeof(*h));
    if (!h)
        return VN_ERR_NOMEM;
    h->g = g;
    /* libwebsockets reads a certificate chain and an EC key from files only. */
    snprintf(h->cert_path, sizeof(h->cert_path), "%s/https.crt", g->dir.dir);
    snprintf(h->key_path, sizeof(h->key_path), "%s/https.key", g->dir.dir);
    vn_status st = vn_file_write_atomic(h->cert_path, VN_SPAN_STR(g->cfg.https_cert_pem), 0600);
    if (st == VN_OK)
        st = vn_file_write_atomic(h->key_path, VN_SPAN_STR(g->cfg.https_key_pem), 0600);
    uint16_t port = g->cfg.listen_port;
    if (st == VN_OK)
        st = vn_port_check(g->cfg.listen_host, &port);
    if (st == VN_OK)
        st = vn_rates_new(&h->rates);
    if (st != VN_OK) {
        free(h);
        return st;
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    static const struct lws_protocols PROTOCOLS[] = {{.name = "http", .callback = on_event},
                                                     LWS_PROTOCOL_LIST_TERM};
    void *loops[] = {g->uv};
    bool all = strcmp(g->cfg.listen_host, "*") == 0;
    struct lws_context_creation_info info = {
        .port = g->cfg.listen_port,
        .iface = all ? NULL : g->cfg.listen_host,
        .protocols = PROTOCOLS,
        .user = h,
        .foreign_loops = loops,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   (all && vn_have_ipv6()             ? 0
                    : strchr(g->cfg.listen_host, ':') ? 0
                                                      : LWS_SERVER_OPTION_DISABLE_IPV6),
        .ssl_cert_filepath = h->cert_path,
        .ssl_private_key_filepath = h->key_path,
        .ssl_options_set = ONLY_TLS13,
        .alpn = "http/1.1",
        .server_string = "veilnet-guardian",
        .max_http_header_data = HEADER_BYTES_MAX,
        .pt_serv_buf_size = VN_HTTP_CHUNK, /* what is read and written at once */
        .timeout_secs = VN_WEB_REQUEST_MS / 1000,
        .keepalive_timeout = KEEPALIVE_S,
        .pcontext = &h->context, /* NULL once it is really gone */
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    h->context = lws_create_context(&info);
    if (!h->context) {
        vn_rates_free(h->rates);
        free(h);
        return VN_ERR_IO;
    }
    *ret = h;
    return VN_OK;
}

void vn_web_close(struct vn_web *h)
{
    if (h && h->context)
        lws_context_destroy(h->context);
}

void vn_web_free(struct vn_web *h)
{
    /* With a loop that is not its own, libwebsockets destroys in two calls: handles, then memory.
     */
    if (h && h->context)
        lws_context_destroy(h->context);
    if (h)
        vn_rates_free(h->rates);
    free(h);
}
