#include "guardian/dispatch.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/json_alloc.h"
#include "crypto/rng.h"
#include "guardian/ack.h"

#define PROBLEM "application/problem+json"

/* ---- answering ---- */

struct request {
    struct vn_request r;
    /* once answered */
    struct vn_ack ack;
    struct vn_answer answer;
};

static void request_free(struct request *q)
{
    json_decref(q->r.body);
    vn_secret_strp(&q->answer.text); /* may hold credentials */
    vn_wipe(q, sizeof(*q));
    free(q);
}

static void on_disk(struct vn_ack *ack, vn_status st)
{
    struct request *q = VN_CONTAINER_OF(ack, struct request, ack);
    struct vn_web_conn *c = q->r.conn;
    if (st != VN_OK) {
        vn_secret_strp(&q->answer.text);
        q->answer = vn_web_problem(500, "Guardian's disk failed, and Guardian ends: see its log");
    }
    if (c) {
        c->req = NULL;
        c->answer(c, &q->answer);
        q->answer.text = NULL;
    }
    request_free(q);
}

/* Takes the text. Nothing is said to be so before it is on the disk, whoever's doing it is; but who
 * only asks (GET) hears what is so now. */
static void finish(struct vn_request *r, const struct vn_answer *take)
{
    struct request *q = VN_CONTAINER_OF(r, struct request, r);
    q->answer = *take;
    if (r->route->method == VN_WEB_GET)
        on_disk(&q->ack, VN_OK);
    else
        vn_acks_wait(r->g->acks, r->g, &q->ack, on_disk);
}

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } TITLES[] = {
        {400, "Bad Request"},       {401, "Unauthorized"},       {403, "Forbidden"},
        {404, "Not Found"},         {405, "Method Not Allowed"}, {409, "Conflict"},
        {411, "Length Required"},   {413, "Content Too Large"},  {423, "Locked"},
        {429, "Too Many Requests"}, {502, "Bad Gateway"},        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(TITLES); i++)
        if (TITLES[i].status == status)
            return TITLES[i].title;
    return "Internal Server Error";
}

/* RFC 9457. NULL: detail is no UTF-8, or out of memory. */
static json_t *problem(unsigned status, const char *detail)
{
    return json_pack("{s:s, s:i, s:s}", "title", title_of(status), "status", (int)status, "detail",
                     detail);
}

struct vn_answer vn_web_problem(unsigned status, const char *detail)
{
    VN_CLEANUP(vn_json_freep) json_t *o = problem(status, detail);
    return (struct vn_answer){
        .status = status, .type = PROBLEM, .text = o ? vn_json_dump(o, JSON_COMPACT) : NULL};
}

static void answer_problem(struct vn_request *r, unsigned status, const char *detail,
                           unsigned retry_after_s)
{
    const unsigned failures = vn_json_failures();
    struct vn_answer a = vn_web_problem(status, detail);
    /* What the caller sent may be quoted in it; jansson refuses text that is no UTF-8. */
    if (!a.text && vn_json_failures() == failures)
        a = vn_web_problem(status, "the request holds text that is not UTF-8: correct it");
    a.retry_after_s = retry_after_s;
    finish(r, &a);
}

void vn_request_reply(struct vn_request *r, unsigned status, json_t *take_body)
{
    VN_CLEANUP(vn_json_freep) json_t *body = take_body;
    struct vn_answer a = {.status = status, .type = "application/json"};
    if (status != 204) {
        /* jansson leaves out what did not fit: half an answer is none */
        if (body && !r->json_lost && r->json_failures == vn_json_failures())
            a.text = vn_json_dump(body, JSON_COMPACT);
        if (!a.text) {
            vn_request_fail(r, VN_ERR_NOMEM, "answer");
            return;
        }
    }
    finish(r, &a);
}

void vn_request_reply_text(struct vn_request *r, char *take_text)
{
    finish(r, &(struct vn_answer){.status = 200, .type = r->route->media, .text = take_text});
}

void vn_request_error(struct vn_request *r, unsigned status, const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    vn_json_text_whole(detail); /* what it quotes may have been cut */
    answer_problem(r, status, detail, 0);
}

void vn_request_later(struct vn_request *r, unsigned retry_after_s, const char *detail)
{
    answer_problem(r, 429, detail, retry_after_s);
}

