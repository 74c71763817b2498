/* oidc: providers by which people sign in, by the running Guardian. */
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"

static const struct vn_ask_verb VERBS[] = {
    {"create",
     "POST",
     "/oidc/providers",
     VN_ASK_NEW,
     "name",
     NULL,
     {{"--issuer", "issuer", VN_ASK_TEXT, "say which provider: --issuer https://HOST/…"},
      {"--client-id", "client_id", VN_ASK_TEXT, "say what it calls Guardian: --client-id TEXT"},
      {"--client-secret-file", "client_secret", VN_ASK_FILE, NULL},
      {"--sign-up", "sign_up", VN_ASK_SWITCH, NULL},
      {"--supabase", "supabase", VN_ASK_TRUE, NULL}}},
    {"list", "GET", "/oidc/providers", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
    {"delete",
     "DELETE",
     "/oidc/providers/{about}",
     VN_ASK_A_PROVIDER,
     NULL,
     NULL,
     {{.flag = NULL}}},
};

int vn_cmd_oidc(int argc, char **argv)
{
    return vn_verb_dispatch(argc, argv, NULL, 0, VERBS, VN_ARRAY_LEN(VERBS));
}
