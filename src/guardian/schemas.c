#include "guardian/schemas.h"

#define STR(n) {.name = (n), .type = VN_MEMBER_STRING, .required = true}
#define INT(n) {.name = (n), .type = VN_MEMBER_INTEGER, .required = true}
#define BOOL(n) {.name = (n), .type = VN_MEMBER_BOOLEAN, .required = true}
#define STRS(n) {.name = (n), .type = VN_MEMBER_STRINGS, .required = true}
#define STAR(n) {.name = (n), .type = VN_MEMBER_STRINGS_STAR, .required = true}
#define ENUM(n, v) {.name = (n), .type = VN_MEMBER_STRING, .required = true, .values = (v)}
#define OBJ(n, s) {.name = (n), .type = VN_MEMBER_OBJECT, .required = true, .of = &(s)}
#define OBJS(n, s) {.name = (n), .type = VN_MEMBER_OBJECTS, .required = true, .of = &(s)}
#define MAYBE_STR(n) {.name = (n), .type = VN_MEMBER_STRING}
#define MAYBE_INT(n) {.name = (n), .type = VN_MEMBER_INTEGER}
#define MAYBE_STRS(n) {.name = (n), .type = VN_MEMBER_STRINGS}
#define MAYBE_STAR(n) {.name = (n), .type = VN_MEMBER_STRINGS_STAR}
#define MAYBE_ENUM(n, v) {.name = (n), .type = VN_MEMBER_STRING, .values = (v)}
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

/* ---- requests ---- */

SCHEMA(login, "Login", STR("user"), STR("password"));
SCHEMA(token_new, "NewRegistrationToken", STR("realm"), MAYBE_INT("expires_in_s"),
       MAYBE_INT("uses"), MAYBE_STRS("taints"), MAYBE_STAR("allowed_taints"));
SCHEMA(realm_new, "NewRealm", STR("name"), MAYBE_ENUM("suite", SUITES), MAYBE_STR("ipv4"),
       MAYBE_ENUM("access", RULES), MAYBE_INT("session_lifetime_s"));
SCHEMA(register, "Registration", MAYBE_STR("tag"), MAYBE_STR("ip"), MAYBE_STRS("taints"),
       MAYBE_STRS("teams"), MAYBE_INT("public_port"), MAYBE_STR("public_ip"));
SCHEMA(session_new, "SessionRequest", STR("nonce"), STR("sig_pk"), STR("session_ek"), STR("nkey"),
       STR("csr"), STR("sig"), STR("nkey_sig"));
SCHEMA(logout, "SessionEnd", STR("node"));
SCHEMA(taints_change, "TaintsChange", MAYBE_STRS("add"), MAYBE_STRS("remove"));
SCHEMA(command, "Command", STR("command"), MAYBE_INT("offset"), MAYBE_STRS("add"),
       MAYBE_STRS("remove"), MAYBE_STRS("peers"), MAYBE_STRS("scopes"), MAYBE_STRS("taints"));

/* ---- answers ---- */

/* RFC 9457; without "type", which then is about:blank */
SCHEMA(problem, "Problem", STR("title"), INT("status"), STR("detail"));
OPEN_SCHEMA(document, "OpenApiDocument", STR("openapi"));
SCHEMA(health, "Health", STR("status"), STR("version"), ENUM("master", "up|down"));
SCHEMA(access, "Access", STR("access_token"), INT("expires_in_s"));

#define TOKEN_MEMBERS                                                                              \
    STR("id"), STR("realm"), INT("created_at"), INT("expires_at"), NULL_INT("uses_left"),          \
        STRS("taints"), STAR("allowed_taints"), BOOL("revoked")
SCHEMA(token, "RegistrationToken", TOKEN_MEMBERS);
SCHEMA(token_shown, "RegistrationTokenShown", TOKEN_MEMBERS, STR("token"), STR("join_token"));
LIST(tokens, "RegistrationTokens", token);

SCHEMA(realm, "Realm", STR("id"), STR("name"), ENUM("suite", SUITES), STR("ipv4"), STR("ipv6"),
       ENUM("access", RULES), INT("session_lifetime_s"), INT("created_at"));
LIST(realms, "Realms", realm);

PART(realm_short, "RealmShort", STR("id"), STR("name"), ENUM("suite", SUITES));
SCHEMA(registered, "Registered", STR("conflux_id"), STR("conflux_token"), STR("tag"), STR("ip4"),
       STR("ip6"), STRS("taints"), OBJ("realm", vn_schema_realm_short), STRS("warnings"));

PART(identity, "Identity", ENUM("kind", "taint|team|user|oauth"), STR("label"), STR("key"));
PART(hour_keys, "HourKeys", INT("generation"), INT("first_hour"), STRS("keys"));
PART(quarantine_list, "QuarantineList", INT("number"), BOOL("all"), STRS("addresses"));
PART(stun_server, "StunServer", STR("ip"), INT("port"));
PART(ice_server, "IceServer", STR("url"), STR("ip"), MAYBE_STR("username"), MAYBE_STR("credential"),
     MAYBE_STR("pin"));
PART(descriptor, "RealmDescriptor", STR("id"), STR("name"), ENUM("suite", SUITES),
     ENUM("access", RULES), STR("ipv4"), STR("ipv6"), STR("name_key"), STR("guardian_id"),
     STR("guardian_ek"), STR("root_cert"), STR("issuing_cert"), STR("command_cert"),
     STRS("masters"), STR("master_ca"), OBJS("ice_servers", vn_schema_ice_server));
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
SCHEMA(node, "Node", STR("conflux_id"), STR("tag"), STR("ip4"), STR("ip6"), STRS("taints"),
       INT("created_at"), NULL_INT("last_login_at"), NULL_STR("node_id"),
       NULL_OBJ("quarantine", vn_schema_quarantine));
LIST(nodes, "Nodes", node);
OPEN_SCHEMA(done, "CommandDone", STR("command"), ENUM("result", "done"));
