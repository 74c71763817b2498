#include "guardian/providers.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "control/json_read.h"

struct entry {
    struct vn_list link; /* the one used last is the last */
    struct vn_providers *p;
    char *url;
    bool is_document;
    struct vn_jwks *keys; /* NULL: none yet */
    json_t *doc;          /* likewise */
    uint64_t good_until_ms, fetched_ms, failed_ms;
    vn_status failed; /* VN_OK: the last fetch was good, or there was none */
    char why[VN_HTTP_DETAIL + 96];
    struct vn_http_call *call; /* under way */
    struct vn_list waiters;
};

struct waiter {
    struct vn_list link;
    /* one of them */
    void (*keys_fn)(void *arg, vn_status st, const struct vn_jwks *keys, const char *why);
    void (*doc_fn)(void *arg, vn_status st, const json_t *doc, const char *why);
    void *arg;
};

struct question {
    struct vn_list link;
    struct vn_providers *p;
    struct vn_http_call *call;
    void (*fn)(void *arg, const struct vn_http_response *res);
    void *arg;
};

struct vn_providers {
    const struct vn_io *io;
    struct vn_http *http;
    struct vn_list entries, questions;
    size_t entry_count, waiter_count;
};

/* ---- where ---- */

/* RFC 6890 and what carries IPv4 addresses inside: NAT64, 6to4, Teredo. */
static bool is_special(const struct vn_ip *ip)
{
    static const char *const SPECIAL[] = {
        "192.0.0.0/24",   "192.0.2.0/24",  "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "192.88.99.0/24", "::/96",         "64:ff9b::/96",  "64:ff9b:1::/48",  "100::/64",
        "2001::/23",      "2001:db8::/32", "2002::/16",     "fec0::/10",       "5f00::/16",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(SPECIAL); i++) {
        struct vn_prefix p;
        if (vn_prefix_parse(SPECIAL[i], &p) == VN_OK && vn_prefix_contains(&p, ip))
            return true;
    }
    return false;
}

bool vn_provider_may_connect(void *arg, const struct vn_ip *ip)
{
    const struct vn_provider_config *cfg = arg;
    for (size_t i = 0; i < cfg->network_count; i++)
        if (vn_prefix_contains(&cfg->networks[i], ip))
            return true;
    return !vn_ip_is_private(ip) && vn_ip_is_host(ip) && !is_special(ip);
}

bool vn_provider_url_valid(const char *url, size_t max)
{
    static const char SCHEME[] = "https://";
    const size_t n = strnlen(url, max + 1), scheme = sizeof(SCHEME) - 1;
    if (n > max || strncmp(url, SCHEME, scheme) != 0 || strpbrk(url, "#\\ \""))
        return false;
    for (const char *p = url; *p; p++)
        if (*p < 0x21 || *p > 0x7e)
            return false;
    const size_t host = strcspn(url + scheme, "/?");
    return host > 0 && !memchr(url + scheme, '@', host);
}

/* ---- waiting ---- */

static uint64_t now_ms(const struct vn_providers *p)
{
    return p->io->now_us(p->io->self) / 1000;
}

static bool is_good(const struct entry *e)
{
    return (e->keys || e->doc) && now_ms(e->p) < e->good_until_ms;
}

static void answer(const struct waiter *w, const struct entry *e, vn_status st, const char *why)
{
    const bool ok = st == VN_OK;
    if (w->keys_fn)
        w->keys_fn(w->arg, st, ok ? e->keys : NULL, ok ? NULL : why);
    else
        w->doc_fn(w->arg, st, ok ? e->doc : NULL, ok ? NULL : why);
}

/* Those who came meanwhile wait for the next one. */
static void answer_all(struct entry *e, vn_status st)
{
    struct vn_list now;
    vn_list_init(&now);
    VN_LIST_EACH(it, &e->waiters)
    {
        vn_list_remove(it);
        vn_list_append(&now, it);
    }
    while (!vn_list_empty(&now)) {
        struct waiter *w = VN_LIST_ENTRY(now.next, struct waiter, link);
        vn_list_remove(&w->link);
        e->p->waiter_count--;
        answer(w, e, st, e->why);
        free(w);
    }
}

