/* veilnet-guardian: authentication and authorisation of VeilNet. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "control/http.h"
#include "guardian/commands.h"
#include "guardian/options.h"

static const char HELP[] =
    "usage: veilnet-guardian VERB [OPTION...]\n"
    "\n"
    "  init    make a Guardian: keys, first administrator, first realm, first registration token\n"
    "            --run                 serve afterwards\n"
    "            --setup               whoever has the token that it makes chooses the password\n"
    "            --public HOST[:PORT]  what nodes connect to (default: this machine's address)\n"
    "            --realm NAME          name of the first realm (default: home)\n"
    "            --suite default|cnsa  its cryptography\n"
    "            --ipv4 RANGE          its addresses (default: 10.77.0.0/16)\n"
    "            --listen ADDR:PORT    HTTPS (default: every address, port 8443)\n"
    "            --master-port PORT    of the embedded nats-server (default: 4222)\n"
    "            --tls-cert FILE --tls-key FILE   own certificate, checked by name instead of "
    "pinned\n"
    "  run     serve; starts the Master, or adopts the one that runs\n"
    "            --stun IP[:PORT][,…]  STUN servers that tell nodes behind NAT their outer "
    "address; "
    "kept;\n"
    "                                  none: forget them (default port 3478)\n"
    "            --audit-age 400d, --audit-entries N   how much of the audit is kept\n"
    "            --geo FILE            MaxMind DB that says in which country addresses are; kept; "
    "none: "
    "forget\n"
    "            --turn URL[,URL…]     TURN servers that relay where nothing else works; kept; "
    "none: "
    "forget\n"
    "            --turn-secret-file FILE                    their shared secret, or\n"
    "            --turn-user NAME --turn-password-file FILE one user for all\n"
    "            --turn-cert FILE      certificate of the turns: servers, whose key is pinned\n"
    "            --provider-networks PREFIX[,…]  where identity providers may be besides public\n"
    "                                  addresses; kept; none: forget\n"
    "            --provider-ca FILE    CAs that vouch for them, in place of the system's; kept; "
    "none\n"
    "            --cluster-port PORT   other servers of Master connect there (master config); "
    "kept; none\n"
    "            --gateway-port PORT   those of other regions; kept; none\n"
    "            --leaf-port PORT      leaves; kept; none\n"
    "  stop    end Guardian; --with-master ends the Master too\n"
    "  token   create | list | revoke: registration tokens\n"
    "            create [--realm NAME] [--taints a,b] [--allow-taints a,b|*] [--uses N] [--expires "
    "24h]\n"
    "                   [--owner USER] [--ephemeral] [--needs-jwt] [--approval] [--no-relay]\n"
    "                   [--conduit] [--portal 192.168.1.0/24,…]\n"
    "            list [--realm NAME]; revoke ID\n"
    "  api-token   create | list | revoke: for programs that use the API in a user's name\n"
    "            create NAME --user USER --scopes read,write|metrics [--realm NAME] [--expires "
    "90d]\n"
    "            list --user USER; revoke ID --user USER\n"
    "  realm   create | list | show NAME | change NAME | teams NAME | delete NAME | rekey\n"
    "            create --name NAME [--suite default|cnsa] [--ipv4 RANGE] [--access "
    "taints|teams|both]\n"
    "                   [--relay all|public|none] [--session-lifetime 12h] [--org NAME]\n"
    "            change NAME [--name NEW] [--access RULE] [--relay RULE] [--session-lifetime 12h] "
    "[--public|--private]\n"
    "                   [--approval on|off] [--countries DE,FR|*] [--unknown-country "
    "admit|refuse]\n"
    "                   [--show-country on|off]\n"
    "            teams NAME [--add a,b] [--remove c]   whose members may use it, too\n"
    "  node    list | waiting | show | approve | deny | teams | rights | command | query | "
    "routes | "
    "sessions | "
    "health | taint | scopes | quarantine | release | invalidate | "
    "shutdown |\n"
    "          revoke; all but list, waiting and command name one: TAG|ID [--realm NAME]\n"
    "            command COMMAND --all | --taint NAME | --team NAME | --nodes a,b   to many, with "
    "the "
    "options\n"
    "                   of the command: info, networks, remote_networks, routes, sessions, "
    "health,\n"
    "                   taint, scopes, quarantine, release,\n"
    "                   invalidate, shutdown, revoke\n"
    "            approve, deny         one of those that wait for it\n"
    "            teams [--add a,b] [--remove c]\n"
    "            rights [--relay on|off] [--conduit on|off] [--portal 192.168.1.0/24,…|none]\n"
    "            query, routes, sessions, health   ask it\n"
    "            scopes [--add a,b] [--remove c]   of its teams\n"
    "            taint [--add a,b] [--remove c]\n"
    "            quarantine, release [--peers a,b] [--scopes USER,…] [--taints c]   from these, or "
    "from all\n"
    "            invalidate    it wipes its keys and logs in with new ones\n"
    "            shutdown      it stops, and stays so until it is started there\n"
    "            revoke        it is cut off for good, and its registration removed\n"
    "  user    create NAME [--display-name TEXT] [--superuser] [--oidc] | list | show NAME | "
    "password NAME "
    "|\n"
    "          change NAME [--display-name TEXT] [--superuser on|off] | disable NAME | enable NAME "
    "|\n"
    "          delete NAME | identities NAME | unlink ID --user NAME\n"
    "  org     create NAME | list | rename NAME --name NEW | delete NAME | members |\n"
    "          add --user NAME [--role member|auditor|admin|owner] | remove --user NAME |\n"
    "          invite --user NAME [--role ROLE] | invitations\n"
    "  team    create NAME | list | rename NAME --name NEW | delete NAME | members NAME |\n"
    "          add NAME --user NAME | remove NAME --user NAME\n"
    "            org and team take --org NAME where there are several\n"
    "  issuer  create | list | delete NAME: identity providers whose JWTs nodes may register with\n"
    "            create NAME --issuer TEXT --audience TEXT --jwks-url URL [--algorithms RS256,…]\n"
    "                   [--required RULE,…] [--scopes CLAIM,…] [--taints RULE,…] [--teams RULE,…]\n"
    "            take --realm NAME where there are several\n"
    "  oidc    create NAME --issuer URL --client-id TEXT [--client-secret-file FILE]\n"
    "                 [--sign-up on|off] [--supabase] |\n"
    "          list | delete NAME: OpenID providers by which people sign in\n"
    "  veil    create URL [--region NAME] [--enabled on|off] | list | regions |\n"
    "          change URL [--url URL] [--region NAME] [--enabled on|off] | delete URL: where "
    "nodes\n"
    "          find Master, tls://HOST[:PORT]\n"
    "  master  config NAME --address HOST[,HOST…] --to FOLDER: what another nats-server of Master "
    "needs\n"
    "            --port PORT           where nodes find it (default: 4222)\n"
    "            --cluster-port PORT   where other servers find it (default: 6222)\n"
    "            --peers HOST[:PORT],… servers that it connects to besides the embedded one\n"
    "            --region NAME         it is of another region than the embedded one,\n"
    "            --gateway-port PORT   where servers of others find it (default: 7222)\n"
    "            --leaf REALM[,REALM…] it is a leaf: for these realms alone, with no key of "
    "others\n"
    "            --leaf-port PORT      where leaves find it (default: 7422)\n"
    "            --listen ADDR         it listens on this address alone\n"
    "            --at PATH             where FOLDER will be on its machine (default: the same "
    "path)\n"
    "  login   --oidc NAME [--guardian https://HOST:PORT [--pin KEY]]: sign in by a browser on "
    "this\n"
    "          machine; prints the access token\n"
    "            --link --user NAME --password-file FILE   instead: let the local account NAME "
    "sign "
    "in so\n"
    "                                  from now on\n"
    "  audit   [--realm NAME] [--since 7d] [--action NAME] [--actor NAME]   the newest first; "
    "--json: "
    "one\n"
    "          entry a line\n"
    "  version\n"
    "\n"
    "Every verb takes --state-dir DIR (VEILNET_GUARDIAN_DIR; default /var/lib/veilnet-guardian), "
    "and --json\n"
    "where it shows or makes something. Exit code 1 and a sentence: it could not be done; 2: the "
    "command\n"
    "line is wrong.\n";

static int cmd_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs(HELP, stdout);
    return 0;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("veilnet-guardian " VN_VERSION);
    return 0;
}

/* Of a password that is shown once, or of an export, nothing may be lost unnoticed. */
static int said(int code)
{
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    return lost && !code ? vn_die("what there was to say could not be written (%s): what was "
                                  "ordered is done",
                                  strerror(errno))
                         : code;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } VERBS[] = {
        {"init", vn_cmd_init},
        {"run", vn_cmd_run},
        {"stop", vn_cmd_stop},
        {"token", vn_cmd_token},
        {"realm", vn_cmd_realm},
        {"node", vn_cmd_node},
        {"user", vn_cmd_user},
        {"org", vn_cmd_org},
        {"team", vn_cmd_team},
        {"audit", vn_cmd_audit},
        {"api-token", vn_cmd_api_token},
        {"issuer", vn_cmd_issuer},
        {"oidc", vn_cmd_oidc},
        {"veil", vn_cmd_veil},
        {"master", vn_cmd_master},
        {"login", vn_cmd_login},
        {"version", cmd_version},
        {"help", cmd_help},
        {"--help", cmd_help},
        {"-h", cmd_help},
        {"--version", cmd_version},
    };
    /* Keys are in this process: no core dumps, no ptrace by others, nothing readable by others. */
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its leak checker must attach */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    umask(077);
    vn_log_setup(VN_LOG_INFO, -1);
    if (vn_http_global_init() != VN_OK)
        return vn_die("out of memory");
    if (argc < 2) {
        fputs(HELP, stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++) /* no value of an option looks so */
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return said(cmd_help(1, argv));
    for (size_t i = 0; i < VN_ARRAY_LEN(VERBS); i++)
        if (strcmp(argv[1], VERBS[i].name) == 0)
            return said(VERBS[i].run(argc - 1, argv + 1));
    vn_die("unknown verb %s; see veilnet-guardian help", argv[1]);
    return 2;
}
