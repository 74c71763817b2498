/* Every allocation of the containers fails once: the object keeps what it held and can go on. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "base/pktbuf.h"
#include "support/oom.h"
#include "support/test.h"

static void map_survives(void **state)
{
    (void)state;
    static char value;
    for (size_t n = 1;; n++) {
        VN_CLEANUP(vn_map_freep) struct vn_map *m = NULL;
        vn_oom_arm(n);
        vn_status st = vn_map_new(sizeof(size_t), 1000, &m);
        size_t put = 0;
        while (st == VN_OK && put < 200) {
            st = vn_map_put(m, &put, &value);
            put += st == VN_OK;
        }
        if (!vn_oom_disarm()) {
            assert_ok(st);
            assert_true(n > 5);
            break;
        }
        assert_status(VN_ERR_NOMEM, st);
        if (!m)
            continue;
        assert_int_equal(vn_map_count(m), put);
        for (size_t i = 0; i < put; i++)
            assert_ptr_equal(vn_map_get(m, &i), &value);
        assert_ok(vn_map_put(m, &put, &value));
    }
}

static void buf_survives(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct vn_buf b;
        vn_buf_init(&b, 10000);
        vn_oom_arm(n);
        vn_status st = VN_OK;
        size_t len = 0;
        while (st == VN_OK && len < 5000) {
            st = vn_buf_append(&b, "0123456789", 10);
            len += st == VN_OK ? 10 : 0;
        }
        const bool failed = vn_oom_disarm();
        assert_int_equal(b.len, len);
        assert_status(failed ? VN_ERR_NOMEM : VN_OK, st);
        assert_ok(vn_buf_append(&b, "x", 1));
        vn_buf_done(&b);
        if (!failed)
            break;
    }
}

static void pktbuf_and_files_report_it(void **state)
{
    (void)state;
    struct vn_pktbuf *b = NULL;
    vn_oom_arm(1);
    assert_status(VN_ERR_NOMEM, vn_pktbuf_new(10, &b));
    assert_null(b);
    vn_oom_arm(1);
    assert_status(VN_ERR_NOMEM, vn_file_mkdirs("/tmp", 0700));
    struct vn_buf buf;
    vn_buf_init(&buf, 100000);
    vn_oom_arm(1);
    assert_status(VN_ERR_NOMEM, vn_file_read("/proc/self/status", &buf));
    vn_oom_disarm();
    assert_int_equal(buf.len, 0);
    vn_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_survives),
        cmocka_unit_test(buf_survives),
        cmocka_unit_test(pktbuf_and_files_report_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
