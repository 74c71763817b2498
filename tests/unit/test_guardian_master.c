/* The files of nats-servers: the embedded one, what it must do when they change, one more, a leaf.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "base/text.h"
#include "guardian/master_folder.h"
#include "support/guardian_world.h"
#include "support/test.h"

#define NOW_MS 1790000000000ull

static struct vn_guardian_world w;
static char dir[64];

static int setup(void **state)
{
    (void)state;
    vn_guardian_world_init(&w);
    snprintf(dir, sizeof(dir), "/tmp/vn-master-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *at)
{
    (void)sb, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    vn_guardian_world_done(&w);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void let_others(uint16_t port)
{
    vn_cluster_done(&w.g.cfg.cluster);
    assert_ok(vn_cluster_set(w.g.store, &(struct vn_cluster_ports){.routes = &port}, NOW_MS));
    assert_ok(vn_cluster_load(w.g.store, &w.g.cfg.cluster));
}

static char *text_of(const char *path)
{
    struct vn_buf b;
    vn_buf_init(&b, 1 << 20);
    assert_ok(vn_file_read(path, &b));
    assert_ok(vn_buf_append(&b, "", 1));
    char *text = strdup((const char *)b.p);
    assert_non_null(text);
    vn_buf_done(&b);
    return text;
}

static bool holds(const char *path, const char *what)
{
    char *text = text_of(path);
    const bool there = strstr(text, what) != NULL;
    free(text);
    return there;
}

static enum vn_master_change write_embedded(const struct vn_master_paths *p)
{
    enum vn_master_change change = VN_MASTER_SAME;
    assert_ok(vn_master_config_write(&w.g, p, &change));
    return change;
}

static void test_the_port_is_kept(void **state)
{
    (void)state;
    struct vn_cluster_config c = {0};
    assert_ok(vn_cluster_load(w.g.store, &c));
    assert_int_equal(c.port, 0);
    assert_null(c.ca);
    let_others(6222);
    assert_int_equal(w.g.cfg.cluster.port, 6222);
    char *first = strdup(w.g.cfg.cluster.ca_cert_pem);
    let_others(0);
    assert_int_equal(w.g.cfg.cluster.port, 0);
    assert_null(w.g.cfg.cluster.ca);
    let_others(6333);
    assert_string_equal(w.g.cfg.cluster.ca_cert_pem, first); /* folders written before hold it */
    assert_string_not_equal(w.g.cfg.cluster.ca_cert_pem, w.g.cfg.ca_cert_pem);
    free(first);
}

static void test_a_restart_is_for_routes_alone(void **state)
{
    (void)state;
    static struct vn_master_paths p;
    vn_master_paths_init(&p, dir);
    (void)write_embedded(&p); /* of nothing */
    assert_false(holds(p.conf, VN_CONF_OTHERS));
    assert_int_equal(access(p.route_key, F_OK), -1);
    assert_int_equal(write_embedded(&p), VN_MASTER_SAME);
    let_others(6222);
    assert_int_equal(write_embedded(&p), VN_MASTER_RESTART);
    assert_true(holds(p.conf, VN_CONF_OTHERS "cluster {\nname: \"veilnet\"\n"));
    assert_true(holds(p.conf, "port: 6222\n"));
    assert_int_equal(write_embedded(&p), VN_MASTER_SAME);
    assert_int_equal(unlink(p.cert), 0);
    assert_int_equal(write_embedded(&p), VN_MASTER_RELOAD);
    let_others(6333);
    assert_int_equal(write_embedded(&p), VN_MASTER_RESTART);
    const uint16_t none = 0, gateway = 7222;
    vn_cluster_done(&w.g.cfg.cluster);
    assert_ok(vn_cluster_set(
        w.g.store, &(struct vn_cluster_ports){.routes = &none, .gateway = &gateway}, NOW_MS));
    assert_ok(vn_cluster_load(w.g.store, &w.g.cfg.cluster));
    assert_int_equal(write_embedded(&p), VN_MASTER_RESTART);
    assert_true(holds(p.conf, VN_CONF_OTHERS "gateway {\nname: \"veilnet\"\n"));
    vn_cluster_done(&w.g.cfg.cluster);
    assert_ok(vn_cluster_set(w.g.store, &(struct vn_cluster_ports){.gateway = &none}, NOW_MS));
    assert_ok(vn_cluster_load(w.g.store, &w.g.cfg.cluster));
    assert_int_equal(write_embedded(&p), VN_MASTER_RESTART);
    assert_false(holds(p.conf, VN_CONF_OTHERS));
}

