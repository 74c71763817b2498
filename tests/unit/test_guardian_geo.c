/* Where addresses are, by files that are good, cut short, changed or nonsense. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "guardian/geo.h"
#include "guardian/guardian.h"
#include "support/mmdb.h"
#include "support/test.h"

struct world {
    char dir[64], path[96];
    struct vn_buf file;
};

static struct mmdb_net net_of(const char *prefix, const char *country)
{
    struct mmdb_net n = {.country = country};
    assert_ok(vn_prefix_parse(prefix, &n.prefix));
    return n;
}

static void write_file(struct world *w, const char *country, enum mmdb_shape shape)
{
    const struct mmdb_net nets[] = {net_of("192.0.2.0/24", country), net_of("192.0.2.128/25", "FR"),
                                    net_of("2001:db8::/32", "JP"), net_of("198.51.100.7/32", "u2"),
                                    net_of("203.0.113.0/24", "LONG")};
    vn_buf_done(&w->file);
    vn_buf_init(&w->file, 1u << 20);
    mmdb_write(nets, VN_ARRAY_LEN(nets), shape, &w->file);
    assert_ok(vn_file_write_atomic(w->path, vn_buf_span(&w->file), 0600));
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    snprintf(w->dir, sizeof(w->dir), "/tmp/vn-geo-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/geo.mmdb", w->dir);
    vn_buf_init(&w->file, 1u << 20);
    write_file(w, "DE", MMDB_ISO);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    (void)unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0);
    vn_buf_done(&w->file);
    free(w);
    return 0;
}

static vn_status open_path(const char *path, struct vn_geo_db **ret)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    vn_status st = vn_geo_db_open(fd, ret);
    close(fd);
    return st;
}

static vn_status open_bytes(struct vn_span bytes, struct vn_geo_db **ret)
{
    char path[] = "/tmp/vn-geo-file-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    vn_status st = vn_geo_db_open(fd, ret);
    close(fd);
    (void)unlink(path);
    return st;
}

static const char *country(const struct vn_geo_db *db, const char *ip)
{
    static char text[VN_COUNTRY_TEXT];
    struct vn_ip addr;
    assert_ok(vn_ip_parse(ip, &addr));
    vn_geo_db_country(db, &addr, text);
    return text;
}

static void check_all(const struct vn_geo_db *db)
{
    assert_string_equal(country(db, "192.0.2.1"), "DE");
    assert_string_equal(country(db, "192.0.2.200"), "FR");
    assert_string_equal(country(db, "2001:db8::1"), "JP");
    assert_string_equal(country(db, "192.0.3.1"), "");
    assert_string_equal(country(db, "2001:db9::1"), "");
    assert_string_equal(country(db, "198.51.100.7"), ""); /* what is there is no country */
    assert_string_equal(country(db, "203.0.113.7"), "");
}

static void test_finds_countries(void **state)
{
    struct world *w = *state;
    static const enum mmdb_shape SHAPES[] = {MMDB_ISO, MMDB_PLAIN, MMDB_CODE};
    for (size_t i = 0; i < VN_ARRAY_LEN(SHAPES); i++) {
        struct vn_geo_db *db = NULL;
        write_file(w, "DE", SHAPES[i]);
        assert_ok(open_path(w->path, &db));
        check_all(db);
        vn_geo_db_close(db);
    }
}

/* What was opened is a copy. */
static void test_survives_its_file(void **state)
{
    struct world *w = *state;
    struct vn_geo_db *db = NULL;
    assert_ok(open_path(w->path, &db));
    assert_int_equal(truncate(w->path, 0), 0);
    check_all(db);
    vn_geo_db_close(db);
}

static void test_refuses_what_is_none(void **state)
{
    struct world *w = *state;
    struct vn_geo_db *db = NULL;
    assert_status(VN_ERR_MALFORMED, open_bytes(VN_SPAN_LIT("nothing of the kind"), &db));
    assert_status(VN_ERR_MALFORMED, open_bytes(VN_SPAN_NONE, &db));
    assert_status(VN_ERR_IO, open_path(w->dir, &db)); /* a folder */
    assert_int_equal(truncate(w->path, (off_t)VN_GEO_BYTES_MAX + 1), 0);
    assert_status(VN_ERR_LIMIT, open_path(w->path, &db));
    assert_null(db);
}

static void look_around(const struct vn_geo_db *db)
{
    (void)country(db, "192.0.2.1");
    (void)country(db, "192.0.2.200");
    (void)country(db, "2001:db8::1");
    (void)country(db, "::1");
}

/* Every length, and every byte another one: an answer, or none. */
static void test_bears_any_bytes(void **state)
{
    struct world *w = *state;
    struct vn_geo_db *db = NULL;
    unsigned opened = 0;
    for (size_t n = 0; n < w->file.len; n += n < 64 || n + 400 > w->file.len ? 1 : 13) {
        if (open_bytes(VN_SPAN(w->file.p, n), &db) != VN_OK)
            continue;
        look_around(db);
        db = vn_geo_db_close(db);
    }
    for (size_t i = 0; i < w->file.len; i++) {
        static const uint8_t MASKS[] = {0x01, 0x80, 0xff};
        const uint8_t mask = MASKS[i % 3];
        w->file.p[i] ^= mask;
        if (open_bytes(vn_buf_span(&w->file), &db) == VN_OK) {
            look_around(db);
            opened++;
            db = vn_geo_db_close(db);
        }
        w->file.p[i] ^= mask;
    }
    assert_true(opened > 100); /* not only refused at the door */
}

/* ---- a file that changes while Guardian runs ---- */

static bool becomes(struct vn_guardian *g, uv_loop_t *loop, const char *wanted)
{
    struct vn_ip ip;
    char text[VN_COUNTRY_TEXT];
    assert_ok(vn_ip_parse("192.0.2.1", &ip));
    for (unsigned turn = 0; turn < 100; turn++) { /* a timer ticks in each */
        vn_geo_country(g->geo, &ip, text);
        if (strcmp(text, wanted) == 0)
            return true;
        uv_run(loop, UV_RUN_ONCE);
    }
    return false;
}

static void test_takes_another_file(void **state)
{
    struct world *w = *state;
    struct vn_guardian g = {.cfg.geo_path = w->path};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    g.uv = &loop;
    assert_int_equal(truncate(w->path, 100), 0); /* at the beginning: half a file */
    assert_ok(vn_geo_new(&g, &g.geo));
    assert_true(becomes(&g, &loop, ""));
    write_file(w, "AT", MMDB_ISO);
    assert_true(becomes(&g, &loop, "AT"));
    const struct vn_span half = VN_SPAN(w->file.p, w->file.len / 2);
    assert_ok(vn_file_write_atomic(w->path, half, 0600));
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(becomes(&g, &loop, "AT")); /* the one before stays */
    assert_int_equal(unlink(w->path), 0);
    uv_run(&loop, UV_RUN_ONCE);
    assert_true(becomes(&g, &loop, "AT"));
    write_file(w, "CH", MMDB_ISO);
    assert_true(becomes(&g, &loop, "CH"));
    vn_geo_free(g.geo);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_without_a_file(void **state)
{
    (void)state;
    struct vn_guardian g = {.geo = NULL};
    struct vn_ip ip = {{0}};
    char text[VN_COUNTRY_TEXT] = "x";
    assert_ok(vn_geo_new(&g, &g.geo));
    assert_null(g.geo);
    vn_geo_country(g.geo, &ip, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_finds_countries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_survives_its_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bears_any_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_another_file, setup, teardown),
        cmocka_unit_test(test_without_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
