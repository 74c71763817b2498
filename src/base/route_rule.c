#include "base/route_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/country.h"

static const char *const WISHES[] = {
    [VN_RELAY_PREFER] = "prefer", [VN_RELAY_PIN] = "pin", [VN_RELAY_EXCLUDE] = "exclude"};
static const char *const PREFIXES[] = {
    [VN_RULE_NODE] = "", [VN_RULE_TAINT] = "taint:", [VN_RULE_COUNTRY] = "country:"};

const char *vn_relay_wish_name(enum vn_relay_wish wish)
{
    return WISHES[wish];
}

bool vn_relay_wish_of(const char *name, enum vn_relay_wish *ret)
{
    for (size_t i = VN_RELAY_PREFER; i < VN_ARRAY_LEN(WISHES); i++) {
        if (strcmp(WISHES[i], name) == 0) {
            *ret = (enum vn_relay_wish)i;
            return true;
        }
    }
    return false;
}

vn_status vn_route_rule_parse(enum vn_relay_wish wish, const char *text, struct vn_route_rule *ret)
{
    struct vn_route_rule r = {.wish = wish, .kind = VN_RULE_NODE};
    for (size_t i = VN_RULE_TAINT; i < VN_ARRAY_LEN(PREFIXES); i++) {
        if (strncmp(text, PREFIXES[i], strlen(PREFIXES[i])) == 0)
            r.kind = (enum vn_route_rule_kind)i;
    }
    text += strlen(PREFIXES[r.kind]);
    const size_t n = strlen(text);
    if (n == 0 || n >= sizeof(r.name) || (r.kind == VN_RULE_COUNTRY && !vn_country_valid(text)))
        return VN_ERR_MALFORMED;
    memcpy(r.name, text, n + 1);
    *ret = r;
    return VN_OK;
}

void vn_route_rule_format(const struct vn_route_rule *r, char ret[VN_ROUTE_RULE_TEXT])
{
    snprintf(ret, VN_ROUTE_RULE_TEXT, "%s%s", PREFIXES[r->kind], r->name);
}

static struct vn_route_rule *find(struct vn_route_rules *l, const struct vn_route_rule *like)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->rule[i].kind == like->kind && strcmp(l->rule[i].name, like->name) == 0)
            return &l->rule[i];
    }
    return NULL;
}

vn_status vn_route_rules_put(struct vn_route_rules *l, const struct vn_route_rule *r)
{
    struct vn_route_rule *same = find(l, r);
    if (!same && l->count == VN_ROUTE_RULES_MAX)
        return VN_ERR_LIMIT;
    *(same ? same : &l->rule[l->count++]) = *r;
    return VN_OK;
}

bool vn_route_rules_drop(struct vn_route_rules *l, const struct vn_route_rule *r)
{
    struct vn_route_rule *same = find(l, r);
    if (!same)
        return false;
    l->count--;
    for (; same < &l->rule[l->count]; same++)
        *same = same[1];
    return true;
}
