/* audit: reads the store; --json is the export, one entry a line. */
#include <stdio.h>

#include "base/clock.h"
#include "guardian/cmd_admin.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/options.h"
#include "guardian/store_audit.h"

static bool print_json(void *arg, const struct vn_audit_entry *e)
{
    (void)arg;
    json_t *o = json_pack("{s:I, s:I, s:o, s:s, s:s, s:s, s:s}", "number", (json_int_t)e->number,
                          "at", (json_int_t)e->at_ms, "realm",
                          e->has_realm ? vn_json_id(&e->realm) : json_null(), "actor", e->actor,
                          "action", e->action, "subject", e->subject, "detail", e->detail);
    const bool ok = o && json_dumpf(o, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(o);
    return ok;
}

static bool print_line(void *arg, const struct vn_audit_entry *e)
{
    (void)arg;
    vn_admin_print_time(e->at_ms);
    const char *const WORDS[] = {e->actor, e->action, e->subject, e->detail};
    for (size_t i = 0; i < VN_ARRAY_LEN(WORDS); i++) {
        fputs("  ", stdout);
        vn_print_text(stdout, WORDS[i]);
    }
    putchar('\n');
    return true;
}

int vn_cmd_audit(int argc, char **argv)
{
    struct vn_admin c = {0};
    struct vn_audit_filter f = {.limit = 0};
    const char *since = NULL;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--since", &since, NULL},
                                        {"--action", &f.action, NULL},
                                        {"--actor", &f.actor, NULL},
                                        {"--json", NULL, &c.json},
                                        {0}};
    uint64_t since_s = 0;
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (since && vn_duration_parse(since, &since_s) != VN_OK)
        return vn_admin_usage("--since is a duration, such as 24h or 7d");
    int code = vn_admin_begin(&c, c.realm != NULL);
    const uint64_t now_ms = vn_clock_wall_ms();
    if (since && since_s < now_ms / 1000)
        f.since_ms = now_ms - since_s * 1000;
    if (c.realm)
        f.realm = &c.realm_id;
    if (!code &&
        vn_store_audit_list(c.g.store, &f, c.json ? print_json : print_line, NULL) != VN_OK)
        code = vn_die("cannot read the store");
    vn_admin_finish(&c);
    return code;
}
