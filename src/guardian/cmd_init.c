#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/rng.h"
#include "crypto/x509.h"
#include "guardian/address.h"
#include "guardian/cmd_admin.h"
#include "guardian/commands.h"
#include "guardian/config.h"
#include "guardian/json.h"
#include "guardian/master.h"
#include "guardian/options.h"
#include "guardian/password.h"
#include "guardian/realm_make.h"
#include "guardian/store_orgs.h"
#include "guardian/regtoken.h"
#include "guardian/setup.h"
#include "guardian/statedir.h"
#include "guardian/store_audit.h"

#define HTTPS_PORT 8443
#define MASTER_PORT 4222
#define PEM_MAX 65536
#define FIRST_TAINT "home"

struct wish {
    const char *dir, *public, *realm, *suite, *ipv4, *listen, *master_port, *tls_cert, *tls_key,
        *lifetime;
    bool run, json, setup;
};

struct plan {
    char public_host[VN_HOST_MAX], listen_host[VN_HOST_MAX];
    uint16_t public_port, listen_port, master_port;
    bool public_given, public_private;
    char *tls_cert_pem, *tls_key_pem;
};

struct made {
    char password[21];
    char setup[VN_SETUP_TOKEN_TEXT]; /* "": the password is told instead */
    struct vn_realm_record realm;
    struct vn_regtoken token;
    struct vn_guardian_config cfg;
};

static void made_done(struct made *m)
{
    vn_wipe(m->password, sizeof(m->password));
    vn_wipe(m->setup, sizeof(m->setup));
    vn_realm_record_done(&m->realm);
    vn_regtoken_done(&m->token);
    vn_config_done(&m->cfg);
}

/* ---- deciding; each returns an exit code, 0 to go on ---- */

static int decide_listen(const struct wish *w, struct plan *p)
{
    snprintf(p->listen_host, sizeof(p->listen_host), "*");
    p->listen_port = HTTPS_PORT;
    p->master_port = MASTER_PORT;
    if (w->listen && vn_host_port_parse(w->listen, p->listen_host, &p->listen_port) != VN_OK)
        return vn_die("--listen %s is no ADDR:PORT, such as 0.0.0.0:8443 or [::]:8443", w->listen);
    if (w->master_port) {
        char *end;
        errno = 0;
        unsigned long v = strtoul(w->master_port, &end, 10);
        if (errno || *end || end == w->master_port || v > 65535)
            return vn_die("--master-port %s is no port: give a number of 1 to 65535",
                          w->master_port);
        p->master_port = (uint16_t)v;
    }
    struct {
        uint16_t *port;
        const char *what, *option;
    } ports[] = {{&p->listen_port, "Guardian", "--listen ADDR:PORT"},
                 {&p->master_port, "Master", "--master-port PORT"}};
    for (size_t i = 0; i < VN_ARRAY_LEN(ports); i++) {
        vn_status st = vn_port_check(p->listen_host, ports[i].port);
        if (st == VN_ERR_EXISTS)
            return vn_die("port %u/tcp, wanted for %s, is in use: stop the program that holds it "
                          "(ss -ltnp shows it) "
                          "or choose another with %s",
                          *ports[i].port, ports[i].what, ports[i].option);
        if (st == VN_ERR_ARG)
            return vn_die("--listen %s: %s is no address; give one of this machine's", w->listen,
                          p->listen_host);
        if (st != VN_OK)
            return vn_die("cannot listen on %s port %u/tcp (%s): choose an address and a port of "
                          "this machine with %s",
                          p->listen_host, *ports[i].port, strerror(errno), ports[i].option);
    }
    if (p->listen_port == p->master_port)
        return vn_die("Guardian and Master cannot share port %u: choose another with --master-port",
                      p->listen_port);
    return 0;
}

static int decide_public(const struct wish *w, struct plan *p)
{
    p->public_port = p->listen_port;
    struct vn_ip ip;
    if (w->public) {
        if (vn_host_port_parse(w->public, p->public_host, &p->public_port) != VN_OK ||
            p->public_host[0] == '*')
            return vn_die("--public %s is no HOST or HOST:PORT", w->public);
        p->public_given = true;
        return 0;
    }
    /* Only one address is listened on: then that one is it. */
    if (strcmp(p->listen_host, "*") != 0 && strcmp(p->listen_host, "0.0.0.0") != 0 &&
        strcmp(p->listen_host, "::") != 0)
        snprintf(p->public_host, sizeof(p->public_host), "%s", p->listen_host);
    else if (vn_own_address(&ip) == VN_OK)
        vn_ip_format(&ip, p->public_host);
    else
        return vn_die("this machine has no address but loopback: name what nodes connect to with "
                      "--public HOST");
    p->public_private = vn_ip_parse(p->public_host, &ip) == VN_OK && vn_ip_is_private(&ip);
    return 0;
}

