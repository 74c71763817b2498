#include "guardian/schemas.h"

#define STR(n) {.name = (n), .type = VN_MEMBER_STRING, .required = true}
#define INT(n) {.name = (n), .type = VN_MEMBER_INTEGER, .required = true}
#define BOOL(n) {.name = (n), .type = VN_MEMBER_BOOLEAN, .required = true}
#define STRS(n) {.name = (n), .type = VN_MEMBER_STRINGS, .required = true}
#define STAR(n) {.name = (n), .type = VN_MEMBER_STRINGS_STAR, .required = true}
#define ENUM(n, v) {.name = (n), .type = VN_MEMBER_STRING, .required = true, .values = (v)}
#define OBJ(n, s) {.name = (n), .type = VN_MEMBER_OBJECT, .required = true, .of = &(s)}
#define OBJS(n, s) {.name = (n), .type = VN_MEMBER_OBJECTS, .required = true, .of = &(s)}
#define MAYBE_BOOL(n) {.name = (n), .type = VN_MEMBER_BOOLEAN}
#define MAYBE_STR(n) {.name = (n), .type = VN_MEMBER_STRING}
#define MAYBE_INT(n) {.name = (n), .type = VN_MEMBER_INTEGER}
#define MAYBE_STRS(n) {.name = (n), .type = VN_MEMBER_STRINGS}
#define MAYBE_STAR(n) {.name = (n), .type = VN_MEMBER_STRINGS_STAR}
#define MAYBE_ENUM(n, v) {.name = (n), .type = VN_MEMBER_STRING, .values = (v)}
#define MAYBE_OBJ(n, s) {.name = (n), .type = VN_MEMBER_OBJECT, .of = &(s)}
#define MAYBE_OBJS(n, s) {.name = (n), .type = VN_MEMBER_OBJECTS, .of = &(s)}
#define NULL_STR(n) {.name = (n), .type = VN_MEMBER_STRING, .required = true, .nullable = true}
#define NULL_INT(n) {.name = (n), .type = VN_MEMBER_INTEGER, .required = true, .nullable = true}
#define NULL_OBJ(n, s)                                                                             \
    {.name = (n), .type = VN_MEMBER_OBJECT, .required = true, .nullable = true, .of = &(s)}

#define SCHEMA(id, title, ...)                                                                     \
    const struct vn_schema vn_schema_##id = {                                                      \
        (title), (const struct vn_member[]){__VA_ARGS__, {.name = NULL}}, false}
#define OPEN_SCHEMA(id, title, ...)                                                                \
    const struct vn_schema vn_schema_##id = {                                                      \
        (title), (const struct vn_member[]){__VA_ARGS__, {.name = NULL}}, true}
#define LIST(id, title, item) SCHEMA(id, title, OBJS("items", vn_schema_##item), MAYBE_STR("next"))
/* Parts of answers, which nobody names. */
#define PART(id, title, ...)                                                                       \
    static const struct vn_schema vn_schema_##id = {                                               \
        (title), (const struct vn_member[]){__VA_ARGS__, {.name = NULL}}, false}

#define SUITES "default|cnsa"
#define RULES "taints|teams|both"
#define RELAYS "all|public|none"
#define ROLES "member|auditor|admin|owner"
#define UNKNOWN "admit|refuse"

/* ---- requests ---- */

SCHEMA(login, "Login", STR("user"), STR("password"));
SCHEMA(api_new, "NewApiToken", STR("name"), STRS("scopes"), MAYBE_STR("realm"),
       MAYBE_INT("expires_in_s"));
SCHEMA(refresh, "Refresh", STR("refresh_token"));
SCHEMA(profile_change, "ProfileChange", STR("display_name"));
SCHEMA(password_change, "PasswordChange", STR("old"), STR("new"));
SCHEMA(user_new, "NewUser", STR("user"), MAYBE_STR("password"), MAYBE_STR("display_name"),
       MAYBE_BOOL("superuser"), MAYBE_BOOL("oidc"));
SCHEMA(user_change, "UserChange", MAYBE_STR("display_name"), MAYBE_BOOL("superuser"),
       MAYBE_BOOL("disabled"));
