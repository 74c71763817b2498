vn_unit_test(worker_host SOURCES test_worker_host.c LINKS vn_lib vn_test_support)
vn_unit_test(data_thread SOURCES test_data_thread.c LINKS vn_lib vn_test_worker vn_test_support)
vn_unit_test(lib_oom SOURCES test_lib_oom.c LINKS vn_test_oom vn_lib)
