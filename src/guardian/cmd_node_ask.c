/* node show | waiting | approve | deny | teams: what the running Guardian does; the rest of `node`
 * is in cmd_node.c and cmd_node_order.c. */
#include "guardian/cmd_ask.h"

static const struct vn_ask_verb VERBS[] = {
    {"show", "GET", "/conflux/{about}", VN_ASK_A_NODE, NULL, NULL, {{.flag = NULL}}},
    {"waiting",
     "GET",
     "/conflux?realm={realm}&approved=false",
     VN_ASK_NOTHING,
     NULL,
     NULL,
     {{.flag = NULL}}},
    {"approve", "POST", "/conflux/{about}/approve", VN_ASK_A_NODE, NULL, NULL, {{.flag = NULL}}},
    {"deny", "POST", "/conflux/{about}/deny", VN_ASK_A_NODE, NULL, NULL, {{.flag = NULL}}},
    {"teams",
     "POST",
     "/conflux/{about}/teams",
     VN_ASK_A_NODE,
     NULL,
     "{}",
     {{"--add", "add", VN_ASK_TEAMS, NULL}, {"--remove", "remove", VN_ASK_TEAMS, NULL}}},
    {"rights",
     "POST",
     "/conflux/{about}/rights",
     VN_ASK_A_NODE,
     NULL,
     "{}",
     {{"--relay", "relay", VN_ASK_SWITCH, NULL},
      {"--conduit", "conduit", VN_ASK_SWITCH, NULL},
      {"--portal", "portal", VN_ASK_WORDS, NULL}}},
    {"command",
     "POST",
     "/realms/{realm}/commands",
     VN_ASK_NEW,
     "command",
     NULL,
     {{"--all", "all", VN_ASK_TRUE, NULL},
      {"--taint", "taint", VN_ASK_TEXT, NULL},
      {"--team", "team", VN_ASK_TEAM, NULL},
      {"--nodes", "nodes", VN_ASK_NODES, NULL},
      {"--offset", "offset", VN_ASK_NUMBER, NULL},
      {"--add", "add", VN_ASK_WORDS, NULL},
      {"--remove", "remove", VN_ASK_WORDS, NULL},
      {"--peers", "peers", VN_ASK_NODES, NULL},
      {"--scopes", "scopes", VN_ASK_WORDS, NULL},
      {"--taints", "taints", VN_ASK_WORDS, NULL}}},
};

int vn_cmd_node_ask(int argc, char **argv)
{
    /* `node VERB`, as the table wants it */
    return vn_ask_dispatch(argc + 1, argv - 1, VERBS, VN_ARRAY_LEN(VERBS));
}