static int read_pem(const char *path, const char *option, char **ret)
{
    struct vn_buf b;
    vn_buf_init(&b, PEM_MAX);
    vn_status st = vn_file_read(path, &b);
    if (st == VN_OK && vn_buf_append(&b, "", 1) == VN_OK)
        *ret = strdup((const char *)b.p);
    vn_buf_wipe(&b);
    return *ret ? 0 : vn_die("%s: cannot read %s (%s)", option, path, vn_status_name(st));
}

static int decide_tls(const struct wish *w, struct plan *p)
{
    if (!w->tls_cert && !w->tls_key)
        return 0;
    if (!w->tls_cert || !w->tls_key)
        return vn_die(
            "--tls-cert and --tls-key belong together: give both, or neither for a pinned key");
    int code = read_pem(w->tls_cert, "--tls-cert", &p->tls_cert_pem);
    if (!code)
        code = read_pem(w->tls_key, "--tls-key", &p->tls_key_pem);
    if (code)
        return code;
    uint8_t cert_pin[32], key_pin[32];
    if (vn_tls_cert_pin(p->tls_cert_pem, cert_pin) != VN_OK)
        return vn_die("--tls-cert %s holds no certificate in PEM form", w->tls_cert);
    if (vn_tls_key_pin(p->tls_key_pem, key_pin) != VN_OK || !vn_ct_equal(cert_pin, key_pin, 32))
        return vn_die("--tls-key %s is not the key of that certificate (first in the file)",
                      w->tls_key);
    return 0;
}

/* ---- making ---- */

/* Closed where it waits for who sets Guardian up: nobody knows its password then. */
static vn_status make_user(struct vn_store *s, uint64_t now_ms, bool setup, struct made *m,
                           struct vn_id *ret)
{
    struct vn_user_record u = {
        .name = "admin", .superuser = true, .disabled = setup, .created_ms = now_ms};
    vn_status st = vn_rng_bytes(u.id.b, sizeof(u.id.b));
    if (st == VN_OK)
        st = vn_password_generate(m->password);
    if (st == VN_OK)
        st = vn_password_hash(m->password, u.password, sizeof(u.password));
    if (st == VN_OK)
        st = vn_store_user_add(s, &u);
    if (st == VN_OK && setup)
        st = vn_setup_prepare(s, &u.id, m->setup);
    *ret = u.id;
    return st;
}

/* The first realm's organisation, of the same name. */
static vn_status make_org(struct vn_store *s, const struct vn_id *owner, uint64_t now_ms,
                          const struct made *m)
{
    struct vn_org_record o = {.created_ms = now_ms};
    snprintf(o.name, sizeof(o.name), "%s", m->realm.name);
    vn_status st = vn_rng_bytes(o.id.b, sizeof(o.id.b));
    if (st == VN_OK)
        st = vn_store_org_add(s, &o);
    if (st == VN_OK)
        st = vn_store_member_put(s, &o.id, owner, VN_ROLE_OWNER, now_ms);
    const struct vn_realm_place place = {.org = o.id};
    return st == VN_OK ? vn_store_realm_place_set(s, &m->realm.id, &place) : st;
}

static vn_status make_token(struct vn_store *s, const struct vn_id *owner, uint64_t now_ms,
                            struct made *m)
{
    struct vn_regtoken_init init = {.realm = m->realm.id,
                                    .owner = *owner,
                                    .expires_in_s = VN_REGTOKEN_LIFE_DEFAULT_S,
                                    .uses = -1,
                                    .allowed = {.any = true},
                                    .rights = {.bits = VN_RIGHT_RELAY}};
    char why[200];
    vn_status st = vn_taints_add(&init.taints, FIRST_TAINT);
    return st == VN_OK ? vn_regtoken_create(s, &m->cfg, &init, now_ms, &m->token, why, sizeof(why))
                       : st;
}

