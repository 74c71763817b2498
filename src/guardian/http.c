#include "guardian/http.h"

#include <stdarg.h>

#include <libwebsockets.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "control/json_alloc.h"
#include "crypto/rng.h"
#include "crypto/tls.h"

#define HEADER_BYTES_MAX 8192 /* of one request */
#define KEEPALIVE_S 30
#define CHUNK 16384
#define DISCARD_MAX (1u << 20) /* bytes of a refused body that are still read */
#define TOO_LARGE "the body may have 65536 bytes at most: send less"

/* SSL_OP_NO_TLSv1, _1 and _2 of OpenSSL's ABI: TLS 1.3 alone, because a login binds its exporter.
 */
#define ONLY_TLS13 ((1l << 26) | (1l << 28) | (1l << 27))

struct vn_web {
    struct vn_guardian *g;
    struct lws_context *context;
    char cert_path[VN_PATH_MAX + 16], key_path[VN_PATH_MAX + 16];
};

/* Lives as long as the TLS connection, over all its requests. */
struct vn_web_conn {
    struct lws *wsi;
    bool has_nonce;
    uint8_t nonce[32];
    uint64_t nonce_until_ms; /* monotonic */

    /* the request at hand */
    struct vn_request *req; /* from dispatch to answer */
    bool receiving;
    bool close_after;
    bool too_large; /* the body is read to its end, so that the refusal arrives, but not kept */
    struct vn_buf body;
    enum vn_web_method method;
    char path[256], bearer[VN_WEB_BODY_MAX / 16], realm[VN_ID_TEXT + 8];

    /* the answer */
    unsigned status;
    uint8_t *out; /* LWS_PRE bytes of room before it */
    size_t out_n, out_sent;
    bool head_sent;
};

/* ---- answering ---- */

static void request_free(struct vn_request *r)
{
    json_decref(r->body);
    vn_wipe(r, sizeof(*r));
    free(r);
}

/* Takes text (malloc'ed by jansson; NULL for none). */
static void conn_answer(struct vn_web_conn *c, unsigned status, char *take_text)
{
    c->status = status;
    c->receiving = false;
    c->head_sent = false;
    c->out_sent = c->out_n = 0;
    free(c->out);
    c->out = NULL;
    size_t n = take_text ? strlen(take_text) : 0;
    c->out = malloc(LWS_PRE + n + 1);
    if (c->out && take_text) {
        memcpy(c->out + LWS_PRE, take_text, n);
        c->out_n = n;
    }
    if (take_text)
        vn_wipe(take_text, n); /* may hold credentials */
    free(take_text);
    lws_set_timer_usecs(c->wsi, LWS_SET_TIMER_USEC_CANCEL);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, VN_WEB_ANSWER_S);
    lws_callback_on_writable(c->wsi);
}

static void conn_error(struct vn_web_conn *c, unsigned status, const char *detail)
{
    c->close_after = true;
    json_t *o = json_pack("{s:s}", "detail", detail);
    conn_answer(c, status, o ? vn_json_dump(o, JSON_COMPACT) : NULL);
    json_decref(o);
}

void vn_request_reply(struct vn_request *r, unsigned status, json_t *take_body)
{
    struct vn_web_conn *c = r->conn;
    if (c) {
        c->req = NULL;
        char *text = take_body ? vn_json_dump(take_body, JSON_COMPACT) : NULL;
        if (take_body && !text)
            conn_error(c, 500, "out of memory: try again");
        else
            conn_answer(c, status, text);
    }
    json_decref(take_body);
    request_free(r);
}

void vn_request_error(struct vn_request *r, unsigned status, const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    /* What the caller sent may be quoted in it; jansson refuses text that is no UTF-8. */
    json_t *o = json_pack("{s:s}", "detail", detail);
    if (!o)
        o = json_pack("{s:s}", "detail", "the request holds text that is not UTF-8: correct it");
    vn_request_reply(r, status, o);
}