static vn_status take_answer(struct entry *e, const struct vn_http_response *res)
{
    struct vn_jwks *keys = NULL;
    json_t *doc = NULL;
    if (res->status != VN_OK) {
        const bool private = res->status == VN_ERR_DENIED;
        snprintf(e->why, sizeof(e->why), "%s%s", res->detail,
                 private ? ": name the network with veilnet-guardian run --provider-networks" : "");
        return res->status == VN_ERR_LIMIT ? VN_ERR_MALFORMED : res->status;
    }
    if (res->code != 200) {
        const bool elsewhere = res->code >= 300 && res->code < 400;
        snprintf(e->why, sizeof(e->why), "it answers with the status %ld%s", res->code,
                 elsewhere ? ", and redirects are not followed: configure the address it points to"
                           : "");
        return VN_ERR_AGAIN;
    }
    vn_status st = VN_OK;
    if (!e->is_document)
        st = vn_jwks_parse(res->body, &keys);
    else if (!(doc = vn_jread_parse(res->body)))
        st = vn_jread_why();
    if (st != VN_OK) {
        snprintf(e->why, sizeof(e->why), "its answer is no %s (%s)",
                 e->is_document ? "JSON object" : "set of keys", vn_status_name(st));
        return st == VN_ERR_NOMEM ? st : VN_ERR_MALFORMED;
    }
    const uint64_t wish_ms =
        res->max_age_s < 0 ? VN_JWKS_KEEP_DEFAULT_MS : (uint64_t)res->max_age_s * 1000;
    vn_jwks_free(e->keys);
    json_decref(e->doc);
    e->keys = keys;
    e->doc = doc;
    e->good_until_ms = now_ms(e->p) + VN_MIN(VN_MAX(wish_ms, (uint64_t)VN_JWKS_KEEP_MIN_MS),
                                             (uint64_t)VN_JWKS_KEEP_MAX_MS);
    return VN_OK;
}

static void on_answer(void *arg, const struct vn_http_response *res)
{
    struct entry *e = arg;
    e->call = NULL;
    e->failed = take_answer(e, res);
    if (e->failed == VN_OK) {
        vn_log(VN_LOG_INFO, "provider_answered", VN_KV_STR("url", e->url),
               VN_KV_U64("keys", e->keys ? vn_jwks_count(e->keys) : 0));
    } else {
        e->failed_ms = now_ms(e->p);
        vn_log(VN_LOG_WARN, "provider_failed", VN_KV_STR("url", e->url),
               VN_KV_STR("error", e->why));
    }
    /* A set that is good still is not given up for a failure. */
    answer_all(e, is_good(e) ? VN_OK : e->failed);
}

static void fetch(struct entry *e)
{
    const struct vn_http_request req = {.method = "GET", .url = e->url};
    e->fetched_ms = now_ms(e->p);
    vn_status st = vn_http_start(e->p->http, &req, on_answer, e, &e->call);
    if (st == VN_OK)
        return;
    e->call = NULL;
    snprintf(e->why, sizeof(e->why), "Guardian is short of memory");
    answer_all(e, st);
}

/* ---- what is kept ---- */

static void entry_free(struct entry *e)
{
    vn_list_remove(&e->link);
    e->p->entry_count--;
    vn_http_cancel(e->call);
    vn_jwks_free(e->keys);
    json_decref(e->doc);
    free(e->url);
    free(e);
}

static struct entry *find(struct vn_providers *p, const char *url, bool is_document)
{
    struct entry *oldest = NULL, *e = NULL;
    VN_LIST_EACH(it, &p->entries)
    {
        e = VN_LIST_ENTRY(it, struct entry, link);
        if (e->is_document == is_document && strcmp(e->url, url) == 0) {
            vn_list_remove(it);
            vn_list_append(&p->entries, it);
            return e;
        }
        if (!oldest && !e->call && vn_list_empty(&e->waiters))
            oldest = e;
    }
    if (p->entry_count >= VN_PROVIDER_URLS_MAX) {
        if (!oldest)
            return NULL;
        entry_free(oldest);
    }
    e = calloc(1, sizeof(*e));
    if (!e || !(e->url = strdup(url))) {
        free(e);
        return NULL;
    }
    e->p = p;
    e->is_document = is_document;
    vn_list_init(&e->waiters);
    vn_list_append(&p->entries, &e->link);
    p->entry_count++;
    return e;
}

