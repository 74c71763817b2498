/* What the words of a verb name, by the store: ids for the path and the body. For cmd_ask.c. */
#pragma once

#include "guardian/cmd_ask.h"

/** One verb being done. */
struct vn_ask {
    struct vn_admin c;
    const struct vn_ask_verb *verb;
    const char *about_what; /* "user" */
    const char *word, *org;
    const char *values[VN_ASK_OPTIONS_MAX];
    bool flags[VN_ASK_OPTIONS_MAX];
    char about[VN_ID_TEXT], org_id[VN_ID_TEXT], user_id[VN_ID_TEXT], realm_id[VN_ID_TEXT];
    unsigned orgs;
    json_t *body;
};

/* Each returns an exit code after saying what is wrong. */

/** a->org_id; name NULL: the only one. */
int vn_ask_find_org(struct vn_ask *a, const char *name);
int vn_ask_find_user(struct vn_ask *a, const char *name, char ret[VN_ID_TEXT]);
/** Of the organisation, or of the realm, that the verb is about. */
int vn_ask_find_team(struct vn_ask *a, const char *name, char ret[VN_ID_TEXT]);
/** a->about, by a->word. */
int vn_ask_find_word(struct vn_ask *a);
