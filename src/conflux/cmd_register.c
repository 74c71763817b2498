#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/host_port.h"
#include "conflux/cli.h"
#include "control/guardian_enrol.h"

/* The machine's own name as one DNS label, which is what a tag is. Empty when nothing usable is in
 * it. */
static void default_tag(char ret[64])
{
    char host[256] = "";
    size_t n = 0;
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = 0;
    for (const char *p = host; *p && *p != '.' && n < 63; p++) {
        const int c = tolower((unsigned char)*p);
        if (isalnum(c) || (c == '-' && n > 0))
            ret[n++] = (char)c;
    }
    while (n > 0 && ret[n - 1] == '-')
        n--;
    ret[n] = 0;
}

static json_t *answer_json(const struct vn_register_answer *a, const char *run)
{
    char id[VN_ID_TEXT], realm[VN_ID_TEXT], ip4[VN_IP_TEXT], ip6[VN_IP_TEXT];
    vn_id_format(&a->conflux_id, id);
    vn_id_format(&a->realm, realm);
    vn_ip_format(&a->ip4, ip4);
    vn_ip_format(&a->ip6, ip6);
    json_t *taints = json_array(), *warnings = json_array();
    for (size_t i = 0; i < a->taint_count; i++)
        json_array_append_new(taints, json_string(a->taints[i]));
    for (size_t i = 0; i < a->warning_count; i++)
        json_array_append_new(warnings, json_string(a->warnings[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:o, s:s}", "conflux", id, "tag",
                     a->tag, "ip4", ip4, "ip6", ip6, "taints", taints, "realm", "id", realm, "name",
                     a->realm_name, "suite", vn_suite_get(a->suite)->name, "warnings", warnings,
                     "run", run);
}

static void answer_text(const struct vn_register_answer *a, const char *run)
{
    char ip4[VN_IP_TEXT], ip6[VN_IP_TEXT];
    vn_ip_format(&a->ip4, ip4);
    vn_ip_format(&a->ip6, ip6);
    printf("registered as %s in realm %s\n  addresses  %s  %s\n  taints    ", a->tag, a->realm_name,
           ip4, ip6);
    for (size_t i = 0; i < a->taint_count; i++)
        printf(" %s", a->taints[i]);
    puts(a->taint_count
             ? ""
             : " none: it reaches nobody; add one with 'veilnet-conflux taint add NAME'");
    for (size_t i = 0; i < a->warning_count; i++)
        printf("  warning: %s\n", a->warnings[i]);
    if (run[0])
        printf("start it with: %s\n", run);
}

/* The node this state folder was until now: its daemon ends, and Guardian forgets it if it can be
 * asked. */
static void replace(const struct vn_cli *c, const struct vn_conflux_config *before,
                    const struct vn_guardian_address *at)
{
    struct vn_guardian_failure err;
    vn_cli_stop(c);
    /* Another Guardian, perhaps gone for good, is not waited for. */
    if (strcmp(before->guardian.urls[0], at->urls[0]) == 0)
        (void)!vn_guardian_unregister(&before->guardian, before->token, &err);
}

static vn_status save(const struct vn_cli *c, const struct vn_guardian_address *at,
                      const struct vn_register_answer *a, uint16_t public_port,
                      struct vn_conflux_config *ret)
{
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config before;
    bool replaced = false;
    memset(ret, 0, sizeof(*ret));
    /* Settings outlive a new registration; everything else is replaced. */
    if (vn_config_load(c->state_dir, VN_CONFIG_REGISTERED, &before) == VN_OK) {
        memcpy(ret->interface, before.interface, sizeof(ret->interface));
        ret->mtu_bytes = before.mtu_bytes;
        ret->idle_ms = before.idle_ms;
        ret->workers = before.workers;
        ret->candidates = before.candidates;
        memcpy(ret->not_over, before.not_over, sizeof(ret->not_over));
        ret->no_relay = before.no_relay;
        ret->avoid_countries = before.avoid_countries;
        ret->prefer_countries = before.prefer_countries;
        ret->relay_rules = before.relay_rules;
        memcpy(ret->via, before.via, sizeof(ret->via));
        ret->via_count = before.via_count;
        memcpy(ret->keep_warm, before.keep_warm, sizeof(ret->keep_warm));
        ret->keep_warm_count = before.keep_warm_count;
        replaced = true;
    }
    ret->guardian = *at;
    snprintf(ret->token, sizeof(ret->token), "%s", a->conflux_token);
    ret->conflux_id = a->conflux_id;
    ret->realm = a->realm;
    ret->suite = a->suite;
    snprintf(ret->realm_name, sizeof(ret->realm_name), "%s", a->realm_name);
    snprintf(ret->tag, sizeof(ret->tag), "%s", a->tag);
    ret->ip4 = a->ip4;
    ret->ip6 = a->ip6;
    ret->public_port = public_port;
    vn_cli_settings(c, ret);
    const vn_status st = vn_config_save(c->state_dir, VN_CONFIG_REGISTERED, ret);
    if (st == VN_OK && replaced)
        replace(c, &before, at);
    return st;
}

/* VEILNET_CONFLUX_CIDR comes with a length; Guardian knows the realm's. */
static const char *without_length(const char *ip, char ret[64])
{
    if (!ip)
        return NULL;
    snprintf(ret, 64, "%.*s", (int)strcspn(ip, "/"), ip);
    return ret;
}

#define PUBLIC_PORT 3478 /* RFC 8489 section 18.6 */

/* The first address of a host name, or the address itself. */
static bool look_up(const char *host, struct vn_ip *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list;
    char text[VN_IP_TEXT];
    if (vn_ip_parse(host, ret) == VN_OK)
        return true;
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return false;
    const bool found = getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0,
                                   NI_NUMERICHOST) == 0 &&
                       vn_ip_parse(text, ret) == VN_OK;
    freeaddrinfo(list);
    return found;
}

