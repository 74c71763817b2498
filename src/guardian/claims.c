#include "guardian/claims.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "control/json_alloc.h"
#include "crypto/kdf.h"
#include "guardian/json.h"

#define IF " if "
static const char *const KINDS[] = {"required", "scopes", "taints", "teams"};

/* ---- rules ---- */

static bool is_condition(const char *text)
{
    return text[0] && text[0] != '=';
}

/* Returns NULL, or what a rule of this kind looks like. */
static const char *refuse(size_t kind, const char *rule)
{
    if (strlen(rule) > VN_CLAIM_RULE_MAX)
        return "at most 200 bytes long";
    if (!vn_json_text_plain(rule))
        return "without control characters";
    if (kind == 0)
        return is_condition(rule) ? NULL : "CLAIM or CLAIM=VALUE";
    if (kind == 1)
        return is_condition(rule) && !strchr(rule, '=') ? NULL : "the name of a CLAIM";
    char name[VN_CLAIM_RULE_MAX + 1];
    const char *condition = strstr(rule, IF);
    snprintf(name, sizeof(name), "%.*s", (int)(condition ? condition - rule : VN_CLAIM_RULE_MAX),
             rule);
    const bool named = kind == 2 ? vn_taint_valid(name) : name[0] != 0;
    return named && (!condition || is_condition(condition + strlen(IF)))
               ? NULL
               : "NAME or NAME if CLAIM=VALUE";
}

vn_status vn_claim_rules_from_json(const json_t *body, json_t **ret, char *why, size_t why_n)
{
    VN_CLEANUP(vn_json_freep) json_t *rules = json_object();
    for (size_t kind = 0; kind < VN_ARRAY_LEN(KINDS); kind++) {
        const json_t *list = json_object_get(body, KINDS[kind]), *rule;
        size_t i;
        if (json_array_size(list) > VN_CLAIM_RULES_MAX) {
            snprintf(why, why_n, "%s are at most %d rules: leave some out", KINDS[kind],
                     VN_CLAIM_RULES_MAX);
            return VN_ERR_ARG;
        }
        json_array_foreach(list, i, rule)
        {
            const char *form = refuse(kind, json_string_value(rule));
            if (form) {
                snprintf(why, why_n, "the rule \"%.60s\" of %s is not as it must be: %s",
                         json_string_value(rule), KINDS[kind], form);
                return VN_ERR_ARG;
            }
        }
        if (json_object_set_new(rules, KINDS[kind], list ? json_deep_copy(list) : json_array()))
            return VN_ERR_NOMEM;
    }
    *ret = VN_TAKE(rules);
    return VN_OK;
}

/* ---- claims ---- */

/* The member of this name; else, for each dot in it, the rest of it in the member before the dot.
 */
static const json_t *claim(const json_t *o, const char *path)
{
    const json_t *v = json_object_get(o, path);
    if (!json_is_object(o))
        return NULL;
    char first[VN_CLAIM_RULE_MAX + 1];
    for (const char *dot = strchr(path, '.'); !v && dot; dot = strchr(dot + 1, '.')) {
        snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
        v = claim(json_object_get(o, first), dot + 1);
    }
    return v;
}

/* Text, a whole number or a truth value as text; NULL for anything else. */
static const char *text_of(const json_t *v, char room[24])
{
    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    if (!json_is_integer(v))
        return NULL;
    snprintf(room, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    return room;
}

static bool is_value(const json_t *v, const char *value)
{
    char room[24];
    const char *text = text_of(v, room);
    return text && strcmp(text, value) == 0;
}

static bool meets(const json_t *claims, const char *rule)
{
    char name[VN_CLAIM_RULE_MAX + 1];
    const size_t n = strcspn(rule, "=");
    snprintf(name, sizeof(name), "%.*s", (int)n, rule);
    const json_t *v = claim(claims, name), *one;
    if (!rule[n])
        return v && !json_is_null(v) && !json_is_false(v);
    if (is_value(v, rule + n + 1))
        return true;
    size_t i;
    bool found = false;
    json_array_foreach(v, i, one) found |= is_value(one, rule + n + 1);
    return found;
}

const char *vn_claims_lack(const json_t *rules, const json_t *claims)
{
    const json_t *rule;
    size_t i;
    json_array_foreach(json_object_get(rules, "required"), i, rule)
    {
        if (!meets(claims, json_string_value(rule)))
            return json_string_value(rule);
    }
    return NULL;
}

/* ---- what they give ---- */

/* "issuer/claim=value", or its hash where that is no label. */
static vn_status add_scope(struct vn_grant *g, const char *issuer, const char *name,
                           const json_t *v)
{
    char room[24], label[VN_IDENTITY_LABEL_MAX + 1], digest[VN_B64URL_LEN(32) + 1];
    const char *value = text_of(v, room);
    if (!value || !value[0])
        return VN_OK;
    const int n = snprintf(label, sizeof(label), "%s/%s=%s", issuer, name, value);
    if ((size_t)n >= sizeof(label) || !vn_json_text_plain(value)) {
        struct vn_hash h;
        vn_status st = vn_hash(
            VN_SHA256, VN_PARTS(VN_SPAN_STR(name), VN_SPAN_LIT("="), VN_SPAN_STR(value)), &h);
        if (st != VN_OK)
            return st;
        vn_b64url_encode(vn_hash_span(&h), digest);
        snprintf(label, sizeof(label), "%s/#%s", issuer, digest);
    }
    g->more |= vn_scope_set_add(&g->scopes, label) == VN_ERR_LIMIT;
    return VN_OK;
}

static vn_status add_scopes(struct vn_grant *g, const char *issuer, const char *name,
                            const json_t *claims)
{
    const json_t *v = claim(claims, name), *one;
    vn_status st = add_scope(g, issuer, name, v);
    size_t i;
    json_array_foreach(v, i, one)
    {
        if (st == VN_OK)
            st = add_scope(g, issuer, name, one);
    }
    return st;
}

/* The name that a rule gives these claims; false: none. */
static bool given(const char *rule, const json_t *claims, char ret[VN_CLAIM_RULE_MAX + 1])
{
    const char *condition = strstr(rule, IF);
    snprintf(ret, VN_CLAIM_RULE_MAX + 1, "%.*s",
             (int)(condition ? condition - rule : VN_CLAIM_RULE_MAX), rule);
    return !condition || meets(claims, condition + strlen(IF));
}

vn_status vn_claims_grant(const json_t *rules, const char *issuer, const json_t *claims,
                          struct vn_grant *ret)
{
    VN_CLEANUP(vn_json_freep) json_t *teams = json_array();
    struct vn_grant g = {.more = false};
    char name[VN_CLAIM_RULE_MAX + 1];
    vn_status st = teams ? VN_OK : VN_ERR_NOMEM;
    const json_t *rule;
    size_t i;
    json_array_foreach(json_object_get(rules, "scopes"), i, rule)
    {
        if (st == VN_OK)
            st = add_scopes(&g, issuer, json_string_value(rule), claims);
    }
    json_array_foreach(json_object_get(rules, "taints"), i, rule)
    {
        if (given(json_string_value(rule), claims, name))
            g.more |= vn_taints_add(&g.taints, name) == VN_ERR_LIMIT;
    }
    json_array_foreach(json_object_get(rules, "teams"), i, rule)
    {
        if (given(json_string_value(rule), claims, name) &&
            json_array_append_new(teams, json_string(name)) != 0)
            st = VN_ERR_NOMEM;
    }
    if (st == VN_OK) {
        *ret = g;
        ret->teams = VN_TAKE(teams);
    }
    return st;
}
