#include "guardian/master_leaf.h"

#include "base/clock.h"
#include "base/file.h"
#include "crypto/rng.h"
#include "guardian/accounts.h"
#include "guardian/address.h"
#include "guardian/json.h"
#include "guardian/master_tls.h"

#define CHANGES "leaves" /* no realm's file: theirs begin with another word */
#define CREDS_MAX 8192
/* nats-server asks for accounts that changed while it was away, and hears so what they are now. */
#define ASK_SUBJECT "$SYS.REQ.CLAIMS.PACK"
#define ANSWERS "$SYS._INBOX.>"
/* None of these accounts changes, but the system's, once, when it shares. */
#define MADE_MS 1000

static void creds_path(const char *dir, const char *realm, char *ret, size_t n)
{
    snprintf(ret, n, realm ? "%s/realm-%s.creds" : "%s/" CHANGES ".creds", dir, realm);
}

/* ---- accounts ---- */

vn_status vn_master_system_jwt(const struct vn_guardian_config *c, char **ret)
{
    const char *account = c->nats_system.public;
    if (!c->cluster.leaf_ca)
        return vn_natsjwt_account(&c->nats_operator, account, NULL, 0, "SYS", NULL, MADE_MS, ret);
    VN_CLEANUP(vn_json_freep)
    json_t *exports =
        json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "name", "changes", "subject",
                  VN_CLAIMS_SUBJECT, "type", "stream", "name", "all", "subject", ASK_SUBJECT,
                  "type", "service", "response_type", "Stream");
    return vn_natsjwt_sharing(&c->nats_operator, account, "SYS", "exports", exports, MADE_MS + 1,
                              ret);
}

static vn_status leaves_jwt(const struct vn_guardian_config *c, char **ret)
{
    const char *system = c->nats_system.public;
    VN_CLEANUP(vn_json_freep)
    json_t *imports =
        json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "name", "changes", "account",
                  system, "subject", VN_CLAIMS_SUBJECT, "type", "stream", "name", "all", "account",
                  system, "subject", ASK_SUBJECT, "type", "service");
    return vn_natsjwt_sharing(&c->nats_operator, c->cluster.leaves.public, "LEAVES", "imports",
                              imports, MADE_MS, ret);
}

vn_status vn_master_leaf_accounts(const struct vn_guardian_config *c, bool own,
                                  struct vn_conf_text *t)
{
    VN_CLEANUP(vn_json_strp) char *system = NULL;
    VN_CLEANUP(vn_json_strp) char *leaves = NULL;
    vn_status st = vn_natsjwt_account(&c->nats_operator, c->cluster.leaf_system.public, NULL, 0,
                                      "LEAF", NULL, MADE_MS, &system);
    if (st == VN_OK && !own)
        st = leaves_jwt(c, &leaves);
    if (st == VN_OK) /* others have it too: those who compare have the same */
        vn_conf_add(t, "  %s: \"%s\"\n", c->cluster.leaf_system.public, system);
    if (leaves)
        vn_conf_add(t, "  %s: \"%s\"\n", c->cluster.leaves.public, leaves);
    return st;
}

/* ---- who it is ---- */

/* What a leaf may do in an account; sub[1] may be NULL. */
struct access {
    const struct vn_nats_key *account;
    const char *pub, *sub[2];
};

static vn_status make_jwt(const struct access *a, const char *user, uint64_t now_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *pub = json_pack("[s]", a->pub);
    VN_CLEANUP(vn_json_freep) json_t *sub = json_pack("[s, s*]", a->sub[0], a->sub[1]);
    struct vn_nats_user u = {.user = user, .name = "leaf", .leaf = true, .subs = -1, .payload = -1};
    if (!pub || !sub)
        return VN_ERR_NOMEM;
    u.pub = pub;
    u.sub = sub;
    u.expires_ms = now_ms + VN_MASTER_TLS_MS;
    return vn_natsjwt_user(a->account, &u, now_ms, ret);
}