void vn_request_fail(struct vn_request *r, vn_status st, const char *what)
{
    vn_log(VN_LOG_ERROR, "request_failed", VN_KV_STR("what", what), VN_KV_STATUS(st));
    vn_request_error(
        r, st == VN_ERR_NOMEM ? 503 : 500,
        st == VN_ERR_IO
            ? "Guardian could not do it (%s: %s): see its log; its disk may be full or read-only"
            : "Guardian could not do it (%s: %s): try again; if it stays so, see Guardian's log",
        what, vn_status_name(st));
}

const char *vn_request_actor(const struct vn_request *r, char ret[VN_USER_NAME_MAX + 8])
{
    char id[VN_ID_TEXT] = "";
    switch (r->route->role) {
    case VN_WEB_PUBLIC:
        return "anyone";
    case VN_WEB_USER:
    case VN_WEB_ADMIN:
        if (vn_id_is_zero(&r->user.id))
            return "host";
        snprintf(ret, VN_USER_NAME_MAX + 8, "user %s", r->user.name);
        return ret;
    case VN_WEB_REGISTRATION:
        vn_id_format(&r->registration.id, id);
        break;
    case VN_WEB_CONFLUX:
        vn_id_format(&r->conflux.id, id);
        break;
    }
    snprintf(ret, VN_USER_NAME_MAX + 8, "%s %s",
             r->route->role == VN_WEB_CONFLUX ? "conflux" : "token", id);
    return ret;
}

/* Returns nonzero when the connection shall end. */
static int conn_write(struct vn_web_conn *c)
{
    if (!c->status)
        return 0;
    if (!c->head_sent) {
        uint8_t buf[LWS_PRE + 512], *start = buf + LWS_PRE, *p = start,
                                    *end = buf + sizeof(buf) - 1;
        static const uint8_t JSON[] = "application/json", NO_STORE[] = "no-store",
                             CLOSE[] = "close";
        char length[24];
        int length_n = snprintf(length, sizeof(length), "%zu", c->out_n);
        if (lws_add_http_header_status(c->wsi, c->status, &p, end) ||
            lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, NO_STORE,
                                         sizeof(NO_STORE) - 1, &p, end) ||
            (c->close_after && lws_add_http_header_by_token(c->wsi, WSI_TOKEN_CONNECTION, CLOSE,
                                                            sizeof(CLOSE) - 1, &p, end)) ||
            /* RFC 9110 section 8.6: a 204 has no content-length */
            (c->status != 204 &&
             (lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, JSON,
                                           sizeof(JSON) - 1, &p, end) ||
              lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH,
                                           (const uint8_t *)length, length_n, &p, end))) ||
            lws_finalize_write_http_header(c->wsi, start, &p, end))
            return -1;
        c->head_sent = true;
        if (c->out_n) {
            lws_callback_on_writable(c->wsi);
            return 0;
        }
    } else {
        if (!c->out)
            return -1;
        size_t n = VN_MIN(c->out_n - c->out_sent, (size_t)CHUNK);
        bool last = c->out_sent + n == c->out_n;
        /* lws may scribble on the LWS_PRE bytes before: those were sent already */
        if (lws_write(c->wsi, c->out + LWS_PRE + c->out_sent, n,
                      last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
            return -1;
        c->out_sent += n;
        if (!last) {
            lws_callback_on_writable(c->wsi);
            return 0;
        }
    }
    c->status = 0;
    if (c->out)
        vn_wipe(c->out + LWS_PRE, c->out_n);
    free(c->out);
    c->out = NULL;
    if (c->close_after)
        return -1;
    return lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* ---- authentication and dispatch ---- */

/* Returns false after answering. */
static bool authenticate(struct vn_request *r, const char *bearer)
{
    static const enum vn_token_type TYPE[] = {
        [VN_WEB_USER] = VN_TOKEN_ACCESS,
        [VN_WEB_ADMIN] = VN_TOKEN_ACCESS,
        [VN_WEB_REGISTRATION] = VN_TOKEN_REGISTRATION,
        [VN_WEB_CONFLUX] = VN_TOKEN_CONFLUX,
    };
    static const char *const NAME[] = {
        [VN_TOKEN_ACCESS] = "an access token of POST /auth/login",
        [VN_TOKEN_REGISTRATION] = "a registration token",
        [VN_TOKEN_CONFLUX] = "a conflux token",
    };
    if (r->route->role == VN_WEB_PUBLIC)
        return true;
    enum vn_token_type type = TYPE[r->route->role];
    if (!*bearer) {
        vn_request_error(r, 401, "send %s as \"Authorization: Bearer …\"", NAME[type]);
        return false;
    }
    struct vn_token t;
    vn_status st = vn_token_check(&r->g->cfg.token_keys, type, bearer, r->now_ms, &t);
    if (st == VN_ERR_EXPIRED) {
        vn_request_error(r, 401, "this token has expired: %s",
                         type == VN_TOKEN_ACCESS ? "log in again"
                                                 : "ask an administrator for a new one");
        return false;
    }
    if (st == VN_OK)
        st = vn_token_hash(bearer, r->token_hash);
    if (st == VN_OK) {
        switch (type) {
        case VN_TOKEN_ACCESS:
            if (vn_id_is_zero(&t.id)) /* made by who can read our secrets: cmd_node_order.c */
                r->user = (struct vn_user_record){.name = "host", .role = VN_ROLE_ADMIN};
            else
                st = vn_store_user_get(r->g->store, &t.id, &r->user);
            break;
        case VN_TOKEN_REGISTRATION:
            st = vn_store_token_get(r->g->store, &t.id, &r->registration);
            if (st == VN_OK && (!vn_ct_equal(r->registration.hash, r->token_hash, 32) ||
                                !vn_id_equal(&r->registration.realm, &t.realm)))
                st = VN_ERR_AUTH;
            break;
        case VN_TOKEN_CONFLUX:
            st = vn_store_conflux_get(r->g->store, &t.id, &r->conflux);
            if (st == VN_OK && !vn_id_equal(&r->conflux.realm, &t.realm))
                st = VN_ERR_AUTH;
            break;
        case VN_TOKEN_TYPES:
            st = VN_ERR_AUTH;
            break;
        }
    }
    if (st == VN_ERR_NOTFOUND && type == VN_TOKEN_CONFLUX) {
        vn_request_error(
            r, 401,
            "this node is not registered any more: register it again with a registration token");
        return false;
    }
    if (st == VN_ERR_AUTH || st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 401, "this is not %s of this Guardian: check that it was copied whole",
                         NAME[type]);
        return false;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "token");
        return false;
    }
    if (r->route->role == VN_WEB_ADMIN && r->user.role != VN_ROLE_ADMIN) {
        vn_request_error(r, 403, "only an administrator may do this: ask one");
        return false;
    }
    return true;
}

