/* veil: where nodes find Master, by the running Guardian. */
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"

static const struct vn_ask_verb VERBS[] = {
    {"create",
     "POST",
     "/veil",
     VN_ASK_NEW,
     "url",
     NULL,
     {{"--region", "region", VN_ASK_TEXT, NULL}, {"--enabled", "enabled", VN_ASK_SWITCH, NULL}}},
    {"list", "GET", "/veil", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
    {"regions", "GET", "/veil/regions", VN_ASK_NOTHING, NULL, NULL, {{.flag = NULL}}},
    {"change",
     "POST",
     "/veil/{about}",
     VN_ASK_AN_ENTRY,
     NULL,
     NULL,
     {{"--url", "url", VN_ASK_TEXT, NULL},
      {"--region", "region", VN_ASK_TEXT, NULL},
      {"--enabled", "enabled", VN_ASK_SWITCH, NULL}}},
    {"delete", "DELETE", "/veil/{about}", VN_ASK_AN_ENTRY, NULL, NULL, {{.flag = NULL}}},
};

int vn_cmd_veil(int argc, char **argv)
{
    return vn_verb_dispatch(argc, argv, NULL, 0, VERBS, VN_ARRAY_LEN(VERBS));
}