static vn_status write_creds(const char *path, const char *jwt, const struct vn_secret32 *seed)
{
    char key[VN_NKEY_SEED_TEXT], text[CREDS_MAX];
    vn_status st = vn_nkey_seed(VN_NKEY_USER, seed, key);
    if (st != VN_OK)
        return st;
    const int n = snprintf(text, sizeof(text),
                           "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                           "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
                           jwt, key);
    st = (size_t)n < sizeof(text) ? vn_file_write_atomic(path, VN_SPAN(text, (size_t)n), 0600)
                                  : VN_ERR_LIMIT;
    vn_wipe(key, sizeof(key));
    vn_wipe(text, sizeof(text));
    return st;
}

/* realm: its name; NULL: for the account of leaves. */
static vn_status make_creds(const struct access *a, const char *realm, const char *dir)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 seed;
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    char path[VN_PATH_MAX + 96];
    struct vn_nats_key user;
    vn_status st = vn_rng_bytes(seed.b, sizeof(seed.b));
    if (st == VN_OK)
        st = vn_nats_key_init(&user, VN_NKEY_USER, &seed);
    if (st != VN_OK)
        return st;
    st = make_jwt(a, user.public, vn_clock_wall_ms(), &jwt);
    vn_nats_key_done(&user);
    creds_path(dir, realm, path, sizeof(path));
    return st == VN_OK ? write_creds(path, jwt, &seed) : st;
}

vn_status vn_master_leaf_files(struct vn_guardian *g, const struct vn_master_server *s,
                               const struct vn_master_paths *p)
{
    const struct access changes = {
        &g->cfg.cluster.leaves, ASK_SUBJECT, {VN_CLAIMS_SUBJECT, ANSWERS}};
    vn_status st = vn_master_tls_leaf(&g->cfg, p, s->name);
    if (st == VN_OK)
        st = make_creds(&changes, NULL, p->dir);
    for (size_t i = 0; st == VN_OK && i < s->realm_count; i++) {
        VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
        st = vn_guardian_realm(g, &s->realms[i], &realm);
        if (st == VN_OK)
            st = make_creds(&(struct access){&realm->account, "a.>", {"a.>"}}, realm->r.name,
                            p->dir);
    }
    return st;
}

/* ---- where it connects ---- */

static void add_remote(struct vn_conf_text *t, const struct vn_master_paths *p,
                       const struct vn_master_server *s, const char *account, const char *realm)
{
    char host[VN_HOST_MAX + 2], path[VN_PATH_MAX + 96];
    vn_conf_add(t, "{\nurls: [\n");
    for (size_t i = 0; i < s->peer_count; i++) {
        vn_host_format(s->peers[i].host, host);
        vn_conf_add(t, "  \"tls://%s:%u\"\n", host, s->peers[i].port);
    }
    vn_conf_add(t, "]\naccount: \"%s\"\n", account);
    creds_path(p->dir, realm, path, sizeof(path));
    vn_conf_path(t, "credentials", path);
    vn_conf_tls(t, p, p->leaf_cert, p->leaf_key, p->leaf_ca);
    vn_conf_add(t, "}\n");
}

vn_status vn_master_leaf_text(struct vn_guardian *g, const struct vn_master_paths *p,
                              const struct vn_master_server *s, struct vn_conf_text *t)
{
    vn_status st = VN_OK;
    vn_conf_add(t, "leafnodes {\nremotes: [\n");
    add_remote(t, p, s, g->cfg.cluster.leaf_system.public, NULL);
    for (size_t i = 0; st == VN_OK && i < s->realm_count; i++) {
        VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
        st = vn_guardian_realm(g, &s->realms[i], &realm);
        if (st == VN_OK)
            add_remote(t, p, s, realm->account.public, realm->r.name);
    }
    vn_conf_add(t, "]\n}\n");
    return st;
}
