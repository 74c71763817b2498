/*
 * Verbs on Guardian's host that are one request to the running Guardian, in the name of its host:
 * each is a row that says what it takes and what it asks.
 */
#pragma once

#include "guardian/cmd_admin.h"

#define VN_ASK_OPTIONS_MAX 10

/** How the text of an option becomes a value of the body. */
enum vn_ask_kind {
    VN_ASK_TEXT,
    VN_ASK_TRUE,     /* takes no value: true when it is there */
    VN_ASK_FALSE,    /* likewise: false */
    VN_ASK_SWITCH,   /* "on" or "off" */
    VN_ASK_DURATION, /* seconds of "12h" */
    VN_ASK_WORDS,    /* a comma list, or "*" */
    VN_ASK_NONE_OR,  /* a comma list; "none": an empty one */
    VN_ASK_FILE,     /* the first line of a file: a secret */
    VN_ASK_USER,     /* the id of the user of that name */
    VN_ASK_TEAM,     /* the id of the team of that name: of the organisation, or the realm's */
    VN_ASK_TEAMS,    /* ids of a comma list of such names */
    VN_ASK_NODES,    /* ids of a comma list of tags or ids */
    VN_ASK_USERS,    /* ids of a comma list of names or ids */
    VN_ASK_NUMBER,
    VN_ASK_REALM, /* the id of the realm of that name, where it is said: --realm */
};
struct vn_ask_option {
    const char *flag;   /* "--role"; NULL ends a list */
    const char *member; /* of the body; NULL: it stands in the path as {user} */
    enum vn_ask_kind kind;
    const char *needed; /* what to say where it is missing; NULL: it may be */
};

/** What the word behind a verb names. */
enum vn_ask_word {
    VN_ASK_NOTHING,
    VN_ASK_NEW, /* a name to be given: `member` of the body */
    VN_ASK_A_USER,
    VN_ASK_AN_ORG,
    VN_ASK_A_TEAM,
    VN_ASK_A_REALM,
    VN_ASK_A_NODE,    /* tag or id; takes --realm */
    VN_ASK_AN_ISSUER, /* of {realm} */
    VN_ASK_A_PROVIDER,
    VN_ASK_AN_ENTRY, /* of Master: its URL, or its id */
    VN_ASK_AN_ID,    /* of what has no name */
};

struct vn_ask_verb {
    const char *name, *method;
    const char *path; /* {about}: what the word names; {org}: --org or the only one; {realm}:
                         --realm or the only one; {user} */
    enum vn_ask_word word;
    const char *member; /* for VN_ASK_NEW */
    const char *body;   /* JSON of what it always says; NULL: nothing, and where a POST has options
                           but no VN_ASK_NEW, one at least is needed */
    struct vn_ask_option options[VN_ASK_OPTIONS_MAX];
};

/** A verb that does it itself. */
struct vn_verb {
    const char *name;
    int (*run)(int argc, char **argv);
};
/**
 * argv[0] is what the verbs are about, argv[1] names one of them: of either table, each of which
 * may be NULL and 0. Returns an exit code after printing the answer, or what is wrong.
 */
int vn_verb_dispatch(int argc, char **argv, const struct vn_verb *own, size_t own_count,
                     const struct vn_ask_verb *asks, size_t ask_count);
