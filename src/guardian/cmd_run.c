#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "guardian/ack.h"
#include "guardian/audit_keep.h"
#include "guardian/cmd_admin.h"
#include "guardian/command.h"
#include "guardian/commands.h"
#include "guardian/entry_points.h"
#include "guardian/ephemeral.h"
#include "guardian/geo.h"
#include "guardian/guardian.h"
#include "guardian/http.h"
#include "guardian/keychange.h"
#include "guardian/link.h"
#include "guardian/accounts.h"
#include "guardian/master.h"
#include "guardian/oidc.h"
#include "guardian/options.h"
#include "guardian/providers.h"
#include "guardian/push.h"
#include "guardian/quarantine.h"
#include "guardian/realm_rule.h"
#include "guardian/revoke.h"
#include "guardian/signing.h"
#include "guardian/statements.h"
#include "loop/io.h"
#include "loop/loop.h"

#define DESCRIPTORS                                                                                \
    8192 /* connections and then some; libwebsockets makes tables for as many as there may be */
#define POOL_THREADS "4"

struct serving {
    struct vn_guardian g;
    struct vn_io io;
    uv_signal_t term, interrupt;
    bool stopping;
};

/* What is there, also of a start that failed half way: the loop ends when all of it is closed. */
static void stop(struct serving *s)
{
    vn_commands_free(VN_TAKE(s->g.commands)); /* answers who waits */
    vn_providers_free(VN_TAKE(s->g.providers));
    vn_acks_free(VN_TAKE(s->g.acks)); /* and these wait no longer */
    vn_web_close(s->g.http);
    vn_master_close(VN_TAKE(s->g.master));
    vn_revoker_free(VN_TAKE(s->g.revoker));
    vn_signing_free(VN_TAKE(s->g.signing));
    vn_key_changes_free(VN_TAKE(s->g.key_changes));
    vn_ephemerals_free(VN_TAKE(s->g.ephemerals));
    vn_geo_free(VN_TAKE(s->g.geo));
    vn_audit_keeper_free(VN_TAKE(s->g.audit_keeper));
    vn_accounts_free(VN_TAKE(s->g.accounts));
    vn_links_free(VN_TAKE(s->g.links));
}

static void on_signal(uv_signal_t *h, int number)
{
    struct serving *s = h->data;
    if (s->stopping)
        return;
    s->stopping = true;
    vn_log(VN_LOG_INFO, "guardian_stopping", VN_KV_I64("signal", number));
    stop(s);
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
}

static int explain_http(const struct vn_guardian *g, vn_status st)
{
    if (st == VN_ERR_EXISTS)
        return vn_die("port %u/tcp is in use: stop the program that holds it (ss -ltnp shows it)",
                      g->cfg.listen_port);
    return vn_die("cannot listen on %s port %u/tcp (%s): check that this machine has that address",
                  g->cfg.listen_host, g->cfg.listen_port,
                  st == VN_ERR_IO && errno ? strerror(errno) : vn_status_name(st));
}

static int explain_master(vn_status st)
{
    if (st == VN_ERR_UNSUPPORTED)
        return vn_die("nats-server is missing: install it (apt install nats-server)");
    return vn_die("cannot start Master (%s): see the log", vn_status_name(st));
}