/* Returns false after answering. */
static bool read_body(struct vn_request *r, struct vn_span body)
{
    char why[160];
    if (!r->route->body) {
        if (body.n == 0)
            return true;
        /* Some clients send {} with every POST. */
        r->body = vn_json_load(body, NULL);
        if (json_is_object(r->body) && json_object_size(r->body) == 0)
            return true;
        vn_request_error(r, 400, "this endpoint takes no body: send none");
        return false;
    }
    json_error_t err;
    r->body = vn_json_load(body, &err);
    if (!r->body && vn_json_exhausted()) {
        vn_request_fail(r, VN_ERR_NOMEM, "body");
        return false;
    }
    if (!r->body) {
        vn_request_error(r, 400, "the body is no valid JSON (line %d, column %d): correct it",
                         err.line, err.column);
        return false;
    }
    if (vn_json_check(r->body, r->route->body, why, sizeof(why)) != VN_OK) {
        vn_request_error(r, 400, "%s", why);
        return false;
    }
    return true;
}

static void dispatch(struct vn_web_conn *c, struct vn_guardian *g)
{
    struct vn_id path_id = {0};
    unsigned allowed;
    const struct vn_route *route = vn_route_find(c->method, c->path, &path_id, &allowed);
    c->receiving = false;
    lws_set_timer_usecs(c->wsi, LWS_SET_TIMER_USEC_CANCEL);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, VN_WEB_ANSWER_S);
    if (!route) {
        if (allowed)
            conn_error(c, 405, "this path exists, but not with this method: see docs/api.md");
        else
            conn_error(c, 404, "there is no such path: see docs/api.md");
        return;
    }
    struct vn_request *r = calloc(1, sizeof(*r));
    if (!r) {
        conn_error(c, 503, "out of memory: try again");
        return;
    }
    r->g = g;
    r->conn = c;
    r->route = route;
    r->now_ms = vn_clock_wall_ms();
    r->path_id = path_id;
    c->req = r;
    if (c->realm[0]) {
        if (vn_id_parse(VN_SPAN_STR(c->realm), &r->realm) != VN_OK) {
            vn_request_error(r, 400, "realm must be a realm's id (22 characters): see GET /realms");
            return;
        }
        r->has_realm = true;
    }
    bool ok = authenticate(r, c->bearer);
    vn_wipe(c->bearer, sizeof(c->bearer));
    if (ok && read_body(r, vn_buf_span(&c->body)))
        route->handle(r);
}

