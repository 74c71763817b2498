#include "router/coord.h"

#include <math.h>

#include "base/attr.h"
#include "support/test.h"

#define NODES 200

/* Nodes on a square of 100 ms, each with an access line: round trips that coordinates can hold. */
struct place {
    double x, y, access;
};

static struct place places[NODES];
static struct vn_coord coords[NODES];

static uint32_t rtt_us(size_t a, size_t b)
{
    double x = places[a].x - places[b].x, y = places[a].y - places[b].y;
    return (uint32_t)(1000 * (sqrt(x * x + y * y) + places[a].access + places[b].access));
}

/* Every node measures to others, as its destinations and relays make it, over and over. */
static void settle(int rounds, struct vn_dice *d)
{
    for (int r = 0; r < rounds; r++)
        for (size_t i = 0; i < NODES; i++) {
            size_t peer = (i + 1 + vn_dice_below(d, NODES - 1)) % NODES;
            vn_coord_update(&coords[i], &coords[peer], rtt_us(i, peer), d);
        }
}

static double median_error(void)
{
    double errors[NODES];
    for (size_t i = 0; i < NODES; i++) {
        size_t peer = (i + 7 + vn_test_below(NODES - 8)) % NODES;
        double real = rtt_us(i, peer);
        double e = fabs(vn_coord_rtt_us(&coords[i], &coords[peer]) - real) / real;
        size_t at = i;
        for (; at > 0 && errors[at - 1] > e; at--)
            errors[at] = errors[at - 1];
        errors[at] = e;
    }
    return errors[NODES / 2];
}

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODES; i++) {
        places[i] = (struct place){(double)vn_test_below(100), (double)vn_test_below(100),
                                   (double)vn_test_below(10)};
        vn_coord_init(&coords[i]);
    }
    return 0;
}

static void guesses_come_near_the_truth(void **state)
{
    (void)state;
    struct vn_dice d = {1};
    settle(4, &d);
    double early = median_error();
    settle(800, &d);
    assert_true(median_error() < 0.1);
    assert_true(median_error() < early / 2);
    uint64_t errors = 0;
    for (size_t i = 0; i < NODES; i++) {
        assert_true(vn_coord_is_valid(&coords[i]));
        errors += coords[i].error_q16;
    }
    assert_true(errors < NODES * VN_Q16 / 8);
}

/* One node that moves to the other end of the world is found there soon, and moves nobody else. */
static void who_moves_is_followed(void **state)
{
    (void)state;
    struct vn_dice d = {2};
    settle(800, &d);
    struct vn_coord other = coords[1];
    places[0] = (struct place){300, 300, 1};
    settle(200, &d);
    double error = 0;
    for (size_t i = 1; i < NODES; i++)
        error += fabs((double)vn_coord_rtt_us(&coords[0], &coords[i]) / rtt_us(0, i) - 1);
    assert_true(error / (NODES - 1) < 0.2);
    assert_true(vn_coord_rtt_us(&other, &coords[1]) < 60000);
}

/* A peer that claims a place far away, and to be sure of it, draws others by a little only. */
static void a_liar_moves_nobody_far(void **state)
{
    (void)state;
    struct vn_dice d = {3};
    settle(800, &d);
    struct vn_coord before = coords[0];
    struct vn_coord liar = {{VN_COORD_MAX_US, VN_COORD_MAX_US, VN_COORD_MAX_US}, 0, 0};
    double was = vn_coord_rtt_us(&before, &coords[1]);
    for (int i = 0; i < 4; i++) { /* each followed by honest ones, as probes are */
        vn_coord_update(&coords[0], &liar, 50000, &d);
        assert_true(vn_coord_is_valid(&coords[0]));
    }
    settle(64, &d);
    assert_true(fabs(vn_coord_rtt_us(&coords[0], &coords[1]) - was) < 40000);
}

static uint32_t any_of(uint32_t most)
{
    return vn_test_below(3) == 0 ? most : (uint32_t)vn_test_below((size_t)most + 1);
}

/* Whatever valid coordinate a peer sends and whatever is measured. */
static void whatever_comes_it_stays_valid(void **state)
{
    (void)state;
    struct vn_dice dice = {5};
    for (int i = 0; i < 200000; i++) {
        struct vn_coord c[2];
        for (int k = 0; k < 2; k++) {
            for (int d = 0; d < VN_COORD_DIMS; d++)
                c[k].x_us[d] = (int32_t)any_of(2 * VN_COORD_MAX_US) - VN_COORD_MAX_US;
            c[k].height_us = any_of(VN_COORD_MAX_US);
            c[k].error_q16 = any_of(VN_Q16);
        }
        vn_coord_update(&c[0], &c[1], any_of(UINT32_MAX) >> vn_test_below(32), &dice);
        assert_true(vn_coord_is_valid(&c[0]));
    }
}

static void equals_part(void **state)
{
    (void)state;
    struct vn_dice d = {4};
    struct vn_coord a, b;
    vn_coord_init(&a);
    vn_coord_init(&b);
    assert_int_equal(200, vn_coord_rtt_us(&a, &b)); /* two access lines */
    vn_coord_update(&a, &b, 80000, &d);
    assert_true(vn_coord_rtt_us(&a, &b) > 5000);
    assert_int_equal(VN_Q16, b.error_q16);
}

static void what_is_out_of_range_is_refused(void **state)
{
    (void)state;
    struct vn_coord c;
    vn_coord_init(&c);
    assert_true(vn_coord_is_valid(&c));
    for (int i = 0; i < VN_COORD_DIMS; i++) {
        struct vn_coord far = c;
        far.x_us[i] = VN_COORD_MAX_US;
        assert_true(vn_coord_is_valid(&far));
        far.x_us[i]++;
        assert_false(vn_coord_is_valid(&far));
        far.x_us[i] = -VN_COORD_MAX_US - 1;
        assert_false(vn_coord_is_valid(&far));
    }
    c.error_q16 = VN_Q16 + 1;
    assert_false(vn_coord_is_valid(&c));
    c.error_q16 = 0;
    c.height_us = VN_COORD_MAX_US + 1;
    assert_false(vn_coord_is_valid(&c));
}

static void roots_are_exact(void **state)
{
    (void)state;
    assert_int_equal(0, vn_isqrt(0));
    assert_int_equal(UINT32_MAX, vn_isqrt(UINT64_MAX));
    for (int i = 0; i < 100000; i++) {
        uint64_t n = vn_test_random() >> vn_test_below(64);
        uint64_t r = vn_isqrt(n);
        assert_true(r * r <= n && (r == UINT32_MAX || (r + 1) * (r + 1) > n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(guesses_come_near_the_truth, begin),
        cmocka_unit_test_setup(who_moves_is_followed, begin),
        cmocka_unit_test_setup(a_liar_moves_nobody_far, begin),
        cmocka_unit_test(whatever_comes_it_stays_valid),
        cmocka_unit_test(equals_part),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(roots_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