SCHEMA(user_id, "UserId", STR("user"));
SCHEMA(name, "Name", STR("name"));
SCHEMA(member_put, "MemberRole", STR("user"), ENUM("role", ROLES));
SCHEMA(invite, "NewInvitation", STR("user"), MAYBE_ENUM("role", ROLES));
SCHEMA(teams_change, "TeamsChange", MAYBE_STRS("add"), MAYBE_STRS("remove"));
SCHEMA(realm_change, "RealmChange", MAYBE_STR("name"), MAYBE_ENUM("access", RULES),
       MAYBE_ENUM("relay", RELAYS), MAYBE_INT("session_lifetime_s"), MAYBE_BOOL("public"),
       MAYBE_BOOL("approval"), MAYBE_STAR("countries"), MAYBE_ENUM("unknown_country", UNKNOWN),
       MAYBE_BOOL("country_shown"));
SCHEMA(token_new, "NewRegistrationToken", STR("realm"), MAYBE_STR("owner"),
       MAYBE_INT("expires_in_s"), MAYBE_INT("uses"), MAYBE_STRS("taints"),
       MAYBE_STAR("allowed_taints"), MAYBE_BOOL("ephemeral"), MAYBE_BOOL("approval"),
       MAYBE_BOOL("needs_jwt"), MAYBE_BOOL("relay"), MAYBE_BOOL("conduit"), MAYBE_STRS("portal"));
SCHEMA(rights_change, "RightsChange", MAYBE_BOOL("relay"), MAYBE_BOOL("conduit"),
       MAYBE_STRS("portal"));
SCHEMA(realm_new, "NewRealm", STR("name"), MAYBE_ENUM("suite", SUITES), MAYBE_STR("ipv4"),
       MAYBE_ENUM("access", RULES), MAYBE_ENUM("relay", RELAYS), MAYBE_INT("session_lifetime_s"),
       MAYBE_STR("org"), MAYBE_BOOL("public"));
SCHEMA(register, "Registration", MAYBE_STR("tag"), MAYBE_STR("ip"), MAYBE_STRS("taints"),
       MAYBE_STRS("teams"), MAYBE_INT("public_port"), MAYBE_STR("public_ip"), MAYBE_STR("jwt"),
       MAYBE_STR("issuer"), MAYBE_STR("audience"), MAYBE_STR("jwks_url"));
SCHEMA(oidc_new, "NewProvider", STR("name"), STR("issuer"), STR("client_id"),
       MAYBE_STR("client_secret"), MAYBE_BOOL("sign_up"), MAYBE_BOOL("supabase"));
SCHEMA(oidc_password, "SignInPassword", STR("provider"), STR("email"), STR("password"));
SCHEMA(oidc_begin, "SignInBegin", STR("provider"), STR("redirect_uri"));
SCHEMA(oidc_finish, "SignInFinish", STR("flow"), STR("state"), STR("code"), MAYBE_STR("iss"));
SCHEMA(setup, "Setup", STR("token"), STR("password"), MAYBE_STR("display_name"));
SCHEMA(veil_new, "NewEntryPoint", STR("url"), MAYBE_STR("region"), MAYBE_BOOL("enabled"));
SCHEMA(veil_change, "EntryPointChange", MAYBE_STR("url"), MAYBE_STR("region"),
       MAYBE_BOOL("enabled"));
SCHEMA(issuer_new, "NewIssuer", STR("name"), STR("issuer"), STR("audience"), STR("jwks_url"),
       MAYBE_STRS("algorithms"), MAYBE_STRS("required"), MAYBE_STRS("scopes"), MAYBE_STRS("taints"),
       MAYBE_STRS("teams"));
SCHEMA(session_new, "SessionRequest", STR("nonce"), STR("sig_pk"), STR("session_ek"), STR("nkey"),
       STR("csr"), STR("sig"), STR("nkey_sig"));
SCHEMA(logout, "SessionEnd", STR("node"));
SCHEMA(taints_change, "TaintsChange", MAYBE_STRS("add"), MAYBE_STRS("remove"));
#define COMMAND_MEMBERS                                                                            \
    STR("command"), MAYBE_INT("offset"), MAYBE_STRS("add"), MAYBE_STRS("remove"),                  \
        MAYBE_STRS("peers"), MAYBE_STRS("scopes"), MAYBE_STRS("taints")
SCHEMA(command, "Command", COMMAND_MEMBERS);
SCHEMA(commands, "Commands", COMMAND_MEMBERS, MAYBE_BOOL("all"), MAYBE_STR("taint"),
       MAYBE_STR("team"), MAYBE_STRS("nodes"));

/* ---- answers ---- */

/* RFC 9457; without "type", which then is about:blank */
SCHEMA(problem, "Problem", STR("title"), INT("status"), STR("detail"));
OPEN_SCHEMA(document, "OpenApiDocument", STR("openapi"));
SCHEMA(health, "Health", STR("status"), STR("version"), ENUM("master", "up|down"));
SCHEMA(access, "Access", STR("access_token"), INT("expires_in_s"), STR("refresh_token"),
       INT("refresh_expires_at"), BOOL("must_change_password"));

