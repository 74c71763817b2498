/* What STUN answers say of a NAT. */
#include "conflux/netcheck.h"

#include "support/test.h"

static struct vn_addr addr(const char *ip, uint16_t port)
{
    struct vn_addr a = {.port = port};
    assert_ok(vn_ip_parse(ip, &a.ip));
    return a;
}

struct one {
    const char *server;
    uint16_t port, outer;
};

static enum vn_nat_mapping of(const struct one *all, size_t n)
{
    const struct vn_addr local = addr("10.0.0.2", 5000);
    struct vn_nat_answer answers[8];
    for (size_t i = 0; i < n; i++)
        answers[i] = (struct vn_nat_answer){
            .server = addr(all[i].server, all[i].port),
            .mapped = all[i].outer ? addr("203.0.113.9", all[i].outer) : local};
    return vn_nat_mapping_of(&local, answers, n);
}
#define OF(...)                                                                                    \
    of((const struct one[]){__VA_ARGS__}, sizeof((struct one[]){__VA_ARGS__}) / sizeof(struct one))

static void each_mapping_is_told(void **state)
{
    (void)state;
    assert_int_equal(of(NULL, 0), VN_NAT_UNKNOWN);
    assert_int_equal(OF({"192.0.2.1", 1, 0}), VN_NAT_NONE);
    assert_int_equal(OF({"192.0.2.1", 1, 0}, {"192.0.2.2", 1, 0}), VN_NAT_NONE);
    /* one address of a server says nothing of others */
    assert_int_equal(OF({"192.0.2.1", 1, 7}), VN_NAT_UNKNOWN);
    assert_int_equal(OF({"192.0.2.1", 1, 7}, {"192.0.2.1", 2, 7}), VN_NAT_UNKNOWN);
    assert_int_equal(OF({"192.0.2.1", 1, 7}, {"192.0.2.2", 1, 7}), VN_NAT_ENDPOINT_INDEPENDENT);
    assert_int_equal(OF({"192.0.2.1", 1, 7}, {"192.0.2.1", 2, 7}, {"192.0.2.2", 1, 8}),
                     VN_NAT_ADDRESS_DEPENDENT);
    assert_int_equal(OF({"192.0.2.1", 1, 7}, {"192.0.2.2", 1, 8}), VN_NAT_DEPENDENT);
    assert_int_equal(OF({"192.0.2.1", 1, 7}, {"192.0.2.1", 2, 8}),
                     VN_NAT_ADDRESS_AND_PORT_DEPENDENT);
    assert_int_equal(OF({"192.0.2.1", 1, 7}, {"192.0.2.2", 1, 8}, {"192.0.2.2", 2, 9}),
                     VN_NAT_ADDRESS_AND_PORT_DEPENDENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_mapping_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