/* ---- libwebsockets ---- */

static void conn_reset(struct vn_web_conn *c)
{
    if (c->req)
        c->req->conn = NULL; /* finishes without us */
    c->req = NULL;
    vn_buf_done(&c->body);
    vn_buf_init(&c->body, VN_WEB_BODY_MAX);
    c->receiving = c->too_large = false;
    lws_set_timer_usecs(c->wsi, LWS_SET_TIMER_USEC_CANCEL);
    c->status = 0;
    free(c->out);
    c->out = NULL;
}

static struct vn_web_conn *conn_of(struct lws *wsi, bool make)
{
    struct vn_web_conn *c = lws_get_opaque_user_data(wsi);
    if (!c && make) {
        c = calloc(1, sizeof(*c));
        if (c) {
            c->wsi = wsi;
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

/* The head of a request is there. */
static int on_head(struct vn_web *h, struct lws *wsi, const char *uri, size_t uri_n)
{
    struct vn_web_conn *c = conn_of(wsi, true);
    if (!c)
        return -1;
    conn_reset(c);
    char *unused;
    int unused_n;
    switch (lws_http_get_uri_and_method(wsi, &unused, &unused_n)) {
    case LWSHUMETH_GET:
        c->method = VN_WEB_GET;
        break;
    case LWSHUMETH_POST:
        c->method = VN_WEB_POST;
        break;
    case LWSHUMETH_DELETE:
        c->method = VN_WEB_DELETE;
        break;
    default:
        conn_error(c, 405, "use GET, POST or DELETE");
        return 0;
    }
    if (uri_n >= sizeof(c->path)) {
        conn_error(c, 404, "there is no such path: see docs/api.md");
        return 0;
    }
    memcpy(c->path, uri, uri_n);
    c->path[uri_n] = 0;

    char value[32], auth[sizeof(c->bearer) + 8];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING)) {
        conn_error(c, 411, "send the body with a content-length, not in chunks");
        return 0;
    }
    unsigned long length = 0;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH)) {
        char *end;
        if (!header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, value, sizeof(value)) || !*value ||
            strspn(value, "0123456789") != strlen(value)) {
            conn_error(c, 400, "the content-length is no number: correct it");
            return 0;
        }
        length = strtoul(value, &end, 10);
    }
    /* Closing on unread bytes resets the connection, and the client never sees why. */
    c->too_large = length > VN_WEB_BODY_MAX;
    if (length > DISCARD_MAX) {
        conn_error(c, 413, TOO_LARGE);
        return 0;
    }
    c->bearer[0] = 0;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION)) {
        if (!header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, auth, sizeof(auth)) ||
            strncasecmp(auth, "Bearer ", 7) != 0) {
            conn_error(c, 401, "the authorization header must be \"Bearer\" and a token");
            return 0;
        }
        size_t n = strlen(auth + 7);
        if (n < sizeof(c->bearer))
            memcpy(c->bearer, auth + 7, n + 1);
        vn_wipe(auth, sizeof(auth));
    }
    char arg[64]; /* first "realm=" and its value, then the value alone */
    int arg_n = lws_get_urlarg_by_name_safe(wsi, "realm=", arg, sizeof(arg));
    /* a value too long is cut, and stays no id */
    snprintf(c->realm, sizeof(c->realm), "%.*s", arg_n < 0 ? 0 : (int)sizeof(c->realm) - 1,
             arg_n < 0 ? "" : arg);
    if (length == 0) {
        dispatch(c, h->g);
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
    (void)user;
    struct vn_web *h = lws_context_user(lws_get_context(wsi));
    struct vn_web_conn *c;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return on_head(h, wsi, in, n);
    case LWS_CALLBACK_HTTP_BODY:
        c = conn_of(wsi, false);
        if (c && c->receiving && !c->too_large && vn_buf_append(&c->body, in, n) != VN_OK)
            c->too_large = true;
        return 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        c = conn_of(wsi, false);
        if (c && c->receiving && c->too_large)
            conn_error(c, 413, TOO_LARGE);
        else if (c && c->receiving)
            dispatch(c, h->g);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        c = conn_of(wsi, false);
        return c ? conn_write(c) : 0;
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
        .timeout_secs = VN_WEB_REQUEST_MS / 1000,
        .keepalive_timeout = KEEPALIVE_S,
        .pcontext = &h->context, /* NULL once it is really gone */
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    h->context = lws_create_context(&info);
    if (!h->context) {
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
    free(h);
}

/* ---- what handlers use ---- */

struct job {
    uv_work_t work;
    struct vn_request *r;
    void (*fn)(void *arg);
    void (*done)(struct vn_request *r, void *arg);
    void (*free_fn)(void *arg);
    void *arg;
};

static void job_run(uv_work_t *w)
{
    struct job *j = VN_CONTAINER_OF(w, struct job, work);
    j->fn(j->arg);
}

static void job_done(uv_work_t *w, int status)
{
    struct job *j = VN_CONTAINER_OF(w, struct job, work);
    if (status == UV_ECANCELED) {
        vn_request_error(j->r, 503, "Guardian is stopping: try again in a moment");
        j->free_fn(j->arg);
    } else {
        j->done(j->r, j->arg);
    }
    free(j);
}

void vn_request_work(struct vn_request *r, void (*work)(void *arg),
                     void (*done)(struct vn_request *r, void *arg), void (*free_fn)(void *arg),
                     void *arg)
{
    struct job *j = calloc(1, sizeof(*j));
    if (j) {
        *j = (struct job){.r = r, .fn = work, .done = done, .free_fn = free_fn, .arg = arg};
        if (uv_queue_work(r->g->uv, &j->work, job_run, job_done) == 0)
            return;
        free(j);
    }
    free_fn(arg);
    vn_request_error(r, 503, "Guardian is short of memory: try again in a moment");
}

vn_status vn_request_nonce_new(struct vn_request *r, uint8_t ret[32])
{
    struct vn_web_conn *c = r->conn;
    vn_status st = vn_rng_bytes(c->nonce, sizeof(c->nonce));
    if (st != VN_OK)
        return st;
    c->has_nonce = true;
    c->nonce_until_ms = vn_clock_mono_us() / 1000 + VN_NONCE_LIFE_MS;
    memcpy(ret, c->nonce, sizeof(c->nonce));
    return VN_OK;
}

bool vn_request_nonce_take(struct vn_request *r, const uint8_t nonce[32])
{
    struct vn_web_conn *c = r->conn;
    bool ok = c->has_nonce && vn_clock_mono_us() / 1000 < c->nonce_until_ms &&
              vn_ct_equal(c->nonce, nonce, sizeof(c->nonce));
    c->has_nonce = false;
    vn_wipe(c->nonce, sizeof(c->nonce));
    return ok;
}

vn_status vn_request_binding(struct vn_request *r, uint8_t ret[32])
{
    return vn_tls_binding(lws_get_ssl(r->conn->wsi), ret);
}
