/* The values of options. */
#include <stdlib.h>
#include <string.h>

#include "base/ifname_list.h"
#include "base/limits.h"
#include "base/secret.h"
#include "conflux/option_row.h"
#include "core/commands.h"

/* Digits, at most one point, no sign: thousandths of the unit. */
static bool parse_thousandths(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    int after = -1;
    if (!*s || *s == '.')
        return false;
    for (; *s; s++) {
        if (*s == '.' && after < 0) {
            after = 0;
            continue;
        }
        if (*s < '0' || *s > '9' || after >= 3)
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
        if (after >= 0)
            after++;
        if (v > max * 1000)
            return false;
    }
    for (int i = after < 0 ? 0 : after; i < 3; i++)
        v *= 10;
    *ret = v;
    return v <= max * 1000;
}

static bool parse_whole(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t v;
    if (strchr(s, '.') || !parse_thousandths(s, max, &v))
        return false;
    *ret = v / 1000;
    return true;
}

/* "a,b" and repetition alike. */
static bool add_list(struct vn_options *o, const char *text, const char **list, size_t *count)
{
    if (o->piece_count == VN_ARRAY_LEN(o->pieces))
        return false;
    char *copy = o->pieces[o->piece_count] = strdup(text);
    o->exhausted = !copy;
    if (!copy)
        return false;
    o->piece_count++;
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        while (*p == ' ')
            p++;
        if (!*p)
            continue;
        if (*count == VN_OPT_LIST_MAX)
            return false;
        list[(*count)++] = p;
    }
    return true;
}

static bool set_list(struct vn_options *o, enum vn_option_id id, const char *value)
{
    switch (id) {
    case VN_OPTION_GUARDIAN:
        return add_list(o, value, o->guardians, &o->guardian_count);
    case VN_OPTION_TAINTS:
        o->has_taints = true;
        return add_list(o, value, o->taints, &o->taint_count);
    case VN_OPTION_TEAMS:
        return add_list(o, value, o->teams, &o->team_count);
    case VN_OPTION_VIA:
        o->has_via = true;
        return add_list(o, value, o->via, &o->via_count) && o->via_count <= VN_CIRCUIT_RELAYS_MAX;
    case VN_OPTION_KEEP_WARM:
        o->has_keep_warm = true;
        return add_list(o, value, o->keep_warm, &o->keep_warm_count) &&
               o->keep_warm_count <= VN_KEEP_WARM_MAX;
    default:
        return false;
    }
}

static bool set_number(struct vn_options *o, const struct vn_option_row *opt, const char *value)
{
    uint64_t v;
    switch (opt->kind) {
    case VN_VALUE_SECONDS:
        if (!parse_thousandths(value, 86400, &v))
            return false;
        break;
    case VN_VALUE_MILLIS:
        if (!parse_whole(value, 86400000, &v))
            return false;
        break;
    case VN_VALUE_MTU:
        if (!parse_whole(value, VN_MTU_MAX, &v) || v < VN_MTU_MIN)
            return false;
        break;
    default:
        if (!parse_whole(value, 1000000, &v))
            return false;
    }
    switch (opt->id) {
    case VN_OPTION_IDLE:
    case VN_OPTION_IDLE_MS:
        o->has_idle = true;
        o->idle_ms = (uint32_t)v;
        return v >= 500;
    case VN_OPTION_MTU:
        o->has_mtu = true;
        o->mtu_bytes = (uint16_t)v;
        return true;
    case VN_OPTION_WORKERS:
        o->has_workers = true;
        o->workers = (size_t)v;
        return v >= 1 && v <= VN_WORKERS_MAX;
    case VN_OPTION_COUNT:
        o->count = (uint32_t)v;
        return true;
    case VN_OPTION_INTERVAL:
        o->interval_ms = (uint32_t)v;
        return v >= 1;
    case VN_OPTION_WAIT:
        o->wait_ms = (uint32_t)v;
        return v >= 1;
    default:
        return false;
    }
}

static bool set_flag(struct vn_options *o, enum vn_option_id id)
{
    bool *const flag = id == VN_OPTION_HELP       ? &o->help
                       : id == VN_OPTION_JSON     ? &o->json
                       : id == VN_OPTION_DEBUG    ? &o->debug
                       : id == VN_OPTION_VERBOSE  ? &o->verbose
                       : id == VN_OPTION_V4       ? &o->v4
                       : id == VN_OPTION_NO_RELAY ? &o->no_relay
                                                  : &o->v6;
    *flag = true;
    return true;
}

static bool set_text(struct vn_options *o, enum vn_option_id id, const char *value)
{
    if (id == VN_OPTION_CANDIDATES) {
        o->has_candidates = true;
        return vn_candidate_filter_of(value, &o->candidates);
    }
    if (id == VN_OPTION_AVOID || id == VN_OPTION_PREFER) {
        struct vn_countries *l = id == VN_OPTION_AVOID ? &o->avoid_countries : &o->prefer_countries;
        *(id == VN_OPTION_AVOID ? &o->has_avoid : &o->has_prefer) = true;
        return vn_countries_parse(strcmp(value, "none") == 0 ? "" : value, l) == VN_OK;
    }
    if (id == VN_OPTION_NOT_OVER) {
        o->not_over = value;
        return vn_ifnames_valid(value);
    }
    const char **const text = id == VN_OPTION_TOKEN_FILE  ? &o->token_file
                              : id == VN_OPTION_STATE_DIR ? &o->state_dir
                              : id == VN_OPTION_TAG       ? &o->tag
                              : id == VN_OPTION_ISSUER    ? &o->issuer
                              : id == VN_OPTION_AUDIENCE  ? &o->audience
                              : id == VN_OPTION_JWKS_URL  ? &o->jwks_url
                              : id == VN_OPTION_IP        ? &o->ip
                                                          : &o->interface;
    *text = value;
    /* IFNAMSIZ - 1, and what the kernel refuses in a name */
    if (id == VN_OPTION_INTERFACE &&
        (strlen(value) > 15 || strpbrk(value, "/: ") || value[0] == '.'))
        return false;
    return *value != 0;
}

/* Others may look at it until it is overwritten. */
static bool set_secret(struct vn_options *o, enum vn_option_id id, char *value)
{
    char **const secret = id == VN_OPTION_JWT ? &o->jwt : &o->token;
    vn_secret_strp(secret);
    *secret = strdup(value);
    o->exhausted = !*secret;
    if (strcmp(value, "-") != 0)
        memset(value, 'x', strlen(value));
    return *secret && (*secret)[0];
}

bool vn_option_set(struct vn_options *o, const struct vn_option_row *opt, char *value)
{
    switch (opt->kind) {
    case VN_VALUE_FLAG:
        return set_flag(o, opt->id);
    case VN_VALUE_TEXT:
        return set_text(o, opt->id, value);
    case VN_VALUE_OPTIONAL:
        o->has_public = true;
        o->public = value;
        return !value || *value;
    case VN_VALUE_SECRET:
        return set_secret(o, opt->id, value);
    case VN_VALUE_LIST:
        return set_list(o, opt->id, value);
    default:
        return set_number(o, opt, value);
    }
}
