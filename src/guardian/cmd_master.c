/* master: other nats-servers beside the embedded one, on the store directly. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "guardian/cmd_ask.h"
#include "guardian/commands.h"
#include "guardian/entry_points.h"
#include "guardian/master_folder.h"
#include "guardian/master_leaf.h"
#include "guardian/options.h"

#define NAME_MAX_BYTES 63
#define PEERS_MAX 16

/* As the command line has it, and read. */
struct words {
    const char *name, *address, *port, *cluster_port, *peers, *region, *gateway_port, *leaf,
        *leaf_port, *listen, *to, *at;
};
struct wanted {
    struct vn_master_folder folder;
    struct vn_master_peer peers[PEERS_MAX + 1]; /* the first is the embedded server */
    char names[VN_MASTER_NAMES_MAX][VN_HOST_MAX];
    char to[VN_PATH_MAX / 2], at[VN_PATH_MAX / 2];
    bool far;  /* of another region than the embedded server */
    bool leaf; /* of none */
    struct vn_id realms[VN_LEAF_REALMS_MAX];
};

static int read_port(const char *option, const char *text, uint16_t usual, uint16_t *ret)
{
    *ret = usual;
    if (!text || (vn_port_parse(text, ret) && *ret != 0))
        return 0;
    vn_die("%s is a port, 1 to 65535; see veilnet-guardian help", option);
    return 2;
}

/* One more of a comma list, into one. VN_ERR_NOTFOUND: that was all. */
static vn_status next_word(const char **list, char one[VN_HOST_MAX + 8])
{
    if (!*list)
        return VN_ERR_NOTFOUND;
    const size_t n = strcspn(*list, ",");
    if (n == 0 || n >= VN_HOST_MAX + 8)
        return VN_ERR_ARG;
    memcpy(one, *list, n);
    one[n] = 0;
    *list = (*list)[n] ? *list + n + 1 : NULL;
    return VN_OK;
}

static int read_names(const char *list, struct wanted *w)
{
    char one[VN_HOST_MAX + 8];
    vn_status st;
    size_t n = 0;
    while ((st = next_word(&list, one)) == VN_OK && n < VN_MASTER_NAMES_MAX) {
        uint16_t port = UINT16_MAX;
        /* Brackets are fine, a port is not: there are two of them. */
        if (vn_machine_parse(one, w->names[n], &port) != VN_OK || port != UINT16_MAX)
            break;
        w->folder.names[n] = w->names[n];
        n++;
    }
    w->folder.name_count = n;
    if (st == VN_ERR_NOTFOUND && n)
        return 0;
    vn_die("--address is a comma list of at most %d names or addresses by which nodes and other "
           "servers find it, without ports, the usual one first",
           VN_MASTER_NAMES_MAX);
    return 2;
}

static int read_peers(const char *list, struct wanted *w)
{
    char one[VN_HOST_MAX + 8];
    const uint16_t usual = w->leaf ? VN_LEAF_PORT_USUAL : VN_CLUSTER_PORT_USUAL;
    vn_status st;
    size_t n = 1;
    while ((st = next_word(&list, one)) == VN_OK && n <= PEERS_MAX) {
        w->peers[n].port = usual;
        if (vn_machine_parse(one, w->peers[n].host, &w->peers[n].port) != VN_OK)
            break;
        n++;
    }
    w->folder.server.peers = w->peers; /* of another region the embedded one is none of them */
    w->folder.server.peer_count = n;
    if (st == VN_ERR_NOTFOUND)
        return 0;
    vn_die("--peers is a comma list of at most %d HOST[:PORT], where other servers take %s (port "
           "%d unless it says another)",
           PEERS_MAX, w->leaf ? "leaves" : "routes", usual);
    return 2;
}

static int read_listen(const char *listen, struct wanted *w)
{
    struct vn_ip ip;
    bool six = false;
    if (listen && (vn_ip_parse(listen, &ip) != VN_OK))
        return vn_admin_usage("--listen is an address of its machine");
    for (size_t i = 0; i < w->folder.name_count; i++)
        six = six || strchr(w->names[i], ':');
    w->folder.server.host = listen ? listen : six ? "::" : "0.0.0.0";
    return 0;
}

