#include "base/list.h"

#include "support/test.h"

struct item {
    int n;
    struct vn_list link;
};

static void keeps_order_and_survives_removal_while_walking(void **state)
{
    (void)state;
    struct vn_list head;
    struct item items[5];
    vn_list_init(&head);
    assert_true(vn_list_empty(&head));
    for (int i = 0; i < 5; i++) {
        items[i].n = i;
        vn_list_append(&head, &items[i].link);
    }
    int sum = 0;
    VN_LIST_EACH(it, &head)
    {
        struct item *item = VN_LIST_ENTRY(it, struct item, link);
        sum = sum * 10 + item->n;
        if (item->n % 2 == 0)
            vn_list_remove(it);
    }
    assert_int_equal(sum, 1234);
    sum = 0;
    VN_LIST_EACH(it, &head)
    sum = sum * 10 + VN_LIST_ENTRY(it, struct item, link)->n;
    assert_int_equal(sum, 13);
    vn_list_remove(&items[0].link); /* a second time: harmless */
    vn_list_remove(&items[1].link);
    vn_list_remove(&items[3].link);
    assert_true(vn_list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_survives_removal_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
