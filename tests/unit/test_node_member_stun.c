/* The worker gets the keys of STUN between members as hours go by, where there is use for them. */
#include "base/limits.h"
#include "support/node_world.h"
#include "support/test.h"

static void one_public_node(struct vn_credentials *c)
{
    c->realm.member_stun[0].port = 3478;
    c->realm.member_stun_count = 1;
}

static void none_are_given_where_nobody_is_public(void **state)
{
    (void)state;
    struct vn_world w;
    size_t servers;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    (void)vn_world_add(&w, "alice", "home");
    vn_world_run(&w, 2 * VN_HOUR_MS);
    assert_int_equal(vn_mem_net_stun_keys(w.net, &servers)->count, 0);
    vn_world_done(&w);
}

static uint32_t hour_now(const struct vn_world_node *n)
{
    return vn_hour_of(vn_world_status(n).protocol_time_ms);
}

static void they_follow_the_hours(void **state)
{
    (void)state;
    struct vn_world w;
    size_t servers;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_mem_member *m = vn_mem_authority_member(w.authority, a->member);
    m->change = one_public_node;
    while (m->renewals == 0) /* brings the public node */
        vn_world_run(&w, 60000);
    const struct vn_stun_keys *k = vn_mem_net_stun_keys(w.net, &servers);
    assert_int_equal(servers, 1);
    for (unsigned i = 0; i < 130; i++) { /* more than two hours */
        const uint64_t into_ms = vn_world_status(a).protocol_time_ms % VN_HOUR_MS;
        const bool edge = into_ms <= VN_HOUR_GRACE_MS || into_ms >= VN_HOUR_MS - VN_HOUR_GRACE_MS;
        assert_int_equal(k->keys[0].hour, hour_now(a));
        assert_int_equal(k->count, edge ? 2 : 1);
        vn_world_run(&w, 60000);
    }
    vn_world_done(&w);
}

static void they_follow_the_generations(void **state)
{
    (void)state;
    struct vn_world w;
    size_t servers;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    /* The node logs in while the realm changes keys: both generations count. */
    const uint32_t next = vn_mem_authority_rekey_begin(w.authority, NULL);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    vn_mem_authority_member(w.authority, a->member)->change = one_public_node;
    while (vn_mem_authority_member(w.authority, a->member)->renewals == 0)
        vn_world_run(&w, 60000);
    const struct vn_stun_keys *k = vn_mem_net_stun_keys(w.net, &servers);
    bool has_next = false;
    for (size_t i = 0; i < k->count; i++)
        has_next |= k->keys[i].generation == next;
    assert_true(has_next);
    assert_int_not_equal(k->keys[0].generation, next);
    vn_world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_are_given_where_nobody_is_public),
        cmocka_unit_test(they_follow_the_hours),
        cmocka_unit_test(they_follow_the_generations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