int vn_guardian_serve(const struct vn_statedir *dir)
{
    static struct serving s;
    struct rlimit files = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = VN_MIN((rlim_t)DESCRIPTORS, files.rlim_max);
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
    signal(SIGPIPE, SIG_IGN);
    vn_status st = vn_guardian_open(&s.g, dir);
    if (st == VN_OK)
        st = vn_entry_points_first(s.g.store, &s.g.cfg, vn_clock_wall_ms());
    if (st != VN_OK)
        return vn_die("cannot read the state in %s (%s)", dir->dir, vn_status_name(st));
    vn_turn_resolve(&s.g.cfg.turn, VN_ICE_SERVERS_MAX - s.g.cfg.stun_count);
    if (vn_loop_new(&s.g.loop) != VN_OK)
        return vn_die("cannot make an event loop: out of memory or descriptors");
    s.g.uv = vn_loop_uv(s.g.loop);
    st = vn_acks_new(&s.g, &s.g.acks);
    int code = st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
    if (st == VN_OK) {
        st = vn_web_open(&s.g, &s.g.http);
        if (st != VN_OK)
            code = explain_http(&s.g, st);
    }
    if (st == VN_OK) {
        st = vn_master_open(&s.g, &s.g.master);
        if (st != VN_OK)
            code = explain_master(st);
    }
    if (st == VN_OK &&
        (vn_links_new(&s.g, &s.g.links) != VN_OK || vn_accounts_new(&s.g.accounts) != VN_OK ||
         vn_revoker_new(&s.g, &s.g.revoker) != VN_OK ||
         vn_key_changes_new(&s.g, &s.g.key_changes) != VN_OK ||
         vn_signing_new(&s.g, &s.g.signing) != VN_OK ||
         vn_ephemerals_new(&s.g, &s.g.ephemerals) != VN_OK || vn_geo_new(&s.g, &s.g.geo) != VN_OK ||
         vn_audit_keeper_new(&s.g, &s.g.audit_keeper) != VN_OK))
        st = VN_ERR_NOMEM;
    if (st == VN_OK && vn_commands_new(&s.g, &s.g.commands) != VN_OK)
        st = VN_ERR_NOMEM;
    s.io = (struct vn_io)VN_LOOP_IO(s.g.loop);
    if (st == VN_OK)
        st = vn_providers_new(&s.io, &s.g.cfg.providers, &s.g.providers);
    if (st == VN_OK)
        st = vn_oidc_flows_new(&s.g.oidc_flows);
    if (st == VN_OK)
        st = vn_statements_new(s.g.uv, &s.g.statements);
    if (st == VN_OK) {
        vn_push_outbox(&s.g);
        vn_revoke_publish(&s.g);
        vn_realm_rule_publish(&s.g);
        vn_quarantine_push(&s.g);
        uv_signal_init(s.g.uv, &s.term);
        uv_signal_init(s.g.uv, &s.interrupt);
        s.term.data = s.interrupt.data = &s;
        uv_signal_start(&s.term, on_signal, SIGTERM);
        uv_signal_start(&s.interrupt, on_signal, SIGINT);
        vn_log(VN_LOG_INFO, "guardian_ready", VN_KV_STR("public", s.g.cfg.public_host),
               VN_KV_U64("port", s.g.cfg.listen_port),
               VN_KV_U64("master_port", s.g.cfg.master_port));
    } else {
        if (!code)
            code = vn_die("cannot start (%s): this machine lacks memory or descriptors",
                          vn_status_name(st));
        stop(&s);
    }
    vn_loop_run(s.g.loop);
    vn_web_free(VN_TAKE(s.g.http));
    s.g.oidc_flows = vn_oidc_flows_free(s.g.oidc_flows);
    s.g.statements = vn_statements_free(s.g.statements);
    s.g.loop = vn_loop_free(s.g.loop);
    vn_guardian_close(&s.g);
    vn_log(VN_LOG_INFO, "guardian_stopped");
    return s.g.disk_failed ? vn_die("the disk of %s failed: look at what the kernel says (dmesg), "
                                    "and start Guardian again",
                                    dir->dir)
                           : code;
}

/* Kept: the next run need not be told again. */
static int set_stun(const struct vn_statedir *dir, const char *list)
{
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    vn_status st = vn_store_open(dir->db, false, &s);
    if (st == VN_OK)
        st = vn_config_set_stun(s, list);
    if (st == VN_ERR_ARG)
        return vn_die(
            "--stun %s is no list of at most %d IP[:PORT], such as 203.0.113.5,[2001:db8::5]:3479",
            list, VN_STUN_SERVERS_MAX);
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
}

static int set_geo(const struct vn_statedir *dir, const char *path)
{
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    const bool none = strcmp(path, "none") == 0;
    char full[PATH_MAX];
    struct stat sb;
    if (!none && (!realpath(path, full) || stat(full, &sb) != 0))
        return vn_die("--geo %s cannot be read (%s)", path, strerror(errno));
    if (!none && !S_ISREG(sb.st_mode)) /* one that is no whole database may yet become one */
        return vn_die("--geo %s is no file: name a MaxMind DB", path);
    vn_status st = vn_store_open(dir->db, false, &s);
    if (st == VN_OK)
        st = vn_config_set_geo(s, none ? path : full);
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
}

