#include "base/status.h"

#include <string.h>

#include "support/test.h"

/* Names are stable identifiers of log lines and of the API: none may be shared. */
static void every_status_has_its_own_name(void **state)
{
    (void)state;
    for (int a = VN_ERR_UNSUPPORTED; a <= VN_OK; a++) {
        const char *name = vn_status_name((vn_status)a);
        assert_string_not_equal(name, "unknown");
        for (int b = VN_ERR_UNSUPPORTED; b < a; b++)
            assert_string_not_equal(name, vn_status_name((vn_status)b));
    }
    assert_string_equal(vn_status_name((vn_status)(VN_ERR_UNSUPPORTED - 1)), "unknown");
    assert_string_equal(vn_status_name((vn_status)1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