static vn_status make_all(struct vn_store *s, const struct plan *p, bool setup,
                          const struct vn_realm_init *realm, struct made *m)
{
    uint64_t now_ms = vn_clock_wall_ms();
    const struct vn_config_init config = {
        .public_host = p->public_host,
        .public_port = p->public_port,
        .listen_host = p->listen_host,
        .listen_port = p->listen_port,
        .master_port = p->master_port,
        .tls_cert_pem = p->tls_cert_pem,
        .tls_key_pem = p->tls_key_pem,
    };
    struct vn_id owner;
    vn_status st = vn_store_begin(s);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = s;
    if (st == VN_OK)
        st = vn_config_create(tx, &config, now_ms);
    if (st == VN_OK)
        st = vn_config_load(tx, &m->cfg);
    if (st == VN_OK)
        st = make_user(tx, now_ms, setup, m, &owner);
    if (st == VN_OK)
        st = vn_realm_generate(realm, now_ms, &m->realm);
    if (st == VN_OK)
        st = vn_store_realm_add(tx, &m->realm);
    if (st == VN_OK)
        st = make_org(tx, &owner, now_ms, m);
    if (st == VN_OK)
        st = make_token(tx, &owner, now_ms, m);
    if (st == VN_OK)
        st = vn_store_audit_add(tx, now_ms, &m->realm.id, "init", "installation_created",
                                m->realm.name, "");
    return st == VN_OK ? vn_store_commit(tx) : st;
}

static void remove_store(const char *path)
{
    char side[VN_PATH_MAX + 16];
    (void)unlink(path);
    snprintf(side, sizeof(side), "%s-wal", path);
    (void)unlink(side);
    snprintf(side, sizeof(side), "%s-shm", path);
    (void)unlink(side);
}

static vn_status write_setup(const struct vn_statedir *dir, const struct made *m)
{
    char path[VN_PATH_MAX], line[VN_SETUP_TOKEN_TEXT + 1];
    vn_setup_path(dir, path);
    snprintf(line, sizeof(line), "%s\n", m->setup);
    vn_status st = vn_file_write_atomic(path, VN_SPAN_STR(line), 0600);
    vn_wipe(line, sizeof(line));
    return st;
}

/* The store appears under its name only when it is complete: an init cut short leaves nothing in
 * the way. */
static int create(const struct vn_statedir *dir, const struct wish *w, const struct plan *p,
                  struct made *m)
{
    char path[VN_PATH_MAX + 8], why[200];
    uint64_t lifetime_s = 0;
    if (w->lifetime &&
        (vn_duration_parse(w->lifetime, &lifetime_s) != VN_OK || lifetime_s > INT64_MAX))
        return vn_die("--session-lifetime %s is no duration, such as 30m or 12h", w->lifetime);
    snprintf(path, sizeof(path), "%s.new", dir->db);
    remove_store(path);
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    vn_status st = vn_store_open(path, true, &s);
    if (st != VN_OK)
        return vn_die("cannot write %s (%s): check the folder's owner and space", path,
                      vn_status_name(st));
    const struct vn_realm_wish wish = {
        .name = w->realm ? w->realm : "home",
        .suite = w->suite,
        .ipv4 = w->ipv4,
        .session_lifetime_s = w->lifetime ? (int64_t)lifetime_s : -1,
    };
    struct vn_realm_init realm;
    st = vn_realm_wish_check(s, &wish, &realm, why, sizeof(why));
    if (st == VN_OK)
        st = make_all(s, p, w->setup, &realm, m);
    s = vn_store_close(s); /* the last connection: folds the WAL into the file */
    if (st == VN_OK && w->setup)
        st = write_setup(dir, m);
    if (st == VN_OK)
        st = vn_file_rename(path, dir->db);
    if (st == VN_OK)
        return 0;
    remove_store(path);
    return st == VN_ERR_ARG ? vn_die("%s", why) : vn_die("init failed (%s)", vn_status_name(st));
}

/* ---- telling ---- */

static void print_json(const struct vn_statedir *dir, const struct made *m)
{
    char url[VN_URL_MAX], master[VN_URL_MAX], range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_config_url(&m->cfg, url);
    vn_config_master_url(&m->cfg, master);
    vn_prefix_format(&m->realm.range4, range4);
    vn_prefix_format(&m->realm.range6, range6);
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack(
        "{s:s, s:s, s:i, s:s, s:i, s:o, s:{s:s, s:s}, s:s, s:{s:o, s:s, s:s, s:s, s:s}, s:s, s:s}",
        "state_dir", dir->dir, "guardian", url, "https_port", m->cfg.listen_port, "master", master,
        "master_port", m->cfg.master_port, "pin",
        m->cfg.pinned ? vn_json_b64(VN_SPAN_ARRAY(m->cfg.pin)) : json_null(), "admin", "user",
        "admin", "password", m->password, "admin_password", m->password, "realm", "id",
        vn_json_id(&m->realm.id), "name", m->realm.name, "suite",
        vn_suite_get(m->realm.suite)->name, "ipv4", range4, "ipv6", range6, "registration_token",
        m->token.jwt, "join_token", m->token.join);
    if (m->setup[0]) {
        json_object_del(o, "admin");
        json_object_del(o, "admin_password");
        json_object_set_new(o, "setup_token", json_string(m->setup));
    }
    vn_admin_print_json(o);
}

