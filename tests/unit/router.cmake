vn_unit_test(router SOURCES test_router.c LINKS vn_router vn_test_support m)
