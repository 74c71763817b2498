/* Audit and figures. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "guardian/http.h"
#include "guardian/master.h"
#include "guardian/routes.h"
#include "guardian/store_audit.h"

/* ---- audit ---- */

static json_t *entry_json(const struct vn_audit_entry *e)
{
    return json_pack("{s:I, s:I, s:o, s:s, s:s, s:s, s:s}", "number", (json_int_t)e->number, "at",
                     (json_int_t)e->at_ms, "realm",
                     e->has_realm ? vn_json_id(&e->realm) : json_null(), "actor", e->actor,
                     "action", e->action, "subject", e->subject, "detail", e->detail);
}

static bool add_entry(void *arg, const struct vn_audit_entry *e)
{
    static const struct vn_id none = {{0}};
    return vn_items_add(arg, entry_json(e), e->number, &none);
}

/* A number in the query; 0 when absent. Returns false after answering. */
static bool number(struct vn_request *r, const char *name, uint64_t *ret)
{
    const char *text = vn_request_query(r, name);
    char *end;
    *ret = 0;
    if (!text)
        return true;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    if (!errno && !*end && end != text && text[0] != '-' && *ret <= INT64_MAX)
        return true;
    vn_request_error(r, 400, "%s is a time in milliseconds since 1970", name);
    return false;
}

static void list(struct vn_request *r, const struct vn_id *realm)
{
    struct vn_items l;
    struct vn_audit_filter f = {.realm = realm,
                                .action = vn_request_query(r, "action"),
                                .actor = vn_request_query(r, "actor")};
    if (!number(r, "since", &f.since_ms) || !number(r, "until", &f.until_ms) ||
        !vn_items_begin(r, &l))
        return;
    f.before = l.page.after.at_ms; /* its places are numbers of entries */
    f.limit = l.page.limit;
    vn_status st = vn_store_audit_list(r->g->store, &f, add_entry, &l);
    vn_items_reply(r, &l, st, "audit");
}

void vn_route_audit(struct vn_request *r)
{
    list(r, NULL);
}

void vn_route_realm_audit(struct vn_request *r)
{
    list(r, &r->realm);
}

/* ---- metrics ---- */

/* Prometheus text format 0.0.4: every figure has its HELP and TYPE. */
static void figure(FILE *f, const char *name, const char *type, const char *help, uint64_t value)
{
    fprintf(f,
            "# HELP veilnet_guardian_%s %s\n# TYPE veilnet_guardian_%s %s\n"
            "veilnet_guardian_%s %" PRIu64 "\n",
            name, help, name, type, name, value);
}

static void write_requests(FILE *f, const struct vn_metrics *m)
{
    fputs("# HELP veilnet_guardian_requests_total HTTP requests answered, by class of status\n"
          "# TYPE veilnet_guardian_requests_total counter\n",
          f);
    for (size_t class = 2; class < VN_ARRAY_LEN(m->requests); class ++)
        fprintf(f, "veilnet_guardian_requests_total{status=\"%zuxx\"} %" PRIu64 "\n", class,
                m->requests[class]);
}

static void write_figures(FILE *f, struct vn_guardian *g, const struct vn_store_figures *s)
{
    const struct vn_metrics *m = &g->metrics;
    struct rusage u = {0};
    (void)getrusage(RUSAGE_SELF, &u);
    const uint64_t cpu_ms = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
                            (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
    fprintf(f, "# HELP veilnet_guardian_info Version\n# TYPE veilnet_guardian_info gauge\n"
               "veilnet_guardian_info{version=\"" VN_VERSION "\"} 1\n");
    write_requests(f, m);
    figure(f, "rate_limited_total", "counter", "Requests refused because they came too often",
           m->rate_limited);
    figure(f, "passwords_refused_total", "counter", "Sign-ins with a wrong name or password",
           m->passwords_refused);
    figure(f, "jwts_refused_total", "counter", "JWTs of identity providers that did not count",
           m->jwts_refused);
    figure(f, "session_logins_total", "counter", "Session logins of nodes", m->session_logins);
    figure(f, "session_renewals_total", "counter", "Renewals of sessions", m->session_renewals);
    figure(f, "registrations_total", "counter", "Nodes registered", m->registrations);
    figure(f, "revocation_lists_total", "counter",
           "Lists of revocations sent to all nodes of a realm", m->revocation_lists);
    figure(f, "account_messages_total", "counter",
           "Messages that told Master who is revoked in a realm, and which keys sign there",
           m->account_messages);
    figure(f, "nodes", "gauge", "Nodes that are registered", s->nodes);
    figure(f, "sessions", "gauge", "Nodes whose session has not ended", s->sessions);
    figure(f, "users", "gauge", "Accounts", s->users);
    figure(f, "realms", "gauge", "Realms", s->realms);
    figure(f, "organisations", "gauge", "Organisations", s->orgs);
    figure(f, "revocations", "gauge", "Revocation entries in force", s->revocations);
    figure(f, "master_up", "gauge", "Whether the Master answers", vn_master_is_up(g->master));
    figure(f, "cpu_milliseconds_total", "counter", "Processor time of this process", cpu_ms);
    figure(f, "resident_peak_bytes", "gauge", "Most memory that this process has had",
           (uint64_t)u.ru_maxrss * 1024);
}

void vn_route_metrics(struct vn_request *r)
{
    struct vn_store_figures s;
    char *text = NULL;
    size_t n = 0;
    vn_status st = vn_store_figures(r->g->store, r->now_ms, &s);
    FILE *f = st == VN_OK ? open_memstream(&text, &n) : NULL;
    if (f)
        write_figures(f, r->g, &s);
    bool whole = f && !ferror(f);
    if (f && fclose(f) != 0)
        whole = false;
    if (whole) {
        vn_request_reply_text(r, text);
        return;
    }
    free(text);
    vn_request_fail(r, st == VN_OK ? VN_ERR_NOMEM : st, "metrics");
}