#define API_TOKEN_MEMBERS                                                                          \
    STR("id"), STR("name"), STRS("scopes"), NULL_STR("realm"), INT("created_at"), INT("expires_at")
PART(api_token, "ApiToken", API_TOKEN_MEMBERS);
SCHEMA(api_shown, "ApiTokenShown", API_TOKEN_MEMBERS, STR("token"));
LIST(api_tokens, "ApiTokens", api_token);
PART(audit_entry, "AuditEntry", INT("number"), INT("at"), NULL_STR("realm"), STR("actor"),
     STR("action"), STR("subject"), STR("detail"));
LIST(audit, "Audit", audit_entry);

#define USER_MEMBERS                                                                               \
    STR("id"), STR("user"), STR("display_name"), BOOL("superuser"), BOOL("disabled"),              \
        BOOL("must_change_password"), INT("created_at")
SCHEMA(user, "User", USER_MEMBERS);
SCHEMA(user_shown, "UserShown", USER_MEMBERS, MAYBE_STR("password"));
LIST(users, "Users", user);
PART(my_org, "MyOrganisation", STR("id"), STR("name"), ENUM("role", ROLES));
SCHEMA(profile, "Profile", USER_MEMBERS, OBJS("orgs", vn_schema_my_org));

SCHEMA(org, "Organisation", STR("id"), STR("name"), INT("created_at"));
LIST(orgs, "Organisations", org);
PART(member, "Member", STR("user"), STR("name"), STR("display_name"), ENUM("role", ROLES),
     INT("since"));
LIST(members, "Members", member);
SCHEMA(member_now, "MemberNow", STR("org"), STR("user"), ENUM("role", ROLES));
SCHEMA(invitation, "Invitation", STR("id"), STR("org"), STR("org_name"), STR("user"), STR("name"),
       ENUM("role", ROLES), STR("by"), INT("created_at"));
LIST(invitations, "Invitations", invitation);
SCHEMA(team, "Team", STR("id"), STR("org"), STR("name"), INT("created_at"));
LIST(teams, "Teams", team);
PART(team_member, "TeamMember", STR("user"), STR("name"), STR("display_name"), INT("since"));
LIST(team_members, "TeamMembers", team_member);

PART(rights, "Rights", BOOL("relay"), BOOL("conduit"), STRS("portal"));
#define TOKEN_MEMBERS                                                                              \
    STR("id"), BOOL("ephemeral"), BOOL("needs_jwt"), STR("realm"), STR("owner"),                   \
        INT("created_at"), INT("expires_at"), NULL_INT("uses_left"), STRS("taints"),               \
        STAR("allowed_taints"), BOOL("revoked"), BOOL("approval"), OBJ("rights", vn_schema_rights)
SCHEMA(token, "RegistrationToken", TOKEN_MEMBERS);
SCHEMA(token_shown, "RegistrationTokenShown", TOKEN_MEMBERS, STR("token"), STR("join_token"));
LIST(tokens, "RegistrationTokens", token);

SCHEMA(realm, "Realm", STR("id"), STR("org"), BOOL("public"), STR("name"), ENUM("suite", SUITES),
       STR("ipv4"), STR("ipv6"), ENUM("access", RULES), ENUM("relay", RELAYS),
       INT("session_lifetime_s"), BOOL("approval"), STAR("countries"),
       ENUM("unknown_country", UNKNOWN), BOOL("country_shown"), INT("created_at"));
LIST(realms, "Realms", realm);

SCHEMA(oidc, "Provider", STR("id"), STR("name"), STR("issuer"), STR("client_id"),
       BOOL("has_secret"), BOOL("sign_up"), BOOL("supabase"), INT("created_at"));
LIST(oidcs, "Providers", oidc);
PART(oidc_name, "ProviderName", STR("name"), BOOL("password"), STR("issuer"));
LIST(oidc_names, "ProviderNames", oidc_name);
SCHEMA(oidc_begun, "SignInBegun", STR("url"), STR("flow"), STR("state"));
#define IDENTITY_MEMBERS                                                                           \
    STR("id"), NULL_STR("provider"), STR("issuer"), STR("subject"), INT("created_at")
SCHEMA(identity_linked, "LinkedIdentity", IDENTITY_MEMBERS);
LIST(identities, "LinkedIdentities", identity_linked);
SCHEMA(issuer, "Issuer", STR("id"), STR("name"), STR("issuer"), STR("audience"), STR("jwks_url"),
       STRS("algorithms"), STRS("required"), STRS("scopes"), STRS("taints"), STRS("teams"),
       INT("created_at"));
