#include "net.h"
#include "support/test.h"

static struct sim_matrix sites;

static int begin(void **state)
{
    (void)state;
    sites = sim_matrix_make(60, 7);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sim_matrix_free(&sites);
    return 0;
}

static struct sim_config config(uint64_t seed)
{
    return (struct sim_config){
        .nodes = 400, .seed = seed, .seconds = 120, .active_share = 4, .destinations = 1};
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    struct sim_config c = config(3);
    c.churn = true;
    struct sim_result a = sim_net_run(&c, &sites), b = sim_net_run(&c, &sites);
    assert_true(a.events > 10000);
    assert_memory_equal(&a, &b, sizeof(a));
    c.seed++;
    b = sim_net_run(&c, &sites);
    assert_true(a.digest != b.digest);
}

/* The learner saves most of what relays can save, and greed sways about more. */
static void relays_pay(void **state)
{
    (void)state;
    struct sim_config c = config(4);
    struct sim_result ccx = sim_net_run(&c, &sites);
    c.how = SIM_GREEDY;
    struct sim_result greedy = sim_net_run(&c, &sites);
    c.how = SIM_DIRECT;
    struct sim_result direct = sim_net_run(&c, &sites);
    assert_true(ccx.over < 0.05 && ccx.over < greedy.over);
    assert_true(ccx.all.cost / ccx.all.ticks < 0.9 * direct.all.cost / direct.all.ticks);
    assert_true(ccx.switches_h < greedy.switches_h / 2);
    assert_true(direct.relayed == 0 && direct.switches_h == 0 && ccx.relayed > 0.1);
    assert_true(ccx.all.cost >= ccx.all.best && ccx.all.dead_ms < ccx.all.direct_dead_ms);
}

static void finite_relays_are_not_crowded(void **state)
{
    (void)state;
    struct sim_config c = config(5);
    c.finite = true;
    c.active_share = 1;
    struct sim_result ccx = sim_net_run(&c, &sites);
    c.how = SIM_GREEDY;
    struct sim_result greedy = sim_net_run(&c, &sites);
    assert_true(ccx.relayed > 0.1 && greedy.crowded > 0);
    assert_true(ccx.crowded < greedy.crowded / 2);
    assert_true(ccx.overloaded < 0.0005);
}

static void liars_gain_nothing(void **state)
{
    (void)state;
    struct sim_config c = config(6);
    struct sim_result honest = sim_net_run(&c, &sites);
    c.liars_percent = 10;
    struct sim_result lied_to = sim_net_run(&c, &sites);
    assert_true(honest.digest != lied_to.digest);
    assert_true(lied_to.mean_cost_us <
                1.06 * honest.mean_cost_us); /* one short run: bench has more */
    c.liars_percent = 0;
    c.holes_percent = 10;
    struct sim_result holed = sim_net_run(&c, &sites);
    assert_true(holed.all.dead_ms > honest.all.dead_ms);
    assert_true(holed.mean_cost_us < 1.06 * honest.mean_cost_us);
}

/* Parted, nothing crosses; when the parts join again, relays are used as before. */
static void parts_heal(void **state)
{
    (void)state;
    struct sim_config c = config(8);
    c.still = true;
    c.partition = true;
    struct sim_result r = sim_net_run(&c, &sites);
    assert_int_equal(12, r.sample_count);
    double before = 0, parted = 0, after = 0;
    for (size_t i = 0; i < 3; i++) {
        before += r.samples[i].ticks;
        parted += r.samples[5 + i].ticks;
        after += r.samples[9 + i].ticks;
    }
    assert_true(parted < 0.7 * before);
    assert_true(after > 0.95 * before);
    const struct sim_sample *last = &r.samples[11];
    assert_true(last->cost < 1.1 * last->best && last->direct > 1.1 * last->best);
}

static void without_master_relays_are_found_through_tethers(void **state)
{
    (void)state;
    struct sim_config c = config(9);
    c.master_away = true;
    struct sim_result away = sim_net_run(&c, &sites);
    assert_true(away.over < 0.05);
    assert_true(away.all.dead_ms < 0.05 * away.all.direct_dead_ms);
    c.master_away = false;
    struct sim_result there = sim_net_run(&c, &sites);
    assert_true(there.digest != away.digest && there.queries_s > away.queries_s);
}

/* What a node sends does not hang on the size of the network, only on what it does. */
static void bytes_hang_on_activity_alone(void **state)
{
    (void)state;
    struct sim_config c = config(10);
    struct sim_result few = sim_net_run(&c, &sites);
    c.nodes = 1200;
    struct sim_result many = sim_net_run(&c, &sites);
    assert_true(many.active_bytes_s < 1.1 * few.active_bytes_s);
    assert_true(many.idle_bytes_s < 60);
    c.active_share = 32;
    c.destinations = 16;
    struct sim_result sixteen = sim_net_run(&c, &sites);
    assert_true(sixteen.active_bytes_s < 1600 && sixteen.probes_s <= 7.1);
    assert_true(sixteen.active_bytes_s > many.active_bytes_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(relays_pay),
        cmocka_unit_test(finite_relays_are_not_crowded),
        cmocka_unit_test(liars_gain_nothing),
        cmocka_unit_test(parts_heal),
        cmocka_unit_test(without_master_relays_are_found_through_tethers),
        cmocka_unit_test(bytes_hang_on_activity_alone),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