void vn_request_fail(struct vn_request *r, vn_status st, const char *what)
{
    vn_log(VN_LOG_ERROR, "request_failed", VN_KV_U64("request", r->number), VN_KV_STR("what", what),
           VN_KV_STATUS(st));
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
    default:
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

/* ---- dispatch ---- */

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

/* Returns false after answering. */
static bool read_query(struct vn_request *r)
{
    const struct vn_query_param *list = r->route->query;
    for (const char *p = r->query; *p; p += strlen(p) + 1) {
        const size_t n = strcspn(p, "=");
        const struct vn_query_param *q = list;
        while (q && q->name && (strlen(q->name) != n || strncmp(q->name, p, n) != 0))
            q++;
        if (!q || !q->name) {
            vn_request_error(r, 400, "this endpoint has no parameter \"%.*s\": leave it out",
                             (int)VN_MIN(n, (size_t)40), p);
            return false;
        }
    }
    for (const struct vn_query_param *q = list; q && q->name; q++) {
        if (q->required && !vn_request_query(r, q->name)) {
            vn_request_error(r, 400, "say which %s: ?%s=…", q->name, q->name);
            return false;
        }
    }
    const char *realm = vn_request_query(r, "realm");
    if (realm && vn_id_parse(VN_SPAN_STR(realm), &r->realm) != VN_OK) {
        vn_request_error(r, 400, "realm must be a realm's id (22 characters): see GET /realms");
        return false;
    }
    return true;
}

/* Who pays for the request: the one that the token names, or the address. */
static struct vn_span payer(struct vn_request *r, struct vn_ip *room)
{
    switch (r->route->role) {
    case VN_WEB_REGISTRATION:
        return VN_SPAN_ARRAY(r->registration.id.b);
    case VN_WEB_CONFLUX:
        return VN_SPAN_ARRAY(r->conflux.id.b);
    case VN_WEB_PUBLIC:
        break;
    default:
        return VN_SPAN_ARRAY(r->user.id.b);
    }
    if (vn_request_peer(r, room) != VN_OK)
        memset(room, 0, sizeof(*room));
    return VN_SPAN(room->b, vn_ip_is_v4(room) ? sizeof(room->b) : 8);
}

/* Returns false after answering. */
static bool within_rate(struct vn_request *r, struct vn_rates *rates)
{
    struct vn_ip room;
    const struct vn_span who = payer(r, &room);
    const struct vn_id nobody = {{0}};
    if (vn_span_equal(who, VN_SPAN_ARRAY(nobody.b))) /* Guardian's own host */
        return true;
    unsigned wait_s = vn_rates_take(rates, r->route->rate, who, vn_clock_mono_us() / 1000);
    if (!wait_s)
        return true;
    r->g->metrics.rate_limited++;
    vn_request_later(r, wait_s, "you ask too often: wait as long as Retry-After says");
    return false;
}

/* Who may not, does not learn what the body should have been. Returns false after answering. */
static bool check(struct vn_request *r, struct vn_span body)
{
    return r->route->on == VN_ON_REALM_BODY ? read_body(r, body) && vn_request_authorize(r)
                                            : vn_request_authorize(r) && read_body(r, body);
}

/* NULL after answering. */
static struct vn_request *new_request(struct vn_web_conn *c)
{
    struct request *q = calloc(1, sizeof(*q));
    if (q)
        return &q->r;
    const struct vn_answer a = vn_web_problem(503, "out of memory: try again");
    c->answer(c, &a);
    return NULL;
}

void vn_web_dispatch(struct vn_guardian *g, struct vn_rates *rates, struct vn_web_conn *c,
                     const struct vn_web_call *call)
{
    struct vn_request *r = new_request(c);
    if (!r)
        return;
    r->g = g;
    r->conn = c;
    r->route = call->route;
    r->number = c->number;
    r->now_ms = vn_clock_wall_ms();
    vn_json_begin();
    r->json_failures = vn_json_failures();
    memcpy(r->path_id, call->path_id, sizeof(r->path_id));
    memcpy(r->query, call->query, sizeof(r->query));
    c->req = r;
    if (vn_request_authenticate(r, call->bearer) && within_rate(r, rates) && read_query(r) &&
        check(r, call->body))
        r->route->handle(r);
}

void vn_web_dispatch_part(struct vn_request *whole, struct vn_web_conn *c,
                          const struct vn_conflux_record *node, json_t *body,
                          void (*handle)(struct vn_request *r))
{
    struct vn_request *r = new_request(c);
    if (!r)
        return;
    *r = *whole;
    r->conn = c;
    r->body = json_incref(body);
    r->conflux = *node;
    r->now_ms = vn_clock_wall_ms();
    r->json_failures = vn_json_failures();
    r->json_lost = false;
    c->req = r;
    handle(r);
}

void vn_web_forget(struct vn_web_conn *c)
{
    if (c->req)
        c->req->conn = NULL; /* finishes without us */
    c->req = NULL;
}

/* ---- what handlers use ---- */

struct job {
    uv_work_t work;
    struct vn_request *r;
    void (*fn)(void *arg);
    void (*done)(struct vn_request *r, void *arg);
    void (*free_fn)(void *arg);
    void *arg;
    bool json_lost;
};

static void job_run(uv_work_t *w)
{
    struct job *j = VN_CONTAINER_OF(w, struct job, work);
    const unsigned before = vn_json_failures();
    j->fn(j->arg);
    j->json_lost = vn_json_failures() != before;
}

static void job_done(uv_work_t *w, int status)
{
    struct job *j = VN_CONTAINER_OF(w, struct job, work);
    if (status == UV_ECANCELED) {
        vn_request_error(j->r, 503, "Guardian is stopping: try again in a moment");
        j->free_fn(j->arg);
    } else {
        j->r->json_failures = vn_json_failures(); /* others' may have failed meanwhile */
        j->r->json_lost = j->json_lost;
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
    return r->conn->binding(r->conn, ret);
}

vn_status vn_request_peer(struct vn_request *r, struct vn_ip *ret)
{
    return r->conn ? r->conn->peer(r->conn, ret) : VN_ERR_STATE;
}