/* "[HOST][:PORT]", with IPv6 in brackets where a port follows. A name is looked up once: Guardian
 * hands out an address. */
static int parse_public(const struct vn_cli *c, uint16_t *ret_port, struct vn_ip *ret_ip,
                        bool *ret_has_ip)
{
    const char *text = c->o.public ? c->o.public : "";
    char host[VN_HOST_MAX] = "";
    *ret_port = PUBLIC_PORT;
    *ret_has_ip = false;
    const char *wanted = text[0] == ':' ? "x" : "";
    char whole[VN_HOST_MAX + 8];
    if ((size_t)snprintf(whole, sizeof(whole), "%s%s", wanted, text) >= sizeof(whole) ||
        (text[0] && vn_host_port_parse(whole, host, ret_port) != VN_OK) || *ret_port == 0 ||
        *ret_port == UINT16_MAX)
        return vn_cli_fail(c, VN_EXIT_USAGE,
                           "--public %s is no [HOST][:PORT], such as 203.0.113.5:3478 or :3478",
                           text);
    if (!text[0] || text[0] == ':')
        return VN_EXIT_OK;
    if (!look_up(host, ret_ip))
        return vn_cli_fail(c, VN_EXIT_USAGE, "--public %s: %s has no address", text, host);
    *ret_has_ip = true;
    return VN_EXIT_OK;
}

static int join(const struct vn_cli *c, const struct vn_join *token,
                struct vn_conflux_config *config)
{
    struct vn_guardian_address at;
    int code = vn_cli_guardian(c, token, &at);
    if (code != VN_EXIT_OK)
        return code;
    char tag[64], ip[64];
    default_tag(tag);
    struct vn_ip public_ip;
    bool has_public_ip = false;
    uint16_t public_port = 0;
    if (c->o.has_public)
        code = parse_public(c, &public_port, &public_ip, &has_public_ip);
    if (code != VN_EXIT_OK)
        return code;
    const struct vn_register_request rq = {
        .tag = c->o.tag ? c->o.tag
               : tag[0] ? tag
                        : NULL,
        .ip = without_length(c->o.ip, ip),
        .has_taints = c->o.has_taints,
        .taints = c->o.taints,
        .taint_count = c->o.taint_count,
        .teams = c->o.teams,
        .team_count = c->o.team_count,
        .jwt = c->o.jwt,
        .issuer = c->o.issuer,
        .audience = c->o.audience,
        .jwks_url = c->o.jwks_url,
        .public_port = public_port,
        .public_ip = has_public_ip ? &public_ip : NULL,
    };
    static struct vn_register_answer answer;
    struct vn_guardian_failure err;
    const vn_status st = vn_guardian_register(&at, token->jwt, &rq, &answer, &err);
    if (st != VN_OK)
        return vn_cli_fail(c, err.reached ? VN_EXIT_REFUSED : VN_EXIT_UNREACHABLE, "%s",
                           err.detail);
    if (save(c, &at, &answer, public_port, config) != VN_OK) {
        /* Without its token the node could not even be unregistered. */
        (void)!vn_guardian_unregister(&at, answer.conflux_token, &err);
        code =
            vn_cli_fail(c, VN_EXIT_FAILURE,
                        "cannot write to %s: be root, or name another --state-dir", c->state_dir);
    } else {
        char run[VN_PATH_MAX + 64] = "";
        if (!c->o.debug)
            vn_cli_run_line(c, run, sizeof(run));
        if (c->o.json)
            vn_cli_print(answer_json(&answer, run));
        else
            answer_text(&answer, run);
    }
    vn_wipe(&answer, sizeof(answer));
    return code;
}

int vn_cmd_register(struct vn_cli *c)
{
    VN_CLEANUP(vn_join_wipe) struct vn_join token;
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config config = {0};
    int code = vn_cli_token(c, &token);
    if (code == VN_EXIT_OK && token.kind == VN_JOIN_CONFLUX)
        code = vn_cli_fail(c, VN_EXIT_USAGE,
                           "this is a conflux token: use it with 'veilnet-conflux up -t'");
    if (code == VN_EXIT_OK)
        code = join(c, &token, &config);
    vn_join_wipe(&token);
    vn_secret_strp(&c->o.jwt);
    if (code != VN_EXIT_OK || !c->o.debug)
        return code;
    return vn_cli_run(c, &config);
}
