/*
 * Command line and environment of veilnet-conflux. One table says which option exists, its
 * variable, and which verbs take it; flags win over the environment. Secrets are erased from argv
 * and environment at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/country.h"
#include "base/status.h"
#include "ports/tether.h"

enum vn_verb {
    VN_VERB_REGISTER = 1u << 0,
    VN_VERB_UNREGISTER = 1u << 1,
    VN_VERB_UP = 1u << 2,
    VN_VERB_DOWN = 1u << 3,
    VN_VERB_RUN = 1u << 4,
    VN_VERB_STATUS = 1u << 5,
    VN_VERB_INFO = 1u << 6,
    VN_VERB_PEERS = 1u << 7,
    VN_VERB_PING = 1u << 8,
    VN_VERB_TAINT = 1u << 9,
    VN_VERB_VERSION = 1u << 10,
    VN_VERB_HELP = 1u << 11,
    VN_VERB_NETCHECK = 1u << 12,
    VN_VERB_ROUTES = 1u << 13,
    VN_VERB_EXPLAIN = 1u << 14,
    VN_VERB_RELAYS = 1u << 15,
};

#define VN_OPT_LIST_MAX 32
#define VN_OPT_WORDS_MAX 34

struct vn_options {
    enum vn_verb verb;
    const char *words[VN_OPT_WORDS_MAX]; /* after the verb */
    size_t word_count;

    bool help, json, debug, verbose, v4, v6;
    char *token; /* a secret, owned; vn_options_done */
    char *jwt;   /* likewise */
    const char *token_file;
    const char *issuer, *audience, *jwks_url;
    const char *state_dir;
    const char *guardians[VN_OPT_LIST_MAX];
    size_t guardian_count;
    const char *tag, *ip, *interface;
    bool has_public;
    const char *public; /* "[HOST][:PORT]"; NULL: neither was said */
    bool has_taints;
    const char *taints[VN_OPT_LIST_MAX];
    size_t taint_count;
    const char *teams[VN_OPT_LIST_MAX];
    size_t team_count;
    bool has_via, no_relay;
    const char *via[VN_OPT_LIST_MAX];
    size_t via_count;
    bool has_keep_warm;
    const char *keep_warm[VN_OPT_LIST_MAX];
    size_t keep_warm_count;
    bool has_idle, has_mtu, has_workers, has_candidates, has_avoid, has_prefer;
    struct vn_countries avoid_countries, prefer_countries;
    enum vn_candidate_filter candidates;
    const char *not_over; /* NULL: not said */
    uint32_t idle_ms;
    uint16_t mtu_bytes;
    size_t workers;
    uint32_t count; /* ping -c; 0: for ever */
    uint32_t interval_ms, wait_ms;

    char *pieces[VN_OPT_LIST_MAX]; /* copies that lists point into */
    size_t piece_count;
    bool exhausted; /* a copy could not be made */
};

/**
 * argv is changed: secrets in it are overwritten.
 * @param ret_error  on VN_ERR_ARG and VN_ERR_NOMEM a sentence, 256 bytes
 */
VN_MUST_CHECK vn_status vn_options_parse(int argc, char **argv, struct vn_options *ret,
                                         char ret_error[256]);
void vn_options_done(struct vn_options *o);
const char *vn_verb_name(enum vn_verb v);
/** 0 for a word that is no verb. */
enum vn_verb vn_verb_of(const char *word);
/** Help for one verb, or for all with 0. */
void vn_options_help(enum vn_verb verb);
