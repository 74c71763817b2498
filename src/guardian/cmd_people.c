/* user, org, team, api-token. */
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"

#define WHO "say who: --user NAME"

int vn_cmd_user(int argc, char **argv)
{
    static const struct vn_ask_verb VERBS[] = {
        {"create",
         "POST",
         "/users",
         VN_ASK_NEW,
         "user",
         NULL,
         {{"--display-name", "display_name", VN_ASK_TEXT, NULL},
          {"--superuser", "superuser", VN_ASK_TRUE, NULL},
          {"--oidc", "oidc", VN_ASK_TRUE, NULL}}},
        {"list", "GET", "/users", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
        {"show", "GET", "/users/{about}", VN_ASK_A_USER, NULL, NULL, {{.flag = NULL}}},
        {"change",
         "POST",
         "/users/{about}",
         VN_ASK_A_USER,
         NULL,
         NULL,
         {{"--display-name", "display_name", VN_ASK_TEXT, NULL},
          {"--superuser", "superuser", VN_ASK_SWITCH, NULL}}},
        {"password",
         "POST",
         "/users/{about}/password",
         VN_ASK_A_USER,
         NULL,
         NULL,
         {{.flag = NULL}}},
        {"disable",
         "POST",
         "/users/{about}",
         VN_ASK_A_USER,
         NULL,
         "{\"disabled\": true}",
         {{.flag = NULL}}},
        {"enable",
         "POST",
         "/users/{about}",
         VN_ASK_A_USER,
         NULL,
         "{\"disabled\": false}",
         {{.flag = NULL}}},
        {"delete", "DELETE", "/users/{about}", VN_ASK_A_USER, NULL, NULL, {{.flag = NULL}}},
    };
    return vn_ask_dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}

int vn_cmd_org(int argc, char **argv)
{
    static const struct vn_ask_verb VERBS[] = {
        {"create", "POST", "/orgs", VN_ASK_NEW, "name", NULL, {{.flag = NULL}}},
        {"list", "GET", "/orgs", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
        {"rename",
         "POST",
         "/orgs/{about}",
         VN_ASK_AN_ORG,
         NULL,
         NULL,
         {{"--name", "name", VN_ASK_TEXT, "say how it is called from now on: --name NAME"}}},
        {"delete", "DELETE", "/orgs/{about}", VN_ASK_AN_ORG, NULL, NULL, {{.flag = NULL}}},
        {"members", "GET", "/orgs/{org}/members", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
        {"add",
         "POST",
         "/orgs/{org}/members",
         VN_ASK_NOTHING,
         NULL,
         "{\"role\": \"member\"}",
         {{"--user", "user", VN_ASK_USER, WHO}, {"--role", "role", VN_ASK_TEXT, NULL}}},
        {"remove",
         "DELETE",
         "/orgs/{org}/members/{user}",
         VN_ASK_NOTHING,
         NULL,
         NULL,
         {{"--user", NULL, VN_ASK_USER, WHO}}},
        {"invite",
         "POST",
         "/orgs/{org}/invitations",
         VN_ASK_NOTHING,
         NULL,
         NULL,
         {{"--user", "user", VN_ASK_TEXT, WHO}, {"--role", "role", VN_ASK_TEXT, NULL}}},
        {"invitations",
         "GET",
         "/orgs/{org}/invitations",
         VN_ASK_NOTHING,
         NULL,
         NULL,
         {{.flag = NULL}}},
    };
    return vn_ask_dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}

int vn_cmd_team(int argc, char **argv)
{
    static const struct vn_ask_verb VERBS[] = {
        {"create", "POST", "/orgs/{org}/teams", VN_ASK_NEW, "name", NULL, {{.flag = NULL}}},
        {"list", "GET", "/orgs/{org}/teams", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
        {"rename",
         "POST",
         "/teams/{about}",
         VN_ASK_A_TEAM,
         NULL,
         NULL,
         {{"--name", "name", VN_ASK_TEXT, "say how it is called from now on: --name NAME"}}},
        {"delete", "DELETE", "/teams/{about}", VN_ASK_A_TEAM, NULL, NULL, {{.flag = NULL}}},
        {"members", "GET", "/teams/{about}/members", VN_ASK_A_TEAM, NULL, NULL, {{.flag = NULL}}},
        {"add",
         "POST",
         "/teams/{about}/members",
         VN_ASK_A_TEAM,
         NULL,
         NULL,
         {{"--user", "user", VN_ASK_USER, WHO}}},
        {"remove",
         "DELETE",
         "/teams/{about}/members/{user}",
         VN_ASK_A_TEAM,
         NULL,
         NULL,
         {{"--user", NULL, VN_ASK_USER, WHO}}},
    };
    return vn_ask_dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}

int vn_cmd_api_token(int argc, char **argv)
{
    static const struct vn_ask_verb VERBS[] = {
        {"create",
         "POST",
         "/users/{user}/tokens",
         VN_ASK_NEW,
         "name",
         NULL,
         {{"--user", NULL, VN_ASK_USER, "say for whom it acts: --user NAME"},
          {"--scopes", "scopes", VN_ASK_WORDS, "say what it may: --scopes read,write or metrics"},
          {"--realm", "realm", VN_ASK_REALM, NULL},
          {"--expires", "expires_in_s", VN_ASK_DURATION, NULL}}},
        {"list",
         "GET",
         "/users/{user}/tokens",
         VN_ASK_NOTHING,
         NULL,
         NULL,
         {{"--user", NULL, VN_ASK_USER, "say whose: --user NAME"}}},
        {"revoke",
         "DELETE",
         "/users/{user}/tokens/{about}",
         VN_ASK_AN_ID,
         NULL,
         NULL,
         {{"--user", NULL, VN_ASK_USER, "say whose: --user NAME"}}},
    };
    return vn_ask_dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}
