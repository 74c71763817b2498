/*
 * Which relays the settings of this node want for its streams (SPEC R3): countries to avoid and to
 * prefer, and rules by node, taint and country (base/route_rule.h), which may change at any time.
 * Whoever chooses among relays asks here. A taint is judged by the relay's statement, which comes
 * with its answer (wire/path.h), and only where this node carries it too: to others a tag says
 * nothing. Core thread.
 */
#pragma once

#include "base/route_rule.h"
#include "wire/statement.h"

struct vn_node;
struct vn_peer;
struct vn_stream;

/** How welcome a relay is. */
enum vn_relay_grade {
    VN_RELAY_UNWANTED,
    VN_RELAY_UNPROVEN, /* a rule may exclude it: its taints are not known yet */
    VN_RELAY_ANY,
    VN_RELAY_PREFERRED,
    VN_RELAY_PINNED,
};

struct vn_relay_policy {
    struct vn_route_rules rules;
    uint64_t asked_ms[VN_ROUTE_RULES_MAX]; /* own time: the node that it names was asked for last */
};

void vn_relay_policy_init(struct vn_node *n);
/**
 * @param r        its certificate is here
 * @param ret_why  the rule that decided; NULL: none did, or a country of the settings. May be NULL
 */
enum vn_relay_grade vn_relay_grade(struct vn_node *n, const struct vn_peer *r,
                                   const struct vn_route_rule **ret_why);
/** Some relays are to be used rather than others. */
bool vn_relay_policy_prefers(const struct vn_node *n);
/** Rules of taints need its statement, and there is none that counts. */
bool vn_relay_policy_wants_statement(struct vn_node *n, const struct vn_peer *r);
/** A rule speaks of a taint: statements of relays are asked for. */
bool vn_relay_policy_by_taint(const struct vn_node *n);
/** Relays that rules name, and that are not known, are asked for, now and then. */
void vn_relay_policy_look(struct vn_node *n);
/** r has shown its taints. */
void vn_relay_policy_on_statement(struct vn_node *n, struct vn_span bytes, struct vn_peer *r);
