/*
 * A node's own rules of which relays carry its streams (SPEC R3), as its settings and its command
 * line write them: by node ("berlin": a tag, an address or a node id), by a taint that this node
 * carries too ("taint:lab") and by country ("country:DE").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define VN_ROUTE_RULES_MAX 32
#define VN_ROUTE_RULE_NAME 65 /* a taint has 64 characters, a tag 63; and NUL */
#define VN_ROUTE_RULE_TEXT (VN_ROUTE_RULE_NAME + 8)

/* The weakest first. Of several that speak of a relay EXCLUDE counts, else the strongest. */
enum vn_relay_wish {
    VN_RELAY_PREFER = 1, /* rather than others */
    VN_RELAY_PIN,        /* while it lives, though others or the direct way cost less */
    VN_RELAY_EXCLUDE,    /* never */
};
enum vn_route_rule_kind { VN_RULE_NODE = 1, VN_RULE_TAINT, VN_RULE_COUNTRY };

struct vn_route_rule {
    enum vn_relay_wish wish;
    enum vn_route_rule_kind kind;
    char name[VN_ROUTE_RULE_NAME]; /* without what says the kind */
};
struct vn_route_rules {
    struct vn_route_rule rule[VN_ROUTE_RULES_MAX];
    size_t count;
};

/** "pin", "prefer", "exclude". */
const char *vn_relay_wish_name(enum vn_relay_wish wish);
/** False: name is none. */
VN_MUST_CHECK bool vn_relay_wish_of(const char *name, enum vn_relay_wish *ret);
/** Of text as above. VN_ERR_MALFORMED: empty, too long, or no country. */
VN_MUST_CHECK vn_status vn_route_rule_parse(enum vn_relay_wish wish, const char *text,
                                            struct vn_route_rule *ret);
void vn_route_rule_format(const struct vn_route_rule *r, char ret[VN_ROUTE_RULE_TEXT]);

/** In place of one about the same. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_route_rules_put(struct vn_route_rules *l, const struct vn_route_rule *r);
/** Forgets what there is about that, whatever its wish. False: nothing. */
bool vn_route_rules_drop(struct vn_route_rules *l, const struct vn_route_rule *r);
