/* realm show | change | delete | teams: what the running Guardian does; the rest of `realm` is in
 * cmd_admin.c. */
#include "guardian/cmd_ask.h"

static const struct vn_ask_verb VERBS[] = {
    {"show", "GET", "/realms/{about}", VN_ASK_A_REALM, NULL, NULL, {{.flag = NULL}}},
    {"change",
     "POST",
     "/realms/{about}",
     VN_ASK_A_REALM,
     NULL,
     "{}",
     {{"--name", "name", VN_ASK_TEXT, NULL},
      {"--access", "access", VN_ASK_TEXT, NULL},
      {"--relay", "relay", VN_ASK_TEXT, NULL},
      {"--session-lifetime", "session_lifetime_s", VN_ASK_DURATION, NULL},
      {"--public", "public", VN_ASK_TRUE, NULL},
      {"--private", "public", VN_ASK_FALSE, NULL},
      {"--approval", "approval", VN_ASK_SWITCH, NULL},
      {"--countries", "countries", VN_ASK_WORDS, NULL},
      {"--unknown-country", "unknown_country", VN_ASK_TEXT, NULL},
      {"--show-country", "country_shown", VN_ASK_SWITCH, NULL}}},
    {"delete", "DELETE", "/realms/{about}", VN_ASK_A_REALM, NULL, NULL, {{.flag = NULL}}},
    {"teams",
     "POST",
     "/realms/{about}/teams",
     VN_ASK_A_REALM,
     NULL,
     "{}",
     {{"--add", "add", VN_ASK_TEAMS, NULL}, {"--remove", "remove", VN_ASK_TEAMS, NULL}}},
};

int vn_cmd_realm_ask(int argc, char **argv)
{
    /* `realm VERB`, as the table wants it */
    return vn_ask_dispatch(argc + 1, argv - 1, VERBS, VN_ARRAY_LEN(VERBS));
}