LIST(issuers, "Issuers", issuer);

SCHEMA(setup_state, "SetupState", BOOL("done"));
SCHEMA(veil, "EntryPoint", STR("id"), STR("url"), STR("region"), BOOL("enabled"),
       INT("created_at"));
LIST(veils, "EntryPoints", veil);
PART(region, "Region", STR("region"), INT("entry_points"), INT("enabled"));
LIST(regions, "Regions", region);

PART(realm_short, "RealmShort", STR("id"), STR("name"), ENUM("suite", SUITES));
SCHEMA(registered, "Registered", STR("conflux_id"), STR("conflux_token"), STR("tag"), STR("ip4"),
       STR("ip6"), STRS("taints"), STRS("teams"), STRS("scopes"),
       OBJ("realm", vn_schema_realm_short), BOOL("approved"), STRS("warnings"));

PART(identity, "Identity", ENUM("kind", "taint|team|user|oauth"), STR("label"), STR("key"));
PART(hour_keys, "HourKeys", INT("generation"), INT("first_hour"), STRS("keys"));
PART(quarantine_list, "QuarantineList", INT("number"), BOOL("all"), STRS("addresses"));
PART(stun_server, "StunServer", STR("ip"), INT("port"));
PART(ice_server, "IceServer", STR("url"), STR("ip"), MAYBE_STR("username"), MAYBE_STR("credential"),
     MAYBE_STR("pin"));
SCHEMA(ice_given, "IceServers", INT("expires_at"), OBJS("ice_servers", vn_schema_ice_server));
PART(ice_set, "IceServerSet", STR("url"), STRS("addresses"),
     ENUM("credentials", "none|time-limited|one user"), BOOL("pinned"));
LIST(ice_servers, "IceServersSet", ice_set);
PART(descriptor, "RealmDescriptor", STR("id"), STR("name"), ENUM("suite", SUITES),
     ENUM("access", RULES), ENUM("relay", RELAYS), INT("rule"), STR("ipv4"), STR("ipv6"),
     STR("name_key"), STR("guardian_id"), STR("guardian_ek"), STR("root_cert"), STR("issuing_cert"),
     STR("command_cert"), STRS("masters"), STR("master_ca"),
     OBJS("ice_servers", vn_schema_ice_server));
SCHEMA(nonce, "Nonce", STR("nonce"));
SCHEMA(session, "SessionCredentials", INT("time"), INT("expires_at"), STR("conflux_id"), STR("tag"),
       STR("ip4"), STR("ip6"), STR("certificate"), STR("statement"),
       OBJS("identities", vn_schema_identity), STR("mtls_certificate"), STR("nats_jwt"),
       OBJ("hour_keys", vn_schema_hour_keys), MAYBE_STR("other_keys"), STRS("revocations"),
       OBJ("quarantine", vn_schema_quarantine_list), OBJS("member_stun", vn_schema_stun_server),
       OBJ("realm", vn_schema_descriptor));

PART(peer, "Peer", STR("conflux_id"), STR("tag"), STR("ip4"), STR("ip6"));
LIST(peers, "Peers", peer);
SCHEMA(taints, "Taints", STRS("taints"));
SCHEMA(taints_changed, "TaintsChanged", STRS("taints"), MAYBE_STR("statement"),
       MAYBE_OBJS("identities", vn_schema_identity), MAYBE_INT("generation"), MAYBE_STR("nats_jwt"),
       MAYBE_STR("other_keys"));

PART(quarantine, "Quarantine", BOOL("all"), STRS("peers"), STRS("scopes"), STRS("taints"));
SCHEMA(node, "Node", OBJ("rights", vn_schema_rights), STR("conflux_id"), STR("owner"),
       BOOL("ephemeral"), BOOL("approved"), NULL_STR("country"), STR("tag"), STR("ip4"), STR("ip6"),
       STRS("taints"), STRS("teams"), STRS("scopes"), INT("created_at"), NULL_INT("last_login_at"),
       NULL_STR("node_id"), NULL_OBJ("quarantine", vn_schema_quarantine));
LIST(nodes, "Nodes", node);
OPEN_SCHEMA(done, "CommandDone", STR("command"), ENUM("result", "done"));
PART(node_done, "CommandDoneByNode", STR("conflux_id"), STR("tag"), INT("status"),
     MAYBE_STR("detail"), MAYBE_OBJ("answer", vn_schema_done));
LIST(commands_done, "CommandsDone", node_done);
