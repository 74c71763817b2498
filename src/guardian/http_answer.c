#include "guardian/http_conn.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

#define CHUNKS_AT_ONCE 16 /* then others get their turn */
#define HEAD_MAX 512

/* One line a request. The route, not the path: who asks writes that as they like. */
static void log_request(const struct vn_http_conn *c)
{
    static const char *const METHODS[] = {
        [VN_WEB_GET] = "GET", [VN_WEB_POST] = "POST", [VN_WEB_DELETE] = "DELETE"};
    vn_log(VN_LOG_DEBUG, "request", VN_KV_U64("request", c->web.number),
           VN_KV_STR("method", c->route ? METHODS[c->route->method] : "other"),
           VN_KV_STR("route", c->route ? c->route->path : "other"), VN_KV_U64("code", c->status),
           VN_KV_U64("took_us", vn_clock_mono_us() - c->began_us));
}

void vn_http_answer(struct vn_web_conn *web, const struct vn_answer *take)
{
    struct vn_http_conn *c = VN_CONTAINER_OF(web, struct vn_http_conn, web);
    VN_CLEANUP(vn_secret_strp) char *text = take->text; /* may hold credentials */
    size_t n = text ? strlen(text) : 0;
    c->status = take->status;
    c->type = take->type;
    c->retry_after_s = take->retry_after_s;
    c->receiving = false;
    c->head_made = false;
    c->body_n = 0;
    free(c->out);
    c->out = n ? malloc(LWS_PRE + HEAD_MAX + n) : NULL;
    if (c->out) {
        memcpy(c->out + LWS_PRE + HEAD_MAX, text, n);
        c->body_n = n;
    } else if (n && c->status < 300) {
        c->status = 503; /* without a word, but not "all is well" without what was asked for */
    }
    c->metrics->requests[VN_MIN(c->status / 100, 5u)]++;
    log_request(c);
    lws_set_timer_usecs(c->wsi, LWS_SET_TIMER_USEC_CANCEL);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, VN_WEB_ANSWER_S);
    lws_callback_on_writable(c->wsi);
}

void vn_http_refuse(struct vn_http_conn *c, unsigned status, const char *detail)
{
    const struct vn_answer a = vn_web_problem(status, detail);
    c->close_after = true;
    vn_http_answer(&c->web, &a);
}

/* Returns its length, or 0. */
static size_t make_head(struct vn_http_conn *c, uint8_t ret[HEAD_MAX])
{
    static const uint8_t NO_STORE[] = "no-store", CLOSE[] = "close";
    uint8_t *p = ret, *end = ret + HEAD_MAX - 1;
    char length[24], later[12], number[24];
    int number_n = snprintf(number, sizeof(number), "%" PRIu64, c->web.number);
    int length_n = snprintf(length, sizeof(length), "%zu", c->body_n);
    int later_n = snprintf(later, sizeof(later), "%u", c->retry_after_s);
    if (lws_add_http_header_status(c->wsi, c->status, &p, end) ||
        lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, NO_STORE,
                                     sizeof(NO_STORE) - 1, &p, end) ||
        lws_add_http_header_by_name(
            c->wsi, (const uint8_t *)"x-request-id:", (const uint8_t *)number, number_n, &p, end) ||
        (c->close_after && lws_add_http_header_by_token(c->wsi, WSI_TOKEN_CONNECTION, CLOSE,
                                                        sizeof(CLOSE) - 1, &p, end)) ||
        (c->retry_after_s &&
         lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_RETRY_AFTER, (const uint8_t *)later,
                                      later_n, &p, end)) ||
        /* RFC 9110 section 8.6: a 204 has no content-length */
        (c->status != 204 &&
         (lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_TYPE,
                                       (const uint8_t *)c->type, (int)strlen(c->type), &p, end) ||
          lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH,
                                       (const uint8_t *)length, length_n, &p, end))) ||
        lws_finalize_http_header(c->wsi, &p, end))
        return 0;
    return (size_t)(p - ret);
}

/* Returns nonzero when the connection shall end. */
static int answered(struct vn_http_conn *c)
{
    c->status = 0;
    if (c->out)
        vn_wipe(c->out + LWS_PRE + HEAD_MAX, c->body_n);
    free(c->out);
    c->out = NULL;
    if (c->close_after)
        return -1;
    return lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* A head without a body. Returns nonzero when the connection shall end. */
static int write_head(struct vn_http_conn *c)
{
    uint8_t buf[LWS_PRE + HEAD_MAX];
    const size_t n = make_head(c, buf + LWS_PRE);
    if (!n || lws_write(c->wsi, buf + LWS_PRE, n, LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    return answered(c);
}

/*
 * As few records as there can be: each is a system call and wakes who reads it, and each wait for
 * room costs a turn of the loop and some more.
 */
int vn_http_write(struct vn_http_conn *c)
{
    if (!c->status)
        return 0;
    if (!c->out)
        return write_head(c);
    uint8_t *const whole = c->out + LWS_PRE; /* HEAD_MAX, then the body */
    if (!c->head_made) {
        uint8_t head[HEAD_MAX];
        const size_t n = make_head(c, head);
        if (!n)
            return -1;
        memcpy(whole + HEAD_MAX - n, head, n);
        c->out_sent = HEAD_MAX - n;
        c->head_made = true;
    }
    for (int i = 0; i < CHUNKS_AT_ONCE; i++) {
        const size_t left = HEAD_MAX + c->body_n - c->out_sent,
                     n = VN_MIN(left, (size_t)VN_HTTP_CHUNK);
        /* lws may scribble on the LWS_PRE bytes before: those were sent already */
        if (lws_write(c->wsi, whole + c->out_sent, n,
                      n == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
            return -1;
        c->out_sent += n;
        if (n == left)
            return answered(c);
        if (lws_send_pipe_choked(c->wsi))
            break;
    }
    lws_callback_on_writable(c->wsi);
    return 0;
}
