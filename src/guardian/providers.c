#include "guardian/providers.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"

struct entry {
    struct vn_list link; /* the one used last is the last */
    struct vn_providers *p;
    char *url;
    struct vn_jwks *keys; /* NULL: none yet */
    uint64_t good_until_ms, fetched_ms, failed_ms;
    vn_status failed; /* VN_OK: the last fetch was good, or there was none */
    char why[VN_HTTP_DETAIL + 96];
    struct vn_http_call *call; /* under way */
    struct vn_list waiters;
};

struct waiter {
    struct vn_list link;
    void (*fn)(void *arg, vn_status st, const struct vn_jwks *keys, const char *why);
    void *arg;
};

struct vn_providers {
    const struct vn_io *io;
    struct vn_http *http;
    struct vn_list entries;
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
    return e->keys && now_ms(e->p) < e->good_until_ms;
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
        w->fn(w->arg, st, st == VN_OK ? e->keys : NULL, st == VN_OK ? NULL : e->why);
        free(w);
    }
}

static vn_status take_keys(struct entry *e, const struct vn_http_response *res)
{
    struct vn_jwks *keys = NULL;
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
    vn_status st = vn_jwks_parse(res->body, &keys);
    if (st != VN_OK) {
        snprintf(e->why, sizeof(e->why), "its answer is no set of keys (%s)", vn_status_name(st));
        return st == VN_ERR_NOMEM ? st : VN_ERR_MALFORMED;
    }
    const uint64_t wish_ms =
        res->max_age_s < 0 ? VN_JWKS_KEEP_DEFAULT_MS : (uint64_t)res->max_age_s * 1000;
    vn_jwks_free(e->keys);
    e->keys = keys;
    e->good_until_ms = now_ms(e->p) + VN_MIN(VN_MAX(wish_ms, (uint64_t)VN_JWKS_KEEP_MIN_MS),
                                             (uint64_t)VN_JWKS_KEEP_MAX_MS);
    return VN_OK;
}

static void on_answer(void *arg, const struct vn_http_response *res)
{
    struct entry *e = arg;
    e->call = NULL;
    e->failed = take_keys(e, res);
    if (e->failed == VN_OK) {
        vn_log(VN_LOG_INFO, "provider_keys", VN_KV_STR("url", e->url),
               VN_KV_U64("keys", vn_jwks_count(e->keys)));
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
    free(e->url);
    free(e);
}

static struct entry *find(struct vn_providers *p, const char *url)
{
    struct entry *oldest = NULL, *e = NULL;
    VN_LIST_EACH(it, &p->entries)
    {
        e = VN_LIST_ENTRY(it, struct entry, link);
        if (strcmp(e->url, url) == 0) {
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
    vn_list_init(&e->waiters);
    vn_list_append(&p->entries, &e->link);
    p->entry_count++;
    return e;
}

void vn_providers_keys(struct vn_providers *p, const char *url, const char *kid,
                       void (*fn)(void *arg, vn_status st, const struct vn_jwks *keys,
                                  const char *why),
                       void *arg)
{
    struct entry *e = find(p, url);
    if (!e || p->waiter_count >= VN_PROVIDER_WAITERS_MAX) {
        fn(arg, VN_ERR_LIMIT, NULL, "too many wait for identity providers: try again in a moment");
        return;
    }
    const uint64_t now = now_ms(p);
    if (is_good(e) &&
        (!kid[0] || vn_jwks_has(e->keys, kid) || now < e->fetched_ms + VN_JWKS_AGAIN_MS)) {
        fn(arg, VN_OK, e->keys, NULL);
        return;
    }
    if (!e->call && e->failed != VN_OK && now < e->failed_ms + VN_JWKS_FAILED_AGAIN_MS) {
        if (is_good(e))
            fn(arg, VN_OK, e->keys, NULL);
        else
            fn(arg, e->failed, NULL, e->why);
        return;
    }
    struct waiter *w = malloc(sizeof(*w));
    if (!w) {
        fn(arg, VN_ERR_NOMEM, NULL, "Guardian is short of memory");
        return;
    }
    *w = (struct waiter){.fn = fn, .arg = arg};
    vn_list_append(&e->waiters, &w->link);
    p->waiter_count++;
    if (!e->call)
        fetch(e);
}

struct vn_http *vn_providers_http(struct vn_providers *p)
{
    return p->http;
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
