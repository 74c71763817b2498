#include "base/clock.h"

#include <time.h>

#include "support/test.h"

static void clocks_run_and_agree_on_the_unit(void **state)
{
    (void)state;
    const uint64_t mono = vn_clock_mono_us(), boot = vn_clock_boot_ms(), wall = vn_clock_wall_ms();
    /* BOOTTIME is MONOTONIC and the time suspended; one millisecond for rounding */
    assert_true(boot + 1 >= mono / 1000);
    const time_t now = time(NULL);
    assert_true(wall / 1000 <= (uint64_t)now && (uint64_t)now <= wall / 1000 + 2);
    uint64_t later;
    while ((later = vn_clock_mono_us()) == mono)
        continue;
    assert_true(later > mono);
    assert_true(vn_clock_boot_ms() >= boot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_run_and_agree_on_the_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