static void print_text(const struct wish *w, const struct plan *p, const struct vn_statedir *dir,
                       const struct made *m)
{
    char url[VN_URL_MAX], range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_config_url(&m->cfg, url);
    vn_prefix_format(&m->realm.range4, range4);
    vn_prefix_format(&m->realm.range6, range6);
    printf("Guardian %s, state in %s\n", url, dir->dir);
    if (p->public_private && !p->public_given)
        printf("  warning: %s is a private address: machines elsewhere will not reach it. If they "
               "should,\n"
               "  remove %s and init again with --public HOST[:PORT]\n",
               p->public_host, dir->dir);
    printf("Realm %s: %s, %s, suite %s\n", m->realm.name, range4, range6,
           vn_suite_get(m->realm.suite)->name);
    printf("Open in the firewall: %u/tcp (Guardian), %u/tcp (Master)\n", m->cfg.listen_port,
           m->cfg.master_port);
    if (m->setup[0])
        printf("Set it up: POST %s/setup with a password for admin and this token, which is\n"
               "in %s/" VN_SETUP_FILE " until then:\n\n  %s\n\n",
               url, dir->dir, m->setup);
    else
        printf("Administrator: admin, password %s (shown only now)\n\n", m->password);
    printf("Join other machines within 30 days (taint %s):\n\n  veilnet-conflux register -t %s\n\n",
           FIRST_TAINT, m->token.join);
    if (!w->run)
        printf("Start Guardian: veilnet-guardian run%s%s\n", w->dir ? " --state-dir " : "",
               w->dir ? dir->dir : "");
    fflush(stdout);
}

int vn_cmd_init(int argc, char **argv)
{
    struct wish w = {0};
    const struct vn_option options[] = {
        {"--state-dir", &w.dir, NULL},     {"--public", &w.public, NULL},
        {"--realm", &w.realm, NULL},       {"--suite", &w.suite, NULL},
        {"--ipv4", &w.ipv4, NULL},         {"--listen", &w.listen, NULL},
        {"--tls-cert", &w.tls_cert, NULL}, {"--master-port", &w.master_port, NULL},
        {"--tls-key", &w.tls_key, NULL},   {"--session-lifetime", &w.lifetime, NULL},
        {"--run", NULL, &w.run},           {"--json", NULL, &w.json},
        {"--setup", NULL, &w.setup},       {0},
    };
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    struct vn_statedir dir;
    int code = vn_admin_statedir(w.dir, false, &dir);
    if (code)
        return code;
    if (vn_statedir_exists(&dir))
        return vn_die(
            "%s holds a Guardian already: serve with veilnet-guardian run, or choose another "
            "folder with "
            "--state-dir (to begin anew, stop it with stop --with-master and remove the folder)",
            dir.dir);
    char program[VN_PATH_MAX];
    if (vn_master_program(program) != VN_OK)
        return vn_die("nats-server is missing: install it (apt install nats-server)");
    VN_CLEANUP(made_done) struct made m = {0};
    struct plan p = {0};
    code = decide_listen(&w, &p);
    if (!code)
        code = decide_public(&w, &p);
    if (!code)
        code = decide_tls(&w, &p);
    if (!code && (vn_file_mkdirs(dir.dir, 0700) != VN_OK || chmod(dir.dir, 0700)))
        code = vn_die("cannot make %s (%s): run as root, or choose another folder with --state-dir",
                      dir.dir, strerror(errno));
    pid_t holder = 0;
    if (!code && vn_statedir_lock(&dir, &holder) != VN_OK)
        code = vn_die("%s is in use by process %d", dir.dir, (int)holder);
    if (!code)
        code = create(&dir, &w, &p, &m);
    vn_secret_strp(&p.tls_key_pem);
    free(p.tls_cert_pem);
    if (code)
        return code;
    if (w.json) {
        print_json(&dir, &m);
        fflush(stdout);
    } else {
        print_text(&w, &p, &dir, &m);
    }
    made_done(&m);
    return w.run ? vn_guardian_serve(&dir) : 0;
}