static int set_audit(const struct vn_statedir *dir, const char *age, const char *entries)
{
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    uint64_t age_s = 0, count = 0;
    char *end = "";
    if (age && (vn_duration_parse(age, &age_s) != VN_OK || !age_s || age_s > VN_AUDIT_AGE_MAX_S))
        return vn_die("--audit-age is a duration of up to 100 years, such as 400d");
    if (entries)
        count = strtoull(entries, &end, 10);
    if (entries && (*end || !count || count > INT64_MAX))
        return vn_die("--audit-entries is a number, 1 or more");
    vn_status st = vn_store_open(dir->db, false, &s);
    if (st == VN_OK)
        st = vn_config_set_audit(s, age ? &age_s : NULL, entries ? &count : NULL);
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
}

/* For other servers; NULL: as it was. The embedded one may listen there already. */
static int check_port(const struct vn_guardian_config *c, const char *option,
                      const uint16_t *wanted, uint16_t is)
{
    uint16_t port = wanted ? *wanted : is;
    if (!port)
        return 0;
    if (port == c->listen_port || port == c->master_port)
        return vn_die("%s %u is a port of Guardian or of nodes: choose another", option, port);
    if (port != is && vn_port_check(c->listen_host, &port) != VN_OK)
        return vn_die("port %u/tcp cannot be had: choose another with %s, or stop the program that "
                      "holds it (ss -ltnp shows it)",
                      port, option);
    return 0;
}

/* A port for other servers: as the command line has it (NULL: not there), and as it is. */
struct others_port {
    const char *option, *word;
    uint16_t usual, is, room;
    const uint16_t *wanted; /* NULL: as it is; else room */
};

static int read_port(struct others_port *p)
{
    if (!p->word)
        return 0;
    if (strcmp(p->word, "none") != 0 && (!vn_port_parse(p->word, &p->room) || p->room == 0))
        return vn_die("%s is a port, 1 to 65535 (usually %u), or none", p->option, p->usual);
    p->wanted = &p->room;
    return 0;
}

static int check_others(const struct vn_guardian_config *c, const struct others_port *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            const uint16_t a = p[k].wanted ? *p[k].wanted : p[k].is;
            if (a && a == (p[i].wanted ? *p[i].wanted : p[i].is))
                return vn_die("%s and %s are two ports: choose another", p[k].option, p[i].option);
        }
    int code = 0;
    for (size_t i = 0; !code && i < n; i++)
        code = check_port(c, p[i].option, p[i].wanted, p[i].is);
    return code;
}

static int set_cluster(const struct vn_statedir *dir, const char *cluster, const char *gateway,
                       const char *leaf)
{
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    VN_CLEANUP(vn_config_done) struct vn_guardian_config cfg = {0};
    struct others_port p[] = {
        {.option = "--cluster-port", .word = cluster, .usual = VN_CLUSTER_PORT_USUAL},
        {.option = "--gateway-port", .word = gateway, .usual = VN_GATEWAY_PORT_USUAL},
        {.option = "--leaf-port", .word = leaf, .usual = VN_LEAF_PORT_USUAL}};
    int code = 0;
    for (size_t i = 0; !code && i < VN_ARRAY_LEN(p); i++)
        code = read_port(&p[i]);
    if (code)
        return code;
    vn_status st = vn_store_open(dir->db, false, &s);
    if (st == VN_OK)
        st = vn_config_load(s, &cfg);
    p[0].is = cfg.cluster.port;
    p[1].is = cfg.cluster.gateway_port;
    p[2].is = cfg.cluster.leaf_port;
    if (st == VN_OK)
        code = check_others(&cfg, p, VN_ARRAY_LEN(p));
    if (code)
        return code;
    const struct vn_cluster_ports ports = {p[0].wanted, p[1].wanted, p[2].wanted};
    if (st == VN_OK)
        st = vn_cluster_set(s, &ports, vn_clock_wall_ms());
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
}

/* Of `run`, as the command line has it. */
struct turn_words {
    const char *urls, *user, *password_file, *secret_file, *cert_file;
};

static int set_turn(const struct vn_statedir *dir, const struct turn_words *w)
{
    VN_CLEANUP(vn_secret_strp) char *password = NULL;
    VN_CLEANUP(vn_secret_strp) char *secret = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    const struct {
        const char *option, *path;
        bool line;
        char **text;
    } files[] = {{"--turn-password-file", w->password_file, true, &password},
                 {"--turn-secret-file", w->secret_file, true, &secret},
                 {"--turn-cert", w->cert_file, false, &cert}};
    for (size_t i = 0; i < VN_ARRAY_LEN(files); i++) {
        if (!files[i].path)
            continue;
        int code = vn_admin_read_file(files[i].option, files[i].path, files[i].line, files[i].text);
        if (code)
            return code;
    }
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    char why[256];
    vn_status st = vn_store_open(dir->db, false, &s);
    if (st == VN_OK)
        st = vn_turn_set(s,
                         &(struct vn_turn_settings){.urls = w->urls,
                                                    .username = w->user,
                                                    .password = password,
                                                    .secret = secret,
                                                    .cert_pem = cert},
                         why);
    if (st == VN_ERR_ARG)
        return vn_die("%s", why);
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
}

