/* issuer: identity providers of a realm, by the running Guardian. */
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"

static const struct vn_ask_verb VERBS[] = {
    {"create",
     "POST",
     "/realms/{realm}/issuers",
     VN_ASK_NEW,
     "name",
     NULL,
     {{"--issuer", "issuer", VN_ASK_TEXT, "say what its JWTs have for \"iss\": --issuer TEXT"},
      {"--audience", "audience", VN_ASK_TEXT, "say what they have for \"aud\": --audience TEXT"},
      {"--jwks-url", "jwks_url", VN_ASK_TEXT, "say where its keys are: --jwks-url URL"},
      {"--algorithms", "algorithms", VN_ASK_WORDS, NULL},
      {"--required", "required", VN_ASK_WORDS, NULL},
      {"--scopes", "scopes", VN_ASK_WORDS, NULL},
      {"--taints", "taints", VN_ASK_WORDS, NULL},
      {"--teams", "teams", VN_ASK_WORDS, NULL}}},
    {"list", "GET", "/realms/{realm}/issuers", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
    {"delete",
     "DELETE",
     "/realms/{realm}/issuers/{about}",
     VN_ASK_AN_ISSUER,
     NULL,
     NULL,
     {{.flag = NULL}}},
};

int vn_cmd_issuer(int argc, char **argv)
{
    return vn_verb_dispatch(argc, argv, NULL, 0, VERBS, VN_ARRAY_LEN(VERBS));
}
