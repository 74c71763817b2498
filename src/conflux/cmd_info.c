#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "conflux/cli.h"
#include "core/commands.h"

/* Prints what an object holds, one member a line. */
static int show(const struct vn_cli *c, json_t *o)
{
    if (c->o.json)
        return vn_cli_print(o);
    const char *key;
    json_t *v;
    json_object_foreach(o, key, v)
    {
        if (json_is_integer(v)) {
            printf("%-14s %lld\n", key, (long long)json_integer_value(v));
        } else if (json_is_boolean(v)) {
            printf("%-14s %s\n", key, json_is_true(v) ? "yes" : "no");
        } else if (json_is_array(v)) {
            printf("%-14s", key);
            for (size_t i = 0; i < json_array_size(v); i++)
                printf(" %s", json_string_value(json_array_get(v, i)));
            putchar('\n');
        } else {
            printf("%-14s %s\n", key, json_is_string(v) ? json_string_value(v) : "");
        }
    }
    json_decref(o);
    return VN_EXIT_OK;
}

/* From the disk alone: also when nothing runs. */
static json_t *conflux(const struct vn_cli *c, const struct vn_conflux_config *cfg)
{
    char id[VN_ID_TEXT], run[VN_PATH_MAX + 64];
    json_t *urls = json_array();
    vn_id_format(&cfg->conflux_id, id);
    vn_cli_run_line(c, run, sizeof(run));
    for (size_t i = 0; i < cfg->guardian.url_count; i++)
        json_array_append_new(urls, json_string(cfg->guardian.urls[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:s, s:i, s:I, s:s, s:s, s:s, s:s}", "conflux", id,
                     "tag", cfg->tag, "realm", cfg->realm_name, "guardian", urls, "pinned",
                     cfg->guardian.pinned, "interface",
                     cfg->interface[0] ? cfg->interface : "veilnet", "mtu",
                     cfg->mtu_bytes ? cfg->mtu_bytes : 1500, "idle_ms",
                     (json_int_t)(cfg->idle_ms ? cfg->idle_ms : VN_IDLE_MS), "candidates",
                     vn_candidate_filter_name(cfg->candidates), "not_over", cfg->not_over,
                     "state_dir", c->state_dir, "run", run);
}

static json_t *id(const Vn__Local__Status *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I}", "node", s->node, "conflux", s->conflux,
                     "tag", s->tag, "ip4", s->ip4, "ip6", s->ip6, "taints",
                     vn_cli_strings(s->taints, s->n_taints), "expires_at",
                     (json_int_t)s->expires_ms);
}

static json_t *realm(const Vn__Local__Status *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", s->realm, "name", s->realm_name,
                     "suite", s->suite, "access", s->access, "ipv4", s->ipv4_range, "ipv6",
                     s->ipv6_range);
}

static json_t *veil(const Vn__Local__Status *s)
{
    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "masters",
                     vn_cli_strings(s->masters, s->n_masters), "control", s->control, "master",
                     s->master, "reason", s->control_reason, "guardian", s->guardian,
                     "guardian_error", s->guardian_error);
}

int vn_cmd_info(struct vn_cli *c)
{
    const char *what = c->o.word_count ? c->o.words[0] : "conflux";
    int code;
    if (c->o.word_count > 1)
        return vn_cli_fail(c, VN_EXIT_USAGE, "one of conflux, id, realm, veil");
    if (strcmp(what, "conflux") == 0) {
        VN_CLEANUP(vn_config_wipe) struct vn_conflux_config cfg;
        code = vn_cli_config(c, &cfg);
        return code == VN_EXIT_OK ? show(c, conflux(c, &cfg)) : code;
    }
    json_t *(*part)(const Vn__Local__Status *s) = strcmp(what, "id") == 0      ? id
                                                  : strcmp(what, "realm") == 0 ? realm
                                                  : strcmp(what, "veil") == 0  ? veil
                                                                               : NULL;
    if (!part)
        return vn_cli_fail(c, VN_EXIT_USAGE,
                           "there is no '%s' to tell about: conflux, id, realm, veil", what);
    Vn__Local__Response *r = vn_cli_status(c, false, &code);
    if (!r)
        return code;
    json_t *o = part(r->status);
    vn__local__response__free_unpacked(r, NULL);
    return show(c, o);
}