static bool is_name(const char *name)
{
    static const char LETTERS[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const size_t n = strlen(name);
    return n && n <= NAME_MAX_BYTES && strspn(name, LETTERS) == n;
}

static int read_name(const char *name, struct wanted *w)
{
    w->folder.server.name = name;
    if (name && is_name(name) && strcmp(name, VN_MASTER_NAME) != 0)
        return 0;
    return vn_admin_usage("give the server a name that no other one has: master config NAME, of at "
                          "most 63 characters a-z A-Z 0-9 . - _, not " VN_MASTER_NAME);
}

/* Whole paths: nats-server takes others from where it was started. */
static int read_paths(const struct words *o, struct wanted *w)
{
    char here[VN_PATH_MAX / 4] = "";
    if (!o->to || !*o->to)
        return vn_admin_usage("say where it shall be written: --to FOLDER");
    if (o->at && o->at[0] != '/')
        return vn_admin_usage("--at is the whole path that the folder will have on its machine");
    if (o->to[0] != '/' && !getcwd(here, sizeof(here)))
        return vn_die("the working folder cannot be read (%s): give the whole path with --to",
                      strerror(errno));
    const int n = snprintf(w->to, sizeof(w->to), "%s%s%s", here, here[0] ? "/" : "", o->to);
    const int m = snprintf(w->at, sizeof(w->at), "%s", o->at ? o->at : w->to);
    if ((size_t)n >= sizeof(w->to) || (size_t)m >= sizeof(w->at))
        return vn_admin_usage("--to and --at are paths of at most 500 bytes");
    for (char *end = w->to + n - 1; end > w->to && *end == '/'; end--)
        *end = 0;
    w->folder.at = w->at;
    return 0;
}

/* Without --region it stands in that of the embedded server, which is the first of its peers. */
static int read_region(const struct words *o, struct wanted *w)
{
    struct vn_master_server *s = &w->folder.server;
    w->far = o->region != NULL;
    s->region = w->far ? o->region : VN_REGION_HERE;
    if (w->far && (!is_name(o->region) || strcmp(o->region, VN_REGION_HERE) == 0))
        return vn_admin_usage(
            "--region is a name of at most 63 characters a-z A-Z 0-9 . - _, not " VN_REGION_HERE);
    int code =
        read_port("--gateway-port", o->gateway_port, VN_GATEWAY_PORT_USUAL, &s->gateway.port);
    if (!code)
        code = read_port("--leaf-port", o->leaf_port, VN_LEAF_PORT_USUAL, &s->leaf.port);
    const uint16_t ports[] = {s->port, s->cluster.port, s->gateway.port, s->leaf.port};
    for (size_t i = 0; !code && i < VN_ARRAY_LEN(ports); i++)
        for (size_t k = 0; !code && k < i; k++)
            if (ports[i] == ports[k])
                code = vn_admin_usage("--port, --cluster-port, --gateway-port and --leaf-port are "
                                      "four ports");
    s->peers += w->far;
    s->peer_count -= w->far;
    return code;
}

/* It stands in no region, and nobody connects to it but nodes. */
static int read_leaf(const struct words *o, struct wanted *w)
{
    if (o->region || o->cluster_port || o->gateway_port || o->leaf_port)
        return vn_admin_usage("a --leaf has neither --region nor --cluster-port, --gateway-port or "
                              "--leaf-port: only nodes connect to it");
    w->folder.server.cluster.port = 0;
    return 0;
}

static int read_words(const struct words *o, struct wanted *w)
{
    struct vn_master_server *s = &w->folder.server;
    w->leaf = o->leaf != NULL;
    int code = read_name(o->name, w);
    if (!code)
        code = read_names(o->address ? o->address : "", w);
    if (!code)
        code = read_port("--port", o->port, VN_MASTER_PORT_USUAL, &s->port);
    if (!code)
        code =
            read_port("--cluster-port", o->cluster_port, VN_CLUSTER_PORT_USUAL, &s->cluster.port);
    if (!code && s->port == s->cluster.port)
        code = vn_admin_usage("--port and --cluster-port are two ports");
    if (!code)
        code = read_peers(o->peers, w);
    if (!code)
        code = w->leaf ? read_leaf(o, w) : read_region(o, w);
    if (!code)
        code = read_listen(o->listen, w);
    if (!code)
        code = read_paths(o, w);
    if (!code)
        snprintf(s->cluster.host, sizeof(s->cluster.host), "%s", w->names[0]);
    if (!code)
        snprintf(s->gateway.host, sizeof(s->gateway.host), "%s", w->names[0]);
    if (!code)
        snprintf(s->leaf.host, sizeof(s->leaf.host), "%s", w->names[0]);
    return code;
}

/* Where the embedded server takes one like it. */
static int join_embedded(const struct vn_guardian_config *cfg, struct wanted *w)
{
    struct vn_master_server *s = &w->folder.server;
    const struct {
        const char *what, *option;
        uint16_t port, usual;
    } ways[] = {{"servers", "cluster", cfg->cluster.port, VN_CLUSTER_PORT_USUAL},
                {"regions", "gateway", cfg->cluster.gateway_port, VN_GATEWAY_PORT_USUAL},
                {"servers as leaves", "leaf", cfg->cluster.leaf_port, VN_LEAF_PORT_USUAL}},
      *way = &ways[w->leaf  ? 2
                   : w->far ? 1
                            : 0];
    if (!way->port)
        return vn_die("Master takes no other %s yet: let it with veilnet-guardian run --%s-port %u",
                      way->what, way->option, way->usual);
    struct vn_master_peer *embedded = w->far ? &s->here : &w->peers[0];
    snprintf(embedded->host, sizeof(embedded->host), "%s", cfg->public_host);
    embedded->port = way->port;
    if (!cfg->cluster.gateway_port) /* there is one region */
        s->gateway.port = 0;
    if (!cfg->cluster.leaf_port) /* there are none */
        s->leaf.port = 0;
    return 0;
}

/* Only now, because they are in the store. */
static int find_realms(struct vn_admin *c, const char *list, struct wanted *w)
{
    struct vn_master_server *s = &w->folder.server;
    char one[VN_HOST_MAX + 8];
    vn_status st;
    s->realms = w->realms;
    while ((st = next_word(&list, one)) == VN_OK && s->realm_count < VN_LEAF_REALMS_MAX) {
        struct vn_id *realm = &w->realms[s->realm_count++];
        if (vn_store_realm_by_name(c->g.store, one, realm) != VN_OK)
            return vn_die("there is no realm %s (veilnet-guardian realm list shows them)", one);
        for (const struct vn_id *before = w->realms; before < realm; before++)
            if (vn_id_equal(before, realm))
                return vn_die("--leaf names the realm %s twice", one);
    }
    return st == VN_ERR_NOTFOUND ? 0
                                 : vn_die("--leaf is a comma list of at most %d realms "
                                          "(veilnet-guardian realm list shows them)",
                                          VN_LEAF_REALMS_MAX);
}

static int write_folder(struct vn_admin *c, struct wanted *w)
{
    const int code = join_embedded(&c->g.cfg, w);
    if (code)
        return code;
    vn_status st = vn_master_folder_write(&c->g, &w->folder, w->to);
    if (st == VN_ERR_EXISTS)
        return vn_die("%s exists: name a folder that does not with --to", w->to);
    if (st == VN_ERR_IO)
        return vn_die("cannot write %s (%s)", w->to, strerror(errno));
    return st == VN_OK ? 0 : vn_die("cannot write %s (%s)", w->to, vn_status_name(st));
}

static void say(const struct vn_admin *c, const struct wanted *w)
{
    char host[VN_HOST_MAX + 2], url[VN_ENTRY_URL_MAX];
    vn_host_format(w->names[0], host);
    snprintf(url, sizeof(url), "tls://%s:%u", host, w->folder.server.port);
    if (c->json) {
        json_t *o = json_pack("{s:s,s:s,s:s,s:s}", "server", w->folder.server.name, "folder", w->to,
                              "at", w->at, "entry_point", url);
        vn_admin_print_json(o);
        json_decref(o);
        return;
    }
    printf("%s is for %s alone: it holds its keys.\n", w->to, w->folder.server.name);
    if (strcmp(w->to, w->at) != 0)
        printf("Copy it there as %s, and run\n", w->at);
    else
        puts("Copy it there under the same path, and run");
    printf("  nats-server -c %s/nats-server.conf\nThen tell nodes of it:\n"
           "  veilnet-guardian veil create %s\n",
           w->at, url);
}

static int master_config(int argc, char **argv)
{
    struct vn_admin c = {0};
    struct words o = {0};
    static struct wanted w;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--address", &o.address, NULL},
                                        {"--port", &o.port, NULL},
                                        {"--cluster-port", &o.cluster_port, NULL},
                                        {"--peers", &o.peers, NULL},
                                        {"--region", &o.region, NULL},
                                        {"--gateway-port", &o.gateway_port, NULL},
                                        {"--leaf", &o.leaf, NULL},
                                        {"--leaf-port", &o.leaf_port, NULL},
                                        {"--listen", &o.listen, NULL},
                                        {"--to", &o.to, NULL},
                                        {"--at", &o.at, NULL},
                                        {"--json", NULL, &c.json},
                                        {"", &o.name, NULL},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    int code = read_words(&o, &w);
    if (code)
        return code;
    code = vn_admin_begin(&c, false);
    if (!code && w.leaf)
        code = find_realms(&c, o.leaf, &w);
    if (!code)
        code = write_folder(&c, &w);
    if (!code) {
        vn_guardian_audit(&c.g, NULL, "host", "master_server_configured", w.folder.server.name,
                          w.names[0]);
        say(&c, &w);
    }
    vn_admin_finish(&c);
    return code;
}

int vn_cmd_master(int argc, char **argv)
{
    static const struct vn_verb VERBS[] = {{"config", master_config}};
    return vn_verb_dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS), NULL, 0);
}