static int set_providers(const struct vn_statedir *dir, const char *networks, const char *ca_file)
{
    VN_CLEANUP(vn_store_closep) struct vn_store *s = NULL;
    VN_CLEANUP(vn_secret_strp) char *ca = NULL;
    if (ca_file && strcmp(ca_file, "none") == 0)
        ca_file = "/dev/null";
    int code = ca_file ? vn_admin_read_file("--provider-ca", ca_file, false, &ca) : 0;
    if (code)
        return code;
    vn_status st = vn_store_open(dir->db, false, &s);
    if (st == VN_OK && networks) {
        st = vn_config_set_provider_networks(s, networks);
        if (st == VN_ERR_ARG)
            return vn_die("--provider-networks %s is no list of at most %d prefixes, such as "
                          "10.1.0.0/16,fd00::/8",
                          networks, VN_PROVIDER_NETWORKS_MAX);
    }
    if (st == VN_OK && ca)
        st = vn_config_set_provider_ca(s, ca);
    if (st == VN_ERR_ARG)
        return vn_die("--provider-ca %s holds no certificate: name a PEM file", ca_file);
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", dir->db, vn_status_name(st));
}

int vn_cmd_run(int argc, char **argv)
{
    const char *dir_option = NULL, *stun = NULL, *networks = NULL, *provider_ca = NULL;
    const char *geo = NULL, *age = NULL, *entries = NULL, *cluster = NULL, *gateway = NULL;
    const char *leaf = NULL;
    struct turn_words turn = {0};
    bool debug = false;
    const struct vn_option options[] = {
        {"--state-dir", &dir_option, NULL},
        {"--stun", &stun, NULL},
        {"--geo", &geo, NULL},
        {"--cluster-port", &cluster, NULL},
        {"--gateway-port", &gateway, NULL},
        {"--leaf-port", &leaf, NULL},
        {"--audit-age", &age, NULL},
        {"--audit-entries", &entries, NULL},
        {"--turn", &turn.urls, NULL},
        {"--turn-user", &turn.user, NULL},
        {"--turn-password-file", &turn.password_file, NULL},
        {"--turn-secret-file", &turn.secret_file, NULL},
        {"--turn-cert", &turn.cert_file, NULL},
        {"--provider-networks", &networks, NULL},
        {"--provider-ca", &provider_ca, NULL},
        {"--debug", NULL, &debug},
        {0},
    };
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (debug)
        vn_log_setup(VN_LOG_DEBUG, -1);
    struct vn_statedir dir;
    int code = vn_admin_statedir(dir_option, true, &dir);
    if (code)
        return code;
    for (const struct vn_option *o = options; o->name; o++)
        if (o->value && *o->value && !**o->value)
            return vn_die("%s is empty: leave it out to keep what is, or forget it with none",
                          o->name);
    pid_t holder = 0;
    vn_status st = vn_statedir_lock(&dir, &holder);
    if (st == VN_ERR_EXISTS)
        return vn_die("Guardian runs already (process %d): stop it with veilnet-guardian stop",
                      (int)holder);
    if (st != VN_OK)
        return vn_die("cannot lock %s (%s): %s", dir.lock, strerror(errno),
                      errno == EROFS || errno == ENOSPC ? "make it writable, or free some space"
                                                        : "run as the user who owns it");
    code = stun ? set_stun(&dir, stun) : 0;
    const bool has_turn =
        turn.urls || turn.user || turn.password_file || turn.secret_file || turn.cert_file;
    if (!code && (age || entries))
        code = set_audit(&dir, age, entries);
    if (!code && (cluster || gateway || leaf))
        code = set_cluster(&dir, cluster, gateway, leaf);
    if (!code && geo)
        code = set_geo(&dir, geo);
    if (!code && has_turn)
        code = set_turn(&dir, &turn);
    if (!code && (networks || provider_ca))
        code = set_providers(&dir, networks, provider_ca);
    return code ? code : vn_guardian_serve(&dir);
}