static struct vn_master_folder one_more(const struct vn_master_peer *peers, size_t n)
{
    return (struct vn_master_folder){
        .server = {.name = "west",
                   .host = "0.0.0.0",
                   .port = 4223,
                   .region = "west",
                   .gateway = {.host = "192.0.2.7", .port = 7223},
                   .here = {.host = "192.0.2.1", .port = 7222},
                   .cluster = {.host = "192.0.2.7", .port = 6223},
                   .peers = peers,
                   .peer_count = n},
        .names = {"192.0.2.7", "west.example.org"},
        .name_count = 2,
        .at = "/srv/a \"quoted\" path",
    };
}

static void test_a_folder_is_whole(void **state)
{
    (void)state;
    const struct vn_master_peer peers[] = {{"192.0.2.1", 6222}, {"2001:db8::1", 6224}};
    const struct vn_master_folder f = one_more(peers, VN_ARRAY_LEN(peers));
    static struct vn_master_paths p;
    char path[96];
    struct stat sb;
    let_others(6222);
    snprintf(path, sizeof(path), "%s/west", dir);
    assert_ok(vn_master_folder_write(&w.g, &f, path));
    vn_master_paths_init(&p, path);
    const char *files[] = {p.cert, p.key, p.ca, p.route_cert, p.route_key, p.route_ca, p.conf};
    for (size_t i = 0; i < VN_ARRAY_LEN(files); i++) {
        assert_int_equal(stat(files[i], &sb), 0);
        assert_int_equal(sb.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0700);
    static const char *const SAID[] = {
        "server_name: \"west\"\nhost: \"0.0.0.0\"\nport: 4223\n",
        "advertise: \"192.0.2.7:6223\"\n",
        "  \"nats-route://192.0.2.1:6222\"\n  \"nats-route://[2001:db8::1]:6224\"\n",
        "gateway {\nname: \"west\"\nhost: \"0.0.0.0\"\nport: 7223\n",
        "advertise: \"192.0.2.7:7223\"\n",
        "gateways: [ {name: \"veilnet\", url: \"nats://192.0.2.1:7222\"} ]\n",
        "  dir: \"/srv/a \\\"quoted\\\" path/jwt\"\n",
        "  key_file: \"/srv/a \\\"quoted\\\" path/route.key\"\n",
        "  min_version: \"1.3\"\n",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(SAID); i++)
        assert_true(holds(p.conf, SAID[i]));
    struct vn_realm *realm;
    assert_ok(vn_guardian_realm(&w.g, &w.realm, &realm));
    assert_true(holds(p.conf, realm->account.public)); /* it need not ask for them */
    vn_realm_unref(realm);
}

/* The claims of the JWT in a credentials file. */
static json_t *claims_in(const char *path)
{
    static uint8_t payload[8192];
    char *text = text_of(path), *from = strchr(text, '.');
    size_t n;
    assert_non_null(strstr(text, "-----BEGIN USER NKEY SEED-----\nSU"));
    assert_non_null(from);
    char *to = strchr(++from, '.');
    assert_non_null(to);
    assert_ok(vn_b64url_decode(VN_SPAN(from, (size_t)(to - from)), payload, sizeof(payload), &n));
    json_t *claims = json_loadb((const char *)payload, n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(claims);
    free(text);
    return claims;
}

static bool lists(json_t *claims, const char *verb, const char *way, const char *subject)
{
    json_t *nats = json_object_get(claims, "nats"), *one;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(nats, verb), way), i, one)
    {
        if (strcmp(json_string_value(one), subject) == 0)
            return true;
    }
    return false;
}

