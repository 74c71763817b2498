vn_unit_test(worker_host SOURCES test_worker_host.c LINKS vn_lib vn_test_support)