/* kid NULL: what is kept will do. */
static void wait_for(struct vn_providers *p, const char *url, const char *kid,
                     const struct waiter *wish)
{
    struct entry *e = find(p, url, !wish->keys_fn);
    if (!e || p->waiter_count >= VN_PROVIDER_WAITERS_MAX) {
        answer(wish, e, VN_ERR_LIMIT,
               "too many wait for identity providers: try again in a moment");
        return;
    }
    const uint64_t now = now_ms(p);
    if (is_good(e) &&
        (!kid || vn_jwks_has(e->keys, kid) || now < e->fetched_ms + VN_JWKS_AGAIN_MS)) {
        answer(wish, e, VN_OK, NULL);
        return;
    }
    if (!e->call && e->failed != VN_OK && now < e->failed_ms + VN_JWKS_FAILED_AGAIN_MS) {
        answer(wish, e, is_good(e) ? VN_OK : e->failed, e->why);
        return;
    }
    struct waiter *w = malloc(sizeof(*w));
    if (!w) {
        answer(wish, e, VN_ERR_NOMEM, "Guardian is short of memory");
        return;
    }
    *w = *wish;
    vn_list_append(&e->waiters, &w->link);
    p->waiter_count++;
    if (!e->call)
        fetch(e);
}

void vn_providers_keys(struct vn_providers *p, const char *url, const char *kid,
                       void (*fn)(void *arg, vn_status st, const struct vn_jwks *keys,
                                  const char *why),
                       void *arg)
{
    wait_for(p, url, kid[0] ? kid : NULL, &(struct waiter){.keys_fn = fn, .arg = arg});
}

void vn_providers_document(struct vn_providers *p, const char *url,
                           void (*fn)(void *arg, vn_status st, const json_t *doc, const char *why),
                           void *arg)
{
    wait_for(p, url, NULL, &(struct waiter){.doc_fn = fn, .arg = arg});
}

/* ---- other requests ---- */

static void end_question(struct question *q, const struct vn_http_response *res)
{
    vn_list_remove(&q->link);
    q->p->waiter_count--;
    q->fn(q->arg, res);
    free(q);
}

static void on_reply(void *arg, const struct vn_http_response *res)
{
    end_question(arg, res);
}

void vn_providers_ask(struct vn_providers *p, const struct vn_http_request *req,
                      void (*fn)(void *arg, const struct vn_http_response *res), void *arg)
{
    struct vn_http_response none = {.status = VN_ERR_LIMIT,
                                    .detail = "too many wait for identity providers: try again "
                                              "in a moment"};
    struct question *q = p->waiter_count < VN_PROVIDER_WAITERS_MAX ? calloc(1, sizeof(*q)) : NULL;
    if (!q) {
        fn(arg, &none);
        return;
    }
    *q = (struct question){.p = p, .fn = fn, .arg = arg};
    vn_list_append(&p->questions, &q->link);
    p->waiter_count++;
    none.status = vn_http_start(p->http, req, on_reply, q, &q->call);
    if (none.status != VN_OK)
        end_question(q, &none);
}

vn_status vn_providers_new(const struct vn_io *io, const struct vn_provider_config *cfg,
                           struct vn_providers **ret)
{
    struct vn_providers *p = calloc(1, sizeof(*p));
    if (!p)
        return VN_ERR_NOMEM;
    const struct vn_http_config http = {
        .tls12 = true,
        .ca_pem = cfg->ca_pem,
        .body_max = VN_JWKS_BYTES_MAX,
        .timeout_ms = VN_PROVIDER_TIMEOUT_MS,
        .may_connect = vn_provider_may_connect,
        .may_connect_arg = (void *)(uintptr_t)cfg,
    };
    p->io = io;
    vn_list_init(&p->entries);
    vn_list_init(&p->questions);
    vn_status st = vn_http_new(io, &http, &p->http);
    if (st == VN_OK)
        *ret = p;
    else
        free(p);
    return st;
}

struct vn_providers *vn_providers_free(struct vn_providers *p)
{
    if (!p)
        return NULL;
    const struct vn_http_response none = {.status = VN_ERR_STATE,
                                          .detail = "Guardian is stopping: try again in a moment"};
    while (!vn_list_empty(&p->questions)) {
        struct question *q = VN_LIST_ENTRY(p->questions.next, struct question, link);
        vn_http_cancel(q->call);
        end_question(q, &none);
    }
    while (!vn_list_empty(&p->entries)) {
        struct entry *e = VN_LIST_ENTRY(p->entries.next, struct entry, link);
        snprintf(e->why, sizeof(e->why), "Guardian is stopping: try again in a moment");
        answer_all(e, VN_ERR_STATE);
        entry_free(e);
    }
    vn_http_free(p->http);
    free(p);
    return NULL;
}