static void test_a_leaf_is_for_its_realms(void **state)
{
    (void)state;
    const struct vn_master_peer peers[] = {{"192.0.2.1", 7422}};
    struct vn_master_folder f = one_more(peers, VN_ARRAY_LEN(peers));
    static struct vn_master_paths p;
    struct vn_realm *realm;
    char path[96], creds[160];
    const uint16_t port = 7422;
    f.server.realms = &w.realm;
    f.server.realm_count = 1;
    assert_ok(vn_cluster_set(w.g.store, &(struct vn_cluster_ports){.leaves = &port}, NOW_MS));
    assert_ok(vn_cluster_load(w.g.store, &w.g.cfg.cluster));
    assert_null(w.g.cfg.cluster.ca);
    snprintf(path, sizeof(path), "%s/west", dir);
    assert_ok(vn_master_folder_write(&w.g, &f, path));
    vn_master_paths_init(&p, path);
    assert_ok(vn_guardian_realm(&w.g, &w.realm, &realm));
    assert_int_equal(access(p.route_key, F_OK), -1); /* which would open routes */
    assert_false(holds(p.conf, "cluster {"));
    assert_false(holds(p.conf, "gateway {"));
    assert_true(holds(p.conf, VN_CONF_OTHERS "leafnodes {\nremotes: [\n"));
    assert_true(holds(p.conf, "urls: [\n  \"tls://192.0.2.1:7422\"\n]\n"));
    char *text = text_of(p.conf), *pinned = strstr(text, "resolver_pinned_accounts: [\n");
    assert_non_null(pinned);
    assert_non_null(strstr(pinned, realm->account.public));
    free(text);
    snprintf(creds, sizeof(creds), "%s/realm-home.creds", path);
    json_t *c = claims_in(creds);
    assert_string_equal(json_string_value(json_object_get(c, "iss")), realm->account.public);
    assert_true(lists(c, "pub", "allow", "a.>") && lists(c, "sub", "allow", "a.>"));
    json_decref(c);
    assert_false(holds(p.conf, w.g.cfg.nats_system.public)); /* it is not in the system's account */
    snprintf(creds, sizeof(creds), "%s/leaves.creds", path);
    c = claims_in(creds);
    assert_string_equal(json_string_value(json_object_get(c, "iss")),
                        w.g.cfg.cluster.leaves.public);
    assert_true(lists(c, "sub", "allow", "$SYS.REQ.CLAIMS.UPDATE"));
    assert_false(lists(c, "sub", "allow", ">"));
    json_decref(c);
    vn_realm_unref(realm);
}

static void test_leaves_need_a_restart(void **state)
{
    (void)state;
    static struct vn_master_paths p;
    const uint16_t port = 7422;
    vn_master_paths_init(&p, dir);
    (void)write_embedded(&p);
    assert_ok(vn_cluster_set(w.g.store, &(struct vn_cluster_ports){.leaves = &port}, NOW_MS));
    assert_ok(vn_cluster_load(w.g.store, &w.g.cfg.cluster));
    assert_int_equal(write_embedded(&p), VN_MASTER_RESTART);
    assert_true(holds(p.conf, w.g.cfg.cluster.leaves.public));
    assert_true(holds(p.conf, VN_CONF_OTHERS "leafnodes {\nno_advertise: true\n"));
    assert_true(holds(p.leaf_cert, "BEGIN CERTIFICATE"));
    assert_int_equal(access(p.route_key, F_OK), -1);
    assert_int_equal(write_embedded(&p), VN_MASTER_SAME);
}

static void test_a_folder_takes_no_place(void **state)
{
    (void)state;
    const struct vn_master_folder f = one_more(NULL, 0);
    char path[96];
    let_others(6222);
    snprintf(path, sizeof(path), "%s/none/west", dir);
    assert_status(VN_ERR_IO, vn_master_folder_write(&w.g, &f, path));
    snprintf(path, sizeof(path), "%s/west", dir);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_status(VN_ERR_EXISTS, vn_master_folder_write(&w.g, &f, path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing half made is left in it */
    assert_int_equal(mkdir(dir, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_port_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_restart_is_for_routes_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_leaf_is_for_its_realms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_need_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_takes_no_place, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
